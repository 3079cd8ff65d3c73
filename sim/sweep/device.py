# SPDX-License-Identifier: MIT
"""Device: what the device alone reaches: no swap system, pages of real programs, a load that is a dial.

`load` is the share of the time, in percent, in which the host has a write under way: it rests between two writes. What
is read meanwhile is not slowed down by anything but the device.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Awaitable, Sequence
from pathlib import Path
from random import Random

from driver import CramDevice
from hw.link import LINE_BYTES, LINES_PER_PAGE, PAGE_BYTES, Link
from hw.virtual_time import VirtualClock
from sim.corpus import files
from sim.corpus.figures import is_same
from sim.data import CORPUS
from sim.scenario.links import make_link
from sim.scenario.scenario import Scenario, ScenarioError
from sim.scenario.settings import Setting
from sim.sweep.grid import SEED, Axis, Point, chosen, points
from sim.sweep.row import Row, Task, failed

LOAD = "load"
KEYS = (
    "cram.perceived_pages", "cram.media_bytes", "cram.sector_bytes", "cram.cache_pages", "cram.bytes_per_cycle",
    "cram.fill_engines", "cram.promoted_pages", "cram.media_latency",
)  # fmt: skip
"""What is varied of a device alone, beside the load."""
_USUAL_LOAD = 50
_READS = 400  # that miss
_HOT_READS = 12  # of each page of a hot set
_HOT_PERCENT = 90  # of the reads of a hot set that hit
_REST_NS = 100_000  # nothing that the device does to one page takes longer


class DeviceMismatchError(Exception):
    """A page did not come back as it was written."""


def measure_task(task: Task) -> Row:
    """Measure a scenario's device, in whatever process this is; columns: docs/sweep.md, "The device alone". An error is
    a row."""
    started = time.monotonic()
    try:
        clock = VirtualClock(task.scenario.workload.schedule)
        assert task.sim in ("model", "verilated") and task.load is not None
        link = make_link(task.sim, clock, task.scenario)
        row: Row = {"status": "passed", "reason": "", **clock.run(_Measurement(link, task.scenario, task.load).all())}
    except Exception as error:
        row = failed(f"{type(error).__name__}: {' '.join(str(error).split())}")
    return row | {"seconds": round(time.monotonic() - started, 3)}


def device_points(path: Path, settings: Sequence[Setting], axes: Sequence[Axis], sample: int | None) -> list[Point]:
    """The points of a sweep of the device alone: `axes` over its keys and the load. Raises ScenarioError."""
    loads = next((axis for axis in axes if axis.key == LOAD), Axis(LOAD, (str(_USUAL_LOAD),)))
    others = [axis for axis in axes if axis.key != LOAD]
    for axis in others:
        if axis.key not in (*KEYS, SEED):
            raise ScenarioError(f"{axis.key} says nothing of the device alone, expected {', '.join(KEYS)} or {LOAD}")
    wrong = [load for load in loads.values if not load.isdecimal() or int(load) > 100]
    if wrong:
        raise ScenarioError(f"{LOAD} is {wrong[0]}, expected percent from 0 to 100")
    made = [
        Point(point.number * len(loads.values) + at, point.values | {LOAD: int(load)}, point.scenario, point.reason,
              int(load))
        for point in points(path, settings, others)
        for at, load in enumerate(loads.values)
    ]  # fmt: skip
    return made if sample is None or sample >= len(made) else chosen(made, sample)


class _Measurement:
    """One device measured. The first half of its pages is written again and again, the second half is read."""

    def __init__(self, link: Link, scenario: Scenario, load: int) -> None:
        self._link = link
        self._clock = link.clock
        self._load = load
        self._random = Random(scenario.workload.seed)
        self._over = False  # the writer has been told to end
        self._cache = scenario.cram.cache_pages
        pages = _real_pages()
        self._random.shuffle(pages)
        fit = scenario.cram.media_bytes // (2 * PAGE_BYTES)  # so that every page could be stored raw, and be dirty
        count = min(scenario.cram.perceived_pages, fit, 8 * self._cache) // 2
        if count <= 2 * self._cache:
            raise ValueError(f"{2 * count} pages fit, expected more than {4 * self._cache}: 4 x cache_pages; make "
                             "media_bytes or perceived_pages larger")  # fmt: skip
        self._pages = [pages[number % len(pages)] for number in range(2 * count)]
        self._writes, self._reads = range(count), range(count, 2 * count)

    async def all(self) -> dict[str, float]:
        """Every column."""
        device = await CramDevice.probe(self._link)
        for number in (*self._writes, *self._reads):
            await self._store(number)
        await self._clock.sleep(_REST_NS)
        figures = {"writeback_bytes_per_cycle": await self._write_back()}
        figures |= await self._under_load(self._misses())
        figures |= await self._under_load(self._hot_set(device))
        counters = vars(await device.counters())
        figures |= {f"counters.{name}": value for name, value in counters.items()}
        await self._link.close()
        return figures

    async def _write_back(self) -> float:
        """Page bytes written a cycle, one page after the other: in the long run one is written back for each."""
        before, rounds = self._link.cycles, 2
        for _ in range(rounds):
            for number in self._writes:
                await self._store(number)
        cycles = self._link.cycles - before
        return round(rounds * len(self._writes) * PAGE_BYTES / cycles, 4)

    async def _under_load(self, reading: Awaitable[dict[str, float]]) -> dict[str, float]:
        """What `reading` finds while pages are written at the load."""
        self._over = False
        writer = self._clock.spawn(self._keep_writing(), "writer") if self._load else None
        try:
            return await reading
        finally:
            self._over = True
            if writer is not None:
                await writer

    async def _keep_writing(self) -> None:
        """Write pages at the load until told to end."""
        for number in itertools.cycle(self._writes):
            start = self._clock.now
            await self._store(number)
            took = self._clock.now - start
            await self._clock.sleep(max(1, took * (100 - self._load) // self._load))
            if self._over:
                return

    async def _misses(self) -> dict[str, float]:
        """Reads of one line of pages in turn, more than the cache holds: each misses."""
        took = sorted([await self._line(self._reads[n % len(self._reads)]) for n in range(_READS)])
        return {"miss_p50_cycles": took[_READS // 2 - 1], "miss_p99_cycles": took[-(-_READS * 99 // 100) - 1]}

    async def _hot_set(self, device: CramDevice) -> dict[str, float]:
        """The most pages that can be read at random, all in turn, so that 90 % of the reads hit."""
        low, high = 0, min(2 * self._cache, len(self._reads))
        while low < high:
            middle = (low + high + 1) // 2
            if await self._hits(device, middle) * 100 >= _HOT_PERCENT * middle * _HOT_READS:
                low = middle
            else:
                high = middle - 1
        return {"hot_set_pages": low}

    async def _hits(self, device: CramDevice, count: int) -> int:
        """How many reads hit of a set of so many pages, each of which has been read before. A miss fills the cache from
        the media; the writes are of whole pages and fill nothing."""
        hot = [number for number in self._reads[:count] for _ in range(_HOT_READS)]
        for number in self._reads[:count]:
            await self._line(number)
        self._random.shuffle(hot)
        before = (await device.counters()).pages_filled
        for number in hot:
            await self._line(number)
        return len(hot) - ((await device.counters()).pages_filled - before)

    async def _store(self, number: int) -> None:
        await self._link.write(number * PAGE_BYTES, self._pages[number])

    async def _line(self, number: int) -> int:
        """Read a random line of a page: how long it took, cycles. Raises DeviceMismatchError."""
        line, start = self._random.randrange(LINES_PER_PAGE), self._clock.now
        data = await self._link.read(number * PAGE_BYTES + line * LINE_BYTES, LINE_BYTES)
        if data != self._pages[number][line * LINE_BYTES :][:LINE_BYTES]:
            raise DeviceMismatchError(f"line {line} of page {number} came back different")
        return self._clock.now - start


def _real_pages() -> list[bytes]:
    manifest = files.load(CORPUS)
    found = [page for entry in manifest.entries for page in files.pages(CORPUS, entry)]
    return [page for page in found if not is_same(page)]  # those would take nothing of the media
