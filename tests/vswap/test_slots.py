# SPDX-License-Identifier: MIT
"""Virtual slots: clusters on demand, the reference rule, who may change a backing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vswap.base.backing import Backing, BackingType
from vswap.base.errors import AlreadyCached, ContractViolation, CountOverflow, SlotGone, SlotsExhausted
from vswap.slots.cluster import CLUSTER_SLOTS, MOST_HANDLES
from vswap.slots.compact import CompactCluster
from vswap.slots.table import SlotTable

ON_DISK = Backing(BackingType.SWAPFILE, 7)


def test_a_new_slot_is_pinned_has_count_0_and_no_backing() -> None:
    table = SlotTable()
    slot = table.allocate(memcg=3)
    assert (table.pinned(slot), table.swap_count(slot), table.memcg(slot)) == (True, 0, 3)
    assert table.backing(slot).type is BackingType.NONE


def test_slot_0_is_never_handed_out() -> None:
    table = SlotTable()
    slots = {table.allocate() for _ in range(2 * CLUSTER_SLOTS)}
    assert 0 not in slots and len(slots) == 2 * CLUSTER_SLOTS
    assert not table.alive(0)


def test_clusters_are_made_on_demand_and_dropped_when_empty() -> None:
    table = SlotTable()
    slots = [table.allocate() for _ in range(3 * CLUSTER_SLOTS)]
    assert table.clusters == 4  # the first one has no slot 0 to give
    for slot in slots:
        table.unpin(slot)
    assert (table.clusters, table.used) == (0, 0)
    assert table.allocate() > 0


def test_a_partial_cluster_is_used_before_a_new_one() -> None:
    table = SlotTable()
    slots = [table.allocate() for _ in range(2 * CLUSTER_SLOTS - 1)]  # two clusters, full
    table.unpin(slots[5])
    assert table.allocate() == slots[5]
    assert table.clusters == 2


def test_at_the_limit_an_allocation_is_rejected_and_counted() -> None:
    table = SlotTable(limit=2)
    slot = table.allocate()
    table.allocate()
    with pytest.raises(SlotsExhausted):
        table.allocate()
    assert (table.used, table.alloc_reject) == (2, 1)
    table.unpin(slot)
    assert table.allocate() == slot


def test_a_slot_lives_while_it_is_named_or_pinned() -> None:
    table = SlotTable()
    slot = table.allocate()
    table.duplicate(slot)
    assert table.unpin(slot) is None and table.alive(slot)
    table.pin(slot)
    assert table.put(slot) is None and table.alive(slot)
    table.set_backing(slot, ON_DISK)
    assert table.unpin(slot) == ON_DISK  # to be freed by whoever dropped the last reference
    assert not table.alive(slot)


def test_the_last_put_hands_out_the_backing() -> None:
    table = SlotTable()
    slot = table.allocate()
    table.set_backing(slot, ON_DISK)
    table.duplicate(slot)
    table.duplicate(slot)
    table.unpin(slot)
    assert table.put(slot) is None
    assert table.put(slot) == ON_DISK


def test_a_pin_succeeds_once() -> None:
    table = SlotTable()
    slot = table.allocate()
    with pytest.raises(AlreadyCached):
        table.pin(slot)
    table.unpin(slot)
    with pytest.raises(SlotGone):
        table.pin(slot)


def test_a_dead_slot_cannot_be_duplicated() -> None:
    table = SlotTable()
    slot = table.allocate()
    table.unpin(slot)
    with pytest.raises(SlotGone):
        table.duplicate(slot)


def test_only_a_pinned_slot_changes_its_backing() -> None:
    table = SlotTable()
    slot = table.allocate()
    table.duplicate(slot)
    table.set_backing(slot, ON_DISK)
    table.unpin(slot)
    with pytest.raises(ContractViolation):
        table.set_backing(slot, Backing(BackingType.ZERO))
    assert table.backing(slot) == ON_DISK


def test_a_reference_that_does_not_exist_cannot_be_dropped() -> None:
    table = SlotTable()
    slot = table.allocate()
    with pytest.raises(ContractViolation):
        table.put(slot)
    table.duplicate(slot)
    table.unpin(slot)
    with pytest.raises(ContractViolation):
        table.unpin(slot)


@given(st.lists(st.integers(0, MOST_HANDLES - 1), min_size=1, max_size=20))
def test_a_descriptor_keeps_any_handle(handles: list[int]) -> None:
    table = SlotTable()
    slots = [table.allocate() for _ in handles]
    for slot, handle in zip(slots, handles, strict=True):
        table.set_backing(slot, Backing(BackingType.ZSWAP, handle))
    assert [table.backing(slot).handle for slot in slots] == handles


def test_a_handle_that_does_not_fit_is_refused() -> None:
    table = SlotTable()
    slot = table.allocate()
    for handle in (-1, MOST_HANDLES):
        with pytest.raises(OverflowError):
            table.set_backing(slot, Backing(BackingType.ZSWAP, handle))
    assert table.backing(slot).type is BackingType.NONE


def test_the_count_does_not_wrap() -> None:
    table = SlotTable()
    slot = table.allocate()
    for _ in range(CompactCluster.most_ptes):
        table.duplicate(slot)
    with pytest.raises(CountOverflow):
        table.duplicate(slot)
    assert table.swap_count(slot) == CompactCluster.most_ptes and table.pinned(slot)


# Orders and processors


def test_a_cluster_serves_one_order() -> None:
    table = SlotTable()
    clusters = [table.allocate(order=order) // CLUSTER_SLOTS for order in (0, 2, 4, 0, 2, 4)]
    assert clusters[:3] == clusters[3:] and len(set(clusters)) == 3


def test_a_cluster_of_any_order_is_dropped_when_empty() -> None:
    table = SlotTable()
    firsts = [table.allocate(order=3) for _ in range(200)]
    for first in firsts:
        for slot in range(first, first + 8):
            table.unpin(slot)
    assert (table.clusters, table.used) == (0, 0)


def test_processors_have_clusters_of_their_own() -> None:
    table = SlotTable(cpus=2)
    first, second = table.allocate(cpu=0), table.allocate(cpu=1)
    assert first // CLUSTER_SLOTS != second // CLUSTER_SLOTS
    assert table.allocate(cpu=0) == first + 1
    table.unpin(first)
    assert table.allocate(cpu=1) == second + 1, "a slot freed in another processor's cluster is left to it"


def test_a_full_cluster_becomes_partial_when_a_slot_of_it_is_freed() -> None:
    table = SlotTable(cpus=2)
    slots = [table.allocate(cpu=0) for _ in range(CLUSTER_SLOTS - 1)]
    table.unpin(slots[9])
    assert table.allocate(cpu=1) == slots[9]


def test_a_shadow_stays_with_the_slot_and_goes_with_it() -> None:
    table = SlotTable()
    slot = table.allocate()
    table.set_shadow(slot, 0xFFFF_FFFF)
    assert table.shadow(slot) == 0xFFFF_FFFF
    keeper = table.allocate()
    table.unpin(slot)
    assert table.allocate() == slot and table.shadow(slot) == 0 and table.alive(keeper)


def test_a_scan_finds_the_slots_of_a_backing() -> None:
    table = SlotTable()
    slots = [table.allocate() for _ in range(3 * CLUSTER_SLOTS)]
    for slot in slots[::5]:
        table.set_backing(slot, Backing(BackingType.CRAM, slot))
    table.unpin(slots[10])
    found = [slot for cluster in table.backed_by(BackingType.CRAM) for slot in cluster]
    assert found == [slot for slot in slots[::5] if slot != slots[10]]
