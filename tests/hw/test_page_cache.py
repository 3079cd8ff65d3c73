# SPDX-License-Identifier: MIT
"""The page cache alone, with sizes that are and are not powers of two, under both simulators."""

from __future__ import annotations

import pytest

from hw.build import build
from hw.simulate import simulate
from hw.tools import SIMULATORS, Simulator
from tests.marks import first_in_test


@pytest.mark.parametrize("cache_pages", first_in_test([3, 2, 5, 8]))
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_page_cache(simulator: Simulator, cache_pages: int) -> None:
    """The rules are in bench_page_cache.py."""
    bits = (cache_pages - 1).bit_length()
    rtl = build("page_cache", simulator, {"PAGE_BITS": 4, "CACHE_PAGES": cache_pages, "ENTRY_BITS": bits})
    rounds = 600 if simulator == "verilator" else 400  # the checks of lines are slow in Icarus
    settings = {"CACHE_PAGES": str(cache_pages), "ROUNDS": str(rounds)}
    simulate(rtl, "tests.hw.bench_page_cache", environment=settings, timeout_s=600)
