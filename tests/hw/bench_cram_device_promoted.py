# SPDX-License-Identifier: MIT
"""The promoted region (docs/device/promotion.md): a hot page lies in a frame, and a line of it costs a line."""

from __future__ import annotations

from typing import Any

import cocotb
import lz4.block

from hw.codes import EventCode, ReturnCode
from hw.link import LINE_BYTES, PAGE_BYTES
from hw.registers import Register
from tests.hw.cram_device_tb import PARAMETERS, SLVERR, TB, effort
from tests.pages import noise_page

FRAMES = PARAMETERS.promoted_pages
COLD = range(PARAMETERS.perceived_pages // 2, PARAMETERS.perceived_pages)  # free pages that push others out


def content(page: int) -> bytes:
    """What a page holds at first: half a page of noise, or, of some, a whole one, which is stored raw."""
    return noise_page(page) if page % 3 == 2 else noise_page(page)[:2048] + bytes(2048)


async def evict(tb: TB) -> None:
    """Nothing is dirty, and nothing but free pages is cached."""
    await tb.flush()
    for page in COLD[: 2 * PARAMETERS.cache_pages]:
        await tb.load(page, 0, 1)
    await tb.idle()


async def heat(tb: TB, page: int) -> None:
    """Miss it twice, which makes it hot; then it is not cached."""
    for _ in range(2):
        await tb.load(page, 0, 1)
        await tb.idle()
        await evict(tb)


async def device(dut: Any, pages: int) -> TB:
    """So many pages are stored, and not cached."""
    tb = await TB.open(dut)
    for page in range(pages):
        await tb.store(page, content(page))
    await tb.idle()
    await evict(tb)
    return tb


async def beats(tb: TB, what: Any) -> tuple[int, int]:
    """Beats that the media reads and writes for it."""
    names = (Register.MEDIA_READ_BEATS, Register.MEDIA_WRITE_BEATS)
    before = [await tb.register(name) for name in names]
    await what
    await tb.idle()
    after = [await tb.register(name) for name in names]
    return after[0] - before[0], after[1] - before[1]


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_line_of_a_hot_page_costs_one_line_of_the_media(dut: Any) -> None:
    tb = await device(dut, FRAMES + 1)
    for page in range(FRAMES):
        await heat(tb, page)
    for page in range(FRAMES):
        for line in (63, 0, 17):
            assert await beats(tb, tb.load(page, line, 1)) == (1, 0), f"page {page}, line {line}"
            assert await tb.load(page, line, 1) == content(page)[line * 64 : line * 64 + 64]
        await evict(tb)
    cold = await beats(tb, tb.load(FRAMES, 17, 1))
    assert cold[0] > 4, "a page that is not hot is read whole"
    await tb.conserved()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_line_that_is_written_costs_one_line_of_the_media(dut: Any) -> None:
    """Its shadow is out of date then, and the page tells so when it is read."""
    tb = await device(dut, FRAMES)
    for page in range(FRAMES):
        await heat(tb, page)
        await tb.store_line(page, 9, b"9" * LINE_BYTES)
        assert await beats(tb, evict(tb)) == (0, 1)
        assert await tb.load(page) == content(page)[:576] + b"9" * 64 + content(page)[640:]
        await evict(tb)
    await tb.conserved()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_page_that_leaves_is_compressed_only_if_it_has_changed(dut: Any) -> None:
    tb = await device(dut, 2 * FRAMES + 1)
    pages = range(2 * FRAMES + 1)
    for page in pages[:FRAMES]:
        await heat(tb, page)
    await tb.store_line(0, 5, b"5" * LINE_BYTES)
    await evict(tb)
    closed = await tb.register(Register.PAGES_CLOSED)
    for page in pages[FRAMES : 2 * FRAMES]:  # each takes the frame of the one that came first
        await heat(tb, page)
    assert await tb.register(Register.PAGES_CLOSED) == closed + 1
    for page in pages:
        expected = content(page) if page else content(0)[:320] + b"5" * 64 + content(0)[384:]
        assert await tb.load(page) == expected, f"page {page}"
    await tb.conserved()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_whole_page_is_read_in_two_turns(dut: Any) -> None:
    """A line, then, as the next one is asked for, the rest: a page that is read in order is not read line by line."""
    tb = await device(dut, 1)
    await heat(tb, 0)
    assert await beats(tb, tb.load(0)) == (64, 0)


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_frame_is_free_again_when_its_page_is_trimmed_or_lost(dut: Any) -> None:
    tb = await device(dut, 3 * FRAMES)
    for page in range(FRAMES):
        await heat(tb, page)
    for page in range(FRAMES):
        await tb.trim((page, 1))
        assert await tb.load(page) == bytes(PAGE_BYTES)
    for page in range(FRAMES, 2 * FRAMES):
        await heat(tb, page)
        assert await beats(tb, tb.load(page, 40, 1)) == (1, 0)
    await tb.conserved()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def an_export_of_a_page_that_has_changed_gives_its_block(dut: Any) -> None:
    """Cached or not, dirty or not: it leaves the region for that."""
    tb = await device(dut, FRAMES)
    for page, cached in ((0, False), (1, True)):
        await heat(tb, page)
        for line in (3, 62):
            await tb.store_line(page, line, bytes([page + 1]) * LINE_BYTES)
            await (tb.flush() if cached else evict(tb))
        await tb.store_line(page, 4, b"4" * LINE_BYTES)
        if not cached:
            await evict(tb)
        code, block = await tb.export(page)
        assert code == ReturnCode.SUCCESS
        expected = await tb.load(page)
        assert expected[192:256] == bytes([page + 1]) * LINE_BYTES and expected[256:320] == b"4" * LINE_BYTES
        info = await tb.page_state(page)
        assert lz4.block.decompress(block[-info.length :], uncompressed_size=PAGE_BYTES) == expected
    await tb.conserved()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_line_that_is_lost_is_read_from_the_shadow_until_the_page_has_changed(dut: Any) -> None:
    tb = await device(dut, FRAMES)
    for page, changed in ((0, True), (1, False)):  # in the frames of these numbers
        await heat(tb, page)
        if changed:
            await tb.store_line(page, 9, b"9" * LINE_BYTES)
            await evict(tb)
        frame = (PARAMETERS.media_sectors * PARAMETERS.sector_bytes + page * PAGE_BYTES) // LINE_BYTES
        tb.media.flip(frame + 30, range(9))
        if changed:
            assert (await tb.read(page * PAGE_BYTES + 30 * LINE_BYTES, LINE_BYTES))[1] == SLVERR
            assert await tb.events() == [(EventCode.UNCORRECTABLE, page)]
        else:
            assert await tb.load(page) == content(page)
            assert await tb.events() == []
    await tb.conserved()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_line_that_cannot_be_written_is_stored_elsewhere(dut: Any) -> None:
    tb = await device(dut, FRAMES)
    for page in range(FRAMES):
        await heat(tb, page)
    tb.media.bad_writes = {PARAMETERS.media_sectors + sector for sector in range(FRAMES * PARAMETERS.raw_sectors)}
    for page in range(FRAMES):
        await tb.store_line(page, 9, b"9" * LINE_BYTES)
    await tb.flush()
    await tb.idle()
    tb.media.bad_writes = set()
    for page in range(FRAMES):
        await evict(tb)
        assert await tb.load(page) == content(page)[:576] + b"9" * 64 + content(page)[640:]


@cocotb.test(timeout_time=400, timeout_unit="ms")
async def random_accesses_find_what_was_written(dut: Any) -> None:
    """Few pages, so that they are promoted, changed, and leave, again and again."""
    tb = await device(dut, 2 * FRAMES + 2)
    pages = {page: bytearray(content(page)) for page in range(2 * FRAMES + 2)}
    for _ in range(effort(600)):
        page, line = tb.random.choice(list(pages)), tb.random.randrange(64)
        at = line * LINE_BYTES
        what = tb.random.choice(("read", "read", "read", "line", "part", "page", "trim", "evict"))
        if what == "read":
            assert await tb.load(page, line, 1) == pages[page][at : at + LINE_BYTES], f"page {page}, line {line}"
        elif what == "line":
            pages[page][at : at + LINE_BYTES] = data = tb.random.randbytes(LINE_BYTES)
            await tb.store_line(page, line, data)
        elif what == "part":
            pages[page][at : at + 4] = b"part"
            await tb.store_line(page, line, b"part")
        elif what == "page" and tb.random.random() < 0.3:
            pages[page][:] = content(tb.random.randrange(50))
            await tb.store(page, bytes(pages[page]))
        elif what == "trim" and tb.random.random() < 0.2:
            pages[page][:] = bytes(PAGE_BYTES)
            await tb.trim((page, 1))
        elif what == "evict":
            await evict(tb)
    for page, expected in pages.items():
        assert await tb.load(page) == expected, f"page {page}"
    await tb.conserved()
