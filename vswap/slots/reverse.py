# SPDX-License-Identifier: MIT
"""The way back from a place on a tier to the slot that owns it (docs/vswap/slots.md, "Reverse map")."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import numpy as np

ENTRY_BYTES = 8
_FREE = -1


class ReverseMap:
    """Place -> owning slot, 8 bytes a place; 0 for a place whose owner has no slot. Of the size of the tier.

    A place that nobody owns is not in the map: KeyError, as in a dict.
    """

    __slots__ = ("_owners", "_used")

    def __init__(self, places: int) -> None:
        self._owners = array("q", [_FREE]) * places
        self._used = 0

    def __setitem__(self, place: int, slot: int) -> None:
        if self._owners[place] < 0:
            self._used += 1
        self._owners[place] = slot

    def __getitem__(self, place: int) -> int:
        if place in self:
            return self._owners[place]
        raise KeyError(place)

    def __delitem__(self, place: int) -> None:
        if place not in self:
            raise KeyError(place)
        self._owners[place] = _FREE
        self._used -= 1

    def reown(self, place: int, slot: int) -> None:
        """Another slot owns the place. Raises KeyError."""
        if place not in self:
            raise KeyError(place)
        self._owners[place] = slot

    def __contains__(self, place: int) -> bool:
        return 0 <= place < len(self._owners) and self._owners[place] >= 0

    def __len__(self) -> int:
        return self._used

    def __iter__(self) -> Iterator[int]:
        """The places in use, ascending."""
        return iter(np.flatnonzero(np.frombuffer(self._owners, np.int64) >= 0).tolist())

    def copy(self) -> dict[int, int]:
        """Place -> slot, as a dict of its own."""
        return {place: self._owners[place] for place in self}
