"""Reclaim of DRAM: which folios go, and where to (docs/vswap/reclaim.md)."""

from __future__ import annotations

from vswap.base.errors import SlotsExhausted
from vswap.mm.folio import Folio
from vswap.mm.memcg import Memcg
from vswap.mm.workingset import age, evict
from vswap.paths import large
from vswap.slots.table import Backing, BackingType
from vswap.state.core import Core

DIRECT_BATCH = 8
KSWAPD_BATCH = 32
_KSWAPD_PATIENCE = 16
_BATCH = 32  # folios of a group before the next group's turn (SWAP_CLUSTER_MAX)


class Reclaim:
    """Second-chance reclaim over the LRU lists. Never waits for a folio lock, so it may run anywhere."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._turn = -1
        core.memory.on_pressure(self.direct)

    async def direct(self, memcg: Memcg) -> int:
        """Reclaim on behalf of an allocation that found only the reserve (of the root's groups, which are all), or this
        group at its memory.max; frames freed."""
        limit = memcg.limits.memory_max
        freed = await self.shrink(DIRECT_BATCH if limit is None else max(1, min(DIRECT_BATCH, limit // 8)), memcg)
        self._core.counters.pgsteal_direct += freed
        return freed

    async def background(self) -> None:
        """kswapd's work after a wake-up: reclaim until the high watermark, or until nothing moves."""
        core, memory = self._core, self._core.memory
        memory.wake_kswapd.clear()
        for idle_rounds in range(_KSWAPD_PATIENCE):
            while memory.free < memory.high:
                freed = await self.shrink(min(KSWAPD_BATCH, memory.high - memory.free))
                core.counters.pgsteal_kswapd += freed
                if not freed:
                    break
            if memory.free >= memory.high:
                return
            await core.pause(core.costs.retry * (idle_rounds + 1))

    async def shrink(self, target: int, memcg: Memcg | None = None) -> int:
        """Look at each folio of a group and those below it (by default, of all) at most once, some of each group in
        turn, and stop at `target` frames freed; how many it was."""
        groups = self._core.memcgs.subtree(memcg or self._core.memcgs.root)
        freed = self._split_deferred(groups)
        left = {group: len(group.lru) for group in self._in_turn(groups)}
        while left:
            for group in list(left):
                self._turn = group.id
                for _ in range(min(_BATCH, left[group])):
                    if freed >= target:
                        return freed
                    folio = group.lru.isolate()
                    if folio is None:
                        left[group] = 0
                        break
                    left[group] -= 1
                    freed += await self.reclaim_folio(folio, target=memcg)
                if not left[group]:
                    del left[group]
        return freed

    def _in_turn(self, groups: list[Memcg]) -> list[Memcg]:
        """From the one after the last one looked at on, so that each is the first one now and then."""
        return sorted(groups, key=lambda group: (group.id <= self._turn, group.id))

    def _split_deferred(self, groups: list[Memcg]) -> int:
        """Split the large folios of these groups that are partly unused; frames freed."""
        memory = self._core.memory
        before = memory.used
        for folio in list(memory.deferred):
            if folio.memcg in groups and folio.lock.try_acquire():
                large.split(self._core, folio)
                folio.lock.release()
        return before - memory.used

    async def reclaim_folio(self, folio: Folio, *, force: bool = False, target: Memcg | None = None) -> int:
        """Reclaim one folio that is off the lists; frames freed. `force` ignores recent use; `target` is the group
        being reclaimed, by default the root. A large folio that cannot leave as a whole is split, and its pages
        leave one by one."""
        core = self._core
        core.counters.pgscan += 1
        if not folio.lock.try_acquire():
            core.memory.add(folio)
            return 0
        parts: list[Folio] = []
        was_dead = folio.dead
        try:
            if not folio.dead and not core.unreferenced(folio):
                if self._used_lately(folio) and not force:
                    folio.active = True
                    core.counters.pgactivate += 1
                elif folio.lazyfree:
                    await self._discard(folio)
                elif folio.order:
                    parts = await self._swap_out_whole(folio, target or core.memcgs.root)
                else:
                    await self._swap_out(folio, target or core.memcgs.root)
        finally:
            if folio.active and folio.memcg is not None and not folio.dead:
                age(folio.memcg, len(folio.pages))
            core.memory.add(folio)
            core.unlock(folio)
        if not parts:
            return len(folio.pages) if folio.dead and not was_dead else 0
        freed = 0
        for part in parts:
            if not part.dead:
                core.memory.remove(part)
                freed += await self.reclaim_folio(part, force=True, target=target)
        return freed

    @staticmethod
    def _used_lately(folio: Folio) -> bool:
        """Collect the accessed bits of all mappers."""
        used = False
        for table, vpn in folio.mappers:
            pte = table.get(vpn)
            assert pte is not None
            used |= pte.accessed
            pte.accessed = False
        return used

    async def _discard(self, folio: Folio) -> None:
        """Drop a locked lazyfree folio. Written to since MADV_FREE, it is an ordinary one again, and active."""
        core = self._core
        mappers = list(folio.mappers)
        if any(pte.dirty for table, vpn in mappers if (pte := table.get(vpn)) is not None):
            folio.lazyfree = False
            folio.active = True
            return
        for table, vpn in mappers:
            table.clear(vpn)
        folio.mappers.clear()
        core.counters.pglazyfreed += len(folio.pages)
        await core.pause(core.costs.tlb_shootdown)
        core.drop(folio)

    async def _swap_out_whole(self, folio: Folio, target: Memcg) -> list[Folio]:
        """Unmap a locked large folio and write it to one tier. Where that cannot be, it is split: the folios of its
        pages."""
        core = self._core
        assert folio.memcg is not None
        if large.partially_mapped(core, folio):
            return large.split(core, folio)
        if not folio.slot:
            try:
                slot = core.allocate_slot(folio.memcg, order=folio.order)
            except SlotsExhausted:
                core.counters.count_mthp(folio.order, "swpout_fallback")
                return large.split(core, folio)
            core.cache.add(slot, folio)
            for each in folio.slots:
                core.slots.set_backing(each, Backing(BackingType.FOLIO))
            folio.dirty = True
        if core.unmap(folio):
            await core.pause(core.costs.tlb_shootdown)
        await core.pause(core.costs.swap_machinery)
        if not folio.dirty:
            core.counters.swap_clean += len(folio.pages)
        elif not await large.write_out(core, folio):
            core.counters.count_mthp(folio.order, "swpout_fallback")
            return large.split(core, folio)
        self._evict(folio, folio.slot, target)
        return []

    async def _swap_out(self, folio: Folio, target: Memcg) -> None:
        """Unmap a locked folio and write it to a tier. Ends with the folio gone, or dirty in the swap cache and
        active."""
        core = self._core
        assert folio.memcg is not None
        if not folio.slot:
            try:
                slot = core.allocate_slot(folio.memcg)
            except SlotsExhausted:
                return
            core.cache.add(slot, folio)
            core.slots.set_backing(slot, Backing(BackingType.FOLIO))
            folio.dirty = True
        slot = folio.slot
        if core.unmap(folio):
            await core.pause(core.costs.tlb_shootdown)
        await core.pause(core.costs.swap_machinery)
        if not folio.dirty:
            core.counters.swap_clean += 1
            self._evict(folio, slot, target)
            return
        backing = await core.write_out(folio.data, slot, core.order)
        while backing is None and core.direct is not None and core.rehome(folio):
            await core.pause(core.scan_cost())
            slot = folio.slot
            backing = await core.write_out(folio.data, slot, core.order)
        if backing is None:
            core.counters.swapout_failed += 1
            folio.active = True
            return
        core.change_backing(slot, backing)
        if backing.type is BackingType.CRAM:
            resident = core.add_cram_folio(backing, slot)
            core.cache.replace(folio, resident)
            if core.unreferenced(resident):
                core.reap_wanted.set()
        self._evict(folio, slot, target)

    def _evict(self, folio: Folio, slot: int, target: Memcg) -> None:
        """Give the frame of a locked folio back that a tier has; its shadow stays in the slot."""
        core = self._core
        shadow = evict(folio, target)
        for each in range(slot, slot + len(folio.pages)):
            core.slots.set_shadow(each, shadow)
        core.drop(folio)
