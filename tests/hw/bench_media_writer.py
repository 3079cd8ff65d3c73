# SPDX-License-Identifier: MIT
"""media_writer: sectors to AXI4 bursts, cycle by cycle. Oracle: what is left of the sector under way, and a count.

A chain has 64 sectors; `clear_i` comes between two of them.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge

from tests.hw.expect import expect

SECTOR_BYTES, SECTOR_BITS = int(os.environ["SECTOR_BYTES"]), int(os.environ["SECTOR_BITS"])
BEATS = SECTOR_BYTES // 64
CHAIN = 64  # sectors between two clears, at most
INPUTS = (
    *("rst_ni", "clear_i", "sector_valid_i", "sector_i", "offset_i", "beats_i", "data_valid_i", "data_i"),
    *("m_axi_awready", "m_axi_wready", "m_axi_bresp", "m_axi_bvalid", "late_i", "owed_i"),
)


@dataclass
class Burst:
    """The sector under way: what is still to be taken of it."""

    sector: int
    offset: int
    beats: int
    address: bool = True
    left: int = 0


class TB:
    """The oracle, and the four sides of the writer: sectors, data, the media's requests and its responses."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.random = random.Random(cocotb.RANDOM_SEED)
        self.burst: Burst | None = None
        self.waiting = 0  # bursts without a response, that under way included
        self.begun = self.answered = 0  # sectors since the last clear
        self.bad = 0  # their positions, a mask
        self.late = self.owed = False
        self.sector: tuple[int, int, int] | None = None  # its number, beats left out before, beats
        self.data: int | None = None

    async def start(self) -> None:
        """Quiet inputs, a running clock, a reset."""
        for name in INPUTS:
            getattr(self.dut, name).value = 0
        Clock(self.dut.clk_i, 2, unit="ns").start()
        for _ in range(2):
            await RisingEdge(self.dut.clk_i)
        self.dut.rst_ni.value = 1

    async def cycle(self, eager: float, answering: float) -> None:
        """One cycle: what is offered stays until it is taken; all outputs are checked."""
        dut, source = self.dut, self.random
        if self.sector is None and self.begun < CHAIN and source.random() < eager:
            beats = source.randint(1, BEATS)
            self.sector = source.getrandbits(SECTOR_BITS), source.randint(0, BEATS - beats), beats
        if self.data is None and source.random() < eager:
            self.data = source.getrandbits(512)
        takes_address, takes_data = source.getrandbits(1), source.getrandbits(1)
        answers = self.waiting > (self.burst is not None) and source.random() < answering
        bad, late = source.random() < 0.1, source.random() < 0.02
        dut.sector_valid_i.value = int(self.sector is not None)
        sector, offset, beats = self.sector or (source.getrandbits(SECTOR_BITS), source.getrandbits(6), 0)
        dut.sector_i.value, dut.offset_i.value, dut.beats_i.value = sector, offset, beats
        dut.data_valid_i.value = int(self.data is not None)
        dut.data_i.value = source.getrandbits(512) if self.data is None else self.data
        dut.m_axi_awready.value, dut.m_axi_wready.value = takes_address, takes_data
        dut.m_axi_bvalid.value, dut.m_axi_bresp.value = int(answers), (2 | source.getrandbits(1)) if bad else 0
        owed = late and source.random() < 0.5
        dut.late_i.value, dut.owed_i.value = int(late), int(owed)
        await FallingEdge(dut.clk_i)
        self._check(takes_data)
        self._step(bool(takes_address), bool(takes_data))
        self.waiting -= answers
        if answers:
            self.bad |= (bad and not late) << self.answered
            self.late |= bad and late
            self.owed |= bad and owed
            self.answered += 1
        await RisingEdge(dut.clk_i)

    def _check(self, takes_data: int) -> None:
        dut, burst = self.dut, self.burst
        expect(dut.idle_o, self.waiting == 0)
        expect(dut.bad_o, self.bad)
        expect(dut.late_o, self.late)
        expect(dut.owed_o, self.owed)
        expect(dut.sector_ready_o, burst is None)
        expect(dut.m_axi_bready, 1)
        expect(dut.m_axi_awvalid, burst is not None and burst.address)
        if burst is not None and burst.address:
            expect(dut.m_axi_awaddr, burst.sector * SECTOR_BYTES + burst.offset * 64)
            expect(dut.m_axi_awlen, burst.beats - 1)
        sending = burst is not None and burst.left > 0
        expect(dut.data_ready_o, sending and takes_data == 1)
        expect(dut.m_axi_wvalid, sending and self.data is not None)
        if burst is not None and sending and self.data is not None:
            expect(dut.m_axi_wdata, self.data)
            expect(dut.m_axi_wlast, burst.left == 1)

    def _step(self, takes_address: bool, takes_data: bool) -> None:
        burst = self.burst
        if burst is None:
            if self.sector is not None:
                self.burst = Burst(*self.sector, left=self.sector[2])
                self.sector = None
                self.waiting += 1
                self.begun += 1
        else:
            burst.address = burst.address and not takes_address
            if burst.left and takes_data and self.data is not None:
                burst.left -= 1
                self.data = None
            if not burst.address and not burst.left:
                self.burst = None

    async def clear(self) -> None:
        """The next chain: its positions count from 0."""
        self.dut.clear_i.value = 1
        self.begun = self.answered = self.bad = 0
        self.late = self.owed = False
        await RisingEdge(self.dut.clk_i)
        self.dut.clear_i.value = 0


@cocotb.test(timeout_time=200, timeout_unit="us")
async def each_sector_is_one_burst_of_its_beats_and_the_bad_ones_are_named(dut: Any) -> None:
    """Chain after chain: with no answer before the last sector, with late and with early answers."""
    tb = TB(dut)
    await tb.start()
    seen = 0
    for round_ in range(18):
        while tb.begun < CHAIN:
            await tb.cycle(eager=0.9, answering=(0, 0.05, 0.9)[round_ % 3])
        while tb.waiting:
            await tb.cycle(eager=0.9, answering=0.9)
        await tb.cycle(eager=0, answering=0)
        seen += tb.bad.bit_count() + tb.late
        await tb.clear()
    assert seen > CHAIN, "bad and late answers came"
