# SPDX-License-Identifier: MIT
"""The compressor's blocks are blocks of liblz4, nearly as small as its own, under both simulators, at every width."""

from __future__ import annotations

from typing import Literal

import pytest

from hw.build import BuildError, build
from hw.lint import lint
from hw.simulate import simulate
from hw.tools import SIMULATORS
from tests.marks import first_in_test

# Fewer pages where one takes longer: Icarus is some twenty times slower, and narrow engines take more cycles.
EFFORT = {"verilator": 1.0, "icarus": 0.1}
WIDTHS = {8: 1.0, 1: 0.3, 4: 0.6, 16: 1.0}

simulators = pytest.mark.parametrize("simulator", ["verilator", "icarus"])


@pytest.mark.parametrize(
    ("simulator", "width"), first_in_test([(simulator, width) for width in WIDTHS for simulator in SIMULATORS])
)
def test_liblz4_decodes_every_block(simulator: Literal["verilator", "icarus"], width: int) -> None:
    """The rules are in bench_lz4_compressor.py; `pytest -s` shows the figures of the run."""
    rtl = build("lz4_compressor", simulator, {"BYTES_PER_CYCLE": width})
    settings = {"BYTES_PER_CYCLE": str(width), "EFFORT": str(EFFORT[simulator] * WIDTHS[width])}
    run = simulate(rtl, "tests.hw.bench_lz4_compressor", environment=settings, timeout_s=600)
    for line in (run / "simulation.log").read_text().splitlines():
        if "figures: " in line:
            print(simulator, line.partition("figures: ")[2])


@simulators
def test_lint_is_clean(simulator: Literal["verilator", "icarus"]) -> None:
    assert lint(simulator, "lz4_compressor") == []


@simulators
def test_an_illegal_width_ends_the_build_with_a_sentence(simulator: Literal["verilator", "icarus"]) -> None:
    with pytest.raises(BuildError, match="BYTES_PER_CYCLE_must_be_1_4_8_or_16"):
        build("lz4_compressor", simulator, {"BYTES_PER_CYCLE": 2})
