# SPDX-License-Identifier: MIT
"""Curves: a figure of a sweep over a key that is varied by numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sim.page import Lines, Part, Series
from sim.sweep.row import Row

_WIDE = 10
"""An axis whose largest value is so many times the smallest is logarithmic."""


def curve(rows: Sequence[Row], varied: Sequence[str], key: str, figure: str) -> Part:
    """A figure over one of the varied keys, with a line for every combination of the others' values."""
    x = sorted({row[key] for row in rows})
    others = [name for name in varied if name != key]
    lines: dict[tuple[Any, ...], dict[Any, float]] = {}
    for row in rows:
        if is_number(row.get(figure)):
            lines.setdefault(tuple(row[name] for name in others), {})[row[key]] = row[figure]
    series = [
        Series(_name(others, values, figure), [found.get(value) for value in x]) for values, found in lines.items()
    ]
    wide = x[0] > 0 and x[-1] >= _WIDE * x[0]
    return Lines(
        f"{figure} over {key}", "", x=x, series=series, x_unit="count", x_log=wide,
        y_unit="ns" if figure.endswith("_ns") else "number",
    )  # fmt: skip


def _name(others: Sequence[str], values: tuple[Any, ...], figure: str) -> str:
    return ", ".join(f"{name}={value}" for name, value in zip(others, values, strict=True)) or figure


def is_axis(rows: Sequence[Row], key: str) -> bool:
    """Whether a key has two values or more, all of them numbers."""
    return all(is_number(row[key]) for row in rows) and len({row[key] for row in rows}) > 1


def is_number(value: object) -> bool:
    """Whether a value can be drawn."""
    return isinstance(value, int | float) and not isinstance(value, bool)
