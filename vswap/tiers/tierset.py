# SPDX-License-Identifier: MIT
"""The tiers of a machine: which there are, in which order they are tried (docs/vswap/tiers.md)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from vswap.base.backing import PHYSICAL, Backing, BackingType, TierKey
from vswap.mm.folio import CramNode
from vswap.slots.cluster import MOST_DEVICES
from vswap.tiers.base import Tier
from vswap.tiers.cram import CramTier
from vswap.tiers.swapfile import SwapfileTier
from vswap.tiers.zswap import ZswapTier

NODE = " (node)"
"""In figures, behind the name of a CRAM tier that is a memory node: "cram (node)"."""


class TierSet:
    """Tiers by name and by key, in the order in which they are tried.

    Where the configuration names CRAM nodes, the nearest comes first; where it names swap devices, the one with the
    highest priority. Swap devices of one priority take turns, as those of swapon do.

    Attributes:
        order: all tiers as they are tried, zero first.
        swap: those of them that are tried at swap-out.
        demotes: CRAM nodes are memory that reclaim demotes to (`cram_mode`), and so no part of `swap`.
        named: name in the configuration -> tier.
        crams: the CRAM nodes, nearest first.
        zswap, swapfile: the first tier of that kind, None where there is none.
        devices: the swap devices, highest priority first.
        offline: tiers that are being, or have been, switched off.
        storing: stores under way, by tier.
    """

    def __init__(
        self,
        tiers: Mapping[str, Tier],
        *,
        distances: Mapping[str, int] | None = None,
        priorities: Mapping[str, int] | None = None,
        demotes: bool = False,
    ) -> None:
        """Tiers in the order of the configuration. `distances` of CRAM nodes and `priorities` of swap devices by name;
        without one, each is farther, or of lower priority, than those before it. `demotes`: CRAM nodes are memory that
        reclaim demotes to, and no swap."""
        self.named = dict(tiers)
        nodes = {tier for tier in tiers.values() if demotes and tier.type is BackingType.CRAM}
        self._names = {tier: f"{name}{NODE}" if tier in nodes else name for name, tier in tiers.items()}
        distances, priorities = distances or {}, priorities or {}
        ranks: dict[Tier, int] = {}
        for default, (name, tier) in enumerate(tiers.items(), 1):
            if tier.type is BackingType.CRAM:
                ranks[tier] = distances.get(name, 1_000_000 + default)
            elif tier.type in PHYSICAL:
                ranks[tier] = -priorities.get(name, -default)
        order = _ranked(list(tiers.values()), ranks, lambda tier: tier.type is BackingType.CRAM)
        self.order = tuple(_ranked(order, ranks, lambda tier: tier.type in PHYSICAL))
        self.demotes = demotes
        self.swap = tuple(tier for tier in self.order if not (demotes and tier.type is BackingType.CRAM))
        self._keys: dict[Tier | CramNode, TierKey] = {}
        for tier in tiers.values():  # numbered as configured
            device = sum(key.type is tier.type for key in self._keys.values())
            if device == MOST_DEVICES:
                raise ValueError(f"{device + 1} tiers of type {tier.type.name}, expected at most {MOST_DEVICES}")
            self._keys[tier] = TierKey(tier.type, device)
        self._tiers = {self._keys[tier]: tier for tier in tiers.values()}
        self.crams = tuple(tier for tier in self.order if isinstance(tier, CramTier))
        self.zswap = next((tier for tier in self.order if isinstance(tier, ZswapTier)), None)
        self.swapfile = next((tier for tier in self.order if isinstance(tier, SwapfileTier)), None)
        self.devices = tuple(tier for tier in self.order if tier.type in PHYSICAL)
        self.offline: set[Tier] = set()
        self.storing: Counter[Tier] = Counter()
        self._turns: dict[Tier, list[Tier]] = {}  # of swap devices that share a priority: who is next
        for tier in self.devices:
            group = [other for other in self.devices if ranks[other] == ranks[tier]]
            if len(group) > 1:
                self._turns[tier] = self._turns.get(group[0], group)

    def __getitem__(self, key: TierKey) -> Tier:
        """The tier of a key. Raises KeyError."""
        return self._tiers[key]

    def __contains__(self, key: TierKey) -> bool:
        return key in self._tiers

    def items(self) -> Iterable[tuple[TierKey, Tier]]:
        """Every tier with its key."""
        return self._tiers.items()

    def key(self, tier: Tier | CramNode) -> TierKey:
        """The key of a tier."""
        return self._keys[tier]

    def node(self, tier: CramNode) -> int:
        """The NUMA node that a CRAM tier is; node 0 is DRAM."""
        return self._keys[tier].device + 1

    def name(self, key: TierKey) -> str:
        """What figures call the tier of a key: as the configuration does, with `NODE` where it is no swap. Raises
        KeyError."""
        return self._names[self._tiers[key]]

    def place(self, tier: Tier | CramNode, handle: int) -> Backing:
        """The backing that a handle of this tier is."""
        kind, device = self._keys[tier]
        return Backing(kind, handle, device)

    def after(self, tier: Tier) -> tuple[Tier, ...]:
        """The tiers of `swap` that come later than this one; all of them, where this is none of `swap`."""
        return self.swap[self.swap.index(tier) + 1 :] if tier in self.swap else self.swap

    def cram(self, key: TierKey) -> CramTier:
        """The CRAM node of a key. Raises KeyError."""
        tier = self._tiers[key]
        assert isinstance(tier, CramTier)
        return tier

    def swap_full(self) -> bool:
        """More than half of the swap devices is in use: do not keep slots of pages that are back in memory
        (vm_swap_full)."""
        usages = [device.usage() for device in self.devices]
        capacity = sum(usage.capacity or 0 for usage in usages)
        return not capacity or 2 * sum(usage.pages for usage in usages) > capacity

    @property
    def shown(self) -> dict[str, Tier]:
        """Every tier by the name that figures have for it, as configured."""
        return {self._names[tier]: tier for tier in self.named.values()}

    @property
    def device_keys(self) -> list[TierKey]:
        """The keys of the swap devices."""
        return [self._keys[device] for device in self.devices]

    # What a layer of slots asks

    def free(self, backing: Backing) -> None:
        """Drop what is at this place."""
        self._tiers[backing.tier].free(backing.handle)

    def places(self) -> dict[TierKey, int]:
        """The tiers on which a slot can be a place, as they are tried, and how many places each has."""
        kinds = {BackingType.CRAM, *PHYSICAL}
        return {self._keys[tier]: tier.usage().capacity or 1 << 31 for tier in self.swap if tier.type in kinds}

    def takes(self, key: TierKey) -> bool:
        """The tier takes new pages now."""
        tier = self._tiers[key]
        return tier not in self.offline and not (isinstance(tier, CramTier) and tier.closed)

    @property
    def swap_is_on(self) -> bool:
        """See Tiers of vswap/slots/layer.py."""
        return any(tier.type is not BackingType.ZERO and tier not in self.offline for tier in self.swap)

    # Choosing

    def candidates(self, order: Sequence[Tier]) -> Iterator[Tier]:
        """The tiers of `order` that are in use, as they are to be tried now."""
        for tier in order:
            group = self._turns.get(tier)
            if group is None:
                turn: Sequence[Tier] = (tier,)
            elif tier is next(other for other in order if other in group):
                turn = [other for other in group if other in order]
            else:
                continue  # had its turn with the first of its group
            for candidate in turn:
                if candidate in self.offline:
                    continue
                if group is not None:
                    group.remove(candidate)
                    group.append(candidate)
                yield candidate


def _ranked(order: list[Tier], ranks: Mapping[Tier, int], concerns: Callable[[Tier], bool]) -> list[Tier]:
    """`order` with the tiers that this concerns sorted by rank among the places that they have."""
    ranked = iter(sorted((tier for tier in order if concerns(tier)), key=lambda tier: ranks[tier]))
    return [next(ranked) if concerns(tier) else tier for tier in order]
