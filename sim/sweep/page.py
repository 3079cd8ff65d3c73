# SPDX-License-Identifier: MIT
"""The pages of sweeps and comparisons: the same kind of page as a run's report, `sim/page`.

Latencies of several runs are those of all their faults together, from whole histograms.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from sim.base.versions import versions
from sim.page import Facts, Notes, Page, Part, Section, Table
from sim.run.metrics import Latency
from sim.run.tails import tails
from sim.sweep.curves import curve, is_axis, is_number
from sim.sweep.folder import SweepError
from sim.sweep.row import HISTOGRAM, Row

_RUN_FIGURES = ("kernel.pgfault", "kernel.pgmajfault", "simulated_ns")
_DEVICE_FIGURES = ("miss_p50_cycles", "miss_p99_cycles", "writeback_bytes_per_cycle", "hot_set_pages")
_MORE_FIGURES = ("device.ratio", "kernel.node_closed", "margin.from_loss")
"""What is drawn and listed beside the usual figures, where a sweep has it."""
_MOST_LINES = 8
_MOST_ROWS = 1_000


def sweep_page(name: str, asked: Mapping[str, Any], rows: Sequence[Row], figures: Sequence[str] = ()) -> Page:
    """The page of a sweep.

    Args:
        name: of the sweep.
        asked: what `sweep.json` says: what all runs have in common, and the keys that are varied.
        rows: of the table.
        figures: what is drawn and listed instead of the usual ones.

    Raises:
        SweepError: no run that passed has such a figure.
    """
    varied = list(asked["varied"])
    passed = [row for row in rows if row["status"] == "passed"]
    if unknown := [figure for figure in figures if not any(is_number(row.get(figure)) for row in passed)]:
        raise SweepError(f"no run that passed has the figure {unknown[0]}; the table's columns are the figures")
    shown = figures or _usual(passed)
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
            Section("What the keys do", list(_over_keys(varied, passed, shown))),
            Section("How long faults took", list(_tails_by_key(varied, passed))),
            Section("Runs", list(_runs(varied, rows, shown))),
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


def not_told(row: Mapping[str, Any], figures: Sequence[str]) -> list[str]:
    """One line for each of `figures` that this run has not: said after the first run, as a sweep may take hours."""
    known = [name for name, value in row.items() if is_number(value)]
    lines = []
    for figure in figures:
        if figure not in known:
            near = get_close_matches(figure, known, n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            lines.append(f"the first run has no figure {figure}{meant}")
    return lines


def _over_keys(varied: Sequence[str], rows: Sequence[Row], figures: Sequence[str]) -> Iterable[Part]:
    """Each figure over each key that has numbers."""
    for key in varied:
        if rows and is_axis(rows, key):
            for figure in figures:
                yield curve(rows, varied, key, figure)


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


def _runs(varied: Sequence[str], rows: Sequence[Row], figures: Sequence[str]) -> Iterable[Part]:
    heads = ["point", *varied, "status", "seconds", *figures]
    if rows:
        caption = "" if len(rows) <= _MOST_ROWS else f"The first {_MOST_ROWS:,} of {len(rows):,} runs."
        table = [[written(row.get(head)) for head in heads] for row in rows[:_MOST_ROWS]]
        numbers = [head for head in heads if head != "status" and all(is_number(row.get(head) or 0) for row in rows)]
        yield Table(heads, table, numbers, title="Every run", closed=len(rows) > 40,
                    caption=caption + " All figures are in runs.parquet.")  # fmt: skip


def _values(rows: Sequence[Row], key: str) -> list[Any]:
    """The values of a key, in the order in which they come."""
    return list(dict.fromkeys(row[key] for row in rows))


def _called(keys: Sequence[str], values: Sequence[Any]) -> str:
    return ", ".join(f"{key.rpartition('.')[2]} {written(value)}" for key, value in zip(keys, values, strict=True))


def _usual(rows: Sequence[Row]) -> list[str]:
    """What these rows have of the figures that are drawn and listed, and is not 0 everywhere."""
    device = any(name in row for row in rows for name in _DEVICE_FIGURES)
    known = [*(_DEVICE_FIGURES if device else _RUN_FIGURES), *_MORE_FIGURES]
    return [figure for figure in known if any(row.get(figure) for row in rows)]
