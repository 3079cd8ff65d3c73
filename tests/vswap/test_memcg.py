# SPDX-License-Identifier: MIT
"""Memory control groups: limits, charges, zswap.max and zswap.writeback, fork, removal, counters."""

from __future__ import annotations

import pytest

from tests.pages import ZERO_PAGE, compressible_page, noise_page
from tests.vswap.tb import TB, machine
from vswap import AddressSpace, Memcg, MemcgLimits, OutOfMemory
from vswap.base.backing import BackingType
from vswap.base.errors import InvariantViolation

SMALL = compressible_page(1)


def group(tb: TB, name: str = "group", parent: Memcg | None = None, **limits: object) -> Memcg:
    return tb.system.create_memcg(name, MemcgLimits(**limits), parent)  # type: ignore[arg-type]


async def fill(space: AddressSpace, count: int, page: object = compressible_page) -> None:
    for vpn in range(count):
        await space.write(vpn, page(vpn))  # type: ignore[operator]


# memory.max


async def test_a_group_keeps_within_its_memory_max_and_others_do_not_pay_for_it(tb: TB) -> None:
    neighbour = tb.space("neighbour")
    await fill(neighbour, 8)
    small = group(tb, memory_max=10)
    space = tb.system.create_space("task", small)
    for vpn in range(40):
        await space.write(vpn, compressible_page(vpn))
        assert small.folio_pages <= 10
        tb.system.invariants()
    assert all(tb.state(neighbour, vpn) == "dram rw" for vpn in range(8)), "only the group's own LRU was reclaimed"
    assert small.events["max"] and tb.system.counters.pgsteal_direct
    for vpn in range(40):
        assert await space.read(vpn) == compressible_page(vpn)


async def test_a_limit_above_binds_all_groups_below_it(tb: TB) -> None:
    parent = group(tb, "parent", memory_max=8)
    spaces = [tb.system.create_space(name, group(tb, name, parent)) for name in ("one", "two")]
    for vpn in range(10):
        for space in spaces:
            await space.write(vpn, compressible_page(vpn))
            assert parent.folio_pages == sum(other.memcg.folio_pages for other in spaces) <= 8
    for space in spaces:
        assert [await space.read(vpn) for vpn in range(10)] == [compressible_page(vpn) for vpn in range(10)]


@machine(order=("swapfile",))
async def test_a_group_whose_pages_cannot_leave_is_out_of_memory_and_no_one_else_is(tb: TB) -> None:
    stuck = group(tb, memory_max=4, swap_max=0)
    space, other = tb.system.create_space("stuck", stuck), tb.space("other")
    await fill(space, 4)
    with pytest.raises(OutOfMemory, match="group group"):
        await space.write(4, SMALL)
    assert stuck.events["oom"] == 1 and stuck.events["swap.fail"]
    await other.write(0, SMALL)
    assert [await space.read(vpn) for vpn in range(4)] == [compressible_page(vpn) for vpn in range(4)]
    await space.exit()
    assert stuck.memory == 0, "an exiting task is not stuck in a full group"


@machine(order=("zswap", "swapfile"))
async def test_compressed_bytes_in_zswap_are_the_groups_memory(tb: TB) -> None:
    owner = group(tb)
    space = tb.system.create_space("task", owner)
    await space.write(0, SMALL)
    assert await space.pageout(0)
    assert owner.folio_pages == 0 and 0 < owner.zswap_bytes < 4096 and owner.memory == 1
    await space.read(0)
    assert owner.folio_pages == 1 and owner.zswap_bytes == 0


# memory.swap.max: physical backing only


async def test_only_slots_with_physical_backing_are_charged(tb: TB) -> None:
    owner = group(tb)
    space = tb.system.create_space("task", owner)
    await space.write(0, ZERO_PAGE)
    await space.write(1, SMALL)
    assert await space.pageout(0) and await space.pageout(1)
    assert {tb.backing(space, vpn).type for vpn in (0, 1)} == {BackingType.ZERO, BackingType.CRAM}
    assert owner.swap == 0
    await tb.system.swapoff("zswap")
    await tb.system.writeback.write_back_cram(1)
    assert tb.backing(space, 1).type is BackingType.SWAPFILE and owner.swap == 1
    await space.unmap(1)
    assert owner.swap == 0


@machine(order=("zswap", "swapfile"))
async def test_writeback_from_zswap_takes_a_charge_and_without_one_everything_stays(tb: TB) -> None:
    owner = group(tb, swap_max=1)
    space = tb.system.create_space("task", owner)
    await fill(space, 2)
    assert await space.pageout(0) and await space.pageout(1)
    assert await tb.system.writeback.zswap.write_back(owner) and owner.swap == 1
    assert not await tb.system.writeback.zswap.write_back(owner)
    assert (tb.backing(space, 1).type, owner.swap, owner.events["swap.fail"]) == (BackingType.ZSWAP, 1, 1)
    assert await space.read(1) == compressible_page(1)


@machine(order=("swapfile",))
async def test_a_failed_write_keeps_its_slot_and_its_charge_and_the_page_in_memory(
    tb: TB, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = group(tb)
    space = tb.system.create_space("task", owner)
    await space.write(0, SMALL)

    def fail(*_: object) -> None:
        raise OSError("broken on purpose")

    with monkeypatch.context() as patch:
        patch.setattr(tb.machine.tiers.swapfile, "write_place", fail)
        assert not await tb.pageout(space, 0)
    assert owner.swap == 1 and tb.system.counters.io_errors == 1
    assert await space.read(0) == SMALL
    assert await tb.pageout(space, 0)
    assert owner.swap == 1 and tb.system.counters.pswpout == 2


@machine(order=("swapfile",), swapfile_pages=1000)
async def test_a_clean_copy_is_kept_until_half_of_the_groups_swap_is_in_use(tb: TB) -> None:
    spaces = [tb.system.create_space(name, group(tb, name, swap_max=limit)) for name, limit in (("a", 2), ("b", 20))]
    for space in spaces:
        await space.write(0, SMALL)
        assert await tb.pageout(space, 0)
        await space.read(0)
    assert [space.memcg.swap for space in spaces] == [0, 1]


@machine(layer="direct", order=("zswap", "swapfile"))
async def test_direct_slots_are_charged_from_the_start_wherever_the_data_is(tb: TB) -> None:
    owner = group(tb, swap_max=1)
    space = tb.system.create_space("task", owner)
    await fill(space, 2)
    assert await space.pageout(0)
    assert (tb.backing(space, 0).type, owner.swap) == (BackingType.ZSWAP, 1)
    assert not await space.pageout(1), "no slot, no swap-out"
    await space.exit()
    assert owner.swap == 0


# zswap.max and zswap.writeback


@machine(order=("zswap", "swapfile"))
async def test_zswap_max_of_zero_keeps_a_group_out_of_zswap(tb: TB) -> None:
    space = tb.system.create_space("task", group(tb, zswap_max=0))
    await space.write(0, SMALL)
    assert await space.pageout(0)
    assert tb.backing(space, 0).type is BackingType.SWAPFILE


@machine(order=("zswap", "swapfile"))
async def test_at_zswap_max_the_groups_oldest_entry_makes_room(tb: TB) -> None:
    owner, other = group(tb, zswap_max=1), tb.space("other")
    space = tb.system.create_space("task", owner)
    await other.write(0, SMALL)
    assert await other.pageout(0)
    vpn = 0
    while owner.zswap_bytes < 4096:
        await space.write(vpn, compressible_page(vpn))
        assert await space.pageout(vpn)
        vpn += 1
    entries = vpn
    for later in range(entries, 2 * entries):  # each was referenced by its store, and is passed over once
        await space.write(later, SMALL)
        assert await space.pageout(later)
        assert tb.backing(space, later).type is BackingType.SWAPFILE
    written = owner.stat["zswpwb"]
    await space.write(2 * entries, SMALL)
    assert await space.pageout(2 * entries)
    assert (written, owner.stat["zswpwb"]) == (0, 1) and tb.backing(space, 0).type is BackingType.SWAPFILE
    assert tb.backing(space, 2 * entries).type is BackingType.ZSWAP
    assert tb.backing(other, 0).type is BackingType.ZSWAP, "other groups' entries stay"


@machine(order=("zswap", "swapfile"))
async def test_without_zswap_writeback_a_page_that_zswap_refuses_stays_in_memory(tb: TB) -> None:
    space = tb.system.create_space("task", group(tb, zswap_writeback=False))
    await space.write(0, noise_page(1))
    assert not await space.pageout(0)
    assert tb.backing(space, 0).type is BackingType.FOLIO
    assert await space.read(0) == noise_page(1) and not tb.system.counters.pswpout
    await space.write(1, SMALL)
    assert await space.pageout(1)
    assert not await tb.system.writeback.zswap.write_back(space.memcg) and not tb.system.counters.pswpout


@machine(order=("zswap", "swapfile"))
async def test_the_parents_zswap_writeback_binds(tb: TB) -> None:
    space = tb.system.create_space("task", group(tb, "child", group(tb, "parent", zswap_writeback=False)))
    await space.write(0, noise_page(1))
    assert not await space.pageout(0)


@machine(order=("zswap", "swapfile"))
async def test_with_zswap_switched_off_zswap_writeback_says_nothing(tb: TB) -> None:
    await tb.system.swapoff("zswap")
    space = tb.system.create_space("task", group(tb, zswap_writeback=False))
    await space.write(0, SMALL)
    assert await space.pageout(0)
    assert tb.backing(space, 0).type is BackingType.SWAPFILE


# The shrinker's turns


@machine(order=("zswap", "swapfile"), zswap_max_pool_percent=100, start=False)
async def test_the_shrinker_goes_round_the_groups_and_passes_those_that_may_not_write_back(tb: TB) -> None:
    owners = [group(tb, "one"), group(tb, "kept", zswap_writeback=False), group(tb, "two")]
    for owner in owners:
        space = tb.system.create_space(owner.name, owner)
        await fill(space, 12)
        for vpn in range(12):
            assert await space.pageout(vpn)
    zswap = tb.machine.tiers.zswap
    assert zswap is not None
    zswap.was_full, zswap.accept_pages = True, zswap.pool_pages - 2
    await tb.system.writeback.zswap.shrink()
    assert not any(owner.stat["zswpwb"] for owner in owners), "16 entries were passed over, and that is enough"
    await tb.system.writeback.zswap.shrink()
    written = [owner.stat["zswpwb"] for owner in owners]
    assert written[0] > 2 and written[1] == 0 and abs(written[0] - written[2]) <= 1, written


@machine(order=("zswap", "swapfile"), start=False)
async def test_a_removed_groups_entries_are_written_back_in_its_parents_turn(tb: TB) -> None:
    parent = group(tb, "parent")
    child = group(tb, "child", parent)
    space = tb.system.create_space("task", child)
    heir = tb.system.create_space("heir", parent)
    await fill(space, 3)
    for vpn in range(3):
        assert await space.pageout(vpn)
    tb.system.spaces.remove(space)  # its task moves to the parent
    tb.system.remove_memcg(child)
    space.table.memcg = parent
    tb.system.spaces.append(space)
    assert tb.machine.memory.memcgs.next_online(parent.id) is None, "the cursor never stops at it"
    assert [await tb.system.writeback.zswap.shrink_memcg(parent) for _ in range(4)] == [False, False, False, True]
    assert child.stat["zswpwb"] == 1 and child.swap == 1, "charges stay until the page is freed"
    assert child.folio_pages == parent.folio_pages == 0, "the folio that is written is the root's"
    await tb.machine.inflight.drain()
    assert await tb.system.reclaim.shrink(1) == 1
    assert await space.read(0) == compressible_page(0)
    assert child.folio_pages == 0 and parent.folio_pages == 1, "who brings a page in pays for it"
    with pytest.raises(ValueError, match="address spaces"):
        tb.system.remove_memcg(parent)
    await heir.exit()


# Fork, sharing, counters


async def test_fork_charges_nobody_and_a_copy_is_charged_to_its_writer(tb: TB) -> None:
    owner = group(tb)
    space = tb.system.create_space("parent", owner)
    await space.write(0, SMALL)
    child = await tb.system.fork(space, "child")
    assert child.memcg is owner and owner.folio_pages == 1
    await child.write(0, compressible_page(2))
    assert owner.folio_pages == 2
    await space.exit()
    assert owner.folio_pages == 1


async def test_a_page_comes_back_charged_to_the_group_it_left(tb: TB) -> None:
    owner = group(tb)
    space = tb.system.create_space("task", owner)
    await space.write(0, SMALL)
    assert await space.pageout(0)
    assert owner.folio_pages == 0 and owner.memory == 1, "a page on the device is memory, but not DRAM"
    await space.write(0, compressible_page(2))
    assert owner.folio_pages == 1


@machine(order=("zswap", "swapfile"))
async def test_each_group_counts_its_own_pages_and_the_root_all(tb: TB) -> None:
    spaces = [tb.system.create_space(name, group(tb, name)) for name in ("one", "two")]
    for number, space in enumerate(spaces, 1):
        for vpn, page in enumerate([ZERO_PAGE, SMALL, noise_page(1)] * number):
            await space.write(vpn, page)
            assert await tb.pageout(space, vpn)
            await space.read(vpn)
    names = ("swpout_zero", "swpin_zero", "zswpout", "zswpin", "pswpout", "pswpin")
    assert [[space.memcg.stat[name] for name in names] for space in spaces] == [[1] * 6, [2] * 6]
    root = tb.machine.memory.memcgs.root
    assert [root.stat[name] for name in names] == [getattr(tb.system.counters, name) for name in names] == [3] * 6


@pytest.mark.parametrize("what", ["uncharge", "uncharge_swap", "charge_zswap"])
@machine(order=("zswap", "swapfile"))
async def test_a_charge_that_is_forgotten_is_noticed(tb: TB, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = group(tb)
    space = tb.system.create_space("task", owner)
    for vpn, page in enumerate([SMALL, noise_page(1), SMALL]):
        await space.write(vpn, page)
    assert await tb.pageout(space, 1)
    assert await tb.pageout(space, 0)
    monkeypatch.setattr(Memcg, what, lambda *_: None)
    tb.leaks_expected = True
    await space.unmap(0, 3)
    with pytest.raises(InvariantViolation, match=r"group \w+ is charged"):
        tb.system.invariants()


# Limits that change


@machine(order=("swapfile",))
async def test_a_lower_memory_max_is_reclaimed_to_before_the_call_returns(tb: TB) -> None:
    owner = group(tb)
    space = tb.system.create_space("task", owner)
    await fill(space, 20)
    await tb.system.limit_memcg(owner, MemcgLimits(memory_max=6))
    assert owner.memory <= 6 and not owner.events["oom"]
    tb.system.invariants()
    assert [await space.read(vpn) for vpn in range(20)] == [compressible_page(vpn) for vpn in range(20)]


@machine(order=("swapfile",))
async def test_what_cannot_leave_stays_past_a_lower_memory_max_and_that_is_an_oom_event(tb: TB) -> None:
    owner = group(tb, swap_max=0)
    space = tb.system.create_space("task", owner)
    await fill(space, 8)
    await tb.system.limit_memcg(owner, MemcgLimits(memory_max=4, swap_max=0))
    assert (owner.memory, owner.events["oom"]) == (8, 1)
    tb.system.invariants()
    with pytest.raises(OutOfMemory):
        await space.write(8, SMALL)


@machine(order=("swapfile",))
async def test_swap_past_a_lower_swap_max_stays_and_no_more_comes(tb: TB) -> None:
    owner = group(tb)
    space = tb.system.create_space("task", owner)
    await fill(space, 6)
    assert await tb.pageout(space, 0, 4)
    await tb.system.limit_memcg(owner, MemcgLimits(swap_max=2))
    tb.system.invariants()
    assert not await tb.pageout(space, 4) and owner.swap == 4
    owner.uncharge_swap(-1)  # a charge past both is noticed
    with pytest.raises(InvariantViolation, match=r"memory.swap.max is 2"):
        tb.system.invariants()
    owner.uncharge_swap(1)


async def test_events_of_a_group_are_seen_above_it_but_not_at_the_root(tb: TB) -> None:
    """memory.events is of the subtree, and the root has none (memcg_memory_event)."""
    parent = group(tb, "parent")
    space = tb.system.create_space("task", group(tb, "child", parent, memory_max=2))
    await fill(space, 4)
    root = tb.machine.memory.memcgs.root
    assert space.memcg.events["max"] == parent.events["max"] > 0 == root.events["max"]


async def test_of_swap_both_events_are_the_groups_whose_page_it_is(tb: TB) -> None:
    """Not those of the group above that has the limit (mem_cgroup_try_charge_swap)."""
    parent = group(tb, "parent", swap_max=0)
    child = group(tb, "child", parent)
    assert not child.try_charge_swap(1)
    assert [(each.events["swap.max"], each.events["swap.fail"]) for each in (child, parent)] == [(1, 1), (1, 1)]


@machine(layer="direct", order=("swapfile",), swapfile_pages=2)
async def test_a_page_that_finds_no_place_on_a_device_is_a_failed_charge(tb: TB) -> None:
    owner = group(tb)
    space = tb.system.create_space("task", owner)
    await fill(space, 6)
    await space.pageout(0, 6)
    assert (owner.swap, owner.events["swap.max"], owner.events["swap.fail"]) == (2, 0, 4)


@machine(order=("swapfile",), swapfile_pages=1000)
async def test_the_last_softleaf_takes_the_slot_of_a_mapped_page_along_where_half_of_swap_is_in_use(tb: TB) -> None:
    """free_swap_and_cache, TTRS_FULL."""
    for limit, kept in ((100, 1), (2, 0)):
        owner = group(tb, f"group {limit}")
        space = tb.system.create_space(f"task {limit}", owner)
        await space.write(0, SMALL)
        assert await tb.pageout(space, 0)
        child = await tb.system.fork(space, f"child {limit}")
        await child.read(0)
        await tb.system.limit_memcg(owner, MemcgLimits(swap_max=limit))
        await space.exit()
        assert (owner.swap, bool(tb.slot(child, 0))) == (kept, bool(kept))


@machine(order=("swapfile",), swapfile_pages=1000, start=False)
async def test_a_page_that_is_activated_gives_up_its_slot_where_half_of_swap_is_in_use(tb: TB) -> None:
    """shrink_folio_list, activate_locked; kerneldiff's script `6.12-pressure-136`."""
    for limit, kept in ((100, 1), (2, 0)):
        owner = group(tb, f"group {limit}")
        space = tb.system.create_space(f"task {limit}", owner)
        await space.write(0, SMALL)
        assert await tb.pageout(space, 0)
        await space.read(0)
        folio = tb.pte(space, 0).dram
        assert folio.slot
        folio.referenced = True
        await tb.system.limit_memcg(owner, MemcgLimits(swap_max=limit))
        tb.machine.memory.remove(folio)
        await tb.system.reclaim.reclaim([folio], target=owner)
        assert folio.active and (owner.swap, bool(folio.slot)) == (kept, bool(kept))
        assert await space.read(0) == SMALL
