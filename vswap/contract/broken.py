"""Backends broken on purpose, each as one was broken once: zswap, zram, a swapfile, a driver. The suite must reject
every one of them (docs/contract-suite.md, "Broken backends").

A breakage of one tier is a factory. A breakage of the layer around the tiers is a patch: a function that is given a
Patcher, on top of one of our own tiers.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import lz4.block

from driver import CramDevice, CramError
from hw.link import PAGE_BYTES
from vswap.base.errors import VswapError
from vswap.contract import backends
from vswap.contract.bench import Backend, Factory
from vswap.mm.cache import SwapCache
from vswap.mm.folio import CramFolio, Folio
from vswap.mm.memcg import Memcg
from vswap.mm.pagetable import Pte
from vswap.paths.fault import _Fault
from vswap.paths.reclaim import Reclaim
from vswap.paths.writeback import Writeback
from vswap.slots.table import Backing, SlotTable
from vswap.state.core import Core
from vswap.tiers.base import Full, Gone, Rejected, Usage
from vswap.tiers.cram import CramTier
from vswap.tiers.lz4block import Block, page_of
from vswap.tiers.swapfile import SwapfileTier
from vswap.tiers.zero import ZeroTier
from vswap.tiers.zram import ZramTier
from vswap.tiers.zswap import ZswapTier, _Entry


class Patcher:
    """Replaces attributes of classes and modules, and puts the old ones back at the end."""

    def __init__(self) -> None:
        self._undo: list[tuple[Any, str, Any]] = []

    def replace(self, owner: Any, name: str, value: Any) -> None:
        """Put `value` in the place of `owner.name` until the end."""
        self._undo.append((owner, name, owner.__dict__[name]))
        setattr(owner, name, value)

    def undo(self) -> None:
        """The end."""
        for owner, name, value in reversed(self._undo):
            setattr(owner, name, value)
        self._undo.clear()


@dataclass(frozen=True)
class Broken:
    """One broken backend; `story` says what is wrong with it."""

    name: str
    story: str
    factory: Factory
    patch: Callable[[Patcher], None] | None = None

    @contextmanager
    def patched(self) -> Iterator[None]:
        """The layer as this breakage has it."""
        patcher = Patcher()
        try:
            if self.patch is not None:
                self.patch(patcher)
            yield
        finally:
            patcher.undo()


BROKEN: list[Broken] = []


def _tier(base: Callable[..., Backend]) -> Callable[[type], type]:
    """Register a subclass of one of our tiers; its docstring is the story."""

    def register(kind: type) -> type:
        BROKEN.append(Broken(kind.__name__, kind.__doc__ or "", lambda bench: base(bench, kind)))
        return kind

    return register


def _layer(base: Factory) -> Callable[[Callable[[Patcher], None]], Callable[[Patcher], None]]:
    """Register a patch of the layer on top of one of our tiers; its docstring is the story."""

    def register(patch: Callable[[Patcher], None]) -> Callable[[Patcher], None]:
        BROKEN.append(Broken(patch.__name__, patch.__doc__ or "", base, patch))
        return patch

    return register


# zswap


@_tier(backends.zswap)
class ZswapStaleCopyAfterFailedStore(ZswapTier):
    """A store that fails answers with the older copy of the same slot: the old bytes come back as if they were new."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._kept: dict[int, bytes] = {}

    async def store(self, data: bytes, slot: int) -> int:
        try:
            handle = await super().store(data, slot)
        except Rejected:
            if slot not in self._kept:
                raise
            return await super().store(self._kept[slot], slot)
        self._kept[slot] = data
        return handle


@_tier(backends.zswap)
class ZswapExclusiveLoad(ZswapTier):
    """A load gives up the entry: whoever fails after it has lost the page."""

    async def load(self, handle: int) -> bytes:
        data = await super().load(handle)
        self._entries[handle].block = b""
        return data


@_tier(backends.zswap)
class ZswapSharedDecompressBuffer(ZswapTier):
    """All loads decompress into one buffer, which another load overwrites before it is copied."""

    _buffer = b""

    async def load(self, handle: int) -> bytes:
        self._buffer = await super().load(handle)
        await self._clock.sleep(50)
        return self._buffer


@_tier(backends.zswap)
class ZswapChargeLeak(ZswapTier):
    """A free forgets the frames of the pool."""

    def free(self, handle: int) -> None:
        if self._entries[handle].room is not None:
            del self._lru(self.root)[handle]
        del self._entries[handle]


@_tier(backends.zswap)
class ZswapLruInversion(ZswapTier):
    """The newest entries are written back first."""

    def oldest(self, memcg: Memcg | None = None) -> tuple[int, int] | None:
        for handle in reversed(self._lru(memcg or self.root)):
            return handle, self._entries[handle].slot
        return None


@_tier(backends.zswap)
class ZswapShrinkerOnADeadEntry(ZswapTier):
    """The shrinker's cursor stays on an entry that was freed."""

    _cursor: tuple[int, int] | None = None

    def oldest(self, memcg: Memcg | None = None) -> tuple[int, int] | None:
        if self._cursor is None:
            self._cursor = super().oldest(memcg)
            return self._cursor
        cursor, self._cursor = self._cursor, None
        return cursor


@_tier(backends.zswap)
class ZswapIncompressibleStorm(ZswapTier):
    """Pages that do not shrink are kept in the pool as they are, at more than their size."""

    async def store(self, data: bytes, slot: int) -> int:
        try:
            return await super().store(data, slot)
        except Rejected:
            room = self._pool.allocate(PAGE_BYTES)
            if room is None:
                raise
            return self._insert(_Entry(slot, data, room, self.owner(slot)))

    async def load(self, handle: int) -> bytes:
        block = self._entries[handle].block
        return block if len(block) == PAGE_BYTES else await super().load(handle)


@_tier(backends.zswap)
class ZswapLimitCheckedBeforeCompressing(ZswapTier):
    """The limit is looked at, then the page is compressed, then room is taken: several at once pass the limit."""

    async def store(self, data: bytes, slot: int) -> int:
        if data[8:] == data[:-8]:
            return await super().store(data, slot)
        if self._pool.pages >= self.limit_pages:
            self._hit_limit()
            raise Full("the zswap pool is at its limit")
        await self._clock.sleep(self._costs.zswap_compress)
        block = lz4.block.compress(data, store_size=False)
        room = self._pool.allocate(len(block)) if len(block) < PAGE_BYTES else None
        if room is None:
            raise Rejected("the page does not shrink")
        return self._insert(_Entry(slot, block, room, self.owner(slot), zlib.crc32(data)))


@_tier(backends.zswap)
class ZswapBlockBelievedWithoutItsCrc(ZswapTier):
    """A block that was passed on is decompressed, and nobody looks whether the page is the one that it was."""

    async def load(self, handle: int) -> bytes:
        entry = self._entries[handle]
        return page_of(entry.block, "an entry") if entry.room is not None else await super().load(handle)


@_tier(backends.zswap)
class ZswapBlockCompressedTwice(ZswapTier):
    """A block that is passed in is kept as the beginning of a page."""

    async def store_block(self, block: Block, slot: int) -> int:
        return await self.store(block.data.ljust(PAGE_BYTES, b"\0"), slot)


@_tier(backends.zswap)
class ZswapNoHysteresis(ZswapTier):
    """A full pool accepts again as soon as anything was freed, and the shrinker is not asked."""

    def _accepting(self) -> bool:
        return self._pool.pages < self.limit_pages


@_tier(backends.zswap)
class ZswapHalfBuiltEntry(ZswapTier):
    """The entry is in the lists before its page is compressed."""

    async def store(self, data: bytes, slot: int) -> int:
        handle = self._insert(_Entry(slot, data[:8], None, self.owner(slot)))
        await self._clock.sleep(100)
        del self._entries[handle]
        self._counters.zswpout -= 1
        return await super().store(data, slot)


@_tier(backends.zswap)
class ZswapSameFilledByItsStart(ZswapTier):
    """A page counts as same-filled when its first half is."""

    async def store(self, data: bytes, slot: int) -> int:
        if data[8:2048] == data[:2040]:
            data = data[:8] * (PAGE_BYTES // 8)
        return await super().store(data, slot)


# zero


@_tier(lambda bench, kind: Backend(kind(bench.clock, bench.costs, bench.counters)))
class ZeroByItsStart(ZeroTier):
    """The zero test stops before the last word."""

    async def store(self, data: bytes, slot: int) -> int:
        return await super().store(data[:-8] + bytes(8), slot)


# zram


@_tier(backends.zram)
class ZramTwoWritersLeakAHandle(ZramTier):
    """Two stores for one slot share the block that the second one overwrites: the first one's room is lost."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._by_slot: dict[int, int] = {}

    async def store(self, data: bytes, slot: int) -> int:
        place = self._by_slot.setdefault(slot, self._free[0]) if self._free else 0
        handle = await super().store(data, slot)
        if place in self._blocks and place != handle:
            self._blocks[place] = self._blocks.pop(handle)
            return place
        return handle

    def free(self, handle: int) -> None:
        self._by_slot = {slot: place for slot, place in self._by_slot.items() if place != handle}
        super().free(handle)


@_tier(backends.zram)
class ZramRawPageCutOff(ZramTier):
    """A page that does not shrink is kept at its compressed size."""

    async def load(self, handle: int) -> bytes:
        data = await super().load(handle)
        return data[:-16] + bytes(16) if len(self._blocks[handle].data) == PAGE_BYTES else data


@_tier(backends.zram)
class ZramDoubleFreeAccepted(ZramTier):
    """The free of a block that is free already passes, and the block is in the free list twice."""

    def free(self, handle: int) -> None:
        if handle in self._blocks:
            super().free(handle)
        else:
            self._free.append(handle)


@_tier(backends.zram)
class ZramPlaceLostWithAKilledTask(ZramTier):
    """A task that is killed inside a store takes the block with it."""

    async def store(self, data: bytes, slot: int) -> int:
        place = self._free.popleft() if self._free else 0
        await self._clock.sleep(60)
        if place:
            self._free.appendleft(place)
        return await super().store(data, slot)


# swapfile


@_tier(backends.swapfile)
class SwapfileOverTheHeader(SwapfileTier):
    """Slots are counted from 0, so that the first one is the header."""

    def _write(self, place: int, data: bytes) -> None:
        super()._write(place - 1, data)

    def _read(self, place: int) -> bytes:
        return super()._read(place - 1)


@_tier(backends.swapfile)
class SwapfileDiscardOfANeighbour(SwapfileTier):
    """The discard of a run is one slot too long."""

    def _punch(self, place: int, count: int) -> None:
        os.pwrite(self.file_number, bytes(PAGE_BYTES), (place + count) * PAGE_BYTES)
        super()._punch(place, count)


@_tier(backends.swapfile)
class SwapfileReadErrorAsZeros(SwapfileTier):
    """A slot that cannot be read comes back as zeros."""

    def _read(self, place: int) -> bytes:
        try:
            return super()._read(place)
        except OSError:
            return bytes(PAGE_BYTES)


@_tier(backends.swapfile)
class SwapfileWriteErrorIgnored(SwapfileTier):
    """A write that failed is reported as done."""

    def _write(self, place: int, data: bytes) -> None:
        try:
            super()._write(place, data)
        except OSError:
            pass


@_tier(backends.swapfile)
class SwapfileSlotTwice(SwapfileTier):
    """Finding a free slot and marking it are not one step, so that two stores at once get the same one."""

    async def store(self, data: bytes, slot: int) -> int:
        place = self._find_free()
        if place < 0:
            raise Full("the swapfile has no free slot")
        await self._clock.sleep(self._costs.swapfile_write)
        self._write(place, data)
        self._used[place] = 1
        self._owners[place] = slot
        self._counters.pswpout += 1
        return place


@_tier(backends.swapfile)
class SwapfileUsageOfStart(SwapfileTier):
    """Pages in use are those ever stored."""

    _ever = 0

    async def store(self, data: bytes, slot: int) -> int:
        handle = await super().store(data, slot)
        self._ever += 1
        return handle

    def usage(self) -> Usage:
        return Usage(self._ever, super().usage().capacity)


@_tier(backends.swapfile)
class SwapfileReverseMapStale(SwapfileTier):
    """The reverse map keeps the first owner."""

    def reown(self, handle: int, slot: int) -> None:
        if handle not in self._owners:
            raise KeyError(handle)


# CRAM


@_tier(backends.cram)
class CramAdmissionAfterClose(CramTier):
    """The gate is looked at only when the device is full."""

    async def store(self, data: bytes, slot: int) -> int:
        closed, self._no_alloc = self._no_alloc, False
        try:
            return await super().store(data, slot)
        finally:
            self._no_alloc = closed


@_tier(backends.cram)
class CramPageReusedBeforeItsTrim(CramTier):
    """A freed page is handed out again while its trim is still to come, and the trim then hits the new page."""

    def free(self, handle: int) -> None:
        super().free(handle)
        self._free.appendleft(handle)


@_tier(backends.cram)
class CramNeverTrimmed(CramTier):
    """Freed pages are used again without a trim; the media they took stays in use."""

    def free(self, handle: int) -> None:
        del self._owners[handle]
        self._free.append(handle)


@_tier(backends.cram)
class CramTrimOfALivePage(CramTier):
    """The range of a trim is one page too long."""

    async def _trim(self, pages: list[int]) -> None:
        await super()._trim([*pages, *(page + 1 for page in pages if page + 1 in self._owners)])


@_tier(backends.cram)
class CramPoisonDropped(CramTier):
    """A poisoned page reads as zeros."""

    async def load(self, handle: int) -> bytes:
        try:
            return await self._device.load(handle)
        except CramError:
            return bytes(PAGE_BYTES)


@_tier(backends.cram)
class CramLossHidden(CramTier):
    """A device that is gone is taken for a bad page."""

    async def store(self, data: bytes, slot: int) -> int:
        try:
            return await super().store(data, slot)
        except (CramError, Gone) as error:
            raise Full("no room") from error


@_tier(backends.cram)
class CramFailedTrimForgotten(CramTier):
    """Pages whose trim failed are used no more."""

    async def flush(self) -> None:
        while self._awaiting_trim:
            batch, self._awaiting_trim = self._awaiting_trim, []
            try:
                await self._device.trim(batch)
            except CramError:
                continue
            self._free.extend(batch)


@_tier(backends.cram)
class CramPoisonedPageUsedAgain(CramTier):
    """The page of a store that found the media full goes back to the free ones, poison as it is."""

    async def store(self, data: bytes, slot: int) -> int:
        try:
            return await super().store(data, slot)
        except Full:
            self._free.extendleft(self._awaiting_trim)
            self._awaiting_trim.clear()
            raise


@_tier(backends.swapfile)
class SwapfileRunTakesOnePlace(SwapfileTier):
    """A run of places is found and only its first one is marked as used: the next store overwrites the others."""

    def _take_run(self, count: int) -> int:
        first = super()._take_run(count)
        self._used[first + 1 : first + count] = bytes(count - 1)
        self._next = first + 1
        return first


@_tier(backends.cram)
class CramTrimOfABusyDeviceTakenForDone(CramTier):
    """A trim that is to be tried again is not: the page is used again with its old data and media."""

    async def _trim(self, pages: list[int]) -> None:
        await self._provider.trim(pages)


@_tier(backends.cram)
class CramBalloonGivenOut(CramTier):
    """Pages that were freed while the balloon still lacks some are used again, beyond what the provider can back."""

    def _fill_balloon(self) -> None:
        wanted, self.balloon_target = self.balloon_target, min(self.balloon_target, len(self._free) // 2)
        super()._fill_balloon()
        self.balloon_target = wanted


@_tier(backends.cram)
class CramStaleNominationBelieved(CramTier):
    """A page is promoted because of what was on its device page before."""

    def free(self, handle: int) -> None:
        super().free(handle)
        self._freed_lately.clear()


@_tier(backends.cram)
class CramPagesOfTheDeviceBefore(CramTier):
    """Pages that were freed after their device was removed are trimmed on, and taken for free ones of, the next."""

    def free(self, handle: int) -> None:
        super().free(handle)
        if self.gone is not None:
            self._left = [*getattr(self, "_left", []), handle]

    async def attach(self, device: CramDevice) -> None:
        await super().attach(device)
        self._free.extendleft(getattr(self, "_left", []))


# The layer around the tiers


@_layer(backends.swapfile)
def swap_charge_leaked(patch: Patcher) -> None:
    """A slot that loses its physical backing stays charged to its group."""
    patch.replace(Memcg, "uncharge_swap", lambda *_: None)


@_layer(backends.zswap)
def writeback_without_a_pin(patch: Patcher) -> None:
    """Writeback uses the backing it has read without a pin, while a swap-in or a free takes it away."""
    original = Writeback.write_back_zswap

    async def broken(self: Writeback, memcg: Memcg | None = None) -> bool:
        core = self._core
        assert core.zswap is not None
        victim = core.zswap.oldest(memcg)
        if victim is None or not core.slots.alive(victim[1]):
            return await original(self, memcg)
        handle, slot = victim
        data = await core.zswap.load(handle)
        backing = await core.write_out(data, slot, self._after_zswap)
        if backing is None or not core.slots.alive(slot):
            return False
        if core.slots.pinned(slot):
            core.slots.set_backing(slot, backing)
        else:
            _set_unpinned(core, slot, backing)
        core.zswap.free(handle)
        return True

    patch.replace(Writeback, "write_back_zswap", broken)


def _set_unpinned(core: Core, slot: int, backing: Backing) -> None:
    core.slots.pin(slot)
    core.slots.set_backing(slot, backing)
    core.slots.unpin(slot)


@_layer(backends.zswap)
def two_faults_skip_the_swap_cache(patch: Patcher) -> None:
    """A fault that finds the slot pinned by another one loads the page all the same, and maps a folio of its own."""
    patch.replace(SwapCache, "holds", lambda *_: True)


@_layer(backends.zswap)
def lost_dirty_bit(patch: Patcher) -> None:
    """A page that came back from zswap is believed to be clean, so reclaim drops the only copy."""
    original = _Fault._map_cached

    def broken(self: _Fault, pte: Pte, folio: Folio) -> None:
        folio.dirty = False
        original(self, pte, folio)

    patch.replace(_Fault, "_map_cached", broken)


@_layer(backends.swapfile)
def stale_copy_after_a_rewrite(patch: Patcher) -> None:
    """A page in the swap cache is written to while its copy on the device stays valid."""

    def broken(self: Core, folio: Folio) -> None:
        folio.dirty = False

    patch.replace(Core, "uncache", broken)


@_layer(backends.zram)
def failed_store_drops_the_folio(patch: Patcher) -> None:
    """No tier took the page, and reclaim frees it all the same."""
    original = Reclaim._swap_out

    async def broken(self: Reclaim, folio: Folio, target: Memcg) -> None:
        await original(self, folio, target)
        if not folio.dead and folio.slot:
            self._core.drop(folio)

    patch.replace(Reclaim, "_swap_out", broken)


@_layer(backends.cram)
def page_given_up_under_a_load(patch: Patcher) -> None:
    """A device page is trimmed while a task's load of it is under way."""

    async def broken(self: CramFolio) -> None:
        return

    patch.replace(CramFolio, "drain", broken)


@_layer(backends.cram)
def writable_page_over_the_budget(patch: Patcher) -> None:
    """The budget is compared with the pages ever made writable, minus one."""
    original = _Fault._write_fault_in_cram

    async def broken(self: _Fault, pte: Pte, folio: CramFolio) -> None:
        self._core.writable_pages -= 1
        try:
            await original(self, pte, folio)
        finally:
            self._core.writable_pages += 1

    patch.replace(_Fault, "_write_fault_in_cram", broken)


@_layer(backends.swapfile)
def reference_dropped_twice(patch: Patcher) -> None:
    """The slot of a page that is dropped loses two references, now and then."""
    original = SlotTable.put

    def broken(self: SlotTable, slot: int) -> Backing | None:
        backing = original(self, slot)
        if backing is None and slot % 3 == 0:
            try:
                return original(self, slot)
            except VswapError:
                return None
        return backing

    patch.replace(SlotTable, "put", broken)
