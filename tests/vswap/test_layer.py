# SPDX-License-Identifier: MIT
"""The layer of slots: the last reference to a slot takes what backed it, and what was charged for it, along."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from hw.virtual_time import VirtualClock
from vswap.base.backing import IN_FOLIO, Backing, BackingType, TierKey
from vswap.base.errors import SlotsExhausted
from vswap.mm.memcg import Memcg, MemcgLimits, MemcgTree
from vswap.slots.layer import LAYERS, Layer, Search

SWAPFILE, ZRAM, ZSWAP = (TierKey(kind) for kind in (BackingType.SWAPFILE, BackingType.ZRAM, BackingType.ZSWAP))
ON_DISK = Backing(BackingType.SWAPFILE, 3)


class FakeTiers:
    """Two devices of few places, and what was freed on them."""

    def __init__(self) -> None:
        self.freed: list[Backing] = []
        self.closed: set[TierKey] = set()

    def free(self, backing: Backing) -> None:
        self.freed.append(backing)

    def places(self) -> Mapping[TierKey, int]:
        return {SWAPFILE: 2, ZRAM: 2}

    def takes(self, key: TierKey) -> bool:
        return key not in self.closed

    @property
    def swap_is_on(self) -> bool:
        return not {SWAPFILE, ZRAM} <= self.closed


def layer(
    kind: str, limits: MemcgLimits | None = None, slots: int | None = None
) -> tuple[Layer[Any], FakeTiers, Memcg]:
    groups, tiers = MemcgTree(), FakeTiers()
    group = groups.create("group", limits or MemcgLimits())
    table = LAYERS[kind].make_slots(slots)
    made = LAYERS[kind](table, lambda slot: groups[table.memcg(slot)], tiers, VirtualClock().event())
    return made, tiers, group


@pytest.mark.parametrize("kind", LAYERS)
def test_the_last_pin_takes_the_backing_along(kind: str) -> None:
    slots, tiers, group = layer(kind)
    slot = slots.allocate(group)
    slots.slots.set_backing(slot, ON_DISK)
    group.swap = 1
    slots.unpin(slot)
    assert (tiers.freed, group.swap, slots.slots.alive(slot)) == ([ON_DISK], 0, False)


@pytest.mark.parametrize("kind", LAYERS)
def test_the_last_pte_takes_the_backing_along_and_no_earlier_one(kind: str) -> None:
    slots, tiers, group = layer(kind)
    slot = slots.allocate(group)
    slots.slots.set_backing(slot, Backing(BackingType.ZSWAP, 9))
    for _ in range(2):
        slots.slots.duplicate(slot)
    slots.unpin(slot)
    slots.put(slot)
    assert not tiers.freed
    slots.put(slot)
    assert tiers.freed == [Backing(BackingType.ZSWAP, 9)]


@pytest.mark.parametrize("kind", LAYERS)
def test_a_page_in_memory_only_has_nothing_to_free(kind: str) -> None:
    slots, tiers, group = layer(kind)
    slot = slots.allocate(group)
    slots.slots.set_backing(slot, IN_FOLIO)
    slots.unpin(slot)
    assert not tiers.freed


def test_virtual_slots_are_charged_with_their_backing_and_those_of_swapfiles_when_they_are_taken() -> None:
    for kind, charged in (("virtual", 0), ("direct", 1), ("xswap", 1)):
        slots, _, group = layer(kind)
        slot = slots.allocate(group)
        assert (group.swap, slots.charged(slot)) == (charged, bool(charged))
        slots.slots.set_backing(slot, ON_DISK)
        assert slots.charged(slot) and slots.charges_at_store(BackingType.SWAPFILE) is not bool(charged)


def test_a_group_at_its_swap_max_gets_no_direct_slot() -> None:
    slots, _, group = layer("direct", MemcgLimits(swap_max=1))
    slots.allocate(group)
    with pytest.raises(SlotsExhausted, match=r"memory\.swap\.max"):
        slots.allocate(group)
    assert (slots.slots.used, group.swap) == (1, 1)


def test_a_direct_slot_is_on_the_first_device_that_takes_pages() -> None:
    slots, tiers, group = layer("direct")
    first = slots.allocate(group)
    tiers.closed.add(SWAPFILE)
    second = slots.allocate(group)
    assert slots.tied(first, SWAPFILE) and slots.tied(second, ZRAM)
    assert list(slots.places_on(SWAPFILE)) == [first]


def test_a_direct_slot_is_of_no_use_while_its_device_takes_nothing() -> None:
    virtual, _, group = layer("virtual")
    slot = virtual.allocate(group)
    assert virtual.changes_devices(slot) and not virtual.closed(slot)
    direct, tiers, group = layer("direct")
    slot = direct.allocate(group)
    assert not direct.changes_devices(slot) and not direct.closed(slot)
    tiers.closed.add(SWAPFILE)
    assert direct.closed(slot)


def test_direct_data_is_on_its_own_device_or_in_zswap_in_front_of_it() -> None:
    slots, _, group = layer("direct")
    slot = slots.allocate(group)
    assert [slots.may_hold(tier, slot) for tier in (SWAPFILE, ZSWAP, ZRAM)] == [True, True, False]
    virtual, _, group = layer("virtual")
    assert virtual.may_hold(ZRAM, virtual.allocate(group))


def test_direct_slots_are_found_through_the_page_tables_alone() -> None:
    assert layer("direct")[0].searches == (Search.PAGE_TABLES,)
    assert set(layer("virtual")[0].searches) == set(Search)
