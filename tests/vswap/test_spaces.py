# SPDX-License-Identifier: MIT
"""Address spaces: fork, copy-on-write, unmap, exit."""

from __future__ import annotations

import pytest

from hw.virtual_time import VirtualTask
from tests.pages import ZERO_PAGE, compressible_page
from tests.vswap.tb import TB, machine
from vswap import AddressSpace, SegmentationFault

OLD, NEW, NEWER = compressible_page(1), compressible_page(2), compressible_page(3)


async def test_fork_shares_a_page_and_the_first_write_copies_it(tb: TB) -> None:
    parent = tb.space()
    await parent.write(0, OLD)
    child = await tb.system.fork(parent, "child")
    assert tb.state(parent, 0) == tb.state(child, 0) == "dram ro"
    assert tb.machine.memory.used == 1
    await child.write(0, NEW)
    assert (await parent.read(0), await child.read(0)) == (OLD, NEW)
    assert (tb.machine.memory.used, tb.system.counters.cow) == (2, 1)


async def test_the_last_user_of_a_shared_page_reuses_it_without_a_copy(tb: TB) -> None:
    parent = tb.space()
    await parent.write(0, OLD)
    child = await tb.system.fork(parent, "child")
    await parent.exit()
    await child.write(0, NEW)
    assert (await child.read(0), tb.machine.memory.used, tb.system.counters.cow) == (NEW, 1, 0)


async def test_the_exclusive_mark_survives_swap_out_and_ends_at_fork(tb: TB) -> None:
    parent = await tb.swapped_out(OLD)
    assert tb.pte(parent, 0).exclusive
    child = await tb.system.fork(parent, "child")
    assert not tb.pte(parent, 0).exclusive and not tb.pte(child, 0).exclusive
    await tb.clock.sleep(0)


async def test_fork_of_a_softleaf_names_the_slot_twice(tb: TB) -> None:
    parent = await tb.swapped_out(OLD)
    child = await tb.system.fork(parent, "child")
    assert tb.slot(parent, 0) == tb.slot(child, 0)
    assert tb.machine.slots.swap_count(tb.slot(parent, 0)) == 2


async def test_mappers_of_one_cram_page_can_be_in_different_states(tb: TB) -> None:
    """A multi-state folio: softleaf in one space, present read-only in another."""
    parent = await tb.swapped_out(OLD)
    child = await tb.system.fork(parent, "child")
    assert await child.read(0) == OLD
    assert (tb.state(parent, 0), tb.state(child, 0)) == ("softleaf", "cram ro")
    grandchild = await tb.system.fork(child, "grandchild")
    assert tb.state(grandchild, 0) == "cram ro"
    assert tb.machine.slots.swap_count(tb.slot(parent, 0)) == 3
    await grandchild.write(0, NEW)
    assert [await space.read(0) for space in (parent, child, grandchild)] == [OLD, OLD, NEW]
    assert len(tb.machine.residents.folios) == 1


async def test_the_cram_page_goes_with_the_last_mapper_that_writes(tb: TB) -> None:
    parent = await tb.swapped_out(OLD)
    child = await tb.system.fork(parent, "child")
    await child.read(0)
    await parent.write(0, NEW)
    assert len(tb.machine.residents.folios) == 1
    await child.write(0, NEWER)
    assert not tb.machine.residents.folios and tb.machine.slots.used == 0
    assert (await parent.read(0), await child.read(0)) == (NEW, NEWER)


@machine(writable_budget=1)
async def test_fork_makes_a_writable_cram_page_read_only_in_both(tb: TB) -> None:
    parent = await tb.swapped_out(OLD)
    await parent.write(0, NEW)
    child = await tb.system.fork(parent, "child")
    assert (tb.state(parent, 0), tb.state(child, 0), tb.machine.residents.writable) == ("cram ro", "cram ro", 0)
    await child.write(0, NEWER)
    assert (await parent.read(0), await child.read(0)) == (NEW, NEWER)
    assert tb.state(child, 0) == "dram rw"
    await parent.write(0, OLD)
    assert tb.state(parent, 0) == "cram rw"


@machine(writable_budget=1)
async def test_fork_waits_for_a_store_into_the_device_that_is_under_way(tb: TB) -> None:
    parent = await tb.swapped_out(OLD)
    await parent.write(0, NEW)
    writer = tb.clock.spawn(parent.write(0, NEWER))
    await tb.clock.sleep(0)
    child = await tb.system.fork(parent, "child")
    seen = await child.read(0)
    await writer
    assert await child.read(0) == seen
    assert await parent.read(0) == NEWER


async def stored_into_while_it_is_written_back(tb: TB) -> tuple[AddressSpace, VirtualTask[None]]:
    """A space whose page 0 writeback has unmapped while a store into it is under way, and the task that stores. Before
    writeback waits for it, it reads another page."""
    space = tb.space()
    for vpn in (0, 1):
        await space.write(vpn, OLD)
        await space.pageout(vpn)
        await space.write(vpn, NEW)
    store, load, other = tb.device.store, tb.device.load, tb.cram_folio(space, 1)

    async def slow_store(page: int, data: bytes) -> None:
        await tb.clock.sleep(50_000)
        await store(page, data)

    async def slow_load(page: int) -> bytes:
        await tb.clock.sleep(100_000 if page == other.page else 0)
        return await load(page)

    tb.device.store, tb.device.load = slow_store, slow_load  # type: ignore[method-assign]
    writer = tb.clock.spawn(space.write(0, NEWER))
    await tb.clock.sleep(1)
    tb.clock.spawn(tb.system.writeback.write_back_folios([other, tb.cram_folio(space, 0)]))
    await tb.clock.sleep(5_000)
    assert tb.state(space, 0) == "softleaf" and not writer.done()
    return space, writer


@pytest.mark.parametrize("mapped", [False, True])
@machine(order=("cram", "swapfile"), writable_budget=2, start=False)
async def test_fork_waits_for_a_store_whose_pte_writeback_has_unmapped(tb: TB, mapped: bool) -> None:
    parent, writer = await stored_into_while_it_is_written_back(tb)
    if mapped:
        assert await parent.read(0) == NEW and tb.state(parent, 0) == "cram ro"
    child = await tb.system.fork(parent, "child")
    seen = await child.read(0)
    await writer
    assert await child.read(0) == seen and await parent.read(0) == NEWER


@pytest.mark.parametrize("mapped", [False, True])
@machine(order=("cram", "swapfile"), writable_budget=2, start=False)
async def test_no_store_from_before_lands_after_a_page_was_write_protected(tb: TB, mapped: bool) -> None:
    space, writer = await stored_into_while_it_is_written_back(tb)
    if mapped:
        assert await space.read(0) == NEW
    await space.write_protect(0, 1, on=True)
    seen = await space.read(0)
    await writer
    assert await space.read(0) == seen == NEWER


async def test_unmapped_pages_read_as_zeros_and_are_given_back(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    await space.write(1, NEW)
    await space.unmap(0, count=2)
    assert await space.read(1) == ZERO_PAGE
    await tb.settle()
    assert tb.machine.slots.used == 0 and tb.machine.memory.used == 0


async def test_moved_pages_are_the_same_pages_at_another_address(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    await space.write(1, NEW)
    slot = tb.slot(space, 0)
    await space.move(0, 2, target=1 << 20)
    tb.system.invariants()
    assert tb.slot(space, 1 << 20) == slot
    assert (await space.read(1 << 20), await space.read((1 << 20) + 1)) == (OLD, NEW)
    assert (await space.read(0), await space.read(1)) == (ZERO_PAGE, ZERO_PAGE)


async def test_a_range_larger_than_the_table_is_unmapped_as_fast_as_the_table_is_small(tb: TB) -> None:
    space = tb.space()
    await space.write(5, NEW)
    await space.unmap(0, count=1 << 40)
    assert len(space.table) == 0


async def test_exit_gives_everything_back_and_later_accesses_fail(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    await space.write(1, NEW)
    await space.exit()
    await space.exit()
    with pytest.raises(SegmentationFault):
        await space.read(1)
    with pytest.raises(SegmentationFault):
        await tb.system.fork(space, "child")
    await tb.settle()
    assert tb.machine.slots.used == tb.machine.memory.used == 0


async def test_a_cram_page_that_nobody_names_any_more_is_a_zombie_until_it_is_reaped(tb: TB) -> None:
    space = await tb.swapped_out(OLD)
    used = await tb.device.free_sectors()
    await space.exit()
    assert len(tb.machine.residents.folios) == tb.machine.slots.used == 1
    await tb.settle()
    assert len(tb.machine.residents.folios) == tb.machine.slots.used == 0
    assert (tb.system.counters.zombies_reaped, tb.system.counters.trimmed) == (1, 1)
    assert await tb.device.free_sectors() > used


async def test_an_access_of_the_wrong_shape_is_refused(tb: TB) -> None:
    space = tb.space()
    with pytest.raises(ValueError, match="4096"):
        await space.write(0, b"short")
    with pytest.raises(ValueError, match="line 64"):
        await space.read(0, line=64)
