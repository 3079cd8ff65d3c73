# SPDX-License-Identifier: MIT
"""The decompressor accepts what liblz4 accepts and yields the same pages, under both simulators."""

from __future__ import annotations

from typing import Literal

import pytest

from hw.build import build
from hw.lint import lint
from hw.simulate import simulate

EFFORT = {"verilator": 1.0, "icarus": 0.15}  # Icarus is several times slower

simulators = pytest.mark.parametrize("simulator", ["verilator", "icarus"])


@simulators
def test_decodes_as_liblz4_does(simulator: Literal["verilator", "icarus"]) -> None:
    rtl = build("lz4_decompressor", simulator)
    settings = {"EFFORT": str(EFFORT[simulator])}
    run = simulate(rtl, "tests.hw.bench_lz4_decompressor", environment=settings, timeout_s=900)
    for line in (run / "simulation.log").read_text().splitlines():
        if "bytes/cycle" in line:  # the measured throughput; `pytest -s` shows it
            print(simulator, line)


@simulators
def test_lint_is_clean(simulator: Literal["verilator", "icarus"]) -> None:
    assert lint(simulator, "lz4_decompressor") == []
