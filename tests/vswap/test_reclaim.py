# SPDX-License-Identifier: MIT
"""Reclaim: the memory limit, the order of the tiers, fallback, and keeping what no tier takes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.pages import ZERO_PAGE, compressible_page, noise_page, program_pages
from tests.vswap.tb import TB, machine
from vswap import OutOfMemory
from vswap.base.backing import BackingType
from vswap.mm.folio import Folio
from vswap.slots.layer import Search
from vswap.tiers.base import Full, IoError

SMALL = compressible_page(1)


async def test_more_pages_than_memory_all_read_back(tb: TB) -> None:
    space = tb.space()
    pages = program_pages()[:200]
    for vpn, page in enumerate(pages):
        await space.write(vpn, page)
        tb.system.invariants()
    for vpn, page in enumerate(pages):
        assert await space.read(vpn) == page
    counters = tb.system.counters
    assert tb.machine.memory.used <= tb.config.memory_pages
    assert counters.stores and counters.pgsteal_kswapd


@machine(order=("zswap", "swapfile"))
async def test_a_page_that_is_used_again_and_again_outlives_those_that_are_used_once(tb: TB) -> None:
    space = tb.space()
    await space.write(0, SMALL)
    left = []
    for vpn in range(1, 400):
        await space.write(vpn, compressible_page(vpn))
        if tb.state(space, 0) == "softleaf":
            left.append(vpn)
        assert await space.read(0) == SMALL
    turns = 399 // tb.config.memory_pages  # of the list: a page that is used once goes with each
    assert len(left) <= turns // 2, "reclaim may find it twice before it is used again"


async def test_kswapd_keeps_the_high_watermark_free(tb: TB) -> None:
    space = tb.space()
    for vpn in range(100):
        await space.write(vpn, compressible_page(vpn))
    await tb.clock.sleep(1_000_000)
    assert tb.machine.memory.free >= tb.machine.memory.low


@machine(start=False)
async def test_without_kswapd_the_allocation_reclaims_directly(tb: TB) -> None:
    space = tb.space()
    for vpn in range(100):
        await space.write(vpn, compressible_page(vpn))
    counters = tb.system.counters
    assert counters.pgsteal_direct and not counters.pgsteal_kswapd


# The order of the tiers


async def test_zero_pages_never_reach_a_tier(tb: TB) -> None:
    space = await tb.swapped_out(ZERO_PAGE)
    assert tb.backing(space, 0).type is BackingType.ZERO


@pytest.mark.parametrize(
    ("fail", "expected"),
    [
        ((), BackingType.CRAM),
        (("cram",), BackingType.ZSWAP),
        (("cram", "zswap"), BackingType.SWAPFILE),
    ],
)
async def test_a_tier_that_refuses_is_followed_by_the_next(
    tb: TB, fail: tuple[str, ...], expected: BackingType
) -> None:
    break_stores(tb, fail, Full)
    space = await tb.swapped_out(SMALL)
    assert tb.backing(space, 0).type is expected
    assert await space.read(0) == SMALL


@machine(order=("swapfile", "zswap"))
async def test_the_order_is_what_the_configuration_says(tb: TB) -> None:
    space = await tb.swapped_out(SMALL)
    assert tb.backing(space, 0).type is BackingType.SWAPFILE


@machine(cram_low_percent=0, cram_recovered_percent=0)
async def test_a_device_without_sectors_hands_the_page_to_the_next_tier_and_its_poison_is_trimmed(tb: TB) -> None:
    space = tb.space()
    for vpn in range(20):  # 16 of them fill the device
        await space.write(vpn, noise_page(vpn))
        await space.pageout(vpn)
    assert tb.system.counters.cram_full
    for vpn in range(20):
        assert await space.read(vpn) == noise_page(vpn)


# Failure


@pytest.mark.parametrize("error", [Full, IoError])
async def test_a_page_that_no_tier_takes_stays_in_memory_dirty(tb: TB, error: type[Exception]) -> None:
    space = tb.space()
    await space.write(0, SMALL)
    with pytest.MonkeyPatch.context() as patch:
        break_stores(tb, tb.config.order, error, patch)
        assert not await tb.pageout(space, 0)
        folio = tb.machine.cache.lookup(tb.slot(space, 0))
        assert isinstance(folio, Folio) and folio.dirty
        if error is Full:  # else the swapfile had a place for it, and the write failed
            assert tb.backing(space, 0).type is BackingType.FOLIO and folio.active
        tb.system.invariants()
        assert await space.read(0) == SMALL
        assert (tb.system.counters.swapout_failed, tb.system.counters.swap_cache_hits) == (1, 1)
    assert await space.pageout(0)
    assert await space.read(0) == SMALL


async def test_a_page_that_is_written_again_after_a_failed_store_is_not_overtaken_by_an_old_copy(tb: TB) -> None:
    space = await tb.swapped_out(SMALL)
    await space.write(0, compressible_page(2))
    with pytest.MonkeyPatch.context() as patch:
        break_stores(tb, tb.config.order, IoError, patch)
        assert not await tb.pageout(space, 0)
        await space.write(0, compressible_page(3))
    assert await tb.pageout(space, 0)
    assert await space.read(0) == compressible_page(3)


async def test_when_nothing_can_be_reclaimed_the_access_is_out_of_memory_and_the_others_go_on(tb: TB) -> None:
    space = tb.space()
    with pytest.MonkeyPatch.context() as patch:
        break_stores(tb, tb.config.order, Full, patch)
        with pytest.raises(OutOfMemory):
            for vpn in range(tb.config.memory_pages):
                await space.write(vpn, compressible_page(vpn))
        tb.system.invariants()
        for taken in range(vpn):
            assert await space.read(taken) == compressible_page(taken)
    await space.write(vpn, SMALL)


@machine(slot_limit=4)
async def test_without_a_virtual_slot_a_page_stays(tb: TB) -> None:
    space = tb.space()
    for vpn in range(6):
        await space.write(vpn, compressible_page(vpn))
    assert [await space.pageout(vpn) for vpn in range(6)] == [True] * 4 + [False] * 2
    assert tb.machine.slots.alloc_reject == 2
    assert await space.read(5) == compressible_page(5)


async def test_a_write_between_unmap_and_the_end_of_the_store_is_not_lost(tb: TB) -> None:
    space = tb.space()
    for delay in range(0, 6000, 250):
        await space.write(0, SMALL)
        reclaim = tb.clock.spawn(space.pageout(0))
        await tb.clock.sleep(delay)
        await space.write(0, compressible_page(delay))
        await reclaim
        assert await space.read(0) == compressible_page(delay)
        tb.system.invariants()


def break_stores(
    tb: TB, tiers: tuple[str, ...], error: type[Exception], patch: pytest.MonkeyPatch | None = None
) -> None:
    """Make the stores of these tiers fail."""

    async def fail(data: object, slot: int) -> int:
        raise error("broken on purpose")

    async def fail_write(handle: int, pages: object) -> None:
        raise error("broken on purpose")

    def no_room(slot: int, count: int = 1) -> int:
        raise error("broken on purpose")

    calls: dict[str, Callable[..., object]] = {"store": fail, "store_block": fail}
    calls |= {"reserve": no_room} if error is Full else {"write": fail_write}
    for name in tiers:
        tier = tb.system.tier(name)
        for call, broken in calls.items():
            if patch is None:
                setattr(tier, call, broken)
            else:
                patch.setattr(tier, call, broken, raising=False)


async def looks_at_nothing(tb: TB) -> None:
    space = tb.space()
    for vpn in range(20):
        await space.write(vpn, compressible_page(vpn))
    for name in tb.config.order:
        await tb.system.swapoff(name, Search.PAGE_TABLES)
    lruvec = tb.machine.memory.lruvec(space.memcg)
    before, counters = list(lruvec), tb.system.counters.snapshot()
    assert await tb.system.reclaim.direct(space.memcg) == 0
    after = tb.system.counters.snapshot()
    assert (list(lruvec), after["pgscan"], after["pgrefill"]) == (before, counters["pgscan"], counters["pgrefill"])
    assert all(tb.state(space, vpn) == "dram rw" for vpn in range(20))
    for name in tb.config.order:
        tb.system.swapon(name)
    assert await tb.system.reclaim.direct(space.memcg) > 0


@machine(start=False)
async def test_without_anywhere_to_swap_to_reclaim_looks_at_nothing(tb: TB) -> None:
    """can_age_anon_pages: neither are pages unmapped in vain, nor do the lists age."""
    await looks_at_nothing(tb)


@machine(start=False, layer="direct")
async def test_without_a_device_direct_slots_are_not_looked_for(tb: TB) -> None:
    await looks_at_nothing(tb)
