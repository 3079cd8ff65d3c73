# SPDX-License-Identifier: MIT
"""Moving pages to a later tier behind the back of their softleafs, and reaping zombies (docs/vswap/writeback.md)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from vswap.base.backing import Backing, BackingType
from vswap.base.errors import AlreadyCached, SlotGone, SlotsExhausted
from vswap.mm.folio import CramFolio, CramNode, Folio
from vswap.mm.frames import MAX_RECLAIM_RETRIES
from vswap.mm.memcg import Memcg
from vswap.state import rmap, swapin
from vswap.state.machine import Machine
from vswap.tiers.base import Full, Poisoned, Tier, TierError
from vswap.tiers.cram import CramTier
from vswap.tiers.lz4block import Block

MAX_STUCK_PAGES = 16
"""CRAM pages that would not move before a round gives up."""


class Writeback:
    """CRAM -> a farther CRAM node, zswap, a swap device; zswap -> a CRAM node behind it, a swap device.

    Attributes:
        swap_in_again: brings so many pages of a node back into memory, where they cannot change devices; how many.
    """

    swap_in_again: Callable[[CramTier, int], Awaitable[int]]

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._turn = -1  # the group whose zswap entries were looked at last
        self._after: dict[CramNode, tuple[Tier, ...]] = {}
        for cram in machine.tiers.crams:
            between = machine.config.cram_to_cram
            self._after[cram] = tuple(
                tier for tier in machine.tiers.after(cram) if between or tier.type is not BackingType.CRAM
            )
        self.after_zswap: tuple[Tier, ...] = ()  # the tiers that zswap may write back to
        if machine.tiers.zswap is not None and machine.config.profile != "6.1":  # zsmalloc has writeback since 6.2
            behind = machine.layer.behind_zswap
            self.after_zswap = tuple(tier for tier in machine.tiers.after(machine.tiers.zswap) if tier.type in behind)

    # CRAM

    async def relieve(self, cram: CramTier) -> None:
        """The node is under pressure: reap, trim, and write its coldest pages back until it is open again (or, if it
        was open all the time, one batch)."""
        machine = self.machine
        failures = 0
        while True:
            await self.reap()
            moved = await self.write_back_cram(machine.config.cram_writeback_batch, cram)
            await cram.flush()
            if not cram.under_pressure or machine.stopping:
                return
            failures = 0 if moved else failures + 1
            await machine.clock.sleep(min(machine.costs.retry << min(failures, 20), machine.config.reap_interval))

    async def write_back_cram(self, count: int, cram: CramTier | None = None) -> int:
        """Write back up to `count` of the coldest CRAM pages, of one node or of each; how many left their device. A
        page read since the last scan gets a second chance. Pages with direct slots come back into memory instead."""
        if cram is None:
            return sum([await self.write_back_cram(count, node) for node in self.machine.tiers.crams])
        residents = self.machine.residents.on[cram]
        moved = failed = tied = 0
        for _ in range(2 * len(residents)):
            if moved >= count or failed >= MAX_STUCK_PAGES or not residents:
                break
            folio = next(iter(residents))
            residents.move_to_end(folio)
            if not (self.machine.tiers.demotes or self.machine.layer.changes_devices(folio.slot)):
                tied += 1
                continue
            if not self._after[cram]:
                continue
            if rmap.clear_accessed(self.machine, folio):
                continue
            if await self.write_back_folio(folio):
                moved += 1
            else:
                failed += 1
        if moved < count and tied:
            moved += await self.swap_in_again(cram, count - moved)
        return moved

    async def write_back_group(self, memcg: Memcg, count: int) -> int:
        """Write back up to `count` of the coldest CRAM pages of a group and those below it to tiers that are no CRAM
        nodes; how many left. Each is looked at once; a page read since the last look stays."""
        moved = 0
        for cram, residents in self.machine.residents.on.items():
            later = tuple(tier for tier in self._after[cram] if tier.type is not BackingType.CRAM)
            for folio in list(residents) if later else ():
                if moved >= count:
                    return moved
                if memcg not in folio.memcg.lineage or folio.dead or rmap.clear_accessed(self.machine, folio):
                    continue
                moved += await self.write_back_folio(folio, later)
        return moved

    async def write_back_folio(self, folio: CramFolio, later: tuple[Tier, ...] | None = None) -> bool:
        """Move one CRAM page to a later tier, of these if given; False when it stays. Read-only mappers are found
        by rmap and unmapped first; softleaf mappers are not touched."""
        machine = self.machine
        if folio.dead or folio.poisoned or not folio.lock.try_acquire():
            return False
        bounce = machine.memory.allocate_reserve()
        try:
            return bounce is not None and await self.move(folio, bounce, later)
        finally:
            if bounce is not None:
                machine.memory.release(bounce)
            rmap.unlock(machine, folio)

    async def move(self, folio: CramFolio, bounce: Folio, later: tuple[Tier, ...] | None = None) -> bool:
        machine = self.machine
        if rmap.unreferenced(machine, folio):
            await machine.residents.release(folio)
            machine.counters.zombies_reaped += 1
            return True
        if not folio.slot:
            try:
                machine.residents.adopt_slot(folio)
            except SlotsExhausted:
                return False
        slot = folio.slot
        unmapped = rmap.try_to_unmap(machine, folio)
        machine.counters.writeback_unmaps += unmapped
        if unmapped:
            await machine.clock.sleep(machine.costs.tlb_shootdown + rmap.owed(machine))
        await folio.drain()
        later, placement = later or self._after[folio.tier], machine.placement
        try:
            page: bytes | Block
            if machine.tiers.demotes:  # the ordinary swap path knows nothing of the device's blocks
                page = await folio.tier.load(folio.page)
            else:
                page = await placement.read_out(folio.tier, folio.page, later)
            backing = await placement.write_out(page, slot, later, self.shrink_memcg)
            if backing is not None:
                machine.layer.change_backing(slot, backing)  # the device page is given up only now: it is written
        except TierError as error:
            folio.poisoned |= isinstance(error, Poisoned)
            machine.counters.writeback_failed += 1
            return False
        if backing is None:
            machine.counters.writeback_failed += 1
            return False
        if backing.type is BackingType.CRAM:
            machine.cache.replace(folio, machine.residents.add(backing, slot))
        else:
            machine.cache.delete(folio)
        machine.residents.bury(folio)
        machine.counters.writebacks.count(BackingType.CRAM, backing.type)
        machine.counters.count_move(machine.tiers.name(machine.tiers.key(folio.tier)), machine.tiers.name(backing.tier))
        return True

    async def reap(self) -> int:
        """Give up the device pages that nobody maps or names; how many there were."""
        machine = self.machine
        reaped = 0
        for folio in list(machine.residents.folios):
            if folio.dead or not rmap.unreferenced(machine, folio) or not folio.lock.try_acquire():
                continue
            try:
                await machine.residents.release(folio)
                reaped += 1
            finally:
                rmap.unlock(machine, folio)
        machine.counters.zombies_reaped += reaped
        return reaped

    async def reap_and_trim(self) -> None:
        """The reaper's round."""
        machine = self.machine
        machine.reap_wanted.clear()
        await machine.residents.fence()
        await self.reap()
        for cram in machine.tiers.crams:
            await cram.flush()

    # zswap

    @property
    def can_shrink_zswap(self) -> bool:
        """There is a swap device behind zswap."""
        return bool(self.after_zswap)

    async def shrink_zswap(self) -> None:
        """The pool was full: write old entries of all groups in turn to a swap device until it is at the accept
        threshold, or 16 entries were passed over (shrink_worker)."""
        machine = self.machine
        assert machine.tiers.zswap is not None
        failures = attempts = 0
        while machine.tiers.zswap.over_threshold() and failures < MAX_RECLAIM_RETRIES and not machine.stopping:
            memcg = machine.memory.memcgs.next_online(self._turn)
            self._turn = memcg.id if memcg is not None else -1
            if memcg is None:  # the end of a round
                failures += not attempts
                attempts = 0
                continue
            wrote = await self.shrink_memcg(memcg)
            attempts += wrote is not None
            failures += wrote is False

    async def shrink_memcg(self, memcg: Memcg) -> bool | None:
        """Look at the oldest zswap entry of a group, and write it to a swap device: False when it stays, because it was
        referenced or for another reason; None when the group has none, or may not write back."""
        zswap = self.machine.tiers.zswap
        if zswap is None or not self.after_zswap or not memcg.may_write_back() or not zswap.lru(memcg):
            return None
        if zswap.give_second_chance(memcg):
            return False
        wrote = await self.write_back_zswap(memcg)
        self.machine.counters.reject_reclaim_fail += not wrote
        return wrote

    async def write_back_zswap(self, memcg: Memcg | None = None) -> bool:
        """Move the oldest zswap entry of a group (by default of the root) to a swap device; False when it stays."""
        machine = self.machine
        assert machine.tiers.zswap is not None
        victim = machine.tiers.zswap.oldest(memcg or machine.memory.memcgs.root)
        folio = machine.memory.allocate_reserve() if victim else None
        if victim is None or folio is None:
            return False
        handle, slot = victim
        try:
            backed_by = swapin.pin(machine, slot, folio)
        except (AlreadyCached, SlotGone):  # a fault is bringing it in, or it is going away: leave it
            machine.tiers.zswap.rotate(handle)
            machine.memory.release(folio)
            return False
        try:
            if backed_by != Backing(BackingType.ZSWAP, handle):
                return False
            later = self._within_limit(machine.layer.memcg_of(slot), folio)
            page = await machine.placement.read_out(machine.tiers.zswap, handle, later)
            backing = await machine.placement.write_out(page, slot, later)
            if backing is None:
                raise Full("no later tier has room")
            machine.layer.change_backing(slot, backing)  # frees the compressed copy, only now
            if backing.type is BackingType.CRAM:
                resident = machine.residents.add(backing, slot)
                machine.cache.replace(folio, resident)
                if rmap.unreferenced(machine, resident):
                    machine.reap_wanted.set()
            machine.counters.writebacks.count(BackingType.ZSWAP, backing.type)
            source = machine.tiers.key(machine.tiers.zswap)
            machine.counters.count_move(machine.tiers.name(source), machine.tiers.name(backing.tier))
            machine.counters.zswpwb += 1
            machine.layer.memcg_of(slot).count("zswpwb")
            machine.counters.written_back_pages += 1
            return True
        except TierError:
            machine.tiers.zswap.rotate(handle)
            machine.counters.writeback_failed += 1
            return False
        finally:
            rmap.drop(machine, folio)
            folio.lock.release()

    def _within_limit(self, memcg: Memcg, folio: Folio) -> tuple[Tier, ...]:
        """The tiers that zswap may write a page of this group back to. On a CRAM node it is the group's memory again:
        `folio` is charged until the node has it, and without room there are only the others."""
        if not any(tier.type is BackingType.CRAM for tier in self.after_zswap):
            return self.after_zswap
        if memcg.try_charge(1) is None:
            folio.memcg = memcg
            return self.after_zswap
        return tuple(tier for tier in self.after_zswap if tier.type is not BackingType.CRAM)
