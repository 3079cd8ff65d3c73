# SPDX-License-Identifier: MIT
"""Watermarks of free memory: where kswapd begins and ends, and what is kept for those who free some."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

from hw.link import PAGE_BYTES

_PAGE_KB = PAGE_BYTES >> 10
_LEAST_KB, _MOST_KB = 128, 262_144
"""What Linux chooses min_free_kbytes between."""


@dataclass(frozen=True)
class Watermarks:
    """Free pages: below `low` kswapd is woken and works up to `high`; `minimum` is the reserve."""

    minimum: int
    low: int
    high: int

    @staticmethod
    def small(pages: int) -> Watermarks:
        """Those of a machine of a few pages, most of which Linux would keep free."""
        minimum = max(4, pages // 64)
        low = minimum + max(2, pages // 64)
        return Watermarks(minimum, low, low + max(2, pages // 32))

    @staticmethod
    def linux(pages: int, min_free_kbytes: int = 0, scale_factor: int = 10) -> Watermarks:
        """As Linux has them for a zone of so many pages: its own choice of `min_free_kbytes` where that is 0
        (calculate_min_free_kbytes, setup_per_zone_wmarks); `scale_factor` in 10,000ths of the zone. Raises ValueError
        where nothing would be left to use."""
        chosen = min(max(isqrt(pages * _PAGE_KB * 16), _LEAST_KB), _MOST_KB)
        minimum = (min_free_kbytes or chosen) // _PAGE_KB
        step = max(minimum // 4, pages * scale_factor // 10_000)
        marks = Watermarks(minimum, minimum + step, minimum + 2 * step)
        if marks.high >= pages:
            raise ValueError(f"a high watermark of {marks.high} pages in a memory of {pages}: set min_free_kbytes")
        return marks
