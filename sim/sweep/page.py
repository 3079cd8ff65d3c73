# SPDX-License-Identifier: MIT
"""The pages of sweeps and comparisons: the same kind of page as a run's report, `sim/page`.

A figure of several runs is their median. Latencies are those of all their faults together, from whole histograms.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from statistics import median
from typing import Any

from sim.base.versions import versions
from sim.page import Facts, Lines, Notes, Page, Part, Section, Series, Table
from sim.page.page import Unit
from sim.run.metrics import Latency
from sim.run.tails import tails
from sim.sweep.row import HISTOGRAM, Row

_FIGURES: Mapping[str, tuple[str, str, Unit]] = {
    "simulated_ns": ("Simulated time", "that the whole run took.", "ns"),
    "kernel.pgfault": ("Faults", "of every kind.", "count"),
    "kernel.pgmajfault": ("Major faults", "that had to wait for a device.", "count"),
    "device.ratio": ("Ratio", "of the bytes of the pages on the device to those of media, at the end.", "number"),
    "kernel.node_closed": ("Closings", "of the node to new pages.", "count"),
    "writeback_bytes_per_cycle": ("Writeback", "page bytes written and written back in a cycle.", "number"),
    "miss_p50_cycles": ("Miss, p50", "cycles to read a line of a page that is not in the cache.", "number"),
    "miss_p99_cycles": ("Miss, p99", "cycles to read a line of a page that is not in the cache.", "number"),
    "hot_set_pages": ("Hot set", "the most pages of which 90 % of the reads hit.", "number"),
}
"""What is drawn and listed, where a sweep has it: its title, what it means, its unit."""
_MOST_LINES = 8
_MOST_ROWS = 1_000


def sweep_page(name: str, asked: Mapping[str, Any], rows: Sequence[Row]) -> Page:
    """The page of a sweep.

    Args:
        name: of the sweep.
        asked: what `sweep.json` says: what all runs have in common, and the keys that are varied.
        rows: of the table.
    """
    varied = list(asked["varied"])
    passed = [row for row in rows if row["status"] == "passed"]
    bad = [row for row in rows if row["status"] != "passed"]
    seconds = sum(row.get("seconds") or 0 for row in rows)
    reasons = [f"point {row['point']}: {row['reason']}" for row in bad[:20]]
    return Page(
        title=f"{name}: {', '.join(varied)}" if varied else name,
        good=not bad,
        verdict=f"{len(rows):,} runs, {len(bad):,} failed",
        sections=[
            Section("What failed", [Notes(reasons)] if reasons else []),
            Section("At a glance", [Facts([
                (f"{len(passed):,}", "runs passed"), (f"{len(varied):,}", "keys varied"),
                (f"{seconds:,.0f} s", "all runs together"),
            ])]),
            Section("What the keys do", list(_over_keys(varied, passed))),
            Section("How long faults took", list(_tails_by_key(varied, passed))),
            Section("Runs", list(_runs(varied, rows))),
            Section("The sweep", list(about({"sim": asked["sim"], **asked["settings"]}, asked.get("traces", {})))),
        ],
    )  # fmt: skip


def about(settings: Mapping[str, Any], traces: Mapping[str, str]) -> Iterable[Part]:
    """Settings, versions and the commit."""
    yield Table(("", ""), [*((f"digest of {trace}", text) for trace, text in traces.items()), *versions().items()])
    yield Table(("setting", "value"), [(name, written(value)) for name, value in settings.items() if value is not None],
                title="All settings that the runs have in common", closed=True)  # fmt: skip


def latency_of(rows: Iterable[Mapping[str, Any]]) -> Latency | None:
    """All faults of some runs, of every kind, from the histograms of their rows; None without any."""
    durations: Counter[int] = Counter()
    for row in rows:
        for name, value in row.items():
            if value and name.startswith("faults.") and name.endswith(f".{HISTOGRAM}"):
                for bucket in value:
                    durations[bucket["to_ns"]] += bucket["count"]
    return Latency.of(durations) if durations else None


def written(value: Any) -> str:
    """A value of a row or a setting as text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "-" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"{value:,}" if isinstance(value, int) or value % 1 else f"{value:,.0f}"


def _over_keys(varied: Sequence[str], rows: Sequence[Row]) -> Iterable[Part]:
    """Each figure over the key with the most numbers, a line for each combination of the other keys' values."""
    numeric = [key for key in varied if rows and all(_is_number(row[key]) for row in rows)]
    across = max(numeric, key=lambda key: len({row[key] for row in rows}), default=None)
    if across is None or len({row[across] for row in rows}) < 2:
        return
    x = sorted({row[across] for row in rows})
    others = [key for key in varied if key != across]
    lines = list(product(*(_values(rows, key) for key in others)))
    if len(lines) > _MOST_LINES:  # then the median of all is clearer
        others, lines = [], [()]
    wide = x[0] > 0 and x[-1] >= 16 * x[0]
    for figure, (title, meaning, unit) in _FIGURES.items():
        series = []
        for values in lines:
            of = [row for row in rows if all(row[key] == value for key, value in zip(others, values, strict=True))]
            found = [_median(row.get(figure) for row in of if row[across] == at) for at in x]
            if any(value is not None for value in found):
                series.append(Series(_called(others, values) or title.lower(), found))
        if any(value for line in series for value in line.values):
            yield Lines(title, f"{meaning} Across: {across}.", x=x, series=series, x_unit="count", y_unit=unit,
                        x_log=wide, group="keys")  # fmt: skip


def _tails_by_key(varied: Sequence[str], rows: Sequence[Row]) -> Iterable[Part]:
    """The faults of all runs, for each value of each key."""
    for key in varied:
        values = _values(rows, key)
        found = {value: latency_of(row for row in rows if row[key] == value) for value in values[:_MOST_LINES]}
        lines = {_called([key], [value]): latency for value, latency in found.items() if latency is not None}
        if lines:
            more = "" if len(values) <= _MOST_LINES else f" The first {_MOST_LINES} of {len(values)} values."
            caption = f"the share of all faults (down) that took longer than so long (across).{more}"
            yield tails(f"By {key}", caption, lines)


def _runs(varied: Sequence[str], rows: Sequence[Row]) -> Iterable[Part]:
    known = [figure for figure in _FIGURES if any(row.get(figure) for row in rows)]
    heads = ["point", *varied, "status", "seconds", *known]
    if rows:
        caption = "" if len(rows) <= _MOST_ROWS else f"The first {_MOST_ROWS:,} of {len(rows):,} runs."
        table = [[written(row.get(head)) for head in heads] for row in rows[:_MOST_ROWS]]
        numbers = [head for head in heads if head != "status" and all(_is_number(row.get(head) or 0) for row in rows)]
        yield Table(heads, table, numbers, title="Every run", closed=len(rows) > 40,
                    caption=caption + " All figures are in runs.parquet.")  # fmt: skip


def _values(rows: Sequence[Row], key: str) -> list[Any]:
    """The values of a key, in the order in which they come."""
    return list(dict.fromkeys(row[key] for row in rows))


def _called(keys: Sequence[str], values: Sequence[Any]) -> str:
    return ", ".join(f"{key.rpartition('.')[2]} {written(value)}" for key, value in zip(keys, values, strict=True))


def _median(values: Iterable[Any]) -> float | None:
    found = [value for value in values if value is not None]
    return median(found) if found else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
