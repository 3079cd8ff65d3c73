# SPDX-License-Identifier: MIT
"""Page faults: anonymous memory, soft faults, promotion, the writable budget, swap-in from every tier."""

from __future__ import annotations

import pytest

from hw.link import LINE_BYTES
from tests.pages import SAME_PAGE, ZERO_PAGE, compressible_page, noise_page, program_pages
from tests.vswap.tb import TB, machine
from vswap import AddressSpace, SigBus
from vswap.base.backing import BackingType

OLD, NEW = compressible_page(1), compressible_page(2)


async def test_an_untouched_page_reads_as_the_shared_page_of_zeros_and_takes_no_frame(tb: TB) -> None:
    space = tb.space()
    assert tb.state(space, 7) == "none"
    assert await space.read(7) == ZERO_PAGE
    assert tb.state(space, 7) == "zero ro"
    assert tb.machine.memory.used == 0
    assert not await space.pageout(7)
    assert tb.state(space, 7) == "zero ro"


async def test_a_write_to_the_page_of_zeros_takes_a_frame_for_the_writer_alone(tb: TB) -> None:
    space = tb.space()
    await space.read(7)
    child = await tb.system.fork(space, "child")
    await child.write(7, OLD)
    assert (tb.state(space, 7), tb.state(child, 7)) == ("zero ro", "dram rw")
    assert (await space.read(7), await child.read(7)) == (ZERO_PAGE, OLD)
    assert tb.machine.memory.used == 1


async def test_a_written_page_reads_back_whole_and_by_line(tb: TB) -> None:
    space = tb.space()
    await space.write(1, program_pages()[0])
    assert await space.read(1) == program_pages()[0]
    assert await space.read(1, line=63) == program_pages()[0][-LINE_BYTES:]
    assert tb.state(space, 1) == "dram rw"
    assert tb.system.counters.pgfault == 1


async def test_a_fault_costs_what_the_cost_table_says(tb: TB) -> None:
    space, costs = tb.space(), tb.config.costs
    before = tb.clock.now
    await space.write(1, OLD)
    assert tb.clock.now - before == costs.fault + costs.page_zero + costs.dram_access


# Soft faults


async def test_a_read_of_a_cram_page_maps_it_read_only_without_a_copy(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    slot, frames = tb.slot(space, 0), tb.machine.memory.used
    assert await space.read(0) == OLD
    assert tb.state(space, 0) == "cram ro"
    assert tb.slot(space, 0) == slot and tb.machine.slots.swap_count(slot) == 1  # the entry is not dropped
    assert tb.machine.memory.used == frames
    counters = tb.system.counters
    assert (counters.soft_faults, counters.promotions, counters.loads) == (1, 0, 1)


async def test_later_reads_are_plain_loads_from_the_device(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    await space.read(0)
    faults = tb.system.counters.pgfault
    assert await space.read(0) == OLD
    assert await space.read(0, line=5) == OLD[5 * LINE_BYTES : 6 * LINE_BYTES]
    counters = tb.system.counters
    assert (counters.pgfault, counters.loads, counters.line_loads) == (faults, 2, 1)


async def test_two_readers_at_once_share_one_soft_fault(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    readers = [tb.clock.spawn(space.read(0)) for _ in range(4)]
    assert [await reader for reader in readers] == [OLD] * 4
    assert tb.system.counters.soft_faults == 1


# Promotion


@pytest.mark.parametrize("read_first", [False, True], ids=["softleaf", "present read-only"])
async def test_a_write_promotes_a_cram_page_and_gives_the_device_page_up(tb: TB, read_first: bool) -> None:
    space = await tb.swapped_out(OLD)
    if read_first:
        await space.read(0)
    await space.write(0, NEW)
    assert tb.state(space, 0) == "dram rw"
    assert await space.read(0) == NEW
    assert tb.system.counters.promotions == 1
    assert not tb.machine.residents.folios and tb.machine.slots.used == 0


async def test_promotion_waits_for_a_read_of_the_page_that_is_under_way(tb: TB) -> None:
    """The device page must not be trimmed and used again under a load."""
    space = await tb.swapped_out(OLD)
    await space.read(0)
    reader = tb.clock.spawn(space.read(0))
    writer = tb.clock.spawn(space.write(0, NEW))
    assert await reader in (OLD, NEW)
    await writer
    assert await space.read(0) == NEW


# Writable budget


async def test_with_budget_0_no_cram_page_is_ever_writable(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    await space.write(0, NEW)
    assert (tb.machine.residents.writable, tb.system.counters.made_writable) == (0, 0)


@machine(writable_budget=1)
async def test_within_the_budget_a_write_stays_on_the_device_and_reaps_the_slot(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    await space.write(0, NEW)
    assert tb.state(space, 0) == "cram rw"
    assert await space.read(0) == NEW == await tb.device.load(tb.cram_folio(space, 0).page)
    assert tb.machine.slots.used == 0
    assert (tb.system.counters.made_writable, tb.system.counters.promotions) == (1, 0)


@machine(writable_budget=1)
async def test_above_the_budget_a_write_promotes(tb: TB) -> None:
    first, second = await tb.swapped_out(OLD, "first"), await tb.swapped_out(OLD, "second")
    await first.write(0, NEW)
    await second.write(0, NEW)
    assert (tb.state(first, 0), tb.state(second, 0)) == ("cram rw", "dram rw")


@machine(writable_budget=1)
async def test_the_budget_counts_pages_that_are_writable_now(tb: TB) -> None:
    """Not those that ever were: giving one up makes room for another."""
    first, second = await tb.swapped_out(OLD, "first"), await tb.swapped_out(OLD, "second")
    await first.write(0, NEW)
    await first.exit()
    await second.write(0, NEW)
    assert tb.state(second, 0) == "cram rw"


@machine(writable_budget=8)
async def test_a_shared_cram_page_is_never_made_writable(tb: TB) -> None:
    parent = await tb.swapped_out(OLD)
    child = await tb.system.fork(parent, "child")
    await child.write(0, NEW)
    assert (tb.state(parent, 0), tb.state(child, 0)) == ("softleaf", "dram rw")
    await parent.write(0, NEW)  # alone now
    assert tb.state(parent, 0) == "cram rw"


@machine(writable_budget=8)
async def test_while_the_node_is_closed_nothing_becomes_writable(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    tb.node().set_no_alloc(True)
    await space.write(0, NEW)
    assert tb.state(space, 0) == "dram rw"
    tb.node().set_no_alloc(False)


@machine(writable_budget=1, cram_low_percent=0, cram_recovered_percent=0)
async def test_a_store_in_place_that_finds_no_sector_is_sigbus_and_the_page_is_as_it_was(tb: TB) -> None:
    """The risk that the budget bounds: the device runs out under a store that nobody can take back any more."""
    space = await tb.swapped_out(OLD)
    for i in range(1, 16):
        await space.write(i, noise_page(i))
        await space.pageout(i)
    with pytest.raises(SigBus):
        await space.write(0, NEW)
    assert await space.read(0) == OLD
    for i in range(1, 16):
        assert await space.read(i) == noise_page(i)
    await space.unmap(1)
    await tb.settle()
    await space.write(0, NEW)
    assert await space.read(0) == NEW


# Swap-in from the other tiers


async def bring_back(tb: TB, data: bytes, kind: BackingType) -> AddressSpace:
    space = await tb.swapped_out(data)
    assert tb.backing(space, 0).type is kind
    assert await space.read(0) == data
    assert tb.state(space, 0) == ("dram ro" if tb.config.profile == "6.1" else "dram rw")
    return space


async def test_a_zero_page_comes_back_without_any_device(tb: TB) -> None:
    await bring_back(tb, ZERO_PAGE, BackingType.ZERO)
    counters = tb.system.counters
    assert (counters.swpout_zero, counters.swpin_zero, counters.stores) == (1, 1, 0)


@machine(order=("zswap", "swapfile"))
async def test_a_zswap_page_comes_back_dirty_and_its_compressed_copy_is_dropped(tb: TB) -> None:
    space = await bring_back(tb, OLD, BackingType.ZSWAP)
    assert tb.machine.tiers.zswap is not None and tb.machine.tiers.zswap.handles() == {}
    assert tb.pte(space, 0).dram.dirty and tb.machine.slots.used == 1  # the slot stays until swap is half full
    assert (tb.system.counters.zswpout, tb.system.counters.zswpin) == (1, 1)


@machine(order=("zswap", "swapfile"), profile="6.1")
async def test_a_zswap_page_of_6_1_comes_back_clean_and_its_compressed_copy_is_kept(tb: TB) -> None:
    space = await bring_back(tb, OLD, BackingType.ZSWAP)
    assert tb.machine.tiers.zswap is not None and len(tb.machine.tiers.zswap.handles()) == 1
    assert await space.pageout(0)
    assert (tb.system.counters.zswpout, tb.system.counters.swap_clean) == (1, 1)
    assert await space.read(0) == OLD


@machine(order=("zswap", "swapfile"), profile="6.1")
async def test_a_same_filled_page_of_6_1_comes_back(tb: TB) -> None:
    await bring_back(tb, SAME_PAGE, BackingType.ZSWAP)
    assert tb.system.gauges()["same_filled_pages"] == 1


@machine(order=("zswap", "swapfile"))
async def test_a_same_filled_page_is_compressed_like_any_other(tb: TB) -> None:
    await bring_back(tb, SAME_PAGE, BackingType.ZSWAP)
    assert tb.system.counters.zswpout == 1 and tb.system.gauges()["same_filled_pages"] == 0


@machine(order=("swapfile",), profile="6.1")
async def test_6_1_has_no_zero_test(tb: TB) -> None:
    await bring_back(tb, ZERO_PAGE, BackingType.SWAPFILE)
    assert (tb.system.counters.pswpout, tb.system.counters.swpout_zero) == (1, 0)


@machine(order=("swapfile",))
async def test_a_swapfile_page_comes_back_clean_and_its_copy_is_kept(tb: TB) -> None:
    space = await bring_back(tb, OLD, BackingType.SWAPFILE)
    assert not tb.pte(space, 0).dram.dirty
    assert await tb.pageout(space, 0)
    counters = tb.system.counters
    assert (counters.pswpout, counters.pswpin, counters.swap_clean) == (1, 1, 1)  # the second time nothing is written
    assert await space.read(0) == OLD


@machine(order=("swapfile",))
async def test_a_page_of_one_user_that_a_read_brings_back_is_writable_at_once_and_clean(tb: TB) -> None:
    space = await bring_back(tb, OLD, BackingType.SWAPFILE)
    assert tb.state(space, 0) == "dram rw" and not tb.pte(space, 0).dirty
    faults = tb.system.counters.pgfault
    await space.write(0, NEW)
    assert tb.system.counters.pgfault == faults and tb.machine.slots.used == 1
    assert await tb.pageout(space, 0)
    assert tb.system.counters.pswpout == 2  # what the swapfile had was stale
    assert await space.read(0) == NEW


@machine(order=("swapfile",))
async def test_where_writes_are_tracked_it_is_not(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    space.table.tracks_writes = True
    assert await space.read(0) == OLD and tb.state(space, 0) == "dram ro"
    await space.write(0, NEW)
    assert await tb.pageout(space, 0) and await space.read(0) == NEW


@machine(order=("swapfile",), profile="6.1")
async def test_before_6_11_its_first_write_takes_a_fault_and_the_slot_is_kept(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    assert await space.read(0) == OLD
    assert tb.state(space, 0) == "dram ro"
    faults = tb.system.counters.pgfault
    await space.write(0, NEW)
    assert tb.system.counters.pgfault == faults + 1 and tb.machine.slots.used == 1
    assert await tb.pageout(space, 0)
    assert await space.read(0) == NEW


@machine(order=("swapfile",))
async def test_a_write_to_a_swapped_page_of_one_user_gives_the_slot_up(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    await space.write(0, NEW)
    assert tb.state(space, 0) == "dram rw" and tb.machine.slots.used == 0
    assert (tb.system.counters.pgmajfault, tb.system.counters.pgfault) == (1, 2)


@machine(order=("zram",))
async def test_a_synchronous_device_gives_its_copy_up_at_swap_in(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    assert await space.read(0) == OLD
    assert tb.machine.slots.used == 0 and tb.system.tier("zram").usage().pages == 0
    assert tb.state(space, 0) == "dram rw"


@machine(order=("zram",))
async def test_a_synchronous_device_keeps_the_copy_of_a_page_of_two_users(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    child = await tb.system.fork(space, "child")
    assert await space.read(0) == OLD
    assert tb.system.tier("zram").usage().pages == 1
    assert await child.read(0) == OLD
    assert tb.state(space, 0) == tb.state(child, 0) == "dram ro"


@machine(order=("swapfile",))
async def test_pageout_leaves_a_page_alone_that_others_map(tb: TB) -> None:
    space = tb.space()
    await space.write(0, OLD)
    child = await tb.system.fork(space, "child")
    assert not await space.pageout(0) and tb.state(space, 0) == "dram ro"
    await child.exit()
    assert await tb.pageout(space, 0) and tb.state(space, 0) == "softleaf"


async def test_a_cold_page_goes_before_others(tb: TB) -> None:
    space = tb.space()
    for vpn in range(4):
        await space.write(vpn, OLD)
    await space.cold(2)
    assert await tb.system.reclaim.shrink(1) == 1
    assert [tb.state(space, vpn) for vpn in range(4)] == ["dram rw", "dram rw", "softleaf", "dram rw"]


@machine(order=("swapfile",), swapfile_pages=4)
async def test_when_the_swapfile_is_half_full_no_copy_is_kept(tb: TB) -> None:
    space = tb.space()
    for i in range(3):
        await space.write(i, noise_page(i))
        await tb.pageout(space, i)
    assert await space.read(0) == noise_page(0)
    assert tb.machine.slots.used == 2 and tb.pte(space, 0).dram.dirty


@machine(order=("swapfile",))
async def test_faults_of_many_tasks_on_one_slot_read_it_once(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    readers = [tb.clock.spawn(space.read(0)) for _ in range(5)]
    writer = tb.clock.spawn(space.write(0, NEW))
    assert {await reader for reader in readers} <= {OLD, NEW}
    await writer
    assert await space.read(0) == NEW
    assert tb.system.counters.pswpin == 1


@machine(order=("swapfile",))
async def test_an_exit_waits_for_a_swap_in_under_way_and_leaves_nothing_behind(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    reader = tb.clock.spawn(space.read(0))
    costs = tb.config.costs
    await tb.clock.sleep(costs.fault + costs.major_fault + costs.swap_machinery + 10)  # the read is under way
    leaving = tb.clock.spawn(space.exit())
    await tb.clock.sleep(0)
    late = tb.clock.spawn(space.read(0))
    await leaving
    assert await reader == OLD
    with pytest.raises(Exception, match="has exited"):
        await late
    await tb.settle()
    assert tb.machine.slots.used == tb.machine.memory.used == 0


async def test_a_task_killed_at_any_point_of_a_fault_leaves_nothing_behind(tb: TB) -> None:
    for step in range(0, 12_000, 300):
        space = await tb.swapped_out(OLD, f"task{step}")
        task = tb.clock.spawn(space.write(0, NEW) if step % 200 else space.read(0))
        await tb.clock.sleep(step)
        task.cancel()
        await tb.clock.sleep(1)
        tb.system.invariants()
        await space.exit()
    await tb.settle()
    assert tb.machine.slots.used == tb.machine.memory.used == 0
