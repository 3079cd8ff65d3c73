# SPDX-License-Identifier: MIT
"""TB of cram_registers: clock, reset, an AXI4-Lite master (cocotbext-axi), and the core's side of the pins."""

from __future__ import annotations

import itertools
import random
import struct
from collections.abc import Iterator
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp

from hw.registers import Register
from tests.hw.expect import PERIOD_NS, agree

OKAY, SLVERR = AxiResp.OKAY, AxiResp.SLVERR
LEVELS = [
    "ready_i",
    "idle_i",
    "free_sectors_i",
    "available_sectors_i",
    "reserved_sectors_i",
    "resident_pages_i",
    "hot_count_i",
    "hot_page_i",
    "hot_overflow_i",
    "hot_nominated_i",
]
REPLIES = ["state", "cached", "dirty", "error", "length", "crc", "word", "sector", "cause", "fenced", "reason"]


class TB:
    """Everything a test of the register block needs. Call `start` first."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.random = random.Random(cocotb.RANDOM_SEED)
        self.master: Any = None

    async def start(self) -> None:
        """Quiet inputs, a running clock, a reset of three cycles."""
        dut = self.dut
        events = ["event_valid_i", "event_code_i", "event_page_i", "event_sector_i"]
        for name in [*LEVELS, *events, "count_i", "load_i", "timeout_i", "block_bytes_i"]:
            getattr(dut, name).value = 0
        for name in [f"reply_{name}_i" for name in ["valid", *REPLIES]]:
            getattr(dut, name).value = 0
        for name in [
            "command_ready_i",
            "block_start_i",
            "block_valid_i",
            "block_data_i",
            "import_ready_i",
            "s_axil_awvalid",
            "s_axil_wvalid",
        ]:
            getattr(dut, name).value = 0
        for name in ["s_axil_arvalid", "s_axil_bready", "s_axil_rready"]:
            getattr(dut, name).value = 0
        dut.judge_i.value = 1
        dut.falls_i.value = 0
        dut.rst_ni.value = 0
        Clock(dut.clk_i, PERIOD_NS, unit="ns").start()
        await self.cycles(3)
        dut.rst_ni.value = 1
        await self.cycles(1)

    def connect(self) -> None:
        """Attach the AXI4-Lite master; without it a test drives the channels itself."""
        self.master = AxiLiteMaster(
            AxiLiteBus.from_prefix(self.dut, "s_axil"), self.dut.clk_i, self.dut.rst_ni, reset_active_level=False
        )

    async def cycles(self, count: int) -> None:
        """Let `count` clock edges pass."""
        for _ in range(count):
            await RisingEdge(self.dut.clk_i)

    async def read(self, offset: int) -> int:
        """One register; the access must be answered OKAY."""
        value, response = await self.try_read(offset)
        assert response == OKAY, f"read of {offset:#06x} answered {response.name}"
        return value

    async def expect(self, offset: int, wanted: int, what: str = "") -> None:
        """Read a register; it must have this value."""
        name = offset.name if isinstance(offset, Register) else f"{offset:#06x}"
        agree(name, await self.read(offset), wanted, what)

    async def try_read(self, offset: int) -> tuple[int, AxiResp]:
        """One register and the response."""
        answer = await self.master.read(offset, 4)
        return int.from_bytes(answer.data, "little"), answer.resp

    async def write(self, offset: int, value: int) -> None:
        """One register; the access must be answered OKAY."""
        assert (await self.master.write(offset, value.to_bytes(4, "little"))).resp == OKAY

    async def write_bytes(self, offset: int, data: bytes) -> AxiResp:
        """Bytes from any address on: the master sets the strobes."""
        return (await self.master.write(offset, data)).resp

    async def read_bytes(self, offset: int, length: int) -> bytes:
        """Bytes from any address on; every access must be answered OKAY."""
        if length == 0:
            return b""
        answer = await self.master.read(offset, length)
        assert answer.resp == OKAY
        return bytes(answer.data)

    async def pulse(self, **inputs: int) -> None:
        """Drive inputs (names without `_i`) for one cycle, then zero."""
        for name, value in inputs.items():
            getattr(self.dut, f"{name}_i").value = value
        await self.cycles(1)
        for name in inputs:
            getattr(self.dut, f"{name}_i").value = 0

    def stall(self, probability: float) -> None:
        """Let every channel of the master pause at random, independently."""

        def pauses(seed: int) -> Iterator[bool]:
            source = random.Random(seed)
            return (source.random() < probability for _ in itertools.count())

        channels = [
            self.master.write_if.aw_channel, self.master.write_if.w_channel, self.master.write_if.b_channel,
            self.master.read_if.ar_channel, self.master.read_if.r_channel,
        ]  # fmt: skip
        for channel in channels:
            channel.set_pause_generator(pauses(self.random.getrandbits(32)))

    @property
    def interrupts(self) -> int:
        """The interrupt lines."""
        return int(self.dut.interrupt_o.value)


class RawWrite:
    """One write driven pin by pin: any strobe, any order and gap between address and data."""

    def __init__(self, tb: TB) -> None:
        self.tb = tb

    async def send(self, offset: int, value: int, strobe: int, address_delay: int, data_delay: int) -> int:
        """Returns the response."""
        dut = self.tb.dut
        address = cocotb.start_soon(self._channel("aw", address_delay, addr=offset, prot=0))
        data = cocotb.start_soon(self._channel("w", data_delay, data=value, strb=strobe))
        await address
        await data
        dut.s_axil_bready.value = 1
        while True:
            await RisingEdge(dut.clk_i)
            if dut.s_axil_bvalid.value:
                break
        dut.s_axil_bready.value = 0
        return int(dut.s_axil_bresp.value)

    async def _channel(self, name: str, delay: int, **values: int) -> None:
        dut = self.tb.dut
        await self.tb.cycles(delay)
        for part, value in values.items():
            getattr(dut, f"s_axil_{name}{part}").value = value
        valid, ready = getattr(dut, f"s_axil_{name}valid"), getattr(dut, f"s_axil_{name}ready")
        valid.value = 1
        while True:
            await RisingEdge(dut.clk_i)
            if ready.value:
                break
        valid.value = 0


def pack(*words: int) -> bytes:
    """32-bit words as little-endian bytes."""
    return struct.pack(f"<{len(words)}I", *words)
