# SPDX-License-Identifier: MIT
"""cocotb tests of heat_tracker with counts of all 32 bits, which they set from inside; run by test_heat_tracker.py."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from tests.hw.bench_heat_tracker import RING, access, settled, started
from tests.hw.expect import expect


@cocotb.test()
async def what_was_dropped_is_counted_in_32_bit(dut: Any) -> None:
    await started(dut)
    dut.threshold_i.value = 1
    for page in range(RING):
        await access(dut, page)
    for overflow in (0xFFFFFFFF, 0x7FFFFFFF, 0x55555555):
        dut.overflow_q.value = overflow
        dut.forget_i.value, dut.forget_page_i.value = 1, 9
        await RisingEdge(dut.clk_i)
        dut.forget_i.value = 0
        await RisingEdge(dut.clk_i)
        expect(dut.overflow_o, overflow)
        await access(dut, 9)
        await settled(dut)
        expect(dut.overflow_o, (overflow + 1) % (1 << 32))


@cocotb.test()
async def a_period_may_have_all_32_bit(dut: Any) -> None:
    """The last access of a period halves; the one before it does not."""
    source = await started(dut)
    dut.threshold_i.value = 3
    for page in range(40):
        period = source.getrandbits(32) | 1 << 20
        dut.period_i.value = period
        dut.since_q.value = period - 3
        await RisingEdge(dut.clk_i)
        nominated = int(dut.count_o.value)
        for _ in range(3):
            await access(dut, page)  # the third begins hot enough and ends the period
        await settled(dut)
        expect(dut.since_q, 0)
        expect(dut.count_o, nominated + 1)
        await access(dut, page)  # 3 is halved to 1: this makes it 2
        await settled(dut)
        expect(dut.count_o, nominated + 1)
        await access(dut, page)  # and this 3, once more
        await settled(dut)
        expect(dut.count_o, nominated + 2)
        dut.pop_i.value = 1
        for _ in range(2):
            await RisingEdge(dut.clk_i)
        dut.pop_i.value = 0
