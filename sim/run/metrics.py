# SPDX-License-Identifier: MIT
"""Metrics: what a run counted, as values and as JSON (docs/run.md, "Figures").

Nothing in here depends on the machine that ran the simulation, so that a scenario and a seed give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from driver.values import Capacity, Counters, Geometry
from hw.link import LINES_PER_PAGE
from sim.base.value import Value
from sim.run.histogram import histogram
from vswap.base.counters import Writebacks


class View(Value):
    """What a live view shows of a run at one moment.

    Attributes:
        pages, media_used_percent: as in the last Sample.
        closed: of each CRAM node, how often it was closed so far, and whether it is.
        cycles: of the device's clock so far.
        engines: simulated ns that each of the first device's engines was busy; empty where nobody watches them.
        p99_ns: of all faults so far, or of all but the last few per cent; None without any.
    """

    simulated_ns: int
    pages: dict[str, int]
    media_used_percent: float
    closed: dict[str, tuple[int, bool]]
    cycles: int
    engines: dict[str, int]
    p99_ns: int | None


class Progress(Value):
    """How far a run is.

    Attributes:
        phase: "compile", "replay" or "verify".
        done, total: events, or pages to verify.
        faults, mismatches: so far.
        view: more, while there is a machine.
    """

    phase: str
    done: int
    total: int
    faults: int = 0
    mismatches: int = 0
    view: View | None = None


class Latency(Value):
    """Durations of one kind of access in simulated ns; percentiles are those of the nearest rank. `histogram`: how many
    lie in each bucket, by the bucket's highest duration (sim/run/histogram.py)."""

    count: int
    p50_ns: int
    p90_ns: int
    p99_ns: int
    max_ns: int
    histogram: list[tuple[int, int]]

    @classmethod
    def of(cls, durations: Mapping[int, int]) -> Latency:
        """From how often each duration, ns, was seen; at least one was."""
        count = sum(durations.values())
        ordered = sorted(durations.items())

        def rank(percent: int) -> int:
            left = max(1, -(-count * percent // 100))
            for duration, times in ordered:
                left -= times
                if left <= 0:
                    return duration
            raise AssertionError("a rank beyond the count")

        return cls(
            count=count,
            p50_ns=rank(50),
            p90_ns=rank(90),
            p99_ns=rank(99),
            max_ns=ordered[-1][0],
            histogram=histogram(durations),
        )


class Sample(Value):
    """The machine at one moment.

    Attributes:
        pages: in use, "dram" and every tier by its name.
        media_used_percent: of the device's sectors.
        ratio: bytes of the device's pages for each byte of media that they take; None while they take none.
        faults: so far.
    """

    simulated_ns: int
    pages: dict[str, int]
    media_used_percent: float
    ratio: float | None
    faults: int


class Margin(Value):
    """How close the device came to losing something, by the samples of a run, in sectors.

    Attributes:
        lowest_free: fewest that were free.
        worst_case: most that the pages needed that were writable in place: all that each would take if its next store
            did not compress at all.
        from_loss: fewest that would have been left then, of those that are not promised to pages in the cache; below 0
            a store could have been refused. None: no page was writable in place, so that none could.
    """

    lowest_free: int
    worst_case: int
    from_loss: int | None


class Closing(Value):
    """A CRAM node took no new pages, from then to then."""

    node: str
    from_ns: int
    to_ns: int


class FaultRecord(Value):
    """One fault.

    Attributes:
        number: which fault of the run it was, from 1.
        kind: as in `Result.faults`.
        space, page: where.
        event: of the trace; None while pages are verified at the end.
    """

    number: int
    kind: str
    space: int
    page: int
    event: int | None
    from_ns: int
    duration_ns: int


class DeviceFigures(Value):
    """The device's own view when the last page had been verified: geometry, use of the media, counters since reset."""

    perceived_pages: int
    media_sectors: int
    sector_bytes: int
    cache_pages: int
    bytes_per_cycle: int
    free_sectors: int
    resident_pages: int
    ratio: float
    events_lost: int
    counters: dict[str, int]

    @classmethod
    def of(cls, geometry: Geometry, capacity: Capacity, counters: Counters, events_lost: int) -> DeviceFigures:
        """From what the driver read."""
        return cls(
            perceived_pages=geometry.perceived_pages,
            media_sectors=geometry.media_sectors,
            sector_bytes=geometry.sector_bytes,
            cache_pages=geometry.cache_pages,
            bytes_per_cycle=geometry.bytes_per_cycle,
            free_sectors=capacity.free_sectors,
            resident_pages=capacity.resident_pages,
            ratio=round(min(capacity.ratio, 1e6), 3),
            events_lost=events_lost,
            counters=vars(counters),
        )


class Result(Value):
    """What a run came to; `problems` is empty when all is well. The figures are explained in sim/run/report.py.

    `mismatch_ns`: when the access began and ended that first read something else than the trace says.
    `replay_ns`: when the trace had been replayed and verification began; None if it never did.
    """

    scenario: str
    sim: str
    seed: int
    settings: dict[str, Any]
    finished: bool
    problems: list[str]
    events: int
    events_done: int
    spaces: int
    stores: int
    loads: int
    soft_faults: int
    promotions: int
    mismatches: int
    mismatch_ns: tuple[int, int] | None
    reads_verified: int
    pages_verified: int
    lost_accesses: int
    lost_pages: int
    cycles: int
    simulated_ns: int
    replay_ns: int | None
    writebacks: Writebacks
    stored: dict[str, int]
    moves: dict[str, int]
    loaded: dict[str, int]
    faults: dict[str, Latency]
    accesses: dict[str, Latency]
    tiers: dict[str, int]
    device: DeviceFigures
    margin: Margin
    kernel: dict[str, int]
    memcgs: dict[str, dict[str, int]]
    slowest: list[FaultRecord]
    timeline: list[Sample]
    closings: list[Closing]

    @property
    def ok(self) -> bool:
        """The run is a success."""
        return self.finished and not self.problems and not self.mismatches and not self.lost_accesses

    def to_json(self) -> str:
        """The same bytes for the same scenario and seed."""
        return self.model_dump_json(indent=2) + "\n"


def pages(lines: int) -> int:
    """Whole pages in a count of lines."""
    return lines // LINES_PER_PAGE
