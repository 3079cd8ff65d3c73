"""All RTL is clean under both linters, and what is waived has a reason."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from hw.lint import lint
from hw.sources import RTL, closure, tops
from hw.tools import SIMULATORS, Simulator

simulators = pytest.mark.parametrize("simulator", SIMULATORS)


@simulators
def test_all_rtl_is_lint_clean(simulator: Simulator) -> None:
    """`verilator --lint-only -Wall` with the waivers of hw/rtl/*waivers.vlt, `iverilog -g2005 -Wall`."""
    names = tops()
    covered = {path for top in names for path in closure(top)}
    assert covered == set(RTL.glob("*.v"))
    assert [line for top in names for line in lint(simulator, top)] == []


@simulators
def test_lint_complains(simulator: Simulator, tmp_path: Path) -> None:
    sloppy = tmp_path / "sloppy.v"
    sloppy.write_text("module sloppy (input wire [7:0] a_i, output wire [3:0] b_o);\n  assign b_o = c;\nendmodule\n")
    assert lint(simulator, "sloppy", [sloppy]) != []


def test_every_waiver_has_a_reason() -> None:
    lines = [line for path in RTL.glob("*waivers.vlt") for line in path.read_text().splitlines()]
    for before, line in pairwise(lines):
        if line.startswith("lint_off"):
            assert before.startswith(("// ", "lint_off")), line
