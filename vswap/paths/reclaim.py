# SPDX-License-Identifier: MIT
"""Reclaim of DRAM: which folios go, and where to (docs/vswap/reclaim.md)."""

from __future__ import annotations

from vswap.base.backing import IN_FOLIO, BackingType, TierKey
from vswap.base.errors import OutOfMemory, SlotsExhausted
from vswap.mm.folio import Folio
from vswap.mm.frames import MAX_RECLAIM_RETRIES
from vswap.mm.lru import SWAP_CLUSTER_MAX, Verdict
from vswap.mm.memcg import Memcg
from vswap.mm.workingset import age, evict
from vswap.paths import large
from vswap.paths.writeback import Writeback
from vswap.paths.zswap_shrinker import ZswapShrinker
from vswap.state import rmap
from vswap.state.machine import Machine
from vswap.tiers.base import Tier

KSWAPD_BATCH = 32
DEF_PRIORITY = 12
"""The first round looks at so small a part of each list: a 2^12-th. Each further one looks at twice as much."""


class Reclaim:
    """Second-chance reclaim over the LRU lists. Never waits for a folio lock, so it may run anywhere."""

    def __init__(self, machine: Machine, writeback: Writeback) -> None:
        """`writeback` makes room in zswap for a group that is at its limit there."""
        self.machine = machine
        self._make_room = writeback.shrink_memcg
        self._writeback = writeback
        self._slab = ZswapShrinker(machine, writeback) if machine.config.zswap_shrinker else None
        self._turn = -1

    async def allocate(self, memcg: Memcg | None) -> Folio:
        """A private folio of zeros, charged to a group, or with None to nobody yet. Reclaims directly when only the
        reserve is left, and from the group that is at its limit. Call it without holding a folio lock.

        Raises:
            OutOfMemory: reclaim freed nothing, many times over.
        """
        machine, memory = self.machine, self.machine.memory
        failures = 0
        while True:
            short = memory.get_folio(memcg)
            if isinstance(short, Folio):
                return short
            if failures == MAX_RECLAIM_RETRIES:
                short.events["oom"] += 1
                raise OutOfMemory(memory.shortage(short))
            if await self.direct(short):
                failures = 0
            else:
                failures += 1
                await machine.clock.sleep(machine.costs.retry * failures)

    async def direct(self, memcg: Memcg) -> int:
        """Reclaim on behalf of an allocation that found only the reserve (of the root's groups, which are all), or this
        group at its memory.max; pages freed. A page that goes to the device stays its group's memory: a group at its
        limit passes the device over, and gives up its pages there first, which are its coldest ones."""
        freed = 0
        if memcg is not self.machine.memory.memcgs.root:
            freed = await self._writeback.write_back_group(memcg, SWAP_CLUSTER_MAX)
        if not freed:
            freed = await self.shrink(SWAP_CLUSTER_MAX, memcg)
        self.machine.counters.pgsteal_direct += freed
        return freed

    async def background(self) -> None:
        """kswapd's work after a wake-up: reclaim until the high watermark, or until nothing moves."""
        machine, memory = self.machine, self.machine.memory
        memory.wake_kswapd.clear()
        for idle_rounds in range(MAX_RECLAIM_RETRIES):
            while memory.free < memory.high:
                freed = await self.shrink(min(KSWAPD_BATCH, memory.high - memory.free))
                machine.counters.pgsteal_kswapd += freed
                if not freed:
                    break
            if memory.free >= memory.high:
                return
            await machine.clock.sleep(machine.costs.retry * (idle_rounds + 1))

    async def shrink(self, target: int, memcg: Memcg | None = None) -> int:
        """Look at ever larger parts of the lists of a group and those below it (by default, of all), some of each
        group in turn, until `target` frames were freed or all was looked at (do_try_to_free_pages); how many it was."""
        groups = self.machine.memory.memcgs.subtree(memcg or self.machine.memory.memcgs.root)
        freed = self._split_deferred(groups)
        for priority in range(DEF_PRIORITY, -1, -1):
            for group in self._in_turn(groups):
                if freed >= target:
                    return freed
                if self._slab is not None:
                    freed += await self._slab.shrink(group, priority)
                for batch in self.machine.memory.lruvec(group).batches(priority):
                    self._turn = group.id
                    freed += await self._shrink_list(group, batch, memcg)
                    if freed >= target:
                        return freed
        return freed

    def _tiers_for(self, target: Memcg) -> tuple[Tier, ...]:
        """The tiers to try where this group is reclaimed: only the machine as a whole gains by the device."""
        tiers = self.machine.tiers.order
        if target is self.machine.memory.memcgs.root:
            return tiers
        return tuple(tier for tier in tiers if tier.type is not BackingType.CRAM)

    def _places_for(self, target: Memcg) -> list[TierKey]:
        """The devices on which a slot may be a place then."""
        tiers = self.machine.tiers
        return [tiers.key(tier) for tier in self._tiers_for(target)]

    async def _shrink_list(self, group: Memcg, count: int, target: Memcg | None) -> int:
        """Look at so many folios of one group; frames freed."""
        freed = 0
        for _ in range(count):
            folio = self._isolate(group)
            if folio is None:
                break
            freed += await self.reclaim_folio(folio, target=target)
        return freed

    def _isolate(self, group: Memcg) -> Folio | None:
        lruvec = self.machine.memory.lruvec(group)
        folio = lruvec.isolate()
        self.machine.counters.pgrefill += lruvec.refilled
        lruvec.refilled = 0
        return folio

    def _verdict(self, folio: Folio, *, force: bool) -> Verdict:
        """What becomes of a folio that is off the lists; by force it is reclaimed, active or not."""
        assert folio.memcg is not None
        if not force:
            return self.machine.memory.lruvec(folio.memcg).check_references(folio)
        folio.workingset |= folio.active
        folio.active = False
        return Verdict.RECLAIM

    def _in_turn(self, groups: list[Memcg]) -> list[Memcg]:
        """From the one after the last one looked at on, so that each is the first one now and then."""
        return sorted(groups, key=lambda group: (group.id <= self._turn, group.id))

    def _split_deferred(self, groups: list[Memcg]) -> int:
        """Split the large folios of these groups that are partly unused; frames freed."""
        memory = self.machine.memory
        before = memory.used
        for folio in list(memory.deferred):
            if folio.memcg in groups and not folio.pins and folio.lock.try_acquire():
                large.split(self.machine, folio)
                folio.lock.release()
        return before - memory.used

    async def reclaim_folio(self, folio: Folio, *, force: bool = False, target: Memcg | None = None) -> int:
        """Reclaim one folio that is off the lists; frames freed. `force` ignores recent use; `target` is the group
        being reclaimed, by default the root. A large folio that cannot leave as a whole is split, and its pages
        leave one by one."""
        machine = self.machine
        machine.counters.pgscan += 1
        if not folio.lock.try_acquire():
            machine.memory.add(folio)
            return 0
        parts: list[Folio] = []
        was_dead = folio.dead
        try:
            if not folio.dead and not folio.pins and not rmap.unreferenced(machine, folio):
                rmap.walk(machine, folio)  # what it takes to come by the accessed bits
                verdict = self._verdict(folio, force=force)
                if verdict is not Verdict.RECLAIM:
                    folio.active = verdict is Verdict.ACTIVATE
                elif folio.lazyfree:
                    await self.discard(folio)
                elif folio.order:
                    parts = await self.swap_out_whole(folio, target or machine.memory.memcgs.root)
                else:
                    await self.swap_out(folio, target or machine.memory.memcgs.root)
        finally:
            if folio.active and folio.memcg is not None and not folio.dead:
                age(folio.memcg, len(folio.pages))
                machine.counters.pgactivate += len(folio.pages)
                folio.memcg.count("pgactivate", len(folio.pages))
            machine.memory.add(folio)
            rmap.unlock(machine, folio)
        if not parts:
            return len(folio.pages) if folio.dead and not was_dead else 0
        freed = 0
        for part in parts:
            if not part.dead:
                machine.memory.remove(part)
                freed += await self.reclaim_folio(part, force=True, target=target)
        return freed

    async def discard(self, folio: Folio) -> None:
        """Drop a locked lazyfree folio. Written to since MADV_FREE, it is an ordinary one again, and active."""
        machine = self.machine
        mappers = rmap.walk(machine, folio)
        if any(pte.dirty for _, _, pte in mappers):
            folio.lazyfree = False
            folio.was_cached = True
            folio.active = True
            return
        for table, vpn, _ in mappers:
            table.clear(vpn)
            folio.mappers.discard((table, vpn))
        machine.counters.pglazyfreed += len(folio.pages)
        await machine.clock.sleep(machine.costs.tlb_shootdown + rmap.owed(machine))
        rmap.drop(machine, folio)

    async def swap_out_whole(self, folio: Folio, target: Memcg) -> list[Folio]:
        """Unmap a locked large folio and write it to one tier. Where that cannot be, it is split: the folios of its
        pages."""
        machine = self.machine
        assert folio.memcg is not None
        if large.partially_mapped(machine, folio):
            return large.split(machine, folio)
        if not folio.slot:
            try:
                places = self._places_for(target)
                slot = machine.layer.allocate(folio.memcg, folio.order, places, rmap.processor(folio))
            except SlotsExhausted:
                machine.counters.count_mthp(folio.order, "swpout_fallback")
                return large.split(machine, folio)
            machine.cache.add(slot, folio)
            for each in folio.slots:
                machine.slots.set_backing(each, IN_FOLIO)
            folio.dirty = True
        if rmap.try_to_unmap(machine, folio):
            await machine.clock.sleep(machine.costs.tlb_shootdown + rmap.owed(machine))
        await machine.clock.sleep(machine.costs.swap_machinery)
        if folio.dirty:
            for each in folio.slots:
                machine.layer.change_backing(each, IN_FOLIO)  # what a tier has is stale
        if not folio.dirty:
            machine.counters.swap_clean += len(folio.pages)
        elif not await large.write_out(machine, folio, self._tiers_for(target), self._make_room):
            machine.counters.count_mthp(folio.order, "swpout_fallback")
            return large.split(machine, folio)
        self.evict(folio, folio.slot, target)
        return []

    async def swap_out(self, folio: Folio, target: Memcg) -> None:
        """Unmap a locked folio and write it to a tier. Ends with the folio gone, or dirty in the swap cache and
        active."""
        machine = self.machine
        assert folio.memcg is not None
        if not folio.slot:
            try:
                places = self._places_for(target)
                slot = machine.layer.allocate(folio.memcg, only=places, cpu=rmap.processor(folio))
            except SlotsExhausted:
                return
            machine.cache.add(slot, folio)
            machine.slots.set_backing(slot, IN_FOLIO)
            folio.dirty = True
        slot = folio.slot
        if rmap.try_to_unmap(machine, folio):
            await machine.clock.sleep(machine.costs.tlb_shootdown + rmap.owed(machine))
        await machine.clock.sleep(machine.costs.swap_machinery)
        if not folio.dirty:
            machine.counters.swap_clean += 1
            self.evict(folio, slot, target)
            return
        machine.layer.change_backing(slot, IN_FOLIO)  # what a tier has is stale
        order = self._tiers_for(target)
        backing = await machine.placement.write_out(folio.data, slot, order, self._make_room)
        if backing is None:
            machine.counters.swapout_failed += 1
            folio.active = True
            return
        machine.layer.change_backing(slot, backing)
        if backing.type is BackingType.CRAM:
            resident = machine.residents.add(backing, slot)
            machine.cache.replace(folio, resident)
            if rmap.unreferenced(machine, resident):
                machine.reap_wanted.set()
        self.evict(folio, slot, target)

    def evict(self, folio: Folio, slot: int, target: Memcg) -> None:
        """Give the frame of a locked folio back that a tier has; its shadow stays in the slot."""
        machine = self.machine
        shadow = evict(folio, target, machine.memory)
        for each in range(slot, slot + len(folio.pages)):
            machine.slots.set_shadow(each, shadow)
        rmap.drop(machine, folio)
