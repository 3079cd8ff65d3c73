# SPDX-License-Identifier: MIT
"""memory.numa_stat: `anon` are the pages that a PTE maps, `swapcached` those of the swap cache, each on its node.

Stock kernels say the same of DRAM, step by step: tests/campaigns/kerneldiff compares both lines.
"""

from __future__ import annotations

import pytest

from tests.pages import compressible_page, noise_page
from tests.vswap.node.tools import demoted, node_machine
from tests.vswap.tb import TB, machine
from vswap import AddressSpace, Memcg, MemcgLimits
from vswap.state import migration
from vswap.state.memcg_stat import figures, numa_stat


async def task(tb: TB, count: int, parent: Memcg | None = None) -> tuple[Memcg, AddressSpace]:
    """A group with a space that has written so many pages."""
    group = tb.system.create_memcg("group", MemcgLimits(), parent)
    space = tb.system.create_space("task", group)
    for vpn in range(count):
        await space.write(vpn, compressible_page(vpn))
    return group, space


def shown(tb: TB, group: Memcg) -> tuple[list[int], list[int]]:
    """(anon, swapcached), node by node."""
    stat = numa_stat(tb.machine, group)
    return list(stat["anon"].values()), list(stat["swapcached"].values())


async def test_a_device_page_is_mapped_from_its_soft_fault_on_and_in_the_swap_cache_all_the_time(tb: TB) -> None:
    group, space = await task(tb, 3)
    assert shown(tb, group) == ([3, 0], [0, 0])
    assert await space.pageout(0, 2)
    assert shown(tb, group) == ([1, 0], [0, 2])
    assert group.by_node == {0: 1, 1: 2}, "it is charged, whoever maps it"
    await space.read(0)
    assert shown(tb, group) == ([1, 1], [0, 2])
    await space.write(0, compressible_page(9))
    assert shown(tb, group) == ([2, 0], [0, 1])


@machine(order=("swapfile",))
async def test_a_page_under_writeback_is_in_the_swap_cache_and_no_anonymous_page(tb: TB) -> None:
    group, space = await task(tb, 2)
    await space.pageout(0)
    assert tb.machine.inflight.pages == 1
    assert shown(tb, group) == ([1], [1])
    assert figures(tb.machine, group)["memory.current"] == 2
    await space.read(0)
    assert shown(tb, group) == ([2], [1]), "found in the swap cache, and mapped again"


async def test_what_several_tasks_map_is_one_page(tb: TB) -> None:
    group, space = await task(tb, 2)
    child = await tb.system.fork(space, "child")
    assert shown(tb, group) == ([2, 0], [0, 0])
    await child.write(0, noise_page(1))
    assert shown(tb, group) == ([3, 0], [0, 0])


async def test_the_page_of_zeros_is_nobodys(tb: TB) -> None:
    group, space = await task(tb, 0)
    await space.read(0)
    assert shown(tb, group) == ([0, 0], [0, 0])


@machine(order=("swapfile",), mthp_orders=(2,))
async def test_of_a_large_folio_the_pages_count_that_are_mapped(tb: TB) -> None:
    group, space = await task(tb, 4)
    assert tb.pte(space, 0).dram.order == 2
    await space.unmap(1)
    assert shown(tb, group) == ([3], [0])
    assert group.by_node[0] == 4, "the folio is charged whole until it is split"


async def test_a_group_shows_its_subtree(tb: TB) -> None:
    parent = tb.system.create_memcg("parent", MemcgLimits())
    group, space = await task(tb, 2, parent)
    await space.pageout(0)
    neighbour = tb.system.create_memcg("neighbour", MemcgLimits())
    assert shown(tb, parent) == shown(tb, group) == ([1, 0], [0, 1])
    assert shown(tb, neighbour) == ([0, 0], [0, 0])
    assert figures(tb.machine, parent)["numa_stat.swapcached.N1"] == 1


@node_machine(rtl=True)
async def test_a_page_on_a_memory_node_is_an_anonymous_page_of_the_node(tb: TB) -> None:
    group = tb.system.create_memcg("group", MemcgLimits())
    space = await demoted(tb, 3, memcg=group)
    assert shown(tb, group) == ([0, 3], [0, 0])
    await space.write(0, noise_page(0))
    assert shown(tb, group) == ([1, 2], [0, 0])


@node_machine()
async def test_a_page_that_is_being_migrated_is_mapped_by_nobody(tb: TB) -> None:
    group = tb.system.create_memcg("group", MemcgLimits())
    space = await demoted(tb, 1, memcg=group)
    folio = tb.cram_folio(space, 0)
    assert folio.lock.try_acquire()
    assert migration.unmap(tb.machine, folio)
    assert shown(tb, group) == ([0, 0], [0, 0])
    migration.restore(folio, folio)
    folio.lock.release()
    assert shown(tb, group) == ([0, 1], [0, 0])


@pytest.mark.parametrize("name", ["anon", "swapcached"])
async def test_there_is_a_line_for_each_node(tb: TB, name: str) -> None:
    group, _ = await task(tb, 0)
    assert list(numa_stat(tb.machine, group)[name]) == ["N0", "N1"]
