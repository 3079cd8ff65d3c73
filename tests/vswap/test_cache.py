# SPDX-License-Identifier: MIT
"""The swap cache: one folio a slot, changed under the folio lock only, and checked again after the lock."""

from __future__ import annotations

import pytest

from hw.virtual_time import VirtualClock
from vswap.base.errors import AlreadyCached, ContractViolation, SlotGone
from vswap.mm.cache import SwapCache
from vswap.mm.folio import Folio
from vswap.slots.table import SlotTable

CLOCK = VirtualClock()


def locked_folio() -> Folio:
    folio = Folio(CLOCK, None)
    assert folio.lock.try_acquire()
    return folio


def cached() -> tuple[SlotTable, SwapCache, int, Folio]:
    table = SlotTable()
    cache = SwapCache(table)
    slot, folio = table.allocate(), locked_folio()
    cache.add(slot, folio)
    return table, cache, slot, folio


def test_a_folio_in_the_cache_is_found_under_its_slot() -> None:
    _, cache, slot, folio = cached()
    assert cache.lookup(slot) is folio and folio.slot == slot and not folio.private
    assert cache.holds(slot, folio) and not cache.holds(slot, locked_folio())


def test_the_second_to_pin_a_slot_loses() -> None:
    _, cache, slot, folio = cached()
    with pytest.raises(AlreadyCached):
        cache.pin(slot, locked_folio())
    assert cache.lookup(slot) is folio


def test_a_slot_that_is_gone_cannot_be_pinned() -> None:
    _, cache, slot, folio = cached()
    cache.delete(folio)
    with pytest.raises(SlotGone):
        cache.pin(slot, locked_folio())


def test_leaving_the_cache_with_count_0_frees_the_slot() -> None:
    table, cache, slot, folio = cached()
    cache.delete(folio)
    assert (folio.slot, len(cache), table.alive(slot)) == (0, 0, False)


def test_leaving_the_cache_keeps_a_slot_that_ptes_name() -> None:
    table, cache, slot, folio = cached()
    table.duplicate(slot)
    cache.delete(folio)
    assert table.alive(slot) and not table.pinned(slot)


def test_a_folio_takes_the_place_of_another_and_the_pin_passes_on() -> None:
    table, cache, slot, old = cached()
    new = locked_folio()
    cache.replace(old, new)
    assert cache.lookup(slot) is new and table.pinned(slot)
    assert (old.slot, new.slot) == (0, slot)


def test_nothing_changes_without_the_folio_lock() -> None:
    table, cache, slot, folio = cached()
    with pytest.raises(ContractViolation):
        cache.add(table.allocate(), Folio(CLOCK, None))
    folio.lock.release()
    with pytest.raises(ContractViolation):
        cache.delete(folio)
    with pytest.raises(ContractViolation):
        cache.replace(folio, locked_folio())
    assert cache.holds(slot, folio)
