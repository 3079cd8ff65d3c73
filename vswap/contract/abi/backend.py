# SPDX-License-Identifier: MIT
"""A shared object as a tier: what vcram_backend.h says, in the words of vswap/tiers/base.py."""

from __future__ import annotations

import ctypes
import errno
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hw.clock import Clock
from vswap.base.backing import BackingType
from vswap.contract.abi.layout import MAX_HANDLE, STABLE_WRITES, UNBOUNDED, Config, Op, Ops, Owner, Room
from vswap.contract.abi.library import AbiError, errno_text, load_library
from vswap.contract.abi.requests import Asked, Requests
from vswap.contract.bench import Backend, Bench, Factory
from vswap.tiers.base import Full, IoError, Usage


class NativeTier:
    """One backend of a shared object. It is a swap device: a load leaves the copy in its place.

    Raises:
        AbiError: by any call; the backend has broken a rule of vcram_backend.h.
    """

    type = BackingType.OTHER

    def __init__(self, ops: Ops, clock: Clock, *, pages: int, folder: Path) -> None:
        self._ops = ops
        self._backend = ctypes.c_void_p()
        config = Config(pages, str(folder).encode())
        if result := ops.create(ctypes.byref(config), ctypes.byref(self._backend)):
            raise AbiError(ops.file, f"create returned {result} ({errno_text(result)})")
        self.requests = Requests(ops, self._backend, clock)
        self._capacity = self._ask_room().capacity
        self._closed = False
        self._left: dict[int, int] = {}  # what it held when it was closed: whoever looks for leaks asks after that
        self._room_left = Usage(0, None)

    async def store(self, data: bytes, slot: int) -> int:
        """See Tier."""
        return (await self._one(Asked(Op.STORE, data, slot=slot))).handle

    async def load(self, handle: int) -> bytes:
        """See Tier."""
        return (await self._one(Asked(Op.LOAD, handle=handle))).page

    def free(self, handle: int) -> None:
        """See Tier."""
        self._known("free", handle, self.requests.free(handle))

    def reown(self, handle: int, slot: int) -> None:
        """See Tier."""
        gone = handle in self.requests.late_frees
        self._known("reown", handle, -errno.ENOENT if gone else self._ops.reown(self._backend, handle, slot))

    def handles(self) -> dict[int, int]:
        """See Tier."""
        if self._closed:
            return dict(self._left)
        in_use = self.requests.in_use
        owners = (Owner * max(len(in_use), 1))()
        count = self._ops.handles(self._backend, owners, len(owners))
        if count != len(in_use):
            raise self.requests.broken(f"handles says that {count} are in use, and there are {len(in_use)}")
        found = {owner.handle: owner.slot for owner in owners[:count]}
        if odd := sorted(found.keys() ^ in_use):
            raise self.requests.broken(f"handles does not list each handle in use once: look at handle {odd[0]}")
        for hidden in self._hidden():
            found.pop(hidden, None)
        return found

    def usage(self) -> Usage:
        """See Tier."""
        if self._closed:
            return self._room_left
        room = self._room()
        return Usage(room.pages - len(self._hidden()), None if room.capacity == UNBOUNDED else room.capacity)

    async def flush(self) -> None:
        """See Tier. What killed tasks have left under way has ended, too."""
        await self._one(Asked(Op.FLUSH))
        await self.requests.drain()

    def close(self) -> None:
        """See Tier."""
        if self._closed:
            return
        try:
            self._left, self._room_left = self.handles(), self.usage()
        finally:
            self._closed = True
            self._ops.destroy(self._backend)

    # Trouble

    def damage(self, handle: int) -> None:
        """The medium loses this page."""
        self._ops.damage(self._backend, handle)

    def break_writes(self, broken: bool) -> None:
        """Writes fail from now on, or work again."""
        self._ops.break_writes(self._backend, broken)

    async def _one(self, asked: Asked) -> Asked:
        await self.requests.run([asked])
        if asked.error is not None:
            raise asked.error
        return asked

    def _room(self) -> Room:
        room = self._ask_room()
        if room.pages != len(self.requests.in_use):
            raise self.requests.broken(
                f"usage says that {room.pages} pages are in use, and there are {len(self.requests.in_use)}"
            )
        if room.capacity < room.pages:
            raise self.requests.broken(f"usage says that {room.pages} of {room.capacity} pages are in use")
        if room.capacity != self._capacity:
            raise self.requests.broken(f"usage says that the capacity is {room.capacity}, and it was {self._capacity}")
        return room

    def _ask_room(self) -> Room:
        room = Room()
        self._ops.usage(self._backend, ctypes.byref(room))
        return room

    def _hidden(self) -> set[int]:
        """Handles that the backend holds, and nobody else does: not any more, or not yet."""
        return self.requests.unclaimed | self.requests.late_frees

    def _known(self, call: str, handle: int, result: int) -> None:
        if result == -errno.ENOENT and handle in self.requests.in_use - self.requests.late_frees:
            raise self.requests.broken(f"{call} of handle {handle}, which is in use, returned {result}")
        if result == -errno.ENOENT:
            raise KeyError(handle)
        if result:
            raise self.requests.broken(f"{call} of handle {handle} returned {result}, expected 0 or {-errno.ENOENT}")


class NativeQueue(NativeTier):
    """One that has places: requests of several pages are batches."""

    def __init__(self, ops: Ops, clock: Clock, *, pages: int, folder: Path) -> None:
        super().__init__(ops, clock, pages=pages, folder=folder)
        self.stable_writes = bool(ops.flags & STABLE_WRITES)

    def reserve(self, slot: int, count: int = 1) -> int:
        """See QueuedTier."""
        first = ctypes.c_uint64()
        result = self._ops.reserve(self._backend, slot, count, ctypes.byref(first))
        if result == -errno.ENOSPC:
            raise Full(f"no {count} places in a row")
        if result or not 1 <= first.value <= MAX_HANDLE + 1 - count:
            raise self.requests.broken(f"reserve of {count} returned {result} and the handle {first.value}")
        places = range(first.value, first.value + count)
        if taken := sorted(self.requests.in_use.intersection(places)):
            raise self.requests.broken(f"reserve of {count} gave the handle {taken[0]}, which is in use")
        self.requests.in_use.update(places)
        return first.value

    async def write(self, handle: int, pages: Sequence[bytes]) -> None:
        """See QueuedTier."""
        batch = [Asked(Op.WRITE, page, handle=place) for place, page in enumerate(pages, handle)]
        await self.requests.run(batch)
        for asked in batch:
            if asked.error is not None:
                raise asked.error

    async def read(self, handle: int, count: int) -> list[bytes | IoError]:
        """See QueuedTier."""
        batch = [Asked(Op.LOAD, handle=place) for place in range(handle, handle + count)]
        await self.requests.run(batch)
        return [asked.page if asked.error is None else IoError(str(asked.error)) for asked in batch]


def native_factory(path: Path) -> Factory:
    """A factory of the backends in a shared object, which is loaded when one is made: so it does its harm in the
    process of a check. The factory raises AbiError."""

    def factory(bench: Bench) -> Backend:
        ops = load_library(path)
        kind = NativeQueue if ops.reserve else NativeTier
        folder = Path(tempfile.mkdtemp(prefix="backend-", dir=bench.folder))
        tier = kind(ops, bench.clock, pages=bench.store_pages, folder=folder)
        return Backend(
            tier,
            damage=tier.damage if ops.damage else None,
            break_writes=tier.break_writes if ops.break_writes else None,
        )

    return factory
