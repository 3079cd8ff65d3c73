"""The driver's contract tests, run against the RTL in both simulators."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hw.build import build
from hw.links.cocotb import BENCH_SOURCES
from hw.simulate import simulate
from hw.tools import SIMULATORS, Simulator
from tests.driver.conftest import PARAMETERS

HERE = Path(__file__).parent
FILES = ["test_probe.py", "test_pages.py", "test_exhaustion.py", "test_mailbox.py", "test_watermarks.py"]
# Icarus is some twenty times slower; these run on the verilated link, too.
MORE = ["test_cxl.py", "test_fence.py", "test_hot.py", "test_import.py", "test_pressure.py", "test_trim_in_use.py"]


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_the_contract_holds_on_the_rtl(simulator: Simulator, tmp_path: Path) -> None:
    built = build("cram_tb", simulator, PARAMETERS.verilog(), sources=BENCH_SOURCES)
    files = [*FILES, *MORE] if simulator == "verilator" else FILES
    tests = " ".join(str(HERE / name) for name in files)
    folder = simulate(built, "tests.driver.inside", environment={"VCRAM_TESTS": tests}, timeout_s=900, results=tmp_path)
    summary = re.findall(r"(\d+) passed", (folder / "simulation.log").read_text(errors="replace"))
    assert summary and int(summary[-1]) >= 60, "most of the contract must have run"
