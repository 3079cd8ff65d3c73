# SPDX-License-Identifier: MIT
"""DRAM: frames with a limit and watermarks, charged to groups (docs/vswap/reclaim.md)."""

from __future__ import annotations

from collections.abc import Callable

from hw.clock import Clock
from vswap.base.errors import ContractViolation
from vswap.mm.folio import Folio
from vswap.mm.lru import ClassicLru, Lruvec
from vswap.mm.memcg import Memcg, MemcgTree
from vswap.mm.scan import note_cost
from vswap.mm.watermarks import Watermarks

MAX_RECLAIM_RETRIES = 16
"""Rounds of reclaim that free nothing, before whoever needs a frame or works for one gives up; the kernel's number."""


class Memory:
    """`limit` frames. Below `low` free ones kswapd is woken and works up to `high`; the last `minimum` are a reserve
    that only reclaim and writeback may use, since they free more than they take.

    Attributes:
        used: frames in use: folios and the zswap pool.
        folios: every live DRAM folio.
        updates: changes that the statistics lack by which reclaim goes.
        pool_frames: frames of the zswap pool.
        wake_kswapd: raised when free frames fall below `low`.
        deferred: large folios of which a page is not mapped any more, to be split (deferred_split_folio).
        memcgs: the groups; all folios are on the LRU lists (`lruvec`) of theirs.
    """

    def __init__(
        self,
        clock: Clock,
        limit: int,
        lru: Callable[[], Lruvec] = ClassicLru,
        marks: Watermarks | None = None,
    ) -> None:
        """`lru` makes the lists of a group: the policy. `marks`: the watermarks, by default small ones."""
        if limit < 16:
            raise ValueError(f"memory of {limit} pages, expected at least 16")
        self._clock = clock
        self.limit = limit
        marks = marks or Watermarks.small(limit)
        self.minimum, self.low, self.high = marks.minimum, marks.low, marks.high
        self.used = 0
        self.pool_frames = 0
        self.updates = 0
        self.folios: set[Folio] = set()
        self.wake_kswapd = clock.event()
        self.memcgs = MemcgTree()
        self.deferred: dict[Folio, None] = {}
        self._lru = lru
        self._lruvecs: dict[Memcg, Lruvec] = {}

    @property
    def free(self) -> int:
        """Free frames."""
        return self.limit - self.used

    # Frames

    def get_folio(self, memcg: Memcg | None) -> Folio | Memcg:
        """A private folio of zeros, charged to a group (get_page_from_freelist), or to nobody yet; else the group that
        is short of memory: the root where only the reserve is left, and kswapd is woken, or the one that is at its
        memory.max."""
        if self.free <= self.minimum:
            self.wake_kswapd.set()
            return self.memcgs.root
        return (memcg and memcg.try_charge(1)) or self._new_folio(memcg)

    def shortage(self, short: Memcg) -> str:
        """A sentence: why a group, or the root, has no frame."""
        if short is self.memcgs.root:
            return f"no frame can be freed: {self.used} of {self.limit} in use"
        return f"no frame of group {short.name} can be freed: {short.memory} of {short.limits.memory_max} in use"

    def allocate_politely(self) -> Folio | None:
        """A private folio that nothing has to be reclaimed for, charged to nobody yet; None when there is none."""
        return self._new_folio(None) if self.free > self.high else None

    def allocate_reserve(self) -> Folio | None:
        """A private folio for reclaim or writeback, out of the reserve if need be and charged to nobody; None when the
        reserve is empty as well."""
        return self._new_folio(None) if self.free else None

    def try_allocate(self, memcg: Memcg, order: int) -> Folio | None:
        """A private large folio, charged to a group; None without room above the low watermark or at a limit of the
        group. Nothing is reclaimed for it: there are always pages of order 0 to be had instead."""
        if not self.has_room(order) or memcg.try_charge(1 << order) is not None:
            return None
        return self._new_folio(memcg, order)

    def has_room(self, order: int) -> bool:
        """A large folio leaves the low watermark free."""
        return self.free - (1 << order) >= self.low

    def defer_split(self, folio: Folio) -> bool:
        """A page of a large folio is not used any more: reclaim splits it and frees that page. True the first time."""
        known = folio in self.deferred
        self.deferred[folio] = None
        return not known

    def split(self, folio: Folio) -> list[Folio]:
        """Give the frames of a large folio to folios of one page each, which are on no list; it is dead then."""
        parts = [Folio(self._clock, folio.memcg) for _ in folio.pages]
        folio.dead = True
        self.remove(folio)
        self.folios.remove(folio)
        self.folios.update(parts)
        return parts

    def _new_folio(self, memcg: Memcg | None, order: int = 0) -> Folio:
        folio = Folio(self._clock, memcg, order)
        self.used += 1 << order
        self.folios.add(folio)
        self._check_low()
        return folio

    def release(self, folio: Folio) -> None:
        """Give a folio's frames back."""
        if folio.dead:
            raise ContractViolation("a frame was given back twice")
        folio.dead = True
        self.remove(folio)
        self.folios.remove(folio)
        self.used -= len(folio.pages)
        if folio.memcg is not None:
            folio.memcg.uncharge(len(folio.pages))

    def take(self, count: int) -> bool:
        """Frames for the zswap pool, all or none. Half of the reserve stays out of its reach."""
        if self.free - count < self.minimum // 2:
            return False
        self.used += count
        self.pool_frames += count
        self._check_low()
        return True

    def give(self, count: int) -> None:
        """Frames back from the zswap pool."""
        self.used -= count
        self.pool_frames -= count

    def _check_low(self) -> None:
        if self.free < self.low:
            self.wake_kswapd.set()

    # LRU lists

    def flush(self, memcg: Memcg, threshold: int = 0) -> None:
        """Bring the statistics up to date by which reclaim of a group goes, if they lack so many changes."""
        if self.updates < threshold:
            return
        self.updates = 0
        for group in self.memcgs.subtree(memcg):
            self.lruvec(group).flush()

    def note_cost(self, memcg: Memcg, cost: int) -> None:
        """Reclaim of a group's pages has cost something, which it and those above it remember (vswap/mm/scan.py)."""
        if self.lruvec(memcg).pages_seen is None:
            return
        for group in memcg.lineage:
            note_cost(group, cost, sum(self.lruvec(each).pages_seen or 0 for each in self.memcgs.subtree(group)))

    def lruvec(self, memcg: Memcg) -> Lruvec:
        """The lists of a group's own folios (mem_cgroup_lruvec)."""
        lruvec = self._lruvecs.get(memcg)
        if lruvec is None:
            lruvec = self._lruvecs[memcg] = self._lru()
        return lruvec

    def add(self, folio: Folio) -> None:
        """Put a folio on the young end of its list."""
        if not folio.dead:
            assert folio.memcg is not None
            self.lruvec(folio.memcg).add(folio)

    def rotate(self, folio: Folio) -> None:
        """Let a folio be looked at next that is on a list, now that its write has ended (folio_rotate_reclaimable)."""
        assert folio.memcg is not None
        lruvec = self.lruvec(folio.memcg)
        if folio in lruvec:
            lruvec.add_oldest(folio)

    def deactivate(self, folio: Folio) -> None:
        """A folio is not needed soon; one that is being looked at is left alone."""
        assert folio.memcg is not None
        lruvec = self.lruvec(folio.memcg)
        if folio in lruvec:
            lruvec.deactivate(folio)

    def add_oldest(self, folio: Folio) -> None:
        """Put a folio where reclaim looks next."""
        assert folio.memcg is not None
        self.lruvec(folio.memcg).add_oldest(folio)

    def remove(self, folio: Folio) -> None:
        """Take a folio off its list, if it is on one; off the list of those to be split, too, when it is dead."""
        if folio.dead:
            self.deferred.pop(folio, None)
        if folio.memcg is not None:
            self.lruvec(folio.memcg).remove(folio)

    def __len__(self) -> int:
        """Folios on the lists."""
        return sum(map(len, self._lruvecs.values()))
