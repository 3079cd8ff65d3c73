"""The LRU lists of one memory control group (an lruvec): active and inactive anonymous folios."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from vswap.folio import Folio


class Lruvec:
    """Two lists, oldest first. A folio that is being looked at is on neither."""

    __slots__ = ("_active", "_inactive")

    def __init__(self) -> None:
        self._active: OrderedDict[Folio, None] = OrderedDict()
        self._inactive: OrderedDict[Folio, None] = OrderedDict()

    def add(self, folio: Folio) -> None:
        """Put a folio on the young end of its list."""
        (self._active if folio.active else self._inactive)[folio] = None

    def add_oldest(self, folio: Folio) -> None:
        """Put a folio where reclaim looks next."""
        self.remove(folio)
        self._inactive[folio] = None
        self._inactive.move_to_end(folio, last=False)

    def remove(self, folio: Folio) -> None:
        """Take a folio off its list, if it is on one."""
        self._active.pop(folio, None)
        self._inactive.pop(folio, None)

    def isolate(self) -> Folio | None:
        """Take the oldest inactive folio off the list, after the lists were balanced; None when both are empty."""
        while len(self._active) > 2 * len(self._inactive):
            folio, _ = self._active.popitem(last=False)
            folio.active = False
            folio.workingset = True
            self._inactive[folio] = None
        return self._inactive.popitem(last=False)[0] if self._inactive else None

    @property
    def active_pages(self) -> int:
        """Pages on the active list."""
        return len(self._active)

    def __iter__(self) -> Iterator[Folio]:
        yield from self._active
        yield from self._inactive

    def __len__(self) -> int:
        return len(self._active) + len(self._inactive)
