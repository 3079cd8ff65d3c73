# SPDX-License-Identifier: MIT
"""Workingset: shadows, refault distance, activation, and the bit that says "active before"."""

from __future__ import annotations

from typing import Any

import pytest

from hw.virtual_time import VirtualClock
from tests.pages import compressible_page
from tests.vswap.tb import TB, machine
from vswap import AddressSpace, Counters, MemcgLimits
from vswap.mm.folio import Folio
from vswap.mm.frames import Memory
from vswap.mm.memcg import Memcg
from vswap.mm.workingset import age, evict, refault

CLOCK = VirtualClock()
SWAP: dict[str, Any] = {"order": ("zswap", "swapfile"), "start": False}


def folio_of(memcg: Memcg) -> Folio:
    return Folio(CLOCK, memcg)


def activate(memory: Memory, memcg: Memcg, count: int) -> None:
    for _ in range(count):
        folio = folio_of(memcg)
        folio.active = True
        memory.add(folio)


@pytest.mark.parametrize(("evictions", "activated"), [(0, True), (4, True), (5, False), (1000, False)])
def test_a_page_that_comes_back_within_the_size_of_the_active_list_goes_on_it(evictions: int, activated: bool) -> None:
    memory, counters = Memory(CLOCK, 64), Counters()
    groups = memory.memcgs
    activate(memory, groups.root, 5)
    shadow = evict(folio_of(groups.root), groups.root, memory)  # an eviction ages the group by one itself
    age(groups.root, evictions)
    back = folio_of(groups.root)
    refault(back, shadow, groups.root, memory, counters)
    assert back.active is activated
    assert (counters.workingset_refault_anon, counters.workingset_activate_anon) == (1, activated)


def test_active_pages_that_cannot_be_swapped_out_keep_no_page_out() -> None:
    """workingset_test_recent asks mem_cgroup_get_nr_swap_pages; kerneldiff's script `6.12-pressure-19`."""
    memory, counters = Memory(CLOCK, 64), Counters()
    groups = memory.memcgs
    activate(memory, groups.root, 5)
    shadow = evict(folio_of(groups.root), groups.root, memory)
    for can_swap in (False, True):
        back = folio_of(groups.root)
        refault(back, shadow, groups.root, memory, counters, lambda _, can_swap=can_swap: can_swap)  # type: ignore[misc]
        assert back.active is can_swap


@machine(order=("zswap",), start=False)
async def test_pages_that_a_round_activates_age_the_group_after_its_evictions(tb: TB) -> None:
    """move_folios_to_lru; kerneldiff's script `6.12-pressure-63`."""
    space, group = tb.space(), tb.machine.memory.memcgs.root
    for vpn in range(2):
        await space.write(vpn, compressible_page(vpn))
    used, idle = (tb.pte(space, vpn).dram for vpn in range(2))
    used.referenced, tb.pte(space, 1).accessed = True, False
    for folio in (used, idle):
        tb.machine.memory.remove(folio)
    before = group.nonresident_age
    await tb.system.reclaim.reclaim([used, idle])
    assert used.active and idle.dead
    assert tb.machine.slots.shadow(tb.slot(space, 1)) >> 5 == before
    assert group.nonresident_age == before + 2


@machine(order=("zram",), start=False)
async def test_folios_of_a_round_are_evicted_in_the_order_in_which_reclaim_met_them(tb: TB) -> None:
    """One that zram has to take first is not overtaken by a clean one; kerneldiff's script `6.1-pressure-9022`."""
    space = tb.space()
    for vpn in range(2):
        await space.write(vpn, compressible_page(vpn))
    await space.pageout(1)
    child = await tb.system.fork(space, "child")
    await space.read(1)
    folios = [tb.pte(space, vpn).dram for vpn in range(2)]
    assert [folio.dirty or not folio.slot for folio in folios] == [True, False]
    for vpn, folio in enumerate(folios):
        tb.pte(space, vpn).accessed = False
        tb.machine.memory.remove(folio)
    await tb.system.reclaim.reclaim(folios, force=True)
    assert all(folio.dead for folio in folios)
    dirty, clean = (tb.machine.slots.shadow(tb.slot(space, vpn)) >> 5 for vpn in range(2))
    assert clean == dirty + 1
    await child.exit()


def test_the_age_wraps_around() -> None:
    memory, counters = Memory(CLOCK, 64), Counters()
    groups = memory.memcgs
    activate(memory, groups.root, 5)
    groups.root.nonresident_age = (1 << 27) - 1
    shadow = evict(folio_of(groups.root), groups.root, memory)
    age(groups.root, 2)
    refault(folio_of(groups.root), shadow, groups.root, memory, counters)
    assert counters.workingset_activate_anon == 1


def test_without_a_shadow_it_is_no_refault() -> None:
    memory, counters = Memory(CLOCK, 64), Counters()
    groups = memory.memcgs
    refault(folio_of(groups.root), 0, groups.root, memory, counters)
    assert counters == Counters()


def test_a_page_that_was_active_before_is_restored() -> None:
    memory, counters = Memory(CLOCK, 64), Counters()
    groups = memory.memcgs
    activate(memory, groups.root, 3)
    folio = folio_of(groups.root)
    folio.workingset = True
    back = folio_of(groups.root)
    refault(back, evict(folio, groups.root, memory), groups.root, memory, counters)
    assert back.workingset and counters.workingset_restore_anon == 1


def test_the_distance_is_measured_in_the_group_that_was_reclaimed() -> None:
    memory, counters = Memory(CLOCK, 64), Counters()
    groups = memory.memcgs
    parent = groups.create("parent", MemcgLimits())
    child, neighbour = groups.create("child", MemcgLimits(), parent), groups.create("neighbour", MemcgLimits())
    activate(memory, child, 2)
    own, above = (evict(folio_of(child), target, memory) for target in (child, groups.root))
    age(neighbour, 100)  # ages the root, not the child
    for shadow, activated in ((own, True), (above, False)):
        back = folio_of(child)
        refault(back, shadow, child, memory, counters)
        assert back.active is activated
    assert child.stat["workingset_refault_anon"] == parent.stat["workingset_refault_anon"] == 2
    assert not neighbour.stat


async def thrash(space: AddressSpace, pages: int, rounds: int) -> None:
    """Read pages in turn, and in each round some of them all the time: a working set that moves on."""
    for number in range(rounds):
        for vpn in range(pages):
            await space.read(vpn)
            for used in range(8):
                await space.read((8 * number + used) % pages)


@machine(memory_pages=128, **SWAP)
async def test_pages_in_use_that_were_evicted_too_early_come_back_active(tb: TB) -> None:
    space = tb.space()
    for vpn in range(170):
        await space.write(vpn, compressible_page(vpn))
    await thrash(space, 130, 12)
    counters = tb.system.counters
    assert counters.workingset_activate_anon and counters.workingset_restore_anon
    assert counters.workingset_refault_anon >= counters.workingset_activate_anon >= counters.workingset_restore_anon
    tb.system.invariants()


@machine(**SWAP)
async def test_a_shadow_goes_with_its_slot(tb: TB) -> None:
    space = await tb.swapped_out(compressible_page(1))
    slot = tb.slot(space, 0)
    assert tb.machine.slots.shadow(slot)
    await space.unmap(0)
    assert not tb.machine.slots.alive(slot)
    other = tb.space("other")
    await other.write(0, compressible_page(2))
    assert await other.pageout(0)
    assert tb.machine.slots.alive(slot), "the same number again"
    await other.read(0)
    assert tb.system.counters.workingset_refault_anon == 1


@machine(start=False)
async def test_a_promotion_is_a_refault_and_a_soft_fault_is_none(tb: TB) -> None:
    space = await tb.swapped_out(compressible_page(1))
    await space.read(0)
    soft = tb.system.counters.snapshot()
    await space.write(0, compressible_page(2))
    promoted = tb.system.counters.snapshot()
    assert (soft["workingset_refault_anon"], promoted["workingset_refault_anon"]) == (0, 1)
