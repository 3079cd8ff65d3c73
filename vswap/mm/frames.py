"""DRAM: frames with a limit and watermarks, charged to groups (docs/vswap/reclaim.md)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hw.clock import Clock
from vswap.base.errors import ContractViolation, OutOfMemory
from vswap.mm.folio import Folio
from vswap.mm.memcg import Memcg, MemcgTree

_PATIENCE = 16  # rounds of reclaim without a freed frame before an allocation gives up, as the kernel has it


class Memory:
    """`limit` frames. Below `low` free ones kswapd is woken and works up to `high`; the last `minimum` are a reserve
    that only reclaim and writeback may use, since they free more than they take.

    Attributes:
        used: frames in use: folios and the zswap pool.
        folios: every live DRAM folio.
        pool_frames: frames of the zswap pool.
        wake_kswapd: raised when free frames fall below `low`.
        deferred: large folios of which a page is not mapped any more, to be split (deferred_split_folio).
        memcgs: the groups; all folios are on the LRU lists of theirs.
    """

    def __init__(self, clock: Clock, limit: int, retry_ns: int) -> None:
        if limit < 16:
            raise ValueError(f"memory of {limit} pages, expected at least 16")
        self._clock = clock
        self._retry_ns = retry_ns
        self.limit = limit
        self.minimum = max(4, limit // 64)
        self.low = self.minimum + max(2, limit // 64)
        self.high = self.low + max(2, limit // 32)
        self.used = 0
        self.pool_frames = 0
        self.folios: set[Folio] = set()
        self.wake_kswapd = clock.event()
        self.memcgs = MemcgTree()
        self.deferred: dict[Folio, None] = {}
        self._direct_reclaim: Callable[[Memcg], Awaitable[int]] | None = None

    @property
    def free(self) -> int:
        """Free frames."""
        return self.limit - self.used

    def on_pressure(self, direct_reclaim: Callable[[Memcg], Awaitable[int]]) -> None:
        """What an allocation calls when only the reserve is left (with the root), or when a group is at its limit (with
        that one): it gives the number of frames it freed."""
        self._direct_reclaim = direct_reclaim

    # Frames

    async def allocate(self, memcg: Memcg | None = None) -> Folio:
        """A private folio of zeros, charged to a group, by default to the root. Reclaims directly when only the reserve
        is left, and from the group that is at its limit. Call it without holding a folio lock.

        Raises:
            OutOfMemory: reclaim freed nothing, many times over.
        """
        memcg = memcg or self.memcgs.root
        failures = 0
        while True:
            if self.free <= self.minimum:
                short = self.memcgs.root
                self.wake_kswapd.set()
            else:
                full = memcg.try_charge(1)
                if full is None:
                    return self._new_folio(memcg)
                short = full
            if failures == _PATIENCE:
                short.events["oom"] += 1
                raise OutOfMemory(self._shortage(short))
            if self._direct_reclaim is not None and await self._direct_reclaim(short):
                failures = 0
            else:
                failures += 1
                await self._clock.sleep(self._retry_ns * failures)

    def _shortage(self, short: Memcg) -> str:
        if short is self.memcgs.root:
            return f"no frame can be freed: {self.used} of {self.limit} in use"
        return f"no frame of group {short.name} can be freed: {short.memory} of {short.limits.memory_max} in use"

    def allocate_politely(self, memcg: Memcg) -> Folio | None:
        """A private folio that nothing has to be reclaimed for; None when there is none."""
        if self.free <= self.high or memcg.try_charge(1) is not None:
            return None
        return self._new_folio(memcg)

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

    def add(self, folio: Folio) -> None:
        """Put a folio on the young end of its list."""
        if not folio.dead:
            assert folio.memcg is not None
            folio.memcg.lru.add(folio)

    def add_oldest(self, folio: Folio) -> None:
        """Put a folio where reclaim looks next."""
        assert folio.memcg is not None
        folio.memcg.lru.add_oldest(folio)

    def remove(self, folio: Folio) -> None:
        """Take a folio off its list, if it is on one; off the list of those to be split, too, when it is dead."""
        if folio.dead:
            self.deferred.pop(folio, None)
        if folio.memcg is not None:
            folio.memcg.lru.remove(folio)

    def __len__(self) -> int:
        """Folios on the lists."""
        return sum(len(group.lru) for group in self.memcgs)
