# SPDX-License-Identifier: MIT
"""zram's idle pages, its backing device and its second compressor (Documentation/admin-guide/blockdev/zram.rst)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hw.link import PAGE_BYTES
from hw.virtual_time import VirtualClock
from tests.pages import SAME_PAGE, compressible_page, noise_page, program_pages
from tests.vswap.tb import TB, machine
from tests.vswap.test_zsmalloc import CountedFrames
from vswap.base.costs import Costs
from vswap.base.counters import Counters
from vswap.tiers.compressors import COMPRESSORS
from vswap.tiers.zram import ZramTier


class Zram:
    """A device of its own on a clock, and what was stored on it."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.frames = CountedFrames(10_000)
        self.pages: dict[int, bytes] = {}
        self.tier = ZramTier(self.clock, Costs(), Counters(), self.frames, pages=64, backing_pages=9,
                             recompressor=COMPRESSORS["zstd"])  # fmt: skip

    def store(self, page: bytes) -> int:
        place = self.clock.run_until(self.tier.store(page, 1))
        self.pages[place] = page
        return place

    def check(self) -> None:
        for place, page in self.pages.items():
            assert self.clock.run_until(self.tier.load(place)) == page


@pytest.fixture
def zram() -> Iterator[Zram]:
    device = Zram()
    yield device
    device.check()
    for place in device.pages:
        device.tier.free(place)
    assert device.frames.left == device.frames.limit
    assert device.tier.bd_stat()["bd_count"] == 0
    device.tier.close()


def test_only_pages_that_were_not_used_since_they_were_marked_are_written_back(zram: Zram) -> None:
    first, second = zram.store(compressible_page(1)), zram.store(compressible_page(2))
    zram.tier.mark_idle()
    third = zram.store(compressible_page(3))
    zram.clock.run_until(zram.tier.load(second))
    assert zram.clock.run_until(zram.tier.write_back("idle")) == 1
    assert [zram.tier.blocks[place].written is not None for place in (first, second, third)] == [True, False, False]
    assert zram.tier.bd_stat() == {"bd_count": 1, "bd_reads": 0, "bd_writes": 1}
    assert zram.tier.mm_stat()["orig_data_size"] == 3 * PAGE_BYTES, "it is stored on the device all the same"


def test_a_page_that_was_written_back_is_read_from_the_backing_device_at_its_price(zram: Zram) -> None:
    place = zram.store(compressible_page(1))
    zram.tier.mark_idle()
    zram.clock.run_until(zram.tier.write_back("idle"))
    assert zram.tier.pool_pages == 0
    started = zram.clock.now
    assert zram.clock.run_until(zram.tier.load(place)) == compressible_page(1)
    assert zram.clock.now - started == Costs().swapfile_read
    assert zram.tier.bd_stat()["bd_reads"] == 1


def test_huge_are_the_raw_pages_and_huge_idle_those_of_them_that_are_idle(zram: Zram) -> None:
    small, raw = zram.store(compressible_page(1)), zram.store(noise_page(1))
    zram.tier.mark_idle()
    later = zram.store(noise_page(2))
    assert zram.clock.run_until(zram.tier.write_back("huge_idle")) == 1
    assert zram.tier.blocks[raw].written is not None and zram.tier.mm_stat()["huge_pages"] == 1
    assert zram.clock.run_until(zram.tier.write_back("huge")) == 1
    assert zram.tier.blocks[later].written is not None and zram.tier.blocks[small].written is None


def test_a_same_filled_page_stays_where_it_takes_nothing(zram: Zram) -> None:
    zram.store(SAME_PAGE)
    zram.tier.mark_idle()
    assert zram.clock.run_until(zram.tier.write_back("idle")) == 0


def test_the_limit_and_the_room_of_the_backing_device_end_a_writeback(zram: Zram) -> None:
    for number in range(12):
        zram.store(compressible_page(number))
    zram.tier.mark_idle()
    zram.tier.writeback_limit = 3
    assert zram.clock.run_until(zram.tier.write_back("idle")) == 3
    assert (zram.clock.run_until(zram.tier.write_back("idle")), zram.tier.writeback_limit) == (0, 0)
    zram.tier.writeback_limit = None
    assert zram.clock.run_until(zram.tier.write_back("idle")) == 5, "8 blocks, block 0 is not used"


def test_a_page_freed_while_it_is_written_back_leaves_nothing_there(zram: Zram) -> None:
    place = zram.store(compressible_page(1))
    zram.tier.mark_idle()

    async def body() -> int:
        writing = zram.clock.spawn(zram.tier.write_back("idle"))
        await zram.clock.sleep(Costs().swapfile_write // 2)
        zram.tier.free(place)
        return await writing

    del zram.pages[place]
    assert zram.clock.run_until(body()) == 0


def test_the_second_compressor_makes_pages_smaller_or_marks_them(zram: Zram) -> None:
    real = [page for page in program_pages() if page.strip(b"\0")][:20]
    for page in real:
        zram.store(page)
    raw = zram.store(noise_page(1))
    before = zram.tier.mm_stat()["compr_data_size"]
    zram.tier.mark_idle()
    assert zram.clock.run_until(zram.tier.recompress("idle")) > 10
    assert zram.tier.mm_stat()["compr_data_size"] < before
    assert zram.tier.blocks[raw].incompressible and zram.tier.blocks[raw].huge
    zram.tier.mark_idle()
    assert zram.clock.run_until(zram.tier.recompress("idle")) == 0, "once is enough"
    assert zram.clock.run_until(zram.tier.write_back("incompressible")) >= 1
    assert zram.tier.blocks[raw].written is not None


def test_a_threshold_leaves_small_blocks_alone(zram: Zram) -> None:
    place = zram.store(compressible_page(1))
    zram.tier.mark_idle()
    size = len(zram.tier.blocks[place].data)
    assert zram.clock.run_until(zram.tier.recompress("idle", threshold=size + 1)) == 0
    assert not zram.tier.blocks[place].incompressible


@machine(order=("zram",), zram_backing_pages=64, zram_recompressor="zstd", zram_idle_interval=1_000_000)
async def test_a_page_that_stays_idle_is_compressed_again_and_then_written_back(tb: TB) -> None:
    page = next(page for page in program_pages() if page.strip(b"\0"))
    space = await tb.swapped_out(page)
    tier = tb.system.tier("zram")
    assert isinstance(tier, ZramTier)
    (place,) = tier.blocks
    seen = []
    for _ in range(4):
        block = tier.blocks[place]
        seen.append("written" if block.written is not None else block.compressor.name)
        await tb.clock.sleep(1_100_000)
    assert seen == ["lz4", "lz4", "zstd", "written"]
    assert tb.system.gauges()["bd_count"] == 1
    assert await space.read(0) == page
    assert tb.system.gauges()["bd_count"] == 0, "a synchronous device gives its copy up"
