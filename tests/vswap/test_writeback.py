# SPDX-License-Identifier: MIT
"""Writeback: pages move to a later tier, softleaf PTEs never change, read-only mappers are unmapped first."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import pytest

from hw.virtual_time import VirtualTask
from tests.pages import ZERO_PAGE, compressible_page, noise_page
from tests.vswap.tb import TB, machine
from tests.vswap.test_reclaim import break_stores
from vswap import AddressSpace
from vswap.base.backing import BackingType
from vswap.mm.folio import Folio
from vswap.mm.memcg import Memcg
from vswap.tiers.base import Full, IoError

OLD, NEW = compressible_page(1), compressible_page(2)


async def write_back(tb: TB, space: AddressSpace, vpn: int = 0) -> bool:
    return await tb.system.writeback.write_back_folio(tb.cram_folio(space, vpn))


# CRAM -> zswap, CRAM -> swapfile


async def test_a_cram_page_moves_to_zswap_behind_its_softleaf(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    pte = tb.pte(space, 0)
    assert await write_back(tb, space)
    assert tb.pte(space, 0) is pte
    assert tb.backing(space, 0).type is BackingType.ZSWAP
    assert not tb.machine.residents.folios
    assert tb.system.counters.writebacks.cram_to_zswap == 1
    assert await space.read(0) == OLD


async def test_a_cram_page_that_does_not_shrink_moves_to_the_swapfile(tb: TB) -> None:
    space = await tb.swapped_out(noise_page(1))
    assert await write_back(tb, space)
    assert tb.backing(space, 0).type is BackingType.SWAPFILE
    assert tb.system.counters.writebacks.cram_to_swapfile == 1
    assert await space.read(0) == noise_page(1)


async def test_read_only_mappers_are_found_and_unmapped_softleaf_mappers_are_not_touched(tb: TB) -> None:
    parent = await tb.swapped_out(OLD)
    reader = await tb.system.fork(parent, "reader")
    await reader.read(0)
    other = await tb.system.fork(reader, "other")
    softleaf, slot = tb.pte(parent, 0), tb.slot(parent, 0)
    assert [tb.state(space, 0) for space in (parent, reader, other)] == ["softleaf", "cram ro", "cram ro"]
    assert await write_back(tb, parent)
    assert tb.pte(parent, 0) is softleaf
    assert [tb.state(space, 0) for space in (parent, reader, other)] == ["softleaf"] * 3
    assert tb.machine.slots.swap_count(slot) == 3
    assert tb.system.counters.writeback_unmaps == 2
    assert [await space.read(0) for space in (parent, reader, other)] == [OLD] * 3


@machine(writable_budget=1)
async def test_a_writable_page_without_a_slot_gets_one_and_moves(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    await space.write(0, NEW)
    assert await write_back(tb, space)
    assert (tb.state(space, 0), tb.machine.residents.writable) == ("softleaf", 0)
    assert await space.read(0) == NEW


@machine(writable_budget=1)
async def test_a_store_that_is_under_way_is_written_back_too(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    await space.write(0, OLD)
    writer = tb.clock.spawn(space.write(0, NEW))
    await tb.clock.sleep(0)
    await write_back(tb, space)
    await writer
    assert await space.read(0) == NEW


@pytest.mark.parametrize("error", [Full, IoError])
async def test_when_the_write_fails_the_page_stays_on_the_device(tb: TB, error: type[Exception]) -> None:
    space = await tb.swapped_out(OLD)
    await space.read(0)
    break_stores(tb, ("zswap", "swapfile"), error)
    backing = tb.backing(space, 0)
    assert not await write_back(tb, space)
    assert tb.backing(space, 0) == backing
    assert tb.system.counters.writeback_failed == 1
    tb.system.invariants(quiescent=True)
    assert await space.read(0) == OLD


async def test_a_zombie_is_not_written_back_but_given_up(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    folio = tb.cram_folio(space, 0)
    await space.exit()
    assert await tb.system.writeback.write_back_folio(folio)
    assert (folio.dead, tb.machine.slots.used) == (True, 0)
    assert tb.system.counters.writebacks.cram_to_zswap == 0


async def test_the_coldest_pages_go_first_and_a_page_in_use_gets_a_second_chance(tb: TB) -> None:
    space = tb.space()
    for vpn in range(4):
        await space.write(vpn, compressible_page(vpn))
        await space.pageout(vpn)
    await space.read(0)
    assert await tb.system.writeback.write_back_cram(2) == 2
    assert [tb.backing(space, vpn).type.name for vpn in range(4)] == ["CRAM", "ZSWAP", "ZSWAP", "CRAM"]


async def test_faults_during_a_writeback_see_the_right_bytes(tb: TB) -> None:
    parent = await tb.swapped_out(OLD)
    child = await tb.system.fork(parent, "child")
    for delay in range(0, 8000, 400):
        for space in (parent, child):
            if tb.state(space, 0) != "softleaf":
                await space.pageout(0)
        tasks: list[VirtualTask[object]] = []
        if tb.machine.residents.folios:
            tasks.append(tb.clock.spawn(tb.system.writeback.write_back_cram(1)))
        await tb.clock.sleep(delay)
        tasks.append(tb.clock.spawn(parent.read(0)))
        await child.write(0, compressible_page(delay))
        for task in tasks:
            await task
        assert (await parent.read(0), await child.read(0)) == (OLD, compressible_page(delay))
        tb.system.invariants()


async def filled(tb: TB, pages: int) -> AddressSpace:
    """A space with pages on the device, which goes to the swapfile next."""
    space = tb.space()
    for vpn in range(pages):
        await space.write(vpn, compressible_page(vpn))
        await space.pageout(vpn)
    return space


@machine(order=("cram", "swapfile"))
async def test_device_pages_are_written_to_the_swapfile_at_once_and_in_the_end_all_have_left(tb: TB) -> None:
    space = await filled(tb, 8)
    started = tb.clock.now
    writeback = tb.clock.spawn(tb.system.writeback.write_back_cram(8))
    while tb.machine.inflight.pages < 8:
        await tb.clock.sleep(1000)
    assert len(tb.machine.residents.folios) == 8 and not any(
        folio.lock.locked() for folio in tb.machine.residents.folios
    )
    assert await writeback == 8 and not tb.machine.residents.folios
    assert tb.clock.now - started < 3 * tb.config.costs.swapfile_write
    for vpn in range(8):
        assert tb.backing(space, vpn).type is BackingType.SWAPFILE
        assert await space.read(vpn) == compressible_page(vpn)


@machine(order=("cram", "swapfile"))
async def test_the_tlbs_are_flushed_once_for_a_batch(tb: TB) -> None:
    space = await filled(tb, 8)
    for vpn in range(8):
        await space.read(vpn)
    slept: list[int] = []
    sleep = tb.clock.sleep

    def watched(ns: int) -> Coroutine[Any, Any, None]:
        slept.append(ns)
        return sleep(ns)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tb.clock, "sleep", watched)
        assert await tb.system.writeback.write_back_folios(tb.machine.residents.folios) == 8
    costs = tb.config.costs
    assert slept.count(costs.tlb_shootdown + 8 * (costs.rmap_vma + costs.rmap_pte)) == 1
    assert tb.system.counters.writeback_unmaps == 8


@machine(order=("cram", "swapfile"))
async def test_a_device_page_that_is_read_during_its_write_is_found_there_and_stays(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    writeback = tb.clock.spawn(write_back(tb, space))
    while not tb.cram_folio(space, 0).writeback:
        await tb.clock.sleep(1000)
    started = tb.clock.now
    assert await space.read(0) == OLD and tb.state(space, 0) == "cram ro"
    assert tb.clock.now - started < tb.config.costs.swapfile_write and tb.cram_folio(space, 0).writeback
    assert not await writeback
    assert tb.backing(space, 0).type is BackingType.CRAM and tb.machine.tiers.swapfile is not None
    assert tb.machine.tiers.swapfile.usage().pages == tb.machine.memory.memcgs.root.swap == 0, "the copy is gone"


@machine(order=("cram", "swapfile"), writable_budget=1)
async def test_a_write_during_the_write_of_a_device_page_goes_to_a_copy_in_memory(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    folio = tb.cram_folio(space, 0)
    writeback = tb.clock.spawn(tb.system.writeback.write_back_folio(folio))
    while not folio.writeback:
        await tb.clock.sleep(1000)
    await space.write(0, NEW)
    assert tb.state(space, 0) == "dram rw"
    await writeback
    assert await space.read(0) == NEW


@machine(order=("cram", "swapfile"))
async def test_a_device_page_whose_last_user_leaves_during_its_write_is_freed_at_the_end(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    folio = tb.cram_folio(space, 0)
    writeback = tb.clock.spawn(tb.system.writeback.write_back_folio(folio))
    while not folio.writeback:
        await tb.clock.sleep(1000)
    await space.exit()
    await tb.system.writeback.reap()
    assert tb.machine.residents.folios == [folio]
    await writeback
    assert not tb.machine.residents.folios and tb.machine.slots.used == 0


# zswap -> swapfile


@machine(order=("zswap", "swapfile"))
async def test_a_zswap_page_moves_to_the_swapfile_behind_its_softleaf(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    pte = tb.pte(space, 0)
    assert await tb.system.writeback.zswap.write_back()
    assert tb.pte(space, 0) is pte
    assert tb.backing(space, 0).type is BackingType.SWAPFILE
    assert tb.machine.tiers.zswap is not None and tb.machine.tiers.zswap.handles() == {}
    counters = tb.system.counters
    assert (counters.writebacks.zswap_to_swapfile, counters.zswpwb, counters.written_back_pages) == (1, 1, 1)
    assert await space.read(0) == OLD


def cached(tb: TB, space: AddressSpace, vpn: int = 0) -> Folio:
    """The DRAM folio that the swap cache has for a page."""
    folio = tb.machine.cache.lookup(tb.slot(space, vpn))
    assert isinstance(folio, Folio)
    return folio


@machine(order=("zswap", "swapfile"))
async def test_nobody_waits_for_the_swapfile_and_a_fault_finds_the_page_meanwhile(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    started = tb.clock.now
    assert await tb.system.writeback.zswap.write_back()
    assert tb.clock.now - started < tb.config.costs.swapfile_write
    folio = cached(tb, space)
    assert folio.writeback and not folio.lock.locked()
    started = tb.clock.now
    assert await space.read(0) == OLD
    assert tb.clock.now - started < tb.config.costs.swapfile_write and folio.writeback
    assert (tb.system.counters.pgmajfault, tb.system.counters.swap_cache_hits) == (0, 1)


@machine(order=("zswap", "swapfile"))
async def test_a_page_written_from_zswap_stays_in_the_swap_cache_until_reclaim_comes(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    owner = tb.machine.memory.memcgs.root
    assert owner.folio_pages == 0
    assert await tb.system.writeback.zswap.write_back()
    await tb.machine.inflight.drain()
    folio = cached(tb, space)
    assert not (folio.dirty or folio.writeback) and owner.folio_pages == 1
    assert next(iter(tb.machine.memory.lruvec(owner))) is folio, "it is the next one that reclaim looks at"
    assert await tb.system.reclaim.shrink(1) == 1
    assert folio.dead and tb.system.counters.pswpout == 1, "it was not written again"
    assert await space.read(0) == OLD


@machine(order=("zswap", "swapfile"), start=False)
async def test_writes_of_several_entries_are_under_way_at_once(tb: TB) -> None:
    space = tb.space()
    for vpn in range(8):
        await space.write(vpn, compressible_page(vpn))
        await space.pageout(vpn)
    started = tb.clock.now
    for _ in range(8):
        assert await tb.system.writeback.zswap.write_back()
    assert tb.machine.inflight.pages == 8
    await tb.machine.inflight.drain()
    assert tb.clock.now - started < 2 * tb.config.costs.swapfile_write
    for vpn in range(8):
        assert await space.read(vpn) == compressible_page(vpn)


@machine(order=("zswap", "swapfile"))
async def test_a_page_that_is_written_to_during_its_writeback_is_dirty_at_the_end(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    assert await tb.system.writeback.zswap.write_back()
    await space.write(0, NEW)
    await tb.machine.inflight.drain()
    await tb.reclaim(space, 0)
    assert await space.read(0) == NEW


@machine(order=("zswap", "swapfile"))
async def test_after_an_error_at_the_end_memory_has_the_only_copy(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    with pytest.MonkeyPatch.context() as patch:
        break_stores(tb, ("swapfile",), IoError, patch)
        assert await tb.system.writeback.zswap.write_back()
        await tb.machine.inflight.drain()
    folio = cached(tb, space)
    assert folio.dirty and tb.machine.tiers.zswap is not None and not tb.machine.tiers.zswap.handles()
    tb.system.invariants(quiescent=True)
    assert await space.read(0) == OLD
    assert tb.system.counters.pgmajfault == 0


@machine(order=("zswap", "swapfile"), swapfile_pages=1)
async def test_an_entry_stays_where_no_later_tier_has_a_place(tb: TB) -> None:
    space = tb.space()
    for vpn in range(2):
        await space.write(vpn, compressible_page(vpn))
        await space.pageout(vpn)
    assert await tb.system.writeback.zswap.write_back()
    backing, counters = tb.backing(space, 1), tb.system.counters
    assert not await tb.system.writeback.zswap.write_back()
    assert (tb.backing(space, 1), counters.writeback_failed, counters.zswpwb) == (backing, 1, 1)
    assert tb.machine.cache.lookup(tb.slot(space, 1)) is None
    assert await space.read(1) == compressible_page(1)


@pytest.mark.parametrize("error", [Full, IoError])
@machine(order=("zswap", "zram", "swapfile"), zswap_compressor="zstd")
async def test_what_a_synchronous_device_refuses_goes_to_the_next_tier(tb: TB, error: type[Exception]) -> None:
    space = await tb.swapped_out(OLD)
    with pytest.MonkeyPatch.context() as patch:
        break_stores(tb, ("zram",), error, patch)
        assert await tb.system.writeback.zswap.write_back()
    assert tb.backing(space, 0).type is BackingType.SWAPFILE
    assert tb.system.counters.writebacks.zswap_to_swapfile == tb.system.counters.zswpwb == 1
    assert await space.read(0) == OLD


@machine(order=("zswap", "swapfile"), start=False)
async def test_an_entry_that_goes_while_its_folio_is_allocated_is_left_alone(tb: TB) -> None:
    """Its slot is used again, and that page has an entry of its own."""
    space, other = await tb.swapped_out(OLD), tb.space("other")
    slot = tb.slot(space, 0)
    await other.write(0, NEW)
    allocate = tb.system.reclaim.allocate

    async def slow(memcg: Memcg) -> Folio:
        folio = await allocate(memcg)
        await space.unmap(0)
        assert await other.pageout(0) and tb.slot(other, 0) == slot
        return folio

    tb.system.writeback.zswap.allocate = slow
    assert await tb.system.writeback.zswap.write_back(may_reclaim=True)
    assert (tb.system.counters.zswpwb, tb.backing(other, 0).type) == (0, BackingType.ZSWAP)
    assert await other.read(0) == NEW


@machine(order=("zswap", "swapfile"))
async def test_writeback_leaves_an_entry_alone_that_a_fault_is_bringing_in(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    reader = tb.clock.spawn(space.read(0))
    await tb.clock.sleep(tb.config.costs.fault + 10)
    assert not await tb.system.writeback.zswap.write_back()
    assert await reader == OLD


@machine(order=("zswap", "swapfile"))
async def test_a_slot_freed_during_its_writeback_takes_the_new_copy_along(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    writeback = tb.clock.spawn(tb.system.writeback.zswap.write_back())
    await tb.clock.sleep(tb.config.costs.zswap_decompress + 10)
    await space.exit()
    assert await writeback
    assert tb.machine.slots.used == tb.machine.inflight.pages == 1
    await tb.machine.inflight.drain()
    tb.system.invariants(quiescent=True)
    assert tb.machine.slots.used == 0


@machine(order=("zswap", "swapfile"), zswap_max_pool_percent=10)
async def test_a_pool_at_its_limit_is_shrunk_to_the_accept_threshold(tb: TB) -> None:
    space = tb.space()
    pages = [noise_page(vpn)[:2000] + ZERO_PAGE[:2096] for vpn in range(100)]
    for vpn, page in enumerate(pages):
        await space.write(vpn, page)
    await tb.settle()
    counters = tb.system.counters
    assert counters.pool_limit_hit and counters.writebacks.zswap_to_swapfile
    assert tb.machine.tiers.zswap is not None and not tb.machine.tiers.zswap.over_threshold()
    for vpn, page in enumerate(pages):
        assert await space.read(vpn) == page


# Pressure


async def test_low_closes_the_node_writes_cold_pages_back_and_recovered_opens_it(tb: TB) -> None:
    space = tb.space()
    for vpn in range(15):
        await space.write(vpn, noise_page(vpn))
        await space.pageout(vpn)
    assert tb.system.counters.node_closed >= 1
    await tb.settle()
    assert not tb.node().closed
    assert tb.system.counters.node_reopened == tb.system.counters.node_closed
    assert tb.system.counters.writebacks.cram_to_swapfile
    capacity = await tb.device.capacity()
    assert capacity.free_sectors * 100 >= capacity.total_sectors * tb.config.cram_recovered_percent
    for vpn in range(15):
        assert await space.read(vpn) == noise_page(vpn)


async def test_a_closed_node_admits_nothing_and_its_residents_stay_readable(tb: TB) -> None:
    resident = await tb.swapped_out(OLD, "resident")
    tb.node().set_no_alloc(True)
    late = await tb.swapped_out(NEW, "late")
    assert tb.backing(late, 0).type is BackingType.ZSWAP
    assert tb.system.counters.cram_rejects == 1
    assert (await resident.read(0), tb.state(resident, 0)) == (OLD, "cram ro")
    tb.node().set_no_alloc(False)


async def test_a_node_that_cannot_be_relieved_stays_closed_and_nothing_is_lost(tb: TB) -> None:
    space = tb.space()
    break_stores(tb, ("zswap", "swapfile"), Full)
    for vpn in range(16):
        await space.write(vpn, noise_page(vpn))
        await space.pageout(vpn)
    await tb.clock.sleep(5_000_000)
    assert tb.node().closed
    for vpn in range(16):
        assert await space.read(vpn) == noise_page(vpn)
    await space.exit()
    await tb.settle()
    assert not tb.node().closed
