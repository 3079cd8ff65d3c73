# SPDX-License-Identifier: MIT
"""Our layout: descriptors of 14 bytes, whose free ones are the allocator (docs/vswap/slots.md, "Layouts").

The word:  63 device 60 59   handle   24 23 type 20 19  swap_count  1 0 pinned
A free slot's word has no references, and the number of the next free unit of its cluster in place of the handle.
"""

from __future__ import annotations

from array import array

import numpy as np
import numpy.typing as npt

from vswap.base.backing import Backing, BackingType
from vswap.slots.cluster import CLUSTER_SLOTS, DEVICE_BITS, HANDLE_BITS, HIGHEST_ORDER, Cluster

_REFERENCES = (1 << 20) - 1
_TYPE_SHIFT, _TYPE_MASK = 20, 0xF
_HANDLE_SHIFT, _HANDLE_MASK = 24, (1 << HANDLE_BITS) - 1
_DEVICE_SHIFT, _DEVICE_MASK = 60, (1 << DEVICE_BITS) - 1
_TYPES = tuple(BackingType)
_ZEROS = bytes(4 * CLUSTER_SLOTS)


def _all_free(order: int) -> bytes:
    links = np.zeros(CLUSTER_SLOTS, np.uint64)
    units = CLUSTER_SLOTS >> order
    links[:: 1 << order] = np.arange(1, units + 1, dtype=np.uint64) << np.uint64(_HANDLE_SHIFT)
    return links.tobytes()


_ALL_FREE = tuple(_all_free(order) for order in range(HIGHEST_ORDER + 1))


def _backing_of(word: int) -> Backing:
    return Backing(
        _TYPES[word >> _TYPE_SHIFT & _TYPE_MASK], word >> _HANDLE_SHIFT & _HANDLE_MASK, word >> _DEVICE_SHIFT
    )


class CompactCluster(Cluster):
    """Word of 8 bytes, shadow of 4, group of 2, as columns: `array` reads and writes an element several times faster
    than numpy does, and numpy scans it in place."""

    __slots__ = ("_free", "_memcgs", "_shadows", "_words")
    most_ptes = _REFERENCES >> 1
    finds_folio = False

    def __init__(self, order: int, *, reserved: int) -> None:
        super().__init__(order, reserved=reserved)
        self._free = reserved  # the first free unit; each names the next one
        self._words = array("Q", _ALL_FREE[order])
        self._shadows = array("I", _ZEROS)
        self._memcgs = array("H", _ZEROS[: 2 * CLUSTER_SLOTS])

    def take(self, memcg: int) -> int:
        """See Cluster."""
        words, order = self._words, self.order
        first = self._free << order
        self._free = words[first] >> _HANDLE_SHIFT
        self.free_units -= 1
        if order:
            for index in range(first, first + (1 << order)):
                words[index] = 1
                self._memcgs[index] = memcg
        else:
            words[first] = 1
            self._memcgs[first] = memcg
        return first

    def give_back(self, unit: int) -> None:
        """See Cluster."""
        self._words[unit << self.order] = self._free << _HANDLE_SHIFT
        self._free = unit
        self.free_units += 1

    def references(self, index: int) -> int:
        """See Cluster."""
        return self._words[index] & _REFERENCES

    def set_references(self, index: int, references: int, *, atomic: bool = False) -> None:
        """See Cluster."""
        self._words[index] = self._words[index] & ~_REFERENCES | references

    def clear(self, index: int) -> Backing:
        """See Cluster."""
        word = self._words[index]
        self._words[index] = self._shadows[index] = 0
        return _backing_of(word)

    def backing(self, index: int) -> Backing:
        """See Cluster."""
        return _backing_of(self._words[index])

    def set_backing(self, index: int, backing: Backing) -> None:
        """See Cluster."""
        self._words[index] = self._words[index] & _REFERENCES | _place(backing)

    def memcg(self, index: int) -> int:
        """See Cluster."""
        return self._memcgs[index]

    def shadow(self, index: int) -> int:
        """See Cluster."""
        return self._shadows[index]

    def set_shadow(self, index: int, shadow: int) -> None:
        """See Cluster."""
        self._shadows[index] = shadow

    def living(self) -> list[int]:
        """See Cluster."""
        return _indices(self._scan() & np.uint64(_REFERENCES))

    def backed_by(self, backing: Backing) -> list[int]:
        """See Cluster."""
        mask = np.uint64(_TYPE_MASK << _TYPE_SHIFT | _DEVICE_MASK << _DEVICE_SHIFT)
        return _indices(self._scan() & mask == np.uint64(_place(backing) & int(mask)))

    @property
    def bytes(self) -> int:
        """See Cluster."""
        return sum(column.itemsize * len(column) for column in (self._words, self._shadows, self._memcgs))

    def _scan(self) -> npt.NDArray[np.uint64]:
        return np.frombuffer(self._words, np.uint64)


def _place(backing: Backing) -> int:
    kind, handle, device = backing
    return kind << _TYPE_SHIFT | handle << _HANDLE_SHIFT | device << _DEVICE_SHIFT


def _indices(marks: npt.NDArray[np.uint64] | npt.NDArray[np.bool_]) -> list[int]:
    found: list[int] = np.flatnonzero(marks).tolist()
    return found
