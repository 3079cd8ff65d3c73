# SPDX-License-Identifier: MIT
"""Record: the tables that docs/answers.md is made from, and what a table says against them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from hw.sources import ROOT
from sim.experiment.experiment import Experiment, Rows, Verdict
from sim.page import Page, Section, Table, render

DOCS = ROOT / "docs"
RECORDS = DOCS / "answers"
_NO_FIGURES = ("point", "status", "reason", "seconds")


class RecordError(Exception):
    """A recorded table is missing or cannot be read; one line with the remedy."""


def figures(rows: Rows) -> Rows:
    """Of the rows of a sweep what is the same on every computer."""
    return [{name: value for name, value in row.items() if name not in _NO_FIGURES} for row in rows]


def recorded(experiment: Experiment, folder: Path = RECORDS) -> Rows:
    """The recorded table of the full grid. Raises RecordError."""
    file = folder / f"{experiment.name}.csv"
    try:
        return pl.read_csv(file, infer_schema_length=None).to_dicts()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise RecordError(f"{file}: {error}: `vcram experiment {experiment.name} --full --record` makes it") from error


def write_table(rows: Rows, file: Path) -> None:
    """Write a table as CSV. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(rows, infer_schema_length=None).write_csv(file)


def keep(experiment: Experiment, rows: Rows, folder: Path = RECORDS) -> None:
    """Record a table. Raises OSError."""
    write_table(rows, folder / f"{experiment.name}.csv")


def differences(verdict: Verdict, before: Verdict) -> list[str]:
    """A sentence for each finding that another verdict does not have so."""
    names = dict.fromkeys([*verdict.findings, *before.findings])
    return [
        f"{name}: {verdict.findings.get(name, 'nothing')}, recorded: {before.findings.get(name, 'nothing')}"
        for name in names
        if verdict.findings.get(name) != before.findings.get(name)
    ]


def page(answers: Sequence[tuple[Experiment, Rows]], title: str) -> str:
    """Verdicts and plots as one HTML page."""
    sections = []
    for experiment, table in answers:
        verdict = experiment.conclude(table)
        tables = [Table(each.heads, each.rows, each.heads[1:], title=each.title) for each in verdict.summaries]
        said = Table(("", ""), [("", sentence) for sentence in verdict.sentences])
        sections.append(Section(experiment.question, [said, *experiment.plots(table), *tables]))
    return render(Page(title, None, "", sections))
