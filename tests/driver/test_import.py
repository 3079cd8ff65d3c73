# SPDX-License-Identifier: MIT
"""Import: an LZ4 block becomes a page's stored form as it is, once it has been decompressed and its CRC found right."""

from __future__ import annotations

from random import Random
from zlib import crc32

import lz4.block
import pytest

from driver import (
    AdmissionClosed,
    BlockRefused,
    CramDevice,
    DeviceEvent,
    EventCode,
    MailboxError,
    Opcode,
    PageFenced,
    PagePoisoned,
    PageState,
    ReturnCode,
)
from hw.links.model import ModelLink
from hw.lz4_block import sequences
from tests.driver.cache import evict_everything
from tests.pages import SAME_PAGE, ZERO_PAGE, compressible_page, noise_page, program_pages


def block_of(content: bytes) -> tuple[bytes, int]:
    """A page's block as liblz4 makes it, and its CRC."""
    return lz4.block.compress(content, store_size=False), crc32(content)


async def untouched(device: CramDevice, page: int, block: bytes, crc: int) -> None:
    """The import is refused, logged, and costs nothing."""
    before = await device.page_state(page), await device.capacity(), await device.load(page)
    await device.events()
    with pytest.raises(BlockRefused):
        await device.import_block(page, block, crc)
    assert await device.events() == [DeviceEvent(EventCode.IMPORT_REFUSED, page)]
    after = await device.page_state(page), await device.capacity(), await device.load(page)
    assert (after[1], after[2]) == before[1:]
    assert (after[0].state, after[0].length, after[0].crc) == (before[0].state, before[0].length, before[0].crc)


async def test_a_block_of_another_compressor_is_stored_byte_for_byte(device: CramDevice) -> None:
    """Short blocks and those of real pages, whose last beat is full or not; over pages in every state."""
    old = [None, ZERO_PAGE, SAME_PAGE, program_pages()[0], noise_page(1)]
    contents = [ZERO_PAGE, SAME_PAGE, compressible_page(1), *program_pages()[2:10]]
    for number, content in enumerate(contents):
        page = number % 7
        await device.trim([page])
        before = old[number % len(old)]
        if before is not None:
            await device.store(page, before)
        block, crc = block_of(content)
        await device.import_block(page, block, crc)
        info = await device.page_state(page)
        assert (info.state, info.length, info.crc, info.cached) == (PageState.LZ4, len(block), crc, False)
        assert await device.load(page) == content
        assert await device.export(page) == block
    assert (await device.counters()).pages_imported == len(contents)
    capacity = await device.capacity()
    lengths = [(await device.page_state(page)).length for page in range(7)]
    assert capacity.total_sectors - capacity.free_sectors == sum(-(-length // 256) for length in lengths)
    assert (capacity.resident_pages, capacity.reserved_sectors) == (7, 0)
    await device.trim(range(7))
    assert await device.free_sectors() == 256


async def test_what_one_page_exports_another_imports(device: CramDevice) -> None:
    for page, content in enumerate(program_pages()[20:26]):
        await device.store(page, content)
        block = await device.export(page)
        assert block is not None
        await device.import_block(100 + page, block, (await device.page_state(page)).crc)
        await device.trim([page])
        assert await device.load(100 + page) == content
    assert await device.events() == []


async def test_it_replaces_dirty_lines_too(device: CramDevice) -> None:
    await device.store_line(3, 0, b"d" * 64)
    content = program_pages()[3]
    await device.import_block(3, *block_of(content))
    assert (await device.capacity()).reserved_sectors == 0
    assert await device.load(3) == content
    await device.store_line(3, 1, b"e" * 64)
    assert await device.load(3) == content[:64] + b"e" * 64 + content[128:]


async def test_another_crc_is_refused(device: CramDevice) -> None:
    await device.store(2, noise_page(2))
    block, crc = block_of(program_pages()[4])
    for bit in (0, 7, 31):
        await untouched(device, 2, block, crc ^ 1 << bit)
    await device.store_line(2, 5, b"d" * 64)
    await untouched(device, 2, block, 0)
    await device.import_block(2, block, crc)


async def test_every_malformed_block_is_refused(device: CramDevice) -> None:
    """Cut off, lengthened, of another size, with an offset of 0, and with random bytes changed: liblz4 judges."""
    await device.store(2, SAME_PAGE)
    content = program_pages()[6]
    block, crc = block_of(content)
    wrong = [block[:1], block[:64], block[:-1], block + b"x", block + bytes(64), bytes(100), b"\xff" * 300, b"\x10"]
    wrong.append(lz4.block.compress(content[:4095], store_size=False))
    repeated = bytearray(block_of(compressible_page(1))[0])
    first = next(sequences(bytes(repeated)))
    at = 1 + first.literals  # the offset stands behind the token and the literals
    assert first.literals < 15 and repeated[at : at + 2] == bytes([first.offset, 0])
    repeated[at] = 0
    wrong.append(bytes(repeated))
    for case in wrong:
        await untouched(device, 2, case, crc)
    source = Random(1)
    refused = 0
    for _ in range(30):
        changed = bytearray(block)
        changed[source.randrange(len(block))] ^= 1 << source.randrange(8)
        try:
            same = lz4.block.decompress(bytes(changed), uncompressed_size=4096) == content
        except lz4.block.LZ4BlockError:
            same = False
        if not same:
            await untouched(device, 2, bytes(changed), crc)
            refused += 1
    assert refused > 20
    assert await device.load(2) == SAME_PAGE
    assert (await device.counters()).pages_imported == 0
    await device.import_block(2, block, crc)  # none of them has left anything behind
    await evict_everything(device)
    assert await device.load(2) == content


async def test_dirty_pages_are_closed_to_make_room_and_then_it_is_refused(device: CramDevice) -> None:
    block, crc = block_of(compressible_page(1))
    for page in range(13):
        await device.store(page, noise_page(page))
    for page in range(20, 23):  # three dirty pages hold the last three reservations
        await device.store_line(page, 0, b"d" * 64)
    await device.import_block(30, block, crc)
    assert await device.load(30) == compressible_page(1)
    await device.trim([30, 20, 21, 22])
    for page in range(13, 16):
        await device.store(page, noise_page(page))
    with pytest.raises(AdmissionClosed):
        await device.import_block(30, block, crc)
    assert (await device.page_state(30)).state == PageState.FREE
    assert await device.events() == []


async def test_fences_poison_and_the_critical_state_hold_for_imports(device: CramDevice) -> None:
    block, crc = block_of(program_pages()[1])
    await device.store(1, SAME_PAGE)
    await device.fence([1])
    with pytest.raises(PageFenced):
        await device.import_block(1, block, crc)
    await device.unfence([1])
    await device.cxl.inject_poison(2)
    with pytest.raises(PagePoisoned):
        await device.import_block(2, block, crc)
    await device.set_pressure_marks(256, 256, 256)
    await device.store(1, noise_page(1))
    with pytest.raises(AdmissionClosed):
        await device.import_block(3, block, crc)
    await device.import_block(1, block, crc)
    assert await device.load(1) == program_pages()[1]


async def test_a_payload_without_a_block_or_with_one_too_long_is_refused(device: CramDevice) -> None:
    for length in (0, 16, 64, 64 + 4096 - 255):
        with pytest.raises(MailboxError) as caught:
            await device.command(Opcode.IMPORT_BLOCK, bytes(min(length, 4096)))
        assert caught.value.return_code == ReturnCode.INVALID_PAYLOAD_LENGTH
    for block in (b"", bytes(4096 - 255)):
        with pytest.raises(ValueError, match="3840"):
            await device.import_block(0, block, 0)
    with pytest.raises(MailboxError) as caught:
        await device.command(Opcode.IMPORT_BLOCK, (64).to_bytes(8, "little") + bytes(60))
    assert caught.value.return_code == ReturnCode.INVALID_INPUT
    with pytest.raises(MailboxError) as caught:
        await device.command(Opcode.IMPORT_BLOCK, (1 << 50).to_bytes(8, "little") + bytes(60))
    assert caught.value.return_code == ReturnCode.INVALID_PHYSICAL_ADDRESS


async def test_a_write_error_of_the_media_leaves_the_page_as_it_was(device: CramDevice, model: ModelLink) -> None:
    await device.store(1, noise_page(1))
    model.fail_sectors(set(range(16, 256)))
    with pytest.raises(AdmissionClosed):  # nowhere can it be written
        await device.import_block(1, *block_of(program_pages()[1]))
    assert await device.load(1) == noise_page(1)
    assert (await device.events())[0] == DeviceEvent(EventCode.SECTOR_RETIRED, 1)
    assert (await device.capacity()).free_sectors < 16


async def test_an_import_that_meets_a_bad_sector_is_stored_elsewhere(device: CramDevice, model: ModelLink) -> None:
    await device.store(1, noise_page(1))
    model.fail_sectors({16})
    await device.import_block(1, *block_of(program_pages()[1]))
    assert await device.events() == [DeviceEvent(EventCode.SECTOR_RETIRED, 1)]
    assert await device.load(1) == program_pages()[1]
