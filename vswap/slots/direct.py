# SPDX-License-Identifier: MIT
"""Direct slots: the layer that kernels have without virtual swap (docs/vswap/direct.md).

A PTE names a place on a device. So a slot takes room on its device from the start, wherever its data is, and a page
that changes devices gets another slot, which every PTE must be made to name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vswap.base.backing import ON_DEVICE, Backing, BackingType, TierKey
from vswap.base.errors import SlotGone, SlotsExhausted
from vswap.slots.cluster import DEVICE_BITS, HANDLE_BITS
from vswap.slots.table import Layout, SlotTable

PLACE_BITS = 8 + 16 + 1
"""Of a place on a swap device in Linux 6.12: swap_map, the group's number (swap_cgroup), and a bit for pages of zeros
(zeromap); set aside at swapon."""

_TYPE_BITS = 4
_SHIFT = HANDLE_BITS - DEVICE_BITS - _TYPE_BITS  # a slot is a handle of the tier of zeros, and has to fit as one
_MASK = (1 << _SHIFT) - 1
MOST_PLACES = 1 << _SHIFT - 1
"""Of a device in use at once. Their numbers have gaps, where clusters of one order are not full."""
_TYPE_MASK, _DEVICE_SHIFT = (1 << _TYPE_BITS) - 1, _SHIFT + _TYPE_BITS


def _first(tier: TierKey) -> int:
    """What is added to a place on the tier to make a slot of it."""
    return tier.device << _DEVICE_SHIFT | tier.type << _SHIFT


class DirectSlots:
    """As SlotTable, with a table for each device; a slot is the device's number and the place on it."""

    def __init__(self, cpus: int = 1) -> None:
        """`cpus`: processors with a cached cluster each, on each device."""
        self._cpus = cpus
        self._places = 0
        self._tables: dict[TierKey, SlotTable] = {}
        self.alloc_reject = 0

    def add_device(self, tier: TierKey, capacity: int) -> None:
        """A device with so many places, tried after those before it."""
        self._tables[tier] = SlotTable(limit=min(capacity, MOST_PLACES), cpus=self._cpus)
        self._places += capacity

    @property
    def devices(self) -> list[TierKey]:
        """The devices, as they are tried."""
        return list(self._tables)

    def has_place(self, tier: TierKey) -> bool:
        """The device has a free place."""
        return tier in self._tables and self._tables[tier].has_room()

    @property
    def used(self) -> int:
        """Slots alive, on all devices."""
        return sum(table.used for table in self._tables.values())

    def allocate(self, memcg: int = 0, order: int = 0, cpu: int = 0, only: Iterable[TierKey] | None = None) -> int:
        """As SlotTable.allocate, on the first device with room, out of `only` if given. Raises SlotsExhausted."""
        for tier, table in self._tables.items():
            if only is None or tier in only:
                try:
                    return _first(tier) | table.allocate(memcg, order, cpu)
                except SlotsExhausted:
                    continue
        self.alloc_reject += 1
        raise SlotsExhausted("no device has a free slot")

    def shortage(self) -> str:
        """See SlotTable."""
        return "" if any(table.has_room() for table in self._tables.values()) else "no device has a free slot"

    @staticmethod
    def home(slot: int) -> TierKey:
        """The device whose place the slot is."""
        return TierKey(BackingType(slot >> _SHIFT & _TYPE_MASK), slot >> _DEVICE_SHIFT)

    def _at(self, slot: int) -> tuple[SlotTable, int]:
        table = self._tables.get((slot >> _SHIFT & _TYPE_MASK, slot >> _DEVICE_SHIFT))  # type: ignore[call-overload]
        if table is None:
            raise SlotGone(f"slot {slot} is on no device")
        return table, slot & _MASK

    def pin(self, slot: int) -> None:
        """See SlotTable."""
        table, place = self._at(slot)
        table.pin(place)

    def unpin(self, slot: int) -> Backing | None:
        """See SlotTable."""
        table, place = self._at(slot)
        return table.unpin(place)

    def duplicate(self, slot: int, *, atomic: bool = False) -> None:
        """See SlotTable."""
        table, place = self._at(slot)
        table.duplicate(place, atomic=atomic)

    def put(self, slot: int) -> Backing | None:
        """See SlotTable."""
        table, place = self._at(slot)
        return table.put(place)

    def alive(self, slot: int) -> bool:
        """See SlotTable."""
        try:
            table, place = self._at(slot)
        except SlotGone:
            return False
        return table.alive(place)

    def swap_count(self, slot: int) -> int:
        """See SlotTable."""
        table, place = self._at(slot)
        return table.swap_count(place)

    def pinned(self, slot: int) -> bool:
        """See SlotTable."""
        table, place = self._at(slot)
        return table.pinned(place)

    def backing(self, slot: int) -> Backing:
        """See SlotTable."""
        table, place = self._at(slot)
        return table.backing(place)

    def set_backing(self, slot: int, backing: Backing) -> Backing:
        """See SlotTable."""
        table, place = self._at(slot)
        return table.set_backing(place, backing)

    def order(self, slot: int) -> int:
        """See SlotTable."""
        table, place = self._at(slot)
        return table.order(place)

    def memcg(self, slot: int) -> int:
        """See SlotTable."""
        table, place = self._at(slot)
        return table.memcg(place)

    def shadow(self, slot: int) -> int:
        """See SlotTable."""
        table, place = self._at(slot)
        return table.shadow(place)

    def set_shadow(self, slot: int, shadow: int) -> None:
        """See SlotTable."""
        table, place = self._at(slot)
        table.set_shadow(place, shadow)

    def slots(self) -> Iterator[int]:
        """See SlotTable."""
        for tier in self._tables:
            yield from self.on_device(tier)

    def on_device(self, tier: TierKey) -> Iterator[int]:
        """Every live slot of a device, wherever its data is."""
        if tier in self._tables:
            for place in self._tables[tier].slots():
                yield _first(tier) | place

    def backed_by(self, kind: BackingType, device: int = 0) -> Iterator[list[int]]:
        """See SlotTable."""
        for home, table in self._tables.items():
            for places in table.backed_by(kind, device):
                yield [_first(home) | place for place in places]

    @property
    def clusters(self) -> int:
        """Clusters in existence."""
        return sum(table.clusters for table in self._tables.values())

    @property
    def bytes(self) -> int:
        """What kernels without virtual slots have for them, whether they are in use or not."""
        return self._places * PLACE_BITS // 8


VIRTUAL = TierKey(BackingType.NONE)
"""Where slots are that are a place on no device."""


class XswapSlots(DirectSlots):
    """Direct slots, and before them those of a virtual swapfile, which have no place on a device: so many, and when
    they are all in use the slots are direct ones (docs/vswap/xswap.md).

    Attributes:
        redirected: slots of the virtual swapfile whose data is on a device; each takes a place there as well.
    """

    def __init__(self, limit: int | None, cpus: int, layout: Layout) -> None:
        """`limit`: slots of the virtual swapfile."""
        super().__init__(cpus)
        self._limit = limit
        self._virtual = self._tables[VIRTUAL] = SlotTable(limit, cpus, layout)
        self.redirected = 0

    def shortage(self) -> str:
        """See SlotTable. Said as soon as the virtual swapfile is full: not every page may take a place on a device."""
        if self.has_virtual:
            return ""
        full = f"all {self._limit} slots of the virtual swapfile are in use (tiers.xswap_pages)"
        return ", and ".join(filter(None, [full, super().shortage()]))

    def set_backing(self, slot: int, backing: Backing) -> Backing:
        """See SlotTable."""
        old = super().set_backing(slot, backing)
        self.redirected += self._redirected(slot, backing) - self._redirected(slot, old)
        return old

    def unpin(self, slot: int) -> Backing | None:
        """See SlotTable."""
        freed = super().unpin(slot)
        self.redirected -= self._redirected(slot, freed)
        return freed

    def put(self, slot: int) -> Backing | None:
        """See SlotTable."""
        freed = super().put(slot)
        self.redirected -= self._redirected(slot, freed)
        return freed

    def _redirected(self, slot: int, backing: Backing | None) -> bool:
        return backing is not None and backing.type in ON_DEVICE and self.home(slot) == VIRTUAL

    @property
    def has_virtual(self) -> bool:
        """The virtual swapfile has a free slot."""
        return self._virtual.has_room()

    @property
    def bytes(self) -> int:
        """As DirectSlots, and the clusters of the virtual swapfile, which are made on demand."""
        return super().bytes + self._virtual.bytes


AnySlots = SlotTable | DirectSlots
