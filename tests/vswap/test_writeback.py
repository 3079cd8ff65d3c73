# SPDX-License-Identifier: MIT
"""Writeback: pages move to a later tier, softleaf PTEs never change, read-only mappers are unmapped first."""

from __future__ import annotations

import pytest

from hw.virtual_time import VirtualTask
from tests.pages import ZERO_PAGE, compressible_page, noise_page
from tests.vswap.tb import TB, machine
from tests.vswap.test_reclaim import break_stores
from vswap import AddressSpace
from vswap.base.backing import BackingType
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


# zswap -> swapfile


@machine(order=("zswap", "swapfile"))
async def test_a_zswap_page_moves_to_the_swapfile_behind_its_softleaf(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    pte = tb.pte(space, 0)
    assert await tb.system.writeback.write_back_zswap()
    assert tb.pte(space, 0) is pte
    assert tb.backing(space, 0).type is BackingType.SWAPFILE
    assert tb.machine.tiers.zswap is not None and tb.machine.tiers.zswap.handles() == {}
    counters = tb.system.counters
    assert (counters.writebacks.zswap_to_swapfile, counters.zswpwb, counters.written_back_pages) == (1, 1, 1)
    assert await space.read(0) == OLD


@machine(order=("zswap", "swapfile"))
async def test_the_compressed_copy_is_freed_only_after_the_write_succeeded(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    backing = tb.backing(space, 0)
    with pytest.MonkeyPatch.context() as patch:
        break_stores(tb, ("swapfile",), IoError, patch)
        assert not await tb.system.writeback.write_back_zswap()
    assert tb.backing(space, 0) == backing
    tb.system.invariants(quiescent=True)
    assert await space.read(0) == OLD


@machine(order=("zswap", "swapfile"))
async def test_writeback_leaves_an_entry_alone_that_a_fault_is_bringing_in(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    reader = tb.clock.spawn(space.read(0))
    await tb.clock.sleep(tb.config.costs.fault + 10)
    assert not await tb.system.writeback.write_back_zswap()
    assert await reader == OLD


@machine(order=("zswap", "swapfile"))
async def test_a_slot_freed_during_its_writeback_takes_the_new_copy_along(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    writeback = tb.clock.spawn(tb.system.writeback.write_back_zswap())
    await tb.clock.sleep(tb.config.costs.zswap_decompress + 10)
    await space.exit()
    assert await writeback
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
