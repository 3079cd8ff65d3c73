# SPDX-License-Identifier: MIT
"""Promotion of the pages that a device nominates because they are read often."""

from __future__ import annotations

from typing import Any

from tests.pages import compressible_page, noise_page
from tests.vswap.tb import TB, machine
from vswap import AddressSpace

HOT: dict[str, Any] = {"hot_threshold": 4, "hot_interval": 1_000}


async def on_device(tb: TB, count: int, name: str = "task") -> AddressSpace:
    """A space of `count` pages on the device."""
    space = tb.space(name)
    for vpn in range(count):
        await space.write(vpn, compressible_page(vpn))
        await space.pageout(vpn)
    return space


async def heat(space: AddressSpace, vpn: int, reads: int = 4) -> None:
    """Read a page's lines."""
    for line in range(reads):
        assert await space.read(vpn, line) == compressible_page(vpn)[64 * line : 64 * line + 64]


@machine(**HOT, rtl=True)
async def test_a_page_that_is_read_often_moves_to_dram_and_its_mappers_with_it(tb: TB) -> None:
    space = await on_device(tb, 2)
    child = await tb.system.fork(space, "child")
    assert await child.read(0) == compressible_page(0)
    await heat(space, 0)
    await tb.clock.sleep(50_000)
    assert (tb.state(space, 0), tb.state(child, 0)) == ("dram ro", "dram ro")
    assert tb.backing(child, 1) == tb.backing(space, 1), "the other page is where it was"
    assert (tb.system.counters.promoted_hot, tb.node().usage().pages) == (1, 1)
    await child.write(0, noise_page(1))
    assert (await space.read(0), await child.read(0)) == (compressible_page(0), noise_page(1))


@machine(**HOT, hot_budget=2, start=False)
async def test_no_more_than_the_budget_is_promoted_at_a_time(tb: TB) -> None:
    space = await on_device(tb, 6)
    await tb.node().track_hot_pages(4, 0)
    for vpn in range(6):
        await heat(space, vpn)
    await tb.system.hot.round(tb.node())
    counters = tb.system.counters
    assert (counters.hot_nominated, counters.promoted_hot, counters.hot_dropped) == (6, 2, 4)
    for vpn in range(6):
        assert await space.read(vpn) == compressible_page(vpn)


@machine(**HOT, start=False, rtl=True)
async def test_a_nomination_of_a_page_that_is_gone_moved_or_used_again_is_ignored(tb: TB) -> None:
    space = await on_device(tb, 4)
    await tb.node().track_hot_pages(4, 0)
    for vpn in range(3):
        await heat(space, vpn)
    freed = tb.cram_folio(space, 0).page
    await space.unmap(0)
    await space.write(1, noise_page(1))  # promoted by the write
    await tb.system.writeback.reap_and_trim()
    late = tb.space("late")
    for vpn in range(254):  # the freed device pages are the last to be used again
        await late.write(vpn, bytes([vpn, 1]) * 2048)
        await late.pageout(vpn)
    assert freed in tb.node().handles(), "used again"
    await tb.system.hot.round(tb.node())
    assert (tb.system.counters.promoted_hot, tb.system.counters.hot_stale) == (1, 2)
    assert tb.state(space, 2) == "dram ro"
    for vpn in range(254):
        assert await late.read(vpn) == bytes([vpn, 1]) * 2048


@machine(**HOT, start=False, order=("cram", "swapfile"))
async def test_nominations_beyond_the_ring_are_counted_and_the_page_may_be_nominated_again(tb: TB) -> None:
    space = await on_device(tb, 80)
    await tb.node().track_hot_pages(2, 0)
    for vpn in range(80):
        await heat(space, vpn, 2)
    await tb.system.hot.round(tb.node())
    counters = tb.system.counters
    assert counters.hot_nominated == 64 and counters.hot_dropped >= 16
    assert counters.promoted_hot == 32, "the budget"


@machine(**HOT, start=False, memory_pages=16)
async def test_promotion_takes_no_frame_that_something_would_have_to_be_reclaimed_for(tb: TB) -> None:
    space = await on_device(tb, 2)
    await tb.node().track_hot_pages(4, 0)
    hog = tb.space("hog")
    for vpn in range(tb.machine.memory.free - tb.machine.memory.minimum):
        await hog.write(vpn, noise_page(vpn))
    await heat(space, 0)
    await tb.system.hot.round(tb.node())
    assert (tb.system.counters.promoted_hot, tb.state(space, 0)) == (0, "cram ro")
