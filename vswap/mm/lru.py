# SPDX-License-Identifier: MIT
"""The LRU lists of the folios of one memory control group (an lruvec), by either of the kernel's two policies
(docs/vswap/reclaim.md)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from enum import Enum, auto
from math import isqrt
from typing import Protocol

from hw.link import PAGE_BYTES
from vswap.mm.folio import AnyFolio, Folio

SWAP_CLUSTER_MAX = 32
"""Folios that reclaim looks at in one go; pages that a direct reclaim is to free."""
GIB_PAGES = (1 << 30) // PAGE_BYTES


class Verdict(Enum):
    """What reclaim does with a folio that it looks at."""

    RECLAIM = auto()
    KEEP = auto()
    ACTIVATE = auto()


class Lruvec(Protocol):
    """What reclaim, and whoever brings a page, need of a policy. A folio that is being looked at is on no list.

    Attributes:
        refilled: pages that lost their place because others were used later (pgrefill, or moved by aging).
    """

    refilled: int

    @property
    def active_pages(self) -> int:
        """Pages that count as the working set."""

    @property
    def inactive_pages(self) -> int:
        """The other ones."""

    def batches(self, priority: int) -> list[int]:
        """Folios to look at, at this priority of reclaim (12: little, 0: everything); whether enough was freed is
        looked at after each number."""

    @property
    def eviction_clock(self) -> int | None:
        """What a shadow remembers of the time of an eviction; None: the group's age (mm/workingset.py)."""

    def add(self, folio: Folio) -> None:
        """Put a folio on the young end of its list."""

    def add_oldest(self, folio: Folio) -> None:
        """Put a folio where reclaim looks next."""

    def deactivate(self, folio: Folio) -> None:
        """A folio is not needed soon (MADV_COLD)."""

    def remove(self, folio: Folio) -> None:
        """Take a folio off its list, if it is on one."""

    def isolate(self) -> Folio | None:
        """Take the folio that reclaim is to look at next off its list; None when there is none."""

    def check_references(self, folio: Folio) -> Verdict:
        """What becomes of an isolated folio; its accessed bits are cleared (folio_check_references)."""

    def __contains__(self, folio: Folio) -> bool: ...

    def __iter__(self) -> Iterator[Folio]: ...

    def __len__(self) -> int: ...


def take_references(folio: AnyFolio) -> int:
    """Clear the accessed bits of all PTEs that map a folio; how many were set (folio_referenced)."""
    used = 0
    for table, vpn in folio.mappers:
        pte = table.get(vpn)
        assert pte is not None
        used += pte.accessed
        pte.accessed = False
    return used


class ClassicLru:
    """Two lists, oldest first: a page has to be referenced twice to become active.

    Attributes:
        refilled: see Lruvec.
    """

    __slots__ = ("_active", "_inactive", "active_pages", "inactive_pages", "refilled")

    def __init__(self) -> None:
        self._active: OrderedDict[Folio, None] = OrderedDict()
        self._inactive: OrderedDict[Folio, None] = OrderedDict()
        self.active_pages = 0
        self.inactive_pages = 0
        self.refilled = 0

    @property
    def eviction_clock(self) -> int | None:
        """See Lruvec."""
        return None

    def batches(self, priority: int) -> list[int]:
        """See Lruvec: a 2^priority-th of the inactive list, SWAP_CLUSTER_MAX at a time (shrink_lruvec)."""
        left = (len(self._inactive) or len(self._active)) >> priority
        return [min(SWAP_CLUSTER_MAX, left - done) for done in range(0, left, SWAP_CLUSTER_MAX)]

    def add(self, folio: Folio) -> None:
        """See Lruvec."""
        self.remove(folio)
        if folio.active:
            self._active[folio] = None
            self.active_pages += len(folio.pages)
        else:
            self._inactive[folio] = None
            self.inactive_pages += len(folio.pages)

    def add_oldest(self, folio: Folio) -> None:
        """See Lruvec."""
        folio.active = folio.referenced = False
        self.add(folio)
        self._inactive.move_to_end(folio, last=False)

    def deactivate(self, folio: Folio) -> None:
        """See Lruvec: an active one to the young end of the inactive list; an inactive one stays (folio_deactivate)."""
        was_active, folio.active, folio.referenced = folio.active, False, False
        if was_active:
            folio.workingset = True
            self.add(folio)

    def remove(self, folio: Folio) -> None:
        """See Lruvec."""
        if folio in self._active:
            del self._active[folio]
            self.active_pages -= len(folio.pages)
        elif folio in self._inactive:
            del self._inactive[folio]
            self.inactive_pages -= len(folio.pages)

    @property
    def inactive_is_low(self) -> bool:
        """The active list is too long for the inactive one: 1 to 1 below 1 GiB, then int_sqrt(10 x GiB) to 1."""
        gib = (self.active_pages + self.inactive_pages) // GIB_PAGES
        return self.inactive_pages * (isqrt(10 * gib) if gib else 1) < self.active_pages

    def isolate(self) -> Folio | None:
        """See Lruvec: the oldest inactive folio, after the lists were balanced (shrink_active_list)."""
        while self.inactive_is_low:
            folio = next(iter(self._active))
            self.remove(folio)
            take_references(folio)  # anonymous pages are not kept for that
            self.refilled += len(folio.pages)
            folio.active = False
            folio.workingset = True
            self.add(folio)
        if not self._inactive:
            return None
        folio = next(iter(self._inactive))
        self.remove(folio)
        return folio

    def check_references(self, folio: Folio) -> Verdict:
        """See Lruvec: the first reference keeps a folio on its list; the second, or one by two PTEs, activates it."""
        references, before = take_references(folio), folio.referenced
        folio.referenced = bool(references)
        if not references:
            return Verdict.RECLAIM
        return Verdict.ACTIVATE if before or references > 1 else Verdict.KEEP

    def __contains__(self, folio: Folio) -> bool:
        return folio in self._active or folio in self._inactive

    def __iter__(self) -> Iterator[Folio]:
        yield from self._active
        yield from self._inactive

    def __len__(self) -> int:
        return len(self._active) + len(self._inactive)
