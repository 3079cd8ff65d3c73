# SPDX-License-Identifier: MIT
"""Breaking a rule on purpose must be noticed: by the invariants, by the shadow copy, or by the layer itself.

Each breakage is a function that patches one step of the code. The random workload runs on it until something notices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.vswap.test_races import run
from vswap import VswapError
from vswap.base.backing import Backing, BackingType
from vswap.base.errors import InvariantViolation
from vswap.contract.workload import Shape
from vswap.mm.cache import SwapCache
from vswap.mm.folio import AnyFolio, CramFolio, Folio
from vswap.mm.pagetable import PageTable, Pte
from vswap.paths.fault import Fault
from vswap.paths.pageout import Leaving, Pageout
from vswap.paths.spaces import AddressSpace
from vswap.slots.layer import Layer
from vswap.slots.table import SlotTable
from vswap.state import rmap
from vswap.state.machine import Machine
from vswap.tiers.base import Tier, TierError
from vswap.tiers.cram import CramTier
from vswap.tiers.cram_pages import DevicePages
from vswap.tiers.lz4block import Block
from vswap.tiers.placement import MakeRoom, Placement
from vswap.tiers.swapfile import SwapfileTier
from vswap.tiers.zswap import ZswapTier

Patch = pytest.MonkeyPatch
SHAPES = (
    Shape(spaces=2, tasks=4, pages=4, operations=100),  # a crowd: accesses of one page meet
    Shape(spaces=2, tasks=2, pages=24, operations=80, errors=True),
)


def pte_left_writable_on_a_cram_page(patch: Patch) -> None:
    """A soft fault maps the page writable, over the budget."""
    original = rmap.map_page

    def broken(
        machine: Machine, table: PageTable, vpn: int, folio: Any, *, writable: bool, exclusive: bool, index: int = 0
    ) -> Pte:
        pte = original(machine, table, vpn, folio, writable=writable, exclusive=exclusive, index=index)
        if isinstance(folio, CramFolio):
            pte = Pte.present(folio, writable=True, exclusive=exclusive)
            table.set(vpn, pte)
        return pte

    patch.setattr(rmap, "map_page", broken)


def budget_checked_against_one_more(patch: Patch) -> None:
    """One page more than the budget becomes writable."""
    original = Fault.write_to_device_page

    async def broken(self: Fault, pte: Pte, folio: CramFolio) -> Pte | None:
        self.machine.residents.writable -= 1
        try:
            return await original(self, pte, folio)
        finally:
            self.machine.residents.writable += 1

    patch.setattr(Fault, "write_to_device_page", broken)


def zswap_handle_leaked(patch: Patch) -> None:
    """Another backing takes over and the compressed copy stays."""

    def broken(self: Layer[Any], slot: int, backing: Backing) -> None:
        self.slots.set_backing(slot, backing)

    patch.setattr(Layer, "change_backing", broken)


def swapfile_slot_leaked(patch: Patch) -> None:
    """The map of the swapfile never hears of the free."""

    def broken(self: SwapfileTier, handle: int) -> None:
        self.discarding.append(handle)

    patch.setattr(SwapfileTier, "free", broken)


def device_page_never_trimmed(patch: Patch) -> None:
    """Freed device pages are handed out again without their trim: their sectors stay in use."""

    def broken(self: CramTier, handle: int) -> None:
        del self.inventory.owners[handle]
        self.inventory.free.append(handle)

    patch.setattr(CramTier, "free", broken)


def device_page_given_up_under_a_load(patch: Patch) -> None:
    """The shootdown does not wait for accesses under way."""

    async def broken(self: CramFolio) -> None:
        return

    patch.setattr(CramFolio, "drain", broken)


def live_page_trimmed(patch: Patch) -> None:
    """The trim hits one page more than was freed."""
    original = DevicePages.trim

    async def broken(self: DevicePages, pages: list[int]) -> None:
        await original(self, [*pages, *list(self.owners)[:1]])

    patch.setattr(DevicePages, "trim", broken)


def frame_leaked(patch: Patch) -> None:
    """Nobody frees a folio whose last user left while it was locked."""

    def broken(machine: Machine, folio: Any) -> None:
        folio.lock.release()

    patch.setattr(rmap, "unlock", broken)


def fork_does_not_count(patch: Patch) -> None:
    """The child names slots that were not duplicated for it."""
    original = AddressSpace.fork_into

    async def broken(self: AddressSpace, child: AddressSpace) -> None:
        forked = original(self, child)
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(SlotTable, "duplicate", lambda *_, **__: None)
            try:
                forked.send(None)  # up to the first await: the entries are copied
            except StopIteration:
                return
            finally:
                forked.close()

    patch.setattr(AddressSpace, "fork_into", broken)


def exclusive_mark_kept_at_fork(patch: Patch) -> None:
    """Both sides believe to be alone, so a write is not copied."""
    original = Pte.softleaf.__func__  # type: ignore[attr-defined]
    patch.setattr(Pte, "softleaf", classmethod(lambda cls, slot, *, exclusive: original(cls, slot, exclusive=True)))


def parent_left_writable_at_fork(patch: Patch) -> None:
    """Fork shares the page and forgets to write-protect it."""
    original = AddressSpace.fork_into

    async def broken(self: AddressSpace, child: AddressSpace) -> None:
        writable = [(vpn, pte) for vpn, pte in self.table.items() if pte.writable]
        forked = original(self, child)
        try:
            forked.send(None)  # up to the first await: the entries are copied
        except StopIteration:
            return
        finally:
            forked.close()
        for vpn, pte in writable:
            self.table.set(vpn, pte)

    patch.setattr(AddressSpace, "fork_into", broken)


def dirty_bit_lost(patch: Patch) -> None:
    """A page that came back from zswap is believed to be clean, so reclaim drops the only copy."""
    original = rmap.map_cached

    def broken(machine: Machine, table: PageTable, vpn: int, pte: Pte, folio: Folio, **how: bool) -> Pte:
        folio.dirty = False
        return original(machine, table, vpn, pte, folio, **how)

    patch.setattr(rmap, "map_cached", broken)


def stale_copy_kept_after_a_write(patch: Patch) -> None:
    """A page in the swap cache is made writable while its copy on the tier stays valid."""

    original = SwapCache.delete

    def broken(self: SwapCache, folio: AnyFolio) -> None:
        if isinstance(folio, Folio):
            folio.dirty = False
        else:
            original(self, folio)

    patch.setattr(SwapCache, "delete", broken)


def no_check_after_the_lock(patch: Patch) -> None:
    """A fault that waited for the folio lock uses the folio whatever has become of it."""
    patch.setattr(SwapCache, "holds", lambda *_: True)


def fault_does_not_look_again(patch: Patch) -> None:
    """A fault that slept installs its PTE over whatever is there now."""
    patch.setattr(rmap, "pte_same", lambda *_: True)


def backing_changed_before_the_write(patch: Patch) -> None:
    """The old copy is freed although no tier took the page."""

    original = Placement.write_out

    async def broken(
        self: Placement, data: bytes | Block, slot: int, order: Sequence[Tier], make_room: MakeRoom | None = None
    ) -> Backing | None:
        if isinstance(data, Block):
            return await original(self, data, slot, order, make_room)
        for tier in order:
            try:
                return Backing(tier.type, await tier.store(data, slot))
            except TierError:
                if tier is order[-1]:
                    return Backing(BackingType.ZERO, 0)
        return None

    patch.setattr(Placement, "write_out", broken)


def failed_store_drops_the_folio(patch: Patch) -> None:
    """No tier took the page and reclaim frees it all the same."""
    original = Pageout.finish

    async def broken(self: Pageout) -> list[Leaving]:
        refused = await original(self)
        for folio in [leaving.folio for leaving in refused]:
            if folio.slot and not (folio.dead or folio.mappers) and folio.lock.try_acquire():
                rmap.drop(self.machine, folio)
                folio.lock.release()
        return refused

    patch.setattr(Pageout, "finish", broken)


def swapfile_slot_given_out_twice(patch: Patch) -> None:
    """A discarded slot is used again while somebody owns it."""
    original = SwapfileTier.find_free

    def broken(self: SwapfileTier) -> int:
        return next(iter(self.owners)) if len(self.owners) % 5 == 4 else original(self)

    patch.setattr(SwapfileTier, "find_free", broken)


def one_wrong_byte(patch: Patch) -> None:
    """zswap decompresses one byte wrong, rarely."""
    original = ZswapTier.load

    async def broken(self: ZswapTier, handle: int) -> bytes:
        data = await original(self, handle)
        return data if handle % 7 else data[:99] + bytes([data[99] ^ 1]) + data[100:]

    patch.setattr(ZswapTier, "load", broken)


BREAKAGES: list[Callable[[Patch], None]] = [
    pte_left_writable_on_a_cram_page,
    budget_checked_against_one_more,
    zswap_handle_leaked,
    swapfile_slot_leaked,
    device_page_never_trimmed,
    device_page_given_up_under_a_load,
    live_page_trimmed,
    frame_leaked,
    fork_does_not_count,
    exclusive_mark_kept_at_fork,
    parent_left_writable_at_fork,
    dirty_bit_lost,
    stale_copy_kept_after_a_write,
    no_check_after_the_lock,
    fault_does_not_look_again,
    backing_changed_before_the_write,
    failed_store_drops_the_folio,
    swapfile_slot_given_out_twice,
    one_wrong_byte,
]


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda breakage: breakage.__name__)
def test_a_broken_rule_is_noticed(breakage: Callable[[Patch], None], monkeypatch: Patch) -> None:
    breakage(monkeypatch)
    with pytest.raises((VswapError, AssertionError, KeyError)):
        search()


def test_the_unbroken_code_passes_the_same_workloads() -> None:
    search()


def search() -> None:
    """Workloads until one of them raises."""
    for seed in range(20):
        for shape in SHAPES:
            run(seed, shape, every=10, memory_pages=20, writable_budget=1)


def test_a_violation_names_what_is_wrong(monkeypatch: Patch) -> None:
    pte_left_writable_on_a_cram_page(monkeypatch)
    with pytest.raises(InvariantViolation, match=r"writable PTEs? on (a )?CRAM page"):
        for seed in range(20):
            run(seed, SHAPES[0], every=1, memory_pages=20)
