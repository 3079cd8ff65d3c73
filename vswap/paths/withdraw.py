# SPDX-License-Identifier: MIT
"""A node that is withdrawn gives all its pages up (docs/vswap/nodes.md): first politely, then by reclaim, in the end by
force."""

from __future__ import annotations

from collections import Counter

from vswap.base.errors import OutOfMemory, SlotsExhausted
from vswap.mm.folio import CramFolio
from vswap.mm.pagetable import PageTable, PteState
from vswap.paths.evacuate import converge, copy_to_dram, give_up_page
from vswap.paths.reclaim import Reclaim
from vswap.paths.writeback import Writeback
from vswap.state import rmap
from vswap.state.machine import Machine
from vswap.tiers.base import Poisoned, TierError
from vswap.tiers.cram import CramTier


class Withdrawal:
    """Brings a node to what its provider can back."""

    def __init__(self, machine: Machine, reclaim: Reclaim, writeback: Writeback, cram: CramTier) -> None:
        self.machine = machine
        self._reclaim = reclaim
        self._writeback = writeback
        self._cram = cram

    async def follow(self) -> None:
        """After a resize: let the balloon grow politely. Where nothing is to be left, reclaim what could not migrate,
        squeeze the rest into DRAM, and kill for what finds no room."""
        machine, cram = self.machine, self._cram
        while True:
            await converge(machine, cram)
            if not cram.withdrawn or not machine.residents.on[cram] or machine.stopping:
                return
            moved = await self._write_back()
            if not moved:
                moved = await self._squeeze()
            await cram.flush()
            if not moved:  # all of them are being worked on
                await machine.clock.sleep(machine.costs.retry)

    async def _write_back(self) -> int:
        """Write a step of the coldest pages back to later tiers, used lately or not; how many left."""
        moved, coldest, batch = 0, self._coldest(), self.machine.config.cram_writeback_batch
        for first in range(0, len(coldest), batch):
            if not self._cram.withdrawn:
                break
            moved += await self._writeback.write_back_folios(coldest[first : first + batch])
        return moved

    async def _squeeze(self) -> int:
        """Copy pages to DRAM, with reclaim and down to the reserve; how many left. A page that cannot be read is lost.
        Where there is no frame, the task with most pages here is killed."""
        moved = 0
        for folio in self._coldest():
            if not self._cram.withdrawn:
                break
            try:
                moved += await self._evacuate(folio)
            except OutOfMemory:
                return moved + self._kill()
        return moved

    async def _evacuate(self, folio: CramFolio) -> bool:
        """One page; False when it stays for now. Raises OutOfMemory."""
        machine = self.machine
        new = await self._reclaim.allocate(None)
        if not folio.lock.try_acquire():
            machine.memory.release(new)
            return False
        copied = False
        try:
            if folio.dead or folio.writeback:
                return False
            if folio.poisoned or rmap.unreferenced(machine, folio):
                await give_up_page(machine, folio)
            else:
                await copy_to_dram(machine, folio, new)
                copied = True
            return True
        except SlotsExhausted:
            return False
        except TierError as error:
            folio.poisoned |= isinstance(error, Poisoned)
            return False
        finally:
            rmap.unlock(machine, folio)
            if copied:
                rmap.unlock(machine, new)
            else:
                machine.memory.release(new)

    def _kill(self) -> int:
        """Kill the task with most pages on the node; how many PTEs it had there."""
        pages = Counter[PageTable]()
        for table in self.machine.tables:
            pages[table] = sum(self._is_here(table, vpn) for vpn, _ in table.items())
        victim, count = max(pages.items(), key=lambda entry: entry[1], default=(None, 0))
        if victim is None or not count:
            return 0
        rmap.zap_all(self.machine, victim)
        self.machine.counters.oom_kill += 1
        victim.memcg.meet("oom_kill")
        self.machine.reap_wanted.set()
        return count

    def _is_here(self, table: PageTable, vpn: int) -> bool:
        pte = table.get(vpn)
        if pte is None or pte.state is PteState.DRAM:
            return False
        folio = self.machine.cache.lookup(pte.slot) if pte.state is PteState.SOFTLEAF else pte.folio
        return isinstance(folio, CramFolio) and folio.tier is self._cram

    def _coldest(self) -> list[CramFolio]:
        return list(self.machine.residents.on[self._cram])[: self.machine.config.balloon_step_pages]
