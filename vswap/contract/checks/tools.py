# SPDX-License-Identifier: MIT
"""What several checks need: a backend on its bench, and a shadow of what it holds."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from vswap.contract.bench import Backend, Bench, Factory, build
from vswap.contract.pages import SAME_PAGE, ZERO_PAGE, compressible_page, noise_page, program_pages
from vswap.tiers.base import Full, Rejected, Tier, TierError


class Failure(AssertionError):  # noqa: N818 - what pytest calls it
    """The backend broke the rule; the message says how."""


def expect(holds: bool, message: str) -> None:
    """Raise Failure with the message unless the rule holds."""
    if not holds:
        raise Failure(message)


@dataclass
class Subject:
    """A backend, and what it must hold: handle -> page, and the slot that owns it."""

    bench: Bench
    backend: Backend
    pages: dict[int, bytes] = field(default_factory=dict)
    owners: dict[int, int] = field(default_factory=dict)
    next_slot: int = 1

    @property
    def tier(self) -> Tier:
        """The backend's tier."""
        return self.backend.tier

    async def store(self, page: bytes, slot: int | None = None) -> int | None:
        """Store a page for a slot of its own; its handle, None when it was rejected or there was no room."""
        if slot is None:
            slot, self.next_slot = self.next_slot, self.next_slot + 1
        try:
            handle = await self.tier.store(page, slot)
        except (Rejected, Full):
            return None
        expect(handle not in self.pages, f"handle {handle} was handed out while it is in use")
        self.pages[handle], self.owners[handle] = page, slot
        return handle

    async def must_store(self, page: bytes | None = None) -> int:
        """Store a page that the backend takes."""
        handle = await self.store(page if page is not None else await self.taken())
        expect(handle is not None, "a page of a kind that was taken before is refused, with room left")
        assert handle is not None
        return handle

    async def taken(self) -> bytes:
        """A page of a kind that this backend takes; distinct ones where the kind allows it."""
        self.next_slot += 1
        rng = self.bench.rng
        for page in (rng.choice(program_pages()), compressible_page(self.next_slot), ZERO_PAGE):
            handle = await self.store(page)
            if handle is not None:
                self.free(handle)
                await self.tier.flush()
                return page
        raise Failure("no kind of page is taken, not even a page of zeros")

    def free(self, handle: int) -> None:
        """Free a handle in use."""
        del self.pages[handle], self.owners[handle]
        self.tier.free(handle)

    def free_some(self, share: int) -> None:
        """Free one in so many of the pages, drawn by chance."""
        for handle in self.bench.rng.sample(list(self.pages), len(self.pages) // share):
            self.free(handle)

    async def empty(self) -> None:
        """Free everything and do the batched work."""
        for handle in list(self.pages):
            self.free(handle)
        await self.tier.flush()

    async def fill(self, limit: int = 1000) -> bool:
        """Store pages until there is no room; False when `limit` pages fitted."""
        for number in range(limit):
            page = compressible_page(number) if number % 3 else self.bench.rng.choice(program_pages())
            if await self.store(page) is None and await self.store(ZERO_PAGE) is None:
                return True
        return False

    async def take_all_room(self) -> None:
        """The room is what it would be in a backend that never saw trouble: as much as its own usage says."""
        capacity = self.tier.usage().capacity
        if capacity is None:
            return
        page = compressible_page(1)
        if await self.store(page) is None:
            page = program_pages()[0]
        while len(self.pages) < capacity and await self.store(page) is not None:
            pass
        left = capacity - len(self.pages)
        expect(left == 0, f"{left} places have leaked")

    async def verify(self) -> None:
        """Everything that is held comes back."""
        for handle, page in list(self.pages.items()):
            expect(await self.tier.load(handle) == page, f"handle {handle} holds other bytes than were stored")

    def check_books(self) -> None:
        """The backend's own figures agree with the shadow."""
        expect(self.tier.handles() == self.owners, "handles() is not what was stored and not freed")
        held = self.tier.usage().pages
        expect(held == len(self.pages), f"usage() says {held} pages, {len(self.pages)} are held")


def subject(factory: Factory, bench: Bench) -> Subject:
    """A backend to work on."""
    return Subject(bench, build(factory, bench))


def kinds(seed: int) -> dict[str, bytes]:
    """A page of each kind, and corner cases of content."""
    almost_zero, almost_same = bytearray(ZERO_PAGE), bytearray(SAME_PAGE)
    almost_zero[-1] = almost_same[2048] = 1
    return {
        "zero": ZERO_PAGE,
        "same-filled": SAME_PAGE,
        "program": program_pages()[seed % len(program_pages())],
        "compressible": compressible_page(seed),
        "incompressible": noise_page(seed),
        "zero but for the last byte": bytes(almost_zero),
        "same-filled but for one byte": bytes(almost_same),
        "all ones": b"\xff" * len(ZERO_PAGE),
        "half noise": noise_page(seed)[:2048] + ZERO_PAGE[2048:],
        "same 4-byte words": b"\1\2\3\4" * (len(ZERO_PAGE) // 4),
        "same 16-byte words": bytes(range(16)) * (len(ZERO_PAGE) // 16),
    }


async def fails(call: Awaitable[object], *errors: type[BaseException]) -> bool:
    """True when the call raises one of the errors (a TierError by default), False when none. Raises Failure for
    another one."""
    expected = errors or (TierError,)
    try:
        await call
    except expected:
        return True
    except (Failure, OSError):  # OSError: perhaps the disk is full
        raise
    except Exception as other:
        raise _wrong(other, expected) from other
    return False


async def cancelled(task: Awaitable[object]) -> None:
    """Wait for the end of a task that was killed."""
    try:
        await task
    except CancelledError:
        pass


def raises(call: Callable[[], object], error: type[BaseException]) -> bool:
    """True when the call raises the error, False when none. Raises Failure for another one."""
    try:
        call()
    except error:
        return True
    except Exception as other:
        raise _wrong(other, (error,)) from other
    return False


def _wrong(error: Exception, expected: tuple[type[BaseException], ...]) -> Failure:
    names = " or ".join(kind.__name__ for kind in expected)
    return Failure(f"{names} is expected, as vswap/tiers/base.py says, and this was raised: {_said(error)}")


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")
