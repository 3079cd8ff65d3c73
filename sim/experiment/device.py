# SPDX-License-Identifier: MIT
"""`device`: what of a device's parameters and media buys fault latency, and what only costs area."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from hw.fpga import engine_area
from hw.parameters import MEDIA_LATENCY, DeviceParameters
from hw.sources import ROOT
from sim.experiment.experiment import Experiment, Figures, Rows, Summary, Values, Verdict, one, values_of, where
from sim.page import Lines, Part, Series
from sim.scenario.scenario import DEFAULT, find
from sim.scenario.settings import load, setting
from sim.sweep.device import measure_task
from sim.sweep.row import Task
from vswap import Costs

USUAL = DeviceParameters()
DIALS: Mapping[str, int] = {
    "cache_pages": USUAL.cache_pages, "sector_bytes": USUAL.sector_bytes, "bytes_per_cycle": USUAL.bytes_per_cycle,
    "media_latency": MEDIA_LATENCY,
}  # fmt: skip
FULL: Mapping[str, Sequence[int]] = {
    "cache_pages": (2, 4, 8, 16), "media_latency": (20, 40, 100, 400), "sector_bytes": (128, 256, 512, 1024),
}  # fmt: skip
REDUCED: Mapping[str, Sequence[int]] = {
    "cache_pages": (2, 4, 8, 16), "media_latency": (20, 40, 400), "sector_bytes": (128, 256, 1024),
}  # fmt: skip
LOADS = (0, 50)
BUYS = 0.05
"""A dial buys latency when its best value takes so much less than its worst one."""


def grid(full: bool) -> list[Values]:
    """See Experiment. One dial at a time is varied; the others are as usual."""
    found: list[Values] = []
    for dial, values in (FULL if full else REDUCED).items():
        for value, point_load in product(values, LOADS):
            point = {**DIALS, dial: value, "load": point_load}
            if point not in found:
                found.append(point)
    return found


def measure(values: Values) -> Figures:
    """See Experiment."""
    settings = [setting(f"cram.{name}", str(values[name])) for name in DIALS]
    scenario = load(find(DEFAULT), settings)
    row = measure_task(Task("device", "verilated", scenario, values["load"]))
    if row["status"] != "passed":
        raise RuntimeError(row["reason"])
    names = ("writeback_bytes_per_cycle", "miss_p50_cycles", "miss_p99_cycles", "hot_set_pages")
    return {name: row[name] for name in names}


def conclude(table: Rows) -> Verdict:
    """See Experiment."""
    quiet = {dial: _gain(table, dial, "miss_p50_cycles", 0) for dial in FULL}
    loaded = {dial: _gain(table, dial, "miss_p99_cycles", max(LOADS)) for dial in FULL}
    widths = _widths()
    usual = widths[USUAL.bytes_per_cycle]
    areas = {width: engine_area(_areas(), width) for width in widths}
    luts = {width: area.luts or 0 for width, area in areas.items()}
    clocks = {width: area.estimate_mhz or 0 for width, area in areas.items()}
    findings = {
        **{f"{dial}, p50 of a miss without load": _words(gain) for dial, gain in quiet.items()},
        **{f"{dial}, p99 of a miss at a load of {max(LOADS)} %": _words(gain) for dial, gain in loaded.items()},
    }
    caches, latencies = values_of(table, "cache_pages"), values_of(table, "media_latency")
    hot, hot_loaded = (
        [_at(table, "cache_pages", pages, "hot_set_pages", percent) for pages in caches] for percent in LOADS
    )
    fast, slow = (
        _at(table, "media_latency", latency, "miss_p50_cycles", 0) for latency in (min(latencies), max(latencies))
    )
    sentences = (
        f"A miss takes {fast:,.0f} cycles in the median at a media latency of {min(latencies)} cycles and {slow:,.0f} "
        f"at {max(latencies)}, the number of cached pages changes it by {quiet['cache_pages']:.0%} and the size of a "
        f"sector by {quiet['sector_bytes']:.0%}; in the bench of the engines it takes "
        f"{usual['read_miss_median_cycles']:,.0f} cycles.",
        f"The engines take {luts[USUAL.bytes_per_cycle]:,} LUTs, and the estimated clock of the slower one is "
        f"{clocks[USUAL.bytes_per_cycle]:.0f} MHz.",
        f"With {_list(caches)} cached pages the hot set is {_list(hot)} pages without load, and {_list(hot_loaded)} "
        f"while pages are written in {max(LOADS)} % of the time, which takes the p99 of a miss from "
        f"{_usual(table, 'miss_p99_cycles', 0):,.0f} to {_usual(table, 'miss_p99_cycles', max(LOADS)):,.0f} cycles: "
        f"a cache makes misses rare, and shortens one by at most {quiet['cache_pages']:.0%}.",
    )
    limits = (
        "One dial is varied at a time around the usual device; two together may do more than their sum. The "
        "size of a sector changes the capacity, too.",
        f"Cycles are of the RTL with its bench's media, without a link: a CXL link's latency, {Costs().cxl_link} "
        "ns in the cost table, comes on top of every miss and makes each share above smaller.",
        "The bench of the engines is `make hwbench`, over other pages of the same programs; areas are those of "
        "an ECP5. A larger cache costs 4,096 bytes of block RAM a page, whose timing was not measured.",
        "Several engines, and a promoted region, are not in the device.",
    )
    return Verdict(findings, sentences, limits, 1, [_summary(table), _by_width(widths, luts, clocks)])


def _read(name: str) -> Sequence[Mapping[str, Any]]:
    """A record of docs/figures."""
    rows: Sequence[Mapping[str, Any]] = json.loads((ROOT / "docs" / "figures" / f"{name}.json").read_text())
    return rows


def _areas() -> Sequence[Mapping[str, Any]]:
    """What `make fpga` recorded."""
    return _read("fpga")


def _widths() -> Mapping[int, Mapping[str, Any]]:
    """What `make hwbench` recorded over all pages, by width."""
    return {row["width"]: row for row in _read("hwbench") if row["kind"] == "all"}


def _by_width(widths: Mapping[int, Mapping[str, Any]], luts: Mapping[int, int], clocks: Mapping[int, float]) -> Summary:
    rows = [
        (
            f"{width}", f"{row['read_miss_median_cycles']:,.0f}", f"{row['read_miss_p99_cycles']:,.0f}",
            f"{row['compress_bytes_per_cycle']:.2f}", f"{luts[width]:,}", f"{clocks[width]:.0f}",
        )
        for width, row in sorted(widths.items())
    ]  # fmt: skip
    heads = ("width", "miss p50, cycles", "p99", "compressor, bytes a cycle", "LUTs", "MHz, estimated")
    return Summary("Width of the engines", heads, rows)


def _usual(table: Rows, figure: str, load_percent: int) -> float:
    return float(one(table, figure, **DIALS, load=load_percent))


def _at(table: Rows, dial: str, value: int, figure: str, load_percent: int) -> float:
    return float(one(table, figure, **{**DIALS, dial: value, "load": load_percent}))


def _gain(table: Rows, dial: str, figure: str, load_percent: int) -> float:
    """By what share the worst value's figure is larger than the best one's."""
    found = [_at(table, dial, value, figure, load_percent) for value in values_of(table, dial)]
    return 1 - min(found) / max(found)


def _words(gain: float) -> str:
    return "buys latency" if gain >= BUYS else "buys none"


def _list(values: Sequence[float]) -> str:
    words = [f"{value:,.0f}" for value in values]
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _summary(table: Rows) -> Summary:
    rows = []
    for dial, load_percent in product(FULL, LOADS):
        for value in values_of(table, dial):
            row = where(table, **{**DIALS, dial: value, "load": load_percent})[0]
            rows.append((
                dial, f"{value:,}", f"{load_percent} %", f"{row['miss_p50_cycles']:,.0f}",
                f"{row['miss_p99_cycles']:,.0f}",
                f"{row['writeback_bytes_per_cycle']:.2f}", f"{row['hot_set_pages']:,.0f}",
            ))  # fmt: skip
    heads = ("dial", "value", "load", "miss p50, cycles", "p99", "write-back, bytes a cycle", "hot set, pages")
    return Summary("A dial at a time, the others as usual", heads, rows)


def plots(table: Rows) -> list[Part]:
    """See Experiment."""
    latencies = values_of(table, "media_latency")
    return [
        Lines(
            "A miss by the latency of the media",
            "cycles, p50 and p99, without load and with it. Both axes are logarithmic.",
            x=latencies,
            x_unit="count",
            x_log=True,
            y_log=True,
            y_unit="count",
            series=[
                Series(
                    f"{name} at {load_percent} %",
                    [_at(table, "media_latency", value, f"miss_{name}_cycles", load_percent) for value in latencies],
                )
                for name, load_percent in product(("p50", "p99"), LOADS)
            ],
        )
    ]


DEVICE = Experiment(
    name="device",
    question="What of a device buys fault latency, and what only costs area?",
    method="The device alone, on the RTL, holds pages of real programs and is read line by line, with and without "
    'writes beside the reads (docs/sweep.md, "The device alone"). Areas are those of `make fpga` (docs/figures).',
    grid=grid,
    measure=measure,
    conclude=conclude,
    plots=plots,
)
