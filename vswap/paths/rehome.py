# SPDX-License-Identifier: MIT
"""A page that changes devices gets another slot, where slots are places on devices (docs/vswap/direct.md).

On virtual slots there is never another slot to be had, so that nothing of this happens.
"""

from __future__ import annotations

from collections.abc import Sequence

from vswap.base.backing import IN_FOLIO, Backing, BackingType
from vswap.mm.folio import Folio
from vswap.mm.pagetable import Pte
from vswap.state.machine import Machine
from vswap.tiers.base import Tier
from vswap.tiers.placement import MakeRoom


def rehome(machine: Machine, folio: Folio) -> bool:
    """Give a locked, unmapped folio in the swap cache a slot on a later device; False when there is none to be had. The
    caller waits for `scan_cost` then."""
    old = folio.slot
    new = machine.layer.another(old)
    if new is None:
        return False
    _move_references(machine, old, new)
    machine.cache.delete(folio)
    machine.cache.add(new, folio)
    machine.slots.set_backing(new, IN_FOLIO)
    return True


async def write_to_another_slot(
    machine: Machine, data: bytes, old: int, later: Sequence[Tier], bounce: Folio, make_room: MakeRoom
) -> Backing | None:
    """Store a page under a slot of another device, and make all PTEs name that one; None when that cannot be. The
    private folio `bounce` stands for the page in the swap cache meanwhile."""
    new = machine.layer.another(old, only=[machine.tiers.key(tier) for tier in later])
    if new is None:
        return None
    bounce.lock.try_acquire()  # private, so free
    machine.cache.add(new, bounce)
    machine.slots.set_backing(new, IN_FOLIO)
    bounce.data = data
    backing = None
    try:
        backing = await machine.placement.write_out(data, new, later, make_room)
        if backing is not None:
            machine.slots.set_backing(new, backing)
            await machine.clock.sleep(scan_cost(machine))
            _move_references(machine, old, new)
    finally:
        if backing is not None and backing.type is BackingType.CRAM:
            machine.cache.replace(bounce, machine.residents.add(backing, new))
        else:
            machine.cache.delete(bounce)
        bounce.lock.release()
    return backing


def scan_cost(machine: Machine) -> int:
    """What a look at every PTE takes, ns."""
    return machine.costs.fork_pte * sum(map(len, machine.tables))


def _move_references(machine: Machine, old: int, new: int) -> None:
    """Make every softleaf that names `old` name `new`: a search of all page tables."""
    slots = machine.slots
    slots.set_shadow(new, slots.shadow(old))
    for table in machine.tables:
        for vpn, pte in table.items():
            if pte.slot == old:
                slots.duplicate(new)
                slots.put(old)  # pinned, so it stays
                table.set(vpn, Pte.softleaf(new, exclusive=pte.exclusive))
