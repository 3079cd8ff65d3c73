# SPDX-License-Identifier: MIT
"""Refault detection: was a page that comes back evicted too early? (docs/vswap/reclaim.md; mm/workingset.c)

A shadow is left in the slot's descriptor when a folio is evicted:

    31       eviction       5 4  depth  2  1 workingset  0 always 1

`eviction` is the age of the group that was reclaimed, or its oldest generation, modulo 2^27. That group is the slot's
own or one above it, so its depth in the tree names it."""

from __future__ import annotations

from collections.abc import Callable

from vswap.base.counters import Counters
from vswap.mm.folio import Folio
from vswap.mm.frames import Memory
from vswap.mm.memcg import Memcg

_PRESENT, _WORKINGSET = 1, 2
_DEPTH_SHIFT, _DEEPEST = 2, 7
_EVICTION_SHIFT, _EVICTION_MASK = 5, (1 << 27) - 1


def age(memcg: Memcg, pages: int) -> None:
    """So many pages were evicted from the group, or activated (workingset_age_nonresident)."""
    for group in memcg.lineage:
        group.nonresident_age += pages


def evict(folio: Folio, target: Memcg, memory: Memory) -> int:
    """A folio leaves memory because `target`, its group or one above it, was reclaimed: the shadow to leave behind."""
    assert folio.memcg is not None
    depth = min(len(target.lineage) - 1, _DEEPEST)
    reclaimed = _at_depth(folio.memcg, depth)
    clock = memory.lruvec(reclaimed).eviction_clock
    eviction = (reclaimed.nonresident_age if clock is None else clock) & _EVICTION_MASK
    age(reclaimed, len(folio.pages))
    workingset = _WORKINGSET if folio.workingset else 0
    return eviction << _EVICTION_SHIFT | depth << _DEPTH_SHIFT | workingset | _PRESENT


def refault(
    folio: Folio,
    shadow: int,
    owner: Memcg,
    memory: Memory,
    counters: Counters,
    can_swap: Callable[[Memcg], bool] = lambda _: True,
    *,
    in_fault: bool = True,
) -> bool:
    """A folio has been brought back whose slot, of group `owner`, had this shadow (0: none). It is activated when fewer
    pages were evicted meanwhile than are active: had the active ones left room, it would still be here. They could not,
    if no page of the group that was reclaimed can be swapped out now (`can_swap`). Whether it had been active before,
    too."""
    if not shadow:
        return False
    memcg = folio.memcg
    assert memcg is not None
    _count(memcg, counters, "workingset_refault_anon")
    evicted_by = _at_depth(owner, shadow >> _DEPTH_SHIFT & _DEEPEST)
    if not _recent(shadow >> _EVICTION_SHIFT, evicted_by, memory, can_swap):
        return False
    folio.active = True
    age(memcg, 1)
    _count(memcg, counters, "workingset_activate_anon")
    generations = memory.lruvec(memcg).eviction_clock is not None
    if in_fault if generations else shadow & _WORKINGSET:  # lru_gen_refault: any that a fault brings; active before
        folio.workingset = True
        _count(memcg, counters, "workingset_restore_anon")
        return True
    return False


def _recent(eviction: int, evicted_by: Memcg, memory: Memory, can_swap: Callable[[Memcg], bool]) -> bool:
    """The active pages that could go are more than what was evicted since (workingset_test_recent); with generations,
    the one that was reclaimed is still the oldest (lru_gen_test_recent)."""
    clock = memory.lruvec(evicted_by).eviction_clock
    if clock is not None:
        return clock & _EVICTION_MASK == eviction
    distance = (evicted_by.nonresident_age - eviction) & _EVICTION_MASK
    groups = memory.memcgs.subtree(evicted_by) if can_swap(evicted_by) else []
    return distance <= sum(memory.lruvec(group).active_pages for group in groups)


def _at_depth(memcg: Memcg, depth: int) -> Memcg:
    """The group of this depth in the lineage of `memcg`, the root being 0."""
    return memcg.lineage[max(0, len(memcg.lineage) - 1 - depth)]


def _count(memcg: Memcg, counters: Counters, event: str) -> None:
    setattr(counters, event, getattr(counters, event) + 1)
    memcg.count(event)
