# SPDX-License-Identifier: MIT
"""Page states: what a page becomes, what the table says of it, what lies on the media (docs/device/pages.md).

Oracles: liblz4 for blocks, zlib for checksums, the written page for content.
"""

from __future__ import annotations

import zlib
from typing import Any

import cocotb
import lz4.block

from hw.codes import EventCode, Opcode, PageState, ReturnCode
from hw.link import PAGE_BYTES
from hw.registers import Register
from tests.hw.cram_device_tb import OKAY, PARAMETERS, SLVERR, TB, PageInfo, effort
from tests.pages import FORMS, SAME_PAGE, ZERO_PAGE, compressible_page, noise_page, program_pages

LIMIT = PAGE_BYTES - PARAMETERS.sector_bytes
"""The longest LZ4 block that is stored as such."""


async def check_stored(tb: TB, page: int, content: bytes) -> PageInfo:
    """Everything that is known of a stored page agrees with its content."""
    info = await tb.page_state(page)
    code, block = await tb.export(page)
    assert code == ReturnCode.SUCCESS
    assert not info.dirty
    if info.state.on_media:
        assert info.crc == zlib.crc32(content)
        assert info.word == 0
        stored = tb.media.stored(info.first_sector, info.length)
        if info.state == PageState.LZ4:
            assert 0 < info.length <= LIMIT
            assert block == stored and len(block) == info.length
            assert lz4.block.decompress(block, uncompressed_size=PAGE_BYTES) == content
        elif info.state == PageState.RAW:
            assert info.length == PAGE_BYTES and stored == content and block == b""
        else:
            raise AssertionError(f"what lies on the media of a {info.state.name} page?")
    else:
        assert (info.length, info.crc, info.first_sector, block) == (0, 0, 0, b"")
        assert info.word == (int.from_bytes(content[:8], "little") if info.state.keeps_word else 0)
        assert info.state != PageState.SAME or content == content[:8] * 512
    return info


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_page_takes_the_state_its_content_asks_for_and_reads_back(dut: Any) -> None:
    tb = await TB.open(dut)
    cases = [(PageState.ZERO, ZERO_PAGE), (PageState.SAME, SAME_PAGE), (PageState.SAME, b"\xff" * PAGE_BYTES)]
    cases += [(PageState.SAME, bytes(7) + b"\x80" + (bytes(7) + b"\x80") * 511)]
    cases += [(PageState.LZ4, ZERO_PAGE[:-1] + b"\x01"), (PageState.LZ4, b"\x01" + ZERO_PAGE[1:])]
    cases += [(PageState.LZ4, SAME_PAGE[:-1] + b"\x02"), (PageState.LZ4, compressible_page(1))]
    cases += [(PageState.RAW, noise_page(1)), (PageState.LZ4, (b"abc" * 1366)[:PAGE_BYTES])]
    for page, (state, content) in enumerate(cases):
        await tb.store(page, content)
        await tb.flush()
        assert (await check_stored(tb, page, content)).state == state
        await tb.evict(page)
        assert await tb.load(page) == content
    await tb.check_chains(range(PARAMETERS.perceived_pages))
    for page, (_, content) in enumerate(cases):
        assert await tb.load(page) == content
    await tb.conserved()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def pages_of_a_real_program_come_back_and_their_blocks_decode(dut: Any) -> None:
    tb = await TB.open(dut)
    pages = tb.random.sample(program_pages(), effort(60))
    for content in pages:
        page = tb.random.randrange(PARAMETERS.perceived_pages)
        await tb.store(page, content)
        await tb.idle()
        await check_stored(tb, page, content)
        await tb.evict(page)
        assert await tb.load(page) == content
        await tb.trim((page, 1))
    await tb.conserved()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_free_page_reads_zero_and_stays_free(dut: Any) -> None:
    tb = await TB.open(dut)
    for page in (0, PARAMETERS.perceived_pages - 1):
        assert await tb.load(page) == ZERO_PAGE
        info = await tb.page_state(page)
        assert info == PageInfo(PageState.FREE, True, False, 0, 0, 0, 0)
        assert await tb.export(page) == (ReturnCode.SUCCESS, b"")
    await tb.expect(Register.RESIDENT_PAGES, 0)
    await tb.expect(Register.PAGES_FILLED, 0)


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def an_open_page_keeps_its_stored_form_until_it_is_closed(dut: Any) -> None:
    """Get Page State speaks of the stored form; Export closes first."""
    tb = await TB.open(dut)
    await tb.store_line(3, 5, bytes(range(64)))
    assert await tb.page_state(3) == PageInfo(PageState.FREE, True, True, 0, 0, 0, 0)
    await tb.expect(Register.RESERVED_SECTORS, PARAMETERS.raw_sectors)
    await tb.flush()
    content = bytearray(PAGE_BYTES)
    content[5 * 64 : 6 * 64] = bytes(range(64))
    first = await check_stored(tb, 3, bytes(content))
    assert first.state == PageState.LZ4
    await tb.expect(Register.RESERVED_SECTORS, 0)

    await tb.store_line(3, 9, b"\x55" * 10)
    content[9 * 64 : 9 * 64 + 10] = b"\x55" * 10
    open_page = await tb.page_state(3)
    assert (open_page.dirty, open_page.crc, open_page.length) == (True, first.crc, first.length)
    code, block = await tb.export(3)
    assert code == ReturnCode.SUCCESS
    assert lz4.block.decompress(block, uncompressed_size=PAGE_BYTES) == content
    assert not (await tb.page_state(3)).dirty
    await tb.conserved()


@cocotb.test(timeout_time=200, timeout_unit="ms")
async def every_state_follows_every_state(dut: Any) -> None:
    """Overwrites and trims from each state to each other; sectors are accounted for at every step."""
    tb = await TB.open(dut)
    contents = {state: form(7) for state, form in FORMS.items()}
    states = [*contents, *(state for state in PageState if not state.resident)]
    for old in states:
        for new in states:
            await bring(tb, 1, old, contents)
            await bring(tb, 1, new, contents)
            info = (await tb.check_chains([1]))[1]
            assert info.state == new
            if new in contents:
                await tb.evict(1)
                assert await tb.load(1) == contents[new]
                await tb.expect(Register.RESIDENT_PAGES, 1)
            elif new == PageState.POISON:
                assert (await tb.read(PAGE_BYTES, 64))[1] == SLVERR
                assert await tb.write(PAGE_BYTES, bytes(64)) == SLVERR
                assert await tb.export(1) == (ReturnCode.INTERNAL_ERROR, b"")
                await tb.expect(Register.RESIDENT_PAGES, 0)
            else:
                assert await tb.load(1) == ZERO_PAGE
    assert (await tb.page_state(0)).word == 0
    await tb.conserved()


async def bring(tb: TB, page: int, state: PageState, contents: dict[PageState, bytes]) -> None:
    """Bring a page into a state, whatever it was; a poison page must be trimmed first."""
    if (await tb.page_state(page)).state == PageState.POISON or state == PageState.FREE:
        await tb.trim((page, 1))
    if state == PageState.POISON:
        code, _ = await tb.mailbox(Opcode.INJECT_POISON, (page * PAGE_BYTES).to_bytes(8, "little"))
        assert code == ReturnCode.SUCCESS
        assert await tb.events() == [(EventCode.POISON_INJECTED, page)]
    elif state != PageState.FREE:
        await tb.store(page, contents[state])
        await tb.idle()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def the_length_of_the_block_alone_decides_between_lz4_and_raw(dut: Any) -> None:
    """Around the limit: noise of growing length, then zeros. A block takes at least the noise, at most 0.5 % more."""
    tb = await TB.open(dut)
    seen = set()
    for noise in sorted(
        {*range(LIMIT - 60, LIMIT + 20, 80 // effort(16)), LIMIT - 64, LIMIT - 40, LIMIT, PAGE_BYTES - 64}
    ):
        content = noise_page(noise)[:noise] + bytes(PAGE_BYTES - noise)
        await tb.store(0, content)
        await tb.idle()
        info = await check_stored(tb, 0, content)
        seen.add(info.state)
        if noise > LIMIT:
            assert info.state == PageState.RAW
        if noise + noise // 200 + 24 < LIMIT:
            assert info.state == PageState.LZ4
        assert await tb.load(0) == content
    assert seen == {PageState.LZ4, PageState.RAW}
    await tb.conserved()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def the_whole_address_range_is_pages(dut: Any) -> None:
    """The last page is a page; the address right behind it is answered DECERR."""
    tb = await TB.open(dut)
    last = PARAMETERS.perceived_pages - 1
    await tb.store_line(last, 63, b"\xaa" * 64)
    assert (await tb.load(last, 63, 1), (await tb.load(0, 63, 1))) == (b"\xaa" * 64, bytes(64))
    end = PARAMETERS.perceived_pages * PAGE_BYTES
    for address in (end, 2 * end, 1 << 39, (1 << 40) - 4096):
        data, response = await tb.read(address, 128)
        assert (response.name, data) == ("DECERR", bytes(128))
        assert (await tb.write(address, bytes(64))).name == "DECERR"
    assert await tb.write(end - 64, b"\xbb" * 64) == OKAY
    assert await tb.load(last, 63, 1) == b"\xbb" * 64
    await tb.conserved()
