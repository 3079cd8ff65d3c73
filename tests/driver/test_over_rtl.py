# SPDX-License-Identifier: MIT
"""The driver's contract tests, run against the RTL in both simulators."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from hw.build import build
from hw.links.cocotb import BENCH_SOURCES
from hw.simulate import simulate
from hw.tools import SIMULATORS, Simulator
from tests.driver.conftest import PARAMETERS
from tests.marks import VERIFY

HERE = Path(__file__).parent
FILES = [
    "test_linux_probe.py",
    "test_probe.py",
    "test_pages.py",
    "test_exhaustion.py",
    "test_mailbox.py",
    "test_watermarks.py",
]
# Icarus is some twenty times slower; these run on the verilated link, too.
MORE = [
    "test_cxl.py",
    "test_cxl_host.py",
    "test_readers.py",
    "test_fence.py",
    "test_hot.py",
    "test_import.py",
    "test_pressure.py",
    "test_trim_in_use.py",
]


def passed(simulator: Simulator, files: list[str]) -> int:
    """How many tests of these files pass in a simulator, where all must."""
    built = build("cram_tb", simulator, PARAMETERS.verilog(), sources=BENCH_SOURCES)
    tests = shlex.join(str(HERE / name) for name in files)
    folder = simulate(built, "tests.driver.inside", environment={"VCRAM_TESTS": tests}, timeout_s=900)
    summary = re.findall(r"(\d+) passed", (folder / "simulation.log").read_text(errors="replace"))
    return int(summary[-1])


def test_probe_and_watermarks_hold_on_the_rtl_under_icarus() -> None:
    """Nothing is compiled for long: the way through cocotb to the pins, in short."""
    assert passed("icarus", ["test_probe.py", "test_watermarks.py"]) >= 5


@VERIFY
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_the_contract_holds_on_the_rtl(simulator: Simulator) -> None:
    files = [*FILES, *MORE] if simulator == "verilator" else FILES
    assert passed(simulator, files) >= 60, "most of the contract must have run"
