# SPDX-License-Identifier: MIT
"""The layout of the vswap series, v4 to v6: descriptors of 24 bytes (docs/vswap/slots.md, "Layouts").

    word 0   63 device 60 59  ...  36 35   handle   0             the slot of a device, or the zswap entry
    word 1   folio in the swap cache, or shadow
    word 2   52 type 49 48 memcg 33 32  swap_count  1 0 in_swapcache

The address of a cached folio is not in word 1 here: the model keeps folios in SwapCache, and their addresses mean
nothing. The room is there.
"""

from __future__ import annotations

from array import array

import numpy as np
import numpy.typing as npt

from vswap.base.backing import Backing, BackingType
from vswap.slots.cluster import CLUSTER_SLOTS, HANDLE_BITS, Cluster

_WORDS = 3
_REFERENCES = (1 << 33) - 1
_MEMCG_SHIFT, _MEMCG_MASK = 33, 0xFFFF
_TYPE_SHIFT, _TYPE_MASK = 49, 0xF
_DEVICE_SHIFT = 60
_HANDLE_MASK = (1 << HANDLE_BITS) - 1
_TYPES = tuple(BackingType)
_ZEROS = bytes(8 * _WORDS * CLUSTER_SLOTS)


class DescriptorCluster(Cluster):
    """Descriptors one after the other, and a bitmap of the free units."""

    __slots__ = ("_descriptors", "_free")
    most_ptes = _REFERENCES >> 1

    def __init__(self, order: int, *, reserved: int) -> None:
        super().__init__(order, reserved=reserved)
        units = CLUSTER_SLOTS >> order
        self._free = (1 << units) - 1 & ~((1 << reserved) - 1)
        self._descriptors = array("Q", _ZEROS)

    def take(self, memcg: int) -> int:
        """See Cluster."""
        bit = self._free & -self._free
        self._free ^= bit
        self.free_units -= 1
        first = bit.bit_length() - 1 << self.order
        for index in range(first, first + (1 << self.order)):
            self._descriptors[_WORDS * index + 2] = memcg << _MEMCG_SHIFT | 1
        return first

    def give_back(self, unit: int) -> None:
        """See Cluster."""
        self._free |= 1 << unit
        self.free_units += 1

    def references(self, index: int) -> int:
        """See Cluster."""
        return self._descriptors[_WORDS * index + 2] & _REFERENCES

    def set_references(self, index: int, references: int, *, atomic: bool = False) -> None:
        """See Cluster."""
        at = _WORDS * index + 2
        self._descriptors[at] = self._descriptors[at] & ~_REFERENCES | references

    def clear(self, index: int) -> Backing:
        """See Cluster."""
        backing = self.backing(index)
        at = _WORDS * index
        self._descriptors[at] = self._descriptors[at + 1] = self._descriptors[at + 2] = 0
        return backing

    def backing(self, index: int) -> Backing:
        """See Cluster."""
        at = _WORDS * index
        place = self._descriptors[at]
        kind = _TYPES[self._descriptors[at + 2] >> _TYPE_SHIFT & _TYPE_MASK]
        return Backing(kind, place & _HANDLE_MASK, place >> _DEVICE_SHIFT)

    def set_backing(self, index: int, backing: Backing) -> None:
        """See Cluster."""
        at = _WORDS * index
        kind, handle, device = backing
        self._descriptors[at] = handle | device << _DEVICE_SHIFT
        self._descriptors[at + 2] = self._descriptors[at + 2] & ~(_TYPE_MASK << _TYPE_SHIFT) | kind << _TYPE_SHIFT

    def memcg(self, index: int) -> int:
        """See Cluster."""
        return self._descriptors[_WORDS * index + 2] >> _MEMCG_SHIFT & _MEMCG_MASK

    def shadow(self, index: int) -> int:
        """See Cluster."""
        return self._descriptors[_WORDS * index + 1]

    def set_shadow(self, index: int, shadow: int) -> None:
        """See Cluster."""
        self._descriptors[_WORDS * index + 1] = shadow

    def living(self) -> list[int]:
        """See Cluster."""
        found: list[int] = np.flatnonzero(self._column(2) & np.uint64(_REFERENCES)).tolist()
        return found

    def backed_by(self, backing: Backing) -> list[int]:
        """See Cluster."""
        of_kind = self._column(2) >> np.uint64(_TYPE_SHIFT) == np.uint64(backing.type)
        on_device = self._column(0) >> np.uint64(_DEVICE_SHIFT) == np.uint64(backing.device)
        found: list[int] = np.flatnonzero(of_kind & on_device).tolist()
        return found

    @property
    def bytes(self) -> int:
        """See Cluster."""
        return self._descriptors.itemsize * len(self._descriptors) + CLUSTER_SLOTS // 8  # the bitmap

    def _column(self, word: int) -> npt.NDArray[np.uint64]:
        return np.frombuffer(self._descriptors, np.uint64)[word::_WORDS]
