# SPDX-License-Identifier: MIT
"""cocotb tests that test_simulate.py runs to see what a failure shows."""

from __future__ import annotations

import os
from typing import Any

import cocotb
from cocotb.triggers import Timer

from tests.hw.expect import PERIOD_NS, expect


@cocotb.test()
async def one_that_passes(dut: Any) -> None:
    for _ in range(100):
        dut._log.info("this is said by the other case")
    await Timer(PERIOD_NS, "ns")


@cocotb.test()
async def one_that_wants_too_much(dut: Any) -> None:
    dut._log.info("this is said by the case that fails, with seed %s", os.environ["COCOTB_RANDOM_SEED"])
    dut.value_i.value = 4
    await Timer(5 * PERIOD_NS, "ns")
    expect(dut.sum_o, 9, "four and five")


@cocotb.test()
async def one_that_passes_afterwards(dut: Any) -> None:
    for _ in range(100):
        dut._log.info("this is said by the other case")
    await Timer(PERIOD_NS, "ns")
