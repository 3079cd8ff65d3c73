# SPDX-License-Identifier: MIT
"""Large folios: allocated by a fault, swapped out and in as a whole, split, shared, unmapped in part."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pages import ZERO_PAGE, compressible_page, noise_page
from tests.vswap.tb import TB, machine
from vswap import AddressSpace, MemcgLimits, VswapConfig
from vswap.base.backing import BackingType
from vswap.mm.folio import Folio
from vswap.slots.layer import Search
from vswap.system import VswapSystem
from vswap.tiers.base import IoError

FILE: dict[str, Any] = {"order": ("swapfile",), "mthp_orders": (2,), "start": False}
ZSWAP: dict[str, Any] = {"order": ("zswap", "swapfile"), "mthp_orders": (2,), "start": False}
ZRAM: dict[str, Any] = {"order": ("zram",), "mthp_orders": (2,), "start": False}
NEW = compressible_page(99)


def mthp(tb: TB, event: str, order: int = 2) -> int:
    return tb.system.counters.mthp.get(f"hugepages-{4 << order}kB/{event}", 0)


def folio(tb: TB, space: AddressSpace, vpn: int) -> Folio:
    return tb.pte(space, vpn).dram


async def filled(tb: TB, page: Any = compressible_page, pages: int = 4) -> AddressSpace:
    space = tb.space()
    for vpn in range(pages):
        await space.write(vpn, page(vpn))
    return space


async def check(space: AddressSpace, page: Any = compressible_page, pages: int = 4) -> None:
    assert [await space.read(vpn) for vpn in range(pages)] == [page(vpn) for vpn in range(pages)]


# Faults


@machine(**FILE)
async def test_one_fault_maps_an_aligned_folio_and_its_pages_are_their_own(tb: TB) -> None:
    space = tb.space()
    await space.write(6, NEW)
    large = folio(tb, space, 6)
    assert [tb.pte(space, vpn).index for vpn in range(4, 8)] == [0, 1, 2, 3]
    assert (large.order, tb.machine.memory.used, mthp(tb, "anon_fault_alloc"), tb.system.counters.pgfault) == (
        2,
        4,
        1,
        1,
    )
    assert [await space.read(vpn) for vpn in range(4, 8)] == [ZERO_PAGE, ZERO_PAGE, NEW, ZERO_PAGE]


@machine(**FILE)
async def test_a_fault_maps_no_large_folio_across_two_mappings(tb: TB) -> None:
    """thp_vma_suitable_order: the rmap would not find the pages of the other mapping."""
    space = tb.space()
    await space.protect(6, 2, write=False)
    await space.write(5, NEW)
    assert folio(tb, space, 5).order == 0 and space.table.get(6) is None
    assert await space.read(6) == ZERO_PAGE


@machine(**FILE)
async def test_a_pinned_folio_is_not_split_by_a_write_to_a_page_beside(tb: TB) -> None:
    """can_split_folio: a device goes on writing to the folio that it has."""
    space = await filled(tb)
    leaving = tb.clock.spawn(space.pageout(0, 4), "pageout")
    await tb.clock.sleep(20_000)  # under writeback
    await space.unmap(3)  # so the others do not name all its slots, and are mapped page by page
    pinned = await space.pin(2)
    await leaving
    await tb.clock.sleep(1_000_000)
    child = await tb.system.fork(space, "child")
    await child.exit()
    assert await space.read(1) == compressible_page(1)
    large = folio(tb, space, 2)
    assert (large.order, large.writeback, tb.pte(space, 1).exclusive) == (2, False, False) and tb.pte(space, 0).slot
    await space.write(1, NEW)
    pinned.write(noise_page(5))
    assert await space.read(2) == noise_page(5) and await space.read(1) == NEW
    space.unpin(pinned)
    assert [await space.read(vpn) for vpn in (0, 3)] == [compressible_page(0), ZERO_PAGE]


@machine(**ZRAM)
async def test_no_large_folio_comes_back_across_two_mappings(tb: TB) -> None:
    space = await filled(tb)
    assert await space.pageout(0, 4)
    await space.protect(2, 2, write=False)
    assert await space.read(1) == compressible_page(1)
    assert folio(tb, space, 1).order == 0 and mthp(tb, "swpin") == 0
    await check(space)


@machine(**{**FILE, "mthp_orders": (2, 3, 4)})
async def test_the_largest_size_that_fits_among_untouched_pages_is_taken(tb: TB) -> None:
    space = tb.space()
    sizes = []
    for vpn in (0, 16, 17, 32):
        await space.write(vpn, NEW)
        sizes.append(folio(tb, space, vpn).order)
    await space.unmap(33, 15)
    await space.write(44, NEW)
    assert (sizes, folio(tb, space, 44).order) == (
        [4, 4, 4, 0],
        0,
    ) or tb.machine.memory.free < 16 + tb.machine.memory.low


@machine(memory_pages=16, **FILE)
async def test_without_room_a_page_has_to_do(tb: TB) -> None:
    space = await filled(tb, pages=12)
    assert mthp(tb, "anon_fault_alloc") and mthp(tb, "anon_fault_fallback")
    await check(space, pages=12)


@machine(**FILE)
async def test_a_group_is_charged_for_all_of_it_and_at_its_limit_a_page_has_to_do(tb: TB) -> None:
    owner = tb.system.create_memcg("group", MemcgLimits(memory_max=6))
    space = tb.system.create_space("task", owner)
    await space.write(0, NEW)
    assert owner.folio_pages == 4
    await space.write(4, NEW)
    assert owner.folio_pages == 5 and mthp(tb, "anon_fault_fallback_charge") == 1


@pytest.mark.parametrize("orders", [(1,), (10,), (2, 10)])
def test_an_order_that_no_cluster_serves_is_refused(tb: TB, orders: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected orders from 2 to 9"):
        VswapSystem(tb.clock, VswapConfig(memory_pages=64, order=("zswap",), mthp_orders=orders))


# Swap-out and swap-in as a whole


@pytest.mark.parametrize("order", [2, 3, 5, 7])
async def test_every_size_goes_out_whole_and_comes_back_whole_from_a_synchronous_device(tb: TB, order: int) -> None:
    tb.leaks_expected = False
    config = VswapConfig(memory_pages=512, order=("zram",), mthp_orders=(order,), zram_pages=1024)
    system = VswapSystem(tb.clock, config)
    space, count = system.create_space("large"), 1 << order
    for vpn in range(count):
        await space.write(vpn, compressible_page(vpn))
    assert await space.pageout(0, count)
    slots = [pte.slot for _, pte in sorted(space.table.items())]
    assert slots == list(range(slots[0], slots[0] + count)) and slots[0] % count == 0
    system.invariants()
    await check(space, pages=count)
    stats = system.counters.mthp
    assert {name.partition("/")[2]: n for name, n in stats.items()} == {"anon_fault_alloc": 1, "swpout": 1, "swpin": 1}
    assert system.counters.pgmajfault == 1 and system.counters.pswpin == count
    assert not system.machine.slots.used and all(pte.writable for _, pte in space.table.items())
    await system.shutdown()
    assert not system.machine.slots.used and not system.machine.memory.used


@pytest.mark.parametrize("order", [2, 3, 5, 7])
async def test_every_size_goes_out_to_a_run_of_a_disk_and_comes_back_page_by_page(tb: TB, order: int) -> None:
    tb.leaks_expected = False
    config = VswapConfig(memory_pages=512, order=("swapfile",), mthp_orders=(order,), swapfile_pages=1024)
    system = VswapSystem(tb.clock, config, swapfile=tb.path.with_name("large"))
    space, count = system.create_space("large"), 1 << order
    for vpn in range(count):
        await space.write(vpn, compressible_page(vpn))
    assert await space.pageout(0, count)
    handles = [system.machine.slots.backing(pte.slot).handle for _, pte in sorted(space.table.items())]
    assert handles == list(range(handles[0], handles[0] + count)), "one run of the swapfile"
    await system.machine.inflight.drain()
    for _, folio in list(system.machine.cache.items())[:1]:
        assert isinstance(folio, Folio)
        await system.reclaim.reclaim_folio(folio)
    assert not system.machine.memory.used
    await check(space, pages=count)
    stats = system.counters.mthp
    assert {name.partition("/")[2]: n for name, n in stats.items()} == {"anon_fault_alloc": 1, "swpout": 1}
    assert system.counters.pswpin == count
    await system.shutdown()
    assert not system.machine.slots.used and not system.machine.memory.used


@pytest.mark.parametrize("config", [{"order": ("zswap", "zram")}, {"order": ("zram",), "profile": "6.1"}])
@machine(mthp_orders=(2,), start=False)
async def test_it_comes_back_page_by_page_where_there_is_zswap_and_before_6_12(tb: TB, config: dict[str, Any]) -> None:
    system = VswapSystem(tb.clock, VswapConfig(memory_pages=64, mthp_orders=(2,), zram_pages=64, **config))
    space = system.create_space("large")
    for vpn in range(4):
        await space.write(vpn, compressible_page(vpn))
    assert await space.pageout(0, 4)
    await check(space)
    assert "hugepages-16kB/swpin" not in system.counters.mthp
    await system.shutdown()


@machine(**ZSWAP)
async def test_zswap_takes_all_pages_of_a_folio_and_gives_them_back_one_by_one(tb: TB) -> None:
    space = await filled(tb)
    assert await tb.pageout(space, 0, 4)
    assert {tb.backing(space, vpn).type for vpn in range(4)} == {BackingType.ZSWAP} and mthp(tb, "zswpout") == 1
    await check(space)
    assert mthp(tb, "swpin") == 0 and tb.system.counters.zswpin == 4


@machine(**ZSWAP)
async def test_zswap_takes_all_or_none(tb: TB) -> None:
    space = await filled(tb, lambda vpn: noise_page(1) if vpn == 2 else compressible_page(vpn))
    assert await tb.pageout(space, 0, 4)
    assert {tb.backing(space, vpn).type for vpn in range(4)} == {BackingType.SWAPFILE} and mthp(tb, "swpout") == 1
    assert tb.machine.tiers.zswap is not None and tb.machine.tiers.zswap.usage().pages == 0


@machine(mthp_orders=(2,), start=False)
async def test_the_device_takes_single_pages_so_a_folio_is_split_for_it(tb: TB) -> None:
    space = await filled(tb)
    assert await tb.pageout(space, 0, 4)
    assert {tb.backing(space, vpn).type for vpn in range(4)} == {BackingType.CRAM}
    assert (mthp(tb, "swpout_fallback"), mthp(tb, "split")) == (1, 1)
    await check(space)
    assert [tb.state(space, vpn) for vpn in range(4)] == ["cram ro"] * 4


@machine(**ZRAM)
async def test_a_folio_of_zeros_goes_and_comes_back_whole(tb: TB) -> None:
    space = tb.space()
    await space.write(0, ZERO_PAGE)
    assert await tb.pageout(space, 0, 4)
    assert {tb.backing(space, vpn).type for vpn in range(4)} == {BackingType.ZERO}
    assert await space.read(3) == ZERO_PAGE
    assert mthp(tb, "swpin") == 1 and folio(tb, space, 0) is folio(tb, space, 3)


@machine(swapfile_pages=6, **FILE)
async def test_where_no_run_is_free_its_pages_go_one_by_one(tb: TB) -> None:
    space = await filled(tb, pages=8)
    assert await tb.pageout(space, 0, 1) and await tb.pageout(space, 4, 4)
    assert mthp(tb, "swpout_fallback") == 1 and tb.machine.tiers.swapfile is not None
    assert tb.machine.tiers.swapfile.usage().pages == 5
    await check(space, pages=8)


@machine(slot_limit=3, **FILE)
async def test_without_slots_in_a_row_it_is_split(tb: TB) -> None:
    space = await filled(tb)
    await tb.pageout(space, 0, 4)
    assert mthp(tb, "swpout_fallback") == 1 and tb.machine.slots.used == 3
    await check(space)


@machine(**FILE)
async def test_a_write_error_leaves_all_pages_in_memory(tb: TB, monkeypatch: pytest.MonkeyPatch) -> None:
    space = await filled(tb)

    def fail(*_: object) -> None:
        raise OSError("broken on purpose")

    with monkeypatch.context() as patch:
        patch.setattr(tb.machine.tiers.swapfile, "write_place", fail)
        assert not await tb.pageout(space, 0, 4)
        tb.system.invariants()
    await check(space)


@machine(**FILE)
async def test_when_one_page_cannot_be_read_the_others_come_back(tb: TB) -> None:
    space = await filled(tb)
    assert await tb.pageout(space, 0, 4)
    assert tb.machine.tiers.swapfile is not None
    tb.machine.tiers.swapfile.damage(tb.backing(space, 2).handle)
    for vpn in (0, 1, 3):
        assert await space.read(vpn) == compressible_page(vpn)
    with pytest.raises(Exception, match="SIGBUS in task at page 2") as error:
        await space.read(2)
    assert isinstance(error.value.__cause__, IoError)


@machine(**FILE)
async def test_once_one_of_its_pages_has_moved_the_others_come_alone(tb: TB) -> None:
    space = await filled(tb)
    assert await tb.pageout(space, 0, 4)
    await space.unmap(1)
    assert await space.read(2) == compressible_page(2)
    assert folio(tb, space, 2).order == 0 and tb.state(space, 3) == "softleaf"
    assert await space.read(1) == ZERO_PAGE


# Sharing, partial unmap, madvise


@machine(**FILE)
async def test_a_fork_shares_it_and_a_write_copies_one_page(tb: TB) -> None:
    space = await filled(tb)
    child = await tb.system.fork(space, "child")
    assert tb.machine.memory.used == 4
    await child.write(1, NEW)
    assert tb.machine.memory.used == 5 and await space.read(1) == compressible_page(1)
    assert folio(tb, child, 1).order == 0 and folio(tb, child, 2) is folio(tb, space, 2)
    await tb.reclaim(space, 0)
    assert tb.state(space, 0) == tb.state(child, 2) == "softleaf"
    assert await child.read(1) == NEW and await child.read(2) == await space.read(2) == compressible_page(2)


@machine(**FILE)
async def test_a_page_that_is_written_while_another_task_needs_the_slots_of_its_neighbours_is_copied(tb: TB) -> None:
    space = await filled(tb)
    child = await tb.system.fork(space, "child")
    await tb.reclaim(space, 0)
    await tb.machine.inflight.drain()
    await space.read(0)
    await child.unmap(0)
    assert folio(tb, space, 0).order == 2
    await space.write(0, NEW)
    assert folio(tb, space, 0).order == 0 and (tb.system.counters.cow, mthp(tb, "split")) == (1, 0)
    assert [await child.read(vpn) for vpn in range(1, 4)] == [compressible_page(vpn) for vpn in range(1, 4)]
    assert await space.read(0) == NEW


@machine(**FILE)
async def test_a_page_that_is_unmapped_is_freed_when_reclaim_splits_the_folio(tb: TB) -> None:
    space = await filled(tb)
    await space.unmap(1)
    assert tb.machine.memory.used == 4 and mthp(tb, "split_deferred") == 1
    tb.system.invariants()
    assert await tb.system.reclaim.shrink(1) == 1
    assert tb.machine.memory.used == 3 and mthp(tb, "split") == 1
    await space.write(1, NEW)
    assert [await space.read(vpn) for vpn in range(3)] == [compressible_page(0), NEW, compressible_page(2)]


@machine(**FILE)
async def test_a_space_that_exits_frees_it_at_once(tb: TB) -> None:
    space = await filled(tb)
    await space.unmap(1)
    await space.exit()
    assert tb.machine.memory.used == 0 and not tb.machine.memory.deferred


@machine(**FILE)
async def test_paging_out_one_of_its_pages_splits_it(tb: TB) -> None:
    space = await filled(tb)
    assert await tb.pageout(space, 2)
    assert [tb.state(space, vpn) for vpn in range(4)] == ["dram rw", "dram rw", "softleaf", "dram rw"]
    await check(space)


@machine(**FILE)
async def test_madv_free_of_all_of_it_drops_it_whole_and_of_a_part_splits_it(tb: TB) -> None:
    space = await filled(tb, pages=8)
    await space.lazyfree(0, 4)
    await space.lazyfree(5, 2)
    assert (tb.system.counters.pglazyfree, mthp(tb, "split")) == (6, 1)
    assert await space.pageout(0, 8)
    assert [vpn for vpn in range(8) if tb.state(space, vpn) == "softleaf"] == [4, 7]
    assert await space.read(5) == ZERO_PAGE and await space.read(7) == compressible_page(7)


@machine(**FILE)
async def test_a_write_to_one_page_after_madv_free_keeps_it_and_those_behind_it(tb: TB) -> None:
    """kerneldiff's script `large_folio_lazyfree_written`."""
    space = await filled(tb)
    await space.lazyfree(0, 4)
    await space.write(2, NEW)
    assert not await space.pageout(0, 4)
    assert [tb.state(space, vpn) for vpn in range(4)] == ["none", "none", "dram rw", "dram rw"]
    assert await space.pageout(2, 2)
    assert await space.read(2) == NEW and await space.read(3) == compressible_page(3)


# Swapoff, direct slots


@pytest.mark.parametrize("method", list(Search))
@machine(order=("swapfile", "zswap"), mthp_orders=(2,), start=False)
async def test_swapoff_brings_its_pages_back_by_every_search(tb: TB, method: Search) -> None:
    space = await filled(tb, pages=8)
    assert await tb.pageout(space, 0, 8)
    await space.read(0)
    assert tb.state(space, 1) == tb.state(space, 4) == "softleaf"
    await tb.system.swapoff("swapfile", method)
    assert tb.machine.tiers.swapfile is not None and tb.machine.tiers.swapfile.usage().pages == 0
    await check(space, pages=8)


@machine(layer="direct", **ZSWAP)
async def test_direct_slots_of_a_folio_are_consecutive_and_charged_together(tb: TB) -> None:
    owner = tb.system.create_memcg("group", MemcgLimits(swap_max=5))
    space = tb.system.create_space("task", owner)
    for vpn in range(8):
        await space.write(vpn, compressible_page(vpn))
    assert await tb.pageout(space, 0, 4) and owner.swap == 4
    await tb.pageout(space, 4, 4)
    assert owner.swap == 5 and mthp(tb, "swpout_fallback") == 1
    await check(space, pages=8)
