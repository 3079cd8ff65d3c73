# SPDX-License-Identifier: MIT
"""The fence of read-only device pages holds at every way to write (docs/vswap/fences.md)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from driver import PageFenced
from tests.pages import compressible_page, noise_page
from tests.vswap.tb import TB, machine
from vswap import AddressSpace, SegmentationFault, SigBus
from vswap.base.backing import BackingType
from vswap.paths import protection
from vswap.state import rmap

OLD, NEW = compressible_page(1), compressible_page(2)


async def on_the_device(tb: TB, vpn: int = 0) -> AddressSpace:
    """A space with an exclusive page that is present, read-only, on the device."""
    space = await tb.swapped_out(OLD, vpn=vpn)
    assert await space.read(vpn) == OLD
    assert tb.state(space, vpn) == "cram ro"
    return space


# Ways to give the right to write


async def mprotect(space: AddressSpace) -> None:
    await space.protect(0, 1, write=False)
    await space.protect(0, 1, write=True)


async def userfaultfd(space: AddressSpace) -> None:
    await space.write_protect(0, 1, on=True)
    await space.write_protect(0, 1, on=False)


async def numa_hint(space: AddressSpace) -> None:
    await space.hint(0, 1)
    await space.read(0)


WAYS = pytest.mark.parametrize("give_back", [mprotect, userfaultfd, numa_hint])
Way = Callable[[AddressSpace], Awaitable[None]]


@WAYS
async def test_no_way_to_give_the_right_to_write_back_makes_a_device_page_writable(tb: TB, give_back: Way) -> None:
    space = await on_the_device(tb)
    await give_back(space)
    assert tb.state(space, 0) == "cram ro"
    await space.write(0, NEW)
    assert tb.state(space, 0) == "dram rw" and tb.system.counters.promotions == 1
    assert not tb.system.counters.inplace_stores


@WAYS
async def test_the_same_ways_make_an_exclusive_page_in_dram_writable_without_a_fault(tb: TB, give_back: Way) -> None:
    space = tb.space()
    await space.write(0, OLD)
    faults = tb.system.counters.pgfault
    await give_back(space)
    assert tb.state(space, 0) == "dram rw"
    await space.write(0, NEW)
    assert tb.system.counters.pgfault - faults == (give_back is numa_hint)


@WAYS
@machine(writable_budget=1)
async def test_a_page_that_was_writable_within_the_budget_is_counted_out_and_needs_a_fault(
    tb: TB, give_back: Way
) -> None:
    space = await on_the_device(tb)
    await space.write(0, NEW)
    assert tb.state(space, 0) == "cram rw"
    await give_back(space)
    assert (tb.state(space, 0) == "cram rw") is (give_back is numa_hint), "a hint takes no right away"
    tb.system.invariants()
    assert await space.read(0) == NEW


@machine(writable_budget=4)
async def test_a_long_term_pin_moves_the_page_off_the_device_first_whatever_the_budget(tb: TB) -> None:
    space = await on_the_device(tb)
    pinned = await space.pin(0)
    assert tb.state(space, 0) == "dram rw"
    pinned.write(NEW)
    assert await space.read(0) == NEW
    assert not await space.pageout(0), "it stays where it is"
    space.unpin(pinned)
    assert await space.pageout(0) and await space.read(0) == NEW


async def test_a_pinned_page_outlives_its_space(tb: TB) -> None:
    space = tb.space()
    await space.write(0, OLD)
    pinned = await space.pin(0)
    await space.exit()
    pinned.write(NEW)
    tb.system.invariants()
    space.unpin(pinned)
    assert tb.machine.memory.used == 0


async def test_ksm_merges_pages_in_dram_and_leaves_device_pages_alone(tb: TB) -> None:
    space, other = await on_the_device(tb), tb.space("other")
    await other.write(5, OLD)
    assert not await space.merge(0, other, 5) and not await other.merge(5, space, 0)
    assert tb.state(space, 0) == "cram ro"
    third = tb.space("third")
    await third.write(9, OLD)
    assert await third.merge(9, other, 5)
    assert (tb.state(third, 9), tb.state(other, 5)) == ("dram ro", "dram ro")
    await third.write(9, NEW)
    assert (await third.read(9), await other.read(5)) == (NEW, OLD)


async def test_a_merged_page_is_found_on_the_device_by_all_who_map_it(tb: TB) -> None:
    one, other = tb.space("one"), tb.space("other")
    await one.write(1, OLD)
    await other.write(7, OLD)
    assert await one.merge(1, other, 7)
    await tb.reclaim(one, 1)
    assert await one.read(1) == await other.read(7) == OLD
    assert (tb.state(one, 1), tb.state(other, 7)) == ("cram ro", "cram ro")
    assert await tb.system.writeback.write_back_cram(4) == 1
    assert (tb.state(one, 1), tb.state(other, 7)) == ("softleaf", "softleaf")
    await other.write(7, NEW)
    assert (await one.read(1), await other.read(7)) == (OLD, NEW)


@machine(mthp_orders=(2,))
async def test_khugepaged_does_not_take_device_pages(tb: TB) -> None:
    space = await on_the_device(tb, vpn=100)
    for vpn in (101, 102, 103):
        space.table.vmas.protect(vpn, vpn + 1, write=True)
    await space.write(101, OLD)
    assert not await space.collapse(100, 2)
    assert tb.state(space, 100) == "cram ro"


async def test_khugepaged_makes_one_folio_of_pages_side_by_side(tb: TB) -> None:
    space = tb.space()
    pages = [noise_page(seed) for seed in range(4)]
    for vpn, page in enumerate(pages):
        await space.write(vpn, page)
    assert await space.collapse(2, 2)
    assert tb.pte(space, 0).dram is tb.pte(space, 3).dram and tb.pte(space, 0).dram.order == 2
    assert [await space.read(vpn) for vpn in range(4)] == pages
    assert tb.machine.memory.used == 4


async def test_khugepaged_gives_a_page_up_that_a_device_pins_meanwhile(tb: TB) -> None:
    space = tb.space()
    for vpn in range(4):
        await space.write(vpn, OLD)
    collapse = tb.clock.spawn(space.collapse(0, 2), "khugepaged")
    await tb.clock.sleep(1)  # it has its locks, and copies
    pinned = await space.pin(1)
    await collapse
    pinned.write(NEW)
    assert await space.read(1) == NEW
    space.unpin(pinned)


# What is forbidden meanwhile


async def test_a_write_to_a_read_only_mapping_is_refused_and_changes_nothing(tb: TB) -> None:
    space = await on_the_device(tb)
    await space.protect(0, 1, write=False)
    with pytest.raises(SegmentationFault, match="is read-only"):
        await space.write(0, NEW)
    with pytest.raises(SegmentationFault, match="is read-only"):
        await space.pin(0)
    assert await space.read(0) == OLD


async def test_write_protection_of_userfaultfd_stays_through_a_swap_out(tb: TB) -> None:
    space = tb.space()
    await space.write(0, OLD)
    await space.write_protect(0, 1, on=True)
    assert tb.state(space, 0) == "dram ro"
    await space.pageout(0)
    with pytest.raises(SigBus):
        await space.write(0, NEW)
    assert await space.read(0) == OLD
    await space.write_protect(0, 1, on=False)
    await space.write(0, NEW)
    assert await space.read(0) == NEW


# The device's own fence, and its critical mark


@machine(cram_fence=True)
async def test_with_the_dial_the_device_refuses_a_store_past_the_layer(tb: TB) -> None:
    space = await on_the_device(tb)
    with pytest.raises(PageFenced):
        await tb.device.store(tb.cram_folio(space, 0).page, NEW)
    assert await space.read(0) == OLD
    await space.write(0, NEW)
    assert tb.state(space, 0) == "dram rw"


@machine(cram_fence=True, writable_budget=1)
async def test_within_the_budget_the_fence_is_lifted_and_comes_back(tb: TB) -> None:
    space = await on_the_device(tb)
    await space.write(0, NEW)
    assert tb.state(space, 0) == "cram rw"
    await tb.system.audit()
    child = await tb.system.fork(space, "child")
    await tb.clock.sleep(2 * tb.config.reap_interval)
    assert tb.machine.residents.writable == 0
    with pytest.raises(PageFenced):
        await tb.device.store(tb.cram_folio(space, 0).page, OLD)
    await tb.system.audit()
    assert await child.read(0) == NEW


@machine(cram_fence=True, writable_budget=1, start=False)
async def test_a_fence_that_was_lifted_for_a_page_that_is_write_protected_by_then_comes_back(tb: TB) -> None:
    """Found by the search: program 1000000139, schedule 4066540311:114+150000,116+150000,138+150000."""
    space = await on_the_device(tb)
    tier = tb.node()
    lift = tier.set_fence

    async def lifted(handle: int, on: bool) -> None:
        await lift(handle, on)
        if not on:
            await space.write_protect(0, 1, on=True)

    tier.set_fence = lifted  # type: ignore[method-assign]
    with pytest.raises(SigBus):
        await space.write(0, NEW)
    (resident,) = tb.machine.residents.folios
    assert not resident.writable and resident in tb.machine.residents.to_fence
    assert tb.system.counters.made_writable == 0
    tier.set_fence = lift  # type: ignore[method-assign]
    await tb.system.writeback.reap_and_trim()
    assert tier.fenced(resident.page) and await space.read(0) == OLD


@machine(cram_fence=True)
async def test_a_wrong_pte_cannot_hurt_a_fenced_page(tb: TB, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protection, "may_be_writable", lambda *_: True)
    space = await on_the_device(tb)
    child = await tb.system.fork(space, "child")
    await mprotect(space)
    assert tb.pte(space, 0).writable, "the bug"
    with pytest.raises(SigBus):
        await space.write(0, NEW)
    assert await child.read(0) == OLD
    rmap.zap(tb.machine, space.table, 0)


@machine(cram_critical_percent=100)
async def test_above_the_critical_mark_the_device_takes_no_new_page_and_the_next_tier_does(tb: TB) -> None:
    space = tb.space()
    await space.write(0, noise_page(1))
    await space.write(1, noise_page(2))
    await space.pageout(0, 2)
    kinds = [tb.backing(space, vpn).type for vpn in (0, 1)]
    assert BackingType.CRAM not in kinds[1:]
    assert [await space.read(vpn) for vpn in (0, 1)] == [noise_page(1), noise_page(2)]
