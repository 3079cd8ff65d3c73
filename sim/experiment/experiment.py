# SPDX-License-Identifier: MIT
"""Experiment: a question, the points at which it is measured, and the verdict that its table gives.

Everything that is said is computed from the table: the same code reads the reduced grid and the full one, and
`findings` is what both must agree on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sim.page import Part

Values = Mapping[str, Any]
"""A point of a grid: what is varied, name -> value."""
Figures = dict[str, Any]
"""What is measured at a point, name -> figure."""
Rows = Sequence[Mapping[str, Any]]
"""A table: the values and figures of each point; None where a point has none."""


@dataclass(frozen=True)
class Summary:
    """A small table of the document, made from the large one; cells are text."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Verdict:
    """What a table says.

    Attributes:
        findings: what is concluded, in words, by what it is about. Reduced and full grid come to the same.
        sentences: three, with the figures.
        limits: what may not be concluded, the first one being what matters most.
        answer: which of the sentences answers the question, if it stands alone.
        summaries: the tables behind the sentences.
    """

    findings: Mapping[str, str]
    sentences: tuple[str, str, str]
    limits: Sequence[str]
    answer: Literal[0, 1, 2]
    summaries: Sequence[Summary] = field(default_factory=list)


@dataclass(frozen=True)
class Experiment:
    """One question.

    Attributes:
        name: on the command line.
        question: what is asked.
        method: how it is measured, in sentences; also on what link.
        grid: its points, all of them or the reduced ones.
        measure: the figures at one point, in a process of its own; the same ones on every computer.
        conclude: the verdict of a table.
        plots: pictures of a table.
    """

    name: str
    question: str
    method: str
    grid: Callable[[bool], list[Values]]
    measure: Callable[[Values], Figures]
    conclude: Callable[[Rows], Verdict]
    plots: Callable[[Rows], list[Part]]


def where(rows: Rows, **values: Any) -> Rows:
    """The rows that have these values."""
    return [row for row in rows if all(row.get(name) == value for name, value in values.items())]


def one(rows: Rows, figure: str, **values: Any) -> Any:
    """The figure of the one row that has these values. Raises ValueError for none or several."""
    found = where(rows, **values)
    if len(found) != 1:
        raise ValueError(f"{len(found)} rows have {values}, expected one")
    return found[0][figure]


def values_of(rows: Rows, name: str) -> list[Any]:
    """The different values of a column, ascending."""
    return sorted({row[name] for row in rows if row.get(name) is not None})


def total(rows: Rows, name: str) -> float:
    """The sum of a column."""
    return float(sum(row[name] for row in rows))
