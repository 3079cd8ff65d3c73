# SPDX-License-Identifier: MIT
"""Pages and lines: what was stored is what is loaded, in whatever form the device keeps it."""

from __future__ import annotations

from zlib import crc32

import lz4.block
import pytest

from driver import AddressOutOfRange, CramDevice, LoadCounters, PageInfo, PageState
from hw.link import LINE_BYTES, PAGE_BYTES, Link
from hw.links.model import ModelLink
from hw.parameters import DeviceParameters
from hw.registers import LOADS
from tests.driver.cache import evict_everything
from tests.driver.conftest import PARAMETERS
from tests.pages import FORMS, SAME_PAGE, SAME_WORD, ZERO_PAGE, compressible_page, noise_page, program_pages

FREE_PAGE = PageInfo(PageState.FREE, cached=False, dirty=False, length=0, crc=0, word=0, first_sector=0)


def test_no_block_of_a_page_fits_into_the_page_table() -> None:
    """docs/device/pages.md, "Page states": 26 bytes are the least, and liblz4 reaches it; the table has 8 to spare."""
    shortest = [len(lz4.block.compress(bytes([n]) * 4096, store_size=False)) for n in range(256)]
    assert set(shortest) == {26}
    for period in range(2, 65):
        page = (bytes(range(period)) * 4096)[:4096]
        assert len(lz4.block.compress(page, store_size=False)) >= 26


async def test_real_pages_come_back_byte_for_byte(device: CramDevice) -> None:
    pages = program_pages()[:12]
    for number, content in enumerate(pages):
        await device.store(number, content)
    for number, content in enumerate(pages):
        assert await device.load(number) == content
    counters = await device.counters()
    assert counters.pages_closed == 12
    assert counters.pages_filled >= 12 - device.geometry.cache_pages


@pytest.mark.parametrize("parameters", [DeviceParameters(sector_bytes=size) for size in (64, 128, 256, 512, 1024)])
async def test_real_pages_come_back_with_every_sector_size(device: CramDevice, parameters: DeviceParameters) -> None:
    pages = program_pages()[::50]
    for number, content in enumerate(pages):
        await device.store(number, content)
    used = 0
    for number, content in enumerate(pages):
        assert await device.load(number) == content
        used += -(-(await device.page_state(number)).length // parameters.sector_bytes)
    capacity = await device.capacity()
    assert capacity.total_sectors - capacity.free_sectors == used


async def test_a_free_page_reads_zeros_and_stays_free(device: CramDevice) -> None:
    assert await device.load(7) == ZERO_PAGE
    assert await device.load_line(8, 63) == bytes(64)
    await device.flush()
    assert (await device.page_state(7)).state == PageState.FREE
    assert (await device.capacity()).resident_pages == 0


async def test_a_page_of_zeros_takes_no_sector(device: CramDevice) -> None:
    await device.store(3, ZERO_PAGE)
    assert (await device.page_state(3)).state == PageState.ZERO
    await evict_everything(device)
    assert await device.load(3) == ZERO_PAGE
    capacity = await device.capacity()
    assert (capacity.free_sectors, capacity.resident_pages) == (device.geometry.media_sectors, 1)
    assert capacity.ratio == float("inf")


async def test_a_page_of_one_repeated_word_takes_no_sector_and_keeps_its_word(device: CramDevice) -> None:
    await device.store(3, SAME_PAGE)
    info = await device.page_state(3)
    assert (info.state, info.word, info.length, info.crc) == (PageState.SAME, SAME_WORD, 0, 0)
    await evict_everything(device)
    assert await device.load(3) == SAME_PAGE
    assert await device.free_sectors() == device.geometry.media_sectors


async def test_a_compressible_page_is_a_standard_lz4_block(device: CramDevice) -> None:
    content = compressible_page(1)
    await device.store(3, content)
    info = await device.page_state(3)
    block = await device.export(3)
    assert info.state == PageState.LZ4
    assert info.crc == crc32(content)
    assert block is not None
    assert len(block) == info.length
    assert lz4.block.decompress(block, uncompressed_size=4096) == content
    sectors = -(-info.length // device.geometry.sector_bytes)
    assert await device.free_sectors() == device.geometry.media_sectors - sectors


async def test_a_page_that_does_not_shrink_is_stored_raw(device: CramDevice) -> None:
    content = noise_page(1)
    await device.store(3, content)
    info = await device.page_state(3)
    assert (info.state, info.length, info.crc) == (PageState.RAW, 4096, crc32(content))
    await evict_everything(device)
    assert await device.load(3) == content
    assert await device.free_sectors() == device.geometry.media_sectors - device.geometry.raw_sectors


@pytest.mark.parametrize("state", [state for state in PageState if state.resident])
async def test_a_page_of_each_form_tells_its_state_and_reads_back(device: CramDevice, state: PageState) -> None:
    """What the table keeps of it is what the state's properties say (hw/regs/codes.toml)."""
    content = FORMS[state](1)
    await device.store(3, content)
    info = await device.page_state(3)
    assert info.state == state
    assert (info.length > 0) == state.on_media
    assert info.crc == (crc32(content) if state.on_media else 0)
    assert (info.word > 0) == state.keeps_word
    capacity = await device.capacity()
    assert (capacity.resident_pages, capacity.used_bytes > 0) == (1, state.on_media)
    await evict_everything(device)
    assert await device.load(3) == content


@pytest.mark.parametrize("state", [state for state in PageState if state not in (PageState.LZ4, PageState.POISON)])
async def test_only_lz4_pages_have_a_block_to_export(device: CramDevice, state: PageState) -> None:
    if state.resident:
        await device.store(3, FORMS[state](1))
    assert await device.export(3) is None


async def test_the_closed_counters_tell_the_forms_apart(device: CramDevice) -> None:
    """Of the first form one page is stored, of the second two, and so on."""
    stored = [state for count, state in enumerate(FORMS, 1) for _ in range(count)]
    for page, state in enumerate(stored):
        await device.store(page, FORMS[state](page))
    counters = await device.counters()
    for state in FORMS:
        assert getattr(counters, state.counter) == stored.count(state), state.name
    blocks = [(await device.page_state(page)).length for page, state in enumerate(stored) if state is PageState.LZ4]
    assert counters.block_bytes == sum(blocks)
    assert counters.pages_closed == len(stored)
    assert counters.lines_written == len(stored) * 64
    assert counters.cycles > 0


async def test_storing_again_replaces_the_page_and_gives_its_sectors_back(device: CramDevice) -> None:
    await device.store(3, noise_page(1))
    await device.store(3, noise_page(2))
    assert await device.load(3) == noise_page(2)
    assert await device.free_sectors() == device.geometry.media_sectors - device.geometry.raw_sectors
    await device.store(3, ZERO_PAGE)
    assert await device.load(3) == ZERO_PAGE
    assert await device.free_sectors() == device.geometry.media_sectors


# Lines


async def test_lines_written_to_a_free_page_have_zeros_around_them(device: CramDevice) -> None:
    await device.store_line(5, 2, b"x" * 64)
    info = await device.page_state(5)
    assert (info.state, info.cached, info.dirty) == (PageState.FREE, True, True)
    expected = bytes(128) + b"x" * 64 + bytes(4096 - 192)
    assert await device.load(5) == expected
    await device.flush()
    await evict_everything(device)
    assert await device.load(5) == expected
    assert (await device.page_state(5)).state == PageState.LZ4


async def test_lines_written_to_a_stored_page_keep_the_others(device: CramDevice) -> None:
    content = program_pages()[5]
    await device.store(5, content)
    await evict_everything(device)
    await device.store_line(5, 0, b"a" * 64)
    await device.store_line(5, 63, b"z" * 64)
    assert await device.load_line(5, 0) == b"a" * 64
    assert await device.load_line(5, 30) == content[30 * 64 : 31 * 64]
    await evict_everything(device)
    await device.flush()
    assert await device.load(5) == b"a" * 64 + content[64:-64] + b"z" * 64


async def test_a_line_loaded_is_the_line_stored(device: CramDevice) -> None:
    content = program_pages()[6]
    await device.store(6, content)
    await evict_everything(device)
    for line in (0, 1, 31, 63):
        assert await device.load_line(6, line) == content[line * 64 : line * 64 + 64]


async def test_a_page_written_line_by_line_is_closed_with_its_last_line(device: CramDevice) -> None:
    content = compressible_page(4)
    for line in reversed(range(64)):
        assert (await device.counters()).pages_closed == 0
        await device.store_line(2, line, content[line * 64 : line * 64 + 64])
    info = await device.page_state(2)
    assert (info.state, info.cached, info.dirty) == (PageState.LZ4, True, False)
    assert (await device.counters()).pages_closed == 1


async def test_flush_closes_what_is_dirty_and_ends_its_reservation(device: CramDevice) -> None:
    await device.store_line(1, 0, b"1" * 64)
    await device.store_line(2, 0, b"2" * 64)
    assert (await device.capacity()).reserved_sectors == 2 * device.geometry.raw_sectors
    await device.flush()
    capacity = await device.capacity()
    assert capacity.reserved_sectors == 0
    assert capacity.resident_pages == 2
    assert capacity.available_sectors == capacity.free_sectors
    assert not (await device.page_state(1)).dirty


async def test_export_closes_a_dirty_page_first(device: CramDevice) -> None:
    await device.store(1, program_pages()[1])
    await device.store_line(1, 10, b"new" + bytes(61))
    block = await device.export(1)
    assert block is not None
    assert lz4.block.decompress(block, uncompressed_size=4096) == await device.load(1)
    assert not (await device.page_state(1)).dirty


# Trim


async def test_a_trimmed_page_is_free_whatever_it_was(device: CramDevice) -> None:
    contents = [ZERO_PAGE, SAME_PAGE, compressible_page(1), noise_page(1)]
    for page, content in enumerate(contents):
        await device.store(page, content)
    await device.store_line(4, 0, b"d" * 64)  # dirty
    await device.trim(range(6))
    for page in range(6):
        assert await device.page_state(page) == FREE_PAGE
        assert await device.load(page) == ZERO_PAGE
    capacity = await device.capacity()
    assert (capacity.free_sectors, capacity.reserved_sectors, capacity.resident_pages) == (256, 0, 0)
    assert capacity.ratio == 1.0


async def test_trim_drops_only_what_it_names(device: CramDevice) -> None:
    pages = program_pages()[:8]
    for number, content in enumerate(pages):
        await device.store(number, content)
    await device.trim([5, 1, 2, 5])
    for number, content in enumerate(pages):
        assert await device.load(number) == (ZERO_PAGE if number in (1, 2, 5) else content)
    assert (await device.counters()).pages_trimmed == 3


@pytest.mark.parametrize("parameters", [DeviceParameters(perceived_pages=1024)])
async def test_a_trim_of_more_ranges_than_a_command_holds_is_split(device: CramDevice) -> None:
    for page in range(0, 1024, 2):
        await device.store(page, SAME_PAGE)
    assert (await device.capacity()).resident_pages == 512
    await device.trim(range(0, 1024, 2))
    assert (await device.capacity()).resident_pages == 0
    assert (await device.counters()).pages_trimmed == 512


async def test_a_trim_of_nothing_does_nothing(device: CramDevice) -> None:
    await device.trim([])
    assert (await device.counters()).pages_trimmed == 0


async def test_trimming_a_page_while_others_work_on_it_leaves_each_line_old_or_new(device: CramDevice) -> None:
    content = program_pages()[3]
    for _ in range(20):
        stores = device.clock.spawn(device.store(9, content))
        trims = device.clock.spawn(device.trim([9]))
        loads = device.clock.spawn(device.load(9))
        assert each_line_is_one_of(await loads, content, ZERO_PAGE)
        await stores
        await trims
        assert each_line_is_one_of(await device.load(9), content, ZERO_PAGE)
        await device.trim([9])
        assert await device.load(9) == ZERO_PAGE
        assert await device.free_sectors() == device.geometry.media_sectors


def each_line_is_one_of(page: bytes, *candidates: bytes) -> bool:
    return all(
        page[at : at + LINE_BYTES] in {candidate[at : at + LINE_BYTES] for candidate in candidates}
        for at in range(0, PAGE_BYTES, LINE_BYTES)
    )


# Bad arguments


@pytest.mark.parametrize("page", [-1, PARAMETERS.perceived_pages, 1 << 40])
async def test_a_page_that_the_device_does_not_have_is_refused_everywhere(device: CramDevice, page: int) -> None:
    for call in (
        device.store(page, ZERO_PAGE),
        device.load(page),
        device.load_line(page, 0),
        device.store_line(page, 0, bytes(64)),
        device.trim([0, page]),
        device.page_state(page),
        device.export(page),
    ):
        with pytest.raises(AddressOutOfRange, match=str(page)):
            await call
    assert (await device.counters()).pages_trimmed == 0


@pytest.mark.parametrize("line", [-1, 64])
async def test_a_line_that_a_page_does_not_have_is_refused(device: CramDevice, line: int) -> None:
    with pytest.raises(AddressOutOfRange):
        await device.load_line(0, line)
    with pytest.raises(AddressOutOfRange):
        await device.store_line(0, line, bytes(64))


async def test_a_page_or_line_of_the_wrong_size_is_refused(device: CramDevice) -> None:
    with pytest.raises(ValueError, match="4096"):
        await device.store(0, bytes(4095))
    with pytest.raises(ValueError, match="64"):
        await device.store_line(0, 0, bytes(63))


async def test_what_load_does_is_read_in_one_transfer(device: CramDevice, link: Link) -> None:
    """The model serves one access after the other, and counts none of it (docs/device/load.md)."""
    await device.store(0, noise_page(0))
    await evict_everything(device)
    await device.load(0)
    counted = await device.load_counters()
    if isinstance(link, ModelLink):
        assert counted == LoadCounters(*(0 for _ in LOADS))
    else:
        assert counted.opened_raw == 1
        assert counted.media_read_beats >= PAGE_BYTES // LINE_BYTES
        assert counted.media_write_beats >= PAGE_BYTES // LINE_BYTES
        assert counted.filling_1 > 0 and counted.closing > 0
