# SPDX-License-Identifier: MIT
"""What a slot is, and what goes with it: a number of its own (virtual), a place on a device (direct), or
either (xswap).

Everything above is the same for all and asks the layer; only who makes it knows which one it is. The last reference to
a slot takes what backed it, and what was charged for it, along in the same step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from typing import Any, Generic, Protocol, TypeVar

from hw.clock import Event
from vswap.base.backing import NOWHERE, ON_DEVICE, PHYSICAL, Backing, BackingType, TierKey
from vswap.base.errors import SwapMaxReached
from vswap.mm.memcg import Memcg
from vswap.slots.compact import CompactCluster
from vswap.slots.direct import VIRTUAL, AnySlots, DirectSlots, XswapSlots
from vswap.slots.table import Layout, SlotTable

S = TypeVar("S", bound=AnySlots)


class Search(Enum):
    """How the pages of a tier are found (swapoff)."""

    PAGE_TABLES = "page tables"
    """Every PTE of every space is looked at: what kernels do without virtual slots."""
    SLOTS = "slots"
    """Every virtual slot is looked at."""
    REVERSE_MAP = "reverse map"
    """The tier's own map says which slots it has."""


class Tiers(Protocol):
    """What a layer needs of the tiers (tiers/tierset.py)."""

    def free(self, backing: Backing) -> None:
        """Drop what is at this place."""

    def places(self) -> Mapping[TierKey, int]:
        """The tiers on which a slot can be a place, as they are tried, and how many places each has."""

    def takes(self, key: TierKey) -> bool:
        """The tier takes new pages now."""

    @property
    def swap_is_on(self) -> bool:
        """There is somewhere to swap to: a tier beside zero that was not switched off."""


class Layer(ABC, Generic[S]):
    """What all layers are: the slots, their groups, and the freeing of what backs them.

    Attributes:
        slots: the slots alive.
        memcg_of: the group that a slot belongs to, removed or not; raises SlotGone.
        searches: the ways in which swapoff finds pages, the fastest first.
        behind_zswap: the types of tiers that zswap may write back to.
    """

    searches: tuple[Search, ...]
    behind_zswap: frozenset[BackingType]

    def __init__(self, slots: S, memcg_of: Callable[[int], Memcg], tiers: Tiers, reap_wanted: Event) -> None:
        """`reap_wanted` is raised for the trim of a device page that was freed."""
        self.slots = slots
        self.memcg_of = memcg_of
        self._tiers = tiers
        self._reap_wanted = reap_wanted

    @staticmethod
    @abstractmethod
    def make_slots(limit: int | None, cpus: int = 1, layout: Layout = CompactCluster) -> S:
        """An empty set of slots, at most `limit` of virtual ones, for so many processors. Apart from the layer, since
        tiers need to know whose a slot is before the layer knows the tiers."""

    @abstractmethod
    def allocate(self, memcg: Memcg, order: int = 0, only: Iterable[TierKey] | None = None, cpu: int = 0) -> int:
        """A new slot for a page of the group, or the first of 2^order; `only` on these devices, where a slot is on one.
        `cpu`: the processor that asks. Raises SlotsExhausted."""

    @abstractmethod
    def changes_devices(self, slot: int) -> bool:
        """The page can be moved to another device while PTEs name its slot (0: none yet). Else it has to come back into
        memory, and leaves with another slot."""

    @abstractmethod
    def tied(self, slot: int, tier: TierKey) -> bool:
        """The slot is a place on this tier: its page cannot leave it without another slot."""

    @abstractmethod
    def closed(self, slot: int) -> bool:
        """The slot is a place on a device that takes nothing: it is of no use to a page in memory."""

    @abstractmethod
    def may_hold(self, tier: TierKey, slot: int) -> bool:
        """The data of the slot may be on this tier."""

    @abstractmethod
    def device(self, slot: int) -> BackingType:
        """The kind of device that a load of the slot goes to: the one whose place it is, or the one that has its
        data."""

    @abstractmethod
    def has_place_besides(self, tier: TierKey) -> bool:
        """A page that is a place on this tier finds one on another device, once it has come back into memory."""

    def can_swap(self, memcg: Memcg) -> bool:
        """A page of the group may get a slot, and there is somewhere to swap it to (can_reclaim_anon_pages)."""
        return self._tiers.swap_is_on

    def has_swap(self) -> bool:
        """There is somewhere to swap to, full or not (total_swap_pages)."""
        return self._tiers.swap_is_on

    @abstractmethod
    def charges_at_store(self, kind: BackingType) -> bool:
        """Swap is charged when a page is stored on such a tier, and uncharged when it leaves it."""

    @abstractmethod
    def charged(self, slot: int) -> bool:
        """The slot is charged to its group as swap."""

    @abstractmethod
    def places_on(self, tier: TierKey) -> Iterator[int]:
        """Every live slot that is a place on this tier, wherever its data is."""

    def uses(self, slot: int, tier: TierKey) -> bool:
        """The slot has its data on this tier, or is a place on it."""
        return self.tied(slot, tier) or self.slots.backing(slot).tier == tier

    def change_backing(self, slot: int, backing: Backing) -> None:
        """Give a pinned slot another backing and free the old one."""
        self.release(self.slots.set_backing(slot, backing), self.memcg_of(slot))

    def release(self, backing: Backing, memcg: Memcg) -> None:
        """Free a place and what is charged for it: what backed a slot of this group that is gone or has another backing
        now, or what was just stored for one and is not needed."""
        if backing.type in NOWHERE:
            return
        self._tiers.free(backing)
        if self.charges_at_store(backing.type):
            memcg.uncharge_swap(1)
        if backing.type is BackingType.CRAM:
            self._reap_wanted.set()

    def take_shadow(self, slot: int) -> int:
        """The shadow of a slot, which is left without one."""
        shadow = self.slots.shadow(slot)
        self.slots.set_shadow(slot, 0)
        return shadow

    def put(self, slot: int) -> None:
        """A PTE that named the slot is gone (swap_free)."""
        memcg = self.memcg_of(slot)
        self._put(slot, memcg, self.slots.put(slot))

    # Pins of the swap cache

    def pinned(self, slot: int) -> bool:
        """See Pins."""
        return self.slots.pinned(slot)

    def pin(self, slot: int) -> None:
        """See Pins."""
        self.slots.pin(slot)

    def unpin(self, slot: int) -> None:
        """See Pins."""
        memcg = self.memcg_of(slot)
        self._put(slot, memcg, self.slots.unpin(slot))

    # Inside

    def _put(self, slot: int, memcg: Memcg, backing: Backing | None) -> None:
        """A reference was dropped: `backing` is to be freed if it was the last one, else None."""
        if backing is not None:
            self.release(backing, memcg)


class VirtualLayer(Layer[SlotTable]):
    """Slots are numbers; what backs one changes behind its back. Swap is charged while a swap device has the page."""

    searches = (Search.REVERSE_MAP, Search.SLOTS, Search.PAGE_TABLES)
    behind_zswap = ON_DEVICE

    @staticmethod
    def make_slots(limit: int | None, cpus: int = 1, layout: Layout = CompactCluster) -> SlotTable:
        """See Layer."""
        return SlotTable(limit, cpus, layout)

    def allocate(self, memcg: Memcg, order: int = 0, only: Iterable[TierKey] | None = None, cpu: int = 0) -> int:
        """See Layer."""
        return self.slots.allocate(memcg.id, order, cpu)

    def changes_devices(self, slot: int) -> bool:
        """See Layer."""
        return True

    def tied(self, slot: int, tier: TierKey) -> bool:
        """See Layer."""
        return False

    def closed(self, slot: int) -> bool:
        """See Layer."""
        return False

    def device(self, slot: int) -> BackingType:
        """See Layer."""
        return self.slots.backing(slot).type

    def may_hold(self, tier: TierKey, slot: int) -> bool:
        """See Layer."""
        return True

    def has_place_besides(self, tier: TierKey) -> bool:
        """See Layer."""
        return True

    def charges_at_store(self, kind: BackingType) -> bool:
        """See Layer."""
        return kind in PHYSICAL

    def charged(self, slot: int) -> bool:
        """See Layer."""
        return self.slots.backing(slot).type in PHYSICAL

    def places_on(self, tier: TierKey) -> Iterator[int]:
        """See Layer."""
        return iter(())


class DirectLayer(Layer[DirectSlots]):
    """Slots are places on devices. Swap is charged from the allocation on, wherever the data is."""

    searches = (Search.PAGE_TABLES,)
    behind_zswap = PHYSICAL

    def __init__(self, slots: DirectSlots, memcg_of: Callable[[int], Memcg], tiers: Tiers, reap_wanted: Event) -> None:
        super().__init__(slots, memcg_of, tiers, reap_wanted)
        for key, capacity in tiers.places().items():
            slots.add_device(key, capacity)

    @staticmethod
    def make_slots(limit: int | None, cpus: int = 1, layout: Layout = CompactCluster) -> DirectSlots:
        """See Layer; their number is that of the places, and their layout the kernel's."""
        return DirectSlots(cpus)

    def allocate(self, memcg: Memcg, order: int = 0, only: Iterable[TierKey] | None = None, cpu: int = 0) -> int:
        """See Layer."""
        slot = self.slots.allocate(memcg.id, order, cpu, self._places(only))
        if self.charged(slot) and not memcg.try_charge_swap(1 << order):
            for each in range(slot, slot + (1 << order)):
                self.slots.unpin(each)
            raise SwapMaxReached(f"group {memcg.name} is at its memory.swap.max")
        return slot

    def _places(self, only: Iterable[TierKey] | None) -> list[TierKey]:
        """Where a new slot may be."""
        return [key for key in (self._tiers.places() if only is None else only) if self._tiers.takes(key)]

    def changes_devices(self, slot: int) -> bool:
        """See Layer."""
        return False

    def tied(self, slot: int, tier: TierKey) -> bool:
        """See Layer."""
        return self.slots.home(slot) == tier

    def closed(self, slot: int) -> bool:
        """See Layer."""
        return not self._tiers.takes(self.slots.home(slot))

    def device(self, slot: int) -> BackingType:
        """See Layer."""
        return self.slots.home(slot).type

    def may_hold(self, tier: TierKey, slot: int) -> bool:
        """See Layer: its own device may, zswap in front of a swap device, or nobody (zero)."""
        home = self.slots.home(slot)
        if tier.type is BackingType.ZSWAP:
            return home.type in PHYSICAL
        return tier == home or tier.type is BackingType.ZERO

    def can_swap(self, memcg: Memcg) -> bool:
        """See Layer: a device has a free place, and the group may have it."""
        return any(self.slots.has_place(key) and (key.type not in PHYSICAL or memcg.may_swap())
                   for key in self._places(None))  # fmt: skip

    def has_swap(self) -> bool:
        """See Layer."""
        return bool(self._places(None))

    def has_place_besides(self, tier: TierKey) -> bool:
        """See Layer."""
        return any(key != tier and self.slots.has_place(key) for key in DirectLayer._places(self, None))

    def charges_at_store(self, kind: BackingType) -> bool:
        """See Layer."""
        return False

    def charged(self, slot: int) -> bool:
        """See Layer."""
        return self.slots.home(slot).type in PHYSICAL

    def places_on(self, tier: TierKey) -> Iterator[int]:
        """See Layer."""
        return self.slots.on_device(tier)

    def _put(self, slot: int, memcg: Memcg, backing: Backing | None) -> None:
        super()._put(slot, memcg, backing)
        if backing is not None and self.charged(slot):
            memcg.uncharge_swap(1)


class XswapLayer(DirectLayer):
    """The virtual layer is a swapfile without a device, tried before the devices. What backs one of its slots changes
    as with virtual ones; when it is full, slots are direct ones. Swap is charged as for any swapfile: for each slot,
    from the allocation on."""

    slots: XswapSlots
    behind_zswap = VirtualLayer.behind_zswap

    @staticmethod
    def make_slots(limit: int | None, cpus: int = 1, layout: Layout = CompactCluster) -> XswapSlots:
        """See Layer."""
        return XswapSlots(limit, cpus, layout)

    def _places(self, only: Iterable[TierKey] | None) -> list[TierKey]:
        return [VIRTUAL, *super()._places(only)]

    def _virtual(self, slot: int) -> bool:
        return self.slots.home(slot) == VIRTUAL

    def changes_devices(self, slot: int) -> bool:
        """See Layer."""
        return self._virtual(slot) if slot else self.slots.has_virtual

    def closed(self, slot: int) -> bool:
        """See Layer."""
        return not self._virtual(slot) and super().closed(slot)

    def device(self, slot: int) -> BackingType:
        """See Layer."""
        return self.slots.backing(slot).type if self._virtual(slot) else super().device(slot)

    def may_hold(self, tier: TierKey, slot: int) -> bool:
        """See Layer."""
        return self._virtual(slot) or super().may_hold(tier, slot)

    def charged(self, slot: int) -> bool:
        """See Layer."""
        return self._virtual(slot) or super().charged(slot)


LAYERS: Mapping[str, type[Layer[Any]]] = {"virtual": VirtualLayer, "direct": DirectLayer, "xswap": XswapLayer}
