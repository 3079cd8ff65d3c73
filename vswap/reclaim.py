"""Reclaim of DRAM: which folios go, and where to (docs/vswap.md, "Memory and reclaim")."""

from __future__ import annotations

from vswap.core import Core
from vswap.errors import SlotsExhausted
from vswap.folio import Folio
from vswap.memcg import Memcg
from vswap.slots import Backing, BackingType
from vswap.workingset import age, evict

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
        left = {group: len(group.lru) for group in self._in_turn(groups)}
        freed = 0
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

    async def reclaim_folio(self, folio: Folio, *, force: bool = False, target: Memcg | None = None) -> bool:
        """Reclaim one folio that is off the lists; True when its frame is free. `force` ignores recent use; `target` is
        the group being reclaimed, by default the root."""
        core = self._core
        core.counters.pgscan += 1
        if not folio.lock.try_acquire():
            core.memory.add(folio)
            return False
        try:
            if not folio.dead and not core.unreferenced(folio):
                if self._used_lately(folio) and not force:
                    folio.active = True
                    core.counters.pgactivate += 1
                elif folio.lazyfree:
                    await self._discard(folio)
                else:
                    await self._swap_out(folio, target or core.memcgs.root)
        finally:
            if folio.active and folio.memcg is not None and not folio.dead:
                age(folio.memcg, 1)
            core.memory.add(folio)
            core.unlock(folio)
        return folio.dead

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
        core.counters.pglazyfreed += 1
        await core.pause(core.costs.tlb_shootdown)
        core.drop(folio)

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
        core.slots.set_shadow(slot, evict(folio, target))
        core.drop(folio)
