# SPDX-License-Identifier: MIT
"""Grid: the points of a sweep: a scenario with every combination of some keys' values, or a sample of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import NoneType
from typing import Any, TypeVar

from sim.scenario.scenario import Scenario, ScenarioError
from sim.scenario.settings import Setting, load, setting

T = TypeVar("T")
SEED, TRACE = "workload.seed", "workload.trace"
_CLOSING = {"[": "]", "{": "}", '"': '"', "'": "'"}


@dataclass(frozen=True)
class Axis:
    """A key and the values that it takes, as they were given."""

    key: str
    values: tuple[str, ...]

    def shown(self) -> dict[str, Any]:
        """How the table has each value: as a number where all are, so that 512K is 524288. Raises ScenarioError: there
        is no such key."""
        found = {value: setting(self.key, value).value for value in self.values}
        return found if all(type(value) in (int, NoneType) for value in found.values()) else {v: v for v in self.values}


@dataclass(frozen=True)
class Point:
    """One run of a sweep.

    Attributes:
        number: its place in the whole grid, which a sample does not change.
        values: key -> value, as the table has it.
        scenario: what is run; None where the values do not go together.
        reason: why they do not.
        load: of a sweep of the device alone, percent.
    """

    number: int
    values: dict[str, Any]
    scenario: Scenario | None
    reason: str = ""
    load: int | None = None


def parse_axis(text: str) -> Axis:
    """An axis from SECTION.KEY=VALUE,VALUE,...; a value that is a list stands in brackets. Raises ScenarioError."""
    key, equals, values = text.partition("=")
    found = tuple(value.strip() for value in _split(values))
    if not equals or not key or not all(found):
        raise ScenarioError(f"{text}: expected SECTION.KEY=VALUE,VALUE,..., for example cram.cache_pages=4,8,16")
    if len(set(found)) != len(found):
        raise ScenarioError(f"{text}: a value is named twice, expected every value once")
    return Axis(key.strip(), found)


def seeds(scenario: Scenario, count: int) -> Axis:
    """So many seeds, from the scenario's on."""
    first = scenario.workload.seed
    return Axis(SEED, tuple(str(seed) for seed in range(first, first + count)))


def points(path: Path, settings: Sequence[Setting], axes: Sequence[Axis], sample: int | None = None) -> list[Point]:
    """The points of the grid over a scenario's file, in the order of the grid; of a sample as well. The same arguments
    give the same sample.

    Raises:
        ScenarioError: an axis is of no use, or no point at all is legal.
    """
    named = [axis.key for axis in axes]
    if twice := sorted({key for key in named if named.count(key) > 1}):
        raise ScenarioError(f"{twice[0]} is varied twice, expected every key once")
    shown = {axis.key: axis.shown() for axis in axes}  # an unknown key is told before any run
    total = math.prod(len(axis.values) for axis in axes)
    numbers = range(total) if sample is None or sample >= total else chosen(range(total), sample)
    made = [_point(path, settings, axes, shown, number) for number in numbers]
    if made and all(point.scenario is None for point in made):
        raise ScenarioError(made[0].reason)
    return made


def chosen(grid: Sequence[T], count: int) -> list[T]:
    """So many of a grid at random, in its order; the same ones each time."""
    return [grid[number] for number in sorted(Random(0).sample(range(len(grid)), count))]


def _point(
    path: Path, settings: Sequence[Setting], axes: Sequence[Axis], shown: dict[str, dict[str, Any]], number: int
) -> Point:
    chosen: dict[str, str] = {}
    rest = number
    for axis in reversed(axes):  # the last axis varies fastest
        rest, at = divmod(rest, len(axis.values))
        chosen[axis.key] = axis.values[at]
    values = {axis.key: shown[axis.key][chosen[axis.key]] for axis in axes}
    try:
        scenario = load(path, [*settings, *itertools.starmap(setting, chosen.items())])
    except ScenarioError as error:
        return Point(number, values, None, str(error))
    return Point(number, values, scenario)


def _split(text: str) -> Iterator[str]:
    """The parts between commas that lie in no brackets and no quotes."""
    part, open_ = "", ""
    for letter in text:
        if letter == "," and not open_:
            yield part
            part = ""
            continue
        part += letter
        if open_ and letter == _CLOSING[open_[-1]]:
            open_ = open_[:-1]
        elif letter in _CLOSING and (not open_ or open_[-1] not in "\"'"):
            open_ += letter
    yield part
