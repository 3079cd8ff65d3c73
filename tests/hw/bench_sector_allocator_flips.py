# SPDX-License-Identifier: MIT
"""sector_allocator: flips in the memory of its links. A bench of its own, since a netlist has no such memory."""

from __future__ import annotations

import os
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from tests.hw.bench_sector_allocator import PUSH, SECTORS, TB


@cocotb.test(timeout_time=200, timeout_unit="ms")
async def a_link_of_the_free_list_that_cannot_be_told_costs_no_sector_but_those_whose_words_are_bad(dut: Any) -> None:
    """Flips in words of any sector: none in use is handed out, and the others come back in a sweep."""
    tb = TB(dut)
    memory = dut.u_links.memory_q
    swept = lost = 0
    for _ in range(int(os.environ["ROUNDS"]) // 10):
        await tb.reset()
        used = {await tb.pop() for _ in range(tb.random.randint(2, SECTORS))}
        free = set(range(SECTORS)) - used
        for sector in tb.random.sample(sorted(used), tb.random.randint(1, len(used) - 1)):
            await tb.run(PUSH, sector)
            used.discard(sector)
            free.add(sector)
        head = int(dut.head_q.value)
        bad = {head, *tb.random.sample(range(SECTORS), tb.random.randrange(3))}
        for sector in bad:
            word = memory[sector].value  # of a sector that was never handed out: anything
            memory[sector].value = (int(word) if word.is_resolvable else 0) ^ 0b101
        listed = int(dut.list_count_q.value)
        fresh = int(dut.fresh_q.value)
        assert await tb.pop() == head
        used.add(head)
        free.discard(head)
        start = await tb.cycles_until_ready()
        gone = {sector for sector in bad & free if sector < fresh} if listed > 1 else set()
        assert start <= 4 * fresh + 4
        swept += listed > 1
        lost += len(gone)
        assert tb.lost == len(gone)
        free -= gone
        if listed > 1:
            assert await tb.free() == len(free)
            for _ in range(len(free)):
                taken = await tb.pop()
                assert taken in free and taken not in used
                used.add(taken)
            assert await tb.free() == 0
    assert swept and lost, "there were sweeps, and sectors that they did not find"


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def a_held_sector_whose_link_cannot_be_told_comes_back_and_those_held_before_it_are_lost(dut: Any) -> None:
    """They come back in the order in which the list has them, the last one first. The lost are told at once."""
    tb = TB(dut)
    memory = dut.u_links.memory_q
    for bad in range(4):
        await tb.reset()
        held = [await tb.pop() for _ in range(6)]
        dut.hold_i.value = 1
        for sector in held:
            await tb.run(PUSH, sector)
        dut.hold_i.value = 0
        before = await tb.free()
        broken = held[len(held) - 1 - bad]
        memory[broken].value = int(memory[broken].value) ^ 0b101
        dut.settled_i.value = 1
        lost = 0
        for _ in range(8 * len(held)):
            await RisingEdge(dut.clk_i)
            if dut.lost_valid_o.value == 1:
                lost += int(dut.lost_o.value)
        dut.settled_i.value = 0
        assert lost == len(held) - 1 - bad
        assert await tb.free() == before + bad + 1
