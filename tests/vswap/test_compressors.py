# SPDX-License-Identifier: MIT
"""Compressors: lz4, zstd and lzo in zswap and zram; each has its sizes and its costs."""

from __future__ import annotations

from typing import get_args

import pytest

from hw.link import PAGE_BYTES
from sim.bench.compressors import measure
from tests.pages import SAME_PAGE, compressible_page, noise_page, program_pages
from tests.vswap.tb import TB, machine
from vswap.base.backing import BackingType
from vswap.base.costs import Costs
from vswap.tiers.base import IoError
from vswap.tiers.compressors import COMPRESSORS, CompressorName
from vswap.tiers.zram import ZramTier

NAMES: tuple[CompressorName, ...] = get_args(CompressorName)
every_compressor = pytest.mark.parametrize("name", NAMES)


@every_compressor
def test_a_page_comes_back_and_no_two_compressors_make_the_same_of_it(name: CompressorName) -> None:
    compressor = COMPRESSORS[name]
    pages = [*program_pages()[:50], compressible_page(1), noise_page(1), SAME_PAGE]
    blocks = [compressor.compress(page) for page in pages]
    assert [compressor.page(block, "block") for block in blocks] == pages
    others = [COMPRESSORS[other] for other in NAMES if other != name]
    assert all(other.compress(pages[0]) != blocks[0] for other in others)


@every_compressor
def test_a_block_that_is_damaged_is_an_io_error(name: CompressorName) -> None:
    compressor = COMPRESSORS[name]
    block = compressor.compress(program_pages()[0])
    for damaged in (block[: len(block) // 2], b"\xff" * 20, b""):
        with pytest.raises(IoError):
            compressor.page(damaged, "block")
    with pytest.raises(IoError):
        compressor.page(compressor.compress(bytes(PAGE_BYTES // 2)), "block")


def test_zstd_makes_the_smallest_blocks_of_real_pages_and_takes_the_longest() -> None:
    pages = [page for page in program_pages() if page.strip(b"\0")]
    size = {name: sum(len(COMPRESSORS[name].compress(page)) for page in pages) for name in NAMES}
    assert size["zstd"] < size["lzo"] and size["zstd"] < size["lz4"]
    cost = {name: COMPRESSORS[name].compress_ns(Costs()) for name in NAMES}
    assert cost["lz4"] < cost["lzo"] < cost["zstd"]


async def round_trip(tb: TB, tier: str) -> None:
    space = tb.space()
    started = tb.clock.now
    for vpn in range(3):
        await space.write(vpn, compressible_page(vpn))
        assert await space.pageout(vpn)
    name = tb.config.zswap_compressor if tier == "zswap" else tb.config.zram_compressor
    compressor = COMPRESSORS[name]
    assert tb.clock.now - started > 3 * compressor.compress_ns(tb.config.costs)
    blocks = [compressor.compress(compressible_page(vpn)) for vpn in range(3)]
    kept = tb.system.tier(tier)
    if isinstance(kept, ZramTier):
        assert kept.mm_stat()["compr_data_size"] == sum(map(len, blocks))
    else:
        assert tb.machine.memory.memcgs.root.zswap_bytes == sum(map(len, blocks))
    for vpn in range(3):
        started = tb.clock.now
        assert await space.read(vpn) == compressible_page(vpn)
        assert tb.clock.now - started > compressor.decompress_ns(tb.config.costs)


@machine(order=("zswap", "swapfile"), zswap_compressor="zstd")
async def test_zswap_compresses_with_the_one_that_is_chosen(tb: TB) -> None:
    await round_trip(tb, "zswap")


@machine(order=("zram",), zram_compressor="lzo")
async def test_zram_compresses_with_the_one_that_is_chosen(tb: TB) -> None:
    await round_trip(tb, "zram")


@machine(order=("cram", "zswap", "swapfile"), zswap_compressor="zstd")
async def test_the_device_passes_no_lz4_block_to_a_pool_of_another_compressor(tb: TB) -> None:
    space = await tb.swapped_out(compressible_page(1))
    assert await tb.system.writeback.write_back_cram(1) == 1
    assert tb.backing(space, 0).type is BackingType.ZSWAP and tb.system.counters.blocks_passed == 0
    assert await space.read(0) == compressible_page(1)


@every_compressor
def test_size_and_time_on_this_host_are_measured(name: CompressorName) -> None:
    figures = measure(COMPRESSORS[name], [*program_pages()[:200], noise_page(1)])
    assert figures.ratio > 1 and figures.pages == 201
    assert figures.compress_ns > 0 and figures.decompress_ns > 0
    assert figures.incompressible >= 1


# Pages that no compressor shrinks


async def backing_of_a_page_that_does_not_shrink(tb: TB) -> BackingType:
    space = await tb.swapped_out(noise_page(1))
    kept = tb.backing(space, 0).type
    assert tb.system.gauges()["stored_incompressible_pages"] == (kept is BackingType.ZSWAP)
    assert await space.read(0) == noise_page(1)
    return kept


@machine(order=("zswap", "swapfile"), profile="current", zswap_keep_incompressible=None)
async def test_current_kernels_keep_a_page_that_does_not_shrink_in_zswap(tb: TB) -> None:
    assert await backing_of_a_page_that_does_not_shrink(tb) is BackingType.ZSWAP


@machine(order=("zswap", "swapfile"), profile="6.12", zswap_keep_incompressible=None)
async def test_earlier_kernels_pass_it_on(tb: TB) -> None:
    assert await backing_of_a_page_that_does_not_shrink(tb) is BackingType.SWAPFILE


@machine(order=("zswap", "swapfile"), profile="6.12", zswap_keep_incompressible=True)
async def test_a_scenario_can_say_otherwise(tb: TB) -> None:
    assert await backing_of_a_page_that_does_not_shrink(tb) is BackingType.ZSWAP
