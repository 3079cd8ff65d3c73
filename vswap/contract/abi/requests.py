# SPDX-License-Identifier: MIT
"""Requests to a shared object: submitted in batches, and waited for until their completions are fetched."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hw.clock import Clock
from hw.link import PAGE_BYTES
from vswap.contract.abi.layout import MAX_HANDLE, NEVER, Completion, Op, Ops, Request
from vswap.contract.abi.library import AbiError, errno_text
from vswap.tiers.base import Full, Gone, IoError, Poisoned, Rejected, TierError

_GUARD = b"\xa5" * 64  # on both sides of each page, to see what is written there
_FETCHED = 32  # completions at once
_ERRORS: dict[int, type[TierError]] = {
    errno.ENOSPC: Full,
    errno.EOPNOTSUPP: Rejected,
    errno.EIO: IoError,
    errno.EBADMSG: Poisoned,
    errno.ENODEV: Gone,
}
_MAY_FAIL = {
    Op.STORE: {errno.ENOSPC, errno.EOPNOTSUPP, errno.EIO, errno.ENODEV},
    Op.LOAD: {errno.EIO, errno.EBADMSG, errno.ENODEV},
    Op.WRITE: {errno.EIO},
    Op.FLUSH: set(),
}


@dataclass(eq=False)
class Asked:
    """One request, with its buffer.

    Attributes:
        data: the page that is stored or written; None for others.
        handle: that it is for; of a store, the one that it got.
        ended: its completion was fetched.
        abandoned: the task that waited for it was killed.
        error: how it ended; None: well.
    """

    op: Op
    data: bytes | None = None
    slot: int = 0
    handle: int = 0
    ended: bool = False
    abandoned: bool = False
    error: TierError | None = None
    _buffer: Any = field(init=False)

    def __post_init__(self) -> None:
        page = self.data if self.data is not None else bytes(PAGE_BYTES)
        self._buffer = ctypes.create_string_buffer(_GUARD + page + _GUARD, PAGE_BYTES + 2 * len(_GUARD))

    def request(self, cookie: int) -> Request:
        """For the backend."""
        page = ctypes.cast(ctypes.byref(self._buffer, len(_GUARD)), ctypes.POINTER(ctypes.c_uint8))
        return Request(self.op, 0, cookie, self.handle, self.slot, None if self.op is Op.FLUSH else page)

    @property
    def page(self) -> bytes:
        """What the buffer holds now."""
        return bytes(self._buffer.raw[len(_GUARD) : len(_GUARD) + PAGE_BYTES])

    def end(self, result: int, handle: int) -> str:
        """It has completed. The rule that its backend broke on the way; empty where it broke none."""
        if self._buffer.raw[: len(_GUARD)] != _GUARD or self._buffer.raw[-len(_GUARD) :] != _GUARD:
            return f"a {self.op.name} wrote beyond the {PAGE_BYTES} bytes of its page"
        if self.data is not None and self.page != self.data:
            return f"a {self.op.name} changed the page that it was given to read"
        if result and -result not in _MAY_FAIL[self.op]:
            return f"a {self.op.name} completed with {result} ({errno_text(result)}), which it must not"
        if result:
            self.error = _ERRORS[-result](f"{self.op.name}: {os.strerror(-result)}")
        elif self.op is Op.STORE:
            if not 1 <= handle <= MAX_HANDLE:
                return f"a STORE returned the handle {handle}, expected 1 to {MAX_HANDLE}"
            self.handle = handle
        self.ended = True
        return ""


class Requests:
    """The requests to one backend.

    Attributes:
        under_way: submitted, and not completed.
        in_use: handles: of stores that have completed, and of places that were reserved, until they are freed.
        unclaimed: handles of stores whose tasks have not run since they completed.
        late_frees: handles to be freed when the requests for them have completed, which killed tasks have left.
    """

    def __init__(self, ops: Ops, backend: ctypes.c_void_p, clock: Clock) -> None:
        self._ops = ops
        self._backend = backend
        self._clock = clock
        self._cookies = 0
        self._broken: AbiError | None = None
        self._completions = (Completion * _FETCHED)()
        self.under_way: dict[int, Asked] = {}
        self.in_use: set[int] = set()
        self.unclaimed: set[int] = set()
        self.late_frees: set[int] = set()

    def broken(self, rule: str) -> AbiError:
        """To be raised where the backend breaks this rule now. The first one that it broke is said to all: others may
        follow from it."""
        self._broken = self._broken or AbiError(self._ops.file, rule, self._clock.now)
        return self._broken

    async def run(self, batch: Sequence[Asked]) -> None:
        """Submit a batch, and wait until all of it has completed. It is given up if the task is killed. Raises
        AbiError."""
        try:
            await self._submit(batch)
            await self.wait(batch)
        except BaseException:
            for asked in batch:
                self._give_up(asked)
            raise
        self.unclaimed.difference_update(asked.handle for asked in batch if asked.op is Op.STORE)

    async def wait(self, batch: Iterable[Asked]) -> None:
        """Wait until all of these have completed. Raises AbiError."""
        left = list(batch)
        while True:
            then = self._fetch()
            left = [asked for asked in left if not asked.ended]
            if not left:
                return
            await self._clock.sleep(then - self._clock.now)

    async def drain(self) -> None:
        """Wait for what killed tasks have left behind. Raises AbiError."""
        await self.wait([asked for asked in self.under_way.values() if asked.abandoned])

    def free(self, handle: int) -> int:
        """Free a handle; where a request for it is under way, as a killed task has left it, when that has ended. 0 or
        a negative errno value."""
        if handle in self.late_frees:
            return -errno.ENOENT
        if self._busy(handle):
            self.late_frees.add(handle)
            return 0
        return self._drop(handle)

    async def _submit(self, batch: Sequence[Asked]) -> None:
        left = list(batch)
        while left:
            cookies = range(self._cookies, self._cookies + len(left))
            requests = (Request * len(left))(*map(Asked.request, left, cookies))
            taken = self._ops.submit(self._backend, self._clock.now, requests, len(left))
            if taken > len(left):
                raise self.broken(f"submit took {taken} of {len(left)} requests")
            if not taken and not self.under_way:
                raise self.broken("submit took no request, with none under way")
            self._cookies += taken
            self.under_way.update(zip(cookies[:taken], left[:taken], strict=True))
            left = left[taken:]
            if left:
                before, then = len(self.under_way), self._fetch()
                if len(self.under_way) == before:
                    await self._clock.sleep(then - self._clock.now)

    def _fetch(self) -> int:
        """Fetch what has completed; when to do so again."""
        now, then = self._clock.now, ctypes.c_uint64()
        while True:
            count = self._ops.poll(self._backend, now, self._completions, _FETCHED, ctypes.byref(then))
            if count > _FETCHED:
                raise self.broken(f"poll returned {count} completions, {_FETCHED} were asked for")
            for completion in self._completions[:count]:
                self._end(completion)
            if count < _FETCHED:
                break
        if self.under_way and then.value == NEVER:
            kinds = ", ".join(sorted({asked.op.name for asked in self.under_way.values()}))
            raise self.broken(
                f"poll says that nothing is under way, and never completed {len(self.under_way)}: {kinds}"
            )
        if not self.under_way and then.value != NEVER:
            raise self.broken(f"poll says that something is under way at {now} ns, but all requests have completed")
        if then.value <= now:
            raise self.broken(f"poll has nothing at {now} ns, and asks for another poll at {then.value} ns")
        return then.value

    def _end(self, completion: Completion) -> None:
        asked = self.under_way.pop(completion.cookie, None)
        if asked is None:
            what = "a request twice" if completion.cookie < self._cookies else "what was never submitted"
            raise self.broken(f"poll completed {what}: cookie {completion.cookie}")
        if wrong := asked.end(completion.result, completion.handle):
            raise self.broken(wrong)
        if asked.op is Op.STORE and asked.error is None:
            if asked.handle in self.in_use:
                raise self.broken(f"a STORE returned the handle {asked.handle}, which is in use")
            self.in_use.add(asked.handle)
            self.unclaimed.add(asked.handle)
        if asked.abandoned:
            self._give_up(asked)
        if asked.handle in self.late_frees and not self._busy(asked.handle):
            self.late_frees.remove(asked.handle)
            self._must_free(asked.handle)

    def _give_up(self, asked: Asked) -> None:
        """Nobody wants it any more."""
        asked.abandoned = True
        if asked.op is Op.STORE and asked.handle in self.unclaimed:
            self.unclaimed.remove(asked.handle)
            self._must_free(asked.handle)

    def _drop(self, handle: int) -> int:
        result = int(self._ops.free(self._backend, handle))
        if not result:
            self.in_use.discard(handle)
        return result

    def _must_free(self, handle: int) -> None:
        if result := self._drop(handle):
            raise self.broken(f"free of handle {handle}, which is in use, returned {result}")

    def _busy(self, handle: int) -> bool:
        return any(asked.handle == handle for asked in self.under_way.values())
