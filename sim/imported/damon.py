# SPDX-License-Identifier: MIT
"""DAMON: regions of memory and how often they were found accessed, as text (docs/trace.md, "Traces from running
kernels"): `damo report access --raw_form`, formerly `damo report raw`, or its tracepoint by `perf script`.

DAMON looks at one page of a region a sampling interval, and counts for an aggregation interval. Which pages were
accessed, and in which order, it does not say: each page of a region is taken to have been accessed with the region's
rate, in an order drawn at random.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from random import Random

from sim.imported.seen import Access
from sim.trace.file import TraceError

ADVICE = "damo report access --raw_form"
SAMPLES = 20
"""Looks in an aggregation interval, as DAMON has it by default: 100 ms by 5 ms."""
_INTERVAL_NS = 100_000_000

_REGION = re.compile(r"(?P<start>[0-9a-f]{5,16})-(?P<end>[0-9a-f]{5,16}) ?\(.*?\):?\s+(?P<count>\d+)(?:\s+-?\d+)?\s*")
_KEY = re.compile(r"(?P<key>monitoring_start|monitoring_end|target_id|nr_regions):\s+(?P<value>.*?)\s*")
_EVENT = re.compile(
    r".*?(?P<time>\d+\.\d+): damon:damon_aggregated: target_id=(?P<target>\d+) nr_regions=(?P<regions>\d+) "
    r"(?P<start>\d+)-(?P<end>\d+): (?P<count>\d+)(?: \d+)?\s*"
)
_NS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}


@dataclass
class Snapshot:
    """One target's regions, of one aggregation interval.

    Attributes:
        target: which.
        start_ns, end_ns: of the interval.
        regions: (address, address after its end, times that it was found accessed).
        expected: how many regions it says it has.
    """

    target: int
    start_ns: int
    end_ns: int
    regions: list[tuple[int, int, int]] = field(default_factory=list)
    expected: int = 0


def read(lines: Iterable[str], name: str, *, samples: int = SAMPLES, seed: int = 1) -> Iterator[Access]:
    """The accesses that the snapshots stand for.

    Args:
        name: of the file, for messages.
        samples: looks in an aggregation interval: what a region can count at most.
        seed: of what is drawn.

    Raises:
        TraceError: a snapshot without its target or its time, or a count that so many samples do not give.
    """
    random = Random(seed)
    for snapshot in snapshots(lines, name):
        pages: list[int] = []
        for start, end, count in snapshot.regions:
            if count > samples:
                raise TraceError(
                    f"{name}: a region was found accessed {count} times, expected at most {samples}, the looks in an "
                    "aggregation interval; say --samples N"
                )
            region = range(start >> 12, -(-end >> 12))
            if count == samples:
                pages += region
            elif count:
                pages += (page for page in region if random.random() < count / samples)
        random.shuffle(pages)
        step = (snapshot.end_ns - snapshot.start_ns) / max(1, len(pages))
        for number, page in enumerate(pages):
            yield Access(snapshot.target, page, None, snapshot.start_ns + round(number * step))


def snapshots(lines: Iterable[str], name: str) -> Iterator[Snapshot]:
    """The snapshots of a file, in its order. Raises TraceError."""
    told: dict[str, str] = {}
    one: Snapshot | None = None
    for number, line in enumerate(lines, 1):
        if (event := _EVENT.fullmatch(line)) is not None:
            time_ns = round(float(event["time"]) * 1e9)
            if one is None or len(one.regions) >= one.expected or one.target != int(event["target"]):
                if one is not None:
                    yield one
                start = max(0, time_ns - _INTERVAL_NS)
                one = Snapshot(int(event["target"]), start, time_ns, expected=int(event["regions"]))
            one.regions.append((int(event["start"]), int(event["end"]), int(event["count"])))
        elif (key := _KEY.fullmatch(line.strip())) is not None:
            if key["key"] == "monitoring_start" and one is not None:
                yield one
                one = None
            told[key["key"]] = key["value"]
        elif (region := _REGION.fullmatch(line.strip())) is not None:
            if one is None:
                one = _announced(told, f"{name}, line {number}")
                told = {}
            one.regions.append((int(region["start"], 16), int(region["end"], 16), int(region["count"])))
    if one is not None:
        yield one


def _announced(told: dict[str, str], where: str) -> Snapshot:
    if missing := [key for key in ("monitoring_start", "monitoring_end", "target_id") if key not in told]:
        raise TraceError(f"{where}: a region without {missing[0]} before it; make it with {ADVICE}")
    start, end = (_time(told[key], where) for key in ("monitoring_start", "monitoring_end"))
    target = told["target_id"]
    return Snapshot(int(target) if target.isdigit() else 0, start, end)


def _time(text: str, where: str) -> int:
    """ns, of damo's "1 m 2.500 s" or of a plain number of ns."""
    words = text.replace(",", "").split()
    try:
        if len(words) == 1:
            return int(words[0])
        return sum(round(float(value) * _NS[unit]) for value, unit in zip(words[::2], words[1::2], strict=True))
    except (ValueError, KeyError) as error:
        raise TraceError(f"{where}: {text!r} is no time, expected one as 104.599 ms or in ns") from error
