# SPDX-License-Identifier: MIT
"""The LRU lists of the folios of one memory control group (an lruvec), by either of the kernel's two policies
(docs/vswap/reclaim.md)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from enum import Enum, auto
from itertools import islice
from math import isqrt
from typing import Protocol

from hw.link import PAGE_BYTES
from vswap.mm.folio import AnyFolio, Folio
from vswap.mm.scan import ScanControl

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

    def flush(self) -> None:
        """Bring the statistics of the lists' lengths up to date (mem_cgroup_flush_stats)."""

    @property
    def pages_seen(self) -> int | None:
        """Pages on the lists, as of the last `flush`; None: nobody asks, as looks have no cost (mm/scan.py)."""

    def batches(self, control: ScanControl, priority: int) -> Iterable[int]:
        """Folios to look at, at this priority of a reclaim (12: little, 0: everything); after each number comes a look
        at whether that freed enough."""

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

    __slots__ = ("_active", "_inactive", "_seen", "active_pages", "inactive_pages", "refilled")

    def __init__(self) -> None:
        self._active: OrderedDict[Folio, None] = OrderedDict()
        self._inactive: OrderedDict[Folio, None] = OrderedDict()
        self.active_pages = 0
        self.inactive_pages = 0
        self.refilled = 0
        self._seen = (0, 0)

    def flush(self) -> None:
        """See Lruvec."""
        self._seen = self.active_pages, self.inactive_pages

    @property
    def pages_seen(self) -> int | None:
        """See Lruvec."""
        return sum(self._seen)

    @property
    def eviction_clock(self) -> int | None:
        """See Lruvec."""
        return None

    def batches(self, control: ScanControl, priority: int) -> Iterator[int]:
        """See Lruvec: what is due of the inactive list, SWAP_CLUSTER_MAX at a time, and then as much of the active one,
        if the inactive one is short (shrink_lruvec)."""
        inactive, active = control.due(len(self._inactive), priority), control.due(len(self._active), priority)
        may_deactivate = control.deactivates or self.inactive_is_low
        enough = control.progress + control.wanted  # of this look alone
        while inactive:
            batch = min(SWAP_CLUSTER_MAX, inactive)
            inactive -= batch
            yield batch
            old = min(SWAP_CLUSTER_MAX, active)
            active -= old
            if may_deactivate:
                self._shrink_active(old)
            else:
                control.skipped_deactivate |= old > 0
            if control.progress >= enough:
                break
        if self.inactive_is_low:
            self._shrink_active(SWAP_CLUSTER_MAX)

    def _shrink_active(self, count: int) -> None:
        """The oldest active folios are inactive from now on; anonymous ones are not kept for having been used."""
        for folio in list(islice(self._active, count)):
            self.remove(folio)
            take_references(folio)
            self.refilled += len(folio.pages)
            folio.active = False
            folio.workingset = True
            self.add(folio)

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
        """The active list is too long for the inactive one: 1 to 1 below 1 GiB, then int_sqrt(10 x GiB) to 1. That goes
        by statistics (`flush`)."""
        active, inactive = self._seen
        gib = (active + inactive) // GIB_PAGES
        return inactive * (isqrt(10 * gib) if gib else 1) < active

    def isolate(self) -> Folio | None:
        """See Lruvec: the oldest inactive folio."""
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
