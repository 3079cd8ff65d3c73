"""Direct slots: the layer that kernels have without virtual swap (docs/vswap.md, "Direct layer").

A PTE names a place on a device. So a slot takes room on its device from the start, wherever its data is, and a page
that changes devices gets another slot, which every PTE must be made to name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from vswap.errors import SlotGone, SlotsExhausted
from vswap.slots import Backing, BackingType, SlotTable

_SHIFT = 32
_MASK = (1 << _SHIFT) - 1


class DirectSlots:
    """As SlotTable, with a table for each device; a slot is the device's number and the place on it.

    Args:
        capacities: device -> its places, in the order in which they are tried.
        takes: says whether a device takes new pages now.
    """

    def __init__(self, capacities: Mapping[BackingType, int], takes: Callable[[BackingType], bool]) -> None:
        self._tables = {kind: SlotTable(limit=capacity) for kind, capacity in capacities.items()}
        self._takes = takes
        self.alloc_reject = 0

    @property
    def used(self) -> int:
        """Slots alive, on all devices."""
        return sum(table.used for table in self._tables.values())

    def allocate(self, memcg: int = 0, order: int = 0, cpu: int = 0, only: Iterable[BackingType] | None = None) -> int:
        """As SlotTable.allocate, on the first device with room, out of `only` if given. Raises SlotsExhausted."""
        for kind, table in self._tables.items():
            if (only is None or kind in only) and self._takes(kind):
                try:
                    return kind << _SHIFT | table.allocate(memcg, order, cpu)
                except SlotsExhausted:
                    continue
        self.alloc_reject += 1
        raise SlotsExhausted("no device has a free slot")

    @staticmethod
    def home(slot: int) -> BackingType:
        """The device whose place the slot is."""
        return BackingType(slot >> _SHIFT)

    def _at(self, slot: int) -> tuple[SlotTable, int]:
        table = self._tables.get(slot >> _SHIFT)  # type: ignore[call-overload]  # an IntEnum is found by its number
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

    def duplicate(self, slot: int) -> None:
        """See SlotTable."""
        table, place = self._at(slot)
        table.duplicate(place)

    def put(self, slot: int) -> Backing | None:
        """See SlotTable."""
        table, place = self._at(slot)
        return table.put(place)

    def alive(self, slot: int) -> bool:
        """See SlotTable."""
        table = self._tables.get(slot >> _SHIFT)  # type: ignore[call-overload]
        return table is not None and table.alive(slot & _MASK)

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
        for kind in self._tables:
            yield from self.on_device(kind)

    def on_device(self, kind: BackingType) -> Iterator[int]:
        """Every live slot of a device, wherever its data is."""
        if kind in self._tables:
            for place in self._tables[kind].slots():
                yield kind << _SHIFT | place

    def backed_by(self, kind: BackingType) -> Iterator[list[int]]:
        """See SlotTable."""
        for home, table in self._tables.items():
            for places in table.backed_by(kind):
                yield [home << _SHIFT | place for place in places]

    @property
    def clusters(self) -> int:
        """Clusters in existence."""
        return sum(table.clusters for table in self._tables.values())


AnySlots = SlotTable | DirectSlots
