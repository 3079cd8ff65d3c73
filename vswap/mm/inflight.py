# SPDX-License-Identifier: MIT
"""What is under way between memory and devices while no task holds a lock for it: folios under writeback
(docs/vswap/reclaim.md, "Writeback"), and requests that read ahead (docs/vswap/faults.md, "Readahead")."""

from __future__ import annotations

from hw.clock import Clock
from vswap.base.errors import ContractViolation
from vswap.mm.folio import AnyFolio, CramFolio, Folio


class InFlight:
    """Which folios are under writeback now (folio_start_writeback, folio_end_writeback), and who waits for them.

    Such a folio stays in the swap cache, where faults find it, and its slot stays pinned.

    Attributes:
        folios: those under writeback.
        pages: how many pages they have (nr_writeback).
        reading: requests that read ahead now.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.folios: set[AnyFolio] = set()
        self.pages = 0
        self.reading = 0
        self._ended = clock.event()
        self._read_ended = clock.event()

    def start(self, folio: Folio, *, stable: bool) -> None:
        """The write of a locked folio begins: it is clean unless the write fails. `stable`: nobody may change the page
        before the end."""
        if folio.writeback or not folio.slot or not folio.lock.locked():
            raise ContractViolation("writeback begins twice, without the folio lock, or outside of the swap cache")
        folio.writeback = True
        folio.stable = stable
        folio.dirty = False
        self.folios.add(folio)
        self.pages += len(folio.pages)

    def start_device_page(self, folio: CramFolio) -> None:
        """The write of a locked, unmapped page of a device to a later tier begins. The device has it until the end."""
        if folio.writeback or not folio.slot or not folio.lock.locked():
            raise ContractViolation("writeback begins twice, without the folio lock, or outside of the swap cache")
        folio.writeback = True
        self.folios.add(folio)
        self.pages += 1

    def end(self, folio: AnyFolio, *, failed: bool) -> None:
        """The write has ended. After a failure a folio in memory is dirty: it has the only copy."""
        if not folio.writeback:
            raise ContractViolation("the end of a writeback that has not begun")
        folio.writeback = False
        if isinstance(folio, Folio):
            folio.stable = False
            folio.dirty |= failed
        self.folios.remove(folio)
        self.pages -= len(folio.pages) if isinstance(folio, Folio) else 1
        ended, self._ended = self._ended, self._clock.event()
        ended.set()

    def start_read(self) -> None:
        """A request that reads ahead begins."""
        self.reading += 1

    def end_read(self) -> None:
        """It has ended."""
        self.reading -= 1
        ended, self._read_ended = self._read_ended, self._clock.event()
        ended.set()

    async def wait(self, folio: AnyFolio) -> None:
        """Wait until the folio is not under writeback (folio_wait_writeback). Its lock may be held."""
        while folio.writeback:
            await self._ended.wait()

    async def wait_for_one(self) -> bool:
        """Wait until a write has ended (reclaim_throttle); False at once when none is under way."""
        if not self.folios:
            return False
        await self._ended.wait()
        return True

    async def drain(self) -> None:
        """Wait until no write is under way, and no request that reads ahead."""
        while self.folios or self.reading:
            await (self._ended if self.folios else self._read_ended).wait()
