# SPDX-License-Identifier: MIT
"""Virtual swap slots: the numbers that PTEs hold, and what backs each of them (docs/vswap/slots.md)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Protocol

from vswap.base.backing import Backing, BackingType
from vswap.base.errors import AlreadyCached, ContractViolation, CountOverflow, SlotGone, SlotsExhausted
from vswap.slots.cluster import CLUSTER_SLOTS, HIGHEST_ORDER, MOST_DEVICES, MOST_HANDLES, Cluster
from vswap.slots.compact import CompactCluster

_SHIFT, _MASK = 9, CLUSTER_SLOTS - 1


class Layout(Protocol):
    """Makes clusters, whose descriptors lie in one way."""

    def __call__(self, order: int, *, reserved: int) -> Cluster:
        """`reserved`: units at the start that are never handed out."""


class SlotTable:
    """All virtual slots, numbered cluster * 512 + index; slot 0 is never used.

    A cluster is made on demand for one order and dropped when empty. A slot lives while its swap_count is above 0 or it
    is pinned in the swap cache; the two are never added up in a stored number. It starts pinned with count 0. Whoever
    drops the last reference is handed the backing to free.

    Calls never wait, and take the same number of steps however many slots there are: a cluster is found by its number,
    and it finds a free unit in itself.

    Attributes:
        used: slots alive.
        alloc_reject: allocations refused at the limit.
    """

    def __init__(self, limit: int | None = None, cpus: int = 1, layout: Layout = CompactCluster) -> None:
        """`limit`: most slots alive at once, None for no limit. `cpus`: processors with a cached cluster each."""
        self._limit = limit
        self._layout = layout
        self._clusters: list[Cluster | None] = []  # by number, None where it was dropped
        self._partial = tuple(OrderedDict[int, Cluster]() for _ in range(HIGHEST_ORDER + 1))  # oldest first
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
        if not self.has_room(size):
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
        first = cluster.take(memcg)
        cluster.live += size
        if not cluster.free_units:  # on no list until a slot of it is freed
            cluster.cached_by = -1
            self._cached[cpu][order] = None
        self.used += size
        return cluster_id << _SHIFT | first

    def has_room(self, count: int = 1) -> bool:
        """So many slots more are within the limit."""
        return self._limit is None or self.used + count <= self._limit

    def shortage(self) -> str:
        """A clause: why there is no slot to be had; empty where there is one."""
        return "" if self.has_room() else f"all {self._limit} virtual slots are in use (slot_limit)"

    def _new_cluster(self, order: int) -> tuple[int, Cluster]:
        cluster_id = self._unused_id()
        if not cluster_id and order == HIGHEST_ORDER:  # slot 0 is never used, so its cluster is never whole
            cluster_id = self._unused_id()
            self._unused_ids.append(0)
        cluster = self._layout(order, reserved=0 if cluster_id else 1)
        self._clusters[cluster_id] = cluster
        return cluster_id, cluster

    def _unused_id(self) -> int:
        if not self._unused_ids:
            self._unused_ids.append(len(self._clusters))
            self._clusters.append(None)
        return self._unused_ids.pop()

    def _free(self, slot: int, cluster: Cluster) -> Backing:
        """Free a slot whose last reference is gone."""
        cluster_id, index = slot >> _SHIFT, slot & _MASK
        order = cluster.order
        backing = cluster.clear(index)
        cluster.live -= 1
        self.used -= 1
        if not cluster.live:
            self._drop(cluster_id, cluster)
        elif not order or not cluster.unit_lives(index):
            was_full = not cluster.free_units
            cluster.give_back(index >> order)
            if was_full and cluster.cached_by < 0:
                self._partial[order][cluster_id] = cluster
        return backing

    def _drop(self, cluster_id: int, cluster: Cluster) -> None:
        self._clusters[cluster_id] = None
        self._partial[cluster.order].pop(cluster_id, None)
        if cluster.cached_by >= 0:
            self._cached[cluster.cached_by][cluster.order] = None
        self._unused_ids.append(cluster_id)

    # References

    def pin(self, slot: int) -> None:
        """Pin for the swap cache. Raises AlreadyCached, SlotGone."""
        cluster, index, references = self._find(slot)
        if references & 1:
            raise AlreadyCached(f"slot {slot} is in the swap cache")
        cluster.set_references(index, references | 1)

    def unpin(self, slot: int) -> Backing | None:
        """Drop the swap cache's pin. The backing to free when that was the last reference, else None."""
        cluster, index, references = self._find(slot)
        if not references & 1:
            raise ContractViolation(f"slot {slot} is not pinned")
        if references > 1:
            cluster.set_references(index, references - 1)
            return None
        return self._free(slot, cluster)

    def duplicate(self, slot: int, *, atomic: bool = False) -> None:
        """One more PTE names the slot. Raises SlotGone on a dead slot, CountOverflow beyond the layout's most PTEs, and
        if it is to be `atomic`, TableWanted.

        The step from 0 to 1 needs the pin, so that it happens under the folio lock only.
        """
        cluster, index, references = self._find(slot)
        if references >> 1 == cluster.most_ptes:
            raise CountOverflow(f"{cluster.most_ptes} PTEs name slot {slot}")
        cluster.set_references(index, references + 2, atomic=atomic)

    def put(self, slot: int) -> Backing | None:
        """One PTE fewer names the slot. The backing to free when that was the last reference, else None."""
        cluster, index, references = self._find(slot)
        if references < 2:
            raise ContractViolation(f"slot {slot} has no PTE to drop")
        if references > 2:
            cluster.set_references(index, references - 2)
            return None
        return self._free(slot, cluster)

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
        return self._find(slot)[2] >> 1

    def pinned(self, slot: int) -> bool:
        """True while the swap cache holds the slot. Raises SlotGone."""
        return self._find(slot)[2] & 1 != 0

    def backing(self, slot: int) -> Backing:
        """What backs the slot. Without the pin this is a hint that must be read again. Raises SlotGone."""
        cluster, index, _ = self._find(slot)
        return cluster.backing(index)

    def set_backing(self, slot: int, backing: Backing) -> Backing:
        """Change what backs a pinned slot (the caller holds the folio lock); the old backing, the caller's to free.

        Raises SlotGone; ContractViolation when the slot is not pinned; OverflowError beyond MOST_HANDLES, MOST_DEVICES.
        """
        cluster, index, references = self._find(slot)
        if not references & 1:
            raise ContractViolation(f"backing of slot {slot} changed without the pin")
        if not (0 <= backing.handle < MOST_HANDLES and 0 <= backing.device < MOST_DEVICES):
            raise OverflowError(
                f"handle {backing.handle} on device {backing.device} of slot {slot}, expected 0 to {MOST_HANDLES - 1}"
                f" on 0 to {MOST_DEVICES - 1}"
            )
        old = cluster.backing(index)
        cluster.set_backing(index, backing)
        return old

    def order(self, slot: int) -> int:
        """The order of the allocation that the slot was part of. Raises SlotGone."""
        return self._find(slot)[0].order

    def memcg(self, slot: int) -> int:
        """The memory control group the slot belongs to. Raises SlotGone."""
        cluster, index, _ = self._find(slot)
        return cluster.memcg(index)

    def shadow(self, slot: int) -> int:
        """What was left when the slot's folio was reclaimed (vswap/mm/workingset.py), else 0. Raises SlotGone."""
        cluster, index, _ = self._find(slot)
        return cluster.shadow(index)

    def set_shadow(self, slot: int, shadow: int) -> None:
        """Leave a shadow of 32 bits. Raises SlotGone."""
        cluster, index, _ = self._find(slot)
        cluster.set_shadow(index, shadow)

    def _find(self, slot: int) -> tuple[Cluster, int, int]:
        """The cluster, the slot's index in it, and its references."""
        number = slot >> _SHIFT
        if 0 <= number < len(self._clusters):
            cluster = self._clusters[number]
            if cluster is not None:
                index = slot & _MASK
                references = cluster.references(index)
                if references:
                    return cluster, index, references
        raise SlotGone(f"slot {slot} is free")

    # All of them

    def slots(self) -> Iterator[int]:
        """Every live slot, ascending."""
        for number, cluster in enumerate(self._clusters[:]):
            if cluster is not None:
                for index in cluster.living():
                    yield number << _SHIFT | index

    def backed_by(self, kind: BackingType, device: int = 0) -> Iterator[list[int]]:
        """Cluster by cluster, the live slots that this tier backs (not NONE); a hint, as `backing` is."""
        wanted = Backing(kind, 0, device)
        for number, cluster in enumerate(self._clusters[:]):
            if cluster is not None:
                yield [number << _SHIFT | index for index in cluster.backed_by(wanted)]

    @property
    def clusters(self) -> int:
        """Clusters in existence."""
        return len(self._clusters) - len(self._unused_ids)

    @property
    def bytes(self) -> int:
        """What the descriptors and the allocators of all clusters take."""
        return sum(cluster.bytes for cluster in self._clusters if cluster is not None)
