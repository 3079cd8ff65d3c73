# SPDX-License-Identifier: MIT
"""Clusters: 512 slots of one allocation order. A layout says how their descriptors lie (docs/vswap/slots.md)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from vswap.base.backing import Backing

CLUSTER_SLOTS = 512
HIGHEST_ORDER = 9  # 2^9 pages, 2 MiB: what a PMD maps, and a whole cluster
HANDLE_BITS, DEVICE_BITS = 36, 4
MOST_HANDLES, MOST_DEVICES = 1 << HANDLE_BITS, 1 << DEVICE_BITS


class Cluster(ABC):
    """512 descriptors, handed out in units of 2^order aligned slots. The rules of slots are SlotTable's.

    The references of a slot are one number: twice its swap_count, and 1 more while the swap cache pins it. 0 is a free
    slot.

    Attributes:
        order: of its units.
        free_units: units that nobody has.
        live: slots in use.
        cached_by: the processor whose allocations of this order go here, -1 for none.
        most_ptes: the highest swap_count that a descriptor can hold.
        finds_folio: a descriptor has room for the address of a cached folio, so that the swap cache takes no more.
    """

    __slots__ = ("cached_by", "free_units", "live", "order")
    most_ptes: ClassVar[int]
    finds_folio: ClassVar[bool] = True

    def __init__(self, order: int, *, reserved: int) -> None:
        """`reserved`: units at the start that are never handed out."""
        self.order = order
        self.free_units = (CLUSTER_SLOTS >> order) - reserved
        self.live = 0
        self.cached_by = -1

    @abstractmethod
    def take(self, memcg: int) -> int:
        """The first slot of a free unit (there must be one), whose slots are pinned, of this group, without backing."""

    @abstractmethod
    def give_back(self, unit: int) -> None:
        """All slots of the unit are cleared: it is free."""

    @abstractmethod
    def references(self, index: int) -> int:
        """See the class."""

    @abstractmethod
    def set_references(self, index: int, references: int, *, atomic: bool = False) -> None:
        """At most twice `most_ptes`, and 1. `atomic`: without waiting for memory. Raises TableWanted then."""

    @abstractmethod
    def clear(self, index: int) -> Backing:
        """The slot is free; what backed it."""

    @abstractmethod
    def backing(self, index: int) -> Backing:
        """What backs a slot."""

    @abstractmethod
    def set_backing(self, index: int, backing: Backing) -> None:
        """The handle and the device are in their limits."""

    @abstractmethod
    def memcg(self, index: int) -> int:
        """Number of the slot's group."""

    @abstractmethod
    def shadow(self, index: int) -> int:
        """32 bits, 0 for none."""

    @abstractmethod
    def set_shadow(self, index: int, shadow: int) -> None:
        """See `shadow`."""

    @abstractmethod
    def living(self) -> list[int]:
        """The slots in use, ascending."""

    @abstractmethod
    def backed_by(self, backing: Backing) -> list[int]:
        """The slots on the tier of `backing`, which is not NONE."""

    @property
    @abstractmethod
    def bytes(self) -> int:
        """What its descriptors and its allocator take."""

    def unit_lives(self, index: int) -> bool:
        """Some slot of the unit of `index` is in use."""
        first = index >> self.order << self.order
        return any(map(self.references, range(first, first + (1 << self.order))))
