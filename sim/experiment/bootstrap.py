# SPDX-License-Identifier: MIT
"""Bootstrap: the interval of a median over programs, where each program has several values of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from statistics import median_low

RESAMPLES = 2_000


def interval(found: Mapping[str, Sequence[float]]) -> tuple[float, float]:
    """Of the lower median of all values, 95 %: programs are drawn again, and values within each of them."""
    random, names = Random(1), sorted(found)
    middles = sorted(_resampled(found, names, random) for _ in range(RESAMPLES))
    return middles[RESAMPLES * 25 // 1000], middles[RESAMPLES * 975 // 1000]


def _resampled(found: Mapping[str, Sequence[float]], names: list[str], random: Random) -> float:
    drawn = [found[name] for name in random.choices(names, k=len(names))]
    return median_low(value for values in drawn for value in random.choices(values, k=len(values)))
