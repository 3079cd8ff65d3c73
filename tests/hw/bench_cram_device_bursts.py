# SPDX-License-Identifier: MIT
"""Every AXI burst of legal shape is answered and means what the AXI specification says (docs/device/ports.md, "Ports").

Oracle: a flat memory of bytes; which bytes a beat touches is computed by `Burst` after AMBA AXI A3.4.1.
"""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import Combine
from cocotbext.axi import AxiResp

from hw.link import PAGE_BYTES
from hw.registers import Register
from tests.hw.cram_device_tb import DECERR, OKAY, PARAMETERS, TB, effort
from tests.hw.expect import expect
from tests.hw.host_bursts import BUS_BYTES, FIXED, INCR, WRAP, Burst, Bursts, random_burst, random_strobes

COUNT = min(8, PARAMETERS.media_bytes // PAGE_BYTES - PARAMETERS.cache_pages)  # the media can hold all of them raw
PAGES = range(0, PARAMETERS.perceived_pages, PARAMETERS.perceived_pages // COUNT)[:COUNT]  # all over the device


class Memory:
    """What the host's memory must hold, and the bursts that check it."""

    def __init__(self, tb: TB, port: Bursts) -> None:
        self.tb, self.port = tb, port
        self.pages = {page: bytearray(PAGE_BYTES) for page in PAGES}

    async def write(self, burst: Burst, strobes: list[int]) -> None:
        """Random data; the response must be OKAY. The oracle changes at once: writes are answered in order."""
        data = [self.tb.random.getrandbits(8 * BUS_BYTES) for _ in strobes]
        for number, (value, strobe) in enumerate(zip(data, strobes, strict=True)):
            word, _ = burst.beat(number)
            line = value.to_bytes(BUS_BYTES, "little")
            for lane in range(BUS_BYTES):
                if strobe >> lane & 1:
                    self.pages[word // PAGE_BYTES][word % PAGE_BYTES + lane] = line[lane]
        assert await self.port.write(burst, data, strobes, self.tb.random.getrandbits(8)) == OKAY, burst

    async def read(self, burst: Burst) -> None:
        """Every lane of every beat must be what the oracle holds now."""
        expected = bytes(self.pages[burst.address // PAGE_BYTES])
        for number, (data, response) in enumerate(await self.port.read(burst, self.tb.random.getrandbits(2))):
            word, lanes = burst.beat(number)
            assert response == OKAY
            line = expected[word % PAGE_BYTES :]
            assert data[lanes.start : lanes.stop] == line[lanes.start : lanes.stop], f"beat {number} of {burst}"


async def traffic(dut: Any, stall: float, batches: int) -> None:
    """Batches of pipelined bursts: writes to some pages while others are read, then all are read."""
    tb = await TB.open(dut, bursts=True)
    port = tb.port
    assert port is not None
    memory = Memory(tb, port)
    if stall:
        tb.stall(stall)
        tb.media.latency = lambda: tb.random.choice([0, 0, 1, 5, 40])
    for _ in range(effort(batches)):
        pages = tb.random.sample(PAGES, COUNT)
        split = tb.random.randrange(1, COUNT)
        jobs = []
        for _ in range(tb.random.randint(1, 6)):
            jobs.append(cocotb.start_soon(memory.read(random_burst(tb.random, tb.random.choice(pages[:split])))))
            burst = random_burst(tb.random, tb.random.choice(pages[split:]))
            jobs.append(cocotb.start_soon(memory.write(burst, random_strobes(tb.random, burst))))
        for job in jobs:
            await job
        for page in tb.random.sample(pages, 2):
            await memory.read(random_burst(tb.random, page))
    for page in PAGES:
        await memory.read(Burst(page * PAGE_BYTES, 64, 6, INCR))
    await tb.conserved()


@cocotb.test(timeout_time=200, timeout_unit="ms")
async def bursts_of_every_shape(dut: Any) -> None:
    await traffic(dut, 0.0, 60)


@cocotb.test(timeout_time=200, timeout_unit="ms")
async def bursts_of_every_shape_with_gaps_and_back_pressure_everywhere(dut: Any) -> None:
    await traffic(dut, 0.4, 40)


@cocotb.test(timeout_time=200, timeout_unit="ms")
async def every_size_and_length_of_each_burst_type(dut: Any) -> None:
    """Systematic, not random: all sizes; INCR 1, 2, 255 and 256 beats where they fit, WRAP 2 to 16, FIXED 1 and 16."""
    tb = await TB.open(dut, bursts=True)
    assert tb.port is not None
    memory = Memory(tb, tb.port)
    for size in range(7):
        nbytes = 1 << size
        bursts = [Burst(offset, beats, size, INCR) for beats in (1, 2, 255, 256) for offset in (0, nbytes - 1)
                  if beats * nbytes <= PAGE_BYTES]  # fmt: skip
        bursts += [Burst(at, beats, size, WRAP) for beats in (2, 4, 8, 16) for at in (0, nbytes * (beats - 1))]
        bursts += [Burst(PAGES[1] * PAGE_BYTES + 37, beats, size, FIXED) for beats in (1, 16)]
        for burst in bursts:
            full = [sum(1 << lane for lane in burst.beat(number)[1]) for number in range(burst.beats)]
            await memory.write(burst, full)
            await memory.read(burst)
    await memory.read(Burst(0, 64, 6, INCR))
    await memory.read(Burst(PAGES[1] * PAGE_BYTES, 64, 6, INCR))
    await tb.conserved()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_beat_without_strobes_changes_nothing_and_opens_nothing(dut: Any) -> None:
    tb = await TB.open(dut, bursts=True)
    port = tb.port
    assert port is not None
    assert await port.write(Burst(0, 64, 6, INCR), [1] * 64, [0] * 64) == OKAY
    assert await tb.registers("PAGES_OPENED", "LINES_WRITTEN", "RESERVED_SECTORS") == {
        "PAGES_OPENED": 0, "LINES_WRITTEN": 0, "RESERVED_SECTORS": 0,
    }  # fmt: skip


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def bursts_outside_the_pages_are_answered_decerr_beat_by_beat(dut: Any) -> None:
    tb = await TB.open(dut, bursts=True)
    port = tb.port
    assert port is not None
    tb.stall(0.3)
    end = PARAMETERS.perceived_pages * PAGE_BYTES
    for address in (end, end * 2 + 64, (1 << 40) - PAGE_BYTES):
        for kind, beats in ((INCR, 17), (WRAP, 16), (FIXED, 9)):
            burst = Burst(address, beats, 6, kind)
            assert await port.read(burst, 5) == [(bytes(64), DECERR)] * beats
            assert await port.write(burst, [7] * beats, [(1 << 64) - 1] * beats, 6) == DECERR
    for bit in range(end.bit_length() - 1, 40):  # each bit of an address counts, in the beats behind the first as well
        burst = Burst(1 << bit, 3, 6, INCR)
        assert await port.read(burst, 5) == [(bytes(64), DECERR)] * 3, bit
        assert await port.write(burst, [7] * 3, [(1 << 64) - 1] * 3, 6) == DECERR, bit
    for page in PAGES:
        assert await port.read(Burst(page * PAGE_BYTES, 1, 6, INCR)) == [(bytes(64), AxiResp.OKAY)]
    await tb.expect(Register.LINES_WRITTEN, 0)
    await tb.conserved()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def data_may_come_before_its_address(dut: Any) -> None:
    tb = await TB.open(dut, bursts=True)
    port = tb.port
    assert port is not None
    port.aw.pause = True
    job = cocotb.start_soon(port.write(Burst(0, 4, 6, INCR), [1, 2, 3, 4], [(1 << 64) - 1] * 4))
    await tb.cycles(20)
    expect(dut.s_axi_wvalid, 1)
    assert not job.done()
    port.aw.pause = False
    await Combine(job)
    data = await port.read(Burst(0, 4, 6, INCR))
    assert [int.from_bytes(beat, "little") for beat, _ in data] == [1, 2, 3, 4]
