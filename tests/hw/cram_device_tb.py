# SPDX-License-Identifier: MIT
"""TB: `cram_device` between an AXI master, an AXI-Lite master and a media that can misbehave.

The bus models are cocotbext-axi's. What lies on the media is judged from outside the device: `Media` notes in which
order
sectors are written, so that a page's chain is known without looking at the allocator.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import random
import struct
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiMaster, AxiResp, AxiSlave
from cocotbext.axi.address_space import Region

from hw.codes import EventCode, Opcode, PageState, ReturnCode
from hw.ecc import line_check
from hw.link import LINE_BYTES, PAGE_BYTES
from hw.parameters import DeviceParameters
from hw.registers import Register
from tests.hw.expect import PERIOD_NS, agree
from tests.hw.host_bursts import Bursts

PARAMETERS = DeviceParameters(**json.loads(os.environ.get("DEVICE", "{}")))
EFFORT = float(os.environ.get("EFFORT", "1"))
OKAY, SLVERR, DECERR = AxiResp.OKAY, AxiResp.SLVERR, AxiResp.DECERR


def environment(parameters: DeviceParameters, effort: float = 1.0) -> dict[str, str]:
    """What a bench reads back as PARAMETERS and EFFORT."""
    return {"DEVICE": json.dumps(asdict(parameters)), "EFFORT": str(effort)}


def effort(count: int) -> int:
    """`count` scaled by EFFORT, at least 1."""
    return max(1, round(count * EFFORT))


class MediaError(Exception):
    """Makes the AXI slave answer SLVERR."""


class Media(Region):  # type: ignore[misc]
    """What the media holds, what has been asked of it, and how it misbehaves.

    Attributes:
        content: its bytes; junk at first, so that a byte never written shows.
        checks: the check stored beside each beat, by the beat's number; 0 of one never written.
        bad_reads, bad_writes: sectors that answer SLVERR.
        failed: sectors that have done so, since the last reset.
        written: sectors in the order of their first beats.
        read_sectors: likewise for reads.
        latency: cycles before a burst is served.
    """

    def __init__(self, clock: Any, parameters: DeviceParameters, source: random.Random) -> None:
        super().__init__(parameters.media_bytes)
        self.clock = clock
        self.sector_bytes = parameters.sector_bytes
        self.content = bytearray(source.randbytes(parameters.media_bytes))
        self.checks: dict[int, int] = {}
        self.wuser = self.ruser = 0  # of the beat that is being written, and of the one read last
        self.bad_reads: set[int] = set()
        self.bad_writes: set[int] = set()
        self.failed: set[int] = set()
        self.written: list[int] = []
        self.read_sectors: list[int] = []
        self.outside = 0
        self.latency: Callable[[], int] | None = None

    def attach(self, slave: Any) -> None:
        """Store WUSER beside each beat that `slave` takes, and give it back as RUSER."""
        receive, send = slave.write_if.w_channel.recv, slave.read_if.r_channel.send

        async def take() -> Any:
            beat = await receive()
            self.wuser = int(beat.wuser)
            return beat

        async def give(beat: Any) -> None:
            beat.ruser = self.ruser
            await send(beat)

        slave.write_if.w_channel.recv, slave.read_if.r_channel.send = take, give

    async def _read(self, address: int, length: int) -> bytes:
        sector = address // self.sector_bytes
        if address % self.sector_bytes == 0:
            self.read_sectors.append(sector)
            if self.latency:
                await ClockCycles(self.clock, self.latency())
        if sector in self.bad_reads:
            self.failed.add(sector)
            raise MediaError
        self.ruser = self.checks.get(address // LINE_BYTES, 0)
        return bytes(self.content[address : address + length])

    async def _write(self, address: int, data: bytes) -> None:
        sector = address // self.sector_bytes
        if address % self.sector_bytes == 0:
            self.written.append(sector)
            if self.latency:
                await ClockCycles(self.clock, self.latency())
        if sector in self.bad_writes:
            self.failed.add(sector)
            raise MediaError
        self.content[address : address + len(data)] = data
        self.checks[address // LINE_BYTES] = self.wuser

    def check_range(self, address: int, length: int = 0) -> None:
        """Counts what lies outside the media; a test that ends with `conserved` fails on it."""
        if address < 0 or address + length > self.size:
            self.outside += 1
        super().check_range(address, length)

    def chain(self, first: int, length: int) -> list[int]:
        """Sectors of the page that was stored last with first sector `first`, in chain order."""
        start = len(self.written) - 1 - self.written[::-1].index(first)
        return self.written[start : start + -(-length // self.sector_bytes)]

    def stored(self, first: int, length: int) -> bytes:
        """The bytes of a stored page."""
        size = self.sector_bytes
        return b"".join(self.content[n * size : (n + 1) * size] for n in self.chain(first, length))[:length]

    def beats(self, first: int, length: int) -> list[int]:
        """Numbers of the beats of a stored page, in order."""
        each = self.sector_bytes // LINE_BYTES
        numbers = [sector * each + n for sector in self.chain(first, length) for n in range(each)]
        return numbers[: -(-length // LINE_BYTES)]

    def replace(self, page: int, first: int, length: int, data: bytes) -> None:
        """Put other bytes where a stored page lies, with the checks they must have; what is behind them stays."""
        for index, beat in enumerate(self.beats(first, length)[: -(-len(data) // LINE_BYTES)]):
            part = data[index * LINE_BYTES : (index + 1) * LINE_BYTES]
            start = beat * LINE_BYTES
            self.content[start : start + len(part)] = part
            self.checks[beat] = line_check(page, index, bytes(self.content[start : start + LINE_BYTES]))

    def flip(self, beat: int, bits: Iterable[int]) -> None:
        """Flip bits of a beat: 0 to 511 of its data, then those of its check."""
        for bit in bits:
            if bit < 8 * LINE_BYTES:
                self.content[beat * LINE_BYTES + bit // 8] ^= 1 << bit % 8
            else:
                self.checks[beat] ^= 1 << bit - 8 * LINE_BYTES


@dataclass(frozen=True)
class PageInfo:
    """The answer of Get Page State (docs/device/mailbox.md)."""

    state: PageState
    cached: bool
    dirty: bool
    length: int
    crc: int
    word: int
    first_sector: int
    fenced: bool = False


class TB:
    """Clock, reset, bus models and the words a test speaks.

    Args:
        dut: `cram_device`.
        bursts: drive the host port by `port` (any burst) instead of `host` (AxiMaster: any bytes).
    """

    def __init__(self, dut: Any, bursts: bool = False) -> None:
        self.dut = dut
        self.parameters = PARAMETERS
        self.random = random.Random(cocotb.RANDOM_SEED)
        for port in ("s_axi", "s_axil", "m_axi"):
            logging.getLogger(f"cocotb.{dut._name}.{port}").setLevel(logging.ERROR)
        self.media = Media(dut.clk_i, PARAMETERS, random.Random(cocotb.RANDOM_SEED))
        self.clock = Clock(dut.clk_i, PERIOD_NS, unit="ns")
        dut.rst_ni.value = 0
        dut.media_rst_ni.value = 0
        common = (dut.clk_i, dut.rst_ni)
        media = (dut.clk_i, dut.media_rst_ni)
        self.axil = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), *common, reset_active_level=False)
        self.slave = AxiSlave(AxiBus.from_prefix(dut, "m_axi"), *media, target=self.media, reset_active_level=False)
        self.media.attach(self.slave)
        self.host: Any = (
            None if bursts else AxiMaster(AxiBus.from_prefix(dut, "s_axi"), *common, reset_active_level=False)
        )
        self.port = Bursts(dut) if bursts else None

    @classmethod
    async def open(cls, dut: Any, bursts: bool = False) -> TB:
        """A device after reset, page table cleared."""
        tb = cls(dut, bursts)
        tb.clock.start()
        await tb.reset()
        return tb

    async def reset(self, cycles: int = 2, media: bool = True) -> None:
        """Reset for `cycles`, the media as well or not; returns when the device is ready and idle."""
        self.dut.rst_ni.value = 0
        if media:
            self.dut.media_rst_ni.value = 0
        await self.cycles(cycles)
        self.media.failed.clear()
        self.dut.rst_ni.value = 1
        self.dut.media_rst_ni.value = 1
        await self.idle()

    async def cycles(self, count: int) -> None:
        """Let `count` clock edges pass."""
        await ClockCycles(self.dut.clk_i, count)

    async def idle(self) -> None:
        """Wait for `idle_o`. Fails when the device does not come to rest."""
        for _ in range(100_000 + 2 * PARAMETERS.perceived_pages):
            await RisingEdge(self.dut.clk_i)
            if self.dut.idle_o.value == 1:
                return
        raise AssertionError("the device does not become idle")

    async def within(self, cycles: int, what: Coroutine[Any, Any, Any]) -> Any:
        """`what`, which must not take more than `cycles` clock cycles."""
        return await with_timeout(cocotb.start_soon(what), cycles * PERIOD_NS, "ns")

    # ---- host memory ----

    async def write(self, address: int, data: bytes) -> AxiResp:
        """Bytes from any address on; returns the worst response."""
        return (await self.host.write(address, data)).resp

    async def read(self, address: int, length: int) -> tuple[bytes, AxiResp]:
        """Bytes from any address on, and the worst response."""
        answer = await self.host.read(address, length)
        return bytes(answer.data), answer.resp

    async def store(self, page: int, data: bytes) -> None:
        """Write a page; it must succeed."""
        assert await self.write(page * PAGE_BYTES, data) == OKAY

    async def store_line(self, page: int, line: int, data: bytes) -> None:
        """Write inside one line; it must succeed."""
        assert await self.write(page * PAGE_BYTES + line * LINE_BYTES, data) == OKAY

    async def load(self, page: int, line: int = 0, lines: int = 64) -> bytes:
        """Read lines of a page; it must succeed."""
        data, response = await self.read(page * PAGE_BYTES + line * LINE_BYTES, lines * LINE_BYTES)
        assert response == OKAY, f"page {page} answered {response.name}"
        return data

    async def evict(self, page: int) -> None:
        """Make the cache give the page up, without storing anything: read other pages until it has. What is closed or
        filled comes to its end first: a page is not given up meanwhile."""
        await self.idle()
        others = [n for n in range(PARAMETERS.perceived_pages) if n != page][-2 * PARAMETERS.cache_pages :]
        for other in others:
            await self.read(other * PAGE_BYTES, 1)
        assert not (await self.page_state(page)).cached

    # ---- registers ----

    async def register(self, register: Register) -> int:
        """One register."""
        answer = await self.axil.read(register, 4)
        assert answer.resp == OKAY
        return int.from_bytes(answer.data, "little")

    async def expect(self, register: Register, wanted: int, what: str = "") -> None:
        """Read a register; it must have this value."""
        agree(register.name, await self.register(register), wanted, what)

    async def set_register(self, register: Register, value: int) -> None:
        """Write one register."""
        assert (await self.axil.write(register, value.to_bytes(4, "little"))).resp == OKAY

    async def registers(self, *names: str) -> dict[str, int]:
        """Several registers by name."""
        return {name: await self.register(Register[name]) for name in names}

    async def all_events(self) -> list[tuple[EventCode, int, int]]:
        """Pop every logged event: code, page, sector."""
        found = []
        while await self.register(Register.EVENT_COUNT):
            code = EventCode(await self.register(Register.EVENT_CODE))
            found.append((code, await self.register(Register.EVENT_PAGE), await self.register(Register.EVENT_SECTOR)))
            await self.set_register(Register.EVENT_POP, 1)
        return found

    async def events(self) -> list[tuple[EventCode, int]]:
        """Pop every logged event: code and page of those that tell of no sector."""
        return [(code, page) for code, page, _ in await self.all_events() if code != EventCode.SECTOR_RETIRED]

    # ---- mailbox ----

    async def mailbox(self, opcode: Opcode, payload: bytes = b"") -> tuple[ReturnCode, bytes]:
        """Run a command; returns its return code and the reply."""
        if payload:
            assert (await self.axil.write(Register.MAILBOX_PAYLOAD, payload)).resp == OKAY
        await self.set_register(Register.MAILBOX_COMMAND_LOW, len(payload) << 16 | opcode)
        await self.set_register(Register.MAILBOX_COMMAND_HIGH, 0)
        await self.set_register(Register.MAILBOX_CONTROL, 1)
        while await self.register(Register.MAILBOX_CONTROL) & 1:
            pass
        length = await self.register(Register.MAILBOX_COMMAND_LOW) >> 16
        code = ReturnCode(await self.register(Register.MAILBOX_STATUS_HIGH))
        if length == 0:
            return code, b""
        return code, bytes((await self.axil.read(Register.MAILBOX_PAYLOAD, length)).data)

    async def page_state(self, page: int) -> PageInfo:
        """Get Page State."""
        code, reply = await self.mailbox(Opcode.GET_PAGE_STATE, struct.pack("<Q", page * PAGE_BYTES))
        assert code == ReturnCode.SUCCESS
        state, flags, length, crc, word, first = struct.unpack("<BBHIQI", reply)
        return PageInfo(PageState(state), bool(flags & 1), bool(flags & 2), length, crc, word, first, bool(flags & 4))

    async def export(self, page: int) -> tuple[ReturnCode, bytes]:
        """Export Block."""
        return await self.mailbox(Opcode.EXPORT_BLOCK, struct.pack("<Q", page * PAGE_BYTES))

    async def flush(self) -> None:
        """Close every dirty page."""
        assert (await self.mailbox(Opcode.FLUSH))[0] == ReturnCode.SUCCESS

    async def trim(self, *ranges: tuple[int, int]) -> None:
        """Trim ranges of (first page, count of pages)."""
        body = b"".join(struct.pack("<QQ", first * PAGE_BYTES, count * PAGE_BYTES) for first, count in ranges)
        code, _ = await self.mailbox(Opcode.MEDIA_OPERATIONS, struct.pack("<BBHI", 1, 1, 0, len(ranges)) + body)
        assert code == ReturnCode.SUCCESS

    # ---- rules that hold always ----

    @property
    def usable_sectors(self) -> int:
        """Sectors that are not retired: those whose chain was given up after they had failed."""
        return PARAMETERS.media_sectors - len(self.media.failed)

    async def check_chains(self, pages: Iterable[int]) -> dict[int, PageInfo]:
        """Stored pages share no sector, and with the free ones they make up the media. Nothing may be dirty.

        Args:
            pages: all pages that may be stored.
        """
        found = {page: await self.page_state(page) for page in pages}
        owner: dict[int, int] = {}
        for page, info in found.items():
            assert not info.dirty
            if info.state.on_media:
                for sector in self.media.chain(info.first_sector, info.length):
                    assert sector not in owner, f"pages {owner[sector]} and {page} share sector {sector}"
                    owner[sector] = page
        await self.expect(Register.FREE_SECTORS, self.usable_sectors - len(owner))
        return found

    async def conserved(self) -> None:
        """Trim everything: every sector is free again, nothing is reserved or resident."""
        await self.trim((0, PARAMETERS.perceived_pages))
        await self.idle()
        await self.expect(Register.FREE_SECTORS, self.usable_sectors)
        await self.expect(Register.SECTORS_RETIRED, len(self.media.failed))
        await self.expect(Register.RESERVED_SECTORS, 0)
        await self.expect(Register.RESIDENT_PAGES, 0)
        assert self.media.outside == 0, "the media was addressed outside its range"

    # ---- back-pressure ----

    def stall(self, probability: float) -> None:
        """Let every channel of all three ports pause in a cycle with this probability, independently of each other."""
        write, read = self.slave.write_if, self.slave.read_if
        lite_write, lite_read = self.axil.write_if, self.axil.read_if
        channels = [
            write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel,
            lite_write.aw_channel, lite_write.w_channel, lite_write.b_channel,
            lite_read.ar_channel, lite_read.r_channel,
        ]  # fmt: skip
        if self.port is not None:
            channels += self.port.channels
        if self.host is not None:
            w, r = self.host.write_if, self.host.read_if
            channels += [w.aw_channel, w.w_channel, w.b_channel, r.ar_channel, r.r_channel]
        for channel in channels:
            channel.set_pause_generator(_pauses(self.random.getrandbits(32), probability))


def _pauses(seed: int, probability: float) -> Iterator[bool]:
    source = random.Random(seed)
    return (source.random() < probability for _ in itertools.count())
