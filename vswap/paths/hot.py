# SPDX-License-Identifier: MIT
"""Promotion of the pages that a node's device nominates, because they are read often (docs/vswap/nodes.md)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from vswap.mm.folio import CramFolio
from vswap.paths.evacuate import promote
from vswap.state.machine import Machine
from vswap.tiers.cram import CramTier

RING_PAGES = 1024
"""Nominations of a node that wait for their turn; what finds the ring full is dropped."""


class HotPages:
    """Promotion of nominated pages, at most `budget` of a node in an `interval` (ns).

    A device that is swap has its nominations looked at once: what is over the budget is dropped. A memory node has a
    ring of them, which `drain` works off.

    Attributes:
        wanted: event: there is something in a ring.
    """

    def __init__(self, machine: Machine, budget: int, interval: int) -> None:
        self.machine = machine
        self.wanted = machine.clock.event()
        self._budget = budget
        self._interval = interval
        self._rings: dict[CramTier, deque[CramFolio]] = {cram: deque() for cram in machine.tiers.crams}

    async def round(self, cram: CramTier) -> None:
        """Take the device's nominations."""
        await self.report(cram, await cram.nominated())

    async def report(self, cram: CramTier, pages: Iterable[int]) -> None:
        """Pages in use are hot. Of a memory node they go into its ring; else those that are still there are promoted,
        and what is over the budget is dropped: what stays hot is nominated again."""
        machine = self.machine
        if machine.tiers.demotes:
            self._enqueue(cram, pages)
            return
        folios = [folio for page in pages if (folio := machine.residents.at(cram, page)) and folio.slot]
        for number, folio in enumerate(folios):
            if number >= self._budget:
                machine.counters.hot_dropped += len(folios) - number
                break
            await self._promote(folio)
        await machine.clock.sleep(self._interval)

    def _enqueue(self, cram: CramTier, pages: Iterable[int]) -> None:
        """Put pages of a node into its ring. What is not in use is stale; what finds no room is dropped."""
        ring, counters = self._rings[cram], self.machine.counters
        for page in pages:
            folio = self.machine.residents.at(cram, page)
            if folio is None:
                counters.hot_stale += 1
            elif len(ring) == RING_PAGES:
                counters.hot_dropped += 1
            else:
                ring.append(folio)
        if ring:
            self.wanted.set()

    async def drain(self) -> None:
        """Promote what is in the rings, in order of arrival, an interval after the other."""
        machine = self.machine
        self.wanted.clear()
        while any(self._rings.values()) and not machine.stopping:
            for ring in self._rings.values():
                for _ in range(min(self._budget, len(ring))):
                    await self._promote(ring.popleft())
            await machine.clock.sleep(self._interval)

    async def _promote(self, folio: CramFolio) -> None:
        """One page, unless it was given up since: its number may be another page's by now."""
        if folio.dead:
            self.machine.counters.hot_stale += 1
        elif await promote(self.machine, folio):
            self.machine.counters.promoted_hot += 1
