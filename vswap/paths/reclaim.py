# SPDX-License-Identifier: MIT
"""Reclaim of DRAM: which folios go, and where to (docs/vswap/reclaim.md)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from vswap.base.backing import IN_FOLIO, BackingType, TierKey
from vswap.base.errors import OutOfMemory, SlotsExhausted, SwapMaxReached
from vswap.mm.folio import Folio
from vswap.mm.frames import MAX_RECLAIM_RETRIES
from vswap.mm.lru import SWAP_CLUSTER_MAX, Verdict
from vswap.mm.memcg import Memcg
from vswap.mm.scan import ScanControl
from vswap.mm.workingset import age
from vswap.paths import large, lazyfree, migrate
from vswap.paths.pageout import Leaving, Pageout, unused, waits
from vswap.paths.shrink import Reclaimed, Shrink
from vswap.paths.writeback import Writeback
from vswap.paths.zswap_shrinker import ZswapShrinker
from vswap.state import migration, rmap
from vswap.state.machine import Machine
from vswap.tiers.base import Tier
from vswap.tiers.cram import CramTier

KSWAPD_BATCH = 32


@dataclass
class Round:
    """The folios of a round: those to be looked at, all that were taken off the lists, and those that nobody maps any
    more."""

    target: Memcg
    waiting: deque[Folio] = field(default_factory=deque)
    taken: list[Folio] = field(default_factory=list)
    unmapped: list[Folio] = field(default_factory=list)
    activated: list[Folio] = field(default_factory=list)
    discarded: list[Folio] = field(default_factory=list)
    demoting: list[tuple[Folio, CramTier]] = field(default_factory=list)  # locked, named by migration entries
    demotes: bool = True  # what a node refuses is swapped out in the same round
    flush: bool = False  # PTEs have been changed

    def split(self, machine: Machine, folio: Folio, parts: list[Folio]) -> None:
        """Folios of one page take the place of a large one."""
        self.taken.remove(folio)
        for part in parts:
            self.take(machine, part)

    def take(self, machine: Machine, folio: Folio) -> None:
        """Off the lists with a folio."""
        machine.memory.remove(folio)
        self.taken.append(folio)


class Reclaim:
    """Second-chance reclaim over the LRU lists. Never waits for a folio lock, so it may run anywhere."""

    def __init__(self, machine: Machine, writeback: Writeback) -> None:
        """`writeback` makes room in zswap for a group that is at its limit there."""
        self.machine = machine
        self._make_room = writeback.zswap.shrink_memcg
        self._writeback = writeback
        slab = ZswapShrinker(machine, writeback.zswap) if machine.config.zswap_shrinker else None
        self._shrink = Shrink(machine, slab, self.reclaim)

    async def allocate(self, memcg: Memcg | None) -> Folio:
        """A private folio of zeros, charged to a group, or with None to nobody yet. Reclaims directly when only the
        reserve is left, and from the group that is at its limit. Call it without holding a folio lock.

        Raises:
            OutOfMemory: reclaim freed nothing, many times over.
        """
        memory = self.machine.memory
        failures = 0
        while True:
            short = memory.get_folio(memcg)
            if isinstance(short, Folio):
                return short
            if failures == MAX_RECLAIM_RETRIES:
                short.meet("oom")
                raise OutOfMemory("; ".join(filter(None, [memory.shortage(short), self.machine.slots.shortage()])))
            if await self.direct(short):
                failures = 0
                continue
            failures += 1
            await self.throttle(failures)

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
        """kswapd's work after a wake-up: reclaim until the high watermark, or until nothing moves. Where the writes
        under way would do, it waits for one of them."""
        machine, memory = self.machine, self.machine.memory
        memory.wake_kswapd.clear()
        failures = 0
        while memory.free < memory.high and failures < MAX_RECLAIM_RETRIES:
            lacking = memory.high - memory.free - machine.inflight.pages
            freed = await self.shrink(min(KSWAPD_BATCH, lacking), by="kswapd") if lacking > 0 else 0
            machine.counters.pgsteal_kswapd += freed
            failures = 0 if freed else failures + 1
            if not freed:
                await self.throttle(failures)

    async def throttle(self, failures: int) -> None:
        """Nothing could be freed, so many times in a row: wait for a write that is under way; where there is none, or
        that did not do, for a while (reclaim_throttle)."""
        machine = self.machine
        if not await machine.inflight.wait_for_one() or failures > 1:
            await machine.clock.sleep(machine.costs.retry * failures)

    async def shrink(self, target: int, memcg: Memcg | None = None, by: str = "direct", *, fresh: bool = True) -> int:
        """Reclaim from a group and those below it (by default, from all) until `target` frames were freed, or will be
        by the writes under way; how many are free (`Shrink`)."""
        group = memcg or self.machine.memory.memcgs.root
        return await self._shrink.until(ScanControl(group, wanted=target), by, fresh=fresh)

    def _tiers_for(self, target: Memcg) -> tuple[Tier, ...]:
        """The tiers to try where this group is reclaimed: only the machine as a whole gains by the device."""
        tiers = self.machine.tiers.swap
        if target is self.machine.memory.memcgs.root:
            return tiers
        return tuple(tier for tier in tiers if tier.type is not BackingType.CRAM)

    def _places_for(self, target: Memcg) -> list[TierKey]:
        """The devices on which a slot may be a place then."""
        tiers = self.machine.tiers
        return [tiers.key(tier) for tier in self._tiers_for(target)]

    def _verdict(self, folio: Folio, *, force: bool) -> Verdict:
        """What becomes of a folio that is off the lists; by force it is reclaimed, active or not."""
        assert folio.memcg is not None
        if not force:
            return self.machine.memory.lruvec(folio.memcg).check_references(folio)
        folio.workingset |= folio.active
        folio.active = False
        return Verdict.RECLAIM

    async def reclaim_folio(self, folio: Folio, *, force: bool = False, target: Memcg | None = None) -> int:
        """Reclaim one folio that is off the lists; frames freed."""
        return (await self.reclaim([folio], force=force, target=target)).freed

    async def reclaim(
        self, folios: Iterable[Folio], *, force: bool = False, target: Memcg | None = None, by: str = "proactive"
    ) -> Reclaimed:
        """Reclaim folios, each of which is off the lists when its turn comes; a round (shrink_folio_list): all are
        unmapped, the TLBs are flushed once, and then they are written. What stays is put back.

        `force` ignores recent use; `target` is the group being reclaimed, by default the root. A large folio that
        cannot leave as a whole is split, and its pages leave one by one. `by`: who reclaims, for pgdemote_*.
        """
        machine = self.machine
        group = target or machine.memory.memcgs.root
        shrunk = Round(group)
        pageout = Pageout(machine, self._make_room)
        looked_at = 0
        try:
            for folio in folios:
                looked_at += len(folio.pages)
                if folio.dead:
                    continue
                shrunk.taken.append(folio)
                await self.unmap(shrunk, folio, force=force)
                while shrunk.waiting:  # the pages of a large one; its references were looked at
                    await self.unmap(shrunk, shrunk.waiting.popleft(), force=True)
            await self._demote(shrunk, by)
            if shrunk.flush:
                await machine.clock.sleep(machine.costs.tlb_shootdown + rmap.owed(machine))
            leaving = [Leaving(folio, self._tiers_for(group), group) for folio in shrunk.unmapped]
            while leaving:
                for each in leaving:
                    await self._write(shrunk, pageout, each)
                pageout.submit()
                leaving = await pageout.finish()
        finally:
            pageout.submit()  # of a round that was broken off
            for folio in shrunk.discarded:
                rmap.unlock(machine, folio)
            for folio, _ in shrunk.demoting:  # of a round that was broken off
                migration.restore(folio, folio)
                rmap.unlock(machine, folio)
            for folio in shrunk.taken:
                self._put_back(folio)
            for folio in shrunk.activated:  # move_folios_to_lru; by force they pass it by (reclaim_folio_list)
                if not (force or folio.dead or folio.memcg is None):
                    age(folio.memcg, len(folio.pages))
        freed = sum(len(folio.pages) for folio in shrunk.taken if folio.dead)
        return Reclaimed(freed, pageout.submitted, looked_at, pageout.written)

    async def unmap(self, shrunk: Round, folio: Folio, *, force: bool) -> None:
        """Make softleafs of what maps a folio of a round, unless there is a reason to keep it."""
        machine = self.machine
        machine.counters.pgscan += 1
        if not folio.lock.try_acquire():
            self._keep(shrunk, folio)
            return
        discarded = demoting = False
        try:
            if folio.dead or folio.pins or folio.writeback or rmap.unreferenced(machine, folio):
                return
            rmap.walk(machine, folio)  # what it takes to come by the accessed bits
            verdict = self._verdict(folio, force=force)
            if verdict is Verdict.KEEP:
                folio.active = False
            elif verdict is Verdict.ACTIVATE:
                self._activate(shrunk, folio)
            elif folio.lazyfree:
                shrunk.flush |= lazyfree.discard(machine, folio)
                discarded = not folio.mappers
                if not discarded:
                    self._activate(shrunk, folio)
            elif folio.order and large.partially_mapped(machine, folio):
                self._split(shrunk, folio)
            elif (node := self._node_for(folio, shrunk)) is not None:
                if folio.order:  # the device takes single pages
                    self._split(shrunk, folio)
                else:
                    demoting = True
                    shrunk.demoting.append((folio, node))
                    migration.unmap(machine, folio)
                    await machine.clock.sleep(machine.costs.swap_machinery)
            elif self._add_to_swap(folio, shrunk.target, force=force):
                shrunk.unmapped.append(folio)
                if rmap.try_to_unmap(machine, folio):  # else it has been written since, and is still there
                    shrunk.flush = True
                    machine.counters.swap_clean += 0 if folio.dirty else len(folio.pages)
                    await machine.clock.sleep(machine.costs.swap_machinery)
            elif folio.order:
                machine.counters.count_mthp(folio.order, "swpout_fallback")
                self._split(shrunk, folio)
            else:
                self._activate(shrunk, folio)
        finally:
            if discarded:
                shrunk.discarded.append(folio)  # nobody can find it; the flush comes before the frame is free
            elif not demoting:
                rmap.unlock(machine, folio)
                self._keep(shrunk, folio)

    def _node_for(self, folio: Folio, shrunk: Round) -> CramTier | None:
        """The node that a locked folio is to be demoted to; None where it is to be swapped out. A group at its limit
        gains nothing by a node. A page whose slot softleafs of others name is swapped out with them."""
        machine, tiers = self.machine, self.machine.tiers
        if not (tiers.demotes and shrunk.demotes) or shrunk.target is not machine.memory.memcgs.root:
            return None
        if rmap.named(machine, folio):
            return None
        node = next((node for node in tiers.crams if node not in tiers.offline and node.admits()), None)
        if node is not None and folio.slot:  # a copy on a tier is of no use to a page that stays memory
            machine.cache.delete(folio)
            folio.dirty = True
        return node

    async def _demote(self, shrunk: Round, by: str) -> None:
        """Move what a round has unmapped for its node there, at once, after one flush of the TLBs for all of its PTEs
        (demote_folio_list); what a node does not take is unmapped again to be swapped out."""
        machine = self.machine
        if not shrunk.demoting:
            return
        await machine.clock.sleep(machine.costs.tlb_shootdown + rmap.owed(machine))
        shrunk.flush = shrunk.demotes = False
        demoting, shrunk.demoting = shrunk.demoting, []
        tasks = [machine.clock.spawn(migrate.demote(machine, *each), "demotion") for each in demoting]
        for (folio, _), task in zip(demoting, tasks, strict=True):
            if await task:
                machine.counters.count_demoted(by)
            elif not folio.dead:
                await self.unmap(shrunk, folio, force=True)

    def _keep(self, shrunk: Round, folio: Folio) -> None:
        """Put a folio back at once that stays."""
        if not folio.dead and folio not in shrunk.unmapped:
            shrunk.taken.remove(folio)
            self._put_back(folio)

    def _split(self, shrunk: Round, folio: Folio) -> None:
        """Look at the pages of a large folio one by one instead."""
        parts = large.split(self.machine, folio)
        shrunk.split(self.machine, folio, parts)
        shrunk.waiting.extend(parts)

    async def _write(self, shrunk: Round, pageout: Pageout, leaving: Leaving) -> None:
        """Write a folio that was unmapped, unless somebody has found it in the swap cache meanwhile."""
        machine, folio = self.machine, leaving.folio
        if not folio.lock.try_acquire():
            return
        parts: list[Folio] = []
        try:
            if waits(folio):
                active = folio.active
                parts = await pageout.write(leaving)
                if folio.active and not active and not folio.dead:
                    self._activate(shrunk, folio)
        finally:
            rmap.unlock(machine, folio)
        if parts:
            shrunk.split(machine, folio, parts)
        for part in parts:
            await self._write(shrunk, pageout, Leaving(part, self._tiers_for(leaving.target), leaving.target))

    def _add_to_swap(self, folio: Folio, target: Memcg, *, force: bool) -> bool:
        """Give a locked folio its slots, unless it has them; False when there are none to be had. That is an event only
        where the folio was asked for: else Linux would not look at it (can_reclaim_anon_pages)."""
        machine = self.machine
        assert folio.memcg is not None
        if folio.slot:
            return True
        try:
            places = self._places_for(target)
            slot = machine.layer.allocate(folio.memcg, folio.order, places, rmap.processor(folio))
        except SlotsExhausted as error:
            if force and not isinstance(error, SwapMaxReached):
                folio.memcg.meet("swap.fail")
            return False
        machine.cache.add(slot, folio)
        for each in folio.slots:
            machine.slots.set_backing(each, IN_FOLIO)
        folio.dirty = True
        return True

    def _activate(self, shrunk: Round, folio: Folio) -> None:
        rmap.free_swap_if_full(self.machine, folio)
        folio.active = True
        shrunk.activated.append(folio)
        if folio.memcg is not None:
            self.machine.counters.pgactivate += len(folio.pages)
            folio.memcg.count("pgactivate", len(folio.pages))

    def _put_back(self, folio: Folio) -> None:
        """Back to the lists; one that has been written by now is looked at next."""
        if folio.dead:
            return
        if folio.slot and unused(folio) and not folio.active and not folio.writeback:
            self.machine.memory.add_oldest(folio)
        else:
            self.machine.memory.add(folio)
