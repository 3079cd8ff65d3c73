# SPDX-License-Identifier: MIT
"""The layout of the swap-table series, v5: two words of 8 bytes a slot, and 2 for its group (docs/vswap/slots.md,
"Layouts").

    virtual table   63 device 60 59   handle   24 ...  6 kind 3 2 type 0    type: none, device, zswap, CRAM, folio, lost
    swap table      63 count 60  59 zero  58 bad  ...  33   shadow   2 1 folio 0

A count of 15 says that the extend table of the cluster has it: 4 bytes a slot, made when a count first comes so far.
`kind` stands for what the kernel reads from the device: whether it is a file, zram or another. In the place of the
shadow the kernel has the frame number of a cached folio; the model keeps folios in SwapCache.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from vswap.base.backing import PHYSICAL, Backing, BackingType
from vswap.base.errors import TableWanted
from vswap.slots.cluster import CLUSTER_SLOTS, DEVICE_BITS, HANDLE_BITS, Cluster

_COUNT_SHIFT, _EXTENDED = 60, 15
_ZERO, _BAD, _FOLIO = 1 << 59, 1 << 58, 1
_SHADOW_SHIFT, _SHADOW_MASK = 2, 0xFFFF_FFFF
_HANDLE_SHIFT, _HANDLE_MASK, _DEVICE_SHIFT = 24, (1 << HANDLE_BITS) - 1, 60
_KIND_SHIFT, _KIND_MASK, _TYPE_MASK = 3, 0xF, 7
_TIER_MASK = (1 << DEVICE_BITS) - 1 << _DEVICE_SHIFT | _KIND_MASK << _KIND_SHIFT | _TYPE_MASK
_DEVICE_TYPE = 1
_TYPE_OF = {
    BackingType.NONE: 0, **dict.fromkeys(PHYSICAL, _DEVICE_TYPE), BackingType.ZSWAP: 2, BackingType.CRAM: 3,
    BackingType.FOLIO: 4, BackingType.LOST: 5, BackingType.ZERO: 0,
}  # fmt: skip
_KINDS = tuple(BackingType)
_OF_TYPE: dict[int, BackingType] = {number: kind for kind, number in _TYPE_OF.items() if kind is not BackingType.ZERO}
_ZEROS = bytes(8 * CLUSTER_SLOTS)


class SwapTableCluster(Cluster):
    """The tables of a cluster. A word of zeros in the swap table is a free slot: the allocator looks for one."""

    __slots__ = ("_extend", "_first", "_may_extend", "_memcgs", "_swap", "_virtual")
    most_ptes = (1 << 32) - 1

    def __init__(self, order: int, *, reserved: int, may_extend: Callable[[], bool] = lambda: True) -> None:
        """`may_extend`: there is memory for an extend table without waiting for it."""
        super().__init__(order, reserved=reserved)
        self._virtual = array("Q", _ZEROS)
        self._swap = array("Q", _ZEROS)
        self._memcgs = array("H", _ZEROS[: 2 * CLUSTER_SLOTS])
        self._extend: array[int] | None = None
        self._may_extend = may_extend
        self._first = reserved << order  # no slot before it is free
        for index in range(self._first):
            self._swap[index] = _BAD

    def take(self, memcg: int) -> int:
        """See Cluster."""
        swap, size = self._swap, 1 << self.order
        first = self._first if self.order else swap.index(0, self._first)
        while size > 1 and any(swap[first : first + size]):
            first += size
        for index in range(first, first + size):
            swap[index] = _FOLIO
            self._memcgs[index] = memcg
        self._first = first + size
        self.free_units -= 1
        return first

    def give_back(self, unit: int) -> None:
        """See Cluster."""
        self._first = min(self._first, unit << self.order)
        self.free_units += 1

    def references(self, index: int) -> int:
        """See Cluster."""
        word = self._swap[index]
        count = word >> _COUNT_SHIFT
        if count == _EXTENDED:
            assert self._extend is not None
            count = self._extend[index]
        return count << 1 | word & _FOLIO

    def set_references(self, index: int, references: int, *, atomic: bool = False) -> None:
        """See Cluster."""
        count = references >> 1
        if count >= _EXTENDED:
            if self._extend is None:
                if atomic and not self._may_extend():
                    raise TableWanted("no memory for an extend table")
                self._extend = array("I", _ZEROS[: 4 * CLUSTER_SLOTS])
            self._extend[index] = count
            count = _EXTENDED
        elif self._extend is not None:
            self._extend[index] = 0
        kept = self._swap[index] & ((1 << _COUNT_SHIFT) - 1) & ~_FOLIO
        self._swap[index] = kept | count << _COUNT_SHIFT | references & _FOLIO

    def clear(self, index: int) -> Backing:
        """See Cluster. An extend table that nobody needs goes."""
        backing = self.backing(index)
        self._virtual[index] = self._swap[index] = 0
        if self._extend is not None:
            self._extend[index] = 0
            if not any(self._extend):
                self._extend = None
        return backing

    def backing(self, index: int) -> Backing:
        """See Cluster."""
        place = self._virtual[index]
        kind: BackingType = _OF_TYPE[place & _TYPE_MASK]
        if kind in PHYSICAL:
            kind = _KINDS[place >> _KIND_SHIFT & _KIND_MASK]
        if self._swap[index] & _ZERO:
            kind = BackingType.ZERO
        return Backing(kind, place >> _HANDLE_SHIFT & _HANDLE_MASK, place >> _DEVICE_SHIFT)

    def set_backing(self, index: int, backing: Backing) -> None:
        """See Cluster."""
        kind = backing.type
        self._virtual[index] = _place(backing)
        self._swap[index] = self._swap[index] & ~_ZERO | (_ZERO if kind is BackingType.ZERO else 0)

    def memcg(self, index: int) -> int:
        """See Cluster."""
        return self._memcgs[index]

    def shadow(self, index: int) -> int:
        """See Cluster."""
        return self._swap[index] >> _SHADOW_SHIFT & _SHADOW_MASK

    def set_shadow(self, index: int, shadow: int) -> None:
        """See Cluster."""
        self._swap[index] = self._swap[index] & ~(_SHADOW_MASK << _SHADOW_SHIFT) | shadow << _SHADOW_SHIFT

    def living(self) -> list[int]:
        """See Cluster."""
        found: list[int] = np.flatnonzero(self._living()).tolist()
        return found

    def backed_by(self, backing: Backing) -> list[int]:
        """See Cluster."""
        swap, virtual = np.frombuffer(self._swap, np.uint64), np.frombuffer(self._virtual, np.uint64)
        is_zero = swap & np.uint64(_ZERO) != 0
        mask = np.uint64(_TIER_MASK)
        there = virtual & mask == np.uint64(_place(backing)) & mask
        wanted = is_zero == (backing.type is BackingType.ZERO)
        found: list[int] = np.flatnonzero(there & wanted & self._living()).tolist()
        return found

    @property
    def bytes(self) -> int:
        """See Cluster."""
        columns = [self._virtual, self._swap, self._memcgs, *([self._extend] if self._extend is not None else [])]
        return sum(column.itemsize * len(column) for column in columns)

    def _living(self) -> npt.NDArray[np.bool_]:
        swap = np.frombuffer(self._swap, np.uint64)
        lives: npt.NDArray[np.bool_] = (swap >> np.uint64(_COUNT_SHIFT) != 0) | (swap & np.uint64(_FOLIO) != 0)
        return lives


def _place(backing: Backing) -> int:
    kind, handle, device = backing
    what = kind << _KIND_SHIFT if kind in PHYSICAL else 0
    return _TYPE_OF[kind] | what | handle << _HANDLE_SHIFT | device << _DEVICE_SHIFT
