# SPDX-License-Identifier: MIT
"""event_log: sixteen events, oldest first, with CXL's handles. Oracle: a deque."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge

from tests.hw.expect import expect, expect_all

DEPTH = 16
WORD = 0xFFFFFFFF


async def started(dut: Any) -> random.Random:
    """Quiet inputs and a reset."""
    events = ("event_valid_i", "event_code_i", "event_page_i", "event_sector_i")
    for name in (*events, "pop_i", "cleared_i", "index_i", "rst_ni"):
        getattr(dut, name).value = 0
    Clock(dut.clk_i, 2, unit="ns").start()
    for _ in range(2):
        await RisingEdge(dut.clk_i)
    dut.rst_ni.value = 1
    return random.Random(cocotb.RANDOM_SEED)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def events_leave_in_order_and_what_finds_no_room_is_counted(dut: Any) -> None:
    """Any code and page; every output is checked in every cycle, also across resets."""
    source = await started(dut)
    log: deque[tuple[int, int, int]] = deque()
    popped = overflow = known = 0
    for cycle in range(4000):
        eager = 0.9 if cycle // 200 % 2 else 0.3  # now filling, now draining
        event, pop = source.random() < eager, source.random() < 1.1 - eager
        cleared, reset = source.random() < 0.05, source.random() < 0.001
        code, page, index = source.getrandbits(8), source.getrandbits(32), source.randrange(DEPTH)
        sector = source.getrandbits(32)
        dut.event_sector_i.value = sector
        dut.event_valid_i.value, dut.event_code_i.value, dut.event_page_i.value = int(event), code, page
        dut.pop_i.value, dut.cleared_i.value, dut.index_i.value = int(pop), int(cleared), index
        dut.rst_ni.value = int(not reset)
        await FallingEdge(dut.clk_i)
        expect(dut.count_o, len(log))
        expect_all((dut.code_o, dut.page_o, dut.sector_o), log[0] if log else (0, 0, 0))
        expect(dut.handle_o, 0x8000 + popped)
        expect(dut.overflow_o, overflow)
        expect(dut.lost_o, overflow - known)
        if index < len(log):
            expect_all((dut.index_code_o, dut.index_page_o), log[index][:2])
        room = len(log) < DEPTH or pop
        expect(dut.logged_o, event and room)
        await RisingEdge(dut.clk_i)
        if cleared:
            known = overflow
        if pop and log:
            log.popleft()
            popped += 1
        if event and room:
            log.append((code, page, sector))
        overflow += event and not room
        if reset:
            log.clear()
            popped = overflow = known = 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def handles_start_again_at_8000h_and_counts_wrap_at_32_bit(dut: Any) -> None:
    await started(dut)
    dut.popped_q.value, dut.overflow_q.value = 0x7FFF, WORD
    dut.event_valid_i.value = 1
    for _ in range(DEPTH):
        await RisingEdge(dut.clk_i)
    await FallingEdge(dut.clk_i)
    expect(dut.handle_o, 0xFFFF)
    expect(dut.overflow_o, WORD)
    expect(dut.lost_o, WORD)
    dut.cleared_i.value = 1
    await RisingEdge(dut.clk_i)  # one more event is lost while the others become known
    dut.cleared_i.value, dut.event_valid_i.value, dut.pop_i.value = 0, 0, 1
    await FallingEdge(dut.clk_i)
    expect(dut.overflow_o, 0)
    expect(dut.lost_o, 1)
    await RisingEdge(dut.clk_i)
    await FallingEdge(dut.clk_i)
    expect(dut.handle_o, 0x8000)
    dut.cleared_i.value = 1
    await RisingEdge(dut.clk_i)
    await FallingEdge(dut.clk_i)
    expect(dut.lost_o, 0)
