# SPDX-License-Identifier: MIT
"""Where a slot's data is: what every room calls a place on a tier."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class BackingType(IntEnum):
    """Where a slot's data is."""

    NONE = 0
    ZERO = 1
    ZSWAP = 2
    CRAM = 3
    SWAPFILE = 4
    FOLIO = 5
    """Only in memory, in the folio that the swap cache holds."""
    ZRAM = 6
    OTHER = 7
    """A backend that is not one of this package's."""
    LOST = 8
    """Nowhere: the device that had it was removed. Whoever needs it gets SIGBUS."""


PHYSICAL = frozenset({BackingType.SWAPFILE, BackingType.ZRAM, BackingType.OTHER})
"""Swap devices: a load leaves the copy there, and slots that live there are charged."""

ON_DEVICE = frozenset({BackingType.CRAM, *PHYSICAL})
"""Tiers with places that are numbered, of which a reverse map is made."""

NOWHERE = frozenset({BackingType.NONE, BackingType.FOLIO, BackingType.LOST})
"""On no tier: there is nothing to free."""


class TierKey(NamedTuple):
    """Which tier: its type, and its number among those of that type (the device of a swap entry)."""

    type: BackingType
    device: int = 0


class Backing(NamedTuple):
    """What backs a slot: a type, the tier's handle (0 where the type has none), and which of the tiers of that type."""

    type: BackingType
    handle: int = 0
    device: int = 0

    @property
    def tier(self) -> TierKey:
        """The tier that it is on."""
        return TierKey(self.type, self.device)


NO_BACKING = Backing(BackingType.NONE)
IN_FOLIO = Backing(BackingType.FOLIO)
