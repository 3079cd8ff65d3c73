# SPDX-License-Identifier: MIT
"""The LRU lists of the folios of one memory control group (an lruvec): active and inactive anonymous folios."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from vswap.mm.folio import Folio


class Lruvec:
    """Two lists, oldest first. A folio that is being looked at is on neither.

    Attributes:
        active_pages, inactive_pages: pages of the folios on the lists.
    """

    __slots__ = ("_active", "_inactive", "active_pages", "inactive_pages")

    def __init__(self) -> None:
        self._active: OrderedDict[Folio, None] = OrderedDict()
        self._inactive: OrderedDict[Folio, None] = OrderedDict()
        self.active_pages = 0
        self.inactive_pages = 0

    def add(self, folio: Folio) -> None:
        """Put a folio on the young end of its list."""
        self.remove(folio)
        if folio.active:
            self._active[folio] = None
            self.active_pages += len(folio.pages)
        else:
            self._inactive[folio] = None
            self.inactive_pages += len(folio.pages)

    def add_oldest(self, folio: Folio) -> None:
        """Put a folio where reclaim looks next."""
        self.add(folio)
        self._inactive.move_to_end(folio, last=False)

    def remove(self, folio: Folio) -> None:
        """Take a folio off its list, if it is on one."""
        if folio in self._active:
            del self._active[folio]
            self.active_pages -= len(folio.pages)
        elif folio in self._inactive:
            del self._inactive[folio]
            self.inactive_pages -= len(folio.pages)

    def isolate(self) -> Folio | None:
        """Take the oldest inactive folio off the list, after the lists were balanced; None when both are empty."""
        while self.active_pages > 2 * self.inactive_pages:
            folio = next(iter(self._active))
            self.remove(folio)
            folio.active = False
            folio.workingset = True
            self.add(folio)
        if not self._inactive:
            return None
        folio = next(iter(self._inactive))
        self.remove(folio)
        return folio

    def __contains__(self, folio: Folio) -> bool:
        return folio in self._active or folio in self._inactive

    def __iter__(self) -> Iterator[Folio]:
        yield from self._active
        yield from self._inactive

    def __len__(self) -> int:
        return len(self._active) + len(self._inactive)
