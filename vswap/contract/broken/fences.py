# SPDX-License-Identifier: MIT
"""Breakages of the fences of device pages (docs/vswap/fences.md): ways to write to one that nobody holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from driver import CramDevice
from hw.link import ZERO_PAGE
from vswap.contract import backends
from vswap.contract.broken.registry import Patcher, layer, tier
from vswap.mm.folio import CramFolio, Folio
from vswap.mm.pagetable import PageTable, Pte, PteState
from vswap.paths import ksm, pins, protection
from vswap.paths.fault import handle_fault
from vswap.paths.reclaim import Reclaim
from vswap.state.machine import Machine
from vswap.state.residents import Residents
from vswap.tiers.cram import CramTier


@layer(backends.cram)
def right_to_write_given_back_on_the_device(patch: Patcher) -> None:
    """mprotect and userfaultfd make a page writable because it is its PTE's alone, wherever it is."""
    patch.replace(
        protection,
        "may_be_writable",
        lambda machine, table, vpn, pte: pte.folio is not None and pte.exclusive and table.may_write(vpn),
    )


@layer(backends.cram)
def hint_fault_makes_a_device_page_writable(patch: Patcher) -> None:
    """A NUMA hint fault gives a device page back with more rights than it had."""
    original = protection.hint_fault

    def broken(machine: Machine, table: PageTable, vpn: int, pte: Pte) -> Pte:
        mapped = original(machine, table, vpn, pte)
        if isinstance(pte.folio, CramFolio) and pte.exclusive:
            mapped = Pte.present(pte.folio, writable=True, exclusive=True)
            table.set(vpn, mapped)
        return mapped

    patch.replace(protection, "hint_fault", broken)


@layer(backends.cram)
def long_term_pin_on_the_device(patch: Patcher) -> None:
    """A page that may be written to in place is pinned where it is; what the other device writes never gets there."""
    original = pins.pin

    async def broken(machine: Machine, reclaim: Reclaim, table: PageTable, vpn: int) -> pins.Pin:
        pte = await handle_fault(machine, reclaim, table, vpn, write=True)
        if pte.state is PteState.DRAM:
            return await original(machine, reclaim, table, vpn)
        elsewhere = Folio(machine.clock, None)
        elsewhere.pages = [ZERO_PAGE]
        elsewhere.pins = 1
        elsewhere.private = True
        return pins.Pin(elsewhere, 0)

    patch.replace(pins, "pin", broken)


@layer(backends.cram)
def pinned_page_reclaimed(patch: Patcher) -> None:
    """Reclaim takes a pinned page to the device; the pin goes on writing to a frame that is nobody's."""
    original = Reclaim.unmap

    async def broken(self: Reclaim, shrunk: Any, folio: Folio, *, force: bool) -> None:
        held, folio.pins = folio.pins, 0
        try:
            await original(self, shrunk, folio, force=force)
        finally:
            folio.pins = held

    patch.replace(Reclaim, "unmap", broken)


@layer(backends.cram)
def merged_page_left_writable(patch: Patcher) -> None:
    """KSM does not write-protect the page that others point to from then on."""
    original = ksm.merge

    async def broken(machine: Machine, table: PageTable, vpn: int, other: PageTable, other_vpn: int) -> bool:
        merged = await original(machine, table, vpn, other, other_vpn)
        pte = other.get(other_vpn)
        if merged and pte is not None and pte.state is PteState.DRAM:
            other.set(other_vpn, Pte.present(pte.dram, writable=True, exclusive=False))
        return merged

    patch.replace(ksm, "merge", broken)


@layer(backends.cram_fenced)
def page_not_fenced_again(patch: Patcher) -> None:
    """A page that was writable within the budget stays without its fence when that has ended."""
    patch.replace(Residents, "fence_again", lambda *_: None)


@tier(backends.cram_fenced)
class CramFenceNeverLifted(CramTier):
    """A page that has been made writable is still fenced on the device."""

    async def set_fence(self, handle: int, on: bool) -> None:
        if on:
            await super().set_fence(handle, on)


@layer(backends.cram_fenced)
def fence_never_set_on_the_device(patch: Patcher) -> None:
    """A page is believed to be fenced, and the device was never told of it."""

    async def broken(_: CramDevice, pages: Iterable[int]) -> None:
        """Tell nobody."""

    patch.replace(CramDevice, "fence", broken)
