# SPDX-License-Identifier: MIT
"""Measure the slot table from 10^4 to 10^7 slots: bytes a slot, time of an operation (docs/vswap/slots.md).

    python -m sim.bench.slotbench [--json FILE] [SLOTS ...]

Every size is measured in a process of its own, so that one's memory is not another's. Bytes are those by which the
process grew. Times are of SAMPLE operations on slots spread evenly over the table, the best of several rounds, so that
they are in the processor's caches: what remains is what the data structure costs.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from sim.base.memory import resident_bytes
from vswap.base.backing import Backing, BackingType
from vswap.base.results import is_stdout, write_json
from vswap.mm.memcg import MemcgTree
from vswap.mm.pagetable import PageTable, Pte, PteState
from vswap.slots.reverse import ReverseMap
from vswap.slots.table import CLUSTER_SLOTS, SlotTable

SIZES = (10**4, 10**5, 10**6, 10**7)
SAMPLE = 4_000
_ROUNDS = 9


@dataclass(frozen=True)
class Figures:
    """Of one size. Times are ns an operation, the best of several rounds.

    Attributes:
        bytes_a_slot, bytes_with_reverse_map: growth of the process, divided by the slots.
        allocate_all: mean over the filling of the whole table.
        allocate, look_up, free: on the sample, with all slots in use.
        scan: of all slots for one backing, a slot.
        find_by_page_tables, find_by_slots, find_by_reverse_map: ms that each search of a swapoff takes to find the
            pages of a device that holds every second slot; how they move does not depend on the search.
    """

    slots: int
    bytes_a_slot: float
    bytes_with_reverse_map: float
    allocate_all: float
    allocate: float
    look_up: float
    free: float
    scan: float
    find_by_page_tables: float
    find_by_slots: float
    find_by_reverse_map: float


def measure(slots: int) -> Figures:
    """Fill a table and work on it."""
    gc.disable()
    before = resident_bytes()
    table = SlotTable()
    start = time.perf_counter_ns()
    for _ in range(slots):
        table.allocate()
    allocate_all = (time.perf_counter_ns() - start) / slots
    plain = resident_bytes() - before
    on_disk = Backing(BackingType.SWAPFILE, 1)
    owners = ReverseMap(slots + 1)
    for place in range(1, slots + 1):
        owners[place] = place
    mapped = resident_bytes() - before
    sample = [1 + i * slots // SAMPLE for i in range(SAMPLE)] if slots >= SAMPLE else list(range(1, slots + 1))
    for slot in sample:
        table.set_backing(slot, on_disk)
    look_up = min(_timed(table.backing, sample) for _ in range(_ROUNDS))
    frees, allocations = [], []
    for _ in range(_ROUNDS):
        frees.append(_timed(table.unpin, sample))
        taken: list[int] = []
        allocations.append(_timed(lambda _, taken=taken: taken.append(table.allocate()), sample))  # type: ignore[misc]
        sample = taken
    start = time.perf_counter_ns()
    for _ in table.backed_by(BackingType.SWAPFILE):
        pass
    scan = (time.perf_counter_ns() - start) / slots
    times = (plain / slots, mapped / slots, allocate_all, min(allocations), look_up, min(frees), scan)
    return Figures(slots, *times, *_search(table, slots))


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


def measure_apart(slots: int) -> Figures:
    """`measure` in a process of its own. Raises subprocess.CalledProcessError."""
    command = [sys.executable, "-m", "sim.bench.slotbench", "--one", str(slots)]
    reply = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parent.parent.parent)
    return Figures(**json.loads(reply.stdout))


def main(arguments: list[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measure the slot table.")
    parser.add_argument("slots", nargs="*", type=int, default=SIZES)
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write the figures as JSON; - for standard output"
    )
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one is not None:
        print(json.dumps(asdict(measure(options.one))))
        return
    table = sys.stderr if is_stdout(options.json) else sys.stdout
    print(f"{'slots':>10} {'B/slot':>7} {'+rmap':>7} {'alloc all':>10} {'allocate':>9} {'look up':>8} {'free':>7}"
          f" {'scan':>7} ns  {'find by PTEs':>13} {'slots':>8} {'rmap':>8} ms", file=table)  # fmt: skip
    results = []
    for slots in options.slots:
        figures = measure_apart(slots)
        results.append(asdict(figures))
        print(f"{slots:>10,} {figures.bytes_a_slot:>7.2f} {figures.bytes_with_reverse_map:>7.2f} "
              f"{figures.allocate_all:>10.0f} {figures.allocate:>9.0f} {figures.look_up:>8.0f} {figures.free:>7.0f} "
              f"{figures.scan:>7.2f}     {figures.find_by_page_tables:>13.1f} {figures.find_by_slots:>8.1f} "
              f"{figures.find_by_reverse_map:>8.1f}", flush=True, file=table)  # fmt: skip
    if options.json is not None:
        write_json(options.json, results)


if __name__ == "__main__":
    main(sys.argv[1:])
