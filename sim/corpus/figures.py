# SPDX-License-Identifier: MIT
"""Figures: what pages are like."""

from __future__ import annotations

from collections import Counter

import lz4.block

from hw.link import PAGE_BYTES, ZERO_PAGE
from sim.base.value import Value

RAW_BYTES = PAGE_BYTES - 256  # a block that saves no sector of 256 bytes is stored raw (docs/device.md, Page states)
BINS = 16
"""Of the sizes of LZ4 blocks: each 256 bytes wide, the last one for whatever is larger."""


class Figures(Value):
    """What pages are like.

    Attributes:
        pages: how many there are.
        zero, same, duplicate, incompressible: shares of them, 0 to 1: zero; one 64-bit word repeated, other than zero;
            the second and later of equal pages; those that LZ4 does not shrink by a sector.
        ratio: bytes per LZ4 byte over the pages that are neither zero nor same, incompressible ones counted whole.
        sizes: how many of these have an LZ4 block of 1 to 256 bytes, 257 to 512, and so on.
    """

    pages: int
    zero: float
    same: float
    duplicate: float
    incompressible: float
    ratio: float
    sizes: list[int]


def is_same(data: bytes) -> bool:
    """Whether a page repeats one 64-bit word (a zero page does)."""
    return data == data[:8] * (PAGE_BYTES // 8)


def figures(counts: Counter[bytes]) -> Figures:
    """What pages are like, each as often as it counts; at least one page."""
    total = counts.total()
    zero = counts[ZERO_PAGE]
    same = sum(count for data, count in counts.items() if is_same(data)) - zero
    sizes, raw, stored, content = [0] * BINS, 0, 0, 0
    for data, count in counts.items():
        if not is_same(data):
            size = len(lz4.block.compress(data, store_size=False))
            sizes[min(BINS - 1, (size - 1) // 256)] += count
            raw += count * (size > RAW_BYTES)
            stored += count * (PAGE_BYTES if size > RAW_BYTES else size)
            content += count * PAGE_BYTES
    return Figures(
        pages=total,
        zero=zero / total,
        same=same / total,
        duplicate=1 - len(counts) / total,
        incompressible=raw / total,
        ratio=content / max(1, stored),
        sizes=sizes,
    )
