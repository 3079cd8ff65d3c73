# SPDX-License-Identifier: MIT
"""Refault detection: was a page that comes back evicted too early? (docs/vswap/reclaim.md; mm/workingset.c)

A shadow is left in the slot's descriptor when a folio is evicted:

    31       eviction       5 4  depth  2  1 workingset  0 always 1

`eviction` is the age of the group that was reclaimed, modulo 2^27. That group is the slot's own or one above it, so its
depth in the tree names it.
"""

from __future__ import annotations

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


def evict(folio: Folio, target: Memcg) -> int:
    """A folio leaves memory because `target`, its group or one above it, was reclaimed: the shadow to leave behind."""
    assert folio.memcg is not None
    depth = min(len(target.lineage) - 1, _DEEPEST)
    eviction = _at_depth(folio.memcg, depth).nonresident_age & _EVICTION_MASK
    age(_at_depth(folio.memcg, depth), len(folio.pages))
    workingset = _WORKINGSET if folio.workingset else 0
    return eviction << _EVICTION_SHIFT | depth << _DEPTH_SHIFT | workingset | _PRESENT


def refault(folio: Folio, shadow: int, owner: Memcg, memory: Memory, counters: Counters) -> None:
    """A folio has been brought back whose slot, of group `owner`, had this shadow (0: none). It is activated when fewer
    pages were evicted meanwhile than are active: had the active ones left room, it would still be here."""
    if not shadow:
        return
    memcg = folio.memcg
    assert memcg is not None
    _count(memcg, counters, "workingset_refault_anon")
    evicted_by = _at_depth(owner, shadow >> _DEPTH_SHIFT & _DEEPEST)
    distance = (evicted_by.nonresident_age - (shadow >> _EVICTION_SHIFT)) & _EVICTION_MASK
    if distance > sum(memory.lruvec(group).active_pages for group in memory.memcgs.subtree(evicted_by)):
        return
    folio.active = True
    age(memcg, 1)
    _count(memcg, counters, "workingset_activate_anon")
    if shadow & _WORKINGSET:  # it had been active before
        folio.workingset = True
        _count(memcg, counters, "workingset_restore_anon")


def _at_depth(memcg: Memcg, depth: int) -> Memcg:
    """The group of this depth in the lineage of `memcg`, the root being 0."""
    return memcg.lineage[max(0, len(memcg.lineage) - 1 - depth)]


def _count(memcg: Memcg, counters: Counters, event: str) -> None:
    setattr(counters, event, getattr(counters, event) + 1)
    memcg.count(event)
