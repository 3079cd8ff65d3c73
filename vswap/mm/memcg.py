# SPDX-License-Identifier: MIT
"""Memory control groups: limits for groups of address spaces, and what is charged to them (docs/vswap/memcg.md)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from hw.link import PAGE_BYTES

MOST_GROUPS = 1 << 16
"""A slot's descriptor has 16 bits for its group."""


@dataclass(frozen=True)
class MemcgLimits:
    """The dials of a group under cgroup v2's names; sizes in pages, None for no limit.

    Attributes:
        memory_max: memory: folios in DRAM and on devices, and the group's share of the zswap pool.
        swap_max: slots with physical backing.
        zswap_max: compressed pages in the zswap pool; 0 keeps the group out of zswap.
        zswap_writeback: pages of the group may go to swap devices. Without it what zswap refuses stays in memory.
    """

    memory_max: int | None = None
    swap_max: int | None = None
    zswap_max: int | None = None
    zswap_writeback: bool = True


class Memcg:
    """One group. What is charged to it is charged to all its ancestors as well, so each figure is its subtree's.

    Attributes:
        id: its number, which slots remember; 0 is the root's.
        lineage: the group, its parent, ..., the root.
        online: False once removed. What it has stays charged to it until it is freed.
        folio_pages: DRAM pages of folios charged.
        device_pages: device pages of folios charged, by node; DRAM is node 0, CRAM nodes are 1 and so on.
        zswap_bytes: compressed bytes in zswap charged.
        swap: slots with physical backing charged.
        nonresident_age: pages evicted or activated so far (vswap/mm/workingset.py).
        anon_cost: what reclaim of anonymous pages has cost of late (vswap/mm/scan.py).
        activations_seen: pages activated as they came back, when the last reclaim ended (vswap/mm/scan.py).
        before: pages of memory and of swap charged when the limits were set last, which may be more than they allow.
        stat: events of memory.stat, by the kernel's names.
        events: of memory.events and memory.swap.events: times a limit was met ("max", "oom", "swap.max", "swap.fail").
    """

    def __init__(self, number: int, name: str, parent: Memcg | None, limits: MemcgLimits) -> None:
        self.id = number
        self.name = name
        self.limits = limits
        self.lineage: tuple[Memcg, ...] = (self, *(parent.lineage if parent else ()))
        self.online = True
        self.folio_pages = 0
        self.device_pages: dict[int, int] = dict.fromkeys(parent.device_pages, 0) if parent else {}
        self.zswap_bytes = 0
        self.swap = 0
        self.nonresident_age = 0
        self.anon_cost = 0
        self.activations_seen = 0
        self.before = (0, 0)
        self.stat: Counter[str] = Counter()
        self.events: Counter[str] = Counter()

    @property
    def parent(self) -> Memcg | None:
        """The group above; None for the root."""
        return self.lineage[1] if len(self.lineage) > 1 else None

    @property
    def memory(self) -> int:
        """memory.current, pages."""
        return self.resident + -(-self.zswap_bytes // PAGE_BYTES)

    @property
    def resident(self) -> int:
        """Pages of folios, on all nodes."""
        return sum(self.by_node.values())

    @property
    def by_node(self) -> dict[int, int]:
        """Pages of folios charged, by node."""
        return {0: self.folio_pages, **self.device_pages}

    def online_ancestor(self) -> Memcg:
        """The group itself, or the nearest above that has not been removed."""
        return next(group for group in self.lineage if group.online)

    def count(self, event: str, pages: int = 1) -> None:
        """An event of memory.stat has happened to this many pages."""
        for group in self.lineage:
            group.stat[event] += pages

    def meet(self, event: str) -> None:
        """A limit was met: memory.events of the group and of those above it say so, but the root has no such file
        (memcg_memory_event). What the machine itself is short of is counted at the root."""
        for group in self.lineage:
            if group.parent is not None or group is self:
                group.events[event] += 1

    def limit(self, limits: MemcgLimits) -> None:
        """Set other limits. What is charged already stays charged, also past them."""
        self.limits = limits
        self.before = (self.resident, self.swap)

    # Memory

    def try_charge(self, pages: int) -> Memcg | None:
        """Charge DRAM pages of a folio, or others that memory.max bounds. The group whose memory.max does not allow it,
        and then nothing is charged."""
        for group in self.lineage:
            limit = group.limits.memory_max
            if limit is not None and group.memory + pages > limit:
                group.meet("max")
                return group
        self.charge(pages)
        return None

    def charge(self, pages: int) -> None:
        """Charge DRAM pages that take the place of others that are charged: never refused (mem_cgroup_migrate)."""
        for group in self.lineage:
            group.folio_pages += pages

    def charge_device(self, node: int, pages: int) -> None:
        """Charge pages of a CRAM node (negative: uncharge). Never refused: they take the place of others."""
        for group in self.lineage:
            group.device_pages[node] += pages

    def uncharge(self, pages: int) -> None:
        """The folio's pages are free."""
        for group in self.lineage:
            group.folio_pages -= pages

    def charge_zswap(self, size: int) -> None:
        """Charge compressed bytes (negative: uncharge). Never refused: a page is about to leave for them."""
        for group in self.lineage:
            group.zswap_bytes += size

    # Swap

    def try_charge_swap(self, pages: int) -> bool:
        """Charge slots that get physical backing; False, and nothing charged, where memory.swap.max does not allow
        it."""
        for group in self.lineage:
            limit = group.limits.swap_max
            if limit is not None and group.swap + pages > limit:
                self.meet("swap.max")
                self.meet("swap.fail")
                return False
        for group in self.lineage:
            group.swap += pages
        return True

    def uncharge_swap(self, pages: int) -> None:
        """The slots have no physical backing any more."""
        for group in self.lineage:
            group.swap -= pages

    def may_swap(self) -> bool:
        """memory.swap.max leaves room for a page (mem_cgroup_get_nr_swap_pages)."""
        return all(group.limits.swap_max is None or group.swap < group.limits.swap_max for group in self.lineage)

    def swap_full(self) -> bool:
        """More than half of what memory.swap.max allows is in use (mem_cgroup_swap_full)."""
        return any(group.limits.swap_max is not None and 2 * group.swap >= group.limits.swap_max
                   for group in self.lineage)  # fmt: skip

    def may_zswap(self) -> bool:
        """zswap.max leaves room (obj_cgroup_may_zswap)."""
        return all(
            group.limits.zswap_max is None or group.zswap_bytes // PAGE_BYTES < group.limits.zswap_max
            for group in self.lineage
        )

    def may_write_back(self) -> bool:
        """zswap.writeback of the group and of all above it (mem_cgroup_zswap_writeback_enabled)."""
        return all(group.limits.zswap_writeback for group in self.lineage)


class MemcgTree:
    """All groups of a machine. A number is never used again, so that a cursor over them cannot dangle."""

    def __init__(self) -> None:
        self.root = Memcg(0, "root", None, MemcgLimits())
        self._groups: list[Memcg] = [self.root]

    def create(self, name: str, limits: MemcgLimits, parent: Memcg | None = None) -> Memcg:
        """A new group under `parent`, by default the root. Raises ValueError."""
        above = parent or self.root
        if not above.online:
            raise ValueError(f"group {above.name} has been removed")
        if len(self._groups) == MOST_GROUPS:
            raise ValueError(f"there have been {MOST_GROUPS} groups, no number is left")
        group = Memcg(len(self._groups), name, above, limits)
        self._groups.append(group)
        return group

    def remove(self, group: Memcg) -> None:
        """Take a group without children offline. Raises ValueError."""
        if group is self.root or not group.online:
            raise ValueError(f"group {group.name} cannot be removed")
        if any(child.online and child.parent is group for child in self._groups):
            raise ValueError(f"group {group.name} has groups below it")
        group.online = False

    def __getitem__(self, number: int) -> Memcg:
        """The group of a number, online or not."""
        return self._groups[number]

    def __iter__(self) -> Iterator[Memcg]:
        """All groups, removed ones too."""
        return iter(self._groups)

    def __len__(self) -> int:
        return len(self._groups)

    def subtree(self, top: Memcg) -> list[Memcg]:
        """`top` and all below it, removed ones too."""
        return [group for group in self._groups if top in group.lineage]

    def next_online(self, after: int) -> Memcg | None:
        """The first online group with a number above `after`; None at the end of a round."""
        return next((group for group in self._groups[after + 1 :] if group.online), None)
