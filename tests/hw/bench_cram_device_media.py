# SPDX-License-Identifier: MIT
"""A media that fails, forgets, lies or dawdles (docs/device/pressure.md, "Exhaustion").

Blocks that are malformed, or well formed with other content, are written straight onto the media; liblz4 says which.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import cocotb
import lz4.block

from hw.codes import EventCode, Opcode, PageState, ReturnCode
from hw.link import PAGE_BYTES
from hw.registers import Register
from tests.hw.cram_device_tb import OKAY, PARAMETERS, SLVERR, TB, PageInfo, effort
from tests.pages import ZERO_PAGE, compressible_page, noise_page, program_pages


async def stored(tb: TB, page: int, content: bytes) -> PageInfo:
    """Store a page and take it out of the cache."""
    await tb.store(page, content)
    await tb.idle()
    await tb.evict(page)
    return await tb.page_state(page)


async def lost(tb: TB, page: int, code: EventCode) -> None:
    """The page is poison, its sectors are free, one event tells why."""
    assert await tb.events() == [(code, page)]
    assert (await tb.page_state(page)) == PageInfo(PageState.POISON, False, False, 0, 0, 0, 0)
    assert (await tb.read(page * PAGE_BYTES, 64))[1] == SLVERR
    assert await tb.write(page * PAGE_BYTES, bytes(PAGE_BYTES)) == SLVERR
    await tb.check_chains(range(PARAMETERS.perceived_pages))
    await tb.trim((page, 1))
    assert await tb.load(page) == ZERO_PAGE


def place(tb: TB, info: PageInfo, data: bytes) -> None:
    """Put other bytes where a stored page lies; the rest of it stays."""
    size = PARAMETERS.sector_bytes
    for n, sector in enumerate(tb.media.chain(info.first_sector, info.length)):
        part = data[n * size : (n + 1) * size]
        tb.media.content[sector * size : sector * size + len(part)] = part


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def a_read_error_on_any_sector_of_a_page_poisons_it(dut: Any) -> None:
    tb = await TB.open(dut)
    keep = noise_page(50)
    await tb.store(9, keep)
    for content in (noise_page(1), noise_page(2)[:1500] + bytes(2596), compressible_page(1)):
        info = await stored(tb, 0, content)
        chain = tb.media.chain(info.first_sector, info.length)
        for sector in {chain[0], chain[len(chain) // 2], chain[-1]}:
            info = await stored(tb, 0, content)
            tb.media.bad_reads = {tb.media.chain(info.first_sector, info.length)[chain.index(sector)]}
            await tb.read(63 * 64, 64)  # answered somehow: the error may be seen later
            await tb.idle()
            tb.media.bad_reads = set()
            await lost(tb, 0, EventCode.MEDIA_ERROR)
    await tb.evict(9)
    assert await tb.load(9) == keep
    await tb.conserved()


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def a_write_error_on_any_sector_poisons_the_page_being_closed(dut: Any) -> None:
    """New and old sectors are given back. Flush goes on with the other pages and succeeds."""
    tb = await TB.open(dut)
    for old in (b"", noise_page(3), compressible_page(3)):
        for bad in range(3):
            if old:
                await stored(tb, 0, old)
            await tb.store_line(0, 1, b"\x01" * 64)
            await tb.write(PAGE_BYTES, b"keep")
            seen = len(tb.media.written)
            tb.media.bad_writes = set(range(bad % 2, PARAMETERS.media_sectors, 2 if bad < 2 else 1))
            if bad == 2:
                await tb.trim((1, 1))
            await tb.write(128, noise_page(4)[128:])
            await tb.flush()
            tb.media.bad_writes = set()
            used = tb.media.written[seen:]
            assert used
            events = await tb.events()
            assert (EventCode.MEDIA_ERROR, 0) in events and {code for code, _ in events} == {EventCode.MEDIA_ERROR}
            assert (await tb.page_state(0)).state == PageState.POISON
            await tb.check_chains(range(PARAMETERS.perceived_pages))
            await tb.expect(Register.RESERVED_SECTORS, 0)
            await tb.trim((0, 2))
    await tb.conserved()


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def an_import_that_the_media_does_not_take_changes_nothing(dut: Any) -> None:
    """It is refused with an internal error and an event; the sectors that it took are free again."""
    tb = await TB.open(dut)
    content = program_pages()[1]
    block = lz4.block.compress(content, store_size=False)
    command = struct.pack("<QI52x", PAGE_BYTES, zlib.crc32(content)) + block
    for old in (ZERO_PAGE, noise_page(3), compressible_page(3)):
        before = await stored(tb, 1, old)
        free = await tb.register(Register.FREE_SECTORS)
        tb.media.bad_writes = set(range(PARAMETERS.media_sectors))
        assert await tb.mailbox(Opcode.IMPORT_BLOCK, command) == (ReturnCode.INTERNAL_ERROR, b"")
        tb.media.bad_writes = set()
        assert await tb.events() == [(EventCode.IMPORT_REFUSED, 1)]
        await tb.expect(Register.FREE_SECTORS, free)
        assert await tb.page_state(1) == before
        assert await tb.load(1) == old
    assert await tb.mailbox(Opcode.IMPORT_BLOCK, command) == (ReturnCode.SUCCESS, b"")
    assert await tb.load(1) == content
    await tb.conserved()


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def a_flipped_bit_is_always_found(dut: Any) -> None:
    """In a raw page by its CRC; in a block by the CRC or because liblz4 would not decode it either."""
    tb = await TB.open(dut)
    for round_ in range(effort(25)):
        content = noise_page(round_) if round_ % 5 == 0 else tb.random.choice(program_pages())
        info = await stored(tb, 2, content)
        if not info.state.on_media:
            continue
        damaged = bytearray(tb.media.stored(info.first_sector, info.length))
        bit = tb.random.randrange(8 * info.length)
        damaged[bit // 8] ^= 1 << bit % 8
        place(tb, info, bytes(damaged))
        try:
            if info.state == PageState.LZ4:
                page = lz4.block.decompress(bytes(damaged), uncompressed_size=PAGE_BYTES)
                expected = EventCode.CRC_MISMATCH if len(page) == PAGE_BYTES else EventCode.MALFORMED_BLOCK
                if page == content:
                    continue  # the bit says nothing about the content (an equal byte elsewhere)
            else:
                expected = EventCode.CRC_MISMATCH
        except lz4.block.LZ4BlockError:
            expected = EventCode.MALFORMED_BLOCK
        if round_ % 2:
            await tb.read(2 * PAGE_BYTES, PAGE_BYTES)
            await tb.idle()
        elif info.state == PageState.LZ4:
            assert await tb.export(2) == (ReturnCode.INTERNAL_ERROR, b"")
        else:
            assert await tb.write(2 * PAGE_BYTES, b"part") in (OKAY, SLVERR)
            await tb.idle()
        await lost(tb, 2, expected)
    await tb.conserved()


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def every_single_bit_of_a_block_is_reported_or_says_nothing(dut: Any) -> None:
    """Each bit of a short block, one after the other; liblz4 tells what the damaged block stands for."""
    tb = await TB.open(dut)
    content = compressible_page(7)
    await tb.store(2, content)
    await tb.idle()
    length = (await tb.page_state(2)).length
    bits = range(8 * length)
    reported = 0
    for bit in bits if len(bits) <= effort(500) else tb.random.sample(bits, effort(500)):
        info = await tb.page_state(2)
        damaged = bytearray(tb.media.stored(info.first_sector, length))
        damaged[bit // 8] ^= 1 << bit % 8
        place(tb, info, bytes(damaged))
        try:
            page = lz4.block.decompress(bytes(damaged), uncompressed_size=PAGE_BYTES)
        except lz4.block.LZ4BlockError:
            page = b""
        code, block = await tb.export(2)
        if page == content:
            assert (code, block) == (ReturnCode.SUCCESS, bytes(damaged)), f"bit {bit}"
        else:
            assert (code, block) == (ReturnCode.INTERNAL_ERROR, b""), f"bit {bit}"
            ((event, number),) = await tb.events()
            assert number == 2
            assert event in (EventCode.CRC_MISMATCH, EventCode.MALFORMED_BLOCK)
            reported += 1
            await tb.trim((2, 1))
        await tb.store(2, content)
        await tb.idle()
        assert (await tb.page_state(2)).length == length
    assert reported > 0
    await tb.conserved()


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def every_single_bit_of_a_raw_page_is_reported(dut: Any) -> None:
    """Bits of every line."""
    tb = await TB.open(dut)
    content = noise_page(7)
    for line in range(0, 64, round(64 / effort(64))):
        info = await stored(tb, 2, content)
        damaged = bytearray(content)
        damaged[64 * line + tb.random.randrange(64)] ^= 1 << tb.random.randrange(8)
        place(tb, info, bytes(damaged))
        await tb.read(2 * PAGE_BYTES, PAGE_BYTES)
        await tb.idle()
        await lost(tb, 2, EventCode.CRC_MISMATCH)
    await tb.conserved()


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def a_malformed_block_poisons_its_page(dut: Any) -> None:
    """Too short, too long, offsets of zero and before the page, an end inside a sequence."""
    tb = await TB.open(dut)
    content = noise_page(8)[:700] + bytes(PAGE_BYTES - 700)
    length = (await stored(tb, 0, content)).length
    blocks = [
        b"\x00" * length,  # an offset of zero
        b"\x1f\x41\x05\x00" + b"\xff" * (length - 4),  # an offset before the page
        b"\xf0" + b"\xff" * (length - 1),  # literals without end
        b"\x1f\x41\x01\x00" + b"\xff" * 30 + b"\x00" + b"\x00" * (length - 35),  # more than a page
    ]
    short = lz4.block.compress(noise_page(9)[: length - 20], store_size=False)
    blocks.append(short + b"\x00" * (length - len(short)))
    for block in blocks:
        try:
            decoded = lz4.block.decompress(block, uncompressed_size=PAGE_BYTES)
        except lz4.block.LZ4BlockError:
            decoded = b""
        assert len(decoded) != PAGE_BYTES
        for export in (False, True):
            info = await stored(tb, 0, content)
            place(tb, info, block)
            if export:
                assert await tb.export(0) == (ReturnCode.INTERNAL_ERROR, b"")
            else:
                await tb.read(0, PAGE_BYTES)
                await tb.idle()
            await lost(tb, 0, EventCode.MALFORMED_BLOCK)
    await tb.conserved()


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def a_well_formed_block_of_another_page_is_a_crc_mismatch(dut: Any) -> None:
    tb = await TB.open(dut)
    info = await stored(tb, 0, noise_page(8)[:700] + bytes(PAGE_BYTES - 700))
    other = await stored(tb, 1, noise_page(9)[:700] + bytes(PAGE_BYTES - 700))
    assert other.length == info.length
    place(tb, info, tb.media.stored(other.first_sector, other.length))
    await tb.read(0, 64)
    await tb.idle()
    await lost(tb, 0, EventCode.CRC_MISMATCH)
    await tb.conserved()


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def damage_found_while_closing_loses_that_page_alone(dut: Any) -> None:
    """The victim's missing lines cannot be filled; the access that needed its entry goes on."""
    tb = await TB.open(dut)
    info = await stored(tb, 0, noise_page(5))
    place(tb, info, bytes(64))
    await tb.store_line(0, 5, bytes(64))
    others = range(1, PARAMETERS.cache_pages + 1)
    for page in others:
        await tb.store_line(page, 0, b"ok" * 32)
    assert await tb.events() == [(EventCode.CRC_MISMATCH, 0)]
    assert (await tb.page_state(0)).state == PageState.POISON
    for page in others:
        assert await tb.load(page, 0, 1) == b"ok" * 32
    await tb.conserved()


@cocotb.test(timeout_time=600, timeout_unit="ms")
async def a_slow_media_with_gaps_only_costs_time(dut: Any) -> None:
    tb = await TB.open(dut)
    tb.media.latency = lambda: tb.random.randrange(300)
    tb.stall(0.6)
    contents = dict(enumerate(tb.random.sample(program_pages(), effort(5))))
    contents |= {len(contents): noise_page(1)}
    for page, content in contents.items():
        await tb.store(page, content)
    await tb.flush()
    for page, content in contents.items():
        await tb.evict(page)
        assert await tb.load(page) == content
    await tb.check_chains(contents)
    await tb.conserved()
