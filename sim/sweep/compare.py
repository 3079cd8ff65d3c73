# SPDX-License-Identifier: MIT
"""`vcram compare`: two runs, or two sweeps, side by side: what differs in their settings first, then the figures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import click
from rich.console import Console
from rich.table import Table as Screen

from sim.base.options import OutputFile
from sim.page import Notes, Page, Section, Table, render
from sim.run.metrics import Latency
from sim.run.tails import tails
from sim.sweep.folder import TABLE, SweepError, read_asked, read_table
from sim.sweep.page import about, latency_of, written
from sim.sweep.row import flat
from vswap.base.results import is_stdout, write_json, write_text

_NO_FIGURES = {"point", "status", "reason", "seconds", "seed"}


@dataclass(frozen=True)
class Side:
    """A run or a sweep.

    Attributes:
        settings: what all of its runs have in common.
        varied: the keys that differ between its runs.
        runs: the figures of each run that passed, by the values of `varied`.
        failed: runs that did not pass.
        faults: how long the faults of the runs that passed took; None if there were none.
    """

    settings: dict[str, Any]
    varied: list[str]
    runs: dict[tuple[Any, ...], dict[str, float]]
    failed: int
    faults: Latency | None


@dataclass(frozen=True)
class Difference:
    """A setting or a figure of both sides; None where a side has none."""

    name: str
    a: Any
    b: Any

    @property
    def change(self) -> str:
        """By how much B is more than A, in percent of A; empty where that has no meaning."""
        if not isinstance(self.a, int | float) or not isinstance(self.b, int | float) or not self.a:
            return ""
        return f"{100 * (self.b - self.a) / self.a:+.1f} %"


def read_side(path: Path) -> Side:
    """What `vcram run --json` has written, or the folder of a sweep. Raises SweepError."""
    if path.is_dir():
        return _sweep(path)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        settings = {"sim": values["sim"], **values["settings"]}
        figures = {
            name: value for name, value in flat(values) if name.partition(".")[0] not in ("settings", *_NO_FIGURES)
        }
    except OSError as error:
        raise SweepError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SweepError(f"{path}: expected the figures of `vcram run --json`, or the folder of a sweep") from error
    lost = figures.get("lost_accesses", figures.get("lost_pages"))  # as these were called before
    passed = not (figures.get("mismatches") or lost or values.get("problems"))
    return Side(
        settings, [], {(): _numbers(figures)} if passed else {}, int(not passed),
        latency_of([figures]) if passed else None,
    )  # fmt: skip


def _sweep(folder: Path) -> Side:
    asked = read_asked(folder)
    rows, varied = read_table(folder / TABLE).to_dicts(), list(asked["varied"])
    runs = {
        tuple(row[key] for key in varied): _numbers(row, {*varied, *_NO_FIGURES})
        for row in rows if row["status"] == "passed"
    }  # fmt: skip
    faults = latency_of(row for row in rows if row["status"] == "passed")
    return Side({"sim": asked["sim"], **asked["settings"]}, varied, runs, len(rows) - len(runs), faults)


def _numbers(row: dict[str, Any], without: set[str] | None = None) -> dict[str, float]:
    return {
        name: value for name, value in row.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and name not in (without or _NO_FIGURES)
    }  # fmt: skip


def settings(a: Side, b: Side) -> list[Difference]:
    """The settings that differ; a key that one side varies is "varied" there."""

    def of(side: Side, name: str) -> Any:
        return "varied" if name in side.varied else side.settings.get(name)

    names = sorted({*a.settings, *b.settings, *a.varied, *b.varied})
    return [Difference(name, of(a, name), of(b, name)) for name in names if of(a, name) != of(b, name)]


def figures(a: Side, b: Side) -> tuple[int, list[Difference]]:
    """How many runs of A have one of B with the same values of what both vary, and the medians of every figure over
    these. Where nothing is varied on one side, its one run is held against all."""
    common = [key for key in a.varied if key in b.varied]
    left, right = _grouped(a, common), _grouped(b, common)
    both = [key for key in left if key in right]
    ours, theirs = ([run for key in both for run in side[key]] for side in (left, right))
    names = dict.fromkeys(name for run in [*ours, *theirs] for name in run)
    return len(both), [Difference(name, _median(ours, name), _median(theirs, name)) for name in names]


def _grouped(side: Side, common: list[str]) -> dict[tuple[Any, ...], list[dict[str, float]]]:
    at = [side.varied.index(key) for key in common]
    groups: dict[tuple[Any, ...], list[dict[str, float]]] = {}
    for values, run in side.runs.items():
        groups.setdefault(tuple(values[i] for i in at), []).append(run)
    return groups


def _median(runs: list[dict[str, float]], name: str) -> float | None:
    found = [run[name] for run in runs if run.get(name) is not None]
    return median(found) if found else None


def compare_page(
    a: tuple[str, Side], b: tuple[str, Side], differing: list[Difference], count: int, compared: list[Difference]
) -> Page:
    """The comparison of two sides, each with its name, as a page."""
    names = [f"A: {a[0]}", f"B: {b[0]}"]
    faults = {name: side.faults for name, (_, side) in zip(names, (a, b), strict=True) if side.faults is not None}
    failed = [f"{side.failed:,} runs of {name} failed and are left out" for name, side in (a, b) if side.failed]
    drawn = [tails("Faults", "the share of all faults (down) that took longer than so long (across).", faults)]
    what = f"medians of {count:,} points in common" if a[1].varied or b[1].varied else "figures"
    heads = ("key", "A", "B")
    return Page(
        title=f"{a[0]} and {b[0]}",
        good=None,
        verdict=f"settings that differ: {len(differing):,}; {what} that are listed: {len(compared):,}",
        sections=[
            Section("Left out", [Notes(failed)] if failed else []),
            Section("Settings that differ", [
                Table(heads, [(each.name, written(each.a), written(each.b)) for each in differing]),
            ] if differing else []),
            Section("How long faults took", list(drawn) if faults else []),
            Section("Figures", [Table(
                ("figure", "A", "B", "change"),
                [(each.name, written(each.a), written(each.b), each.change) for each in compared],
                ("A", "B", "change"), caption=f"The {what}; the change is in percent of A.",
            )]),
            Section("The two", list(about({
                name: value for name, value in a[1].settings.items() if b[1].settings.get(name) == value
            }, {}))),
        ],
    )  # fmt: skip


@click.command("compare")
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--figure", "wanted", multiple=True, metavar="NAME",
              help="Show this figure, or all that begin so; may be repeated.  [default: all that differ]")  # fmt: skip
@click.option("--json", "json_file", metavar="FILE", type=OutputFile(),
              help="Write the comparison as JSON; - for standard output.")  # fmt: skip
@click.option("--report", "report_file", metavar="FILE", type=OutputFile(stdout=False),
              help="Write the comparison as a page to look at (HTML).")  # fmt: skip
def compare_command(
    a: Path, b: Path, wanted: tuple[str, ...], json_file: Path | None, report_file: Path | None
) -> None:
    """Lay two runs, or two sweeps, side by side.

    A and B are files of `vcram run --json` or folders of `vcram sweep`. What differs in their settings comes first. A
    figure of a sweep is the median of the runs that both have.
    """
    left, right = read_side(a), read_side(b)
    differing = settings(left, right)
    count, compared = figures(left, right)
    if not count:
        raise SweepError(f"{a} and {b} have no run in common that passed: vary the same keys, or see why runs failed")
    compared = [each for each in compared if each.name.startswith(wanted)] if wanted else [
        each for each in compared if each.a != each.b
    ]  # fmt: skip
    if unknown := [name for name in wanted if not any(each.name.startswith(name) for each in compared)]:
        raise SweepError(f"neither {a} nor {b} has a figure whose name begins with {unknown[0]}")
    output = Console(stderr=is_stdout(json_file))
    output.print(_table("settings that differ", differing, ("key", "A", "B")))
    output.print()
    what = "figures" if not left.varied and not right.varied else f"medians of {count:,} points in common"
    output.print(_table(what if wanted else f"{what} that differ", compared, ("figure", "A", "B", "change")))
    for name, side in (("A", left), ("B", right)):
        if side.failed:
            output.print(f"{side.failed:,} runs of {name} failed and are left out", highlight=False)
    if report_file is not None:
        write_text(report_file, render(compare_page((str(a), left), (str(b), right), differing, count, compared)))
    if json_file is not None:
        write_json(json_file, {
            "settings": {each.name: [each.a, each.b] for each in differing},
            "points": count,
            "figures": {each.name: [each.a, each.b] for each in compared},
        })  # fmt: skip


def _table(title: str, rows: list[Difference], columns: tuple[str, ...]) -> Screen | str:
    if not rows:
        return f"{title}: none"
    table = Screen(title=title, title_justify="left", show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="left" if column in ("key", "figure") else "right")
    for row in rows:
        change = [row.change] if len(columns) == 4 else []
        table.add_row(row.name, *(written(value) for value in (row.a, row.b)), *change)
    return table
