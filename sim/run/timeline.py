# SPDX-License-Identifier: MIT
"""Timeline: what was in use over simulated time, how close the device came to loss, and when the nodes were closed.

Samples are taken at equal distances of simulated time, whatever the program does meanwhile. How long a run takes is
known only at its end: with too many samples the distance doubles, and of two that are too close now the first stays.
"""

from __future__ import annotations

from driver.values import Capacity
from sim.run.machine import Machine
from sim.run.metrics import Closing, Margin, Sample

MOST_SAMPLES = 400
MOST_CLOSINGS = 2_000
_FIRST_INTERVAL = 100_000  # ns


class Timeline:
    """What a run records of a machine over time.

    Attributes:
        samples: so far, in order.
        due: simulated ns at which the next one should be taken.
    """

    def __init__(self, machine: Machine) -> None:
        self.samples: list[Sample] = []
        self.due = machine.link.clock.now
        self._machine = machine
        self._interval = _FIRST_INTERVAL
        self._margin: Margin | None = None
        self._closings = [_Closings(name) for name, _ in machine.nodes()]
        for closings, (_, node) in zip(self._closings, machine.nodes(), strict=True):
            node.on_gate = closings.moved

    @property
    def closed_times(self) -> dict[str, int]:
        """How often each node was closed, so far."""
        return {node.name: node.times for node in self._closings}

    @property
    def closings(self) -> list[Closing]:
        """When the nodes were closed to new pages, so far."""
        now = self._machine.link.clock.now
        return [closing for node in self._closings for closing in node.until(now)]

    @property
    def margin(self) -> Margin:
        """How close the first device came to loss, by all samples so far; at least one."""
        assert self._margin is not None
        return self._margin

    async def sample(self) -> None:
        """Take a sample; to be called when one is due, and at the end."""
        self.samples.append(await self._now())
        while len(self.samples) > MOST_SAMPLES:
            self._interval *= 2
            cells: dict[int, Sample] = {}
            for sample in self.samples:
                cells.setdefault(sample.simulated_ns // self._interval, sample)
            self.samples = list(cells.values())
        self.due = (self._machine.link.clock.now // self._interval + 1) * self._interval

    async def _now(self) -> Sample:
        machine = self._machine
        capacity = await machine.device.capacity()
        self._margin = _closer(self._margin, self._margin_now(capacity))
        pages = {"dram": machine.system.machine.memory.used}
        pages |= {name: tier.usage().pages for name, tier in machine.system.machine.tiers.shown.items()}
        return Sample(
            simulated_ns=machine.link.clock.now,
            pages=pages,
            media_used_percent=round(100 - 100 * capacity.free_sectors / capacity.total_sectors, 2),
            ratio=round(capacity.ratio, 3) if capacity.used_bytes > 0 else None,
            faults=machine.system.counters.pgfault,
        )

    def _margin_now(self, capacity: Capacity) -> Margin:
        tiers, residents = self._machine.system.machine.tiers, self._machine.system.machine.residents
        on_device = residents.of(tiers.key(tiers.named["cram"])) if "cram" in tiers.named else []
        need = sum(folio.writable for folio in on_device) * self._machine.device.geometry.raw_sectors
        return Margin(
            lowest_free=capacity.free_sectors,
            worst_case=need,
            from_loss=capacity.available_sectors - need if need else None,
        )


def _closer(one: Margin | None, other: Margin) -> Margin:
    """The worse of two, figure by figure."""
    if one is None:
        return other
    left = [margin.from_loss for margin in (one, other) if margin.from_loss is not None]
    return Margin(
        lowest_free=min(one.lowest_free, other.lowest_free),
        worst_case=max(one.worst_case, other.worst_case),
        from_loss=min(left, default=None),
    )


class _Closings:
    """When one node was closed. When there are too many, those that almost touch are joined."""

    def __init__(self, node: str) -> None:
        self.name = node
        self.times = 0
        self._spans: list[tuple[int, int]] = []
        self._since: int | None = None
        self._gap = 0  # ns below which two are one

    def moved(self, closed: bool, now: int) -> None:
        """The gate has moved."""
        if closed:
            self._since = now
            self.times += 1
        elif self._since is not None:
            self._spans.append((self._since, now))
            self._since = None
            while len(self._spans) > MOST_CLOSINGS:
                self._gap = self._gap * 2 or 1000
                self._join()

    def until(self, now: int) -> list[Closing]:
        """All of them; one that lasts ends now."""
        spans = [*self._spans, *([(self._since, now)] if self._since is not None else [])]
        return [Closing(node=self.name, from_ns=start, to_ns=end) for start, end in spans]

    def _join(self) -> None:
        joined = self._spans[:1]
        for start, end in self._spans[1:]:
            if start - joined[-1][1] < self._gap:
                joined[-1] = joined[-1][0], end
            else:
                joined.append((start, end))
        self._spans = joined
