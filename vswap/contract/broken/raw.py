# SPDX-License-Identifier: MIT
"""Broken swap devices whose mistakes show only where several tasks meet: each is right as long as one task at a time
calls it. They are made of RawStore, which is right."""

from __future__ import annotations

from asyncio import CancelledError
from collections import Counter

from hw.clock import Clock
from vswap.base.backing import BackingType
from vswap.contract.bench import Backend, Bench
from vswap.contract.broken.registry import tier
from vswap.tiers.base import Full, IoError, Usage

_READ_NS, _WRITE_NS, _ERASE_NS = 8_000, 9_000, 5_000


class RawStore:
    """Places for pages, which are kept as they are. A freed place is erased by late work, and then used again.

    Attributes:
        room: the places that are free, the next one last.
        erasing: freed places that are to be erased.
        damaged: places that cannot be read.
        broken: writes fail.
    """

    type = BackingType.OTHER

    def __init__(self, clock: Clock, pages: int) -> None:
        self.clock = clock
        self.pages = pages
        self.room = list(range(pages, 0, -1))
        self.erasing: list[int] = []
        self.content: dict[int, bytes] = {}
        self.owners: dict[int, int] = {}
        self.damaged: set[int] = set()
        self.broken = False

    async def store(self, data: bytes, slot: int) -> int:
        """See Tier."""
        place = self.take()
        try:
            await self.write()
        except BaseException:
            self.room.append(place)
            raise
        return self.keep(place, data, slot)

    def take(self) -> int:
        """A free place, which is nobody else's from now on. Raises Full."""
        if not self.room:
            raise Full("every place is taken")
        return self.room.pop()

    async def write(self) -> None:
        """The time of a write. Raises IoError."""
        await self.clock.sleep(_WRITE_NS)
        if self.broken:
            raise IoError("the medium cannot be written")

    def keep(self, place: int, data: bytes, slot: int) -> int:
        """The end of a store: its handle."""
        self.content[place], self.owners[place] = data, slot
        self.damaged.discard(place)
        return place

    async def load(self, handle: int) -> bytes:
        """See Tier."""
        await self.clock.sleep(_READ_NS)
        if handle in self.damaged:
            raise IoError(f"place {handle} cannot be read")
        return self.content[handle]

    def free(self, handle: int) -> None:
        """See Tier."""
        del self.owners[handle], self.content[handle]
        self.erasing.append(handle)

    def reown(self, handle: int, slot: int) -> None:
        """See Tier."""
        if handle not in self.owners:
            raise KeyError(handle)
        self.owners[handle] = slot

    def handles(self) -> dict[int, int]:
        """See Tier."""
        return dict(self.owners)

    def usage(self) -> Usage:
        """See Tier."""
        return Usage(len(self.owners), self.pages)

    async def flush(self) -> None:
        """See Tier."""
        batch, self.erasing = self.erasing, []
        try:
            await self.clock.sleep(_ERASE_NS)
        finally:
            self.room += batch

    def close(self) -> None:
        """See Tier."""

    def break_writes(self, broken: bool) -> None:
        """Writes fail from now on, or work again."""
        self.broken = broken


def raw(bench: Bench, kind: type[RawStore] = RawStore) -> Backend:
    """A raw store; damage makes a place unreadable."""
    store = kind(bench.clock, bench.store_pages)
    return Backend(store, damage=store.damaged.add, break_writes=store.break_writes)


@tier(raw)
class RawLimitBeforeTheWrite(RawStore):
    """The limit is tested before the write and the page counted after it: stores at once go beyond it."""

    def __init__(self, clock: Clock, pages: int) -> None:
        super().__init__(clock, pages)
        self.room = list(range(1 << 20, 0, -1))

    def take(self) -> int:
        if len(self.owners) >= self.pages:
            raise Full("every place is taken")
        return super().take()


@tier(raw)
class RawOwnerPutBackByALoad(RawStore):
    """A load notes the owner of the page, and writes the entry back at its end: an owner set meanwhile is lost."""

    async def load(self, handle: int) -> bytes:
        owner = self.owners[handle]
        data = await super().load(handle)
        if handle in self.owners:
            self.owners[handle] = owner
        return data


@tier(raw)
class RawFreeDuringLateWorkLost(RawStore):
    """Late work empties the list of freed places at its end: what was freed meanwhile is never free again."""

    async def flush(self) -> None:
        batch = list(self.erasing)
        await self.clock.sleep(_ERASE_NS)
        self.room += [place for place in batch if place in self.erasing]
        self.erasing.clear()


class _RollsBackOthers(RawStore):
    """A store that ends like this puts the list of free places back as it found it, with those taken since."""

    ended: type[BaseException]

    async def store(self, data: bytes, slot: int) -> int:
        found = list(self.room)
        place = self.take()
        try:
            await self.write()
        except self.ended:
            self.room = found
            raise
        except BaseException:
            self.room.append(place)
            raise
        return self.keep(place, data, slot)


@tier(raw)
class RawKilledStoreRollsBackOthers(_RollsBackOthers):
    """A killed store puts the list of free places back as it found it, with those that others have taken since."""

    ended = CancelledError


@tier(raw)
class RawFailedStoreRollsBackOthers(_RollsBackOthers):
    """A store whose write failed puts the list of free places back as it found it."""

    ended = IoError


@tier(raw)
class RawErrorOfAnotherLoad(RawStore):
    """The device has one status for all: the load that ends next takes the error of the one that failed."""

    failed = 0

    async def load(self, handle: int) -> bytes:
        self.failed += handle in self.damaged
        await self.clock.sleep(_READ_NS)
        if self.failed:
            self.failed -= 1
            raise IoError("a place cannot be read")
        return self.content[handle]


@tier(raw)
class RawOlderCopyTakesTheNewerAlong(RawStore):
    """The free of a slot's page drops what is under way for that slot."""

    def __init__(self, clock: Clock, pages: int) -> None:
        super().__init__(clock, pages)
        self.under_way: Counter[int] = Counter()

    async def store(self, data: bytes, slot: int) -> int:
        self.under_way[slot] += 1
        try:
            place = await super().store(data, slot)
            if not self.under_way[slot]:
                self.content[place] = bytes(len(data))
            return place
        finally:
            self.under_way[slot] = max(0, self.under_way[slot] - 1)

    def free(self, handle: int) -> None:
        self.under_way[self.owners[handle]] = 0
        super().free(handle)
