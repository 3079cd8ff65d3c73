# SPDX-License-Identifier: MIT
"""Long-term pins (pin_user_pages with FOLL_LONGTERM): a device writes to a page by its frame, past all PTEs.

So the page may not be on a compressed device, where nobody could refuse that store, and may not be shared: a page on
the device is copied to DRAM first (docs/vswap/fences.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from hw.link import PAGE_BYTES
from vswap.mm.folio import Folio
from vswap.mm.pagetable import PageTable, PteState
from vswap.paths.fault import handle_fault
from vswap.paths.reclaim import Reclaim
from vswap.state import rmap
from vswap.state.machine import Machine


@dataclass(frozen=True)
class Pin:
    """A page that stays where it is until `unpin`. What is written here is in memory, whatever the PTE says."""

    folio: Folio
    index: int

    def read(self) -> bytes:
        """DMA from the page."""
        return self.folio.pages[self.index]

    def write(self, data: bytes) -> None:
        """DMA into the page."""
        assert len(data) == PAGE_BYTES
        self.folio.pages[self.index] = bytes(data)


async def pin(machine: Machine, reclaim: Reclaim, table: PageTable, vpn: int) -> Pin:
    """Pin a page for long, for reading and writing. Raises as a write to it would."""
    pte = machine.walk(table, vpn)
    if pte is None or pte.state is not PteState.DRAM or not pte.allows(write=True):
        pte = await handle_fault(machine, reclaim, table, vpn, write=True, pin=True)
    folio = pte.dram
    folio.pins += 1
    folio.lazyfree = False
    return Pin(folio, pte.index)


def unpin(machine: Machine, pinned: Pin) -> None:
    """The device is done; what it has written is newer than any copy (unpin_user_pages_dirty_lock). The folio says so,
    for MADV_FREE: no dirty bit of a PTE does."""
    folio = pinned.folio
    folio.pins -= 1
    folio.dirty = folio.was_cached = True
    rmap.try_to_free(machine, folio)
