# SPDX-License-Identifier: MIT
"""The pages that all benches use."""

from __future__ import annotations

from sim.data import ORDERS_TRACE
from sim.trace.file import Trace


def recorded_pages(count: int) -> list[bytes]:
    """`count` pages of the shipped trace, spread over it: a program's own, none all zero or of one repeated word."""
    trace = Trace.load(ORDERS_TRACE)
    contents = [data for data in map(trace.page, range(len(trace.contents))) if data != data[:8] * (len(data) // 8)]
    step = len(contents) / count
    return [contents[int(number * step)] for number in range(count)]
