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
from rich.table import Table

from sim.base.options import OutputFile
from sim.sweep.folder import ASKED, TABLE, SweepError, read_table
from sim.sweep.row import flat
from vswap.base.results import is_stdout, write_json

_NO_FIGURES = {"point", "status", "reason", "seconds", "seed"}


@dataclass(frozen=True)
class Side:
    """A run or a sweep.

    Attributes:
        settings: what all of its runs have in common.
        varied: the keys that differ between its runs.
        runs: the figures of each run that passed, by the values of `varied`.
        failed: runs that did not pass.
    """

    settings: dict[str, Any]
    varied: list[str]
    runs: dict[tuple[Any, ...], dict[str, float]]
    failed: int


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
    passed = not (values["problems"] or values["mismatches"] or values["lost_pages"])
    return Side(settings, [], {(): _numbers(figures)} if passed else {}, int(not passed))


def _sweep(folder: Path) -> Side:
    try:
        asked = json.loads((folder / ASKED).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SweepError(f"{folder}: no folder of a sweep: {ASKED} is missing or no JSON") from error
    rows, varied = read_table(folder / TABLE).to_dicts(), list(asked["varied"])
    runs = {
        tuple(row[key] for key in varied): _numbers(row, {*varied, *_NO_FIGURES})
        for row in rows if row["status"] == "passed"
    }  # fmt: skip
    return Side({"sim": asked["sim"], **asked["settings"]}, varied, runs, len(rows) - len(runs))


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


@click.command("compare")
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--figure", "wanted", multiple=True, metavar="NAME",
              help="Show this figure, or all that begin so; may be repeated.  [default: all that differ]")  # fmt: skip
@click.option("--json", "json_file", metavar="FILE", type=OutputFile(),
              help="Write the comparison as JSON; - for standard output.")  # fmt: skip
def compare_command(a: Path, b: Path, wanted: tuple[str, ...], json_file: Path | None) -> None:
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
    output = Console(stderr=is_stdout(json_file))
    output.print(_table("settings that differ", differing, ("key", "A", "B")))
    output.print()
    output.print(_table("figures" if not left.varied and not right.varied else f"medians of {count:,} points in common",
                        compared, ("figure", "A", "B", "change")))  # fmt: skip
    for name, side in (("A", left), ("B", right)):
        if side.failed:
            output.print(f"{side.failed:,} runs of {name} failed and are left out", highlight=False)
    if json_file is not None:
        write_json(json_file, {
            "settings": {each.name: [each.a, each.b] for each in differing},
            "points": count,
            "figures": {each.name: [each.a, each.b] for each in compared},
        })  # fmt: skip


def _table(title: str, rows: list[Difference], columns: tuple[str, ...]) -> Table:
    table = Table(title=title if rows else f"{title}: none", title_justify="left", show_edge=False, pad_edge=False)
    for column in columns if rows else ():
        table.add_column(column, justify="left" if column in ("key", "figure") else "right")
    for row in rows:
        change = [row.change] if len(columns) == 4 else []
        table.add_row(row.name, *(_written(value) for value in (row.a, row.b)), *change)
    return table


def _written(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "-" if value is None else str(value)
    return f"{value:,}" if isinstance(value, int) or value % 1 else f"{value:,.0f}"
