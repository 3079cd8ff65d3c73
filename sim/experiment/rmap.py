# SPDX-License-Identifier: MIT
"""`rmap`: how the PTEs of a CRAM folio are found that is written back: rmap, a map from slots to PTEs, a scan."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from random import Random
from typing import Any, get_args

from sim.experiment.experiment import Experiment, Figures, Rows, Summary, Values, Verdict, one, total, values_of, where
from sim.experiment.room import Room, on_machine, program_pages, take
from sim.page import Lines, Part, Series
from vswap import AddressSpace, Costs
from vswap.base.backing import BackingType
from vswap.mm.pagetable import PteState
from vswap.slots.layouts import LayoutName, layout
from vswap.slots.table import SlotTable

PAGES = 64
BATCH = 16
"""Pages written back between two looks at the device: what a scan can find at once."""
HEAD_BYTES, ENTRY_BYTES = 8, 16
"""Of a slot -> PTE map: a pointer for each slot; the address space and the address for each entry."""
FACTORS = (0.1, 1.0, 10.0)
WORTH = 0.1
"""A search is felt when it takes this share of the write-back that it is for."""
LAYOUTS: tuple[LayoutName, ...] = get_args(LayoutName)


def grid(full: bool) -> list[Values]:
    """See Experiment."""
    shares = (0.0, 0.25, 0.5, 0.75, 1.0) if full else (0.0, 0.5, 1.0)
    copied = (0.0, 0.5, 0.9) if full else (0.0, 0.9)
    found: list[Values] = [
        {"part": "walk", "processes": processes, "softleafs": softleafs, "copied": own}
        for processes, softleafs, own in product((1, 2, 8, 32, 128), shares, copied)
    ]
    sizes = (10**4, 10**5, 10**6, 10**7) if full else (10**4, 10**5, 10**6)
    return found + [{"part": "slots", "slots": slots, "layout": name} for slots, name in product(sizes, LAYOUTS)]


def measure(values: Values) -> Figures:
    """See Experiment."""
    if values["part"] == "slots":
        return _slots(values["slots"], values["layout"])

    async def body(room: Room) -> Figures:
        return await _walks(room, values["processes"], values["softleafs"], values["copied"])

    return on_machine(body, memory_pages=PAGES * 160, order=("cram", "swapfile"))


async def _walks(room: Room, processes: int, softleafs: float, copied: float) -> Figures:
    """Pages shared by fork: some mappers have a copy of their own by now, of the others some read the page (mapped
    read-only), some did not (softleaf). All pages are written back."""
    system, counters = room.system, room.system.counters
    pages = take(program_pages(), PAGES)
    parent = await room.filled("parent", pages, "cram")
    spaces = [parent, *[await system.fork(parent, f"child {number}") for number in range(1, processes)]]
    random = Random(1)
    for vpn, page in enumerate(pages):
        own = set(random.sample(range(processes), min(processes - 1, round(copied * processes))))
        rest = [number for number in range(processes) if number not in own]
        leaves = set(random.sample(rest, round(softleafs * len(rest))))
        for number, space in enumerate(spaces):
            if number in own:
                await space.write(vpn, page)
            elif number not in leaves:
                await space.read(vpn)
    figures = {
        "softleaf_ptes": _count(spaces, PteState.SOFTLEAF), "present_ptes": _count(spaces, PteState.CRAM),
        "ptes": sum(len(space.table) for space in spaces), "names_updates": PAGES * processes + counters.promotions,
        "present_updates": counters.soft_faults, "folios": 0, "unmapped_folios": 0, "vmas": 0, "walked_ptes": 0,
        "vmas_in_vain": 0, "names_entries": 0, "present_entries": 0,
    }  # fmt: skip
    for folio in room.cram_folios():
        mapped, names = len(folio.mappers), system.machine.slots.swap_count(folio.slot)
        before = counters.rmap_vmas, counters.rmap_ptes, counters.writeback_unmaps
        if not await system.writeback.write_back_folio(folio):
            raise RuntimeError("a page was not written back")
        vmas, ptes = counters.rmap_vmas - before[0], counters.rmap_ptes - before[1]
        if counters.writeback_unmaps - before[2] != mapped:
            raise RuntimeError("the walk did not find every mapper")
        figures["folios"] += 1
        figures["unmapped_folios"] += not mapped
        figures["vmas"] += vmas
        figures["walked_ptes"] += ptes
        figures["vmas_in_vain"] += vmas - mapped
        figures["names_entries"] += names
        figures["present_entries"] += mapped
    return figures


def _count(spaces: list[AddressSpace], state: PteState) -> int:
    return sum(pte.state is state for space in spaces for pte in space.table.values())


def _slots(slots: int, name: LayoutName) -> Figures:
    """What a table of so many slots takes, and what a scan of it for the pages of one tier looks at."""
    table = SlotTable(layout=layout(name))
    for _ in range(slots):
        table.allocate()
    found = sum(len(cluster) for cluster in table.backed_by(BackingType.CRAM))
    if found:
        raise RuntimeError("no slot has a page on CRAM")
    return {"bytes_a_slot": table.bytes / slots, "scanned_slots": table.clusters * 512}


def conclude(table: Rows) -> Verdict:
    """See Experiment."""
    walks, slots, costs = where(table, part="walk"), where(table, part="slots"), Costs()
    needed = [row for row in walks if row["present_entries"]]
    scans = [entries / BATCH for entries in values_of(slots, "scanned_slots")]
    longest = max(row["vmas"] / (row["folios"] - row["unmapped_folios"]) for row in needed)
    from_count = {factor: _felt_from(walks, factor, costs) for factor in FACTORS}
    most = max(values_of(walks, "processes"))
    worst = max(where(needed, processes=most), key=lambda row: row["vmas"] / row["present_entries"])
    layouts = {name: [row["bytes_a_slot"] for row in where(slots, layout=name)] for name in values_of(slots, "layout")}
    smallest, largest = min(map(min, layouts.values())), max(map(max, layouts.values()))
    alone, many = _map_bytes(walks, 1), _map_bytes(walks, most)
    never_more = all(row["present_entries"] <= row["vmas"] for row in needed)
    always = total(needed, "present_entries") / total(needed, "vmas")
    unmapped = total(walks, "unmapped_folios") / total(walks, "folios")
    findings = {
        "a scan of page tables": "more visits than any walk" if min(scans) > longest else "fewer than some walks",
        "the map visits": "never more than rmap" if never_more else "mixed",
        **{f"rmap is felt, costs x {factor:g}": _from(count) for factor, count in from_count.items()},
        "a map of all names, of one process": "takes more than the smallest slot" if alone > smallest else "takes less",
    }
    sentences = (
        "A CRAM folio in the swap cache knows its slot and how many PTEs map it, so "
        f"{unmapped:.0%} of the folios of the grid needed no search at all, softleafs never do, and an rmap walk of "
        f"the others found a mapper in {always:.0%} of the VMAs that it visited: from 1 VMA for each mapper where "
        f"nobody has a copy of its own to {worst['vmas'] / worst['present_entries']:,.1f} at {most} processes of which "
        f"{worst['copied']:.0%} have one.",
        "A map from slots to all PTEs that name them visits nothing in vain but the softleafs, and takes "
        f"{alone:,.0f} bytes a slot for one process and {many:,.0f} for {most}, beside {smallest:,.1f} to "
        f"{largest:,.1f} of the slot itself, and {_updates(walks, most):,.0f} updates for each page written back at "
        f"{most} processes; a scan looks at {min(scans):,.0f} PTEs or more for each page where "
        f"{min(values_of(slots, 'slots')):,.0f} are swapped out, even if it serves {BATCH} pages at once.",
        f"With the cost table as it is, rmap takes {WORTH:.0%} of a write-back to the swapfile "
        f"{_from(from_count[1.0])}; with its costs x {FACTORS[0]:g} {_from(from_count[FACTORS[0]])}, with x "
        f"{FACTORS[-1]:g} {_from(from_count[FACTORS[-1]])}: where it is not felt, a map for this purpose is not worth "
        "its memory.",
    )
    limits = (
        "Times are VMAs and PTEs visited times an assumed cost (`rmap_vma`, `rmap_pte`); locks of the anon_vma tree, "
        "which many processes contend for, and the processor's caches are not in them.",
        f"The bytes of the map assume {HEAD_BYTES} for each slot and {ENTRY_BYTES} for each PTE; no kernel has one.",
        "All processes are children of one parent with one VMA each: deeper families, and VMAs that were split, visit "
        "more.",
        "A scan is counted as one PTE for each slot: the least that it can be. It grows with the memory of all "
        "processes, and the others do not.",
    )
    return Verdict(findings, sentences, limits, 2, [_by_processes(walks), _by_slots(slots)])


def _by_processes(walks: Rows) -> Summary:
    rows = []
    for processes in values_of(walks, "processes"):
        found = [row for row in where(walks, processes=processes) if row["present_entries"]]
        vmas = [row["vmas"] / (row["folios"] - row["unmapped_folios"]) for row in found]
        per_mapper = [row["vmas"] / row["present_entries"] for row in found]
        rows.append((
            f"{processes}", f"{max(vmas):,.1f}", f"{max(per_mapper):,.1f}",
            f"{max(row['names_entries'] / row['folios'] for row in found):,.1f}",
            f"{max(row['present_entries'] / row['folios'] for row in found):,.1f}",
            f"{_map_bytes(walks, processes):,.0f}",
        ))  # fmt: skip
    heads = (
        "processes", "VMAs a walk", "VMAs a mapper", "entries, map of names", "entries, map of mappers",
        "map of names, bytes a slot",
    )  # fmt: skip
    return Summary("Visited for a page that is written back, at most over the grid", heads, rows)


def _by_slots(slots: Rows) -> Summary:
    names = values_of(slots, "layout")
    rows = [
        (f"{size:,.0f}", *(f"{one(slots, 'bytes_a_slot', slots=size, layout=name):,.2f}" for name in names),
         f"{where(slots, slots=size)[0]['scanned_slots']:,}")
        for size in values_of(slots, "slots")
    ]  # fmt: skip
    return Summary("Bytes a slot, and slots that a scan looks at", ("slots", *names, "scanned"), rows)


def _felt_from(walks: Rows, factor: float, costs: Costs) -> int | None:
    """The fewest processes at which the walk of some point takes the WORTH of the write-back; None: at none."""
    for processes in values_of(walks, "processes"):
        if max(_walk_ns(row, costs) for row in where(walks, processes=processes)) * factor >= WORTH * (
            costs.tlb_shootdown + costs.swapfile_write
        ):
            return int(processes)
    return None


def _walk_ns(row: Mapping[str, Any], costs: Costs) -> float:
    """Of a page that is mapped."""
    mapped: int = max(1, row["folios"] - row["unmapped_folios"])
    ns: int = row["vmas"] * costs.rmap_vma + row["walked_ptes"] * costs.rmap_pte
    return ns / mapped


def _from(processes: int | None) -> str:
    return "nowhere in the grid" if processes is None else f"from {processes} processes on"


def _map_bytes(walks: Rows, processes: int) -> float:
    """Of a slot in a map of every PTE that names it, where nobody has a copy of its own."""
    found = where(walks, processes=processes, copied=0.0)
    return float(HEAD_BYTES + ENTRY_BYTES * total(found, "names_entries") / total(found, "folios"))


def _updates(walks: Rows, processes: int) -> float:
    found = where(walks, processes=processes)
    return float(total(found, "names_updates") / total(found, "folios"))


def plots(table: Rows) -> list[Part]:
    """See Experiment."""
    walks = [row for row in where(table, part="walk") if row["present_entries"]]
    processes = values_of(walks, "processes")

    def worst(figure: str, divisor: float = 1.0) -> list[float | None]:
        return [
            max(row[figure] / row["folios"] / divisor for row in where(walks, processes=count)) for count in processes
        ]

    return [
        Lines(
            "Visited for a page that is written back",
            "at most over the shares of softleafs and of copies, by the number of processes. Both axes are "
            "logarithmic.",
            x=processes,
            x_unit="count",
            x_log=True,
            y_log=True,
            y_unit="number",
            series=[
                Series("rmap: VMAs", worst("vmas")),
                Series("map: PTEs that name the slot", worst("names_entries")),
                Series("map: PTEs that map the page", worst("present_entries")),
                Series(f"scan: PTEs, for {BATCH} pages at once", worst("ptes", BATCH / PAGES)),
            ],
        )
    ]


RMAP = Experiment(
    name="rmap",
    question="Is a reverse map worth its memory for writing back multi-state CRAM folios?",
    method="Pages of real programs lie on the device and are shared by fork; some mappers have read them (mapped "
    "read-only), some have not (softleaf), some have a copy of their own. Every page is written back to the swapfile, "
    "and what the walk visits is counted. On the model of the device: its cycles do not matter here.",
    grid=grid,
    measure=measure,
    conclude=conclude,
    plots=plots,
)
