# SPDX-License-Identifier: MIT
"""Large folios (mTHP): allocated by one fault, swapped out and in as a whole where a tier can, else split
(docs/vswap/large-folios.md)."""

from __future__ import annotations

from collections.abc import Sequence

from hw.link import ZERO_PAGE
from vswap.base.backing import IN_FOLIO, BackingType
from vswap.mm.folio import Folio
from vswap.mm.memcg import Memcg
from vswap.mm.pagetable import PageTable, Pte, PteState
from vswap.state import rmap, swapin
from vswap.state.machine import Machine
from vswap.tiers.base import Tier, TierError
from vswap.tiers.placement import MakeRoom

# Faults


async def zero_fill(machine: Machine, table: PageTable, vpn: int) -> bool:
    """First access to a page: map a large folio of zeros around it, as large as there is room for among pages that were
    not touched either (alloc_anon_folio). False: a single page has to do."""
    for order in sorted(machine.config.mthp_orders, reverse=True):
        vpns = range(vpn >> order << order, (vpn >> order) + 1 << order)
        if not table.vmas.in_one(vpns) or any(table.get(page) is not None for page in vpns):
            continue
        folio = _allocate(machine, table.memcg, order, "anon_fault")
        if folio is None:
            continue
        try:
            await machine.clock.sleep(machine.costs.page_zero << order)
        except BaseException:
            machine.memory.release(folio)
            raise
        if table.dead or any(table.get(page) is not None for page in vpns):
            machine.memory.release(folio)
        else:
            machine.counters.count_mthp(order, "anon_fault_alloc")
            for index, page in enumerate(vpns):
                rmap.map_page(machine, table, page, folio, writable=True, exclusive=True, index=index)
            machine.memory.add(folio)
        return True
    return False


async def swap_in(machine: Machine, table: PageTable, vpn: int, pte: Pte) -> bool:
    """Bring a softleaf's page in together with those that were swapped out with it, when all of them are still there,
    are named by neighbouring PTEs alone, and lie on a synchronous device, which gives its copies up (alloc_swap_folio).
    False: it has to come alone. Kernels did not do that before 6.12, and do not where there is zswap."""
    order = machine.slots.order(pte.slot)
    if order not in machine.config.mthp_orders or machine.config.profile == "6.1" or machine.tiers.zswap is not None:
        return False
    first = pte.slot >> order << order
    vpns = range(vpn - (pte.slot - first), vpn - (pte.slot - first) + (1 << order))
    if not readable_at_once(machine, table, vpns, first):
        return False
    memcg = machine.layer.memcg_of(first)
    folio = _allocate(machine, memcg if memcg.online else table.memcg, order, "swpin")
    if folio is None:
        return False
    swapin.pin(machine, first, folio)  # nobody has come between the look and this
    machine.counters.pgmajfault += 1
    try:
        await machine.clock.sleep(machine.costs.major_fault + machine.costs.swap_machinery)
        folio.pages = [await _load(machine, folio, slot) for slot in folio.slots]
    except BaseException as error:
        swapin.abort(machine, folio)
        if not isinstance(error, TierError):
            raise
        return False  # one of them cannot be read: page by page it will be seen which
    machine.counters.count_mthp(order, "swpin")
    folio.dirty = False
    for slot in folio.slots:
        rmap.refaulted(machine, folio, slot)
    machine.memory.add(folio)
    if rmap.pte_same(table, vpn, pte):
        rmap.map_cached(machine, table, vpn, pte, folio, synchronous=swapin.synchronous(machine, pte.slot))
    rmap.unlock(machine, folio)
    return True


def readable_at_once(machine: Machine, table: PageTable, vpns: range, first: int) -> bool:
    """In one VMA; all zero, or none; on a synchronous device; each named by its page of `vpns` alone; none in the swap
    cache. A virtual slot of zeros is on no device at all."""
    if vpns.start < 0 or vpns.start % len(vpns) or not table.vmas.in_one(vpns):
        return False
    slots = machine.slots
    for number, page in enumerate(vpns):
        entry, slot = table.get(page), first + number
        if entry is None or entry.slot != slot or slots.pinned(slot) or slots.swap_count(slot) > 1:
            return False
        if slots.backing(slot).tier != slots.backing(first).tier:
            return False
        if not swapin.synchronous(machine, slot) and machine.layer.device(slot) is not BackingType.ZERO:
            return False
    return True


async def _load(machine: Machine, folio: Folio, slot: int) -> bytes:
    backing = machine.slots.backing(slot)
    data = await machine.placement.load(backing, folio.memcg)
    swapin.count(machine, folio, backing)
    return data


def _allocate(machine: Machine, memcg: Memcg, order: int, event: str) -> Folio | None:
    folio = machine.memory.try_allocate(memcg, order)
    if folio is None:
        machine.counters.count_mthp(order, f"{event}_fallback")
        if machine.memory.has_room(order):
            machine.counters.count_mthp(order, f"{event}_fallback_charge")
    return folio


# Swap-out


async def store_all(machine: Machine, folio: Folio, contents: Sequence[bytes], tier: Tier, make_room: MakeRoom) -> bool:
    """Store all pages of a folio in the swap cache on this tier, as they were unmapped, or none. True: each slot is
    backed there now."""
    stored = 0
    try:
        for slot, data in zip(folio.slots, list(contents), strict=True):
            backing = await machine.placement.write_out(data, slot, (tier,), make_room)
            if backing is None:
                return False
            machine.layer.change_backing(slot, backing)
            stored += 1
        return True
    finally:
        if stored < len(contents):  # refused, or whoever reclaims was killed
            for slot in folio.slots[:stored]:
                machine.layer.change_backing(slot, IN_FOLIO)


# Splitting


def split(machine: Machine, folio: Folio) -> list[Folio]:
    """Make folios of one page each out of a locked large one, which is dead then: every PTE, slot and frame passes
    on to its page's. Those that somebody refers to are on the LRU list, in order; the others are freed. A pinned folio
    is not split: a device goes on writing to it (can_split_folio). Since 6.12 a page of zeros becomes the one that all
    share (try_to_map_unused_to_zeropage)."""
    assert not folio.pins
    zeros = machine.config.profile != "6.1"
    machine.counters.count_mthp(folio.order, "split")
    mappers = rmap.walk(machine, folio)
    folio.mappers.clear()
    folio.was_cached |= any(pte.dirty for _, _, pte in mappers)  # what the PTEs know passes to the folio
    parts = machine.memory.split(folio)
    if folio.slot:
        machine.cache.split(folio, parts)
    for part, data in zip(parts, folio.pages, strict=True):
        part.private = False
        part.data = data
        part.dirty, part.was_cached, part.lazyfree = folio.dirty, folio.was_cached, folio.lazyfree
        part.active, part.referenced, part.workingset = folio.active, folio.referenced, folio.workingset
    for index, part in enumerate(parts):
        part.anon_vma, part.offset = folio.anon_vma, folio.offset + index
    for table, vpn, old in mappers:
        if zeros and folio.pages[old.index] == ZERO_PAGE:
            table.map_zeros(vpn)
            continue
        new = table.map(vpn, parts[old.index], writable=old.writable, exclusive=old.exclusive)
        new.accessed, new.dirty = old.accessed, old.dirty
    for part in parts:
        machine.memory.add(part)
        rmap.try_to_free(machine, part)
    return [part for part in parts if not part.dead]


def partially_mapped(machine: Machine, folio: Folio) -> bool:
    """Nobody refers to some page of it any more."""
    mapped = {pte.index for table, vpn in folio.mappers if (pte := table.get(vpn)) is not None}
    return any(
        index not in mapped and not (folio.slot and machine.slots.swap_count(folio.slot + index))
        for index in range(len(folio.pages))
    )


def within(folio: Folio, table: PageTable, vpns: range) -> bool:
    """All pages of the folio are mapped by this table, in a row, and all in `vpns` (folio_pte_batch)."""
    mapped = [vpn for mapper, vpn in folio.mappers if mapper is table and vpn in vpns]
    first = {vpn - pte.index for vpn in mapped if (pte := table.get(vpn)) is not None}
    return len(mapped) == len(folio.pages) and len(first) == 1


def split_unless_within(machine: Machine, table: PageTable, vpn: int, vpns: range) -> Folio | None:
    """The DRAM folio of a page; a large one that reaches beyond `vpns` is split before. None when the page is not in
    DRAM, or its folio should be split, and others map it as well or somebody works on it."""
    pte = table.get(vpn)
    if pte is None or pte.state is not PteState.DRAM:
        return None
    folio = pte.dram
    if not folio.order or within(folio, table, vpns):
        return folio
    if rmap.likely_shared(machine, folio) or folio.pins or folio.writeback or not folio.lock.try_acquire():
        return None
    split(machine, folio)
    folio.lock.release()
    pte = table.get(vpn)
    return pte.dram if pte is not None and pte.state is PteState.DRAM else None  # it may be the page of zeros now
