# SPDX-License-Identifier: MIT
"""The queue between handshakes, under both simulators."""

from __future__ import annotations

import pytest

from hw.build import build
from hw.simulate import simulate
from hw.tools import SIMULATORS, Simulator
from tests.marks import first_in_test


@pytest.mark.parametrize(("width", "depth"), first_in_test([(8, 2), (523, 4), (1, 16)]))
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_fifo(simulator: Simulator, width: int, depth: int) -> None:
    """The rules are in bench_fifo.py."""
    rtl = build("fifo", simulator, {"WIDTH": width, "DEPTH": depth})
    simulate(rtl, "tests.hw.bench_fifo", environment={"WIDTH": str(width), "DEPTH": str(depth)}, timeout_s=120)
