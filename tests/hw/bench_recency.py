# SPDX-License-Identifier: MIT
"""recency: the least recently used of some entries. Oracle: a list of entries, the last one used first."""

from __future__ import annotations

import os
import random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge

from tests.hw.expect import expect

ENTRIES, USERS, QUESTIONS = (int(os.environ[name]) for name in ("ENTRIES", "USERS", "QUESTIONS"))


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def the_oldest_of_any_set_is_shown_whatever_is_used_at_once(dut: Any) -> None:
    """Random uses, several in a cycle and of the same entry too; a reset in the middle."""
    source = random.Random(cocotb.RANDOM_SEED)
    dut.rst_ni.value = dut.touch_i.value = dut.among_i.value = 0
    Clock(dut.clk_i, 2, unit="ns").start()
    for _ in range(2):
        await RisingEdge(dut.clk_i)
    order = list(range(ENTRIES))
    together = 0
    for cycle in range(2000):
        reset = cycle == 1000
        uses = [source.randrange(ENTRIES) if source.random() < 0.5 else None for _ in range(USERS)]
        sets = [source.getrandbits(ENTRIES) for _ in range(QUESTIONS)]
        dut.rst_ni.value = int(not reset)
        dut.touch_i.value = sum(1 << user * ENTRIES + entry for user, entry in enumerate(uses) if entry is not None)
        dut.among_i.value = sum(members << number * ENTRIES for number, members in enumerate(sets))
        await FallingEdge(dut.clk_i)
        oldest = 0
        for number, members in enumerate(sets):
            found = next((entry for entry in reversed(order) if members >> entry & 1), None)
            oldest |= 0 if found is None else 1 << number * ENTRIES + found
        expect(dut.oldest_o, oldest)
        for entry in (entry for entry in uses if entry is not None):
            order.remove(entry)
            order.insert(0, entry)
        together += len({entry for entry in uses if entry is not None}) > 1
        if reset:
            order = list(range(ENTRIES))
        await RisingEdge(dut.clk_i)
    assert together > 100 or USERS == 1
