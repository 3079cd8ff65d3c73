# SPDX-License-Identifier: MIT
"""Pass-through: what is an LZ4 block on both sides moves as it is, and is the same page in the end."""

from __future__ import annotations

import zlib

import lz4.block
import pytest

from driver import PageState
from tests.pages import SAME_PAGE, compressible_page, noise_page
from tests.vswap.tb import TB, machine
from vswap import SigBus
from vswap.base.backing import BackingType

PAGE = compressible_page(5)


@machine(start=False, rtl=True)
async def test_a_page_goes_from_the_device_to_zswap_as_its_block_with_its_crc(tb: TB) -> None:
    space = await tb.swapped_out(PAGE)
    assert await space.read(0) == PAGE
    page = tb.cram_folio(space, 0).page
    block = await tb.device.export(page)
    assert await tb.system.writeback.write_back_cram(2) == 1
    assert tb.backing(space, 0).type is BackingType.ZSWAP and tb.machine.tiers.zswap is not None
    kept = await tb.machine.tiers.zswap.export_block(tb.backing(space, 0).handle)
    assert kept is not None and (kept.data, kept.crc) == (block, zlib.crc32(PAGE))
    assert lz4.block.decompress(kept.data, uncompressed_size=4096) == PAGE
    assert (tb.system.counters.blocks_passed, tb.system.counters.writebacks.cram_to_zswap) == (1, 1)
    assert await space.read(0) == PAGE


@pytest.mark.parametrize(("data", "state"), [(noise_page(1), PageState.RAW), (SAME_PAGE, PageState.SAME)])
@machine(start=False, rtl=True)
async def test_a_page_that_is_no_block_takes_its_own_way(tb: TB, data: bytes, state: PageState) -> None:
    space = await tb.swapped_out(data)
    await tb.device.flush()
    assert (await tb.device.page_state(tb.cram_folio(space, 0).page)).state == state
    assert await tb.system.writeback.write_back_cram(2) == 1
    assert tb.system.counters.blocks_passed == 0
    assert await space.read(0) == data


@machine(start=False, order=("zswap", "cram", "swapfile"), rtl=True)
async def test_zswap_writes_back_to_a_device_behind_it_by_import(tb: TB) -> None:
    space = await tb.swapped_out(PAGE)
    written = (await tb.device.counters()).lines_written
    assert tb.machine.tiers.zswap is not None
    while tb.machine.tiers.zswap.handles():
        await tb.system.writeback.zswap.write_back()
    assert tb.backing(space, 0).type is BackingType.CRAM
    counters = await tb.device.counters()
    assert (counters.pages_imported, counters.lines_written) == (1, written), "nothing was compressed again"
    assert (tb.system.counters.blocks_passed, tb.system.counters.writebacks.zswap_to_cram) == (1, 1)
    assert (await space.read(0), tb.state(space, 0)) == (PAGE, "cram ro")
    await space.write(0, noise_page(2))
    assert await space.read(0) == noise_page(2)


@machine(start=False, order=("zswap", "cram", "swapfile"), rtl=True)
async def test_a_block_that_the_device_does_not_take_goes_on_to_the_next_tier(tb: TB) -> None:
    space = await tb.swapped_out(PAGE)
    tb.node().set_no_alloc(True)
    assert tb.machine.tiers.zswap is not None
    while tb.machine.tiers.zswap.handles():
        await tb.system.writeback.zswap.write_back()
    assert tb.backing(space, 0).type is BackingType.SWAPFILE
    tb.node().set_no_alloc(False)
    assert await space.read(0) == PAGE


@machine(start=False, order=("zswap", "cram", "swapfile"), rtl=True)
async def test_a_damaged_block_is_refused_by_the_device_and_stays_where_it_is(tb: TB) -> None:
    """Its CRC is not that of the page any more: neither the device nor a load takes it for the page."""
    space = await tb.swapped_out(PAGE)
    assert tb.machine.tiers.zswap is not None
    handle = tb.backing(space, 0).handle
    entry = tb.machine.tiers.zswap.entries[handle]
    entry.block = lz4.block.compress(compressible_page(6), store_size=False)
    for _ in range(3):
        await tb.system.writeback.zswap.write_back()
    assert tb.backing(space, 0).type is BackingType.ZSWAP
    assert tb.system.counters.writeback_failed > 0
    with pytest.raises(SigBus, match="CRC"):
        await space.read(0)


@machine(start=False, order=("cram", "cram1", "swapfile"), cram_to_cram=True, rtl=True)
async def test_a_page_goes_from_device_to_device_as_its_block(tb: TB) -> None:
    space = await tb.swapped_out(PAGE)
    assert await tb.system.writeback.write_back_cram(1, tb.node("cram")) == 1
    assert (await tb.devices["cram1"].counters()).pages_imported == 1
    assert await space.read(0) == PAGE
