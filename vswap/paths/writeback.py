# SPDX-License-Identifier: MIT
"""Moving pages to a later tier behind the back of their softleafs, and reaping zombies (docs/vswap/writeback.md)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from itertools import islice

from hw.clock import Task
from vswap.base.backing import Backing, BackingType
from vswap.base.errors import SlotsExhausted
from vswap.mm.folio import CramFolio, CramNode, Folio
from vswap.mm.memcg import Memcg
from vswap.paths.zswap_writeback import ZswapWriteback
from vswap.state import rmap
from vswap.state.machine import Machine
from vswap.tiers.base import Poisoned, QueuedTier, Tier, TierError
from vswap.tiers.cram import CramTier
from vswap.tiers.lz4block import Block

MAX_STUCK_PAGES = 16
"""CRAM pages that would not move before a round gives up."""


class Writeback:
    """CRAM -> a farther CRAM node, zswap, a swap device.

    Attributes:
        zswap: the same for what zswap has.
        swap_in_again: brings so many pages of a node back into memory, where they cannot change devices; how many.
    """

    swap_in_again: Callable[[CramTier, int], Awaitable[int]]

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.zswap = ZswapWriteback(machine)
        self._after: dict[CramNode, tuple[Tier, ...]] = {}
        for cram in machine.tiers.crams:
            between = machine.config.cram_to_cram
            self._after[cram] = tuple(
                tier for tier in machine.tiers.after(cram) if between or tier.type is not BackingType.CRAM
            )

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
        moved = failed = looked = tied = 0
        most = 2 * len(residents)
        while moved < count and failed < MAX_STUCK_PAGES:
            batch: list[CramFolio] = []
            while residents and looked < most and len(batch) < count - moved:
                looked += 1
                folio = next(iter(residents))
                residents.move_to_end(folio)
                if not (self.machine.tiers.demotes or self.machine.layer.changes_devices(folio.slot)):
                    tied += 1
                elif self._after[cram] and folio not in batch and not rmap.clear_accessed(self.machine, folio):
                    batch.append(folio)
            if not batch:
                break
            left = await self.write_back_folios(batch)
            moved += left
            failed += len(batch) - left
        if moved < count and tied:
            moved += await self.swap_in_again(cram, count - moved)
        return moved

    async def write_back_group(self, memcg: Memcg, count: int) -> int:
        """Write back up to `count` of the coldest CRAM pages of a group and those below it to tiers that are no CRAM
        nodes; how many left. Each is looked at once; a page read since the last look stays."""
        moved = 0
        for cram, residents in self.machine.residents.on.items():
            later = tuple(tier for tier in self._after[cram] if tier.type is not BackingType.CRAM)
            cold = iter([folio for folio in residents if later and memcg in folio.memcg.lineage])
            while batch := self._not_used(cold, count - moved):
                moved += await self.write_back_folios(batch, later)
        return moved

    def _not_used(self, folios: Iterator[CramFolio], count: int) -> list[CramFolio]:
        """The next folios, up to so many, that were not read since the last look."""
        unused = (folio for folio in folios if not (folio.dead or rmap.clear_accessed(self.machine, folio)))
        return list(islice(unused, count))

    async def write_back_folio(self, folio: CramFolio) -> bool:
        """Move one CRAM page to a later tier; False when it stays."""
        return bool(await self.write_back_folios([folio]))

    async def write_back_folios(self, folios: Iterable[CramFolio], later: tuple[Tier, ...] | None = None) -> int:
        """Move CRAM pages to later tiers, of these if given; how many left. Read-only mappers are found by rmap and
        unmapped first, and the TLBs are flushed once for all; softleaf mappers are not touched.

        The pages are read one after the other. A page that goes to a swapfile is under writeback, unlocked, and the
        next one does not wait for it; the call does, for all. Somebody who maps it meanwhile keeps it on the device.
        """
        if self.machine.tiers.demotes:
            return sum([await self._swap_out(folio, later or self._after[folio.tier]) for folio in folios])
        machine = self.machine
        left, unmapped, leaving = 0, 0, list[CramFolio]()
        for folio in folios:
            if folio.dead or folio.poisoned or folio.writeback or not folio.lock.try_acquire():
                continue
            try:
                if rmap.unreferenced(machine, folio):
                    await machine.residents.release(folio)
                    machine.counters.zombies_reaped += 1
                    left += 1
                elif self._add_to_swap(folio):
                    unmapped += rmap.try_to_unmap(machine, folio)
                    leaving.append(folio)
            finally:
                rmap.unlock(machine, folio)
        machine.counters.writeback_unmaps += unmapped
        if unmapped:
            await machine.clock.sleep(machine.costs.tlb_shootdown + rmap.owed(machine))
        tasks: list[Task[bool]] = []
        for folio in leaving:
            moved = await self._write(folio, later or self._after[folio.tier])
            if isinstance(moved, bool):
                left += moved
            else:
                tasks.append(moved)
        return left + sum([await task for task in tasks])

    async def _swap_out(self, folio: CramFolio, later: tuple[Tier, ...]) -> bool:
        """One page of a node that is no swap, under its folio lock: it has a slot only until it has left."""
        machine = self.machine
        if folio.dead or folio.poisoned or not folio.lock.try_acquire():
            return False
        bounce = machine.memory.allocate_reserve()
        try:
            if bounce is None:
                return False
            if rmap.unreferenced(machine, folio):
                await machine.residents.release(folio)
                machine.counters.zombies_reaped += 1
                return True
            if not self._add_to_swap(folio):
                return False
            unmapped = rmap.try_to_unmap(machine, folio)
            machine.counters.writeback_unmaps += unmapped
            backing: Backing | None = None
            try:
                if unmapped:
                    await machine.clock.sleep(machine.costs.tlb_shootdown + rmap.owed(machine))
                await folio.drain()
                page = await folio.tier.load(folio.page)  # the swap path knows nothing of the device's blocks
                backing = await machine.placement.write_out(page, folio.slot, later, self.zswap.shrink_memcg)
            except TierError as error:
                folio.poisoned |= isinstance(error, Poisoned)
            finally:
                machine.counters.writeback_failed += backing is None  # also of one that was killed: it keeps its slot
            if backing is not None:
                self._leave(folio, backing)
            return backing is not None
        finally:
            if bounce is not None:
                machine.memory.release(bounce)
            rmap.unlock(machine, folio)

    def _add_to_swap(self, folio: CramFolio) -> bool:
        """Give a locked folio a slot, unless it has one; False when there is none to be had."""
        if not folio.slot:
            try:
                self.machine.residents.adopt_slot(folio)
            except SlotsExhausted:
                return False
        return True

    async def _write(self, folio: CramFolio, later: tuple[Tier, ...]) -> bool | Task[bool]:
        """Write a folio that was unmapped, unless somebody has mapped it since: whether it has left, or the task that
        comes to know that."""
        machine = self.machine
        bounce = machine.memory.allocate_reserve()
        if bounce is None:
            return False
        task: Task[bool] | None = None
        if folio.lock.try_acquire():
            try:
                if folio.slot and not (folio.dead or folio.mappers or folio.writeback):
                    await folio.drain()
                    outcome = await self._pass_on(folio, bounce, later)
                    if not isinstance(outcome, bool):
                        task = outcome
                        return task
                    machine.counters.writeback_failed += not outcome
                    return outcome
            except TierError as error:
                folio.poisoned |= isinstance(error, Poisoned)
                machine.counters.writeback_failed += 1
            finally:
                rmap.unlock(machine, folio)
                if task is None:
                    machine.memory.release(bounce)
        else:
            machine.memory.release(bounce)
        return False

    async def _pass_on(self, folio: CramFolio, bounce: Folio, later: tuple[Tier, ...]) -> bool | Task[bool]:
        """Give the page of a locked folio to the first tier that takes it. Raises TierError."""
        machine, slot = self.machine, folio.slot
        page = await machine.placement.read_out(folio.tier, folio.page, later)
        rest = list(later)
        for tier in machine.tiers.candidates(later):
            rest.remove(tier)
            if isinstance(tier, QueuedTier):
                machine.inflight.start_device_page(folio)
                return machine.clock.spawn(self._store(folio, bounce, page, (tier,), tuple(rest)), "writeback")
            backing = await machine.placement.write_out(page, slot, (tier,), self.zswap.shrink_memcg)
            if backing is not None:
                self._leave(folio, backing)
                return True
        return False

    async def _store(self, folio: CramFolio, bounce: Folio, page: bytes | Block, *orders: Sequence[Tier]) -> bool:
        """The write of a page under writeback, and the end of it: whether it has left. It stays where somebody uses it
        by now, or no tier has taken it."""
        machine, slot, moved = self.machine, folio.slot, False
        backing: Backing | None = None
        try:
            for order in orders:
                backing = backing or await machine.placement.write_out(page, slot, order, self.zswap.shrink_memcg)
            machine.inflight.end(folio, failed=backing is None)
            moved = backing is not None and self.end(folio, backing)
        except TierError:
            pass
        except Exception as error:
            machine.failure = machine.failure or error
        finally:
            if folio.writeback:
                machine.inflight.end(folio, failed=True)
            machine.memory.release(bounce)
        machine.counters.writeback_failed += not moved
        if not folio.dead and rmap.unreferenced(machine, folio):
            machine.reap_wanted.set()
        return moved

    def end(self, folio: CramFolio, backing: Backing) -> bool:
        """A later tier has the page, too: it leaves the device, unless somebody uses it by now."""
        machine = self.machine
        if folio.dead or folio.mappers or folio.busy or not folio.lock.try_acquire():
            machine.layer.release(backing, machine.layer.memcg_of(folio.slot))
            return False
        self._leave(folio, backing)
        folio.lock.release()
        return True

    def _leave(self, folio: CramFolio, backing: Backing) -> None:
        """A later tier has the page of a locked folio: the device gives it up."""
        machine, slot = self.machine, folio.slot
        machine.layer.change_backing(slot, backing)  # the device page is given up only now: it is written
        if backing.type is BackingType.CRAM:
            machine.cache.replace(folio, machine.residents.add(backing, slot))
        else:
            machine.cache.delete(folio)
        machine.residents.bury(folio)
        machine.counters.writebacks.count(BackingType.CRAM, backing.type)
        machine.counters.count_move(machine.tiers.name(machine.tiers.key(folio.tier)), machine.tiers.name(backing.tier))

    async def reap(self) -> int:
        """Give up the device pages that nobody maps or names; how many there were."""
        machine = self.machine
        reaped = 0
        for folio in list(machine.residents.folios):
            if folio.dead or folio.writeback or not rmap.unreferenced(machine, folio) or not folio.lock.try_acquire():
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
