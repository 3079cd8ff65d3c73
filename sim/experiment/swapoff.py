# SPDX-License-Identifier: MIT
"""`swapoff`: how the pages of a tier are found that is switched off: page tables, virtual slots, the reverse map."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from random import Random
from typing import Any, get_args

from sim.experiment.experiment import Experiment, Figures, Rows, Summary, Values, Verdict, one, values_of, where
from sim.experiment.room import Room, on_machine, program_pages, take
from sim.page import Lines, Part, Series
from vswap import Costs
from vswap.slots.layer import LAYERS, Search
from vswap.slots.layouts import LayoutName

PTES = 4096
PLACES = ("direct", "xswap")
"""Slots that are places on devices, all of them or some: instead of a layout of virtual slots."""
LAYOUTS: tuple[LayoutName, ...] = get_args(LayoutName)
FACTORS = (0.1, 1.0, 10.0)


def grid(full: bool) -> list[Values]:
    """See Experiment."""
    densities = (0.01, 0.05, 0.25, 0.75) if full else (0.01, 0.25)
    here = (0.1, 0.5, 1.0) if full else (0.1, 1.0)
    processes = (1, 4)
    ways: list[tuple[str, str]] = [*product(LAYOUTS, [search.value for search in LAYERS["virtual"].searches])]
    ways += [(layer, search.value) for layer in PLACES for search in LAYERS[layer].searches]
    return [
        {"layout": layout, "search": search, "density": density, "here": share, "processes": count}
        for (layout, search), density, share, count in product(ways, densities, here, processes)
    ]


def measure(values: Values) -> Figures:
    """See Experiment."""

    async def body(room: Room) -> Figures:
        return await _swapoff(room, values)

    layout = values["layout"]
    layer = {"layer": layout} if layout in PLACES else {"slot_layout": layout}
    return on_machine(
        body, memory_pages=3 * PTES, swapfile_pages=PTES, zram_pages=PTES, order=("swapfile", "zram"), **layer
    )


async def _swapoff(room: Room, values: Values) -> Figures:
    """A process of PTES pages, some of them swapped out, and of these some to the tier that is switched off; its
    children share them."""
    system = room.system
    swapped = Random(1).sample(range(PTES), round(values["density"] * PTES))
    on_tier = round(values["here"] * len(swapped))
    space = system.create_space("parent")
    pages = take(program_pages(), 64)
    for vpn in range(PTES):
        await space.write(vpn, pages[vpn % 64])
    await room.put(space, {vpn: pages[vpn % 64] for vpn in swapped[:on_tier]}, "swapfile")
    await room.put(space, {vpn: pages[vpn % 64] for vpn in swapped[on_tier:]}, "zram")
    for number in range(1, values["processes"]):
        await system.fork(space, f"child {number}")
    gauges = system.gauges()
    figures = await system.swapoff("swapfile", Search(values["search"]))
    if system.tier("swapfile").usage().pages:
        raise RuntimeError("the tier is not empty")
    return {
        "ptes": sum(len(each.table) for each in system.spaces), "slots": len(swapped), "pages": on_tier,
        "visited": figures.visited, "moved": figures.moved, "rounds": figures.rounds, "ns": figures.ns,
        "slot_bytes": gauges["slot_bytes"], "reverse_map_bytes": gauges["reverse_map_bytes"],
    }  # fmt: skip


def conclude(table: Rows) -> Verdict:
    """See Experiment."""
    costs = Costs()
    by_search = {search.value: where(table, search=search.value) for search in Search}
    virtual = [row for row in table if row["layout"] in LAYOUTS]
    per_page = {search: [row["visited"] / row["pages"] for row in rows] for search, rows in by_search.items()}
    fewest = {_point(row): _fewest(virtual, row) for row in virtual}
    same = all(
        len({row["visited"] for row in where(virtual, search=row["search"], **_place(row))}) == 1 for row in virtual
    )
    shares = {
        (search, factor): max(_search_share(row, factor, costs) for row in rows)
        for search, rows in by_search.items()
        for factor in FACTORS
    }
    bytes_a_slot = {
        layout: (
            min(row["slot_bytes"] / row["slots"] for row in where(table, layout=layout)),
            max(row["slot_bytes"] / row["slots"] for row in where(table, layout=layout)),
        )
        for layout in values_of(table, "layout")
    }
    winners = sorted(set(fewest.values()))
    tables, slots, reverse = (search.value for search in (Search.PAGE_TABLES, Search.SLOTS, Search.REVERSE_MAP))
    places = [
        row["visited"] / one(virtual, "visited", layout="compact", search=tables, **_place(row))
        for row in table if row["layout"] in PLACES
    ]  # fmt: skip
    findings = {
        "the fewest visits": " or ".join(winners),
        "the layout of the slots": "does not change what is visited" if same else "changes what is visited",
        **{
            f"a {search} search takes half of the swapoff, costs x {factor:g}": "somewhere"
            if share > 0.5
            else "nowhere"
            for (search, factor), share in shares.items()
        },
    }
    sentences = (
        f"For each page moved the reverse map looks at {_range(per_page[reverse])} entries, a scan of the virtual "
        f"slots at {_range(per_page[slots])}, and a scan of the page tables at {_range(per_page[tables])}, over "
        f"{len(values_of(table, 'density'))} densities of swapped PTEs from {min(values_of(table, 'density')):.0%} to "
        f"{max(values_of(table, 'density')):.0%}; the fewest at every point: {' or '.join(winners)}.",
        f"What is visited {'is the same in' if same else 'differs between'} the published layouts; direct slots and a "
        f"virtual swapfile (xswap) leave only the page tables, with {_range(places)} times the visits of the same scan "
        f"of virtual slots, and the reverse map costs {_reverse_bytes(virtual)} bytes for each page on the tier.",
        f"With the costs of a visit as assumed, the search is at most {shares[tables, 1.0]:.0%} of the time of a "
        f"swapoff by page tables, {shares[slots, 1.0]:.0%} by slots and {shares[reverse, 1.0]:.1%} by the reverse map, "
        f"and with these costs x {FACTORS[-1]:g} {shares[tables, FACTORS[-1]]:.0%}, {shares[slots, FACTORS[-1]]:.0%} "
        f"and {shares[reverse, FACTORS[-1]]:.1%}: the rest is reading the pages, which no search spares.",
    )
    limits = (
        f"The process has {PTES:,} PTEs; visits grow with the PTEs of all processes, the slots of all tiers, or the "
        "pages of the tier: a smaller density widens the gaps.",
        "A visit's time is assumed (`fork_pte` for a PTE, `scan_entry` for a slot or an entry); cache misses and locks "
        "are not in it, nor are tasks that run beside the swapoff.",
        "Slots are scanned by whole clusters of 512; a real scan may skip clusters that have no page of the tier.",
        "The swapfile reads a page at a time here; a kernel reads ahead, which makes the share of the search larger.",
        "A memory node is not switched off by a search: unregister finds the mappers of its pages by rmap "
        "(docs/vswap/node-mode.md). For the swap tiers behind it all of this holds.",
    )
    return Verdict(findings, sentences, limits, 0, [_visits(table), _memory(bytes_a_slot)])


def _place(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: row[key] for key in ("density", "here", "processes")}


def _point(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(_place(row).values())


def _fewest(virtual: Rows, row: Mapping[str, Any]) -> str:
    """The search with the fewest visits at the point of a row."""
    found = where(virtual, layout=row["layout"], **_place(row))
    return str(min(found, key=lambda each: each["visited"])["search"])


def _search_share(row: Mapping[str, Any], factor: float, costs: Costs) -> float:
    """Of the time of a swapoff, if a visit took so many times as long."""
    each: int = costs.fork_pte if row["search"] == Search.PAGE_TABLES.value else costs.scan_entry
    search: float = row["visited"] * each
    ns: int = row["ns"]
    return factor * search / (ns - search + factor * search)


def _reverse_bytes(virtual: Rows) -> str:
    return _range([row["reverse_map_bytes"] / row["slots"] for row in virtual])


def _range(values: list[float]) -> str:
    low, high = (f"{value:,.1f}".removesuffix(".0") for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def _visits(table: Rows) -> Summary:
    rows = []
    for density, here in product(values_of(table, "density"), values_of(table, "here")):
        found = where(table, density=density, here=here, processes=1)
        cells = [
            f"{where(found, layout=layout, search=search.value)[0]['visited']:,}"
            for layout, search in (
                *(("compact", search) for search in (Search.REVERSE_MAP, Search.SLOTS, Search.PAGE_TABLES)),
                *((layer, Search.PAGE_TABLES) for layer in PLACES),
            )
        ]
        rows.append((f"{density:.0%}", f"{here:.0%}", f"{found[0]['pages']:,}", *cells))
    heads = (
        "PTEs swapped out", "of these on the tier", "pages", "reverse map", "virtual slots", "page tables",
        *(f"page tables, {layer}" for layer in PLACES),
    )  # fmt: skip
    return Summary(f"Entries visited until the tier is empty, one process of {PTES:,} PTEs", heads, rows)


def _memory(bytes_a_slot: Mapping[str, tuple[float, float]]) -> Summary:
    rows = [(name, f"{low:,.1f}", f"{high:,.1f}") for name, (low, high) in bytes_a_slot.items()]
    return Summary(
        "Bytes for each swapped page, clusters and places that are not used included", ("slots", "least", "most"), rows
    )


def plots(table: Rows) -> list[Part]:
    """See Experiment."""
    densities = values_of(table, "density")
    found = where(table, layout="compact", here=1.0, processes=1)
    return [
        Lines(
            "Visited for each page",
            "of a swapoff, by the share of the PTEs (percent) that are swapped out, all of them to the tier that is "
            "switched off. Both axes are logarithmic.",
            x=[100 * density for density in densities],
            x_unit="percent",
            x_log=True,
            y_log=True,
            y_unit="number",
            series=[
                Series(
                    search.value,
                    [
                        one(found, "visited", search=search.value, density=density)
                        / one(found, "pages", search=search.value, density=density)
                        for density in densities
                    ],
                )
                for search in Search
            ],
        )
    ]


SWAPOFF = Experiment(
    name="swapoff",
    question="Swapoff: page-table scan, virtual-slot scan, or reverse map?",
    method="A process has pages in DRAM, in a swapfile and in zram, and in part of the points children that share "
    "them; the swapfile is switched off by each search that the slots allow. On the model: the device takes no part.",
    grid=grid,
    measure=measure,
    conclude=conclude,
    plots=plots,
)
