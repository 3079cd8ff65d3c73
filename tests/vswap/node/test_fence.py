# SPDX-License-Identifier: MIT
"""The write fence of a demoted folio: every way to write to it ends on a page in DRAM (docs/vswap/fences.md)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.pages import compressible_page, noise_page
from tests.vswap.node.tools import demoted, node_machine, verify
from tests.vswap.tb import TB
from vswap import AddressSpace


async def _mprotect(space: AddressSpace) -> None:
    await space.protect(0, 1, write=False)
    await space.protect(0, 1, write=True)


async def _userfaultfd(space: AddressSpace) -> None:
    await space.write_protect(0, 1, on=True)
    await space.write_protect(0, 1, on=False)


async def _numa_hint(space: AddressSpace) -> None:
    await space.hint(0, 1)
    await space.read(0)


@node_machine(rtl=True)
@pytest.mark.parametrize("way_to_write", [_mprotect, _userfaultfd, _numa_hint])
async def test_the_right_to_write_is_not_given_back_without_a_fault(
    tb: TB, way_to_write: Callable[[AddressSpace], Awaitable[None]]
) -> None:
    space = await demoted(tb, 1)
    await way_to_write(space)
    assert tb.state(space, 0) == "cram ro"
    page = tb.cram_folio(space, 0).page
    await space.write(0, noise_page(1))
    assert tb.state(space, 0) == "dram rw" and page not in tb.node().handles()


@node_machine()
async def test_a_long_term_pin_takes_the_page_off_the_node_and_keeps_it_off(tb: TB) -> None:
    space = await demoted(tb, 1)
    pinned = await space.pin(0)
    assert tb.state(space, 0) == "dram rw"
    pinned.write(noise_page(2))
    await space.pageout(0)
    assert tb.state(space, 0) == "dram rw"
    space.unpin(pinned)
    assert await space.read(0) == noise_page(2)


@node_machine()
async def test_ksm_and_khugepaged_leave_demoted_folios_alone(tb: TB) -> None:
    space = await demoted(tb, 4)
    other = tb.space("other")
    await other.write(0, compressible_page(0))
    assert not await space.merge(0, other, 0) and not await other.merge(0, space, 0)
    assert not await space.collapse(0, 2)
    assert {tb.state(space, vpn) for vpn in range(4)} == {"cram ro"}
    await verify(space)


@node_machine()
async def test_a_merged_folio_is_demoted_and_each_of_its_mappers_is_found(tb: TB) -> None:
    space, other = tb.space(), tb.space("other")
    for each in (space, other):
        await each.write(0, compressible_page(0))
    assert await space.merge(0, other, 0)
    await tb.reclaim(space, 0)
    assert tb.cram_folio(space, 0) is tb.cram_folio(other, 0)
    await other.write(0, noise_page(1))
    await verify(space, 1)
    assert await tb.system.writeback.write_back_folio(tb.cram_folio(space, 0))
    await verify(space, 1)


@node_machine(cram_fence=True, rtl=True)
async def test_the_devices_own_fence_is_up_while_a_folio_is_there(tb: TB) -> None:
    space = await demoted(tb, 2)
    assert tb.node().inventory.fenced == set(tb.node().handles())
    await space.write(0, noise_page(1))
    await tb.settle()
    assert tb.node().inventory.fenced == set(tb.node().handles()) and len(tb.node().handles()) == 1


@node_machine(writable_budget=1, rtl=True)
async def test_within_the_budget_a_page_of_one_user_is_written_in_place(tb: TB) -> None:
    space = await demoted(tb, 2)
    await space.write(0, noise_page(1))
    await space.write(1, noise_page(2))
    assert [tb.state(space, vpn) for vpn in (0, 1)] == ["cram rw", "dram rw"]
    assert (await space.read(0), await space.read(1)) == (noise_page(1), noise_page(2))


@node_machine(mthp_orders=(2,))
async def test_a_large_folio_is_demoted_page_by_page(tb: TB) -> None:
    space = tb.space()
    for vpn in range(4):
        await space.write(vpn, compressible_page(vpn))
    assert tb.pte(space, 0).dram.order == 2
    await space.pageout(0, 4)
    assert {tb.state(space, vpn) for vpn in range(4)} == {"cram ro"} and tb.node().usage().pages == 4
    await verify(space)


@node_machine()
async def test_a_page_that_was_swapped_in_gives_its_slot_up_when_it_is_demoted(tb: TB) -> None:
    tb.system.nodes.set_no_alloc("cram", True)
    space = tb.space()
    await space.write(0, noise_page(1))
    assert await tb.pageout(space, 0) and tb.state(space, 0) == "softleaf"
    await space.read(0)
    assert tb.machine.slots.used == 1, "the swapfile's copy is kept"
    tb.system.nodes.set_no_alloc("cram", False)
    await space.pageout(0)
    assert tb.state(space, 0) == "cram ro" and tb.machine.slots.used == 0
    assert await space.read(0) == noise_page(1)


@node_machine()
async def test_a_page_whose_slot_others_name_is_swapped_out_with_them(tb: TB) -> None:
    tb.system.nodes.set_no_alloc("cram", True)
    space = tb.space()
    await space.write(0, noise_page(1))
    child = await tb.system.fork(space, "child")
    await tb.reclaim(space, 0)
    await tb.machine.inflight.drain()
    await child.read(0)
    tb.system.nodes.set_no_alloc("cram", False)
    await tb.reclaim(child, 0)
    assert tb.state(child, 0) == tb.state(space, 0) == "softleaf" and tb.slot(child, 0) == tb.slot(space, 0)
    assert await space.read(0) == await child.read(0) == noise_page(1)
