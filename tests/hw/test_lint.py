# SPDX-License-Identifier: MIT
"""All Verilog is clean under the linters, and what is waived has a reason."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from hw import style
from hw.lint import elaborations, lint, slang
from hw.sources import RTL, closure, tops
from hw.tools import SIMULATORS, Simulator

OURS = [Path(__file__).resolve().parent]
"""There is Verilog of the tests, too."""

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


def test_all_verilog_is_clean_under_slang() -> None:
    """Verilog-2005, nothing used before it is declared, no implicit net."""
    assert {path for _, files, _ in elaborations(OURS) for path in files} == {
        path.resolve() for path in style.sources(OURS)
    }
    assert [line for top, files, checker in elaborations(OURS) for line in slang(top, files, checker)] == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("assign b_o = late;\n  wire late = a_i;", "'late' used before its declaration"),
        ("assign b_o = missing;", "undeclared identifier 'missing'"),
        ("wire medium = a_i;\n  assign b_o = medium;", "error"),
        ("sloppy u_other (.a_i(a_i), .c_o());\n  assign b_o = a_i;", "port 'c_o' does not exist"),
        ("always_comb b_o = a_i;", "error"),
    ],
)
def test_slang_complains(text: str, complaint: str, tmp_path: Path) -> None:
    folder = tmp_path / "a path with blanks"
    folder.mkdir()
    sloppy = folder / "sloppy.v"
    sloppy.write_text(f"`default_nettype none\nmodule sloppy (input wire a_i, output wire b_o);\n  {text}\nendmodule\n")
    said = slang("sloppy", [sloppy])
    assert any(complaint in line and "sloppy.v:3:" in line for line in said), said


def test_every_waiver_has_a_reason() -> None:
    lines = [line for path in RTL.glob("*waivers.vlt") for line in path.read_text().splitlines()]
    for before, line in pairwise(lines):
        if line.startswith("lint_off"):
            assert before.startswith(("// ", "lint_off")), line
