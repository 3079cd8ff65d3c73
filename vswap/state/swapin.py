# SPDX-License-Identifier: MIT
"""The two ends of a swap-in: a slot is pinned with a private folio, and its page has come (do_swap_page)."""

from __future__ import annotations

from vswap.base.backing import IN_FOLIO, PHYSICAL, Backing, BackingType
from vswap.base.errors import AlreadyCached, SlotGone
from vswap.mm.folio import AnyFolio, Folio
from vswap.mm.memcg import Memcg
from vswap.mm.pagetable import PageTable, Pte
from vswap.state import rmap
from vswap.state.machine import Machine


def find(machine: Machine, slot: int, table: PageTable) -> AnyFolio | Memcg:
    """The folio that the swap cache has for the slot; else the group that a page of it is charged to: the slot's, or
    that of who brings it in where the slot's was removed."""
    folio = machine.cache.lookup(slot)
    return charged_to(machine, slot, table) if folio is None else folio


def charged_to(machine: Machine, slot: int, table: PageTable) -> Memcg:
    """The group that a page of the slot is charged to where this table brings it in."""
    memcg = machine.layer.memcg_of(slot)
    return memcg if memcg.online else table.memcg


def named_by(machine: Machine, folio: AnyFolio, table: PageTable, vpn: int, pte: Pte) -> bool:
    """The check after the lock: the folio is still the one of the slot, and the PTE still names it."""
    return machine.cache.holds(pte.slot, folio) and rmap.pte_same(table, vpn, pte)


def pin(machine: Machine, slot: int, folio: Folio) -> Backing:
    """Lock a private folio and put it under the slot; what backs the slot, which is stable from here on. Raises
    AlreadyCached, SlotGone; the folio is as it was then."""
    folio.lock.try_acquire()  # private, so free
    try:
        machine.cache.pin(slot, folio)
    except (AlreadyCached, SlotGone):
        folio.lock.release()
        raise
    return machine.slots.backing(slot)


def abort(machine: Machine, folio: Folio) -> None:
    """The page did not come: the slot is as it was, the folio is gone."""
    rmap.drop(machine, folio)
    folio.lock.release()


def count(machine: Machine, folio: Folio, backing: Backing) -> None:
    """A page has been read from its tier for this folio."""
    event = "zswpin" if backing.type is BackingType.ZSWAP else "pswpin" if backing.type in PHYSICAL else None
    if event is not None and folio.memcg is not None:
        setattr(machine.counters, event, getattr(machine.counters, event) + 1)
        folio.memcg.count(event)


def synchronous(machine: Machine, slot: int) -> bool:
    """The slot is on a device that answers at once, in memory: its only user takes the page off it. (The device's pages
    are mapped as they are, or promoted; zswap has rules of its own.)"""
    return machine.layer.device(slot) is BackingType.ZRAM


def on_disk(machine: Machine, slot: int) -> bool:
    """A load of the slot goes to a swap device that is not synchronous, where reading ahead pays."""
    return machine.layer.device(slot) in PHYSICAL and not synchronous(machine, slot)


def arrive(machine: Machine, slot: int, folio: Folio, backing: Backing, data: bytes) -> None:
    """The page of a slot has come for the folio that pins it: keep the tier's copy or free it, and see whether the page
    had left too early."""
    folio.data = data
    count(machine, folio, backing)
    if backing.type is BackingType.ZSWAP and machine.config.profile != "6.1":
        machine.layer.change_backing(slot, IN_FOLIO)  # the compressed copy goes; only we have the data
    else:
        folio.dirty = False
    rmap.refaulted(machine, folio, slot)
    machine.memory.add(folio)


def finish(
    machine: Machine, table: PageTable, vpn: int, pte: Pte, folio: Folio, backing: Backing, data: bytes, *, write: bool
) -> Pte | None:
    """The page of a fault has come: let it arrive, and map it; the new PTE. None where the PTE is another one by
    now: the page waits in the swap cache then."""
    at_once = synchronous(machine, pte.slot)
    arrive(machine, pte.slot, folio, backing, data)
    mapped = None
    if rmap.pte_same(table, vpn, pte):
        mapped = rmap.map_cached(machine, table, vpn, pte, folio, write=write, synchronous=at_once)
    rmap.unlock(machine, folio)
    return mapped
