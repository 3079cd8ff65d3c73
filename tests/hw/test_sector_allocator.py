# SPDX-License-Identifier: MIT
"""The sector allocator, with sector counts that are and are not powers of two, under both simulators."""

from __future__ import annotations

import pytest

from hw.build import build
from hw.simulate import simulate
from hw.tools import SIMULATORS, Simulator
from tests.marks import first_in_test


@pytest.mark.parametrize("sectors", first_in_test([99, 32, 33, 640]))
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_sector_allocator(simulator: Simulator, sectors: int) -> None:
    """The rules are in bench_sector_allocator.py and bench_sector_allocator_flips.py."""
    bits = (sectors - 1).bit_length()
    rtl = build("sector_allocator", simulator, {"SECTORS": sectors, "SECTOR_BITS": bits}, public=True)
    rounds = 400 if simulator == "verilator" else 150
    settings = {"SECTORS": str(sectors), "ROUNDS": str(rounds)}
    for bench in ("sector_allocator", "sector_allocator_flips"):
        simulate(rtl, f"tests.hw.bench_{bench}", environment=settings, timeout_s=120)
