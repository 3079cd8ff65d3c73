"""What must hold between any two steps of a swap system (docs/vswap/invariants.md): one generator a subject, each
yields a sentence for every contradiction it finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from vswap.mm.folio import AnyFolio, CramFolio, Folio
from vswap.mm.memcg import Memcg
from vswap.mm.pagetable import PageTable, PteState
from vswap.slots.table import BackingType, TierKey
from vswap.state.core import Core
from vswap.tiers.base import PHYSICAL

_EVENTS = ("zswpin", "zswpout", "zswpwb", "pswpin", "pswpout", "swpin_zero", "swpout_zero",
           "workingset_refault_anon", "workingset_activate_anon", "workingset_restore_anon")  # fmt: skip
"""Of memory.stat."""


def contradictions(core: Core, tables: Iterable[PageTable], *, quiescent: bool) -> list[str]:
    """Every contradiction in the state of `core` and the page tables that use it, [] when there is none.

    `quiescent`: no access, reclaim or writeback is under way, so nothing may be locked or half done.
    """
    tables = list(tables)
    findings = [
        *_ptes(core, tables),
        *_slots(core, tables),
        *_folios(core),
        *_tiers(core),
        *_frames(core),
        *_charges(core),
    ]
    if quiescent:
        findings += _at_rest(core)
    return sorted(findings)  # the same words for the same state: sets have no order


def _ptes(core: Core, tables: list[PageTable]) -> Iterator[str]:
    writable = 0
    for table in tables:
        for vpn, pte in table.items():
            where = f"page {vpn} of {table.name}"
            if table.dead:
                yield f"{where} is mapped after exit"
            if pte.state is PteState.SOFTLEAF:
                if pte.writable or pte.folio is not None:
                    yield f"{where} is a softleaf and present"
                if not core.slots.alive(pte.slot):
                    yield f"{where} names slot {pte.slot}, which is free"
                elif pte.exclusive and core.slots.swap_count(pte.slot) != 1:
                    yield f"{where} is exclusive, slot {pte.slot} has {core.slots.swap_count(pte.slot)} users"
                continue
            folio = pte.folio
            if folio is None or folio.dead:
                yield f"{where} points to a folio that was given back"
                continue
            if (table, vpn) not in folio.mappers:
                yield f"{where} is missing in its folio's reverse map"
            mapped = folio.mapped(pte.index) if isinstance(folio, Folio) else len(folio.mappers)
            if (pte.writable or pte.exclusive) and mapped != 1:
                yield f"{where} is writable or exclusive, its page has {mapped} mappers"
            if pte.writable and folio.slot:
                yield f"{where} is writable while slot {folio.slot} may have a copy on a tier"
            if isinstance(folio, CramFolio) and pte.writable:
                writable += 1
                if not folio.writable:
                    yield f"{where} is a writable PTE on CRAM page {folio.page}, which is read-only"
    if writable > core.config.writable_budget:
        yield f"{writable} writable PTEs on CRAM pages, the budget is {core.config.writable_budget}"
    if writable != core.writable_pages:
        yield f"{writable} writable PTEs on CRAM pages, {core.writable_pages} counted"


def _slots(core: Core, tables: list[PageTable]) -> Iterator[str]:
    named: Counter[int] = Counter()
    for table in tables:
        for pte in table.values():
            slot = pte.slot or (pte.folio.slot if isinstance(pte.folio, CramFolio) else 0)
            if slot:
                named[slot] += 1
    live = list(core.slots.slots())
    if len(live) != core.slots.used:
        yield f"{len(live)} slots live, {core.slots.used} counted"
    for slot in live:
        count, pinned = core.slots.swap_count(slot), core.slots.pinned(slot)
        if count != named.pop(slot, 0):
            yield f"slot {slot} has swap_count {count}, which is not the number of PTEs that name it"
        if not count and not pinned:
            yield f"slot {slot} leaked: neither named nor pinned"
        folio = core.cache.lookup(slot)
        if pinned != (folio is not None):
            yield f"slot {slot} is {'' if pinned else 'not '}pinned, the swap cache says otherwise"
        backing = core.slots.backing(slot)
        match backing.type:
            case BackingType.FOLIO:
                if not isinstance(folio, Folio):
                    yield f"slot {slot} is backed by a folio that the swap cache does not have"
            case BackingType.CRAM:
                if not isinstance(folio, CramFolio) or core.tiers.place(folio.tier, folio.page) != backing:
                    yield f"slot {slot} is backed by CRAM page {backing.handle}, the swap cache has another folio"
            case BackingType.LOST:
                pass
            case BackingType.NONE:
                yield f"slot {slot} has no backing"
            case _:
                if backing.tier not in core.tiers:
                    yield f"slot {slot} is backed by {backing.type.name}, which is not configured"
    for slot in named:
        yield f"slot {slot} is named by a PTE and free"


def _folios(core: Core) -> Iterator[str]:
    for slot, folio in core.cache.items():
        if slot not in (folio.slots if isinstance(folio, Folio) else (folio.slot,)):
            yield f"the swap cache has a folio of slot {folio.slot} under slot {slot}"
        if folio.dead:
            yield f"the swap cache has a dead folio under slot {slot}"
    resident: list[AnyFolio] = [*core.memory.folios, *core.cram_folios]
    for folio in resident:
        name = f"CRAM page {folio.page}" if isinstance(folio, CramFolio) else "a DRAM folio"
        for table, vpn in folio.mappers:
            pte = table.get(vpn)
            if pte is None or pte.folio is not folio:
                yield f"{name}: its reverse map has page {vpn} of {table.name}, which does not point to it"
        for slot in folio.slots if isinstance(folio, Folio) else filter(None, (folio.slot,)):
            if not core.cache.holds(slot, folio):
                yield f"{name} believes to be the folio of slot {slot}"
        if isinstance(folio, Folio):
            if folio.lazyfree and folio.slot:
                yield f"{name} is lazyfree, slot {folio.slot} may have a copy on a tier"
            for slot in folio.slots if not folio.dirty else ():
                if core.slots.backing(slot).type is BackingType.FOLIO:
                    yield f"{name} is clean and the only copy of slot {slot}"
            if not (folio.mappers or folio.slot or folio.private or folio.lock.locked()):
                yield f"{name} leaked: neither mapped nor in the swap cache"
            if not folio.private and not folio.lock.locked() and core.unreferenced(folio):
                yield f"{name} leaked: nobody refers to it and nobody will free it"


def _tiers(core: Core) -> Iterator[str]:
    owners: dict[TierKey, dict[int, int]] = {key: {} for key, _ in core.tiers.items()}
    for slot in core.slots.slots():
        backing = core.slots.backing(slot)
        held = owners.get(backing.tier)
        if held is None:
            continue
        if backing.handle in held:
            yield f"{backing.type.name} handle {backing.handle} is owned by slots {held[backing.handle]} and {slot}"
        held[backing.handle] = slot
    for folio in core.cram_folios:
        if not folio.slot:
            held = owners[core.tiers.key(folio.tier)]
            if folio.page in held:
                yield f"CRAM page {folio.page} is owned by slot {held[folio.page]} and by a folio without one"
            held[folio.page] = 0
    for key, tier in core.tiers.items():
        in_tier, kind = tier.handles(), tier.type
        for handle in in_tier.keys() - owners[key].keys():
            yield f"{kind.name} handle {handle} leaked: no slot owns it"
        for handle, slot in owners[key].items():
            if in_tier.get(handle) != slot:
                yield f"{kind.name} handle {handle} belongs to slot {slot}, the tier says {in_tier.get(handle)}"


def _frames(core: Core) -> Iterator[str]:
    memory = core.memory
    pool = sum(getattr(tier, "pool_pages", 0) for tier in core.order)
    if memory.used > memory.limit:
        yield f"{memory.used} frames used, the limit is {memory.limit}"
    frames = sum(len(folio.pages) for folio in memory.folios)
    if memory.used != frames + pool:
        yield f"{memory.used} frames used, by {frames} pages of folios and {pool} pages of compressed pools"
    for folio in memory.deferred:
        if folio.dead or not folio.order:
            yield "a folio is to be split that is dead or of one page"
    for group in core.memcgs:
        on_lists = sum(len(folio.pages) for folio in group.lru)
        if group.lru.active_pages + group.lru.inactive_pages != on_lists:
            yield f"the LRU lists of group {group.name} have {on_lists} pages, not as many as counted"


def _charges(core: Core) -> Iterator[str]:
    """What is charged to each group is what its subtree has, and within its limits."""
    folios, swap = Counter[Memcg](), Counter[Memcg]()
    for folio in core.memory.folios:
        if folio.memcg is not None:
            folios[folio.memcg] += len(folio.pages)
    for slot in core.slots.slots():
        home = core.slots.backing(slot).type if core.direct is None else core.direct.home(slot).type
        if home in PHYSICAL:
            swap[core.memcg_of(slot)] += 1
    swap.update(core.charging)
    zswap = core.zswap.charges() if core.zswap is not None else Counter[Memcg]()
    for group in core.memcgs:
        below = core.memcgs.subtree(group)
        for what, charged, held in (
            ("DRAM pages", group.folio_pages, folios),
            ("slots with physical backing", group.swap, swap),
            ("bytes in zswap", group.zswap_bytes, zswap),
        ):
            has = sum(held[member] for member in below)
            if charged != has:
                yield f"group {group.name} is charged {charged} {what}, it has {has}"
        limits = group.limits
        if limits.memory_max is not None and group.folio_pages > limits.memory_max:
            yield f"group {group.name} has {group.folio_pages} DRAM pages, memory.max is {limits.memory_max}"
        if limits.swap_max is not None and group.swap > limits.swap_max:
            yield f"group {group.name} has {group.swap} pages on swap devices, memory.swap.max is {limits.swap_max}"
    for event in _EVENTS:
        counted, total = core.memcgs.root.stat[event], getattr(core.counters, event)
        if counted != total:
            yield f"the groups have counted {counted} {event}, the machine {total}"


def _at_rest(core: Core) -> Iterator[str]:
    for folio in core.memory.folios:
        if folio.private:
            yield "a DRAM folio leaked: allocated and never used"
        if folio.lock.locked():
            yield f"a DRAM folio (slot {folio.slot}) is locked at rest"
    on_lists = len(core.memory)
    if on_lists != len(core.memory.folios):
        yield f"{len(core.memory.folios)} DRAM folios, {on_lists} on the LRU lists"
    for resident in core.cram_folios:
        if resident.lock.locked() or resident.busy:
            yield f"CRAM page {resident.page} is locked or in use at rest"
