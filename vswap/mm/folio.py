# SPDX-License-Identifier: MIT
"""Folios: pages of memory, in DRAM frames or on the CRAM device, and who maps them (docs/vswap/folios.md)."""

from __future__ import annotations

from typing import Protocol

from hw.clock import Clock, Event, Lock
from hw.link import ZERO_PAGE
from vswap.mm.memcg import Memcg
from vswap.mm.vma import AnonVma


class Entry(Protocol):
    """What rmap sees of a PTE (mm/pagetable.py)."""

    accessed: bool
    dirty: bool
    exclusive: bool
    folio: AnyFolio | None
    index: int
    slot: int
    writable: bool

    @property
    def is_present(self) -> bool:
        """The hardware finds a page by it."""


class Table(Protocol):
    """What rmap sees of a page table (mm/pagetable.py)."""

    name: str
    cpu: int

    def get(self, vpn: int) -> Entry | None:
        """The PTE, None in state none."""

    def map(self, vpn: int, folio: AnyFolio, *, writable: bool, exclusive: bool, index: int = 0) -> Entry:
        """Make the PTE point to a page of the folio, and the folio know of it."""

    def unmap(self, vpn: int, slot: int) -> None:
        """Make a softleaf of a present PTE; the folio's mappers are the caller's to change."""

    def map_zeros(self, vpn: int) -> None:
        """Make the PTE point to the shared page of zeros; the folio's mappers are the caller's to change."""

    def migrate(self, vpn: int) -> None:
        """Make a migration entry of a present PTE; the folio's mappers stay."""

    def clear(self, vpn: int) -> Entry | None:
        """Back to state none; what was there."""


class CramNode(Protocol):
    """What a folio on a device needs of it: the CRAM tier that it is on (tiers/cram.py).

    Attributes:
        fences: the device refuses stores to its pages, but for those that are writable in place.
    """

    fences: bool

    @property
    def closed(self) -> bool:
        """Nothing new is admitted."""

    async def load(self, handle: int) -> bytes:
        """A page. Raises TierError."""

    async def load_line(self, handle: int, line: int) -> bytes:
        """64 bytes of a page. Raises TierError."""

    def fenced(self, handle: int) -> bool:
        """The device refuses stores to the page."""

    async def set_fence(self, handle: int, on: bool) -> None:
        """Let the device refuse stores to a page, or not; nothing on one that has no fences. Raises TierError."""

    async def overwrite(self, handle: int, data: bytes) -> None:
        """A task's store of a whole page. Raises TierError."""

    def free(self, handle: int) -> None:
        """Drop the page."""

    def reown(self, handle: int, slot: int) -> None:
        """The page belongs to another slot now (0: to a folio without one)."""


class Folio:
    """A page in a DRAM frame, or 2^order of them that are swapped and reclaimed together (mTHP).

    Attributes:
        order: 0 for a page, else that of a large folio.
        lock: the folio lock. It guards `slot`, the mapping of a swap-cache folio and the backing of its slot.
        slot: the virtual slot under which the swap cache holds it, 0 when it does not; of a large folio the first one.
        mappers: every PTE that is present and points here, as (table, vpn). The kernel has only their number (the
            mapcount); what has to find them walks `anon_vma` (state/rmap.py).
        anon_vma, offset: where its mappers are found: the VMAs of this tree with the offset (of its first page).
        pages: the 4096 bytes of each page.
        memcg: the group it is charged to, None for a page that reclaim or writeback uses for a moment.
        dirty: no tier holds these bytes.
        was_cached: it has left the swap cache, with the bytes, or has got them past the PTEs (the kernel's PG_dirty of
            a folio without a slot).
        active: it belongs on the active list.
        referenced: reclaim has found it used when it looked last.
        workingset: it has been active.
        merged: KSM has made one page of several: its mappers are found one by one, not by anon_vma.
        pins: long-term pins: a device may write to it at any time, and it stays where it is.
        lazyfree: its owner does not need the content any more (MADV_FREE), unless a PTE is dirty.
        writeback: its write to a device is under way (mm/inflight.py). It stays in the swap cache until the end.
        readahead: it was read ahead, and no fault has found it yet.
        forced: it was charged past a limit of its group, to make room elsewhere.
        stable: it is under writeback, and the device needs the bytes to stay as they are until then.
        private: just allocated, held by one task and reachable from nowhere else.
        dead: given back; whoever waited for the lock looks again.
    """

    __slots__ = ("active", "anon_vma", "dead", "dirty", "forced", "lazyfree", "lock", "mappers", "memcg", "merged",
                 "offset", "order", "pages", "pins", "private", "readahead", "referenced", "slot", "stable",
                 "was_cached", "workingset", "writeback")  # fmt: skip

    def __init__(self, clock: Clock, memcg: Memcg | None, order: int = 0) -> None:
        self.lock = Lock(clock)
        self.memcg = memcg
        self.order = order
        self.slot = 0
        self.mappers: set[tuple[Table, int]] = set()
        self.anon_vma: AnonVma | None = None
        self.offset = 0
        self.merged = False
        self.pins = 0
        self.pages = [ZERO_PAGE] * (1 << order)
        self.dirty = True
        self.was_cached = False
        self.private = True
        self.active = False
        self.referenced = False
        self.workingset = False
        self.lazyfree = False
        self.writeback = False
        self.readahead = False
        self.stable = False
        self.forced = False
        self.dead = False

    @property
    def data(self) -> bytes:
        """The bytes of a folio of one page."""
        (data,) = self.pages
        return data

    @data.setter
    def data(self, data: bytes) -> None:
        (_,) = self.pages
        self.pages[0] = data

    @property
    def slots(self) -> range:
        """The slots under which the swap cache holds it, one a page; empty when it does not."""
        return range(self.slot, self.slot + len(self.pages)) if self.slot else range(0)

    def mapped(self, index: int) -> int:
        """PTEs that map this page of it."""
        if not self.order:
            return len(self.mappers)
        return sum(pte.index == index for table, vpn in self.mappers if (pte := table.get(vpn)) is not None)


class CramFolio:
    """A page on a device, addressed by its device page number.

    With a slot it is that slot's swap-cache folio, and its mappers are read-only. Without one (its slot was reaped when
    it became writable) it is an anonymous page that happens to lie on the device.

    Attributes:
        lock, slot, mappers, anon_vma, offset, merged, dead: as in Folio.
        tier: the device it is on.
        page: device page number (DPA / 4096), the CRAM tier's handle.
        memcg: the group whose page it is; `charged`: it is charged for it.
        writable: its one mapper may store into it.
        poisoned: the device answered with poison; it cannot be moved any more.
        writeback: its write to a later tier is under way (mm/inflight.py). It keeps its slot, and stays, until the end.
    """

    __slots__ = ("_accesses", "_clock", "_ended", "_started", "anon_vma", "charged", "dead", "lock", "mappers", "memcg",
                 "merged", "offset", "page", "poisoned", "slot", "tier", "writable", "writeback")  # fmt: skip

    def __init__(self, clock: Clock, tier: CramNode, page: int, slot: int, memcg: Memcg) -> None:
        self._clock = clock
        self.tier = tier
        self.lock = Lock(clock)
        self.page = page
        self.slot = slot
        self.memcg = memcg
        self.charged = False
        self.mappers: set[tuple[Table, int]] = set()
        self.anon_vma: AnonVma | None = None
        self.offset = 0
        self.merged = False
        self.writable = False
        self.poisoned = False
        self.writeback = False
        self.dead = False
        self._started = 0
        self._accesses: dict[int, None] = {}  # under way, by number, oldest first
        self._ended: Event | None = None

    @property
    def busy(self) -> bool:
        """A load or store of a task is under way."""
        return bool(self._accesses)

    def begin_access(self) -> int:
        """A task's load or store starts; its number. Between finding the PTE and this there must be no await."""
        self._started += 1
        self._accesses[self._started] = None
        return self._started

    def end_access(self, number: int) -> None:
        """It has ended."""
        del self._accesses[number]
        if self._ended is not None:
            self._ended.set()
            self._ended = None

    async def drain(self) -> None:
        """Wait for the accesses that have started before: what a TLB shootdown does, as an instruction finishes first.

        Call it after a PTE has changed. Accesses through other PTEs may go on and are not waited for.
        """
        last = self._started
        while self._accesses and next(iter(self._accesses)) <= last:
            if self._ended is None:
                self._ended = self._clock.event()
            await self._ended.wait()


AnyFolio = Folio | CramFolio
