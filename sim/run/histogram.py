# SPDX-License-Identifier: MIT
"""Histogram: durations kept whole in little room, as HDR histograms do.

A bucket is nowhere wider than 1/64 of what is in it, so that any percentile can be asked for later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

_BITS = 7  # significant bits that a bucket keeps


def bucket(value: int) -> int:
    """The highest value of the bucket that a value, 0 or more, lies in. Below 128 a bucket is one value."""
    shift = max(0, value.bit_length() - _BITS)
    return ((value >> shift) + 1 << shift) - 1


def lowest(high: int) -> int:
    """The lowest value of the bucket whose highest is `high`."""
    return high - (1 << max(0, high.bit_length() - _BITS)) + 1


def histogram(durations: Mapping[int, int]) -> list[tuple[int, int]]:
    """(highest value of a bucket, how many are in it), ascending, without the empty ones; from how often each duration
    was seen."""
    counts: Counter[int] = Counter()
    for duration, times in durations.items():
        counts[bucket(duration)] += times
    return sorted(counts.items())
