"""Virtual swap slots: the numbers that PTEs hold, and what backs each of them (docs/vswap.md, "Slots")."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from vswap.errors import AlreadyCached, ContractViolation, SlotGone, SlotsExhausted

CLUSTER_SLOTS = 512


class BackingType(IntEnum):
    """Where a slot's data is."""

    NONE = 0
    ZERO = 1
    ZSWAP = 2
    CRAM = 3
    SWAPFILE = 4
    FOLIO = 5
    """Only in memory, in the folio that the swap cache holds."""


@dataclass(frozen=True)
class Backing:
    """What backs a slot: a type and the tier's handle (0 where the type has none)."""

    type: BackingType
    handle: int = 0


NO_BACKING = Backing(BackingType.NONE)


class _Cluster:
    """512 descriptors as columns, 16 bytes a slot: handle 8, swap_count 4, memcg 2, type 1, pinned 1."""

    __slots__ = ("free", "handle", "live", "memcg", "pinned", "swap_count", "type")

    def __init__(self, free: int) -> None:
        self.free = free  # bit i set: slot i is free
        self.live = 0
        self.handle: npt.NDArray[np.int64] = np.zeros(CLUSTER_SLOTS, np.int64)
        self.swap_count: npt.NDArray[np.uint32] = np.zeros(CLUSTER_SLOTS, np.uint32)
        self.memcg: npt.NDArray[np.uint16] = np.zeros(CLUSTER_SLOTS, np.uint16)
        self.type: npt.NDArray[np.uint8] = np.zeros(CLUSTER_SLOTS, np.uint8)
        self.pinned: npt.NDArray[np.bool_] = np.zeros(CLUSTER_SLOTS, np.bool_)


_ALL_FREE = (1 << CLUSTER_SLOTS) - 1


class SlotTable:
    """All virtual slots. Clusters of 512 are made on demand and dropped when empty; slot 0 is never used.

    A slot lives while its swap_count is above 0 or it is pinned in the swap cache; the two are never added up in a
    stored number. It starts pinned with count 0. Whoever drops the last reference is handed the backing to free.

    Calls never wait. A cluster found through a dict, a free slot through a bit mask: constant time.
    """

    def __init__(self, limit: int | None = None) -> None:
        """`limit`: most slots alive at once, None for no limit."""
        self._limit = limit
        self._clusters: dict[int, _Cluster] = {}
        self._partial: dict[int, None] = {}  # clusters with a free slot, oldest first
        self._current: int | None = None  # the cached cluster
        self._unused_ids: list[int] = []  # of clusters that were dropped
        self._next_id = 0
        self.used = 0
        self.alloc_reject = 0

    # Allocation

    def allocate(self, memcg: int = 0) -> int:
        """A new slot, pinned, count 0, backing NONE. The cached cluster is tried, then a partial one, then a new one.

        Raises:
            SlotsExhausted: the limit is reached; counted in `alloc_reject`.
        """
        if self._limit is not None and self.used >= self._limit:
            self.alloc_reject += 1
            raise SlotsExhausted(f"all {self._limit} virtual slots are in use")
        if self._current is None:
            self._current = next(iter(self._partial), None)
        if self._current is None:
            self._current = self._new_cluster()
        cluster_id = self._current
        cluster = self._clusters[cluster_id]
        lowest = cluster.free & -cluster.free
        index = lowest.bit_length() - 1
        cluster.free ^= lowest
        cluster.live += 1
        if not cluster.free:
            del self._partial[cluster_id]
            self._current = None
        self.used += 1
        cluster.memcg[index] = memcg
        cluster.pinned[index] = True
        return cluster_id * CLUSTER_SLOTS + index

    def _new_cluster(self) -> int:
        if self._unused_ids:
            cluster_id = self._unused_ids.pop()
        else:
            cluster_id = self._next_id
            self._next_id += 1
        self._clusters[cluster_id] = _Cluster(_ALL_FREE if cluster_id else _ALL_FREE & ~1)  # slot 0 is never used
        self._partial[cluster_id] = None
        return cluster_id

    def _free(self, slot: int) -> Backing:
        cluster, index = self._find(slot)
        backing = Backing(BackingType(int(cluster.type[index])), int(cluster.handle[index]))
        cluster.type[index] = cluster.handle[index] = cluster.memcg[index] = 0
        cluster_id = slot // CLUSTER_SLOTS
        cluster.free |= 1 << index
        cluster.live -= 1
        self._partial[cluster_id] = None
        self.used -= 1
        if not cluster.live:
            del self._clusters[cluster_id], self._partial[cluster_id]
            self._unused_ids.append(cluster_id)
            if self._current == cluster_id:
                self._current = None
        return backing

    # References

    def pin(self, slot: int) -> None:
        """Pin for the swap cache. Raises AlreadyCached, SlotGone."""
        cluster, index = self._find(slot)
        if cluster.pinned[index]:
            raise AlreadyCached(f"slot {slot} is in the swap cache")
        cluster.pinned[index] = True

    def unpin(self, slot: int) -> Backing | None:
        """Drop the swap cache's pin. The backing to free when that was the last reference, else None."""
        cluster, index = self._find(slot)
        if not cluster.pinned[index]:
            raise ContractViolation(f"slot {slot} is not pinned")
        cluster.pinned[index] = False
        return None if cluster.swap_count[index] else self._free(slot)

    def duplicate(self, slot: int) -> None:
        """One more PTE names the slot. Raises SlotGone on a dead slot.

        The step from 0 to 1 needs the pin, so that it happens under the folio lock only.
        """
        cluster, index = self._find(slot)
        cluster.swap_count[index] += 1

    def put(self, slot: int) -> Backing | None:
        """One PTE fewer names the slot. The backing to free when that was the last reference, else None."""
        cluster, index = self._find(slot)
        if not cluster.swap_count[index]:
            raise ContractViolation(f"slot {slot} has no PTE to drop")
        cluster.swap_count[index] -= 1
        return None if cluster.swap_count[index] or cluster.pinned[index] else self._free(slot)

    # Descriptor

    def alive(self, slot: int) -> bool:
        """True while something refers to the slot."""
        cluster = self._clusters.get(slot // CLUSTER_SLOTS)
        return slot > 0 and cluster is not None and not cluster.free >> slot % CLUSTER_SLOTS & 1

    def swap_count(self, slot: int) -> int:
        """PTEs that name the slot. Raises SlotGone."""
        cluster, index = self._find(slot)
        return int(cluster.swap_count[index])

    def pinned(self, slot: int) -> bool:
        """True while the swap cache holds the slot. Raises SlotGone."""
        cluster, index = self._find(slot)
        return bool(cluster.pinned[index])

    def memcg(self, slot: int) -> int:
        """The memory control group the slot belongs to. Raises SlotGone."""
        cluster, index = self._find(slot)
        return int(cluster.memcg[index])

    def backing(self, slot: int) -> Backing:
        """What backs the slot. Without the pin this is a hint that must be read again. Raises SlotGone."""
        cluster, index = self._find(slot)
        return Backing(BackingType(int(cluster.type[index])), int(cluster.handle[index]))

    def set_backing(self, slot: int, backing: Backing) -> Backing:
        """Change what backs a pinned slot (the caller holds the folio lock); the old backing, the caller's to free.

        Raises SlotGone; ContractViolation when the slot is not pinned.
        """
        cluster, index = self._find(slot)
        if not cluster.pinned[index]:
            raise ContractViolation(f"backing of slot {slot} changed without the pin")
        old = Backing(BackingType(int(cluster.type[index])), int(cluster.handle[index]))
        cluster.type[index] = backing.type
        cluster.handle[index] = backing.handle
        return old

    def slots(self) -> Iterator[int]:
        """Every live slot, ascending inside a cluster."""
        for cluster_id, cluster in list(self._clusters.items()):
            taken = ~cluster.free & (_ALL_FREE if cluster_id else _ALL_FREE & ~1)
            while taken:
                lowest = taken & -taken
                yield cluster_id * CLUSTER_SLOTS + lowest.bit_length() - 1
                taken ^= lowest

    @property
    def clusters(self) -> int:
        """Clusters in existence."""
        return len(self._clusters)

    def _find(self, slot: int) -> tuple[_Cluster, int]:
        if not self.alive(slot):
            raise SlotGone(f"slot {slot} is free")
        return self._clusters[slot // CLUSTER_SLOTS], slot % CLUSTER_SLOTS
