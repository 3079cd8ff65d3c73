# SPDX-License-Identifier: MIT
"""Races put into the code on purpose, each by replacing one step. The search must find every one of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager

from driver import CramDevice
from hw.clock import Lock
from vswap.contract.broken.layer import (
    device_page_leaves_although_mapped_meanwhile,
    page_cleaned_at_the_end_of_its_write,
    writeback_without_a_pin,
)
from vswap.contract.broken.registry import Patcher
from vswap.mm.cache import SwapCache
from vswap.mm.folio import AnyFolio, CramFolio, Folio
from vswap.mm.memcg import Memcg
from vswap.mm.pagetable import PageTable, Pte
from vswap.mm.vma import Vmas
from vswap.paths import large, lazyfree, mmap
from vswap.paths.nodes import Nodes
from vswap.paths.reclaim import Reclaim
from vswap.paths.shrink import Reclaimed
from vswap.paths.spaces import AddressSpace
from vswap.paths.swapoff import Swapoff
from vswap.paths.writeback import Writeback
from vswap.paths.zswap_writeback import ZswapWriteback
from vswap.races.program import NODE_PROGRAMS, ZRAM_PROGRAMS
from vswap.state import migration, rmap
from vswap.state.machine import Machine
from vswap.state.residents import Residents
from vswap.tiers.base import Tier, TierError
from vswap.tiers.cram import CramTier
from vswap.tiers.placement import MakeRoom, Placement

SEEDED: dict[str, Callable[[Patcher], None]] = {
    patch.__name__: patch
    for patch in (
        writeback_without_a_pin, device_page_leaves_although_mapped_meanwhile, page_cleaned_at_the_end_of_its_write,
    )
}  # fmt: skip
"""By name: the layers that the contract suite rejects as well, and those below."""

FIRST: dict[str, int] = {}
"""The first of the programs that have what a race needs; any program has where it is not here."""


def _race(patch: Callable[[Patcher], None]) -> Callable[[Patcher], None]:
    SEEDED[patch.__name__] = patch
    return patch


def _race_on_a_node(patch: Callable[[Patcher], None]) -> Callable[[Patcher], None]:
    FIRST[patch.__name__] = NODE_PROGRAMS
    return _race(patch)


def _race_on_zram(patch: Callable[[Patcher], None]) -> Callable[[Patcher], None]:
    FIRST[patch.__name__] = ZRAM_PROGRAMS
    return _race(patch)


@contextmanager
def seeded(name: str) -> Iterator[None]:
    """The code with this race in it."""
    patcher = Patcher()
    SEEDED[name](patcher)
    try:
        yield
    finally:
        patcher.undo()


@_race
def no_check_after_the_folio_lock(patch: Patcher) -> None:
    """A fault that waited for the folio lock uses the folio whatever has become of it."""
    patch.replace(SwapCache, "holds", lambda *_: True)


@_race
def no_look_at_the_pte_after_sleeping(patch: Patcher) -> None:
    """A fault that slept installs its PTE over whatever is there now."""
    patch.replace(rmap, "pte_same", lambda *_: True)


@_race
def no_wait_for_accesses_under_way(patch: Patcher) -> None:
    """A shootdown does not wait for the loads and stores that began before it."""

    async def broken(self: CramFolio) -> None:
        return

    patch.replace(CramFolio, "drain", broken)


@_race
def last_user_leaves_while_locked(patch: Patcher) -> None:
    """Who unlocks a folio does not look whether its last user has left meanwhile."""

    def broken(machine: Machine, folio: AnyFolio) -> None:
        folio.lock.release()

    patch.replace(rmap, "unlock", broken)


@_race
def freed_under_the_lock_of_another(patch: Patcher) -> None:
    """The last user frees the folio although somebody else holds its lock."""

    def broken(machine: Machine, folio: Folio) -> None:
        if not folio.dead and not folio.private and rmap.unreferenced(machine, folio):
            if folio.slot and not folio.lock.locked():
                folio.lock.try_acquire()
                rmap.drop(machine, folio)
                folio.lock.release()
            else:
                rmap.drop(machine, folio)

    patch.replace(rmap, "try_to_free", broken)


@_race
def swap_charge_taken_after_the_store(patch: Patcher) -> None:
    """A store looks at its group's limit before it begins, and charges when it is done: others have charged by then."""
    original = Placement.store_on

    async def broken(
        self: Placement,
        tier: Tier,
        slot: int,
        store: Callable[[], Awaitable[int]],
        make_room: MakeRoom | None = None,
        pages: int = 1,
    ) -> int | None:
        memcg = self.layer.memcg_of(slot)
        charge = pages if self.layer.charges_at_store(tier.type) else 0

        async def uncharged() -> int:
            memcg.uncharge_swap(charge)
            self.charging[memcg] -= charge
            try:
                return await store()
            finally:
                memcg.uncharge_swap(-charge)
                self.charging[memcg] += charge

        return await original(self, tier, slot, uncharged, make_room, pages)

    patch.replace(Placement, "store_on", broken)


@_race
def reclaim_without_the_lock(patch: Patcher) -> None:
    """Reclaim takes a folio whose lock it did not get."""
    original = Reclaim.reclaim

    async def broken(
        self: Reclaim,
        folios: Iterable[Folio],
        *,
        force: bool = False,
        target: Memcg | None = None,
        by: str = "proactive",
    ) -> Reclaimed:
        batch = list(folios)
        locks = {folio: folio.lock for folio in batch if folio.lock.locked() and not folio.dead}
        for folio in locks:
            folio.lock = Lock(self.machine.clock)
        try:
            return await original(self, batch, force=force, target=target, by=by)
        finally:
            for folio, lock in locks.items():
                folio.lock = lock

    patch.replace(Reclaim, "reclaim", broken)


@_race
def writeback_without_the_lock(patch: Patcher) -> None:
    """Writeback of a device page goes on although a fault holds the folio lock."""
    original = Writeback.write_back_folios

    async def broken(self: Writeback, folios: Iterable[CramFolio], later: tuple[Tier, ...] | None = None) -> int:
        batch = list(folios)
        locks = {folio: folio.lock for folio in batch if folio.lock.locked() and not folio.dead}
        for folio in locks:
            folio.lock = Lock(self.machine.clock)
        try:
            return await original(self, batch, later)
        finally:
            for folio, lock in locks.items():
                folio.lock = lock

    patch.replace(Writeback, "write_back_folios", broken)


@_race
def device_page_made_writable_under_writeback(patch: Patcher) -> None:
    """A page that is being written may be made writable in place: what is stored into it then is not written."""

    def broken(self: Residents, folio: CramFolio) -> bool:
        under_way, folio.writeback = folio.writeback, False
        try:
            return original(self, folio)
        finally:
            folio.writeback = under_way

    original = Residents.may_make_writable
    patch.replace(Residents, "may_make_writable", broken)


@_race
def zswap_entry_not_checked_after_its_folio_was_taken(patch: Patcher) -> None:
    """The shrinker writes what it has chosen, although the entry may have gone while a folio was allocated for it."""
    patch.replace(ZswapWriteback, "still_has", lambda *_: True)


@_race
def zswap_entry_erased_after_its_folio_was_unlocked(patch: Patcher) -> None:
    """The shrinker erases what zswap has for the slot long after the folio was unlocked: that may be a newer page."""
    original = ZswapWriteback.write_back

    async def broken(self: ZswapWriteback, memcg: Memcg | None = None, *, may_reclaim: bool = False) -> bool:
        machine, zswap = self.machine, self.machine.tiers.zswap
        assert zswap is not None
        victim = zswap.oldest(memcg)
        wrote = await original(self, memcg, may_reclaim=may_reclaim)
        if wrote and victim is not None:
            await machine.clock.sleep(2 * machine.costs.swapfile_write)
            for handle, slot in zswap.handles().items():
                if slot == victim[1]:
                    zswap.free(handle)
        return wrote

    patch.replace(ZswapWriteback, "write_back", broken)


@_race
def exit_marks_the_space_dead_too_late(patch: Patcher) -> None:
    """The pages of an exiting space are dropped first, and a fault under way maps another one."""

    async def broken(self: AddressSpace) -> None:
        for vpn in [vpn for vpn, _ in self.table.items()]:
            rmap.zap(self.machine, self.table, vpn)
            await self.machine.clock.sleep(500)
        self.table.dead = True
        self.table.vmas.clear()

    patch.replace(AddressSpace, "exit", broken)


@_race
def lazyfree_page_dropped_although_written(patch: Patcher) -> None:
    """Reclaim looks at the mark of MADV_FREE and not at the dirty bits: what was written since is lost."""
    original = lazyfree.discard

    def broken(machine: Machine, folio: Folio) -> bool:
        for _, _, pte in rmap.walk(machine, folio):
            pte.dirty = False
        return original(machine, folio)

    patch.replace(lazyfree, "discard", broken)


@_race
def large_fault_does_not_look_again(patch: Patcher) -> None:
    """A fault that has zeroed a large folio maps it over what other faults have mapped there meanwhile."""

    async def broken(machine: Machine, table: PageTable, vpn: int) -> bool:
        vpns = range(vpn & ~3, (vpn & ~3) + 4)
        folio = None if any(map(table.get, vpns)) else machine.memory.try_allocate(table.memcg, 2)
        if folio is None:
            return False
        await machine.clock.sleep(machine.costs.page_zero << 2)
        for index, page in enumerate(vpns):
            rmap.map_page(machine, table, page, folio, writable=True, exclusive=True, index=index)
        machine.memory.add(folio)
        return True

    patch.replace(large, "zero_fill", broken)


@_race_on_zram
def large_swap_in_takes_pages_that_others_bring_in(patch: Patcher) -> None:
    """The pages of a large folio are read at once although the swap cache has one of them already."""
    original = large.readable_at_once

    def broken(machine: Machine, table: PageTable, vpns: range, first: int) -> bool:
        slots = machine.slots
        patched = Patcher()
        patched.replace(type(slots), "pinned", lambda *_: False)
        try:
            return original(machine, table, vpns, first)
        finally:
            patched.undo()

    patch.replace(large, "readable_at_once", broken)


@_race
def fork_names_the_slot_later(patch: Patcher) -> None:
    """The child's PTE names a slot before it is counted; whoever drops the last other reference meanwhile frees it."""
    original = mmap.copy_pte

    async def broken(
        machine: Machine, reclaim: Reclaim, parent: PageTable, child: PageTable, vpn: int, stored_into: list[CramFolio]
    ) -> None:
        pte = parent.get(vpn)
        if pte is None or not pte.slot:
            await original(machine, reclaim, parent, child, vpn, stored_into)
            return
        child.set(vpn, Pte.softleaf(pte.slot, exclusive=False))
        await machine.clock.sleep(500)
        machine.slots.duplicate(pte.slot)

    patch.replace(mmap, "copy_pte", broken)


@_race
def fork_links_the_child_too_late(patch: Patcher) -> None:
    """The child's mappings are not linked to the parent's anon_vmas when its PTEs are: reclaim does not find them."""
    original = Vmas.fork

    def broken(self: Vmas, child: Vmas) -> None:
        original(self, child)
        for vma in child:
            if vma.anon_vma is not None:
                vma.unlink()
                vma.prepare(None)

    patch.replace(Vmas, "fork", broken)


@_race
def pinned_page_shared_at_fork(patch: Patcher) -> None:
    """Fork shares a pinned page: the parent's next write goes to a copy, and leaves the page to the pin."""
    original = mmap.copy_pte

    async def broken(
        machine: Machine, reclaim: Reclaim, parent: PageTable, child: PageTable, vpn: int, stored_into: list[CramFolio]
    ) -> None:
        pte = parent.get(vpn)
        folio = pte.folio if pte is not None else None
        if not isinstance(folio, Folio):
            await original(machine, reclaim, parent, child, vpn, stored_into)
            return
        held, folio.pins = folio.pins, 0
        try:
            await original(machine, reclaim, parent, child, vpn, stored_into)
        finally:
            folio.pins = held

    patch.replace(mmap, "copy_pte", broken)


@_race
def unmap_drops_what_it_saw_before_it_slept(patch: Patcher) -> None:
    """Unmap and exit note all PTEs at the start, and drop those references, whatever has become of the PTEs."""

    async def broken(machine: Machine, table: PageTable, vpns: list[int], last: int) -> None:
        noted = [(vpn, pte) for vpn in vpns if (pte := table.get(vpn)) is not None]
        for vpn, pte in noted:
            await machine.clock.sleep(machine.costs.fork_pte)
            table.clear(vpn)
            rmap.forget(machine, table, vpn, pte)
        await machine.clock.sleep(last)

    patch.replace(mmap, "zap_ptes", broken)


@_race
def swapoff_does_not_wait_for_stores(patch: Patcher) -> None:
    """A store that was under way lands on the tier after its swapoff."""
    patch.replace(Swapoff, "is_empty", lambda self: not self.tier.usage().pages)


@_race
def pages_freed_during_a_trim_are_forgotten(patch: Patcher) -> None:
    """The list of pages to trim is emptied after the trim, with those that joined it meanwhile."""

    async def broken(self: CramTier) -> None:
        pages = self.inventory
        if pages.awaiting_trim:
            await pages.trim(list(pages.awaiting_trim))
            pages.free.extend(pages.awaiting_trim)
            pages.awaiting_trim.clear()

    patch.replace(CramTier, "flush", broken)


@_race
def device_given_again_before_its_pages_are_given_up(patch: Patcher) -> None:
    """A node registers while slots still name pages of the device before, which read as the new device's."""

    async def broken(self: CramTier, device: CramDevice) -> None:
        held = list(self.inventory.owners.copy().items())
        self.start(device)
        for page, slot in held:
            self.inventory.owners[page] = slot
            self.inventory.free.remove(page)
        await self.program_marks()

    async def register(self: Nodes, node: str, ranges: object, ratio: int, device: CramDevice) -> None:
        await self.tier(node).attach(device)

    patch.replace(CramTier, "attach", broken)
    patch.replace(Nodes, "register", register)


@_race_on_a_node
def page_copied_while_it_is_mapped(patch: Patcher) -> None:
    """A folio is copied to its node before its mappers are gone: a write meanwhile is lost."""
    original = migration.unmap

    def broken(machine: Machine, folio: AnyFolio) -> int:
        return original(machine, folio) if isinstance(folio, CramFolio) else len(folio.mappers)

    patch.replace(migration, "unmap", broken)


@_race_on_a_node
def fork_copies_a_migration_entry_as_it_is(patch: Patcher) -> None:
    """Parent and child both believe that the page on its way is theirs alone."""
    original = Pte.migration

    def broken(pte: Pte, *, shared: bool = False) -> Pte:
        return original(pte)

    patch.replace(Pte, "migration", staticmethod(broken))


@_race_on_a_node
def demoted_to_a_node_that_is_being_taken_back(patch: Patcher) -> None:
    """Whoever has chosen a node does not look again before the store."""

    async def broken(self: Placement, node: CramTier, data: bytes) -> int | None:
        try:
            return await node.store(data, 0)
        except TierError:
            return None

    patch.replace(Placement, "store_on_node", broken)
