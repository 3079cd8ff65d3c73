# SPDX-License-Identifier: MIT
"""PagedSpace: an address space of the program, its faults answered by the swap system."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from typing import Any, Protocol, TypeVar

from hw.link import PAGE_BYTES, ZERO_PAGE
from sim.follow import Agent, Fault, Mapping, Userfault, outside, runs
from sim.pager.log import Recording, SpaceLog
from sim.pager.table import ProgramTable
from vswap import AddressSpace, SigBus
from vswap.mm.folio import Folio
from vswap.mm.pagetable import PteState
from vswap.system import VswapSystem

T = TypeVar("T")


class Host(Protocol):
    """What a space needs of the pager."""

    @property
    def system(self) -> VswapSystem:
        """The swap system behind all spaces."""

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run swap system work to its end."""

    def watch(self, userfault: Userfault) -> None:
        """A userfaultfd is in use from now on; it must not be closed before the program is dead."""

    def served(self, space: PagedSpace) -> None:
        """A fault was answered."""

    def soft_mapped(self, table: ProgramTable, vpn: int) -> None:
        """A device page was put into the program's memory."""

    def lost(self, space: PagedSpace, vpn: int, error: SigBus) -> None:
        """A page cannot be read any more, and a thread waits for it."""


class PagedSpace:
    """One address space; a Space of its Follower.

    Args:
        number: counts the spaces.
        agent: our helper inside.
        host: the pager.
        parent: the space it was forked from just now; the program's other threads may have changed that since.
        recording: the trace that is kept, if any.
    """

    def __init__(
        self, number: int, agent: Agent, host: Host, parent: PagedSpace | None, recording: Recording | None = None
    ) -> None:
        self.processes = 1
        self.locks_future = False
        self.program_break: int = parent.program_break if parent else 0
        self.agent = agent
        self.userfault: Userfault = agent.userfault()
        host.watch(self.userfault)
        self.space: AddressSpace = host.system.create_space(
            f"space {number}", table=lambda name, memcg: ProgramTable(name, memcg, agent, self.userfault)
        )
        assert isinstance(self.space.table, ProgramTable)
        self.table = self.space.table
        self.log: SpaceLog | None = None
        if parent is None and recording is not None:
            self._keep(SpaceLog(number, recording))
        self._host = host
        self._pinned: dict[int, set[int]] = {}  # thread -> pages
        self._pinned_folios: dict[int, Folio] = {}  # page -> folio, off the LRU lists
        self._placed_before = 0
        mappings = agent.anonymous(flags=True)
        present = [page for mapping in mappings for page in agent.present(mapping.page, mapping.count)]
        for mapping in mappings:
            self.userfault.register(mapping.page, mapping.count)
        if parent:
            self._inherit(parent, set(present), mappings, number, recording)
        else:
            self._adopt(present)

    # --- faults ----------------------------------------------------------------------------------------------------

    def fault(self, fault: Fault) -> None:
        """Let a thread have its page."""
        vpn = fault.page
        writable = self.table.present.get(vpn)
        if writable:
            # Another thread's fault was answered before; or the program has dropped the page while we had it placed.
            if fault.protected:
                self.userfault.protect(vpn, 1, on=False)
            else:
                self.userfault.place(vpn, ZERO_PAGE, protected=False)
            return
        try:
            self._host.wait(self._resolve(vpn, write=fault.write))
        except SigBus as error:
            self._host.lost(self, vpn, error)
        else:
            if self.log is not None:
                self.log.accessed(vpn, write=fault.write)
        self._host.served(self)

    async def _resolve(self, vpn: int, *, write: bool) -> None:
        table, space = self.table, self.space
        if write:
            await space.fault(vpn, write=True)
            return
        while True:
            data = await space.read(vpn)
            pte = table.get(vpn)
            if pte is None or pte.state is PteState.SOFTLEAF:
                continue  # it has left again while it was loaded
            if pte.state is PteState.CRAM:
                known = vpn in table.present
                table.place(vpn, data, protected=True)
                if not known:
                    self._host.soft_mapped(table, vpn)
            elif not table.present[vpn]:
                table.place(
                    vpn, data if pte.state is PteState.ZERO else pte.dram.data, protected=True
                )  # no harm where it is present: it wakes those who wait
            return

    def pin(self, thread: int, pages: Iterable[int]) -> None:
        """See Space."""
        wanted = set(pages)
        unknown = [page for page in wanted if self.table.get(page) is None]
        if unknown:
            wanted.difference_update(outside(unknown, self.agent.anonymous()))
        self._pinned.setdefault(thread, set()).update(wanted)
        for page in wanted:
            self._hold(page)

    def unpin(self, thread: int) -> None:
        """See Space."""
        for page in self._pinned.pop(thread, set()).difference(*self._pinned.values()):
            folio = self._pinned_folios.pop(page, None)
            if folio is not None:
                self._host.system.machine.memory.add(folio)

    def _hold(self, page: int) -> None:
        pte = self._host.wait(self.space.fault(page, write=True))
        self._pinned_folios[page] = pte.dram
        self._host.system.machine.memory.remove(pte.dram)

    # --- what the program does to its memory ---------------------------------------------------------------------

    def mapped(self, page: int, count: int, *, populated: bool) -> None:
        """See Space."""
        self._forget(page, count)
        self.userfault.register(page, count)
        if populated:
            self._adopt(self.agent.present(page, count))

    def settle(self, page: int, count: int) -> None:
        """See Space."""
        self._placed_before = self.table.placed
        self._settle(self.table.within(page, count))

    def gone(self, page: int, count: int) -> None:
        """See Space."""
        self._forget(page, count)

    def dropped(self, page: int, count: int) -> None:
        """See Space."""
        if self.table.placed != self._placed_before:  # maybe there, by another thread, after the kernel had dropped it
            self.agent.drop_all(vpn for vpn in self.table.within(page, count) if vpn in self.table.present)
        self._forget(page, count)

    def moving(self, page: int, count: int) -> None:
        """See Space."""
        self.table.flush()

    def moved(self, source: int, target: int, count: int, target_count: int) -> None:
        """See Space."""
        if source != target:
            if self.log is not None:
                self.log.moved(self.table.within(source, count), target - source)
            self._host.wait(self.space.move(source, count, target))
        self.userfault.register(target, target_count)  # it is, and protected as before, where it was
        present = self.table.present
        self.table.protect(vpn for vpn in self.table.within(target, count) if present.get(vpn) is False)

    def read(self, address: int, count: int) -> bytes:
        """See Space."""
        for page in range(address // PAGE_BYTES, (address + count - 1) // PAGE_BYTES + 1):
            if self.table.get(page) is not None and page not in self.table.present:
                self._host.wait(self._resolve(page, write=False))
        return self.agent.read_bytes(address, count)

    def end(self) -> None:
        """See Space."""
        if self.log is not None:
            self._settle(list(self.table.present))
            self.log.ended()
        self._host.wait(self._host.system.remove_space(self.space))
        self.abandon()

    def abandon(self) -> None:
        """See Space."""
        self.agent.close()
        self.userfault.close()

    def _keep(self, log: SpaceLog) -> None:
        self.log = log
        self.table.settled = log.settled

    def _settle(self, pages: Iterable[int]) -> None:
        """Note what writable pages hold, for the trace."""
        if self.log is not None:
            for first, count in runs(page for page in pages if self.table.present.get(page)):
                for page, data in zip(range(first, first + count), self.agent.read(first, count), strict=True):
                    if data is not None:
                        self.log.settled(page, data)

    # --- inside ----------------------------------------------------------------------------------------------------

    def _adopt(self, pages: list[int]) -> None:
        """Pages that came into being before they could be watched: they are in DRAM."""
        for page in pages:
            self.table.present[page] = True
        for page in pages:
            self._host.wait(self.space.fault(page, write=True))

    def _forget(self, page: int, count: int) -> None:
        """The program has given up what a range holds."""
        pages = self.table.within(page, count)
        if pages:
            if self.log is not None:
                self.log.unmapped(pages)
            self._host.wait(self.space.unmap(page, count))

    def _inherit(
        self,
        parent: PagedSpace,
        present: set[int],
        mappings: list[Mapping],
        number: int,
        recording: Recording | None,
    ) -> None:
        """Take over what the parent has.

        The kernel copied the page tables at the fork, so the child's pages are the snapshot. A thread of the parent may
        have written since: those pages are given to the parent alone, as a copy on write.
        """
        changed = self._freeze(parent)
        if recording is not None:
            self._keep(SpaceLog(number, recording, parent.log))
        mine = {vpn: False for vpn in parent.table.present if vpn in present}
        self.table.present = mine
        self.table.protect(mine)
        self._host.wait(parent.space.fork_into(self.space))
        for page in changed:
            self._host.wait(parent.space.fault(page, write=True))
            if parent.log is not None:
                parent.log.accessed(page, write=True)
        for page in set[int]().union(*parent._pinned.values()):
            parent._hold(page)
        withheld = outside((vpn for vpn, _ in self.table.items()), (each for each in mappings if not each.wiped))
        self.agent.drop_all(set(withheld).difference(outside(withheld, mappings)))
        for page in withheld:
            self._forget(page, 1)
        for page, pte in self.table.items():
            if pte.state is PteState.CRAM:
                self._host.soft_mapped(self.table, page)
        others = [page for page in present if page not in self.table.present]
        self.agent.drop_all(page for page in others if self.table.get(page) is not None)
        self._adopt([page for page in others if self.table.get(page) is None])

    def _freeze(self, parent: PagedSpace) -> list[int]:
        """Write-protect the parent's pages and note what they held at the fork; which have changed since."""
        table, changed = parent.table, []
        table.flush()
        for first, count in runs(vpn for vpn, writable in table.present.items() if writable):
            parent.userfault.protect(first, count, on=True)
            now, then = parent.agent.read(first, count), self.agent.read(first, count)
            for vpn, new, old in zip(range(first, first + count), now, then, strict=True):
                pte = table.get(vpn)
                assert pte is not None
                pte.dram.data = old or new or ZERO_PAGE  # a page that the child does not get is the parent's alone
                if parent.log is not None:
                    parent.log.settled(vpn, pte.dram.data)
                table.present[vpn] = False
                if old is not None and new != old:
                    changed.append(vpn)
        return changed
