# SPDX-License-Identifier: MIT
"""Readahead (docs/vswap/faults.md, "Readahead"): what a fault on a disk brings beside its own page."""

from __future__ import annotations

from typing import Any

from tests.vswap.tb import TB, machine
from vswap import AddressSpace, Memcg, MemcgLimits
from vswap.contract.pages import noise_page
from vswap.mm.folio import Folio
from vswap.mm.readahead import PMD_PAGES, ReadaheadState
from vswap.slots.layer import Search
from vswap.tiers.swapfile import SwapfileTier

PAGES = 24
DISK: dict[str, Any] = {"order": ("swapfile",), "page_cluster": 3}


async def swapped_out(tb: TB, pages: int = PAGES, group: Memcg | None = None) -> AddressSpace:
    """A space whose pages are all on the disk, and nowhere else."""
    space = tb.system.create_space("task", group)
    for vpn in range(pages):
        await space.write(vpn, noise_page(vpn))
    assert await tb.pageout(space, 0, pages)
    return space


def cached(tb: TB, space: AddressSpace) -> list[int]:
    """Pages that are in the swap cache and that nobody maps."""
    cache = tb.machine.cache
    return [vpn for vpn, pte in sorted(space.table.items()) if pte.slot and isinstance(cache.lookup(pte.slot), Folio)]


async def read(tb: TB, space: AddressSpace, vpn: int) -> list[int]:
    """Read a page; the pages that are ahead when all is there."""
    assert await space.read(vpn) == noise_page(vpn)
    await tb.machine.inflight.drain()
    return cached(tb, space)


def test_a_new_mapping_is_trusted_with_a_whole_window_around_the_fault() -> None:
    state, window = ReadaheadState().next_window(100, 3)
    assert window == range(97, 105)
    assert state == ReadaheadState(100, 8, 0)


def test_without_hits_a_window_is_half_of_the_last_one_down_to_the_page_alone() -> None:
    state, sizes = ReadaheadState(), []
    for vpn in (100, 200, 300, 400, 100):
        state, window = state.next_window(vpn, 3)
        sizes.append(len(window))
    assert sizes == [8, 4, 2, 1, 1]


def test_a_neighbour_of_the_last_fault_is_read_with_one_more_in_that_direction() -> None:
    assert ReadaheadState(100, 1, 0).next_window(101, 3)[1] == range(101, 103)
    assert ReadaheadState(100, 1, 0).next_window(99, 3)[1] == range(98, 100)


def test_hits_and_two_rounded_up_are_the_next_window_up_to_the_limit() -> None:
    sizes = [len(ReadaheadState(100, 1, hits).next_window(200, 5)[1]) for hits in (1, 2, 3, 6, 7, 14, 63)]
    assert sizes == [4, 4, 8, 8, 16, 16, 32]
    assert len(ReadaheadState(100, 1, 63).next_window(200, 2)[1]) == 4
    assert len(ReadaheadState(100, 1, 63).next_window(200, 31)[1]) == 32


def test_a_window_ends_with_its_page_table_page() -> None:
    assert ReadaheadState().next_window(PMD_PAGES, 3)[1] == range(PMD_PAGES, PMD_PAGES + 5)
    assert ReadaheadState().next_window(PMD_PAGES - 1, 3)[1] == range(PMD_PAGES - 4, PMD_PAGES)


@machine(**DISK)
async def test_neighbours_come_into_the_swap_cache_unmapped_and_a_fault_on_one_is_minor_and_a_hit(tb: TB) -> None:
    space = await swapped_out(tb)
    assert await read(tb, space, 10) == [7, 8, 9, 11, 12, 13, 14]
    counters = tb.machine.counters
    assert (counters.swap_ra, counters.swap_ra_hit, counters.pgmajfault, counters.pswpin) == (7, 0, 1, 8)
    assert await read(tb, space, 11) == [7, 8, 9, 12, 13, 14]
    assert (counters.swap_ra, counters.swap_ra_hit, counters.pgmajfault, counters.pswpin) == (7, 1, 1, 8)


@machine(order=("swapfile",), page_cluster=0)
async def test_with_a_page_cluster_of_0_a_page_comes_alone(tb: TB) -> None:
    space = await swapped_out(tb)
    assert await read(tb, space, 10) == []
    assert tb.machine.counters.swap_ra == 0


@machine(**DISK)
async def test_neighbouring_places_are_one_request_that_the_fault_waits_for(tb: TB) -> None:
    space = await swapped_out(tb)
    started, costs = tb.clock.now, tb.config.costs
    await space.read(10)
    assert cached(tb, space) == [7, 8, 9, 11, 12, 13, 14]
    machinery = costs.fault + costs.major_fault + costs.swap_machinery + costs.dram_access
    assert tb.clock.now - started <= machinery + costs.swapfile_read + 7 * costs.swapfile_transfer


@machine(**DISK)
async def test_places_apart_are_requests_of_their_own_that_the_fault_does_not_wait_for(tb: TB) -> None:
    space = tb.space()
    evens, odds, far = range(0, 8, 2), range(1, 8, 2), 100
    for vpn in (*evens, *odds, far):
        await space.write(vpn, noise_page(vpn))
    for vpn in (*evens, far, *odds):
        assert await tb.pageout(space, vpn)
    started, costs = tb.clock.now, tb.config.costs
    await space.read(3)
    assert tb.clock.now - started < 2 * costs.swapfile_read
    assert tb.machine.inflight.reading > 0
    await tb.machine.inflight.drain()
    assert cached(tb, space) == [0, 1, 2, 4, 5, 6, 7]
    assert tb.clock.now - started < 2 * costs.swapfile_read, "several requests are under way at once"


@machine(order=("zswap", "swapfile"), page_cluster=3)
async def test_neighbours_in_zswap_are_left_there(tb: TB) -> None:
    space = tb.space()
    for vpn in range(8):
        await space.write(vpn, noise_page(vpn) if vpn % 2 else bytes([vpn + 1]) * 4096)
    assert await tb.pageout(space, 0, 8)
    assert await read(tb, space, 3) == [1, 5, 7]
    assert tb.machine.counters.zswpin == 0
    await space.read(2)
    assert (tb.machine.counters.swap_ra, tb.machine.counters.zswpin) == (3, 1)


@machine(order=("zram",), page_cluster=3)
async def test_a_synchronous_device_is_not_read_ahead(tb: TB) -> None:
    space = await swapped_out(tb)
    assert await read(tb, space, 10) == []


@machine(**DISK)
async def test_what_was_read_ahead_is_charged_inactive_and_dropped_by_reclaim_without_a_write(tb: TB) -> None:
    group = tb.system.create_memcg("group", MemcgLimits())
    space = await swapped_out(tb, group=group)
    assert group.memory == 0
    ahead = await read(tb, space, 10)
    assert group.memory == 8
    written = tb.machine.counters.pswpout
    folios = [tb.machine.cache.lookup(tb.slot(space, vpn)) for vpn in ahead]
    assert all(isinstance(folio, Folio) and not folio.active and not folio.dirty for folio in folios)
    slots = [tb.slot(space, vpn) for vpn in ahead]
    await tb.system.reclaim.shrink(PAGES, group)
    assert not set(cached(tb, space)) & set(ahead)
    assert [tb.slot(space, vpn) for vpn in ahead] == slots
    assert tb.machine.counters.pswpout == written
    for vpn in ahead:
        assert await space.read(vpn) == noise_page(vpn)


@machine(**DISK)
async def test_a_group_at_its_limit_reads_nothing_ahead(tb: TB) -> None:
    group = tb.system.create_memcg("group", MemcgLimits())
    space = await swapped_out(tb, group=group)
    group.limits = MemcgLimits(memory_max=2)
    assert await read(tb, space, 10) == [7]
    assert group.memory == 2


@machine(**DISK)
async def test_a_neighbour_that_cannot_be_read_stays_where_it_is_and_fails_only_its_own_fault(tb: TB) -> None:
    space = await swapped_out(tb)
    disk = tb.system.tier("swapfile")
    assert isinstance(disk, SwapfileTier)
    disk.damage(tb.backing(space, 12).handle)
    assert await read(tb, space, 10) == [7, 8, 9, 11, 13, 14]
    assert tb.machine.counters.sigbus == 0
    assert tb.state(space, 12) == "softleaf"


@machine(**DISK)
async def test_a_fault_on_a_page_under_way_waits_for_it_and_pages_given_up_meanwhile_go(tb: TB) -> None:
    space = await swapped_out(tb)
    first = tb.clock.spawn(space.read(10))
    await tb.clock.sleep(tb.config.costs.swapfile_read // 2)
    second = tb.clock.spawn(space.read(11))
    await space.unmap(12, 1)
    tb.system.invariants()
    assert (await first, await second) == (noise_page(10), noise_page(11))
    await tb.machine.inflight.drain()
    assert cached(tb, space) == [7, 8, 9, 13, 14]
    assert (tb.machine.counters.pgmajfault, tb.machine.counters.pswpin) == (1, 8)


@machine(**DISK)
async def test_swapoff_waits_for_pages_under_way_and_keeps_them(tb: TB) -> None:
    space = await swapped_out(tb)
    reading = tb.clock.spawn(space.read(10))
    await tb.clock.sleep(tb.config.costs.swapfile_read // 2)
    await tb.system.swapoff("swapfile", Search.PAGE_TABLES)
    await reading
    for vpn in range(PAGES):
        assert await space.read(vpn) == noise_page(vpn)


async def test_a_mapping_that_grows_keeps_what_it_knows_on_either_side(tb: TB) -> None:
    space = tb.system.create_space("task")
    vmas = space.table.vmas
    vmas.unmap(0, 100)
    vmas.unmap(116, 1000)
    known = ReadaheadState(104, 2, 0)
    grown = vmas.find(104)
    assert grown is not None
    grown.readahead = known
    for first, end in ((90, 100), (116, 120)):
        vmas.map(first, end)
        whole = vmas.find(first)
        assert whole is not None and whole is vmas.find(104) and whole.readahead == known
