# SPDX-License-Identifier: MIT
"""AXI4 bursts of every legal shape, driven channel by channel, and what they mean (AMBA AXI, A3.4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

import cocotb
from cocotb.triggers import Event
from cocotbext.axi import AxiBurstType, AxiBus, AxiResp
from cocotbext.axi.axi_channels import (
    AxiARSource,
    AxiARTransaction,
    AxiAWSource,
    AxiAWTransaction,
    AxiBSink,
    AxiRSink,
    AxiWSource,
    AxiWTransaction,
)

from hw.link import PAGE_BYTES

BUS_BYTES = 64
FIXED, INCR, WRAP = AxiBurstType.FIXED, AxiBurstType.INCR, AxiBurstType.WRAP


@dataclass(frozen=True)
class Burst:
    """One burst: start address, number of beats, log2 of the bytes a beat, type."""

    address: int
    beats: int
    size: int
    kind: AxiBurstType

    def beat(self, number: int) -> tuple[int, range]:
        """Address of the bus word of a beat, and the byte lanes in it that the beat may use."""
        nbytes = 1 << self.size
        aligned = self.address // nbytes * nbytes
        address = aligned + number * nbytes
        if number == 0 or self.kind == FIXED:
            address = self.address
        elif self.kind == WRAP:
            boundary = self.address // (nbytes * self.beats) * (nbytes * self.beats)
            if address >= boundary + nbytes * self.beats:
                address -= nbytes * self.beats
        word = address // BUS_BYTES * BUS_BYTES
        end = address // nbytes * nbytes + nbytes
        return word, range(address - word, end - word)


def random_burst(source: Random, page: int) -> Burst:
    """Any legal burst inside a page."""
    size = source.choice([0, 1, 2, 3, 4, 5, 6, 6, 6])
    nbytes = 1 << size
    kind = source.choice([INCR, INCR, WRAP, FIXED])
    start = page * PAGE_BYTES + source.randrange(PAGE_BYTES)
    if kind == FIXED:
        return Burst(start, source.randint(1, 16), size, kind)
    if kind == WRAP:
        return Burst(start // nbytes * nbytes, source.choice([2, 4, 8, 16]), size, kind)
    if source.random() < 0.3:  # long ones
        start = page * PAGE_BYTES + source.randrange(min(nbytes * 4, PAGE_BYTES))
    room = (PAGE_BYTES - start // nbytes * nbytes % PAGE_BYTES) // nbytes
    longest = min(256, room)
    return Burst(start, source.choice([1, longest, source.randint(1, longest), min(longest, 4)]), size, kind)


def random_strobes(source: Random, burst: Burst) -> list[int]:
    """Strobes of every beat: all lanes, some, or none."""
    strobes = []
    mode = source.choice(["all", "all", "sparse", "mixed"])
    for number in range(burst.beats):
        lanes = burst.beat(number)[1]
        mask = sum(1 << lane for lane in lanes)
        how = source.choice(["all", "sparse", "none"]) if mode == "mixed" else mode
        strobes.append({"all": mask, "sparse": mask & source.getrandbits(BUS_BYTES), "none": 0}[how])
    return strobes


class Bursts:
    """The host port. Answers are matched to bursts as the port promises: writes by order, reads by order within an ID.

    Attributes:
        overtaken: read bursts that ended before one that was sent earlier.
    """

    def __init__(self, dut: Any) -> None:
        bus = AxiBus.from_prefix(dut, "s_axi")
        common = (dut.clk_i, dut.rst_ni, False)
        self.aw = AxiAWSource(bus.write.aw, *common)
        self.w = AxiWSource(bus.write.w, *common)
        self.b = AxiBSink(bus.write.b, *common)
        self.ar = AxiARSource(bus.read.ar, *common)
        self.r = AxiRSink(bus.read.r, *common)
        self.channels = [self.aw, self.w, self.b, self.ar, self.r]
        self._write_turn = _Turn()
        self._reads: list[_Read] = []  # that are not answered, in the order in which they were sent
        self.overtaken = 0
        cocotb.start_soon(self._collect())

    async def write(self, burst: Burst, data: list[int], strobes: list[int], identifier: int = 0) -> AxiResp:
        """Send a burst, wait for its response."""
        turn = self._write_turn.take()
        aw = AxiAWTransaction()
        aw.awid, aw.awaddr, aw.awlen = identifier, burst.address, burst.beats - 1
        aw.awsize, aw.awburst = burst.size, int(burst.kind)
        self.aw.send_nowait(aw)
        for number in range(burst.beats):
            w = AxiWTransaction()
            w.wdata, w.wstrb, w.wlast = data[number], strobes[number], int(number == burst.beats - 1)
            self.w.send_nowait(w)
        await self._write_turn.wait(turn)
        b = await self.b.recv()
        self._write_turn.done()
        assert int(b.bid) == identifier
        return AxiResp(int(b.bresp))

    async def read(self, burst: Burst, identifier: int = 0) -> list[tuple[bytes, AxiResp]]:
        """Read a burst: every beat's bus word and response."""
        ar = AxiARTransaction()
        ar.arid, ar.araddr, ar.arlen = identifier, burst.address, burst.beats - 1
        ar.arsize, ar.arburst = burst.size, int(burst.kind)
        self.ar.send_nowait(ar)
        read = _Read(identifier, burst.beats)
        self._reads.append(read)
        await read.ended.wait()
        return read.answers

    async def _collect(self) -> None:
        """Give each beat to the first read of its ID."""
        while True:
            r = await self.r.recv()
            read = next((read for read in self._reads if read.identifier == int(r.rid)), None)
            assert read is not None, f"a beat of ID {int(r.rid)}, and no read of it is under way"
            read.answers.append((int(r.rdata).to_bytes(BUS_BYTES, "little"), AxiResp(int(r.rresp))))
            ends = len(read.answers) == read.beats
            assert int(r.rlast) == int(ends), f"RLAST of beat {len(read.answers)} of {read.beats}"
            if ends:
                self.overtaken += read is not self._reads[0]
                self._reads.remove(read)
                read.ended.set()


class _Read:
    """A read burst under way."""

    def __init__(self, identifier: int, beats: int) -> None:
        self.identifier = identifier
        self.beats = beats
        self.answers: list[tuple[bytes, AxiResp]] = []
        self.ended = Event()


class _Turn:
    """Tickets: whoever took the first is served first."""

    def __init__(self) -> None:
        self._next, self._served = 0, 0
        self._events: dict[int, Event] = {}

    def take(self) -> int:
        self._next += 1
        return self._next - 1

    async def wait(self, ticket: int) -> None:
        if ticket != self._served:
            event = self._events[ticket] = Event()
            await event.wait()

    def done(self) -> None:
        self._served += 1
        if event := self._events.pop(self._served, None):
            event.set()
