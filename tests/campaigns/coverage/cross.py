# SPDX-License-Identifier: MIT
"""Cross: functional coverage, every combination of a few values, counted.

A hundred lines of our own: the library for it, cocotb-coverage, counts in one global database by decorators of cocotb
tests, and what is counted here comes from a driver over any link.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

Bin = tuple[str, ...]


@dataclass(frozen=True)
class Illegal:
    """Combinations that cannot be.

    Attributes:
        reason: why, a sentence.
        values: for some axes, the values whose combinations with each other, and with all of the other axes, are meant.
    """

    reason: str
    values: Mapping[str, Sequence[str]]


class Cross:
    """Counts of the combinations of axes.

    Args:
        axes: names and values.
        illegal: combinations that cannot be; to sample one is an error, and so is one that names no value.
    """

    def __init__(self, axes: Mapping[str, Sequence[str]], illegal: Sequence[Illegal] = ()) -> None:
        self.axes = dict(axes)
        self.illegal = illegal
        self.counts: Counter[Bin] = Counter()
        self.bins = frozenset(product(*self.axes.values()))
        for rule in illegal:
            for axis, values in rule.values.items():
                if unknown := set(values) - set(self.axes.get(axis, ())):
                    raise ValueError(f"{rule.reason}: {axis} has no {min(unknown)}")

    def sample(self, *values: str) -> None:
        """Count one combination, in the order of the axes. Raises ValueError for an unknown or illegal one."""
        if values not in self.bins:
            raise ValueError(f"{values} is no combination of {', '.join(self.axes)}")
        if (reason := self.why_illegal(values)) is not None:
            raise ValueError(f"{' x '.join(values)} was thought to be impossible: {reason}")
        self.counts[values] += 1

    def why_illegal(self, values: Bin) -> str | None:
        """The reason why a combination cannot be; None if it can."""
        named = dict(zip(self.axes, values, strict=True))
        for rule in self.illegal:
            if all(named[axis] in meant for axis, meant in rule.values.items()):
                return rule.reason
        return None

    @property
    def legal(self) -> list[Bin]:
        """Every combination that can be."""
        return [values for values in product(*self.axes.values()) if self.why_illegal(values) is None]

    @property
    def missing(self) -> list[Bin]:
        """Combinations that can be and were not seen."""
        return [values for values in self.legal if not self.counts[values]]

    def table(self) -> str:
        """Axes and illegal combinations in Markdown."""
        rows = ["| axis | values |", "| --- | --- |"]
        rows += [f"| {name} | {', '.join(values)} |" for name, values in self.axes.items()]
        rows += ["", "| cannot be | why |", "| --- | --- |"]
        rows += [
            f"| {' x '.join(' or '.join(values) for values in rule.values.values())} | {rule.reason} |"
            for rule in self.illegal
        ]
        return "\n".join(rows)
