# SPDX-License-Identifier: MIT
"""The three links are one device: random operations inside a simulator, compared step by step (rules.py).

The simulator's device has no gated clocks, the library's has: that they agree on every cycle shows that blocks whose
clock is stopped miss nothing.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from hw.build import build
from hw.links.cocotb import BENCH_SOURCES
from hw.simulate import simulate
from tests.driver.conftest import PARAMETERS
from tests.marks import VERIFY

RULES = Path(__file__).with_name("rules.py")


@VERIFY
def test_cocotb_and_verilated_agree_on_every_cycle_and_the_model_on_all_but_cycles() -> None:
    built = build("cram_tb", "verilator", PARAMETERS.verilog() | {"GATE_CLOCKS": 0}, sources=BENCH_SOURCES)
    environment = {"VCRAM_TESTS": shlex.join(["-s", str(RULES)])}
    folder = simulate(built, "tests.driver.inside", environment=environment, timeout_s=900)
    log = (folder / "simulation.log").read_text(errors="replace")
    assert re.search(r"\d+ steps, \d+ compared with the model", log), "the rules must have run"
