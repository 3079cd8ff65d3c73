# SPDX-License-Identifier: MIT
"""References: PTEs that map a folio or name its slot, and what goes with the last one (docs/vswap/faults.md).

A function that is not `async` is one step: no other task can run inside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from vswap.base.backing import PHYSICAL, BackingType
from vswap.mm.folio import AnyFolio, CramFolio, Entry, Folio, Table
from vswap.mm.lru import take_references
from vswap.mm.memcg import Memcg
from vswap.mm.pagetable import PageTable, Pte, PteState
from vswap.mm.readahead import PMD_PAGES
from vswap.mm.scan import cost
from vswap.mm.workingset import refault
from vswap.state.machine import Machine

# Finding


def walk(machine: Machine, folio: AnyFolio) -> list[tuple[Table, int, Entry]]:
    """The PTEs that map the folio (rmap_walk_anon): every VMA of its anon_vma that has its offset is visited, whether
    it maps the folio or not. What that takes is counted, and owed (`owed`). Of a folio that nobody maps nothing is
    looked for (folio_mapped)."""
    counters, found = machine.counters, list[tuple[Table, int, Entry]]()
    if not folio.mappers:
        return found
    pages = len(folio.pages) if isinstance(folio, Folio) else 1
    vmas = ptes = 0
    if folio.merged:  # rmap_walk_ksm: each place is known by itself
        vmas = ptes = len(folio.mappers)
        places = [(table, vpn, table.get(vpn)) for table, vpn in folio.mappers]
        found = [(table, vpn, pte) for table, vpn, pte in places if pte is not None]
    for vma in folio.anon_vma.vmas if folio.anon_vma is not None and not folio.merged else ():
        vpns = [vma.page_at(folio.offset + index) for index in range(pages)]
        vmas += any(vpn is not None for vpn in vpns)
        for vpn in vpns:
            if vpn is not None:
                ptes += 1
                pte = vma.owner.get(vpn)
                if pte is not None and pte.folio is folio:
                    found.append((vma.owner, vpn, pte))
    counters.rmap_vmas += vmas
    counters.rmap_ptes += ptes
    machine.rmap_owed += vmas * machine.costs.rmap_vma + ptes * machine.costs.rmap_pte
    return found


def owed(machine: Machine) -> int:
    """The ns that walks have taken since somebody slept for them; the caller sleeps for them now."""
    ns, machine.rmap_owed = machine.rmap_owed, 0
    return ns


# Mapping


def pte_same(table: PageTable, vpn: int, pte: Pte) -> bool:
    """The PTE is the one that it was before whoever asks has slept."""
    return table.get(vpn) is pte


def note_accesses(machine: Machine, pte: Pte, under_way: list[CramFolio]) -> None:
    """Note the device page that a PTE names, whether it maps it or not, if accesses to it are under way. A store may
    be: of before somebody else, as writeback, took the right to it away, and he may not have waited for it yet."""
    folio = machine.cache.lookup(pte.slot) if pte.state is PteState.SOFTLEAF else pte.folio
    if isinstance(folio, CramFolio) and folio.busy:
        under_way.append(folio)


async def settle_stores(folios: Iterable[CramFolio]) -> None:
    """Wait for stores into device pages that nobody may write to any more, as a TLB shootdown does."""
    for folio in folios:
        await folio.drain()


async def pte_same_after_drain(table: PageTable, vpn: int, pte: Pte, folio: CramFolio) -> bool:
    """Wait for the accesses to a device page that have begun before; whether the PTE is still the one that it was."""
    await folio.drain()
    return pte_same(table, vpn, pte)


def map_page(
    machine: Machine, table: PageTable, vpn: int, folio: AnyFolio, *, writable: bool, exclusive: bool, index: int = 0
) -> Pte:
    """Make a PTE point to a page of the folio; the new PTE."""
    pte = table.map(vpn, folio, writable=writable, exclusive=exclusive, index=index)
    if isinstance(folio, Folio):
        folio.private = False
    elif pte.writable and not folio.writable:
        machine.residents.make_writable(folio)
    return pte


def map_new(machine: Machine, table: PageTable, vpn: int, folio: Folio) -> Pte:
    """Map a private folio of one page for its only user, and put it on the LRU list; the new PTE."""
    pte = map_page(machine, table, vpn, folio, writable=True, exclusive=True)
    machine.memory.add(folio)
    return pte


def map_copy(machine: Machine, table: PageTable, vpn: int, pte: Pte, new: Folio, data: bytes) -> Pte:
    """Map a private folio with a copy of the page in the place of a PTE; the new PTE."""
    new.data = data
    mapped = map_new(machine, table, vpn, new)
    forget(machine, table, vpn, pte)
    return mapped


def map_promoted(
    machine: Machine, table: PageTable, vpn: int, pte: Pte, folio: CramFolio, new: Folio, data: bytes
) -> Pte:
    """As `map_copy`, of a page on the device. A folio that is charged to nobody takes over what the page was charged as
    there."""
    if new.memcg is None:
        machine.residents.hand_charge_to(folio, new)
    if folio.slot:
        refaulted(machine, new, folio.slot)
    return map_copy(machine, table, vpn, pte, new, data)


def map_cached(
    machine: Machine,
    table: PageTable,
    vpn: int,
    pte: Pte,
    folio: Folio,
    *,
    write: bool = False,
    synchronous: bool = False,
) -> Pte:
    """Replace a softleaf by the locked swap-cache folio; the new PTE. A large folio whose pages the table names in a
    row is mapped as a whole.

    The slot is kept for others that name it, and else until swap is half full. The only user gives it up at once for a
    `write` (should_try_to_free_swap), or where the device is `synchronous`: the kernel passes the swap cache by there.
    The only user may write at once; before 6.11 only if it wants to. A folio under writeback is mapped like any other,
    but keeps its slot; where the device needs its bytes as they are, the mark of the only user goes, so that a write
    copies the page.
    """
    before_6_11 = machine.config.profile == "6.1"
    index = pte.slot - folio.slot
    vpns = range(vpn, vpn + 1)
    if folio.order and not before_6_11 and _named_in_a_row(table, vpn, pte, folio):
        vpns, index = range(vpn - index, vpn - index + len(folio.pages)), 0
    alone = not folio.mappers and not (folio.order and before_6_11)
    for number in range(len(vpns)):
        machine.slots.put(folio.slot + index + number)  # pinned, so it stays
    unwanted = _swap_full(machine, folio) or synchronous or (alone and write)
    if unwanted and not folio.writeback and not named(machine, folio):
        machine.cache.delete(folio)
        folio.dirty = True
    exclusive = (pte.exclusive and not folio.stable) or (alone and not folio.slot)
    writable = exclusive and (write or not (before_6_11 or table.tracks_writes))
    for number, page in enumerate(vpns):
        map_page(machine, table, page, folio, writable=writable, exclusive=exclusive, index=index + number)
    mapped = table.get(vpn)
    assert mapped is not None
    return mapped


def _named_in_a_row(table: PageTable, vpn: int, pte: Pte, folio: Folio) -> bool:
    """Around a softleaf that names a slot of a large folio, softleafs of the same mapping name all of them (since 6.11:
    do_swap_page)."""
    first = vpn - (pte.slot - folio.slot)
    vpns = range(first, first + len(folio.pages))
    if first < 0 or first // PMD_PAGES != vpns[-1] // PMD_PAGES or not table.vmas.in_one(vpns):
        return False
    near = [table.get(page) for page in vpns]
    return all(
        each is not None
        and each.state is PteState.SOFTLEAF
        and (each.slot, each.exclusive) == (folio.slot + number, pte.exclusive)
        for number, each in enumerate(near)
    )


def reuse(machine: Machine, table: PageTable, vpn: int, pte: Pte, folio: Folio) -> Pte:
    """Let the only user of a locked folio's page write to it (wp_page_reuse); the new PTE. An exclusive one keeps its
    slot: what a tier has is stale from then on."""
    if folio.slot and not pte.exclusive:
        machine.cache.delete(folio)  # it has to be seen that nobody names it
    folio.dirty = True
    return map_page(machine, table, vpn, folio, writable=True, exclusive=True, index=pte.index)


def _swap_full(machine: Machine, folio: Folio) -> bool:
    """As vm_swap_full of the machine, and mem_cgroup_swap_full of the folio's group; or the virtual slots run short, or
    the slot is on a device that would not take the page again."""
    if machine.layer.closed(folio.slot):
        return True
    limit = machine.config.slot_limit
    if limit is not None and 2 * machine.slots.used > limit:
        return True
    return (folio.memcg is not None and folio.memcg.swap_full()) or machine.tiers.swap_full()


def try_to_unmap(machine: Machine, folio: AnyFolio) -> int:
    """Make a softleaf of every PTE that points to a locked folio in the swap cache; how many there were.

    The caller then waits for the TLB shootdown, and for a CRAM folio's accesses to drain.
    """
    count = len(folio.mappers)
    for table, vpn, pte in walk(machine, folio):
        slot = folio.slot + pte.index
        if isinstance(folio, Folio):
            machine.slots.duplicate(slot)  # a PTE into CRAM names its slot already
            folio.dirty |= pte.dirty
        table.unmap(vpn, slot)
        folio.mappers.discard((table, vpn))
    if isinstance(folio, CramFolio):
        machine.residents.make_read_only(folio)
    return count


def zap(machine: Machine, table: PageTable, vpn: int) -> bool:
    """Clear a PTE and drop the reference that it held; False where there is none."""
    pte = table.clear(vpn)
    if pte is None:
        return False
    forget(machine, table, vpn, pte)
    return True


def zap_all(machine: Machine, table: PageTable) -> int:
    """An address space ends: drop every reference that it holds; how many there were."""
    table.dead = True
    dropped = sum(zap(machine, table, vpn) for vpn, _ in list(table.items()))
    table.vmas.clear()
    return dropped


def forget(machine: Machine, table: PageTable, vpn: int, pte: Pte) -> None:
    """A PTE has been replaced or cleared: drop the reference it held."""
    if pte.state is PteState.SOFTLEAF:
        put_slot(machine, pte.slot)
    elif isinstance(pte.folio, Folio):
        page = pte.folio
        page.dirty |= pte.dirty
        page.mappers.discard((table, vpn))
        try_to_free(machine, page)
        unused = page.order and not page.dead and not page.slot and not page.mapped(pte.index)
        if unused and machine.memory.defer_split(page):
            machine.counters.count_mthp(page.order, "split_deferred")
    elif pte.folio is not None:
        folio = pte.folio
        folio.mappers.discard((table, vpn))
        machine.residents.make_read_only(folio)
        if folio.slot:
            put_slot(machine, folio.slot)
        else:
            machine.reap_wanted.set()


def clear_accessed(machine: Machine, folio: AnyFolio) -> bool:
    """Collect the accessed bits of all mappers, and clear them: whether there was one (folio_referenced)."""
    walk(machine, folio)  # what it takes to come by them
    return take_references(folio) > 0


# Counting


def named(machine: Machine, folio: AnyFolio) -> bool:
    """A softleaf names a slot under which the swap cache holds the folio."""
    if not folio.slot:
        return False
    if isinstance(folio, Folio) and folio.order:
        return any(machine.slots.swap_count(slot) for slot in folio.slots)
    return machine.slots.swap_count(folio.slot) > 0


def shared(machine: Machine, folio: Folio, index: int) -> bool:
    """Another PTE than the one that asks maps this page of the folio, or names its slot."""
    return folio.mapped(index) > 1 or (bool(folio.slot) and machine.slots.swap_count(folio.slot + index) > 0)


def processor(folio: AnyFolio) -> int:
    """Where a folio is worked on: the first processor of those that its mappers run on."""
    return min((table.cpu for table, _ in folio.mappers), default=0)


def mapped_by_others(folio: Folio) -> bool:
    """Some page of the folio is mapped more than once: its mapcount is above its number of pages."""
    return len(folio.mappers) > len(folio.pages)


def likely_shared(machine: Machine, folio: Folio) -> bool:
    """Other tasks map a large folio as well. Kernels before 6.15 do not know: they guess, from the number of its
    mappers and from its first page (folio_likely_mapped_shared)."""
    if machine.config.profile == "current":
        return len({id(table) for table, _ in folio.mappers}) > 1
    return mapped_by_others(folio) or folio.mapped(0) > 1


def unreferenced(machine: Machine, folio: AnyFolio) -> bool:
    """No PTE maps the folio or names its slot."""
    return not folio.mappers and not named(machine, folio)


# Letting go


def put_slot(machine: Machine, slot: int) -> None:
    """A PTE that named the slot is gone. A CRAM page that nobody names any more is a zombie, left to the reaper. A page
    that others map keeps its slot until swap is half full (free_swap_and_cache)."""
    machine.layer.put(slot)
    folio = machine.cache.lookup(slot)
    if isinstance(folio, Folio):
        try_to_free(machine, folio)
        _try_to_free_slot(machine, folio)
    elif folio is not None and unreferenced(machine, folio):
        machine.reap_wanted.set()


def _try_to_free_slot(machine: Machine, folio: Folio) -> None:
    """Take a folio that no softleaf names out of the swap cache where swap is half full (TTRS_FULL)."""
    if not folio.dead and folio.lock.try_acquire():
        free_swap_if_full(machine, folio)
        folio.lock.release()


def unlock(machine: Machine, folio: AnyFolio) -> None:
    """Release the folio lock, and the folio with it when nobody refers to it any more."""
    folio.lock.release()
    if isinstance(folio, Folio):
        try_to_free(machine, folio)


def try_to_free(machine: Machine, folio: Folio) -> None:
    """Free an unreferenced folio. If its lock is taken, the holder does it at unlock; if it is under writeback, it is
    freed at the end of that."""
    if folio.dead or folio.private or folio.pins or folio.writeback or not unreferenced(machine, folio):
        return
    if not folio.lock.try_acquire():
        return
    drop(machine, folio)
    folio.lock.release()


def drop(machine: Machine, folio: Folio) -> None:
    """Take a locked folio out of the swap cache, if it is there, and give its frames back."""
    if folio.slot:
        machine.cache.delete(folio)
    machine.memory.release(folio)


def free_swap_if_full(machine: Machine, folio: Folio) -> None:
    """Once swap is half full, a locked folio that stays in memory gives up its slot, unless others name it
    (folio_free_swap)."""
    if folio.slot and _swap_full(machine, folio) and not (folio.writeback or named(machine, folio)):
        machine.cache.delete(folio)
        folio.dirty = True


def _can_leave(machine: Machine, group: Memcg) -> bool:
    """A page of the group could be swapped out now: it can have a slot, and there is a tier for it."""
    tiers = (tier.type for tier in machine.tiers.swap if tier.type is not BackingType.ZERO)
    return machine.layer.can_swap(group) and any(kind not in PHYSICAL or group.may_swap() for kind in tiers)


def refaulted(machine: Machine, folio: Folio, slot: int, *, in_fault: bool = True) -> None:
    """A folio has been brought back for a slot, by a fault or not: take the shadow out of it, and see whether it left
    too early."""
    layer, memory = machine.layer, machine.memory
    shadow, owner = layer.take_shadow(slot), layer.memcg_of(slot)
    restored = refault(folio, shadow, owner, memory, machine.counters, partial(_can_leave, machine), in_fault=in_fault)
    if restored and folio.memcg is not None:
        memory.note_cost(folio.memcg, cost(machine.config.profile, written=1))  # lru_note_cost_refault
