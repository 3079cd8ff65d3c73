# SPDX-License-Identifier: MIT
"""cocotb tests that test_build.py runs, among them some that have to fail."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import cocotb
from cocotb.triggers import Timer

MASK = (1 << 32768) - 1


def tell_pid() -> None:
    """Tell the caller whose process to watch; appears at once, whole."""
    file = Path(os.environ["PID_FILE"])
    part = file.with_suffix(".part")
    part.write_text(str(os.getpid()))
    part.replace(file)


@cocotb.test()
async def ports_are_read_and_written_a_page_wide(dut: Any) -> None:
    source = random.Random(1)
    for _ in range(5):
        page, value = source.getrandbits(32768), source.randrange(256)
        dut.clk_i.value = 0
        dut.page_i.value, dut.value_i.value = page, value
        await Timer(1, "ns")
        dut.clk_i.value = 1
        await Timer(1, "ns")
        assert int(dut.page_o.value) == page ^ MASK
        assert dut.sum_o.value == (value + int(os.environ["STEP"])) & 0xFF
        assert dut.top_net.value == value


@cocotb.test()
async def inner_signals_are_hidden(dut: Any) -> None:
    await Timer(1, "ns")
    assert not hasattr(dut, "u_part") or not hasattr(dut.u_part, "inner")


@cocotb.test()
async def inner_signals_are_shown(dut: Any) -> None:
    dut.value_i.value = 3
    await Timer(1, "ns")
    assert dut.u_part.inner.value == 3 + int(os.environ["STEP"])


@cocotb.test()
async def this_one_fails(dut: Any) -> None:
    await Timer(1, "ns")
    raise AssertionError("on purpose")


@cocotb.test()
async def this_one_never_ends(dut: Any) -> None:
    tell_pid()
    while True:
        await Timer(1, "us")


@cocotb.test()
async def this_one_kills_the_simulator(dut: Any) -> None:
    await Timer(1, "ns")
    os.abort()
