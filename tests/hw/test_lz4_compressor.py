# SPDX-License-Identifier: MIT
"""The compressor's blocks are blocks of liblz4, nearly as small as its own, under both simulators."""

from __future__ import annotations

from typing import Literal

import pytest

from hw.build import build
from hw.lint import lint
from hw.simulate import simulate
from tests.marks import first_in_test

EFFORT = {"verilator": 1.0, "icarus": 0.1}  # Icarus is some twenty times slower

simulators = pytest.mark.parametrize("simulator", ["verilator", "icarus"])


@pytest.mark.parametrize("simulator", first_in_test(["verilator", "icarus"]))
def test_liblz4_decodes_every_block(simulator: Literal["verilator", "icarus"]) -> None:
    """The rules are in bench_lz4_compressor.py; `pytest -s` shows the figures of the run."""
    rtl = build("lz4_compressor", simulator)
    settings = {"EFFORT": str(EFFORT[simulator])}
    run = simulate(rtl, "tests.hw.bench_lz4_compressor", environment=settings, timeout_s=600)
    for line in (run / "simulation.log").read_text().splitlines():
        if "figures: " in line:
            print(simulator, line.partition("figures: ")[2])


@simulators
def test_lint_is_clean(simulator: Literal["verilator", "icarus"]) -> None:
    assert lint(simulator, "lz4_compressor") == []
