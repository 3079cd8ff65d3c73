# SPDX-License-Identifier: MIT
"""Virtual swap slots: the numbers that PTEs hold, and what backs each of them (docs/vswap/slots.md)."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from vswap.base.backing import Backing, BackingType
from vswap.base.errors import AlreadyCached, ContractViolation, CountOverflow, SlotGone, SlotsExhausted

CLUSTER_SLOTS = 512
HIGHEST_ORDER = 7  # 2^7 pages, 512 KiB
_SHIFT, _MASK = 9, CLUSTER_SLOTS - 1

# The descriptor's word:  63 device 60 59   handle   24 23  swap_count  5 4  type  1 0 pinned
# A free slot's word has no references, and the number of the next free unit of its cluster in place of the handle.
_PINNED = 1
_TYPE_SHIFT, _TYPE_MASK = 1, 0xF
_COUNT_ONE, _COUNT_SHIFT, _COUNT_MASK = 1 << 5, 5, 0x7FFFF
_HANDLE_SHIFT, _HANDLE_MASK = 24, (1 << 36) - 1
_DEVICE_SHIFT = 60
_COUNT = _COUNT_MASK << _COUNT_SHIFT
_REFERENCES = _COUNT | _PINNED

MOST_HANDLES = _HANDLE_MASK + 1
MOST_DEVICES = 1 << 64 - _DEVICE_SHIFT
MOST_PTES = _COUNT_MASK

DESCRIPTOR_BYTES = 8 + 4 + 2  # word, shadow, memcg


_TYPES = tuple(BackingType)


def _backing_of(word: int) -> Backing:
    return Backing(
        _TYPES[word >> _TYPE_SHIFT & _TYPE_MASK], word >> _HANDLE_SHIFT & _HANDLE_MASK, word >> _DEVICE_SHIFT
    )


class _Cluster:
    """512 descriptors of 14 bytes as columns, handed out in units of 2^order aligned slots.

    Attributes:
        words, shadows, memcgs: the columns; `array` reads and writes an element several times faster than numpy does,
            and numpy scans it in place.
        free: the first free unit, `units` when there is none; each names the next one.
        live: slots in use.
        cached_by: the processor whose allocations of this order go here, -1 for none.
    """

    __slots__ = ("cached_by", "free", "live", "memcgs", "order", "shadows", "units", "words")

    def __init__(self, order: int, *, reserved: int) -> None:
        """`reserved`: units at the start that are never handed out."""
        self.order = order
        self.units = CLUSTER_SLOTS >> order
        self.free = reserved
        self.live = 0
        self.cached_by = -1
        self.words = array("Q", _ALL_FREE[order])
        self.shadows = array("I", _ZEROS)
        self.memcgs = array("H", _ZEROS[: 2 * CLUSTER_SLOTS])

    def scan(self) -> npt.NDArray[np.uint64]:
        """The words as numpy reads them."""
        return np.frombuffer(self.words, np.uint64)


def _all_free(order: int) -> bytes:
    links = np.zeros(CLUSTER_SLOTS, np.uint64)
    units = CLUSTER_SLOTS >> order
    links[:: 1 << order] = np.arange(1, units + 1, dtype=np.uint64) << np.uint64(_HANDLE_SHIFT)
    return links.tobytes()


_ALL_FREE = tuple(_all_free(order) for order in range(HIGHEST_ORDER + 1))
_ZEROS = bytes(4 * CLUSTER_SLOTS)


class SlotTable:
    """All virtual slots, numbered cluster * 512 + index; slot 0 is never used.

    A cluster is made on demand for one order and dropped when empty. A slot lives while its swap_count is above 0 or it
    is pinned in the swap cache; the two are never added up in a stored number. It starts pinned with count 0. Whoever
    drops the last reference is handed the backing to free.

    Calls never wait, and take the same time however many slots there are: a cluster is found by its number, a free unit
    through the list that the free words form.

    Attributes:
        used: slots alive.
        alloc_reject: allocations refused at the limit.
    """

    def __init__(self, limit: int | None = None, cpus: int = 1) -> None:
        """`limit`: most slots alive at once, None for no limit. `cpus`: processors with a cached cluster each."""
        self._limit = limit
        self._clusters: list[_Cluster | None] = []  # by number, None where it was dropped
        self._partial = tuple(OrderedDict[int, _Cluster]() for _ in range(HIGHEST_ORDER + 1))  # oldest first
        self._cached: list[list[int | None]] = [[None] * (HIGHEST_ORDER + 1) for _ in range(cpus)]
        self._unused_ids: list[int] = []  # of clusters that were dropped
        self.used = 0
        self.alloc_reject = 0

    # Allocation

    def allocate(self, memcg: int = 0, order: int = 0, cpu: int = 0) -> int:
        """The first of 2^order new slots, contiguous and aligned; each is pinned, has count 0 and backing NONE.

        The processor's cached cluster is tried, then a partial one, then a new one.

        Raises:
            SlotsExhausted: the limit is reached; counted in `alloc_reject`.
        """
        size = 1 << order
        if self._limit is not None and self.used + size > self._limit:
            self.alloc_reject += 1
            raise SlotsExhausted(f"{self.used} of {self._limit} virtual slots are in use")
        cluster_id = self._cached[cpu][order]
        if cluster_id is None:
            partial = self._partial[order]
            cluster_id, cluster = partial.popitem(last=False) if partial else self._new_cluster(order)
            self._cached[cpu][order] = cluster_id
            cluster.cached_by = cpu
        else:
            cluster = self._clusters[cluster_id]  # type: ignore[assignment]  # what is cached exists
        first = cluster.free << order
        words = cluster.words
        cluster.free = words[first] >> _HANDLE_SHIFT
        if order:
            for index in range(first, first + size):
                words[index] = _PINNED
                cluster.memcgs[index] = memcg
        else:
            words[first] = _PINNED
            cluster.memcgs[first] = memcg
        cluster.live += size
        if cluster.free == cluster.units:  # full: on no list until a slot of it is freed
            cluster.cached_by = -1
            self._cached[cpu][order] = None
        self.used += size
        return cluster_id << _SHIFT | first

    def _new_cluster(self, order: int) -> tuple[int, _Cluster]:
        if self._unused_ids:
            cluster_id = self._unused_ids.pop()
        else:
            cluster_id = len(self._clusters)
            self._clusters.append(None)
        cluster = _Cluster(order, reserved=0 if cluster_id else 1)
        self._clusters[cluster_id] = cluster
        return cluster_id, cluster

    def _free(self, slot: int, cluster: _Cluster, word: int) -> Backing:
        """Free a slot whose last reference is gone, given its last word."""
        cluster_id, index = slot >> _SHIFT, slot & _MASK
        words = cluster.words
        order = cluster.order
        words[index] = cluster.shadows[index] = 0
        cluster.live -= 1
        self.used -= 1
        if not cluster.live:
            self._drop(cluster_id, cluster)
        elif not order or not self._unit_lives(cluster, index):
            was_full = cluster.free == cluster.units
            words[index >> order << order] = cluster.free << _HANDLE_SHIFT
            cluster.free = index >> order
            if was_full and cluster.cached_by < 0:
                self._partial[order][cluster_id] = cluster
        return _backing_of(word)

    @staticmethod
    def _unit_lives(cluster: _Cluster, index: int) -> bool:
        first = index >> cluster.order << cluster.order
        return any(word & _REFERENCES for word in cluster.words[first : first + (1 << cluster.order)])

    def _drop(self, cluster_id: int, cluster: _Cluster) -> None:
        self._clusters[cluster_id] = None
        self._partial[cluster.order].pop(cluster_id, None)
        if cluster.cached_by >= 0:
            self._cached[cluster.cached_by][cluster.order] = None
        self._unused_ids.append(cluster_id)

    # References

    def pin(self, slot: int) -> None:
        """Pin for the swap cache. Raises AlreadyCached, SlotGone."""
        cluster, index, word = self._find(slot)
        if word & _PINNED:
            raise AlreadyCached(f"slot {slot} is in the swap cache")
        cluster.words[index] = word | _PINNED

    def unpin(self, slot: int) -> Backing | None:
        """Drop the swap cache's pin. The backing to free when that was the last reference, else None."""
        cluster, index, word = self._find(slot)
        if not word & _PINNED:
            raise ContractViolation(f"slot {slot} is not pinned")
        if word & _COUNT:
            cluster.words[index] = word & ~_PINNED
            return None
        return self._free(slot, cluster, word)

    def duplicate(self, slot: int) -> None:
        """One more PTE names the slot. Raises SlotGone on a dead slot, CountOverflow beyond MOST_PTES.

        The step from 0 to 1 needs the pin, so that it happens under the folio lock only.
        """
        cluster, index, word = self._find(slot)
        if word & _COUNT == _COUNT:
            raise CountOverflow(f"{MOST_PTES} PTEs name slot {slot}")
        cluster.words[index] = word + _COUNT_ONE

    def put(self, slot: int) -> Backing | None:
        """One PTE fewer names the slot. The backing to free when that was the last reference, else None."""
        cluster, index, word = self._find(slot)
        if not word & _COUNT:
            raise ContractViolation(f"slot {slot} has no PTE to drop")
        word -= _COUNT_ONE
        if word & _REFERENCES:
            cluster.words[index] = word
            return None
        return self._free(slot, cluster, word)

    # Descriptor

    def alive(self, slot: int) -> bool:
        """True while something refers to the slot."""
        try:
            self._find(slot)
        except SlotGone:
            return False
        return True

    def swap_count(self, slot: int) -> int:
        """PTEs that name the slot. Raises SlotGone."""
        return self._find(slot)[2] >> _COUNT_SHIFT & _COUNT_MASK

    def pinned(self, slot: int) -> bool:
        """True while the swap cache holds the slot. Raises SlotGone."""
        return self._find(slot)[2] & _PINNED != 0

    def backing(self, slot: int) -> Backing:
        """What backs the slot. Without the pin this is a hint that must be read again. Raises SlotGone."""
        return _backing_of(self._find(slot)[2])

    def set_backing(self, slot: int, backing: Backing) -> Backing:
        """Change what backs a pinned slot (the caller holds the folio lock); the old backing, the caller's to free.

        Raises SlotGone; ContractViolation when the slot is not pinned; OverflowError beyond MOST_HANDLES, MOST_DEVICES.
        """
        cluster, index, word = self._find(slot)
        if not word & _PINNED:
            raise ContractViolation(f"backing of slot {slot} changed without the pin")
        kind, handle, device = backing
        if not (0 <= handle < MOST_HANDLES and 0 <= device < MOST_DEVICES):
            raise OverflowError(
                f"handle {handle} on device {device} of slot {slot}, expected 0 to {MOST_HANDLES - 1} on 0 to"
                f" {MOST_DEVICES - 1}"
            )
        cluster.words[index] = (
            word & _REFERENCES | kind << _TYPE_SHIFT | handle << _HANDLE_SHIFT | device << _DEVICE_SHIFT
        )
        return _backing_of(word)

    def order(self, slot: int) -> int:
        """The order of the allocation that the slot was part of. Raises SlotGone."""
        return self._find(slot)[0].order

    def memcg(self, slot: int) -> int:
        """The memory control group the slot belongs to. Raises SlotGone."""
        cluster, index, _ = self._find(slot)
        return cluster.memcgs[index]

    def shadow(self, slot: int) -> int:
        """What was left when the slot's folio was reclaimed (vswap/mm/workingset.py), else 0. Raises SlotGone."""
        cluster, index, _ = self._find(slot)
        return cluster.shadows[index]

    def set_shadow(self, slot: int, shadow: int) -> None:
        """Leave a shadow of 32 bits. Raises SlotGone."""
        cluster, index, _ = self._find(slot)
        cluster.shadows[index] = shadow

    def _find(self, slot: int) -> tuple[_Cluster, int, int]:
        """The cluster, the slot's index in it, and its word."""
        number = slot >> _SHIFT
        if 0 <= number < len(self._clusters):
            cluster = self._clusters[number]
            if cluster is not None:
                index = slot & _MASK
                word = cluster.words[index]
                if word & _REFERENCES:
                    return cluster, index, word
        raise SlotGone(f"slot {slot} is free")

    # All of them

    def slots(self) -> Iterator[int]:
        """Every live slot, ascending."""
        for number, cluster in enumerate(self._clusters[:]):
            if cluster is not None:
                for index in np.flatnonzero(cluster.scan() & np.uint64(_REFERENCES)).tolist():
                    yield number << _SHIFT | index

    def backed_by(self, kind: BackingType, device: int = 0) -> Iterator[list[int]]:
        """Cluster by cluster, the live slots that this tier backs (not NONE); a hint, as `backing` is."""
        mask = np.uint64(_TYPE_MASK << _TYPE_SHIFT | (MOST_DEVICES - 1) << _DEVICE_SHIFT)
        wanted = np.uint64(kind << _TYPE_SHIFT | device << _DEVICE_SHIFT)
        for number, cluster in enumerate(self._clusters[:]):
            if cluster is not None:
                found = np.flatnonzero(cluster.scan() & mask == wanted)
                yield [number << _SHIFT | index for index in found.tolist()]

    @property
    def clusters(self) -> int:
        """Clusters in existence."""
        return len(self._clusters) - len(self._unused_ids)
