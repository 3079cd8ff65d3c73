# SPDX-License-Identifier: MIT
"""Interrupts, events, counters, reset and `idle_o` (docs/device.md)."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import RisingEdge, Timer

from hw.codes import EventCode, Interrupt, Opcode, PageState, ReturnCode
from hw.link import PAGE_BYTES
from hw.registers import COUNTERS, STATUS_IDLE, STATUS_LOW, STATUS_READY, Register
from tests.hw.cram_device_tb import PARAMETERS, SLVERR, TB, effort
from tests.hw.expect import PERIOD_NS, expect
from tests.pages import FORMS, SAME_PAGE, ZERO_PAGE, compressible_page, noise_page

RAW = PARAMETERS.raw_sectors
LOW_LINES = Interrupt.LOW.mask | Interrupt.RECOVERED.mask


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def low_and_recovered_are_raised_once_each_with_hysteresis(dut: Any) -> None:
    tb = await TB.open(dut)
    total = PARAMETERS.media_sectors
    low, recovered = total - 2 * RAW + 1, total - RAW  # low: two raw pages stored; recovered: one left
    await tb.set_register(Register.RECOVERED_WATERMARK, recovered)
    await tb.set_register(Register.LOW_WATERMARK, low)
    await tb.set_register(Register.INTERRUPT_ENABLE, LOW_LINES)

    async def after(what: Any) -> tuple[int, int]:
        """Interrupts raised by it, then cleared; the low state."""
        await what
        await tb.idle()
        raised = int(dut.interrupt_o.value)
        await tb.set_register(Register.INTERRUPT_STATUS, raised)
        expect(dut.interrupt_o, 0)
        return raised, STATUS_LOW.get(await tb.register(Register.STATUS))

    assert await after(tb.store(0, noise_page(0))) == (0, 0)
    assert await after(tb.store(1, noise_page(1))) == (Interrupt.LOW.mask, 1)
    assert await after(tb.store(2, noise_page(2))) == (0, 1)
    assert await after(tb.trim((2, 1))) == (0, 1)
    assert await after(tb.store(3, SAME_PAGE)) == (0, 1)
    assert await after(tb.trim((1, 1))) == (Interrupt.RECOVERED.mask, 0)
    assert await after(tb.trim((0, 1))) == (0, 0)
    assert await after(tb.store(0, noise_page(0))) == (0, 0)
    assert await after(tb.store(1, noise_page(1))) == (Interrupt.LOW.mask, 1)
    await tb.conserved()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def rewriting_a_page_passes_no_mark_on_the_way(dut: Any) -> None:
    """As many sectors are free after it as before. On the way new sectors are taken before the old ones are back."""
    tb = await TB.open(dut)
    await tb.store(0, noise_page(0))
    await tb.idle()
    free = await tb.register(Register.FREE_SECTORS)
    await tb.set_register(Register.RECOVERED_WATERMARK, free)
    for mark in (Register.LOW_WATERMARK, Register.HIGH_WATERMARK, Register.MEDIUM_WATERMARK):
        await tb.set_register(mark, free)
    await tb.set_register(Register.CRITICAL_WATERMARK, free)
    await tb.set_register(Register.WATERMARK_HYSTERESIS, RAW)
    for seed in (1, 2):
        await tb.store(0, noise_page(seed))
        await tb.idle()
        await tb.expect(Register.FREE_SECTORS, free)
        await tb.expect(Register.INTERRUPT_STATUS, 0)
    await tb.store_line(0, 3, b"part")  # a page that is left dirty is promised room
    await tb.idle()
    assert await tb.register(Register.INTERRUPT_STATUS) & LOW_LINES == Interrupt.LOW.mask
    await tb.conserved()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_host_that_writes_without_pause_is_told_that_the_media_runs_low(dut: Any) -> None:
    """Some close is always under way or waits for it: the mark is passed all the same, before the media is full."""
    tb = await TB.open(dut)
    fits = PARAMETERS.media_sectors // RAW
    before = fits // 2  # pages that pass no mark
    await tb.set_register(Register.LOW_WATERMARK, PARAMETERS.media_sectors - before * RAW)
    await tb.set_register(Register.INTERRUPT_ENABLE, Interrupt.LOW.mask)
    under_way: list[Any] = []
    written = 0
    while not int(dut.interrupt_o.value):
        assert written < fits, f"{written} raw pages fill the media, and nobody has said that it runs low"
        under_way.append(tb.host.init_write(written * PAGE_BYTES, noise_page(written)))
        written += 1
        if len(under_way) == 2:
            await under_way.pop(0).wait()
    assert before < written <= before + 1 + PARAMETERS.cache_pages + len(under_way)
    for access in under_way:
        await access.wait()
    await tb.idle()
    await tb.conserved()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_line_that_is_not_enabled_stays_low_and_keeps_its_status(dut: Any) -> None:
    tb = await TB.open(dut)
    await tb.set_register(Register.LOW_WATERMARK, PARAMETERS.media_sectors)
    await tb.store(0, noise_page(0))
    await tb.idle()
    expect(dut.interrupt_o, 0)
    assert await tb.register(Register.INTERRUPT_STATUS) & LOW_LINES == Interrupt.LOW.mask
    await tb.set_register(Register.INTERRUPT_ENABLE, Interrupt.LOW.mask)
    await tb.cycles(2)
    expect(dut.interrupt_o, Interrupt.LOW.mask)


@cocotb.test(timeout_time=200, timeout_unit="ms")
async def the_event_log_keeps_the_oldest_sixteen_and_counts_the_rest(dut: Any) -> None:
    tb = await TB.open(dut)
    await tb.set_register(Register.INTERRUPT_ENABLE, Interrupt.EVENT.mask)
    for page in range(20):
        code, _ = await tb.mailbox(Opcode.INJECT_POISON, (page * PAGE_BYTES).to_bytes(8, "little"))
        assert code == ReturnCode.SUCCESS
    expect(dut.interrupt_o, Interrupt.EVENT.mask)
    assert await tb.registers("EVENT_COUNT", "EVENT_OVERFLOW", "PAGES_POISONED") == {
        "EVENT_COUNT": 16, "EVENT_OVERFLOW": 4, "PAGES_POISONED": 20,
    }  # fmt: skip
    assert await tb.events() == [(EventCode.POISON_INJECTED, page) for page in range(16)]
    assert await tb.registers("EVENT_COUNT", "EVENT_CODE", "EVENT_PAGE") == {
        "EVENT_COUNT": 0, "EVENT_CODE": 0, "EVENT_PAGE": 0,
    }  # fmt: skip
    await tb.conserved()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def counters_are_exact(dut: Any) -> None:
    """A script whose every step says what it counts."""
    tb = await TB.open(dut)
    count: dict[str, int] = {}

    async def step(what: Any, **more: int) -> None:
        await what
        await tb.idle()
        for name, value in more.items():
            count[name.upper()] = count.get(name.upper(), 0) + value
        assert await tb.registers(*NAMES) == {name: count.get(name, 0) for name in NAMES}, more

    at = {state: page for page, state in enumerate(FORMS)}
    await step(tb.load(0), pages_opened=1, lines_read=64)
    for state, page in at.items():
        await tb.store(page, FORMS[state](1))
        await tb.idle()
        length = (await tb.page_state(page)).length if state == PageState.LZ4 else 0
        closed = {"pages_opened": int(page > 0), "pages_closed": 1, state.counter: 1, "block_bytes_low": length}
        await step(tb.idle(), lines_written=64, **closed)
    small, last = at[PageState.LZ4], max(at.values())
    await step(tb.load(last, 5, 2), lines_read=2)
    await step(tb.evict(small), **await _eviction(tb, small))
    await step(tb.load(small, 63, 1), pages_opened=1, pages_filled=1, lines_read=1)
    await step(tb.export(small))
    await step(tb.store_line(small, 0, b"part"), lines_written=1)
    await step(tb.trim((1, last)), pages_trimmed=last)
    await step(tb.trim((1, 1)), pages_trimmed=1)
    await step(tb.flush())


NAMES = [register.name for register, (name, _) in COUNTERS.items() if name != "cycles"]


async def _eviction(tb: TB, page: int) -> dict[str, int]:
    """What `evict` will count: it reads one line each of free pages that are not cached."""
    others = 2 * PARAMETERS.cache_pages
    return {"pages_opened": others, "lines_read": others}


@cocotb.test(timeout_time=200, timeout_unit="ms")
async def a_reset_at_any_moment_forgets_everything_and_the_device_works(dut: Any) -> None:
    """In the middle of bursts, fills, closes and mailbox commands; the bus models are reset with the device."""
    tb = await TB.open(dut)
    for round_ in range(effort(40)):
        await tb.store(0, noise_page(round_))
        await tb.store(1, compressible_page(round_))
        await tb.flush()
        await tb.evict(0)
        await tb.evict(1)
        what = round_ % 5
        if what == 0:
            tb.host.init_write(2 * PAGE_BYTES, noise_page(2))
        elif what == 1:
            tb.host.init_read(0, PAGE_BYTES)
        elif what == 2:
            tb.host.init_read(PAGE_BYTES, PAGE_BYTES)
            tb.host.init_write(64, b"part")
        elif what == 3:
            tb.axil.init_write(Register.MAILBOX_PAYLOAD, (PAGE_BYTES).to_bytes(8, "little"))
            tb.axil.init_write(Register.MAILBOX_COMMAND_LOW, (8 << 16 | 0xC002).to_bytes(4, "little"))
            tb.axil.init_write(Register.MAILBOX_CONTROL, b"\x01\x00\x00\x00")
        else:
            tb.host.init_write(0, noise_page(4))
            tb.axil.init_read(Register.FREE_SECTORS, 4)
        await tb.cycles(tb.random.choice([tb.random.randrange(1, 80), tb.random.randrange(1, 1500)]))
        await tb.reset(tb.random.choice([1, 1, 2, 5]))
        assert await tb.registers("FREE_SECTORS", "RESERVED_SECTORS", "RESIDENT_PAGES", "EVENT_COUNT", *NAMES) == {
            "FREE_SECTORS": PARAMETERS.media_sectors, "RESERVED_SECTORS": 0, "RESIDENT_PAGES": 0, "EVENT_COUNT": 0,
            **dict.fromkeys(NAMES, 0),
        }  # fmt: skip
        for page in (0, 1, 2):
            assert (await tb.page_state(page)).state == PageState.FREE
            assert await tb.load(page) == ZERO_PAGE
    await tb.store(5, noise_page(5))
    await tb.evict(5)
    assert await tb.load(5) == noise_page(5)
    await tb.conserved()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def ready_rises_after_a_sweep_and_accesses_before_it_wait(dut: Any) -> None:
    tb = await TB.open(dut)
    await tb.store(3, SAME_PAGE)
    dut.rst_ni.value = 0
    await tb.cycles(1)
    dut.rst_ni.value = 1
    early = cocotb.start_soon(tb.load(3))
    assert not STATUS_READY.get(await tb.register(Register.STATUS))
    assert await early == ZERO_PAGE
    assert STATUS_READY.get(await tb.register(Register.STATUS))


@cocotb.test(timeout_time=200, timeout_unit="ms")
async def the_clock_may_stop_while_idle_and_nothing_is_lost(dut: Any) -> None:
    """The clock runs only while `idle_o` is low or a request is being made: as a host does that saves power."""
    tb = await TB.open(dut)
    cycles = await tb.register(Register.CYCLES_LOW)
    contents: dict[int, bytes] = {}
    for round_ in range(effort(40)):
        await tb.idle()
        tb.clock.stop()
        await Timer(tb.random.randrange(1, 1000) * PERIOD_NS, "ns")
        tb.clock.start()
        page = tb.random.randrange(8)
        what = tb.random.choice(["store", "part", "load", "trim", "flush"])
        if what == "store":
            contents[page] = tb.random.choice([compressible_page(round_), noise_page(round_), ZERO_PAGE])
            await tb.store(page, contents[page])
        elif what == "part":
            line = bytes([round_]) * 32
            await tb.store_line(page, 3, line)
            contents[page] = contents.get(page, ZERO_PAGE)[:192] + line + contents.get(page, ZERO_PAGE)[224:]
        elif what == "load":
            assert await tb.load(page) == contents.get(page, ZERO_PAGE)
        elif what == "trim":
            await tb.trim((page, 1))
            contents[page] = ZERO_PAGE
        else:
            await tb.flush()
    assert await tb.register(Register.CYCLES_LOW) > cycles
    for page, content in contents.items():
        assert await tb.load(page) == content
    await tb.conserved()


@cocotb.test(timeout_time=200, timeout_unit="ms")
async def idle_is_low_while_anything_is_under_way(dut: Any) -> None:
    """Watched every cycle: an unanswered request at any port, or a media access, keeps `idle_o` low."""
    tb = await TB.open(dut)
    watch = cocotb.start_soon(_watch_idle(tb))
    for round_ in range(effort(20)):
        await tb.store(round_ % 8, noise_page(round_) if round_ % 2 else compressible_page(round_))
        await tb.store_line((round_ + 3) % 8, 1, b"part")
        if round_ % 4 == 0:
            await tb.flush()
        await tb.load((round_ + 5) % 8)
        await tb.idle()
        assert STATUS_IDLE.get(await tb.register(Register.STATUS))  # the register access itself does not count
    tb.slave.write_if.b_channel.pause = True
    await tb.store(0, noise_page(0))
    await tb.cycles(3000)
    assert not STATUS_IDLE.get(await tb.register(Register.STATUS))
    tb.slave.write_if.b_channel.pause = False
    await tb.conserved()
    assert not watch.done(), watch.exception()
    watch.cancel()


async def _watch_idle(tb: TB) -> None:
    dut = tb.dut
    open_requests = {"s_axi_w": 0, "s_axi_r": 0, "s_axil_w": 0, "s_axil_r": 0, "m_axi_w": 0, "m_axi_r": 0}

    def fires(port: str, channel: str) -> bool:
        valid, ready = (getattr(dut, f"{port}_{channel}{end}").value for end in ("valid", "ready"))
        return bool(valid == 1 and ready == 1)

    while True:
        await RisingEdge(dut.clk_i)
        idle = dut.idle_o.value == 1
        for name in open_requests:
            port, direction = name.rsplit("_", 1)
            if direction == "r":
                last = port == "s_axil" or getattr(dut, f"{port}_rlast").value == 1
                started, ended = fires(port, "ar"), fires(port, "r") and last
            else:
                started, ended = fires(port, "aw"), fires(port, "b")
            assert not (idle and open_requests[name]), f"idle with {name} under way"
            open_requests[name] += started - ended
        assert not (idle and any(getattr(dut, f"m_axi_{c}valid").value == 1 for c in ("aw", "w", "ar")))


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_poison_page_does_not_keep_the_device_busy(dut: Any) -> None:
    """Refusals end too."""
    tb = await TB.open(dut)
    await tb.store(0, noise_page(0))
    assert (await tb.mailbox(Opcode.INJECT_POISON, bytes(8)))[0] == ReturnCode.SUCCESS
    await tb.idle()
    jobs = [tb.host.init_read(0, PAGE_BYTES), tb.host.init_write(0, noise_page(1))]
    for event in jobs:
        await tb.within(5000, event.wait())
        assert event.data.resp == SLVERR
    await tb.idle()
    assert await tb.registers("LINES_READ", "LINES_WRITTEN") == {"LINES_READ": 0, "LINES_WRITTEN": 64}
