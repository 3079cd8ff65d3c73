# SPDX-License-Identifier: MIT
"""ProgramTable: a page table of the swap system that is also the one of a running program.

The swap system changes entries as it always does; each change is done to the program's memory in the same step. What a
page holds is in one place at a time:

    entry                   in the program's memory         the bytes are
    none, softleaf          nothing (or see `doomed`)       on a tier, in the folio, or zeros
    page of zeros           a write-protected page          zeros
    DRAM, writable          a writable page                 in the program's memory only
    DRAM, read-only         a write-protected page          in the folio; the program has a copy that it cannot change
    CRAM, read-only         a write-protected page, once    on the device; so has it
                            it was loaded
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hw.link import ZERO_PAGE
from sim.follow import Agent, Userfault, runs
from vswap.mm.memcg import Memcg
from vswap.mm.pagetable import PageTable, Pte, PteState

IN_PROGRAM = b""  # what a folio holds while the program may write to it: nothing that could be taken for a page


class ProgramTable(PageTable):
    """The page table of one address space of the program.

    Args:
        agent: reads and drops pages.
        userfault: places and protects them.
        settled: called with (page, bytes) whenever the content of a page that was writable becomes known.

    Attributes:
        present: page -> writable, for all that the program can use without a fault.
        doomed: pages that have left for a tier and are still in the program's memory, write-protected: they are dropped
            together, by `flush`. To the program's loads they are what they were.
        placed: pages put into the program's memory so far.
    """

    tracks_writes = True  # the program's dirty bits cannot be read

    def __init__(
        self,
        name: str,
        memcg: Memcg,
        agent: Agent,
        userfault: Userfault,
        settled: Callable[[int, bytes], None] | None = None,
    ) -> None:
        super().__init__(name, memcg)
        self.agent = agent
        self.userfault = userfault
        self.settled = settled
        self.present: dict[int, bool] = {}
        self.doomed: dict[int, None] = {}
        self.placed = 0

    # PageTable

    def set(self, vpn: int, pte: Pte) -> None:
        """Replace an entry, in the program's memory too."""
        old = self.get(vpn)
        super().set(vpn, pte)
        writable = self.present.get(vpn)
        if pte.state is PteState.DRAM:
            self._show(vpn, pte, writable)
        elif pte.state is PteState.ZERO:
            if writable is None:
                self.place(vpn, ZERO_PAGE, protected=True)
        elif pte.state is PteState.SOFTLEAF:
            if writable is not None:
                if writable:
                    assert old is not None
                    old.dram.data = self._fetch(vpn)
                self.doomed[vpn] = None
        elif writable is not None:  # CRAM, soft-faulted before it was dropped
            self.doomed.pop(vpn, None)

    def clear(self, vpn: int) -> Pte | None:
        """Back to state none. The program gives the page back, so nothing is done to its memory."""
        self.present.pop(vpn, None)
        self.doomed.pop(vpn, None)
        return super().clear(vpn)

    def rename(self, old: int, new: int) -> None:
        """Move an entry; the program's page was moved by the kernel."""
        super().rename(old, new)
        writable = self.present.pop(old, None)
        if writable is not None:
            self.present[new] = writable

    # The program's memory

    def place(self, vpn: int, data: bytes, *, protected: bool) -> None:
        """Put a page into the program's memory and wake those who wait."""
        if self.userfault.place(vpn, data, protected=protected) or vpn not in self.present:
            self.placed += 1
        self.present[vpn] = not protected

    def flush(self) -> None:
        """Drop the doomed pages."""
        if self.doomed:
            for vpn in self.doomed:
                del self.present[vpn]
            self.agent.drop_all(self.doomed)
            self.doomed.clear()

    def give_up(self, vpn: int) -> None:
        """Take a page that cannot be moved any more out of the program's memory."""
        self.doomed.pop(vpn, None)
        if self.present.pop(vpn, None) is not None:
            self.agent.drop(vpn, 1)

    def protect(self, vpns: Iterable[int]) -> None:
        """Write-protect pages that are present."""
        for first, count in runs(vpns):
            self.userfault.protect(first, count, on=True)

    def _show(self, vpn: int, pte: Pte, writable: bool | None) -> None:
        """Make a page in DRAM what the entry says."""
        folio = pte.dram
        self.doomed.pop(vpn, None)
        if writable is None:
            self.place(vpn, folio.data, protected=not pte.writable)
        elif pte.writable and not writable:
            self.userfault.protect(vpn, 1, on=False)
            self.present[vpn] = True
        elif writable and not pte.writable:
            folio.data = self._fetch(vpn)
        if pte.writable:
            folio.data = IN_PROGRAM

    def _fetch(self, vpn: int) -> bytes:
        """Write-protect a writable page and take what it holds."""
        self.userfault.protect(vpn, 1, on=True)
        self.present[vpn] = False
        data = self.agent.read(vpn, 1)[0]
        if data is None:
            data = ZERO_PAGE  # dropped by the program in this moment (MADV_DONTNEED in another thread)
        if self.settled is not None:
            self.settled(vpn, data)
        return data
