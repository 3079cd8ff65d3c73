# SPDX-License-Identifier: MIT
"""A page on a memory node is its group's memory, by node; promotion and swap-out move the charge along."""

from __future__ import annotations

import pytest

from tests.pages import compressible_page, noise_page
from tests.vswap.node.tools import demoted, node_machine, verify
from tests.vswap.tb import TB
from vswap import MemcgLimits, OutOfMemory


@node_machine(rtl=True)
async def test_demotion_and_promotion_move_the_charge_between_nodes(tb: TB) -> None:
    owner = tb.system.create_memcg("group", MemcgLimits())
    space = await demoted(tb, 3, memcg=owner)
    assert owner.memory == 3 and owner.by_node == {0: 0, 1: 3}
    await space.write(0, noise_page(0))
    assert owner.memory == 3 and owner.by_node == {0: 1, 1: 2}
    assert tb.machine.memory.memcgs.root.memory == 3, "and of all groups above"
    await space.exit()
    await tb.settle()
    assert owner.memory == 0


@node_machine()
async def test_swap_out_of_the_node_ends_the_charge_as_memory(tb: TB) -> None:
    owner = tb.system.create_memcg("group", MemcgLimits())
    space = await demoted(tb, 1, memcg=owner)
    assert owner.swap == 0
    await space.write(0, noise_page(3))
    await space.pageout(0)
    assert await tb.system.writeback.write_back_folio(tb.cram_folio(space, 0))
    assert (owner.memory, owner.swap) == (0, 1)
    assert await space.read(0) == noise_page(3)


@node_machine()
async def test_a_shared_folio_is_charged_once_and_the_writers_copy_to_the_writer(tb: TB) -> None:
    owner = tb.system.create_memcg("group", MemcgLimits())
    space = await demoted(tb, 1, memcg=owner)
    child = await tb.system.fork(space, "child")
    assert owner.memory == 1
    await child.write(0, noise_page(1))
    assert owner.by_node == {0: 1, 1: 1}
    await verify(space, 1)


@node_machine(order=("cram",))
async def test_the_limit_of_a_group_counts_its_pages_on_the_node(tb: TB) -> None:
    owner = tb.system.create_memcg("group", MemcgLimits(memory_max=8))
    space = await demoted(tb, 8, memcg=owner)
    with pytest.raises(OutOfMemory, match="8 of 8"):
        await space.write(8, compressible_page(8))
    assert owner.memory == 8
    await space.write(0, noise_page(0))
    assert owner.memory == 8, "a promotion needs no second charge"
    assert await space.read(0) == noise_page(0)


@node_machine()
async def test_a_group_at_its_limit_is_not_demoted_but_swapped_and_its_node_pages_go_first(tb: TB) -> None:
    owner = tb.system.create_memcg("group", MemcgLimits(memory_max=8))
    space = await demoted(tb, 4, memcg=owner)
    for vpn in range(4):
        tb.pte(space, vpn).accessed = False
    for vpn in range(4, 40):
        await space.write(vpn, compressible_page(vpn))
        assert owner.memory <= 8
    assert owner.device_pages[1] == 0 and tb.system.counters.pgdemote_proactive == 4
    await verify(space, 40)


@node_machine(order=("cram", "cram1", "swapfile"))
async def test_each_node_has_its_own_number_and_the_nearest_is_demoted_to_first(tb: TB) -> None:
    owner = tb.system.create_memcg("group", MemcgLimits())
    space = tb.system.create_space("task", owner)
    for vpn in range(2):
        await space.write(vpn, compressible_page(vpn))
    await space.pageout(0)
    tb.system.nodes.set_no_alloc("cram", True)
    await space.pageout(1)
    assert owner.by_node == {0: 0, 1: 1, 2: 1}
    await verify(space, 2)
    tb.system.nodes.set_no_alloc("cram", False)
