# SPDX-License-Identifier: MIT
"""What a page is made of, and how it becomes HTML (page.html.jinja).

page.js draws the plots, with uPlot where they have axes. All of it is in the one file: the page needs no network."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

import jinja2

_HERE = Path(__file__).resolve().parent

Unit = Literal["ns", "percent", "count", "number", "share"]
"""How a value is written: 1,234 ns as 1.23 us; a share from 0 to 1 as percent."""


@dataclass(frozen=True)
class Series:
    """One line: a value for each x, None where there is none."""

    name: str
    values: Sequence[float | None]


@dataclass(frozen=True)
class Mark:
    """A moment on the x axis with its name."""

    at: float
    name: str


@dataclass(frozen=True)
class Lines:
    """A plot with axes.

    Attributes:
        x: ascending; of all series.
        x_unit, y_unit: of the values.
        x_log, y_log: logarithmic axes; values of 0 and below are left out then.
        y_range: lowest and highest value of the y axis; None: what the values need.
        steps: a value holds until the next one.
        bands: (from, to) of stretches of the x axis that are shaded.
        marks: moments that are drawn.
        group: plots of a group show the same part of the x axis, and their cursors move together.
    """

    title: str
    caption: str
    x: Sequence[float]
    series: Sequence[Series]
    x_unit: Unit = "ns"
    y_unit: Unit = "count"
    x_log: bool = False
    y_log: bool = False
    y_range: tuple[float, float] | None = None
    steps: bool = False
    bands: Sequence[tuple[float, float]] = ()
    marks: Sequence[Mark] = ()
    group: str = ""
    kind: Literal["lines"] = "lines"


@dataclass(frozen=True)
class Flow:
    """A Sankey diagram: (from, to, how much), from left to right."""

    title: str
    caption: str
    links: Sequence[tuple[str, str, int]]
    unit: str = "pages"
    kind: Literal["flow"] = "flow"


@dataclass(frozen=True)
class Bar:
    """Parts of a whole: (name, how much)."""

    title: str
    caption: str
    parts: Sequence[tuple[str, int]]
    kind: Literal["bar"] = "bar"


@dataclass(frozen=True)
class Table:
    """A table; columns whose heading is in `numbers` stand right. A `closed` one is opened by its heading."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[str] = ()
    title: str = ""
    caption: str = ""
    closed: bool = False
    kind: Literal["table"] = "table"


@dataclass(frozen=True)
class Notes:
    """Lines of text."""

    lines: Sequence[str]
    kind: Literal["notes"] = "notes"


@dataclass(frozen=True)
class Facts:
    """The figures that matter most, each with its name below."""

    facts: Sequence[tuple[str, str]]
    kind: Literal["facts"] = "facts"


Part = Lines | Flow | Bar | Table | Notes | Facts


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it; without parts it is left out."""

    title: str
    parts: Sequence[Part] = ()


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        title: what it is about.
        good: whether all is well; None where that is not the question.
        verdict: a line that says so.
        sections: in order.
    """

    title: str
    good: bool | None
    verdict: str
    sections: Sequence[Section] = field(default_factory=list)


def render(page: Page) -> str:
    """The page as HTML."""
    sections = [section for section in page.sections if section.parts]
    plots: list[Part] = [part for section in sections for part in section.parts if isinstance(part, Lines | Flow | Bar)]
    numbers = {id(plot): number for number, plot in enumerate(plots)}
    return _environment().get_template("page.html.jinja").render(
        page=page,
        sections=sections,
        number=lambda part: numbers[id(part)],
        data=_as_script([asdict(plot) for plot in plots]),
        style=_text("uplot/uPlot.min.css") + _text("page.css"),
        licence=_text("uplot/LICENSE"),
        scripts=[_text("uplot/uPlot.iife.min.js"), _text("page.js")],
    )  # fmt: skip


def _as_script(value: Iterable[Mapping[str, object]]) -> str:
    """JSON that may stand in a script element: nothing in it can end the element."""
    return json.dumps(list(value), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


@cache
def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
