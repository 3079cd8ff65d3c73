# SPDX-License-Identifier: MIT
"""Measure the layouts of slots from 10^4 to 10^7 slots: bytes a slot, time of an operation (docs/vswap/slots.md).

    python -m sim.bench.slotbench [--json FILE] [--layouts NAME ...] [SLOTS ...]

Every size is measured in a process of its own, so that one's memory is not another's. Bytes are those by which the
process grew. Times are of two samples, the best of several rounds each:

- NEAR slots, each in a cluster of its own, as far apart as the table allows. They do the same work at every size, and
  stay in the processor's caches: what the data structure costs.
- SAMPLE slots spread evenly. In a large table they are further apart than the caches reach. What that costs is not the
  structure's doing: `bare` is a read and a write of one word by the same pattern in an array as large as the
  descriptors.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import FrameType
from typing import Any, get_args

from sim.base.memory import resident_bytes
from vswap.base.backing import Backing, BackingType
from vswap.base.results import is_stdout, write_json
from vswap.mm.memcg import MemcgTree
from vswap.mm.pagetable import PageTable, Pte, PteState
from vswap.slots.cluster import CLUSTER_SLOTS
from vswap.slots.layouts import LayoutName, layout
from vswap.slots.reverse import ReverseMap
from vswap.slots.table import SlotTable

SIZES = (10**4, 10**5, 10**6, 10**7)
LAYOUTS: tuple[LayoutName, ...] = get_args(LayoutName)
NEAR, SAMPLE = 16, 4_000
_ROUNDS, _NEAR_ROUNDS = 9, 2_000


@dataclass(frozen=True)
class Times:
    """ns an operation, on one sample of slots, with all slots in use; of `bare`, see the module."""

    allocate: float
    look_up: float
    duplicate_and_put: float
    free: float
    bare: float


@dataclass(frozen=True)
class Steps:
    """Bytecodes that an operation executes on each slot of a sample, in order of size."""

    allocate: tuple[int, ...]
    look_up: tuple[int, ...]
    duplicate_and_put: tuple[int, ...]
    free: tuple[int, ...]


@dataclass(frozen=True)
class Figures:
    """Of one layout and size.

    Attributes:
        bytes_a_slot, bytes_with_reverse_map: growth of the process, divided by the slots.
        allocate_all: ns, mean over the filling of the whole table.
        near, spread: see the module.
        scan: of all slots for one backing, ns a slot.
        find_by_page_tables, find_by_slots, find_by_reverse_map: ms that each search of a swapoff takes to find the
            pages of a device that holds every second slot; how they move does not depend on the search.
    """

    layout: str
    slots: int
    bytes_a_slot: float
    bytes_with_reverse_map: float
    allocate_all: float
    near: Times
    spread: Times
    scan: float
    find_by_page_tables: float
    find_by_slots: float
    find_by_reverse_map: float


def measure(name: LayoutName, slots: int) -> Figures:
    """Fill a table and work on it."""
    gc.disable()
    before = resident_bytes()
    start = time.perf_counter_ns()
    table = _full(name, slots)
    slots = table.used
    allocate_all = (time.perf_counter_ns() - start) / slots
    plain = resident_bytes() - before
    on_disk = Backing(BackingType.SWAPFILE, 1)
    owners = ReverseMap(slots + 1)
    for place in range(1, slots + 1):
        owners[place] = place
    mapped = resident_bytes() - before
    near = _times(table, _evenly(slots, min(NEAR, table.clusters)), _NEAR_ROUNDS)
    spread = _times(table, _evenly(slots, min(SAMPLE, slots)), _ROUNDS)
    for slot in _evenly(slots, min(SAMPLE, slots)):
        table.set_backing(slot, on_disk)
    start = time.perf_counter_ns()
    for _ in table.backed_by(BackingType.SWAPFILE):
        pass
    scan = (time.perf_counter_ns() - start) / slots
    return Figures(
        name, slots, plain / slots, mapped / slots, allocate_all, near, spread, scan, *_search(table, slots)
    )  # fmt: skip


def _full(name: LayoutName, slots: int) -> SlotTable:
    """A table of at least so many slots, to the end of its last cluster."""
    table = SlotTable(layout=layout(name))
    for _ in range(-(-(slots + 1) // CLUSTER_SLOTS) * CLUSTER_SLOTS - 1):
        table.allocate()
    return table


def _evenly(slots: int, count: int) -> list[int]:
    """So many of the slots from 1 on."""
    return [1 + i * slots // count for i in range(count)]


class _Sample:
    """Some slots of a table, and the best times so far of each operation on them."""

    def __init__(self, table: SlotTable, slots: list[int]) -> None:
        self._table = table
        self._slots = slots
        self._words = array("Q", bytes(table.bytes // 8 * 8))
        self._places = [slot * len(self._words) // (table.clusters * CLUSTER_SLOTS) for slot in slots]
        self._best = [float("inf")] * len(fields(Times))

    def round(self) -> None:
        """Every operation once on each slot; each that is freed is allocated again."""
        taken: list[int] = []
        look_up, twice = _timed(self._table.backing, self._slots), _timed(self._duplicate_and_put, self._slots)
        free = _timed(self._table.unpin, self._slots)
        allocate = _timed(lambda _: taken.append(self._table.allocate()), self._slots)
        times = (allocate, look_up, twice, free, _timed(self._touch, self._places))
        self._best = list(map(min, self._best, times))
        self._slots = sorted(taken)

    @property
    def times(self) -> Times:
        """The best ones."""
        return Times(*self._best)

    def steps(self) -> Steps:
        """Of one round."""
        counted: dict[Callable[[int], object], list[int]] = {}
        taken: list[int] = []

        def allocate(_: int) -> None:
            taken.append(self._table.allocate())

        for operation in (self._table.backing, self._duplicate_and_put, self._table.unpin, allocate):
            counted[operation] = [_bytecodes(operation, slot) for slot in self._slots]
        self._slots = sorted(taken)
        look_up, twice, free, allocated = (tuple(sorted(each)) for each in counted.values())
        return Steps(allocated, look_up, twice, free)

    def _duplicate_and_put(self, slot: int) -> None:
        self._table.duplicate(slot)
        self._table.put(slot)

    def _touch(self, place: int) -> None:
        self._words[place] = self._words[place] + 1


def _times(table: SlotTable, sample: list[int], rounds: int) -> Times:
    measured = _Sample(table, sample)
    for _ in range(rounds):
        measured.round()
    return measured.times


def steps(name: LayoutName, slots: int) -> Steps:
    """The work of each operation in a full table, on NEAR slots, whatever the machine is doing beside."""
    table = _full(name, slots)
    return _Sample(table, _evenly(table.used, NEAR)).steps()


def _bytecodes(operation: Callable[[int], object], slot: int) -> int:
    """How many `operation` executes with all that it calls."""
    executed = 0

    def trace(frame: FrameType, event: str, _: object) -> Callable[..., Any]:
        nonlocal executed
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        executed += event == "opcode"
        return trace

    before, collects = sys.gettrace(), gc.isenabled()
    gc.disable()  # what others do when garbage is collected is not the operation's
    sys.settrace(trace)
    try:
        operation(slot)
    finally:
        sys.settrace(before)
        if collects:
            gc.enable()
    return executed


def growth(name: LayoutName, small: int, large: int) -> Times:
    """How many times longer each operation takes in a larger table: NEAR slots of each, in turns, so that what else the
    processor has to do concerns both."""
    gc.disable()
    samples = [_Sample(table, _evenly(table.used, NEAR)) for table in (_full(name, small), _full(name, large))]
    for _ in range(_NEAR_ROUNDS):
        for sample in samples:
            sample.round()
    before, after = (asdict(sample.times) for sample in samples)
    return Times(**{operation: after[operation] / before[operation] for operation in before})


def _search(table: SlotTable, slots: int) -> Iterator[float]:
    """ms of each search of a swapoff, in the order of Figures; all must find the same number of pages."""
    on_disk, elsewhere = Backing(BackingType.SWAPFILE, 1), Backing(BackingType.ZSWAP, 1)
    found = []
    owners = ReverseMap(table.clusters * CLUSTER_SLOTS)
    for number, slot in enumerate(table.slots()):
        table.set_backing(slot, on_disk if number % 2 else elsewhere)
        if number % 2:
            owners[slot] = slot
    ptes = PageTable("task", MemcgTree().root)
    for slot in table.slots():
        ptes.set(slot, Pte.softleaf(slot, exclusive=True))

    def by_page_tables() -> int:
        return sum(
            pte.state is PteState.SOFTLEAF and table.backing(pte.slot).type is BackingType.SWAPFILE
            for _, pte in ptes.items()
        )

    def by_slots() -> int:
        return sum(len(cluster) for cluster in table.backed_by(BackingType.SWAPFILE))

    for search in (by_page_tables, by_slots, lambda: len(owners.copy())):
        start = time.perf_counter_ns()
        found.append(search())
        yield (time.perf_counter_ns() - start) / 1e6
    assert len(set(found)) == 1 and found[0] == slots // 2, found


def _timed(operation: Callable[[int], object], slots: Iterable[int]) -> float:
    slots = list(slots)
    start = time.perf_counter_ns()
    for slot in slots:
        operation(slot)
    return (time.perf_counter_ns() - start) / len(slots)


def measure_apart(name: LayoutName, slots: int) -> Figures:
    """`measure` in a process of its own. Raises subprocess.CalledProcessError."""
    values = _apart("--one", name, slots)
    return Figures(**values | {"near": Times(**values["near"]), "spread": Times(**values["spread"])})


def growth_apart(name: LayoutName, small: int, large: int) -> Times:
    """`growth` in a process of its own. Raises subprocess.CalledProcessError."""
    return Times(**_apart("--growth", name, small, large))


def _apart(what: str, name: LayoutName, *slots: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "sim.bench.slotbench", what, *map(str, slots), "--layouts", name]
    reply = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parent.parent.parent)
    values: dict[str, Any] = json.loads(reply.stdout)
    return values


def main(arguments: list[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measure the layouts of slots.")
    parser.add_argument("slots", nargs="*", type=int, default=SIZES)
    parser.add_argument("--layouts", nargs="+", choices=LAYOUTS, default=LAYOUTS, help="(all)")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write the figures as JSON; - for standard output"
    )
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--growth", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one or options.growth:
        work: Callable[..., Figures | Times] = measure if options.one else growth
        print(json.dumps(asdict(work(options.layouts[0], *options.slots))))
        return
    shown = sys.stderr if is_stdout(options.json) else sys.stdout
    print(f"{'layout':>11} {'slots':>10} {'B/slot':>7} {'+rmap':>7} {'alloc all':>9}"
          f"   near:{'allocate':>9} {'look up':>8} {'free':>6} {'bare':>5}"
          f"   spread:{'allocate':>9} {'look up':>8} {'free':>6} {'bare':>5} ns"
          f" {'find by PTEs':>13} {'slots':>7} {'rmap':>7} ms", file=shown)  # fmt: skip
    results: dict[str, list[Any]] = {"sizes": [], "growth": []}
    for name in options.layouts:
        for slots in options.slots:
            figures = measure_apart(name, slots)
            results["sizes"].append(asdict(figures))
            near, spread = figures.near, figures.spread
            print(f"{name:>11} {slots:>10,} {figures.bytes_a_slot:>7.2f} {figures.bytes_with_reverse_map:>7.2f} "
                  f"{figures.allocate_all:>9.0f}        {near.allocate:>9.0f} {near.look_up:>8.0f} {near.free:>6.0f} "
                  f"{near.bare:>5.0f}          {spread.allocate:>9.0f} {spread.look_up:>8.0f} {spread.free:>6.0f} "
                  f"{spread.bare:>5.0f}    {figures.find_by_page_tables:>13.1f} {figures.find_by_slots:>7.1f} "
                  f"{figures.find_by_reverse_map:>7.1f}", flush=True, file=shown)  # fmt: skip
        if len(options.slots) > 1:
            times = asdict(growth_apart(name, options.slots[0], options.slots[-1]))
            results["growth"].append({"layout": name, **times})
            print(f"{name:>11} {options.slots[0]:,} to {options.slots[-1]:,}, in turns: "
                  + ", ".join(f"{operation} x {ratio:.2f}" for operation, ratio in times.items()),
                  flush=True, file=shown)  # fmt: skip
    if options.json is not None:
        write_json(options.json, results)


if __name__ == "__main__":
    main(sys.argv[1:])
