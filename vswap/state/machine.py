# SPDX-License-Identifier: MIT
"""The state of one swap system, as plain data: the parts, and who is handed which is for the paths to say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hw.clock import Clock, Event
from vswap.base.config import VswapConfig
from vswap.base.costs import Costs
from vswap.base.counters import Counters
from vswap.base.errors import SegmentationFault, SigBus
from vswap.mm.cache import SwapCache
from vswap.mm.frames import Memory
from vswap.mm.inflight import InFlight
from vswap.mm.pagetable import PageTable, Pte, PteState
from vswap.slots.direct import AnySlots
from vswap.slots.layer import Layer
from vswap.state.residents import Residents
from vswap.tiers.placement import Placement
from vswap.tiers.tierset import TierSet


@dataclass
class Machine:
    """The parts of a swap system.

    Attributes:
        memory: DRAM, with the groups.
        slots: the slots alive; `layer` says what they are.
        cache: the swap cache; `inflight` says which of its folios are under writeback.
        tiers: every configured tier, and zero; `placement` stores on them.
        residents: the CRAM folios.
        reap_wanted: raised when there may be something to reap or trim.
        tables: every page table (the kernel's mmlist).
        ptes_a_step: PTEs that fork, unmap and exit go over before others may run.
        stopping: background work ends at its next look.
        rmap_owed: ns that walks of the anon_vma tree have taken and nobody has slept for yet.
        failure: what ended a background task; every access raises it from then on.
    """

    clock: Clock
    config: VswapConfig
    costs: Costs
    counters: Counters
    memory: Memory
    slots: AnySlots
    layer: Layer[Any]
    cache: SwapCache
    inflight: InFlight
    tiers: TierSet
    placement: Placement
    residents: Residents
    reap_wanted: Event
    tables: list[PageTable] = field(default_factory=list)
    ptes_a_step: int = 32
    stopping: bool = False
    rmap_owed: int = 0
    failure: Exception | None = None

    def check(self) -> None:
        """Raise what ended a background task, if one ended."""
        if self.failure is not None:
            raise self.failure

    def walk(self, table: PageTable, vpn: int, *, write: bool = False) -> Pte | None:
        """The PTE for an access, None in state none. Raises SegmentationFault where nothing is mapped, or a `write` is
        not allowed, SigBus where userfaultfd is to answer it (UFFD_FEATURE_SIGBUS), and what ended background work."""
        self.check()
        if table.dead:
            raise SegmentationFault(f"{table.name} has exited")
        vma, pte = table.vmas.find(vpn), table.get(vpn)
        if vma is None:
            raise SegmentationFault(f"page {vpn} of {table.name} is not mapped")
        if write and not vma.protection.write:
            raise SegmentationFault(f"page {vpn} of {table.name} is read-only")
        if write and vpn in table.write_protected and pte is not None and pte.state is not PteState.SOFTLEAF:
            raise SigBus(table.name, vpn, PermissionError("write-protected by userfaultfd"))
        return pte
