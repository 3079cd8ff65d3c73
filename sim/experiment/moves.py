# SPDX-License-Identifier: MIT
"""`moves`: what it takes to move a page from one tier to another, with a virtual layer and without one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from itertools import product
from typing import Any

from sim.experiment.experiment import Experiment, Figures, Rows, Summary, Values, Verdict, values_of, where
from sim.experiment.room import Room, on_machine, program_pages, take
from sim.page import Bar, Part
from vswap import AddressSpace, Costs
from vswap.mm.pagetable import Pte
from vswap.slots.layer import Search

PAGES = 48
PAIRS: Mapping[str, tuple[str, ...]] = {
    "cram to zswap": ("cram", "zswap", "swapfile"),
    "cram to swapfile": ("cram", "swapfile"),
    "cram to zram": ("cram", "zram"),
    "zswap to swapfile": ("zswap", "swapfile"),
    "zswap to cram": ("zswap", "cram"),
}
"""Of each pair the order of the tiers."""
WAYS: Mapping[str, Mapping[str, Any]] = {
    "virtual": {"layer": "virtual"},
    "xswap": {"layer": "xswap"},
    "direct": {"layer": "direct"},
    "node": {"cram_mode": "node", "layer": "virtual"},
    "node, direct": {"cram_mode": "node", "layer": "direct"},
}
"""What a slot is and, of the last two, that CRAM is no swap but a memory node: fields of VswapConfig."""
NODES = ("node", "node, direct")
_NOT: Mapping[str, tuple[str, ...]] = {
    "direct": ("zswap to cram",),
    **dict.fromkeys(NODES, ("zswap to cram", "zswap to swapfile")),
}
"""Pairs that a way does not have: with direct slots zswap writes back to the device of the slot only, and nothing is
swapped out to a node; from zswap to the swapfile it is not in the way."""
BLOCKS = ("cram to zswap", "zswap to cram")
"""Both tiers can keep the same LZ4 block."""
TO_POOL = ("cram to zswap", "cram to zram")
WORD_BYTES = 8
"""What a processor reads at once of a register that no cache has."""


def grid(full: bool) -> list[Values]:
    """See Experiment."""
    ways = [(way, pair) for way, pair in product(WAYS, PAIRS) if pair not in _NOT.get(way, ())]
    return [
        {"pair": pair, "way": way, "form": form, "processes": processes, "free_software": free}
        for (way, pair), processes in product(ways, (1, 2, 4, 8, 16) if full else (1, 16))
        for form in _forms(way, pair)
        for free in (False, True)
    ]


def _forms(way: str, pair: str) -> tuple[str, ...]:
    """How the data of a page may move."""
    if pair not in BLOCKS:
        return ("page",)
    return ("recompressed",) if way in NODES else ("block", "recompressed")


def measure(values: Values) -> Figures:
    """See Experiment."""

    async def body(room: Room) -> Figures:
        return await _move(room, values)

    compressor: Any = "zstd" if values["form"] == "recompressed" else "lz4"
    costs = Costs(**{cost.name: 0 for cost in fields(Costs)}) if values["free_software"] else Costs()
    return on_machine(
        body, sim="verilated", memory_pages=1024, order=PAIRS[values["pair"]], **WAYS[values["way"]],
        zswap_compressor=compressor, zram_compressor=compressor, zswap_max_pool_percent=100, costs=costs,
    )  # fmt: skip


async def _move(room: Room, values: Values) -> Figures:
    """Pages of one tier, shared by fork; of the processes every second one has read its pages, if they are on the
    device. All pages go to the other tier."""
    system = room.system
    source, _, target = values["pair"].partition(" to ")
    space = await room.filled("parent", take(program_pages(), PAGES), source)
    spaces = [space, *[await system.fork(space, f"child {n}") for n in range(1, values["processes"])]]
    for reader in spaces[::2] if source == "cram" else ():
        for vpn in range(PAGES):
            await reader.read(vpn)
    await room.device.flush()
    if source == "cram":
        await system.writeback.write_back_cram(0)
    for reader in spaces:
        for pte in reader.table.values():
            pte.accessed = False  # the pages are cold
    before = [dict(each.table.items()) for each in spaces]
    counters, started, cycles, link = system.counters, room.clock.now, room.link.cycles, room.link.moved
    seen = counters.rmap_ptes, counters.pgmajfault, counters.blocks_passed
    disk = counters.pswpin + counters.pswpout if "swapfile" in system.machine.config.order else 0
    looked = await (_through_memory if _needs_memory(values) else _behind)(room, spaces, source)
    took, ran = room.clock.now - started, room.link.cycles - cycles
    if "swapfile" in system.machine.config.order:
        disk = counters.pswpin + counters.pswpout - disk
    if system.tier(source).usage().pages or system.tier(target).usage().pages != PAGES:
        where_now = {name: tier.usage().pages for name, tier in system.machine.tiers.named.items()}
        raise RuntimeError(f"{PAGES} pages were to go from {source} to {target}, but are in {where_now}")
    changed = sum(_changed(table, each) for table, each in zip(before, spaces, strict=True))
    return {
        "ns": took / PAGES, "cycles": ran / PAGES, "link_bytes": (room.link.moved - link) / PAGES,
        "disk_bytes": 4096 * disk / PAGES, "ptes_changed": changed / PAGES,
        "ptes_looked_at": (looked + counters.rmap_ptes - seen[0]) / PAGES,
        "blocks_passed": (counters.blocks_passed - seen[2]) / PAGES,
    }  # fmt: skip


def _needs_memory(values: Values) -> bool:
    """The page cannot move behind the PTEs: a slot is a place on the device that has it."""
    return bool(values["way"] == "direct" and values["pair"] != "zswap to swapfile")


async def _behind(room: Room, spaces: list[AddressSpace], source: str) -> int:
    """The tier below takes the pages while the PTEs stay as they are; PTEs that a scan looked at."""
    writeback, system = room.system.writeback, room.system
    while system.tier(source).usage().pages:
        before = system.tier(source).usage().pages
        if source == "cram":
            await writeback.write_back_cram(PAGES)
        else:
            await writeback.zswap.write_back()
        if system.tier(source).usage().pages == before:
            raise RuntimeError("no page moves")
    await system.machine.inflight.drain()  # nobody waits for the swapfile
    return 0


async def _through_memory(room: Room, spaces: list[AddressSpace], source: str) -> int:
    """Into memory by a walk of the page tables, and out again; PTEs that the walks looked at."""
    figures = await room.system.swapoff(source, Search.PAGE_TABLES)
    for space in spaces:
        await room.reclaim(space)
    return figures.visited


def _changed(before: Mapping[int, Pte], space: AddressSpace) -> int:
    return sum(space.table.get(vpn) is not pte for vpn, pte in before.items())


def conclude(table: Rows) -> Verdict:
    """See Experiment."""
    real, device = where(table, free_software=False), where(table, free_software=True)
    most = max(values_of(table, "processes"))
    virtual, direct, xswap = (where(real, way=way) for way in ("virtual", "direct", "xswap"))
    nodes = [row for row in real if row["way"] in NODES]
    pool, disk = _times(virtual, direct, *TO_POOL), _times(virtual, direct, "cram to swapfile")
    node_pool, node_disk = _times(virtual, nodes, *TO_POOL), _times(virtual, nodes, "cram to swapfile")
    redirected = _times(virtual, xswap, *PAIRS)
    changed = [row["ptes_changed"] for row in direct if row["processes"] == most and _through(row)]
    kept = [row["ptes_changed"] for row in virtual if row["processes"] == most and row["pair"].startswith("cram")]
    on_node = [row["ptes_changed"] for row in nodes if row["processes"] == most]
    untouched = all(
        row["ptes_changed"] == 0 for row in (*virtual, *xswap) if row["pair"].startswith("zswap")
    )  # fmt: skip
    blocks = [(row, _other(real, row, form="recompressed")) for row in virtual if row["form"] == "block"]
    on_device = [
        (row, _other(device, row, form="recompressed"))
        for row in where(device, way="virtual")
        if row["form"] == "block"
    ]
    fewer_bytes = all(row["link_bytes"] < other["link_bytes"] for row, other in blocks)
    quicker = all(row["ns"] < other["ns"] for row, other in blocks)
    findings = {
        "without a virtual layer, from CRAM to zswap or zram": _slower_words(pool),
        "without a virtual layer, from CRAM to the swapfile": _slower_words(disk),
        "a virtual swapfile (xswap)": _slower_words(redirected),
        "from a memory node to zswap or zram": _slower_words(node_pool),
        "from a memory node to the swapfile": _slower_words(node_disk),
        "a memory node, the kind of slots": "changes nothing" if _alike(real) else "changes something",
        "PTEs that a move from zswap changes, virtual slots or xswap": "none" if untouched else "some",
        "a block passed on as it is, software and device": "takes less time"
        if quicker
        else "does not always take less",
        "a block passed on, the device alone": _device_words(on_device),
        "a block passed on": "moves fewer bytes on the link" if fewer_bytes else "does not always move fewer bytes",
    }
    block_ns = [other["ns"] / row["ns"] for row, other in blocks]
    block_bytes = [other["link_bytes"] / row["link_bytes"] for row, other in blocks]
    block_cycles = [row["cycles"] / other["cycles"] for row, other in on_device]
    sentences = (
        f"Without a virtual layer a page comes into memory by a walk of the page tables and leaves again: from CRAM to "
        f"zswap or zram that takes {_range(pool)} times as long, to the swapfile {_range(disk)} times, and it changes "
        f"{_range(changed)} PTEs a page at {most} processes instead of {_range(kept)}, the mappers that are present; "
        f"from zswap a move behind virtual slots changes {'none' if untouched else 'some'}.",
        f"A virtual swapfile (xswap) takes {_range(redirected)} times as long as virtual slots; a memory node, which "
        f"every process maps, {_range(node_pool)} times to zswap or zram and {_range(node_disk)} to the swapfile, with "
        f"{_range(on_node)} PTEs changed, and with direct slots {'the same' if _alike(real) else 'something else'}.",
        f"Passed on as the LZ4 block that it is, a page is moved {_range(block_ns)} times as fast as recompressed with "
        f"zstd, with {_range(block_bytes)} times fewer bytes on the link, and {_spared(blocks)} ns of software, link "
        f"and device less, though the device alone is busy {_range(block_cycles)} times as many cycles, since a block "
        "goes word by word through the mailbox's registers.",
    )
    limits = (
        "Behind virtual slots the pages leave in one batch, with one flush of the TLBs, and their writes to the "
        "swapfile are under way at once; through memory, and from a memory node, each goes by itself, which is a part "
        "of the difference.",
        "Recompressed means zstd behind an LZ4 device, at the cost table's times; with LZ4 on both sides the stack "
        "passes blocks always. A memory node's swap path knows nothing of blocks.",
        "Without a virtual layer means direct slots (docs/vswap/direct.md), where moves go through memory. The virtual "
        "swapfile has room for every page; when it is full its slots are direct ones.",
        _words_limit(blocks),
        f"The walk of the page tables serves {PAGES} pages at once here, and processes have no other pages: the PTEs "
        "looked at are the least that they can be.",
    )
    return Verdict(findings, sentences, limits, 0, [_by_pair(real, device, 1), _by_pair(real, device, most)])


def _times(virtual: Rows, rows: Rows, *pairs: str) -> list[float]:
    """How many times as long moves take as behind virtual slots."""
    return [row["ns"] / _other(virtual, row)["ns"] for row in rows if row["pair"] in pairs]


def _alike(real: Rows) -> bool:
    """A memory node moves its pages with either kind of slots at the same price."""
    node, direct = (where(real, way=way) for way in NODES)
    return all(row == {**_other(direct, row), "way": row["way"]} for row in node)


def _slower_words(ratios: list[float]) -> str:
    if max(ratios) == min(ratios) == 1:
        return "takes as long"
    return "takes longer" if min(ratios) > 1 else "takes less time" if max(ratios) < 1 else "depends on the processes"


def _device_words(pairs: list[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> str:
    more = [row["cycles"] > other["cycles"] for row, other in pairs]
    return "takes more cycles" if all(more) else "takes fewer cycles" if not any(more) else "depends on the pair"


def _words_limit(pairs: list[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> str:
    """What becomes of a block if each word of it pays the way over the link."""
    link = Costs().cxl_link
    read = [(row, other) for row, other in pairs if row["pair"] == "cram to zswap"]
    each = [row["link_bytes"] / WORD_BYTES * link for row, _ in read]
    spared = max(other["ns"] - row["ns"] for row, other in read)
    than = "more than the recompression that it spares" if min(each) > spared else "less than what it spares"
    return (
        f"A transfer takes {link} ns over the link, and the mailbox's payload is one transfer here. A processor that "
        f"reads it in uncached words of {WORD_BYTES} bytes waits for each: {_range(each, 0)} ns for a block, {than}."
    )


def _spared(pairs: list[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> str:
    return _range([other["ns"] - row["ns"] for row, other in pairs], 0)


def _through(row: Mapping[str, Any]) -> bool:
    return bool(row["pair"] != "zswap to swapfile")


def _other(rows: Rows, row: Mapping[str, Any], **changes: Any) -> Mapping[str, Any]:
    """The row of the same point, but for what is changed; the way that the rows have."""
    point = {key: row[key] for key in ("pair", "form", "processes")} | changes
    if "form" in changes:
        point["way"] = row["way"]
    return where(rows, **point)[0]


def _range(values: list[float], digits: int = 1) -> str:
    low, high = (f"{value:,.{digits}f}".removesuffix(".0") for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def _by_pair(real: Rows, device: Rows, processes: int) -> Summary:
    rows = [
        (
            row["pair"], row["way"], row["form"], f"{row['ns']:,.0f}", f"{_same(device, row)['cycles']:,.0f}",
            f"{row['link_bytes']:,.0f}", f"{row['disk_bytes']:,.0f}", f"{row['ptes_changed']:,.1f}",
            f"{row['ptes_looked_at']:,.1f}",
        )
        for row in where(real, processes=processes)
    ]  # fmt: skip
    heads = (
        "pair", "way", "form", "ns", "device cycles", "link bytes", "swapfile bytes", "PTEs changed", "PTEs looked "
        "at",
    )  # fmt: skip
    return Summary(f"A page that is moved, {processes} process{'es' if processes > 1 else ''}", heads, rows)


def _same(rows: Rows, row: Mapping[str, Any]) -> Mapping[str, Any]:
    return where(rows, **{key: row[key] for key in ("pair", "way", "form", "processes")})[0]


def plots(table: Rows) -> list[Part]:
    """See Experiment."""
    real = where(table, free_software=False, processes=1)
    parts = [(f"{row['pair']}, {row['way']}, {row['form']}", round(row["ns"])) for row in real]
    return [Bar("Time of a move", "of a page of one process, ns: every pair beside the others.", parts)]


MOVES = Experiment(
    name="moves",
    question="What does it cost to move a page between tiers with a virtual layer, and without one? With the "
    "compressed bytes passed through as they are?",
    method="Pages of real programs lie on one tier, are shared by fork and are moved to another, all of them, with "
    "each kind of slots, and from CRAM as a memory node. It runs on the RTL, once with the cost table, which has the "
    f"link's {Costs().cxl_link} ns, and once with software and a link that take no time: those cycles are the device's "
    "alone.",
    grid=grid,
    measure=measure,
    conclude=conclude,
    plots=plots,
)
