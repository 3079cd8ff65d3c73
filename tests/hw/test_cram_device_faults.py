# SPDX-License-Identifier: MIT
"""Faults that meet each other, and resets in the middle of each kind of work (docs/device.md).

The same builds as test_cram_device.py, under both simulators. docs/verification.md tells what is checked where.
"""

from __future__ import annotations

import pytest

from hw.parameters import DeviceParameters
from hw.simulate import simulate
from hw.tools import SIMULATORS, Simulator
from tests.hw.cram_device_tb import environment
from tests.hw.test_cram_device import EFFORT, LARGE_SECTORS, SHORT, SMALL, TINY_SECTORS, compiled, label
from tests.marks import VERIFY

CASES = [
    ("faults", SMALL), ("faults", TINY_SECTORS), ("faults", LARGE_SECTORS),
    ("reset", SMALL), ("reset", TINY_SECTORS),
    ("late", SMALL), ("late", TINY_SECTORS), ("late", LARGE_SECTORS),
]  # fmt: skip


@pytest.mark.parametrize("bench", ["faults", "reset", "late"])
def test_the_small_device_in_short(bench: str) -> None:
    """The rules are in bench_cram_device_<bench>.py."""
    settings = environment(SMALL, SHORT["verilator"])
    simulate(compiled("verilator", SMALL), f"tests.hw.bench_cram_device_{bench}", environment=settings, timeout_s=600)


@VERIFY
@pytest.mark.parametrize(("bench", "parameters"), CASES, ids=label)
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_device(simulator: Simulator, bench: str, parameters: DeviceParameters) -> None:
    """The rules are in bench_cram_device_<bench>.py."""
    settings = environment(parameters, EFFORT[simulator])
    module = f"tests.hw.bench_cram_device_{bench}"
    simulate(compiled(simulator, parameters), module, environment=settings, timeout_s=600)
