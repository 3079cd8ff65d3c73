# SPDX-License-Identifier: MIT
"""MADV_FREE: pages whose content is not needed any more are dropped without a swap-out, unless they are written to."""

from __future__ import annotations

import pytest

from tests.pages import ZERO_PAGE, compressible_page
from tests.vswap.tb import TB, machine
from vswap.base.backing import BackingType

OLD, NEW = compressible_page(1), compressible_page(2)


async def test_a_marked_page_is_dropped_without_a_swap_out_and_reads_as_zeros(tb: TB) -> None:
    space = tb.space()
    await space.write(0, OLD)
    await space.lazyfree(0)
    assert await space.read(0) == OLD, "until reclaim comes"
    assert await space.pageout(0)
    assert tb.state(space, 0) == "none" and not tb.machine.slots.used
    assert await space.read(0) == ZERO_PAGE
    counters = tb.system.counters
    assert (counters.pglazyfree, counters.pglazyfreed, counters.stores) == (1, 1, 0)


async def test_a_write_makes_it_an_ordinary_page_again(tb: TB) -> None:
    space = tb.space()
    await space.write(0, OLD)
    await space.lazyfree(0)
    await space.write(0, NEW)
    assert not await space.pageout(0), "found dirty: activated"
    assert await space.pageout(0)
    assert tb.backing(space, 0).type is BackingType.CRAM and await space.read(0) == NEW


@machine(order=("swapfile",))
async def test_its_copy_on_a_tier_goes_at_once(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    await space.read(0)
    assert tb.machine.tiers.swapfile is not None and tb.machine.tiers.swapfile.usage().pages == 1
    await space.lazyfree(0)
    assert tb.machine.tiers.swapfile.usage().pages == 0 and tb.state(space, 0) == "dram rw"
    tb.system.invariants()
    await space.write(0, NEW)
    await space.pageout(0)
    assert await space.read(0) == NEW


@pytest.mark.parametrize("read", [False, True])
async def test_what_is_not_in_dram_is_dropped_at_once(tb: TB, read: bool) -> None:
    space = await tb.swapped_out(OLD)
    if read:
        await space.read(0)
        assert tb.state(space, 0) == "cram ro"
    await space.lazyfree(0)
    assert tb.state(space, 0) == "none" and await space.read(0) == ZERO_PAGE


async def test_a_shared_page_is_marked_and_the_dirty_bit_of_each_task_counts(tb: TB) -> None:
    space = tb.space()
    await space.write(0, OLD)
    child = await tb.system.fork(space, "child")
    await space.lazyfree(0)
    assert tb.system.counters.pglazyfree == 1 and tb.pte(space, 0).dram.lazyfree
    await tb.reclaim(space, 0)
    assert not tb.pte(child, 0).dram.lazyfree, "the child has not given it up"
    await space.exit()
    await child.pageout(0)
    assert await child.read(0) == OLD


async def test_reclaim_unmaps_task_by_task_and_stops_at_the_first_one_that_has_written(tb: TB) -> None:
    space = tb.space()
    await space.write(0, OLD)
    children = [await tb.system.fork(space, name) for name in ("first", "second")]
    await space.lazyfree(0)
    await children[1].lazyfree(0)
    await tb.reclaim(space, 0)
    assert tb.state(space, 0) == "none", "it has given the page up, and comes before the one that has not"
    assert not tb.pte(children[0], 0).dram.lazyfree
    assert [await child.read(0) for child in children] == [OLD, OLD], "the second one had not been come to"
    assert await space.read(0) == ZERO_PAGE and not tb.system.counters.pglazyfreed


@machine(order=("zram",))
async def test_a_shared_page_of_which_only_the_folio_has_the_bytes_is_left_alone(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    await space.read(0)  # clean in the PTE, and the slot is gone
    child = await tb.system.fork(space, "child")
    await space.lazyfree(0)
    assert not tb.system.counters.pglazyfree
    await space.exit()
    await child.pageout(0)
    assert await child.read(0) == OLD


@machine(order=("zswap", "swapfile"))
async def test_a_page_whose_slot_another_task_names_is_left_alone(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    child = await tb.system.fork(space, "child")
    await space.read(0)
    assert tb.state(space, 0) == "dram ro" and tb.state(child, 0) == "softleaf"
    await space.lazyfree(0)
    assert not tb.system.counters.pglazyfree
    await space.exit()
    assert await child.read(0) == OLD


async def test_a_shared_page_that_a_device_has_written_to_is_left_alone(tb: TB) -> None:
    space = tb.space()
    await space.write(0, OLD)
    await space.lazyfree(0)  # clean in the PTE from now on
    pinned = await space.pin(0)
    pinned.write(NEW)
    space.unpin(pinned)
    child = await tb.system.fork(space, "child")
    await child.lazyfree(0)
    await tb.reclaim(space, 0)
    assert await space.read(0) == NEW


async def test_a_fork_shares_the_mark_and_a_write_of_either_side_keeps_its_own_page(tb: TB) -> None:
    space = tb.space()
    await space.write(0, OLD)
    await space.lazyfree(0)
    child = await tb.system.fork(space, "child")
    await child.write(0, NEW)
    assert await space.pageout(0)
    assert (await space.read(0), await child.read(0)) == (ZERO_PAGE, NEW)


async def test_what_was_written_before_a_fork_is_not_dropped_for_the_child(tb: TB) -> None:
    space = tb.space()
    await space.write(0, OLD)
    await space.lazyfree(0)
    await space.write(0, NEW)
    child = await tb.system.fork(space, "child")
    await space.exit()
    await child.pageout(0)
    assert await child.read(0) == NEW


@machine(memory_pages=32)
async def test_under_pressure_marked_pages_go_first(tb: TB) -> None:
    space = tb.space()
    for vpn in range(20):
        await space.write(vpn, compressible_page(vpn))
    await space.lazyfree(8, 8)
    for vpn in range(20, 28):
        await space.write(vpn, compressible_page(vpn))
    await tb.clock.sleep(1_000_000)
    assert tb.system.counters.pglazyfreed and not tb.system.counters.stores
    assert await space.read(0) == compressible_page(0)


async def test_a_merged_page_that_one_user_does_not_need_stays_for_the_other(tb: TB) -> None:
    space = tb.space()
    for vpn in (0, 1):
        await space.write(vpn, compressible_page(7))
    assert await space.merge(0, space, 1)
    await space.unmap(1)
    child = await tb.system.fork(space, "child")
    await child.lazyfree(0)
    await tb.reclaim(space, 0)
    assert await space.read(0) == compressible_page(7)
