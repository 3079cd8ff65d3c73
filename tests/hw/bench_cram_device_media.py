# SPDX-License-Identifier: MIT
"""A media that fails, forgets, lies or dawdles (docs/device/pressure.md, "Exhaustion").

Blocks that are malformed, or well formed with other content, are written straight onto the media, with the checks
their beats must have; liblz4 says which. Flipped bits are in bench_cram_device_flips.py.
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
    """The page is poison, its sectors are free or retired, one event tells why."""
    assert await tb.events() == [(code, page)]
    assert (await tb.page_state(page)) == PageInfo(PageState.POISON, False, False, 0, 0, 0, 0)
    assert (await tb.read(page * PAGE_BYTES, 64))[1] == SLVERR
    assert await tb.write(page * PAGE_BYTES, bytes(PAGE_BYTES)) == SLVERR
    await tb.check_chains(range(PARAMETERS.perceived_pages))
    await tb.trim((page, 1))
    assert await tb.load(page) == ZERO_PAGE


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
async def a_sector_that_cannot_be_written_is_retired_and_the_page_is_stored_elsewhere(dut: Any) -> None:
    """Over every old form, every second sector bad: nothing is lost, each bad sector is met once and told once."""
    tb = await TB.open(dut)
    for old in (b"", noise_page(3), compressible_page(3)):
        if old:
            await stored(tb, 0, old)
        free = await tb.register(Register.FREE_SECTORS)
        failed = set(tb.media.failed)
        bad = set(tb.media.written[-3:]) | {tb.random.randrange(PARAMETERS.media_sectors) for _ in range(3)}
        tb.media.bad_writes = bad | failed
        content = noise_page(4)
        await tb.store(0, content)
        await tb.idle()
        new = tb.media.failed - failed
        told = [(page, sector) for code, page, sector in await tb.all_events() if code == EventCode.SECTOR_RETIRED]
        assert sorted(told) == sorted((0, sector) for sector in new)
        assert new <= bad
        await tb.expect(Register.SECTORS_RETIRED, len(tb.media.failed))
        tb.media.bad_writes = set()
        await tb.evict(0)
        assert await tb.load(0) == content
        info = await tb.page_state(0)
        assert not new & set(tb.media.chain(info.first_sector, info.length))
        await tb.check_chains(range(PARAMETERS.perceived_pages))
        await tb.trim((0, 1))
        await tb.expect(Register.FREE_SECTORS, tb.usable_sectors)
        assert free <= PARAMETERS.media_sectors
    assert tb.media.failed, "a bad sector was met"
    await tb.conserved()


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def one_bad_sector_costs_at_most_the_page_whose_only_copy_it_held(dut: Any) -> None:
    """Thirty pages stored and read one after the other, with one sector that cannot be read, or not be written."""
    tb = await TB.open(dut)
    pages = range(min(30, PARAMETERS.perceived_pages - 2 * PARAMETERS.cache_pages))
    for unreadable in (False, True):
        await tb.reset()
        tb.media.bad_reads, tb.media.bad_writes = ({0}, set()) if unreadable else (set(), {0})
        lost = []
        for page in pages:
            await tb.store(page, compressible_page(page))
            await tb.evict(page)
            data, response = await tb.read(page * PAGE_BYTES, PAGE_BYTES)
            await tb.idle()
            if response != OKAY:
                lost.append(page)
            else:
                assert data == compressible_page(page)
        assert len(lost) == unreadable, f"{len(lost)} pages lost"
        loss = [(EventCode.MEDIA_ERROR, pages[0], 0)] * unreadable
        assert await tb.all_events() == [*loss, (EventCode.SECTOR_RETIRED, pages[0], 0)]
        await tb.expect(Register.SECTORS_RETIRED, 1)
        tb.media.bad_reads = tb.media.bad_writes = set()
        await tb.conserved()


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def a_page_that_can_be_written_nowhere_stays_dirty_and_nothing_hangs(dut: Any) -> None:
    """Every sector fails: all are retired. Cached pages stay readable and writable, the rest is refused."""
    tb = await TB.open(dut)
    contents = {0: bytearray(noise_page(1)), 1: bytearray(noise_page(2))}
    await tb.store(1, bytes(contents[1]))
    await tb.idle()
    kept = PARAMETERS.raw_sectors
    tb.media.bad_writes = set(range(PARAMETERS.media_sectors))
    await tb.store(0, bytes(contents[0]))
    await tb.idle()
    assert (EventCode.EXHAUSTED, 0) in await tb.events() or await tb.register(Register.EVENT_OVERFLOW)
    await tb.expect(Register.FREE_SECTORS, PARAMETERS.media_sectors - kept - len(tb.media.failed))
    assert (await tb.page_state(0)).dirty
    await tb.store_line(0, 7, b"later" * 8)  # a complete entry that cannot be closed does not keep writes waiting
    contents[0][7 * 64 : 7 * 64 + 40] = b"later" * 8
    assert await tb.load(0) == contents[0]
    assert await tb.write(1 * PAGE_BYTES, b"part") == SLVERR
    for command in (
        tb.mailbox(Opcode.FLUSH),
        tb.export(0),
        tb.mailbox(Opcode.SET_FENCE, struct.pack("<BBHIQQ", 1, 0, 0, 1, 0, PAGE_BYTES)),
    ):
        assert await tb.within(50_000, command) == (ReturnCode.RESOURCES_EXHAUSTED, b"")
    assert await tb.load(1) == contents[1]
    await tb.expect(Register.PAGES_POISONED, 0)
    tb.media.bad_writes = set()
    await tb.trim((1, 1))  # sectors come back: the page is closed by itself
    await tb.idle()
    assert not (await tb.page_state(0)).dirty
    await tb.evict(0)
    assert await tb.load(0) == contents[0]
    await tb.conserved()


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def a_victim_that_cannot_be_closed_refuses_the_access_alone(dut: Any) -> None:
    """All entries are dirty and the media takes no write: who needs an entry is refused, and nothing is lost."""
    tb = await TB.open(dut)
    await tb.set_register(Register.MEDIA_TIME_LIMIT, 300)
    contents = {}
    for page in range(PARAMETERS.cache_pages):
        if page == PARAMETERS.cache_pages - PARAMETERS.spare_entries:  # from here on a page would be closed first
            tb.slave.write_if.aw_channel.pause = True
        await tb.store_line(page, 1, noise_page(page)[:64])
        contents[page] = bytes(64) + noise_page(page)[:64] + bytes(PAGE_BYTES - 128)
    for _ in range(2):
        assert (await tb.read(40 % PARAMETERS.perceived_pages * PAGE_BYTES, 64))[1] == SLVERR
        assert await tb.write(41 % PARAMETERS.perceived_pages * PAGE_BYTES, b"part") == SLVERR
    for page, content in contents.items():
        assert await tb.load(page) == content
    await tb.expect(Register.PAGES_POISONED, 0)
    assert await tb.registers("LINES_REFUSED") == {"LINES_REFUSED": 4}


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def an_import_that_the_media_does_not_take_changes_nothing(dut: Any) -> None:
    """It is stored elsewhere, or refused for want of room, with an event; the page is as it was."""
    tb = await TB.open(dut)
    content = program_pages()[1]
    block = lz4.block.compress(content, store_size=False)
    command = struct.pack("<QI52x", PAGE_BYTES, zlib.crc32(content)) + block
    old = compressible_page(3)
    before = await stored(tb, 1, old)
    tb.media.bad_writes = {sector + 1 for sector in tb.media.chain(before.first_sector, before.length)}
    assert await tb.mailbox(Opcode.IMPORT_BLOCK, command) == (ReturnCode.SUCCESS, b"")
    assert await tb.load(1) == content
    await tb.expect(Register.SECTORS_RETIRED, len(tb.media.failed))
    before = await tb.page_state(1)
    tb.media.bad_writes = set(range(PARAMETERS.media_sectors))
    assert await tb.mailbox(Opcode.IMPORT_BLOCK, command) == (ReturnCode.RESOURCES_EXHAUSTED, b"")
    tb.media.bad_writes = set()
    assert (EventCode.IMPORT_REFUSED, 1) in await tb.events() or await tb.register(Register.EVENT_OVERFLOW)
    assert await tb.page_state(1) == before
    await tb.evict(1)
    assert await tb.load(1) == content
    await tb.conserved()


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def a_wrong_bit_with_a_right_check_is_always_found(dut: Any) -> None:
    """As if it had been wrong when its check was made.

    In a raw page by its CRC; in a block by the CRC or because liblz4 would not decode it either.
    """
    tb = await TB.open(dut)
    for round_ in range(effort(25)):
        content = noise_page(round_) if round_ % 5 == 0 else tb.random.choice(program_pages())
        info = await stored(tb, 2, content)
        if not info.state.on_media:
            continue
        damaged = bytearray(tb.media.stored(info.first_sector, info.length))
        bit = tb.random.randrange(8 * info.length)
        damaged[bit // 8] ^= 1 << bit % 8
        tb.media.replace(2, info.first_sector, info.length, bytes(damaged))
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
    """Each bit of a short block, one after the other, with right checks; liblz4 tells what the block stands for."""
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
        tb.media.replace(2, info.first_sector, info.length, bytes(damaged))
        try:
            page = lz4.block.decompress(bytes(damaged), uncompressed_size=PAGE_BYTES)
        except lz4.block.LZ4BlockError:
            page = b""
        await tb.evict(2)  # else its lines are a second copy
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
    """Bits of every line, with a right check: the CRC tells."""
    tb = await TB.open(dut)
    content = noise_page(7)
    for line in range(0, 64, round(64 / effort(64))):
        info = await stored(tb, 2, content)
        damaged = bytearray(content)
        damaged[64 * line + tb.random.randrange(64)] ^= 1 << tb.random.randrange(8)
        tb.media.replace(2, info.first_sector, info.length, bytes(damaged))
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
            tb.media.replace(0, info.first_sector, info.length, block)
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
    tb.media.replace(0, info.first_sector, info.length, tb.media.stored(other.first_sector, other.length))
    await tb.read(0, 64)
    await tb.idle()
    await lost(tb, 0, EventCode.CRC_MISMATCH)
    await tb.conserved()


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def damage_found_while_closing_loses_that_page_alone(dut: Any) -> None:
    """The victim's missing lines cannot be filled; the access that needed its entry goes on."""
    tb = await TB.open(dut)
    info = await stored(tb, 0, noise_page(5))
    tb.media.replace(0, info.first_sector, info.length, bytes(64))
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


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def a_media_that_does_not_answer_a_read_costs_no_page(dut: Any) -> None:
    """The access that waits is refused; the event comes once for the page; later everything is there."""
    tb = await TB.open(dut)
    content = noise_page(11)
    await stored(tb, 0, content)
    await tb.set_register(Register.MEDIA_TIME_LIMIT, 500)
    tb.slave.read_if.r_channel.pause = True
    for _ in range(2):
        assert (await tb.within(20_000, tb.read(0, 64)))[1] == SLVERR
    assert await tb.within(20_000, tb.write(0, b"part")) == SLVERR
    await tb.store_line(0, 9, b"whole" * 12 + b"line")  # needs no line of the media
    assert await tb.within(20_000, tb.mailbox(Opcode.FLUSH)) == (ReturnCode.INTERNAL_ERROR, b"")
    assert (await tb.page_state(0)).dirty
    assert await tb.events() == [(EventCode.MEDIA_TIMEOUT, 0), (EventCode.MEDIA_TIMEOUT, 0)]
    tb.slave.read_if.r_channel.pause = False
    await tb.cycles(2000)
    expected = bytearray(content)
    expected[9 * 64 : 10 * 64] = b"whole" * 12 + b"line"
    assert await tb.load(0) == expected
    await tb.flush()
    await tb.evict(0)
    assert await tb.load(0) == expected
    assert await tb.registers("PAGES_POISONED", "SECTORS_RETIRED") == {"PAGES_POISONED": 0, "SECTORS_RETIRED": 0}
    await tb.conserved()


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def an_outage_of_the_media_costs_no_sector(dut: Any) -> None:
    """However often a close is tried: what the media was shown is held until it is reset, the rest is free at once."""
    tb = await TB.open(dut)
    await tb.set_register(Register.MEDIA_TIME_LIMIT, 200)
    for channel in ("aw", "w", "b"):
        await tb.store(0, noise_page(3))
        await tb.idle()
        getattr(tb.slave.write_if, f"{channel}_channel").pause = True
        for _ in range(12):
            await tb.store(0, noise_page(4))
            await tb.within(20_000, tb.idle())
        assert (await tb.page_state(0)).dirty
        dut.media_rst_ni.value = 0
        await tb.cycles(2)
        dut.media_rst_ni.value = 1
        getattr(tb.slave.write_if, f"{channel}_channel").pause = False
        await tb.flush()
        await tb.evict(0)
        assert await tb.load(0) == noise_page(4)
        await tb.trim((0, 1))
        await tb.idle()
        assert await tb.registers("SECTORS_RETIRED", "FREE_SECTORS") == {
            "SECTORS_RETIRED": 0,
            "FREE_SECTORS": PARAMETERS.media_sectors,
        }
        await tb.events()


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def an_export_that_cannot_read_a_page_that_is_wholly_cached_stores_it_anew(dut: Any) -> None:
    """The cached lines are its second copy: the sector that cannot be read is retired, nothing is lost."""
    tb = await TB.open(dut)
    for round_, content in enumerate((compressible_page(4), noise_page(2)[:1500] + bytes(2596))):
        await tb.store(0, content)
        await tb.idle()
        info = await tb.page_state(0)
        assert info.cached and not info.dirty
        bad = tb.media.chain(info.first_sector, info.length)[-1]
        tb.media.bad_reads = {bad}
        code, block = await tb.export(0)
        assert code == ReturnCode.SUCCESS
        assert lz4.block.decompress(block, uncompressed_size=PAGE_BYTES) == content
        assert await tb.all_events() == [(EventCode.SECTOR_RETIRED, 0, bad)]
        await tb.evict(0)
        assert await tb.load(0) == content
        expected = {"PAGES_POISONED": 0, "SECTORS_RETIRED": round_ + 1}
        assert await tb.registers("PAGES_POISONED", "SECTORS_RETIRED") == expected
        await tb.trim((0, 1))
    await tb.conserved()


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def an_export_that_has_no_room_to_store_the_page_anew_is_refused_and_costs_nothing(dut: Any) -> None:
    tb = await TB.open(dut)
    content = compressible_page(4)
    await tb.store(0, content)
    await tb.flush()
    others = 0
    while await tb.register(Register.FREE_SECTORS) >= PARAMETERS.raw_sectors:
        others += 1
        await tb.store(others, noise_page(others))
        await tb.flush()
    await tb.evict(0)
    assert await tb.load(0) == content
    info = await tb.page_state(0)
    assert info.state == PageState.LZ4 and info.cached and not info.dirty
    tb.media.bad_reads = {info.first_sector}
    assert await tb.export(0) == (ReturnCode.RESOURCES_EXHAUSTED, b"")
    assert await tb.events() == []
    assert await tb.page_state(0) == info
    assert await tb.load(0) == content
    await tb.trim((others, 1))
    code, block = await tb.export(0)
    assert code == ReturnCode.SUCCESS
    assert lz4.block.decompress(block, uncompressed_size=PAGE_BYTES) == content
    assert await tb.all_events() == [(EventCode.SECTOR_RETIRED, 0, info.first_sector)]
    await tb.expect(Register.PAGES_POISONED, 0)
    await tb.conserved()


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def an_export_of_a_damaged_page_that_is_not_cached_poisons_it(dut: Any) -> None:
    """There is no second copy."""
    tb = await TB.open(dut)
    info = await stored(tb, 0, compressible_page(4))
    assert not info.cached
    tb.media.bad_reads = {info.first_sector}
    assert await tb.export(0) == (ReturnCode.INTERNAL_ERROR, b"")
    first = info.first_sector
    assert await tb.all_events() == [(EventCode.MEDIA_ERROR, 0, 0), (EventCode.SECTOR_RETIRED, 0, first)]
    assert (await tb.page_state(0)).state == PageState.POISON
    await tb.conserved()
