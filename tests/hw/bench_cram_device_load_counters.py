# SPDX-License-Identifier: MIT
"""The counters of load (docs/device/load.md), held against what is seen at the device's ports, cycle by cycle."""

from __future__ import annotations

from collections import Counter
from typing import Any

import cocotb
from cocotb.triggers import Combine, FallingEdge

from hw.link import LINE_BYTES, PAGE_BYTES
from hw.registers import LOADS, Register
from tests.hw.cram_device_tb import OKAY, PARAMETERS, TB, effort
from tests.hw.host_bursts import INCR, Burst
from tests.pages import FORMS

BINS = LOADS[LOADS.index(Register.READS_WITHIN_8) :]
WHOLE = [(1 << 64) - 1] * 64


class Watch:
    """What passes the ports, from now on."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.seen: Counter[Register] = Counter()
        self.waits: dict[int, list[int]] = {}  # of each ID: when its bursts under way came; -1: its first beat has been
        self.owed = 0
        self.task = cocotb.start_soon(self._watch())

    def _passes(self, channel: str) -> bool:
        valid, ready = getattr(self.dut, f"{channel}valid"), getattr(self.dut, f"{channel}ready")
        return bool(valid.value == 1 and ready.value == 1)

    async def _watch(self) -> None:
        """In the middle of each cycle, when all is settled."""
        now = 0
        while True:
            await FallingEdge(self.dut.clk_i)
            now += 1
            self._media()
            if self._passes("s_axi_r"):
                bursts = self.waits[int(self.dut.s_axi_rid.value)]
                if bursts[0] >= 0:
                    bin_number = max(0, (now - bursts[0]).bit_length() - 3)
                    self.seen[BINS[min(bin_number, len(BINS) - 1)]] += 1
                    bursts[0] = -1
                if self.dut.s_axi_rlast.value == 1:
                    bursts.pop(0)
            if self._passes("s_axi_ar"):
                self.waits.setdefault(int(self.dut.s_axi_arid.value), []).append(now)

    def _media(self) -> None:
        beat = self._passes("m_axi_r")
        self.seen[Register.MEDIA_READ_BEATS] += beat
        self.seen[Register.MEDIA_WRITE_BEATS] += self._passes("m_axi_w")
        self.seen[Register.MEDIA_STALLS] += self.owed > 0 and not beat
        self.owed -= beat
        if self._passes("m_axi_ar"):
            self.owed += int(self.dut.m_axi_arlen.value) + 1


async def device(dut: Any) -> TB:
    """Pages of all forms are stored, and twice as many free ones behind them fill the cache."""
    tb = await TB.open(dut, bursts=True)
    assert tb.port is not None
    for page, form in enumerate(FORMS.values()):
        words = [int.from_bytes(form(page)[at : at + LINE_BYTES], "little") for at in range(0, PAGE_BYTES, LINE_BYTES)]
        assert await tb.port.write(Burst(page * PAGE_BYTES, 64, 6, INCR), words, WHOLE) == OKAY
    await flush(tb)
    return tb


async def flush(tb: TB) -> None:
    """Only free pages are cached."""
    assert tb.port is not None
    for page in range(2 * PARAMETERS.cache_pages):
        await tb.port.read(Burst((PARAMETERS.perceived_pages - 1 - page) * PAGE_BYTES, 1, 6, INCR))
    await tb.idle()


async def loads(tb: TB) -> Counter[Register]:
    """All counters of load, at rest."""
    await tb.idle()
    return Counter({register: await tb.register(register) for register in LOADS})


@cocotb.test(timeout_time=200, timeout_unit="ms")
async def the_counters_tell_what_passes_the_ports(dut: Any) -> None:
    """Reads of several IDs beside writes, hits and misses, at a media of any speed."""
    tb = await device(dut)
    port = tb.port
    assert port is not None
    tb.media.latency = lambda: tb.random.choice((0, 3, 60, 900))
    before = await loads(tb)
    watch = Watch(dut)

    async def reads(identifier: int) -> None:
        for _ in range(effort(60)):
            page, length = tb.random.randrange(2 * PARAMETERS.cache_pages), tb.random.choice((1, 1, 5))
            await port.read(Burst(page * PAGE_BYTES + 64 * tb.random.randrange(59), length, 6, INCR), identifier)

    async def writes() -> None:
        for _ in range(effort(60)):
            burst = Burst(tb.random.randrange(2 * PARAMETERS.cache_pages) * PAGE_BYTES, 3, 6, INCR)
            assert await port.write(burst, [tb.random.getrandbits(512) for _ in range(3)], WHOLE[:3]) == OKAY

    await Combine(*(cocotb.start_soon(task) for task in (reads(1), reads(1), reads(2), reads(3), writes())))
    counted = await loads(tb) - before
    watch.task.cancel()
    ports = (Register.MEDIA_READ_BEATS, Register.MEDIA_WRITE_BEATS, Register.MEDIA_STALLS, *BINS)
    assert {name.name: counted[name] for name in ports} == {name.name: watch.seen[name] for name in ports}
    assert sum(counted[name] for name in BINS) == 4 * effort(60)
    assert counted[Register.READS_ASIDE] > 0 and counted[Register.READS_AT_HAND] > 0


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_page_that_is_opened_counts_by_its_state(dut: Any) -> None:
    tb = await device(dut)
    assert tb.port is not None
    for page, state in enumerate(FORMS):
        before = await loads(tb)
        await tb.port.read(Burst(page * PAGE_BYTES, 1, 6, INCR))
        more = await loads(tb) - before
        opened = {name.name: more[name] for name in LOADS if name.name.startswith("OPENED_") and more[name]}
        assert opened == {f"OPENED_{state.name}": 1}
        assert more[Register.READS_ASIDE] == 1
        before = await loads(tb)
        await tb.port.read(Burst(page * PAGE_BYTES + 64, 4, 6, INCR))
        assert await loads(tb) - before == Counter({Register.READS_AT_HAND: 4, Register.READS_WITHIN_8: 1})


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def stalls_say_what_an_access_waits_for(dut: Any) -> None:
    """Pages that become dirty wait for the close of others, and fills for a filler. A device at rest counts nothing."""
    tb = await device(dut)
    port = tb.port
    assert port is not None
    before = await loads(tb)
    pages = range(3 * PARAMETERS.cache_pages)
    for page in pages:
        await port.write(Burst(page * PAGE_BYTES, 1, 6, INCR), [page + 1], WHOLE[:1])
    more = await loads(tb) - before
    assert more[Register.STALLS_ROOM] > more[Register.CLOSING] // 4 > 0
    assert more[Register.STALLS_WRITE] >= more[Register.STALLS_ROOM]
    await flush(tb)
    tb.media.latency = lambda: 300
    before = await loads(tb)
    reads = [cocotb.start_soon(port.read(Burst(page * PAGE_BYTES, 1, 6, INCR), page)) for page in pages[:8]]
    await Combine(*reads)
    more = await loads(tb) - before
    fillers = max(n for n in range(1, 5) if more[Register[f"FILLING_{n}"]])
    assert fillers == min(4, PARAMETERS.cache_pages // 2)
    assert more[Register.STALLS_FILLER] > 0
    assert more[Register.STALLS_ROOM] == 0
    at_rest = await loads(tb)
    await tb.cycles(100)
    assert await loads(tb) == at_rest
