# SPDX-License-Identifier: MIT
"""The tables of the swap stack's figures: effects of rules, both modes, programs in a guest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sim.bench.markdown import Records, markdown, number


def effects_faults(kept: Records) -> str:
    """How many faults of each kind the main job has, in each state of the swap model."""
    kinds = sorted({kind for row in kept["effects"] for kind in row["faults"]})
    rows = [
        [
            row["rule"], number(sum(fault["count"] for fault in row["faults"].values())),
            number(row["kernel"]["pgmajfault"]),
            *(number(row["faults"][kind]["count"] if kind in row["faults"] else None) for kind in kinds),
        ]
        for row in kept["effects"]
    ]  # fmt: skip
    return markdown(["rule", "faults", "major", *(kind.replace("_", " ") for kind in kinds)], rows)


def effects_times(kept: Records) -> str:
    """What they take: p50 and p99, simulated ns."""
    kinds = sorted({kind for row in kept["effects"] for kind in row["faults"]})

    def cell(faults: Mapping[str, Mapping[str, int]], kind: str) -> str:
        fault = faults.get(kind)
        return f"{fault['p50_ns']:,} / {fault['p99_ns']:,}" if fault and fault["count"] else "-"

    rows = [[row["rule"], *(cell(row["faults"], kind) for kind in kinds)] for row in kept["effects"]]
    return markdown(["rule", *(kind.replace("_", " ") for kind in kinds)], rows)


def effects_tiers(kept: Records) -> str:
    """Where its pages go, and how long it takes."""
    moves = sorted({move for row in kept["effects"] for move, count in row["writebacks"].items() if count})
    heads = ["rule", "CRAM stores", "loads", "zswap stores", "swapfile stores", "reads"]
    keys = ["stores", "loads", "zswpout", "pswpout", "pswpin"]
    rows = [
        [
            row["rule"], *(number(row["kernel"].get(key)) for key in keys),
            *(number(row["writebacks"].get(move)) for move in moves), f"{row['simulated_ns'] / 1e6:,.0f}",
            f"`{row['commit']}`", row["what"],
        ]
        for row in kept["effects"]
    ]  # fmt: skip
    return markdown([*heads, *(move.replace("_", " ") for move in moves), "simulated ms", "commit", "what"], rows)


MODE_FIGURES: Mapping[str, Callable[[Mapping[str, Any]], float]] = {
    "pages compared": lambda row: row["compared"],
    "mismatches": lambda row: row["mismatches"],
    "simulated ms": lambda row: row["simulated_ns"] / 1e6,
    "page faults": lambda row: row["kernel"]["pgfault"],
    "soft faults": lambda row: row["kernel"]["soft_faults"],
    "promotions by a write": lambda row: row["kernel"]["promotions"],
    "reads of the device without a fault": lambda row: row["device_reads"],
    "pages demoted": lambda row: row["kernel"]["pgdemote_kswapd"] + row["kernel"]["pgdemote_direct"],
    "page stores on the device": lambda row: row["stores"],
    "refused by the node": lambda row: row["kernel"]["cram_rejects"],
    "zswap stores": lambda row: row["kernel"]["zswpout"],
    "zswap loads": lambda row: row["kernel"]["zswpin"],
    "swapfile writes": lambda row: row["kernel"]["pswpout"],
    "swapfile reads": lambda row: row["kernel"]["pswpin"],
    "PTEs looked at by rmap": lambda row: row["kernel"]["rmap_ptes"],
    "bytes for slots at the end": lambda row: row["slot_bytes"],
}
"""What the table of both modes says of a run (sim/bench/modes.py)."""


def modes(kept: Records) -> str:
    """The main job with the device as swap and as a node, on the model."""
    return _modes([row for row in kept["modes"] if row["sim"] == "model"])


def modes_rtl(kept: Records) -> str:
    """The same on the verilated RTL."""
    return _modes([row for row in kept["modes"] if row["sim"] == "verilated"])


def _modes(ways: Sequence[Mapping[str, Any]]) -> str:
    """A line a figure, a column a way to run it."""
    heads = ["", *(f"{row['mode']}, {row['layer']} slots" for row in ways)]
    return markdown(heads, [[name, *(number(figure(row)) for row in ways)] for name, figure in MODE_FIGURES.items()])


GUEST_FIGURES: Mapping[str, Callable[[Mapping[str, Any]], float | None]] = {
    "bad": lambda row: row["bad"],
    "pages demoted": lambda row: row["demoted"],
    "promoted": lambda row: row["promoted"],
    "most at once on the node": lambda row: row["guest"].get("reclaim.most_there"),
    "times reclaimed": lambda row: row["guest"].get("reclaim.rounds"),
    "to zswap": lambda row: row["guest"]["vmstat.zswpout"],
    "from zswap to the disk": lambda row: row["guest"]["vmstat.zswpwb"],
    "to the disk, those included": lambda row: row["guest"]["vmstat.pswpout"],
    "back from zswap": lambda row: row["guest"]["vmstat.zswpin"],
    "back from the disk": lambda row: row["guest"]["vmstat.pswpin"],
    "lines written to the device": lambda row: row["device"]["lines_written"],
    "lines read from it": lambda row: row["device"]["lines_read"],
    "its cycles": lambda row: row["cycles"],
}
"""What the table of programs in a guest says of a run (sim/bench/guest.py)."""


def programs(kept: Records) -> str:
    """Programs in a guest whose group is reclaimed to the node: a column each."""
    ways = [way for way in kept["guest"] if way["run"] != "media"]
    rows = [[name, *(number(figure(way["figures"])) for way in ways)] for name, figure in GUEST_FIGURES.items()]
    ratios = ["ratio", *(f"{way['figures']['ratio']:.2f}" for way in ways)]
    return markdown(["", *(f"`{way['command']}`, {way['run']}" for way in ways)], [*rows, ratios])


MEDIA_DRILL = {
    "pages": "pages demoted",
    "checked": "pages read",
    "bad": "of them wrong",
    "unwritable": "sectors that could not be written",
    "flipped": "pages with a flipped bit",
    "corrected": "flips that reads found and corrected",
    "damaged": "pages with two in a beat",
    "unreadable": "pages with a sector that could not be read",
    "late": "pages that were answered too late",
    "lost": "pages whose reading was a SIGBUS",
    "wrong_signals": "with another address, or no action required",
    "unlisted": "lost, and not in the list of poison",
    "unlogged": "lost, and in no event",
    "wrong_records": "records of pages that were not lost",
    "retired": "sectors retired",
}
"""What the drill of a media that fails has counted (sim/cxl/guest/media.c), and what it is."""


def media_drill(kept: Records) -> str:
    """What became of pages while the media failed under them."""
    told = next(way["figures"]["guest"] for way in kept["guest"] if way["run"] == "media")
    return markdown(["", ""], [[what, number(told[f"media.{name}"])] for name, what in MEDIA_DRILL.items()])


def replayed(kept: Records) -> str:
    """A guest's run and its replay on the model, side by side."""
    rows = [
        [name, *(f"{value:,.2f}" if isinstance(value, float) else number(value) for value in pair)]
        for way in kept["guest"] for name, pair in way.get("replayed", {}).items()
    ]  # fmt: skip
    return markdown(["", "the guest", "the model"], rows)


TABLES: Mapping[str, Callable[[Records], str]] = {
    "effects-faults": effects_faults, "effects-times": effects_times, "effects-tiers": effects_tiers, "modes": modes,
    "modes-rtl": modes_rtl, "programs": programs, "replayed": replayed,
    "media-drill": media_drill,
}  # fmt: skip
