# SPDX-License-Identifier: MIT
"""Inside the simulator: the pages over the cocotb link, and through a conventional testbench. Started by simulators.py.

The conventional testbench is what one would write first: the device's pins, cocotb's clock, cocotbext-axi's masters on
the host and the register port, and its slave on the media port, before a memory that keeps the side-band, too.
"""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.handle import HierarchyObject
from cocotb.triggers import ClockCycles
from cocotb.utils import get_sim_time
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiMaster, AxiSlave, Region

from hw.link import LINE_BYTES, PAGE_BYTES
from hw.links.cocotb import CocotbLink
from hw.parameters import DeviceParameters
from hw.registers import Register
from hw.speed import Speed, store_and_load

PERIOD_NS = 2
READY = 1  # in STATUS


@cocotb.test()
async def link(dut: HierarchyObject) -> None:
    """Stores, then loads, over the cocotb link."""
    _answer(await store_and_load(await CocotbLink.open(dut), _pages(), 1, _parameters()))


@cocotb.test()
async def conventional(dut: Any) -> None:
    """The same through the pins."""
    pages = _pages()
    for port in ("s_axi", "s_axil", "m_axi"):
        logging.getLogger(f"cocotb.{dut._name}.{port}").setLevel(logging.ERROR)
    dut.rst_ni.value = dut.media_rst_ni.value = 0
    Clock(dut.clk_i, PERIOD_NS, unit="ns").start()
    common = (dut.clk_i, dut.rst_ni)
    host = AxiMaster(AxiBus.from_prefix(dut, "s_axi"), *common, reset_active_level=False)
    registers = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), *common, reset_active_level=False)
    media = AxiBus.from_prefix(dut, "m_axi")
    memory = _Media(_parameters().media_bytes)
    memory.attach(AxiSlave(media, *common, target=memory, reset_active_level=False))
    await ClockCycles(dut.clk_i, 4)
    dut.rst_ni.value = dut.media_rst_ni.value = 1
    while not await registers.read_dword(Register.STATUS) & READY:
        pass
    began, start = get_sim_time("ns"), time.process_time()
    for page, data in enumerate(pages):
        await host.write(page * PAGE_BYTES, data)
    for page, data in enumerate(pages):
        assert (await host.read(page * PAGE_BYTES, PAGE_BYTES)).data == data, f"page {page} came back different"
    cycles = int(get_sim_time("ns") - began) // PERIOD_NS
    _answer(Speed(cycles, 2 * len(pages), time.process_time() - start))


class _Media(Region):  # type: ignore[misc]
    """A memory that stores WUSER beside each beat and gives it back as RUSER."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._content = bytearray(size)
        self._checks: dict[int, int] = {}
        self._written = self._read_last = 0  # side-band of the beat that is being written, of the one read last

    def attach(self, slave: Any) -> None:
        """Let the side-band of a slave go through this memory."""
        receive, send = slave.write_if.w_channel.recv, slave.read_if.r_channel.send

        async def take() -> Any:
            beat = await receive()
            self._written = int(beat.wuser)
            return beat

        async def give(beat: Any) -> None:
            beat.ruser = self._read_last
            await send(beat)

        slave.write_if.w_channel.recv, slave.read_if.r_channel.send = take, give

    async def _read(self, address: int, length: int) -> bytes:
        self._read_last = self._checks.get(address // LINE_BYTES, 0)
        return bytes(self._content[address : address + length])

    async def _write(self, address: int, data: bytes) -> None:
        self._content[address : address + len(data)] = data
        self._checks[address // LINE_BYTES] = self._written


def _pages() -> list[bytes]:
    content = Path(os.environ["VCRAM_PAGES"]).read_bytes()
    return [content[i : i + PAGE_BYTES] for i in range(0, len(content), PAGE_BYTES)]


def _parameters() -> DeviceParameters:
    return DeviceParameters(**json.loads(os.environ["VCRAM_DEVICE"]))


def _answer(speed: Speed) -> None:
    Path(os.environ["VCRAM_FIGURES"]).write_text(json.dumps(asdict(speed)))
