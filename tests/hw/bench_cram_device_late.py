# SPDX-License-Identifier: MIT
"""A media that answers late, or never, and resets of one side alone (docs/device/media.md).

Oracle: what was stored after a reset reads back; every access is answered; the rules of `MediaWatch`.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any

import cocotb
import lz4.block
from cocotb.triggers import with_timeout

from hw.codes import EventCode, Opcode, ReturnCode
from hw.link import LINE_BYTES, PAGE_BYTES
from hw.registers import MEDIA_TIME_LIMIT_RESET, Register
from tests.hw.bench_cram_device_reset import check_fresh
from tests.hw.cram_device_tb import OKAY, PARAMETERS, SLVERR, TB, effort
from tests.hw.expect import PERIOD_NS
from tests.hw.media_watch import MediaWatch
from tests.pages import compressible_page, noise_page

LIMIT = 300
EPOCHS = 4
CHANNELS = ("aw", "w", "b", "ar", "r")


def channel(tb: TB, name: str) -> Any:
    """One of the media's five channels; `pause` stops it."""
    side = tb.slave.read_if if name in ("ar", "r") else tb.slave.write_if
    return getattr(side, f"{name}_channel")


def pause(tb: TB, *names: str) -> None:
    """Stop these channels of the media, and let the others run."""
    for name in CHANNELS:
        channel(tb, name).pause = name in names


async def until(tb: TB, what: Callable[[], bool]) -> None:
    """Wait for it, cycle by cycle."""
    for _ in range(20_000):
        if what():
            return
        await tb.cycles(1)
    raise AssertionError("that never happens")


async def taken(tb: TB, watch: MediaWatch, name: str, count: int) -> None:
    """Wait until the media has taken so many requests on this channel."""
    await until(tb, lambda: watch.taken[name] >= count)


async def ended(cycles: int, task: Any) -> Any:
    """What a task that was started before gives; it must not take more cycles from now on."""
    return task.result() if task.done() else await with_timeout(task, cycles * PERIOD_NS, "ns")


async def reset_device(tb: TB, cycles: int = 1) -> None:
    """Reset the device alone; its page table is cleared afterwards, whatever the media does."""
    tb.dut.rst_ni.value = 0
    await tb.cycles(cycles)
    tb.dut.rst_ni.value = 1
    await tb.cycles(PARAMETERS.perceived_pages + 10)


async def stored_pages(tb: TB, count: int) -> None:
    """Pages 0 to `count` - 1 lie on the media and not in the cache."""
    for page in range(count):
        await tb.store(page, noise_page(page))
    await tb.idle()
    for page in range(count):
        await tb.evict(page)


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def responses_that_come_after_a_reset_are_not_taken_for_new_ones(dut: Any) -> None:
    """The device is reset with 1, 2, 3 writes unanswered. It begins no other write before they are."""
    tb = await TB.open(dut)
    watch = MediaWatch(dut)
    for owed in range(1, effort(2) + 2):
        pause(tb, "b")
        begun = watch.taken["aw"]
        tb.host.init_write(5 * PAGE_BYTES, noise_page(5))
        await taken(tb, watch, "aw", begun + owed)
        await reset_device(tb)
        before = watch.taken["aw"]
        store = cocotb.start_soon(tb.store(1, noise_page(1)))
        await tb.cycles(1500)
        assert watch.taken["aw"] <= before + 1, "a write began while one from before the reset was unanswered"
        assert dut.idle_o.value == 0
        pause(tb)
        await ended(20_000, store)
        await tb.idle()
        assert watch.taken["aw"] > before + 1
        await tb.trim((1, 1))
        await tb.set_register(Register.INTERRUPT_STATUS, 0xFFFF)
        await tb.reset(media=False)
        await check_fresh(tb)
    watch.check()


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def beats_that_come_after_a_reset_are_not_taken_for_new_ones(dut: Any) -> None:
    """Ten pages stored afterwards read back, although the media still answers the reads of before."""
    tb = await TB.open(dut)
    watch = MediaWatch(dut)
    for wait in (1, 2, 5, 30)[: effort(4)]:
        await stored_pages(tb, 3)
        pause(tb, "r")
        asked = watch.taken["ar"]
        tb.host.init_read(PAGE_BYTES, PAGE_BYTES)
        await taken(tb, watch, "ar", asked + 1)
        await tb.cycles(wait)
        await reset_device(tb)
        assert watch.reads_owed > 0
        pages = range(min(10, PARAMETERS.media_bytes // PAGE_BYTES - 2))
        for page in pages:
            await tb.store(page, noise_page(40 + page))
        pause(tb)
        for page in pages:
            assert await tb.load(page) == noise_page(40 + page)
        assert await tb.events() == []
        await tb.conserved()
        await tb.reset(media=False)
    watch.check()


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def a_burst_that_a_reset_cuts_is_finished_without_strobes(dut: Any) -> None:
    """With the address not taken, and after each number of beats."""
    tb = await TB.open(dut)
    watch = MediaWatch(dut)
    beats = PARAMETERS.sector_bytes // LINE_BYTES
    for sent in range(-1, beats):
        pause(tb, "aw" if sent < 0 else "b")
        begun, before = watch.taken["aw"], watch.taken["w"]
        tb.host.init_write(5 * PAGE_BYTES, noise_page(5))
        if sent < 0:
            await until(tb, lambda: tb.dut.m_axi_awvalid.value == 1)
        else:
            if sent == 0:
                pause(tb, "w", "b")
            await taken(tb, watch, "aw", begun + 1)
            await taken(tb, watch, "w", before + sent)
            pause(tb, "w", "b")
        await tb.cycles(5)
        await reset_device(tb)
        pause(tb)
        await until(tb, lambda: watch.writes_owed == 0)
        await tb.idle()
        due = (watch.taken["aw"] - begun) * beats
        assert watch.taken["w"] - before == due
        await check_fresh(tb)
        await tb.reset(media=False)
    assert watch.bare > 0
    watch.check()


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def more_resets_than_there_are_epochs_while_answers_are_owed(dut: Any) -> None:
    tb = await TB.open(dut)
    watch = MediaWatch(dut)
    for round_ in range(EPOCHS + 2):
        await stored_pages(tb, 2)
        pause(tb, "r")
        for turn in range(EPOCHS + 2):
            asked = watch.taken["ar"]
            tb.host.init_read(PAGE_BYTES, PAGE_BYTES)
            if turn == 0:
                await taken(tb, watch, "ar", asked + 1)
            await tb.cycles(tb.random.randrange(20))
            await reset_device(tb, 1 + turn % 3)
            await tb.store(1, noise_page(60 + turn))
            await tb.flush()
            await tb.evict(1)
        assert watch.reads_owed > 0
        pause(tb)
        assert await tb.load(1) == noise_page(60 + EPOCHS + 1)
        if round_ >= effort(EPOCHS + 2) - 1:
            break
        await tb.reset(media=False)
    await tb.conserved()
    watch.check()


async def others_go_on(tb: TB) -> None:
    """A page in the cache is read and written, the mailbox and the registers answer."""
    assert await tb.within(2000, tb.load(8, 0, 1)) == b"here" * 16
    await tb.within(2000, tb.store_line(8, 1, b"too!" * 16))
    await tb.within(20_000, tb.page_state(8))
    assert await tb.register(Register.STATUS) & 1


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def a_media_that_never_answers_costs_its_time_limit_and_no_more(dut: Any) -> None:
    """Each channel of its own: the access is answered, the rest goes on, the event tells; then all is well again."""
    tb = await TB.open(dut)
    watch = MediaWatch(dut)
    for name in CHANNELS:
        await tb.set_register(Register.MEDIA_TIME_LIMIT, LIMIT)
        await stored_pages(tb, 2)
        await tb.store_line(8, 0, b"here" * 16)
        pause(tb, name)
        if name in ("ar", "r"):
            response = (await tb.within(40 * LIMIT, tb.read(PAGE_BYTES, PAGE_BYTES)))[1]
            assert response == SLVERR
        else:
            await tb.within(4000, tb.write(2 * PAGE_BYTES, noise_page(2)))
        await others_go_on(tb)
        await tb.within(200 * LIMIT, tb.idle())
        assert await tb.register(Register.MEDIA_TIMEOUTS) >= 1
        assert {code for code, _ in await tb.events()} == {EventCode.MEDIA_TIMEOUT}
        await others_go_on(tb)
        pause(tb)
        await until(tb, lambda: watch.reads_owed == 0 and watch.writes_owed == 0)
        for page in range(2):
            assert await tb.load(page) == noise_page(page)
        await tb.store(3, compressible_page(3))
        await tb.idle()
        await tb.evict(3)
        assert await tb.load(3) == compressible_page(3)
        assert await tb.events() == []
        await tb.reset(media=False)
    watch.check()


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def sectors_that_the_media_may_still_write_are_held(dut: Any) -> None:
    """However often a close is tried meanwhile. When the media answers they are free and the pages are stored."""
    tb = await TB.open(dut)
    watch = MediaWatch(dut)
    await tb.set_register(Register.MEDIA_TIME_LIMIT, LIMIT)
    pause(tb, "b")
    free = PARAMETERS.media_sectors
    for page in range(2):
        await tb.store(page, compressible_page(page))
        await tb.within(50_000, tb.idle())
        assert (await tb.page_state(page)).dirty
        before, free = free, await tb.register(Register.FREE_SECTORS)
        assert free < before, "its sectors are not given out again"
    assert {code for code, _ in await tb.events()} == {EventCode.MEDIA_TIMEOUT}
    pause(tb)
    await tb.cycles(2000)
    await tb.flush()
    for page in range(2):
        await tb.evict(page)
        assert await tb.load(page) == compressible_page(page)
    assert await tb.registers("PAGES_POISONED", "SECTORS_RETIRED") == {"PAGES_POISONED": 0, "SECTORS_RETIRED": 0}
    await tb.conserved()
    watch.check()


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def an_import_that_the_media_does_not_answer_is_an_internal_error(dut: Any) -> None:
    """Neither the block nor want of room is to blame; the page is as it was."""
    tb = await TB.open(dut)
    watch = MediaWatch(dut)
    await stored_pages(tb, 2)
    before = await tb.page_state(1)
    await tb.set_register(Register.MEDIA_TIME_LIMIT, LIMIT)
    content = compressible_page(5)
    block = lz4.block.compress(content, store_size=False)
    command = struct.pack("<QI52x", PAGE_BYTES, zlib.crc32(content)) + block
    await tb.axil.write(Register.MAILBOX_PAYLOAD, command + bytes(LINE_BYTES))  # a beat has no unknown bits
    pause(tb, "b")
    assert await tb.mailbox(Opcode.IMPORT_BLOCK, command) == (ReturnCode.INTERNAL_ERROR, b"")
    assert await tb.events() == [(EventCode.IMPORT_REFUSED, 1)]
    pause(tb)
    assert await tb.page_state(1) == before
    assert await tb.load(1) == noise_page(1)
    watch.check()


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def silence_longer_than_the_time_limit_is_an_error(dut: Any) -> None:
    """Half of it is in time, twice is late, a limit of 0 is none; bench_media_port.py has the exact cycle."""
    tb = await TB.open(dut)
    await tb.expect(Register.MEDIA_TIME_LIMIT, MEDIA_TIME_LIMIT_RESET)
    watch = MediaWatch(dut)
    for limit, silent, wanted in ((LIMIT, LIMIT // 2, OKAY), (LIMIT, 2 * LIMIT, SLVERR), (0, 20 * LIMIT, OKAY)):
        await tb.set_register(Register.MEDIA_TIME_LIMIT, limit)
        await stored_pages(tb, 1)
        pause(tb, "r")
        asked = watch.taken["ar"]
        read = cocotb.start_soon(tb.read(0, PAGE_BYTES))
        await taken(tb, watch, "ar", asked + 1)
        await tb.cycles(silent)
        pause(tb)
        data, response = await ended(20_000, read)
        assert response == wanted
        assert response != OKAY or data == noise_page(0)
        await tb.expect(Register.MEDIA_TIMEOUTS, int(wanted != OKAY))
        await tb.reset(media=False)
    watch.check()


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def a_reset_of_the_media_alone_costs_what_was_under_way(dut: Any) -> None:
    """More often than there are epochs: in a fill, in a close, and at rest. The content of the media stays."""
    tb = await TB.open(dut)
    watch = MediaWatch(dut)
    await stored_pages(tb, 2)
    await tb.store_line(8, 0, b"here" * 16)
    for turn in range(max(3, effort(9))):
        kind = ("fill", "close", "rest")[turn % 3]
        pause(tb, "r", "b")
        if kind == "fill":
            await tb.store(1, noise_page(70 + turn))
            pause(tb)
            await tb.idle()
            await tb.evict(1)
            pause(tb, "r", "b")
            access = cocotb.start_soon(tb.read(PAGE_BYTES, PAGE_BYTES))
            await until(tb, lambda: watch.reads_owed > 0)
        elif kind == "close":
            access = cocotb.start_soon(tb.write(2 * PAGE_BYTES, noise_page(80 + turn)))
            await until(tb, lambda: watch.writes_owed > 0)
        await tb.cycles(tb.random.randrange(5))
        dut.media_rst_ni.value = 0
        await tb.cycles(1 + turn % 3)
        dut.media_rst_ni.value = 1
        pause(tb)
        if kind != "rest":
            await ended(20_000, access)
        await tb.idle()
        await others_go_on(tb)
        assert await tb.load(0) == noise_page(0)
        assert {code for code, _ in await tb.events()} <= {EventCode.MEDIA_TIMEOUT}
        await tb.trim((1, 2))
        await tb.evict(0)
    watch.check()


@cocotb.test(timeout_time=900, timeout_unit="ms")
async def either_side_may_be_reset_in_any_cycle(dut: Any) -> None:
    """Work of all kinds over a slow media with gaps; a reset of one side, or of both, at a random moment of it."""
    tb = await TB.open(dut)
    watch = MediaWatch(dut)
    tb.media.latency = lambda: tb.random.choice((0, 0, 3, 40))
    for _ in range(effort(60)):
        for page in range(4):
            await tb.store(page, noise_page(page) if page % 2 else compressible_page(page))
        if tb.random.random() < 0.5:
            tb.host.init_read(tb.random.randrange(4) * PAGE_BYTES, PAGE_BYTES)
        held = tb.random.sample(CHANNELS, tb.random.randrange(3))
        pause(tb, *held)
        await tb.cycles(tb.random.randrange(400))
        device, media = tb.random.choice(((0, 1), (0, 1), (1, 0), (0, 0)))
        dut.rst_ni.value, dut.media_rst_ni.value = device, media
        await tb.cycles(tb.random.randint(1, 4))
        dut.rst_ni.value = dut.media_rst_ni.value = 1
        await tb.cycles(tb.random.randrange(100))
        pause(tb)
        await tb.idle()
        if device:  # the device goes on: what it has answered is right, or refused
            for page in range(4):
                data, response = await tb.within(50_000, tb.read(page * PAGE_BYTES, PAGE_BYTES))
                assert response == SLVERR or data == (noise_page(page) if page % 2 else compressible_page(page))
            await tb.trim((0, PARAMETERS.perceived_pages))
            await tb.events()
            continue
        for page in range(3):
            await tb.store(page, noise_page(90 + page))
        await tb.idle()
        for page in range(3):
            await tb.evict(page)
            assert await tb.load(page) == noise_page(90 + page)
        assert await tb.events() == []
        await tb.conserved()
    watch.check()
