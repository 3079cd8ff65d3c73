# SPDX-License-Identifier: MIT
"""The decompressor accepts what liblz4 accepts and yields the same pages, under both simulators, at every width."""

from __future__ import annotations

from typing import Literal

import pytest

from hw.build import BuildError, build
from hw.lint import lint
from hw.simulate import simulate
from tests.marks import first_in_test

# A page takes 4096 / width cycles, and Icarus is several times slower: fewer blocks where they take long.
EFFORT = {
    "verilator": {1: 0.1, 4: 0.4, 8: 1.0, 16: 1.0},
    "icarus": {1: 0.02, 4: 0.05, 8: 0.1, 16: 0.2},
}
WIDTHS = (8, 1, 4, 16)

simulators = pytest.mark.parametrize("simulator", ["verilator", "icarus"])


@pytest.mark.parametrize("width", first_in_test(WIDTHS))
@simulators
def test_decodes_as_liblz4_does(simulator: Literal["verilator", "icarus"], width: int) -> None:
    rtl = build("lz4_decompressor", simulator, {"BYTES_PER_CYCLE": width})
    settings = {"BYTES_PER_CYCLE": str(width), "EFFORT": str(EFFORT[simulator][width])}
    run = simulate(rtl, "tests.hw.bench_lz4_decompressor", environment=settings, timeout_s=900)
    for line in (run / "simulation.log").read_text().splitlines():
        if "bytes/cycle" in line:  # the measured throughput; `pytest -s` shows it
            print(simulator, line.partition(" width ")[2])


@simulators
def test_lint_is_clean(simulator: Literal["verilator", "icarus"]) -> None:
    assert lint(simulator, "lz4_decompressor") == []


@simulators
def test_an_illegal_width_ends_the_build_with_a_sentence(simulator: Literal["verilator", "icarus"]) -> None:
    with pytest.raises(BuildError, match="BYTES_PER_CYCLE_must_be_1_4_8_or_16"):
        build("lz4_decompressor", simulator, {"BYTES_PER_CYCLE": 2})
