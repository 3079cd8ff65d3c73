# SPDX-License-Identifier: MIT
"""Faults that meet each other: little room and random use, bad media under every operation that reads them.

What one fault does alone is checked in bench_cram_device_exhaustion.py and bench_cram_device_media.py.

Oracles: a dict of page contents, liblz4 for damaged blocks, `Media` for what was written where.
"""

from __future__ import annotations

from typing import Any

import cocotb
import lz4.block

from hw.codes import EventCode, PageState, ReturnCode
from hw.link import LINE_BYTES, PAGE_BYTES
from hw.registers import Register
from tests.hw.cram_device_tb import OKAY, PARAMETERS, SLVERR, TB, PageInfo, effort
from tests.pages import SAME_PAGE, ZERO_PAGE, compressible_page, noise_page, program_pages

RAW_SECTORS, SECTOR_BYTES = PARAMETERS.raw_sectors, PARAMETERS.sector_bytes
CAPACITY = PARAMETERS.media_sectors // RAW_SECTORS
"""Raw pages that fit on the media."""


async def fill_media(tb: TB, count: int = CAPACITY) -> dict[int, bytes]:
    """Store raw pages, by default until no room for one more is left."""
    contents = {page: noise_page(page) for page in range(count)}
    for page, content in contents.items():
        await tb.store(page, content)
    await tb.idle()
    return contents


async def some_pages(tb: TB) -> dict[int, bytes]:
    """Pages of every state, stored, which a fault elsewhere must leave alone."""
    contents = [noise_page(1), compressible_page(1), SAME_PAGE, ZERO_PAGE, tb.random.choice(program_pages())]
    pages = dict(enumerate(contents, start=8))
    for page, content in pages.items():
        await tb.store(page, content)
    await tb.idle()
    return pages


async def check_intact(tb: TB, contents: dict[int, bytes]) -> None:
    """Every page reads back, byte for byte."""
    for page, content in contents.items():
        assert await tb.load(page) == content, f"page {page} changed"


async def check_poison(tb: TB, page: int, *codes: EventCode) -> None:
    """The page is lost for one of the reasons, the event says so, and it stays lost until it is trimmed."""
    await tb.idle()
    events = await tb.events()
    assert len(events) == 1 and events[0][1] == page and events[0][0] in codes, events
    assert await tb.page_state(page) == PageInfo(PageState.POISON, False, False, 0, 0, 0, 0)
    assert (await tb.read(page * PAGE_BYTES + 7, 1))[1] == SLVERR
    assert await tb.write(page * PAGE_BYTES, noise_page(0)) == SLVERR
    assert await tb.write(page * PAGE_BYTES + 3, b"part") == SLVERR
    assert await tb.export(page) == (ReturnCode.INTERNAL_ERROR, b"")
    await tb.flush()
    assert await tb.events() == []
    assert (await tb.page_state(page)).state == PageState.POISON


async def check_usable_after_trim(tb: TB, page: int) -> None:
    """A trim makes a free page of a lost one."""
    await tb.trim((page, 1))
    assert await tb.load(page) == ZERO_PAGE
    await tb.store(page, compressible_page(5))
    await tb.idle()
    await tb.evict(page)
    assert await tb.load(page) == compressible_page(5)


# ---- exhaustion ----


@cocotb.test(timeout_time=200, timeout_unit="ms")
async def dirty_pages_are_closed_least_recent_first_until_there_is_room(dut: Any) -> None:
    """Two open pages hold the last two reservations; a third takes them, no further than needed, and none is lost."""
    tb = await TB.open(dut)
    contents = await fill_media(tb, CAPACITY - 2)
    rest = PARAMETERS.media_sectors % RAW_SECTORS
    old, recent, new = range(CAPACITY, CAPACITY + 3)
    for page in (old, recent, new):
        await tb.store_line(page, 5, bytes([page]) * LINE_BYTES)
        contents[page] = bytes(5 * LINE_BYTES) + bytes([page]) * LINE_BYTES + bytes(58 * LINE_BYTES)
    await tb.idle()
    infos = {page: await tb.page_state(page) for page in (old, recent, new)}
    used = -(-infos[old].length // SECTOR_BYTES)
    assert (infos[old].state, infos[old].dirty) == (PageState.LZ4, False)
    assert infos[recent].dirty == (rest >= used)
    assert infos[new].dirty
    assert await tb.events() == []
    await tb.flush()
    await check_intact(tb, contents)
    await tb.check_chains(range(CAPACITY + 3))
    await tb.conserved()


# ---- conservation ----


@cocotb.test(timeout_time=500, timeout_unit="ms")
async def no_sector_and_no_byte_is_lost_in_random_use(dut: Any) -> None:
    """Writes, rewrites, reads, trims, flushes and exports against a dict, with the media near full now and then."""
    tb = await TB.open(dut)
    tb.stall(0.1)
    pages = range(CAPACITY + 4)
    model: dict[int, bytearray] = {page: bytearray(PAGE_BYTES) for page in pages}

    async def write(page: int, offset: int, data: bytes) -> None:
        response = await tb.write(page * PAGE_BYTES + offset, data)
        if response == OKAY:
            model[page][offset : offset + len(data)] = data
        else:
            await tb.idle()
            assert await tb.events() == [(EventCode.EXHAUSTED, page)]
            assert tb.parameters.raw_sectors > await tb.register(Register.FREE_SECTORS)

    def content() -> bytes:
        kind, seed = tb.random.random(), tb.random.getrandbits(16)
        if kind < 0.4:
            return noise_page(seed)
        if kind < 0.5:
            return tb.random.choice([ZERO_PAGE, SAME_PAGE])
        return compressible_page(seed) if kind < 0.6 else tb.random.choice(program_pages())

    for _ in range(effort(250)):
        page = tb.random.choice(pages)
        what = tb.random.choice(["page", "page", "page", "part", "part", "lines", "read", "read", "trim", "more"])
        if what == "page":
            await write(page, 0, content())
        elif what == "part":
            offset = tb.random.randrange(PAGE_BYTES)
            await write(page, offset, tb.random.randbytes(tb.random.randint(1, min(200, PAGE_BYTES - offset))))
        elif what == "lines":
            line = tb.random.randrange(64)
            await write(page, line * LINE_BYTES, content()[: tb.random.randint(1, 64 - line) * LINE_BYTES])
        elif what == "read":
            data, response = await tb.read(page * PAGE_BYTES, PAGE_BYTES)
            assert response == OKAY and data == model[page]
        elif what == "trim":
            count = min(tb.random.choice([1, 1, 3]), len(pages) - page)
            await tb.trim((page, count))
            for each in range(page, page + count):
                model[each] = bytearray(PAGE_BYTES)
        elif tb.random.random() < 0.8:
            code, block = await tb.export(page)
            assert code == ReturnCode.SUCCESS
            assert not block or lz4.block.decompress(block, uncompressed_size=PAGE_BYTES) == model[page]
        else:
            await tb.flush()
            await tb.check_chains(pages)
    await tb.flush()
    infos = await tb.check_chains(pages)
    assert all(info.state != PageState.POISON for info in infos.values())
    await check_intact(tb, {page: bytes(data) for page, data in model.items()})
    assert await tb.events() == []
    await tb.conserved()


# ---- media that answer errors ----


@cocotb.test(timeout_time=500, timeout_unit="ms")
async def a_read_error_of_the_media_poisons_the_page_and_no_wrong_line_is_answered(dut: Any) -> None:
    """In the first, a middle and the last sector of a raw page and of an lz4 page; the line is refused."""
    tb = await TB.open(dut)
    others = await some_pages(tb)
    mixed = noise_page(2)[:2048] + bytes(2048)
    for content in (noise_page(2), mixed):
        for where in (0.0, 0.5, 0.999):
            await tb.store(1, content)
            await tb.idle()
            info = await tb.page_state(1)
            chain = tb.media.chain(info.first_sector, info.length)
            sector = int(where * len(chain))
            await tb.evict(1)
            tb.media.bad_reads = {chain[sector]}
            if info.state == PageState.RAW:
                line = sector * SECTOR_BYTES // LINE_BYTES
                _, response = await tb.read(PAGE_BYTES + line * LINE_BYTES, LINE_BYTES)
                assert response == SLVERR, "the line that the media could not read was answered OKAY"
            else:
                assert (await tb.read(PAGE_BYTES, PAGE_BYTES))[1] == SLVERR
            await check_poison(tb, 1, EventCode.MEDIA_ERROR)
            tb.media.bad_reads = set()
            await tb.check_chains(range(16))
            await check_usable_after_trim(tb, 1)
            await check_intact(tb, others)
    await tb.conserved()


@cocotb.test(timeout_time=500, timeout_unit="ms")
async def a_fill_that_fails_under_a_write_a_close_or_an_export_poisons_the_page(dut: Any) -> None:
    """A partial write is refused, a reservation is given back, an export answers an internal error."""
    tb = await TB.open(dut)
    others = await some_pages(tb)
    content = noise_page(3)[:2048] + bytes(2048)
    for how in ("write", "close", "evict", "export", "dirty export"):
        await tb.store(1, content)
        await tb.idle()
        info = await tb.page_state(1)
        await tb.evict(1)
        if how != "export" and how != "write":
            await tb.store_line(1, 63, b"\x01" * LINE_BYTES)  # taken without a fill
            await tb.expect(Register.RESERVED_SECTORS, RAW_SECTORS)
        tb.media.bad_reads = {tb.media.chain(info.first_sector, info.length)[-1]}
        if how == "write":
            assert await tb.write(PAGE_BYTES + 63 * LINE_BYTES, b"part") == SLVERR
        elif how == "close":
            await tb.flush()
        elif how == "evict":
            for page in range(32 - PARAMETERS.cache_pages, 32):
                await tb.store_line(page, 0, bytes(LINE_BYTES))
        else:
            assert await tb.export(1) == (ReturnCode.INTERNAL_ERROR, b"")
        await check_poison(tb, 1, EventCode.MEDIA_ERROR)
        await tb.expect(Register.RESERVED_SECTORS, 0)
        tb.media.bad_reads = set()
        await tb.check_chains(range(16))
        await check_usable_after_trim(tb, 1)
        await check_intact(tb, others)
    await tb.conserved()


# ---- damaged content ----


def is_block_of_a_page(block: bytes) -> bool:
    """Whether liblz4 makes a page of it."""
    try:
        return len(lz4.block.decompress(block, uncompressed_size=PAGE_BYTES)) == PAGE_BYTES
    except lz4.block.LZ4BlockError:
        return False


@cocotb.test(timeout_time=500, timeout_unit="ms")
async def a_malformed_block_on_the_media_is_refused(dut: Any) -> None:
    """Read and exported: endless literals, offset 0, offset before the page, too short a page, too long a page."""
    tb = await TB.open(dut)
    others = await some_pages(tb)
    content = noise_page(6)[:1200] + bytes(PAGE_BYTES - 1200)
    await tb.store(1, content)
    await tb.idle()
    length = (await tb.page_state(1)).length
    short = lz4.block.compress(noise_page(6)[: length - 6], store_size=False)[:length].ljust(length, b"\0")
    blocks = {
        "endless literals": b"\xff" * length,
        "offset 0": bytes(length),
        "offset before the page": b"\x10a\x09\x00".ljust(length, b"\0"),
        "too short": short,
        "too long": b"\x1fa\x01\x00" + b"\xff" * 20 + bytes(length - 24),
    }
    for name, block in blocks.items():
        assert len(block) == length and not is_block_of_a_page(block), name
        for how in ("read", "export"):
            await tb.trim((1, 1))
            await tb.store(1, content)
            await tb.idle()
            info = await tb.page_state(1)
            assert (info.state, info.length) == (PageState.LZ4, length)
            await tb.evict(1)
            tb.media.replace(1, info.first_sector, info.length, block)
            if how == "read":
                assert (await tb.read(PAGE_BYTES, PAGE_BYTES))[1] == SLVERR
            else:
                assert await tb.export(1) == (ReturnCode.INTERNAL_ERROR, b"")
            await check_poison(tb, 1, EventCode.MALFORMED_BLOCK)
            await tb.check_chains(range(16))
    await check_usable_after_trim(tb, 1)
    await check_intact(tb, others)
    await tb.conserved()
