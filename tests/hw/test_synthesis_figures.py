# SPDX-License-Identifier: MIT
"""What is read from Yosys' answers: area of the largest block, gate equivalents, bits, and the path that is left."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hw.asic import critical_path_ns, gate_area, memory_bits
from hw.fpga import BLOCKS, COMPRESSOR, DECOMPRESSOR, WHOLE, largest_block, targets
from hw.sources import ROOT, closure
from hw.synthesis import SynthesisError

LIBERTY = """library (cells) {
  cell (INVX1) { cell_footprint : inv; area : 16; }
  cell ("NAND2X1") {
    area : 24;
    pin(A) { direction : input; }
  }
}
"""


def test_the_largest_block_counts_all_that_is_below_it_as_often_as_it_is_there() -> None:
    modules = {
        "\\top": {"num_cells_by_type": {"LUT4": 900, "alone": 1, r"$paramod$0a1b\pair": 1}},
        "\\alone": {"num_cells_by_type": {"LUT4": 20, "CCU2C": 3, "TRELLIS_DPR16X4": 2}},  # 30
        "$paramod$0a1b\\pair": {"num_cells_by_type": {"LUT4": 1, r"$paramod\half\WIDTH=8": 2}},  # 1 + 2 * 16
        "$paramod\\half\\WIDTH=8": {"num_cells_by_type": {"LUT4": 16, "TRELLIS_FF": 500}},
    }
    assert largest_block(modules, "top") == "pair, 33 LUTs"


def test_blocks_engines_and_the_whole_device_are_synthesized_and_are_of_the_device() -> None:
    assert [target.module for target in targets()] == [*BLOCKS, DECOMPRESSOR, COMPRESSOR, WHOLE]
    assert {path.stem for path in closure(WHOLE)} >= {*BLOCKS, DECOMPRESSOR, COMPRESSOR}


def test_a_gate_equivalent_is_the_area_of_the_smallest_nand(tmp_path: Path) -> None:
    file = tmp_path / "cells.lib"
    file.write_text(LIBERTY)
    assert gate_area(file) == 24
    file.write_text(LIBERTY.replace("NAND2X1", "NAND3X1"))
    with pytest.raises(SynthesisError, match=r"cells\.lib: no cell NAND2X1"):
        gate_area(file)


def test_memories_are_counted_in_bits() -> None:
    dump = "  cell $mem_v2 \\a\n    parameter \\SIZE 256\n    parameter signed \\WIDTH 30\n"
    dump += "  cell $mem_v2 \\b\n    parameter \\SIZE 64\n    parameter \\WIDTH 8\n"
    assert memory_bits(dump) == 256 * 30 + 64 * 8
    assert memory_bits("") == 0


def test_the_critical_path_is_that_of_the_last_sizing() -> None:
    log = "ABC: Area = 2. Delay =  3855.52 ps  ( 2.7 %)\nABC: Area = 1. Delay =  2285.63 ps  ( 4.8 %)\n"
    assert critical_path_ns(log) == 2.286
    assert critical_path_ns("") is None


def test_a_library_that_is_not_there_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "hw.asic", "--liberty", str(tmp_path / "none.lib")]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    said = done.stderr.splitlines()[-1]
    assert "none.lib: No such file" in said
    assert "qflow-tech-osu018" in said
