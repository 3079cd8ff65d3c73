# SPDX-License-Identifier: MIT
"""Reset in the middle of each kind of work (docs/device/ports.md). Oracle: the reset values of the specification.

Resets at random moments, and the idle line, are in bench_cram_device_signals.py.
"""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from hw.codes import PageState
from hw.link import LINE_BYTES, PAGE_BYTES
from hw.registers import COUNTERS, Register
from tests.hw.cram_device_tb import PARAMETERS, TB
from tests.hw.expect import expect
from tests.pages import ZERO_PAGE, compressible_page, noise_page, program_pages

ZERO_AFTER_RESET = [
    "RESERVED_SECTORS", "RESIDENT_PAGES", "INTERRUPT_STATUS", "INTERRUPT_ENABLE", "LOW_WATERMARK",
    "RECOVERED_WATERMARK", "EVENT_COUNT", "EVENT_CODE", "EVENT_PAGE", "EVENT_OVERFLOW", "MAILBOX_CONTROL",
    "MAILBOX_STATUS_HIGH", *(register.name for register, (name, _) in COUNTERS.items() if name != "cycles"),
]  # fmt: skip


async def check_fresh(tb: TB) -> None:
    """After a reset: everything is forgotten, and the device works."""
    expect(tb.dut.interrupt_o, 0)
    assert await tb.register(Register.STATUS) & 0b101 == 0b001  # ready, not low
    await tb.expect(Register.FREE_SECTORS, PARAMETERS.media_sectors)
    assert await tb.registers(*ZERO_AFTER_RESET) == dict.fromkeys(ZERO_AFTER_RESET, 0)
    for page in (0, 1, 2, PARAMETERS.perceived_pages - 1):
        info = await tb.page_state(page)
        assert (info.state, info.cached, info.dirty) == (PageState.FREE, False, False)
    assert await tb.load(1) == ZERO_PAGE
    contents = [noise_page(71), compressible_page(71), tb.random.choice(program_pages())]
    for page, content in enumerate(contents):
        await tb.store(page, content)
    await tb.idle()
    await tb.check_chains(range(4))
    for page, content in enumerate(contents):
        await tb.evict(page)
        assert await tb.load(page) == content
    assert await tb.events() == []
    await tb.conserved()


async def prepare(tb: TB) -> None:
    """Stored, dirty and poisoned pages, an event, registers that are not at their reset values."""
    for page in range(3):
        await tb.store(page, noise_page(page) if page else compressible_page(page))
    await tb.idle()
    await tb.store(3, noise_page(3))
    await tb.idle()
    await tb.evict(3)
    tb.media.bad_reads = set(range(PARAMETERS.media_sectors))
    await tb.read(3 * PAGE_BYTES, PAGE_BYTES)
    await tb.idle()
    tb.media.bad_reads = set()
    await tb.store_line(2, 4, b"\x11" * LINE_BYTES)
    await tb.set_register(Register.LOW_WATERMARK, PARAMETERS.media_sectors)
    await tb.set_register(Register.INTERRUPT_ENABLE, 0xFFFF)
    await tb.cycles(5)
    assert int(tb.dut.interrupt_o.value) != 0


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def reset_at_rest_forgets_everything(dut: Any) -> None:
    tb = await TB.open(dut)
    await check_fresh(tb)
    await prepare(tb)
    await tb.reset(1)
    await check_fresh(tb)


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def reset_in_a_host_burst(dut: Any) -> None:
    """A write after some of its beats, and a read after some of its beats."""
    tb = await TB.open(dut)
    for what in ("write", "read"):
        await prepare(tb)
        for line in range(64):
            if what == "read":  # the burst is under way, not waiting for a fill
                await tb.load(1, line, 1)
        if what == "write":
            valid, ready = dut.s_axi_wvalid, dut.s_axi_wready
            tb.host.init_write(4 * PAGE_BYTES, noise_page(4))
        else:
            valid, ready = dut.s_axi_rvalid, dut.s_axi_rready
            tb.host.init_read(PAGE_BYTES, PAGE_BYTES)
        beats = 0
        while beats < 20:
            await RisingEdge(dut.clk_i)
            beats += int(valid.value) & int(ready.value)
        await tb.reset(1)
        await check_fresh(tb)


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def reset_in_a_close(dut: Any) -> None:
    """While it compresses, and while sectors are taken and the media has not answered."""
    tb = await TB.open(dut)
    for content, wait in ((compressible_page(1), 40), (program_pages()[3], 100), (noise_page(1), 2000)):
        await prepare(tb)
        tb.slave.write_if.b_channel.pause = True
        await tb.store(5, content)
        await tb.cycles(wait)
        expect(dut.idle_o, 0)
        if wait == 2000:
            assert await tb.register(Register.FREE_SECTORS) < PARAMETERS.media_sectors
        dut.rst_ni.value = 0
        await tb.cycles(1)
        tb.slave.write_if.b_channel.pause = False
        tb.media.failed.clear()
        dut.rst_ni.value = 1
        await tb.idle()
        await check_fresh(tb)


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def reset_in_a_fill(dut: Any) -> None:
    """Before the media answers, and between two of its answers."""
    tb = await TB.open(dut)
    for sectors in (1, 2):
        await prepare(tb)
        await tb.evict(1)
        tb.media.read_sectors.clear()
        tb.media.latency = lambda last=sectors: 50_000 if len(tb.media.read_sectors) >= last else 0
        tb.host.init_read(PAGE_BYTES, PAGE_BYTES)
        await tb.cycles(1000)
        assert len(tb.media.read_sectors) == sectors
        expect(dut.idle_o, 0)
        tb.media.latency = None
        await tb.reset(1)
        await check_fresh(tb)
