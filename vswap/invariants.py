# SPDX-License-Identifier: MIT
"""What must hold between any two steps of a swap system (docs/vswap/invariants.md): one generator a subject, each
yields a sentence for every contradiction it finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from vswap.base.backing import BackingType, TierKey
from vswap.mm.folio import AnyFolio, CramFolio, Folio, Table
from vswap.mm.memcg import Memcg
from vswap.mm.pagetable import PteState
from vswap.state import rmap
from vswap.state.machine import Machine

_EVENTS = ("zswpin", "zswpout", "zswpwb", "pswpin", "pswpout", "swpin_zero", "swpout_zero",
           "pgactivate", "workingset_refault_anon", "workingset_activate_anon", "workingset_restore_anon")  # fmt: skip
"""Of memory.stat."""


def contradictions(machine: Machine, *, quiescent: bool) -> list[str]:
    """Every contradiction in the state of a machine and its page tables, [] when there is none.

    `quiescent`: no access, reclaim or writeback is under way, so nothing may be locked or half done.
    """
    findings = [
        *_ptes(machine),
        *_slots(machine),
        *_folios(machine),
        *_tiers(machine),
        *_frames(machine),
        *_charges(machine),
        *_fences(machine),
        *_nodes(machine),
        *_counts(machine),
    ]
    if quiescent:
        findings += _at_rest(machine)
    return sorted(findings)  # the same words for the same state: sets have no order


def _ptes(machine: Machine) -> Iterator[str]:
    writable = 0
    for table in machine.tables:
        for vpn, pte in table.items():
            where = f"page {vpn} of {table.name}"
            if table.vmas.find(vpn) is None:
                yield f"{where} is mapped outside of all mappings" + (", after exit" if table.dead else "")
            if pte.state is PteState.SOFTLEAF:
                if pte.writable or pte.folio is not None:
                    yield f"{where} is a softleaf and present"
                if not machine.slots.alive(pte.slot):
                    yield f"{where} names slot {pte.slot}, which is free"
                elif pte.exclusive and machine.slots.swap_count(pte.slot) != 1:
                    yield f"{where} is exclusive, slot {pte.slot} has {machine.slots.swap_count(pte.slot)} users"
                continue
            if pte.state is PteState.ZERO:
                if pte.writable or pte.exclusive or pte.dirty:
                    yield f"{where} is the page of zeros, which is everybody's, and writable, exclusive or dirty"
                continue
            folio = pte.folio
            if folio is None or folio.dead:
                yield f"{where} points to a folio that was given back"
                continue
            if (table, vpn) not in folio.mappers:
                yield f"{where} is missing among its folio's mappers"
            if pte.state is PteState.MIGRATION:
                if not folio.lock.locked():
                    yield f"{where} is a migration entry, and nobody moves its folio"
                if (pte.writable or pte.exclusive) and len(folio.mappers) != 1:
                    yield f"{where} is a migration entry of one user, its page has {len(folio.mappers)} mappers"
                continue
            mapped = folio.mapped(pte.index) if isinstance(folio, Folio) else len(folio.mappers)
            if (pte.writable or pte.exclusive) and mapped != 1:
                yield f"{where} is writable or exclusive, its page has {mapped} mappers"
            if pte.writable and not table.may_write(vpn):
                yield f"{where} is writable, its mapping or userfaultfd forbids that"
            if pte.writable and folio.slot and machine.slots.swap_count(folio.slot + pte.index):
                yield f"{where} is writable while others name its slot {folio.slot + pte.index}"
            if pte.writable and isinstance(folio, Folio) and folio.stable:
                yield f"{where} is writable while a device that needs its bytes as they are takes them"
            if isinstance(folio, CramFolio) and pte.writable:
                writable += 1
                if not folio.writable:
                    yield f"{where} is a writable PTE on CRAM page {folio.page}, which is read-only"
    if writable > machine.config.writable_budget:
        yield f"{writable} writable PTEs on CRAM pages, the budget is {machine.config.writable_budget}"
    if writable != machine.residents.writable:
        yield f"{writable} writable PTEs on CRAM pages, {machine.residents.writable} counted"


def _slots(machine: Machine) -> Iterator[str]:
    named: Counter[int] = Counter()
    for table in machine.tables:
        for pte in table.values():
            slot = pte.slot or (pte.folio.slot if isinstance(pte.folio, CramFolio) else 0)
            if slot:
                named[slot] += 1
    live = list(machine.slots.slots())
    if len(live) != machine.slots.used:
        yield f"{len(live)} slots live, {machine.slots.used} counted"
    for slot in live:
        count, pinned = machine.slots.swap_count(slot), machine.slots.pinned(slot)
        if count != named.pop(slot, 0):
            yield f"slot {slot} has swap_count {count}, which is not the number of PTEs that name it"
        if not count and not pinned:
            yield f"slot {slot} leaked: neither named nor pinned"
        folio = machine.cache.lookup(slot)
        if pinned != (folio is not None):
            yield f"slot {slot} is {'' if pinned else 'not '}pinned, the swap cache says otherwise"
        backing = machine.slots.backing(slot)
        match backing.type:
            case BackingType.FOLIO:
                if not isinstance(folio, Folio):
                    yield f"slot {slot} is backed by a folio that the swap cache does not have"
            case BackingType.CRAM:
                if not isinstance(folio, CramFolio) or machine.tiers.place(folio.tier, folio.page) != backing:
                    yield f"slot {slot} is backed by CRAM page {backing.handle}, the swap cache has another folio"
            case BackingType.LOST:
                pass
            case BackingType.NONE:
                yield f"slot {slot} has no backing"
            case _:
                if backing.tier not in machine.tiers:
                    yield f"slot {slot} is backed by {backing.type.name}, which is not configured"
    for slot in named:
        yield f"slot {slot} is named by a PTE and free"


def _folios(machine: Machine) -> Iterator[str]:
    for slot, folio in machine.cache.items():
        if slot not in (folio.slots if isinstance(folio, Folio) else (folio.slot,)):
            yield f"the swap cache has a folio of slot {folio.slot} under slot {slot}"
        if folio.dead:
            yield f"the swap cache has a dead folio under slot {slot}"
    resident: list[AnyFolio] = [*machine.memory.folios, *machine.residents.folios]
    for folio in resident:
        name = f"CRAM page {folio.page}" if isinstance(folio, CramFolio) else "a DRAM folio"
        for table, vpn in folio.mappers:
            pte = table.get(vpn)
            if pte is None or pte.folio is not folio:
                yield f"{name}: its mappers have page {vpn} of {table.name}, which does not point to it"
            elif not _is_found(folio, table, vpn, pte.index):
                yield f"{name}: page {vpn} of {table.name} points to it, and is not found from it"
        for slot in folio.slots if isinstance(folio, Folio) else filter(None, (folio.slot,)):
            if not machine.cache.holds(slot, folio):
                yield f"{name} believes to be the folio of slot {slot}"
        if folio.writeback and (not folio.slot or folio not in machine.inflight.folios):
            yield f"{name} is under writeback, and is not in the swap cache, or not known to be"
        if isinstance(folio, Folio):
            if folio.lazyfree and folio.slot:
                yield f"{name} is lazyfree, slot {folio.slot} may have a copy on a tier"
            for slot in folio.slots if not (folio.dirty or folio.writeback) else ():
                if machine.slots.backing(slot).type is BackingType.FOLIO:
                    yield f"{name} is clean and the only copy of slot {slot}"
            if not (folio.mappers or folio.slot or folio.private or folio.pins or folio.lock.locked()):
                yield f"{name} leaked: neither mapped nor in the swap cache"
            held = folio.private or folio.pins or folio.writeback or folio.lock.locked()
            if not held and rmap.unreferenced(machine, folio):
                yield f"{name} leaked: nobody refers to it and nobody will free it"


def _is_found(folio: AnyFolio, table: Table, vpn: int, index: int) -> bool:
    """A walk from the folio comes by this PTE."""
    vmas = folio.anon_vma.vmas if folio.anon_vma is not None else ()
    return folio.merged or any(vma.owner is table and vma.page_at(folio.offset + index) == vpn for vma in vmas)


def _tiers(machine: Machine) -> Iterator[str]:
    owners: dict[TierKey, dict[int, int]] = {key: {} for key, _ in machine.tiers.items()}
    for slot in machine.slots.slots():
        backing = machine.slots.backing(slot)
        held = owners.get(backing.tier)
        if held is None:
            continue
        if backing.handle in held:
            yield f"{backing.type.name} handle {backing.handle} is owned by slots {held[backing.handle]} and {slot}"
        held[backing.handle] = slot
    for folio in machine.residents.folios:
        if not folio.slot:
            held = owners[machine.tiers.key(folio.tier)]
            if folio.page in held:
                yield f"CRAM page {folio.page} is owned by slot {held[folio.page]} and by a folio without one"
            held[folio.page] = 0
    for key, tier in machine.tiers.items():
        in_tier, kind = tier.handles(), tier.type
        for handle in in_tier.keys() - owners[key].keys():
            yield f"{kind.name} handle {handle} leaked: no slot owns it"
        for handle, slot in owners[key].items():
            if in_tier.get(handle) != slot:
                yield f"{kind.name} handle {handle} belongs to slot {slot}, the tier says {in_tier.get(handle)}"


def _frames(machine: Machine) -> Iterator[str]:
    memory = machine.memory
    pool = sum(getattr(tier, "pool_pages", 0) for tier in machine.tiers.order)
    if memory.used > memory.limit:
        yield f"{memory.used} frames used, the limit is {memory.limit}"
    frames = sum(len(folio.pages) for folio in memory.folios)
    if memory.used != frames + pool:
        yield (
            f"{memory.used} frames used, by {frames} pages of folios and {pool} pages of pools: a tier that takes "
            "frames says how many it has in pool_pages (Pooled of vswap/tiers/base.py)"
        )
    for folio in memory.deferred:
        if folio.dead or not folio.order:
            yield "a folio is to be split that is dead or of one page"
    for group in machine.memory.memcgs:
        lruvec = machine.memory.lruvec(group)
        on_lists = sum(len(folio.pages) for folio in lruvec)
        if lruvec.active_pages + lruvec.inactive_pages != on_lists:
            yield f"the LRU lists of group {group.name} have {on_lists} pages, not as many as counted"


def _charges(machine: Machine) -> Iterator[str]:
    """What is charged to each group is what its subtree has, and within its limits."""
    folios, forced, swap = Counter[Memcg](), Counter[Memcg](), Counter[Memcg]()
    for folio in machine.memory.folios:
        if folio.memcg is not None:
            folios[folio.memcg] += len(folio.pages)
            forced[folio.memcg] += folio.forced
    for slot in machine.slots.slots():
        if machine.layer.charged(slot):
            swap[machine.layer.memcg_of(slot)] += 1
    swap.update(machine.placement.charging)
    device: dict[int, Counter[Memcg]] = {machine.tiers.node(tier): Counter() for tier in machine.residents.on}
    for resident in machine.residents.folios:
        if resident.charged:
            device[machine.tiers.node(resident.tier)][resident.memcg] += 1
        elif not resident.lock.locked() and not rmap.unreferenced(machine, resident):
            yield f"CRAM page {resident.page} is charged to nobody"
    zswap = machine.tiers.zswap.charges() if machine.tiers.zswap is not None else Counter[Memcg]()
    for group in machine.memory.memcgs:
        below = machine.memory.memcgs.subtree(group)
        for what, charged, held in (
            ("DRAM pages", group.folio_pages, folios),
            ("slots with physical backing", group.swap, swap),
            ("bytes in zswap", group.zswap_bytes, zswap),
            *((f"pages of node {node}", group.device_pages[node], held) for node, held in device.items()),
        ):
            has = sum(held[member] for member in below)
            if charged != has:
                yield f"group {group.name} is charged {charged} {what}, it has {has}"
        limits = group.limits
        past_the_limit = sum(forced[member] for member in below)
        memory, swap_before = group.before
        if limits.memory_max is not None and group.resident - past_the_limit > max(limits.memory_max, memory):
            yield f"group {group.name} has {group.resident} pages of memory, memory.max is {limits.memory_max}"
        if limits.swap_max is not None and group.swap > max(limits.swap_max, swap_before):
            yield f"group {group.name} has {group.swap} pages on swap devices, memory.swap.max is {limits.swap_max}"
    for event in _EVENTS:
        counted, total = machine.memory.memcgs.root.stat[event], getattr(machine.counters, event)
        if counted != total:
            yield f"the groups have counted {counted} {event}, the machine {total}"


def _fences(machine: Machine) -> Iterator[str]:
    for resident in machine.residents.folios:
        fenced = resident.tier.fenced(resident.page)
        if resident.writable and resident.tier.fences and fenced:
            yield f"CRAM page {resident.page} is writable, and fenced on the device"
        if not (resident.writable or fenced or resident.lock.locked() or resident in machine.residents.to_fence):
            yield f"CRAM page {resident.page} is not writable, and nobody is to fence it on the device"


def _nodes(machine: Machine) -> Iterator[str]:
    """Of a CRAM tier that is memory and no swap."""
    if not machine.tiers.demotes:
        return
    kept = sum(bool(folio.slot) and not folio.lock.locked() for folio in machine.residents.folios)
    if kept > machine.counters.writeback_failed:  # each could not be swapped out once
        yield f"{kept} pages of a memory node have a slot, {machine.counters.writeback_failed} could not be swapped out"
    if machine.counters.soft_faults:
        yield f"{machine.counters.soft_faults} soft faults on a memory node"


def _counts(machine: Machine) -> Iterator[str]:
    by_kind, by_name = sum(vars(machine.counters.writebacks).values()), sum(machine.counters.moves.values())
    if by_kind != by_name:
        yield f"{by_kind} writebacks are counted by the kinds of tiers, {by_name} by their names"


def _at_rest(machine: Machine) -> Iterator[str]:
    if machine.inflight.folios:
        yield f"{machine.inflight.pages} pages are under writeback at rest"
    for folio in machine.memory.folios:
        if folio.private:
            yield "a DRAM folio leaked: allocated and never used"
        if folio.lock.locked():
            yield f"a DRAM folio (slot {folio.slot}) is locked at rest"
    on_lists = len(machine.memory)
    if on_lists != len(machine.memory.folios):
        yield f"{len(machine.memory.folios)} DRAM folios, {on_lists} on the LRU lists"
    for resident in machine.residents.folios:
        if resident.lock.locked() or resident.busy:
            yield f"CRAM page {resident.page} is locked or in use at rest"
