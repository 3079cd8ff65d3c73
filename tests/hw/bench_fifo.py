# SPDX-License-Identifier: MIT
"""fifo: a queue. Oracle: a deque."""

from __future__ import annotations

import os
import random
from collections import deque
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge

from tests.hw.expect import expect

WIDTH, DEPTH = int(os.environ["WIDTH"]), int(os.environ["DEPTH"])


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def items_leave_in_order_whatever_both_sides_do(dut: Any) -> None:
    """Random pushes, pops and clears; every output is checked in every cycle."""
    source = random.Random(cocotb.RANDOM_SEED)
    for name in ("clear_i", "in_valid_i", "out_ready_i", "in_data_i", "rst_ni"):
        getattr(dut, name).value = 0
    Clock(dut.clk_i, 2, unit="ns").start()
    for _ in range(2):
        await RisingEdge(dut.clk_i)
    dut.rst_ni.value = 1
    queue: deque[int] = deque()
    full = empty = 0
    for cycle in range(4000):
        eager = 0.9 if cycle // 200 % 2 else 0.2  # now filling, now draining
        push, pop, clear = source.random() < eager, source.random() < 1.1 - eager, source.random() < 0.01
        item = source.getrandbits(WIDTH)
        dut.in_valid_i.value, dut.in_data_i.value = int(push), item
        dut.out_ready_i.value, dut.clear_i.value = int(pop), int(clear)
        await FallingEdge(dut.clk_i)
        expect(dut.in_ready_o, len(queue) < DEPTH)
        expect(dut.out_valid_o, bool(queue))
        if queue:
            expect(dut.out_data_o, queue[0])
        full, empty = full + (len(queue) == DEPTH), empty + (not queue)
        taken = push and len(queue) < DEPTH
        if pop and queue:
            queue.popleft()
        if taken:
            queue.append(item)
        if clear:
            queue.clear()
        await RisingEdge(dut.clk_i)
    assert full > 50 and empty > 50


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_reset_empties_it(dut: Any) -> None:
    """Also in the middle of a run, full."""
    Clock(dut.clk_i, 2, unit="ns").start()
    for name in ("clear_i", "out_ready_i", "in_data_i", "rst_ni"):
        getattr(dut, name).value = 0
    dut.in_valid_i.value = 1
    for _ in range(2):
        await RisingEdge(dut.clk_i)
    for _ in range(2):
        dut.rst_ni.value = 1
        for _ in range(DEPTH):
            await RisingEdge(dut.clk_i)
        await FallingEdge(dut.clk_i)
        expect(dut.out_valid_o, 1)
        expect(dut.in_ready_o, 0)
        dut.rst_ni.value = 0
        await RisingEdge(dut.clk_i)
        await FallingEdge(dut.clk_i)
        expect(dut.out_valid_o, 0)
        expect(dut.in_ready_o, 1)
