# SPDX-License-Identifier: MIT
"""A full media refuses what has no room and loses nothing (docs/device/pressure.md, "Exhaustion")."""

from __future__ import annotations

from typing import Any

import cocotb

from hw.codes import EventCode, Interrupt, PageState
from hw.link import PAGE_BYTES
from hw.registers import Register
from tests.hw.cram_device_tb import OKAY, PARAMETERS, SLVERR, TB
from tests.hw.expect import expect
from tests.pages import SAME_PAGE, ZERO_PAGE, noise_page

WHOLE_PAGES = PARAMETERS.media_sectors // PARAMETERS.raw_sectors
"""Raw pages that the media holds."""


async def fill(tb: TB) -> dict[int, bytes]:
    """Store raw pages until not even one more can be reserved."""
    contents = {page: noise_page(100 + page) for page in range(WHOLE_PAGES)}
    for page, content in contents.items():
        await tb.store(page, content)
    await tb.flush()
    await tb.expect(Register.FREE_SECTORS, PARAMETERS.media_sectors % PARAMETERS.raw_sectors)
    return contents


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def a_write_without_room_is_refused_and_every_page_is_as_it_was(dut: Any) -> None:
    """A free page stays free; the refusal is told once a burst, and each line is counted."""
    tb = await TB.open(dut)
    await tb.set_register(Register.INTERRUPT_ENABLE, Interrupt.EVENT.mask)
    contents = await fill(tb)
    expect(dut.interrupt_o, 0)
    new = WHOLE_PAGES
    assert await tb.write(new * PAGE_BYTES, noise_page(1)) == SLVERR
    expect(dut.interrupt_o, Interrupt.EVENT.mask)
    assert await tb.events() == [(EventCode.EXHAUSTED, new)]
    assert (await tb.page_state(new)).state == PageState.FREE
    assert await tb.load(new) == ZERO_PAGE
    assert await tb.write(new * PAGE_BYTES + 64, bytes(64)) == SLVERR
    assert await tb.events() == [(EventCode.EXHAUSTED, new)]
    for page, content in contents.items():
        assert await tb.load(page) == content
    await tb.check_chains(range(PARAMETERS.perceived_pages))
    assert await tb.registers("RESIDENT_PAGES", "PAGES_POISONED", "RESERVED_SECTORS", "LINES_REFUSED") == {
        "RESIDENT_PAGES": WHOLE_PAGES, "PAGES_POISONED": 0, "RESERVED_SECTORS": 0, "LINES_REFUSED": 65,
    }  # fmt: skip

    await tb.trim((0, 1))
    await tb.store(new, noise_page(2))
    await tb.evict(new)
    assert await tb.load(new) == noise_page(2)
    assert await tb.load(0) == ZERO_PAGE
    await tb.conserved()
    again = await fill(tb)
    for page, content in again.items():
        assert await tb.load(page) == content
    await tb.conserved()


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def a_stored_page_that_is_overwritten_without_room_keeps_its_content(dut: Any) -> None:
    """Making it dirty needs room for a second copy. Whole pages, lines and parts of one, cached or not."""
    tb = await TB.open(dut)
    contents = await fill(tb)
    for page, offset, data in ((3, 0, b"x"), (4, 64, bytes(64)), (WHOLE_PAGES - 1, 0, SAME_PAGE), (3, 0, SAME_PAGE)):
        assert await tb.write(page * PAGE_BYTES + offset, data) == SLVERR
        assert await tb.events() == [(EventCode.EXHAUSTED, page)]
        assert await tb.load(page) == contents[page]
    await tb.trim((0, 1))
    await tb.store(4, SAME_PAGE)  # there is room now
    contents |= {0: ZERO_PAGE, 4: SAME_PAGE}
    for page, content in contents.items():
        assert await tb.load(page) == content
    await tb.expect(Register.PAGES_POISONED, 0)
    await tb.conserved()


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def low_comes_before_exhaustion_when_its_mark_is_at_least_a_raw_page(dut: Any) -> None:
    """Dirty pages hold promises: free sectors alone would stay above the mark until the first refusal."""
    tb = await TB.open(dut)
    await tb.set_register(Register.RECOVERED_WATERMARK, PARAMETERS.raw_sectors)
    await tb.set_register(Register.LOW_WATERMARK, PARAMETERS.raw_sectors)
    open_pages = PARAMETERS.cache_pages - 1
    for page in range(WHOLE_PAGES):
        low = await tb.register(Register.INTERRUPT_STATUS) & Interrupt.LOW.mask
        half = page >= WHOLE_PAGES - open_pages
        response = await tb.write(page * PAGE_BYTES, noise_page(page)[: 2048 if half else None])
        await tb.idle()
        if response != OKAY:
            assert low, "refused, and LOW was not raised before"
    assert await tb.register(Register.INTERRUPT_STATUS) & Interrupt.LOW.mask
    assert await tb.register(Register.FREE_SECTORS) >= PARAMETERS.raw_sectors
    await tb.conserved()


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def other_dirty_pages_are_closed_before_a_write_is_refused(dut: Any) -> None:
    """All reservations are held by open pages that compress to nothing: closing the oldest of them makes room."""
    tb = await TB.open(dut)
    raw = WHOLE_PAGES - (PARAMETERS.cache_pages - 1)
    for page in range(raw):
        await tb.store(page, noise_page(page))
    await tb.idle()
    opened = range(raw, WHOLE_PAGES)
    for page in opened:
        await tb.store_line(page, 0, b"a" * 64)
    reserved = await tb.register(Register.RESERVED_SECTORS)
    assert reserved == len(opened) * PARAMETERS.raw_sectors
    assert await tb.register(Register.FREE_SECTORS) - reserved < PARAMETERS.raw_sectors
    await tb.store_line(WHOLE_PAGES, 0, b"b" * 64)
    flags = {page: (await tb.page_state(page)).dirty for page in (*opened, WHOLE_PAGES)}
    # one block takes at least a sector, so the first close gives back less than a page needs, unless sectors are spare
    spare = PARAMETERS.media_sectors % PARAMETERS.raw_sectors > 0
    assert [page for page, dirty in flags.items() if not dirty] == list(opened)[: 1 if spare else min(2, len(opened))]
    assert await tb.events() == []
    for page in range(raw):
        assert await tb.load(page) == noise_page(page)
    for page in opened:
        assert await tb.load(page) == b"a" * 64 + bytes(PAGE_BYTES - 64)
    await tb.conserved()


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def what_was_acknowledged_can_always_be_closed(dut: Any) -> None:
    """Every page is begun while there is room, then made incompressible: nothing acknowledged is lost."""
    tb = await TB.open(dut)
    contents: dict[int, bytearray] = {}
    for page in range(WHOLE_PAGES + 4):
        if await tb.write(page * PAGE_BYTES, noise_page(page)[:2048]) == OKAY:
            contents[page] = bytearray(noise_page(page)[:2048] + bytes(2048))
    for page in tb.random.sample(sorted(contents), len(contents)):
        if await tb.write(page * PAGE_BYTES + 2048, noise_page(page)[2048:]) == OKAY:
            contents[page][2048:] = noise_page(page)[2048:]
    await tb.flush()
    assert {code for code, _ in await tb.events()} == {EventCode.EXHAUSTED}
    for page, content in contents.items():
        assert await tb.load(page) == content
    await tb.check_chains(range(PARAMETERS.perceived_pages))
    await tb.conserved()


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def pages_without_sectors_need_room_only_while_they_are_open(dut: Any) -> None:
    """Zero and same pages: with room for one raw page there is room for as many of them as there are."""
    tb = await TB.open(dut)
    for page in range(WHOLE_PAGES - 1):
        await tb.store(page, noise_page(page))
    for page in range(WHOLE_PAGES, PARAMETERS.perceived_pages):
        await tb.store(page, SAME_PAGE if page % 2 else ZERO_PAGE)
    for page in range(WHOLE_PAGES, PARAMETERS.perceived_pages):
        assert await tb.load(page, 63, 1) == (SAME_PAGE if page % 2 else ZERO_PAGE)[:64]
    assert await tb.events() == []
    await tb.conserved()
