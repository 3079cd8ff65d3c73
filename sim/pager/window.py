# SPDX-License-Identifier: MIT
"""Window: the device pages that the program sees without a fault, a bounded number of them.

On a machine with such a device a soft-faulted page is read where it lies. Here the program's loads need the bytes in
memory, so each one takes a page of it: the window counts against the limit, and closes in the order it was opened.
"""

from __future__ import annotations

from collections import deque

from sim.pager.table import ProgramTable
from vswap.mm.pagetable import Pte, PteState
from vswap.state import rmap
from vswap.state.machine import Machine


class Window:
    """At most `size` device pages are mapped at a time, over all address spaces."""

    def __init__(self, machine: Machine, size: int) -> None:
        self.size = size
        self.closed = 0  # pages taken out again, to be soft-faulted once more when they are needed
        self._machine = machine
        self._open: deque[tuple[ProgramTable, int, Pte]] = deque()

    def __len__(self) -> int:
        """Pages in it, and those that have left it by themselves since."""
        return len(self._open)

    def add(self, table: ProgramTable, vpn: int) -> None:
        """A device page was mapped. Makes room for it."""
        pte = table.get(vpn)
        assert pte is not None and pte.state is PteState.CRAM
        self._open.append((table, vpn, pte))
        for _ in range(len(self._open)):
            if len(self._open) <= self.size:
                break
            table, vpn, pte = self._open.popleft()
            if table.get(vpn) is pte and not self._close(pte):
                self._open.append((table, vpn, pte))

    def _close(self, pte: Pte) -> bool:
        """Make softleafs of all entries that map the page; False while it is locked."""
        folio = pte.cram
        if not folio.lock.try_acquire():
            return False
        self.closed += rmap.try_to_unmap(self._machine, folio)
        rmap.unlock(self._machine, folio)
        return True
