# SPDX-License-Identifier: MIT
"""sector_allocator: sectors are in one place only. Oracle: a set of free sectors and a dict of successors."""

from __future__ import annotations

import os
import random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from tests.hw.expect import expect

SECTORS = int(os.environ["SECTORS"])
POP, PUSH, LINK, FOLLOW = range(4)


class TB:
    """One operation at a time, as the page store makes them."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.random = random.Random(cocotb.RANDOM_SEED)
        self.lost = 0  # sectors that a sweep has not found
        for name in ("op_valid_i", "op_i", "sector_i", "next_i", "hold_i", "settled_i", "rst_ni"):
            getattr(dut, name).value = 0
        Clock(dut.clk_i, 2, unit="ns").start()

    async def reset(self) -> None:
        self.dut.rst_ni.value = 0
        await RisingEdge(self.dut.clk_i)
        self.dut.rst_ni.value = 1
        await RisingEdge(self.dut.clk_i)

    async def run(self, op: int, sector: int = 0, successor: int = 0) -> int:
        """One operation; its result."""
        dut = self.dut
        dut.op_valid_i.value, dut.op_i.value = 1, op
        dut.sector_i.value, dut.next_i.value = sector, successor
        await RisingEdge(dut.clk_i)
        while dut.op_ready_o.value != 1:
            await RisingEdge(dut.clk_i)
        dut.op_valid_i.value = 0
        await RisingEdge(dut.clk_i)
        if op != PUSH and op != LINK and dut.result_valid_o.value != 1:  # the table takes a cycle more
            await RisingEdge(dut.clk_i)
        expect(dut.result_valid_o, 1)
        if op in (POP, FOLLOW):
            return int(dut.result_o.value)
        return 0

    async def cycles_until_ready(self) -> int:
        """Cycles until an operation would be taken; meanwhile `lost` is what a sweep has told."""
        self.lost = cycles = 0
        while self.dut.op_ready_o.value != 1:
            await RisingEdge(self.dut.clk_i)
            cycles += 1
            if self.dut.lost_valid_o.value == 1:
                self.lost += int(self.dut.lost_o.value)
        return cycles

    async def pop(self) -> int:
        """Take a sector."""
        return await self.run(POP)

    async def free(self) -> int:
        """Free sectors, a cycle after the last operation."""
        await RisingEdge(self.dut.clk_i)
        return int(self.dut.free_o.value)


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def every_sector_is_handed_out_once(dut: Any) -> None:
    """All of them, then none is free; after they have come back in any order, all of them again."""
    tb = TB(dut)
    await tb.reset()
    assert await tb.free() == SECTORS
    for _ in range(3):
        taken = [await tb.pop() for _ in range(SECTORS)]
        assert sorted(taken) == list(range(SECTORS))
        assert await tb.free() == 0
        tb.random.shuffle(taken)
        for sector in taken:
            await tb.run(PUSH, sector)
        assert await tb.free() == SECTORS
    await tb.reset()
    assert await tb.free() == SECTORS
    assert sorted([await tb.pop() for _ in range(SECTORS)]) == list(range(SECTORS))


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def chains_stay_what_they_were_linked_to(dut: Any) -> None:
    """Random takes, links, walks and gifts of whole chains; the free list shares its table with the chains."""
    tb = TB(dut)
    await tb.reset()
    free = set(range(SECTORS))
    chains: list[list[int]] = []
    for _ in range(int(os.environ["ROUNDS"])):
        if free and tb.random.random() < 0.55:
            chain: list[int] = []
            for _ in range(min(len(free), tb.random.randint(1, 8))):
                sector = await tb.pop()
                assert sector in free, f"sector {sector} was not free"
                free.discard(sector)
                if chain:
                    await tb.run(LINK, chain[-1], sector)
                chain.append(sector)
            chains.append(chain)
        elif chains:
            chain = chains.pop(tb.random.randrange(len(chains)))
            sector = chain[0]
            for position, expected in enumerate(chain):
                assert sector == expected
                successor = await tb.run(FOLLOW, sector) if position < len(chain) - 1 else sector
                await tb.run(PUSH, sector)
                free.add(sector)
                sector = successor
        assert await tb.free() == len(free)
        if chains:
            chain = tb.random.choice(chains)
            walk = [chain[0]]
            for _ in chain[1:]:
                walk.append(await tb.run(FOLLOW, walk[-1]))
            assert walk == chain


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def held_sectors_become_free_when_the_media_has_settled_and_not_before(dut: Any) -> None:
    """Those that were pushed with `hold_i`, a round trip of the table each; other operations go on meanwhile."""
    tb = TB(dut)
    for _ in range(3):
        await tb.reset()
        taken = [await tb.pop() for _ in range(SECTORS)]
        held, given = set(taken[::3]), set(taken[1::3])
        for sector in taken:
            dut.hold_i.value = int(sector in held)
            if sector in held | given:
                await tb.run(PUSH, sector)
        dut.hold_i.value = 0
        assert await tb.free() == len(given)
        assert {await tb.pop() for _ in range(len(given))} == given
        assert await tb.free() == 0
        dut.settled_i.value = 1
        await RisingEdge(dut.clk_i)
        for _ in range(3 * len(held)):
            await RisingEdge(dut.clk_i)
        assert dut.busy_o.value == 0
        assert await tb.free() == len(held)
        assert {await tb.pop() for _ in range(len(held))} == held
        dut.settled_i.value = 0
