# SPDX-License-Identifier: MIT
"""media_port: cycle by cycle, between a core that is reset and a media that answers IDs in any order, late or never.

Oracle: a content of the media that is a function of the address, the beats that the core has given, and what the media
owes.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge

from tests.hw.expect import expect

CORE = ("awaddr", "awlen", "awvalid", "wdata", "wuser", "wvalid", "araddr", "arlen", "arvalid", "rready")
MEDIA = (
    *("awready", "wready", "bid", "bresp", "bvalid"),
    *("arready", "rid", "rdata", "ruser", "rresp", "rvalid"),
)
BURSTS = (1, 4, 4, 16, 40)  # beats of a burst
WAITED = 128  # beats that the core waits for at most
ALL, NONE = (1 << 64) - 1, 0


def content(address: int, beat: int) -> int:
    """What the media has there."""
    return random.Random(address << 8 | beat).getrandbits(512)


@dataclass
class Read:
    """A burst that the media owes: its ID, its address, its beats, the one that comes next."""

    id: int
    address: int
    beats: int
    beat: int = 0


@dataclass
class Media:
    """What the media has been asked and not answered."""

    reads: list[Read] = field(default_factory=list)
    writes: list[int] = field(default_factory=list)  # IDs of bursts that have all their beats
    open: deque[tuple[int, int]] = field(default_factory=deque)  # IDs and beats of those that have not
    beats: int = 0  # taken of the first of these


class TB:
    """Drives both sides between falling edges, looks at the falling edge, steps at the rising one."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.random = random.Random(cocotb.RANDOM_SEED)
        self.media = Media()
        self.asked: deque[tuple[int, int]] = deque()  # address and beat of each beat that the core waits for
        self.unanswered = 0  # writes that the core waits for
        self.to_give = 0  # beats of its write under way
        self.read: tuple[int, int] | None = None  # addresses with their beats, and a beat, that the core shows
        self.write: tuple[int, int] | None = None
        self.beat: tuple[int, int] | None = None
        self.told: deque[tuple[int, int]] = deque()  # addresses and beats of the writes that the port has taken
        self.given: deque[tuple[int, int]] = deque()  # beats that the port has taken
        self.closing = False  # no new requests
        self.late = self.right = self.dropped = self.bare = 0

    async def start(self, limit: int) -> None:
        """Quiet inputs, a running clock, both resets, and two cycles for the port to open."""
        for name in CORE:
            getattr(self.dut, f"s_axi_{name}").value = 0
        for name in MEDIA:
            getattr(self.dut, f"m_axi_{name}").value = 0
        self.dut.limit_i.value = limit
        self.dut.rst_ni.value = self.dut.media_rst_ni.value = 0
        Clock(self.dut.clk_i, 2, unit="ns").start()
        for _ in range(2):
            await RisingEdge(self.dut.clk_i)
        self.dut.rst_ni.value = self.dut.media_rst_ni.value = 1
        for _ in range(3):
            await RisingEdge(self.dut.clk_i)

    async def cycle(self, eager: float, answering: float, reset: bool = False) -> None:
        """One cycle of random work of both sides."""
        dut, source = self.dut, self.random
        dut.rst_ni.value = int(not reset)
        more = not reset and not self.closing
        if self.read is None and more and len(self.asked) <= WAITED - max(BURSTS) and source.random() < eager:
            self.read = self._burst()
        if self.write is None and more and not self.to_give and self.unanswered < 8 and source.random() < eager:
            self.write = self._burst()
        if self.beat is None and self.to_give and source.random() < eager:
            self.beat = source.getrandbits(512), source.getrandbits(len(dut.s_axi_wuser))
        self._show(self.read, dut.s_axi_arvalid, dut.s_axi_araddr, dut.s_axi_arlen)
        self._show(self.write, dut.s_axi_awvalid, dut.s_axi_awaddr, dut.s_axi_awlen)
        dut.s_axi_wvalid.value = int(self.beat is not None)
        if self.beat is not None:
            dut.s_axi_wdata.value, dut.s_axi_wuser.value = self.beat
        dut.s_axi_rready.value = int(source.random() < eager)
        dut.m_axi_arready.value, dut.m_axi_awready.value = source.getrandbits(1), source.getrandbits(1)
        dut.m_axi_wready.value = source.getrandbits(1)
        answer = self._offer(answering)
        await FallingEdge(dut.clk_i)
        self._look(answer, reset)
        await RisingEdge(dut.clk_i)

    def _burst(self) -> tuple[int, int]:
        return 64 * self.random.getrandbits(34), self.random.choice(BURSTS)

    @staticmethod
    def _show(burst: tuple[int, int] | None, valid: Any, address: Any, length: Any) -> None:
        valid.value = int(burst is not None)
        if burst is not None:
            address.value, length.value = burst[0], burst[1] - 1

    @property
    def rests(self) -> bool:
        """Neither side is owed anything."""
        return not self.asked and not self.unanswered and self.media == Media()

    def _offer(self, answering: float) -> Read | None:
        """Show an answer of a random ID, the oldest of it."""
        dut, source = self.dut, self.random
        heads = list({read.id: read for read in reversed(self.media.reads)}.values())
        read = source.choice(heads) if heads and source.random() < answering else None
        dut.m_axi_rvalid.value = int(read is not None)
        if read is not None:
            dut.m_axi_rid.value, dut.m_axi_rdata.value = read.id, content(read.address, read.beat)
        dut.m_axi_bvalid.value = int(bool(self.media.writes) and source.random() < answering)
        if self.media.writes:
            source.shuffle(self.media.writes)
            dut.m_axi_bid.value = self.media.writes[-1]
        return read

    def _look(self, answer: Read | None, reset: bool) -> None:
        dut = self.dut

        def both(bus: str, channel: str) -> bool:
            valid, ready = f"{bus}_{channel}valid", f"{bus}_{channel}ready"
            return int(getattr(dut, valid).value) == 1 and int(getattr(dut, ready).value) == 1

        if int(dut.s_axi_rvalid.value) and int(dut.s_axi_rready.value) and not reset:
            address, beat = self.asked.popleft()
            if int(dut.s_axi_rlate.value):
                expect(dut.s_axi_rresp, 2)
                self.late += 1
            else:
                expect(dut.s_axi_rdata, content(address, beat), "the beat that the core waits for")
                self.right += 1
        elif answer is not None and both("m_axi", "r"):
            self.dropped += 1
        if answer is not None and both("m_axi", "r"):
            answer.beat += 1
            if answer.beat == answer.beats:
                self.media.reads.remove(answer)
        if int(dut.s_axi_bvalid.value) and not reset:
            self.unanswered -= 1
            assert self.unanswered >= int(self.to_give > 0), "a response that nobody waits for"
            self.late += int(dut.s_axi_blate.value)
            self.right += 1 - int(dut.s_axi_blate.value)
        if int(dut.m_axi_bvalid.value):
            self.media.writes.pop()
        self._core(both("s_axi", "ar"), both("s_axi", "aw"), both("s_axi", "w"), reset)
        for channel in ("aw", "ar"):
            if int(getattr(dut, f"m_axi_{channel}valid").value):
                expect(getattr(dut, f"m_axi_{channel}burst"), 1, "INCR")
                expect(getattr(dut, f"m_axi_{channel}size"), 6, "64 bytes a beat")
        if both("m_axi", "ar"):
            address, beats = int(dut.m_axi_araddr.value), int(dut.m_axi_arlen.value) + 1
            self.media.reads.append(Read(int(dut.m_axi_arid.value), address, beats))
        if both("m_axi", "w"):
            self._beat()
        if both("m_axi", "aw"):
            address, beats = int(dut.m_axi_awaddr.value), int(dut.m_axi_awlen.value) + 1
            taken_in_order(self.told, (address, beats))
            self.media.open.append((int(dut.m_axi_awid.value), beats))

    def _beat(self) -> None:
        """The media takes a beat: one of the core's as it is, or without strobe one of the port's."""
        dut, media = self.dut, self.media
        strobe = int(dut.m_axi_wstrb.value)
        assert strobe in (ALL, NONE), "some strobes of a beat"
        if strobe == ALL:
            taken_in_order(self.given, (int(dut.m_axi_wdata.value), int(dut.m_axi_wuser.value)))
        else:
            self.bare += 1
        media.beats += 1
        expect(dut.m_axi_wlast, media.beats == media.open[0][1])
        if media.beats == media.open[0][1]:
            media.writes.insert(0, media.open.popleft()[0])
            media.beats = 0

    def _core(self, reads: bool, writes: bool, gives: bool, reset: bool) -> None:
        if reset:
            self.asked.clear()
            self.unanswered = self.to_give = 0
            self.read = self.write = self.beat = None
            return
        if reads and self.read is not None:
            self.asked.extend((self.read[0], beat) for beat in range(self.read[1]))
            self.read = None
        if gives and self.beat is not None:
            self.to_give -= 1
            self.given.append(self.beat)
            self.beat = None
        if writes and self.write is not None:
            self.unanswered += 1
            self.told.append(self.write)
            self.to_give = self.write[1]
            self.write = None


def taken_in_order(taken: deque[tuple[int, int]], shown: tuple[int, int]) -> None:
    """What the media is shown, the port has taken from the core after all before; what lies between, it has kept."""
    assert shown in taken, f"the media is shown {shown[0]:x}, {shown[1]:x}, which the core has not given"
    while taken.popleft() != shown:
        pass


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def every_request_is_answered_once_with_its_own_answer(dut: Any) -> None:
    """A media quicker and slower than the limit, that answers IDs in any order, and resets of the core at any time."""
    tb = TB(dut)
    await tb.start(limit=40)
    for _ in range(12):
        for eager, answering in ((0.8, 0.8), (0.8, 0.02), (0.5, 0.4), (0.8, 0)):
            for _ in range(100):
                await tb.cycle(eager, answering, reset=tb.random.random() < 0.01)
        tb.closing = True
        for _ in range(1500):  # time enough to come to rest, with the media well again
            await tb.cycle(eager=0.9, answering=0.9)
            if tb.rests and not int(dut.busy_o.value):
                break
        tb.closing = False
        assert tb.rests, "both sides are owed nothing"
        expect(dut.busy_o, 0)
    assert tb.right > 100 and tb.late > 20 and tb.dropped > 20 and tb.bare > 20


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def the_limit_is_exact(dut: Any) -> None:
    """An answer after as many cycles of silence as the limit is in time; a cycle later the port has given up."""
    for limit in (1, 2, 10):
        for silent in (limit - 1, limit, limit + 1):
            tb = TB(dut)
            await tb.start(limit)
            dut.s_axi_rready.value = dut.m_axi_arready.value = 1
            dut.s_axi_arvalid.value, dut.s_axi_araddr.value, dut.s_axi_arlen.value = 1, 256, 0
            await RisingEdge(dut.clk_i)
            dut.s_axi_arvalid.value = 0
            for _ in range(silent):
                await FallingEdge(dut.clk_i)
                expect(dut.s_axi_rvalid, 0)
                await RisingEdge(dut.clk_i)
            dut.m_axi_rvalid.value, dut.m_axi_rid.value, dut.m_axi_rdata.value = 1, 0, 7
            await FallingEdge(dut.clk_i)
            expect(dut.s_axi_rvalid, 1)
            expect(dut.s_axi_rlate, silent > limit)
            expect(dut.s_axi_rresp, 2 if silent > limit else 0)
            await RisingEdge(dut.clk_i)
            dut.m_axi_rvalid.value = 0
            dut._log.info("limit %d, silent for %d", limit, silent)
