# SPDX-License-Identifier: MIT
"""A node that is withdrawn (a capacity of 0): its pages migrate, are swapped, are squeezed into DRAM; tasks are killed
only when nothing else is left."""

from __future__ import annotations

import pytest

from driver import PagePoisoned
from tests.pages import compressible_page
from tests.vswap.tb import TB, machine
from vswap import AddressSpace, SegmentationFault, SigBus
from vswap.base.backing import BackingType
from vswap.mm.memcg import Memcg, MemcgLimits
from vswap.state import rmap


async def on_device(tb: TB, count: int, name: str = "task", memcg: Memcg | None = None) -> AddressSpace:
    """A space with `count` pages on the device, half of them mapped."""
    space = tb.system.create_space(name, memcg)
    for vpn in range(count):
        await space.write(vpn, compressible_page(vpn))
        assert await space.pageout(vpn)
    for vpn in range(0, count, 2):
        await space.read(vpn)
    return space


async def fill_dram(tb: TB, name: str = "hog") -> AddressSpace:
    """A space that takes all DRAM but the reserve, with nothing reclaimed for it."""
    hog = tb.space(name)
    vpn = 0
    while tb.machine.memory.free > tb.machine.memory.low:
        await hog.write(vpn, compressible_page(vpn))
        vpn += 1
    return hog


async def verify(space: AddressSpace, count: int) -> None:
    for vpn in range(count):
        assert await space.read(vpn) == compressible_page(vpn)


def balloon(tb: TB) -> int:
    return len(tb.node().inventory.balloon)


@machine(order=("cram", "swapfile"), memory_pages=48)
async def test_a_withdrawn_node_swaps_what_finds_no_free_dram(tb: TB) -> None:
    space = await on_device(tb, 28)
    await fill_dram(tb)
    tb.system.nodes.set_capacity("cram", 0)
    await tb.settle()
    assert (tb.node().usage().pages, balloon(tb)) == (0, 256), "nothing is left on it"
    assert tb.system.counters.writebacks.cram_to_swapfile > 0 and not tb.system.counters.oom_kill
    await verify(space, 28)


@machine(order=("cram", "swapfile"), memory_pages=48)
async def test_it_migrates_politely_first(tb: TB) -> None:
    space = await on_device(tb, 10)
    tb.system.nodes.set_capacity("cram", 0)
    await tb.settle()
    assert tb.system.counters.ballooned_out == 10 and not tb.system.counters.pswpout
    await verify(space, 10)


@machine(order=("cram", "swapfile"), memory_pages=48)
async def test_a_node_that_only_shrinks_reclaims_nothing(tb: TB) -> None:
    space = await on_device(tb, 28)
    await fill_dram(tb)
    tb.system.nodes.set_capacity("cram", 1)
    await tb.settle()
    assert balloon(tb) < 255 and not tb.system.counters.pswpout, "residents stay"
    await verify(space, 28)


@machine(order=("cram", "cram1", "zswap"), memory_pages=48, cram_to_cram=True)
async def test_the_pages_go_where_writeback_would_take_them(tb: TB) -> None:
    space = await on_device(tb, 8)
    await fill_dram(tb)
    tb.system.nodes.set_capacity("cram", 0)
    await tb.settle()
    assert tb.node().usage().pages == 0 and tb.system.counters.writebacks.cram_to_cram > 0
    await verify(space, 8)


@machine(order=("cram",), memory_pages=48)
async def test_without_swap_they_are_squeezed_into_dram_down_to_the_reserve(tb: TB) -> None:
    space = await on_device(tb, 2)
    await fill_dram(tb)
    tb.system.nodes.set_capacity("cram", 0)
    await tb.settle()
    assert tb.node().usage().pages == 0 and not tb.system.counters.oom_kill
    await verify(space, 2)


@machine(order=("cram",), memory_pages=48)
async def test_when_nothing_is_left_the_task_with_most_pages_there_is_killed_and_no_other(tb: TB) -> None:
    small, big = await on_device(tb, 1, "small"), await on_device(tb, 40, "big")
    hog = await fill_dram(tb)
    tb.system.nodes.set_capacity("cram", 0)
    await tb.settle()
    assert (tb.node().usage().pages, tb.system.counters.oom_kill) == (0, 1)
    assert tb.machine.memory.memcgs.root.events["oom_kill"] == 1
    with pytest.raises(SegmentationFault, match="big has exited"):
        await big.read(0)
    await verify(small, 1)
    await verify(hog, len(hog.table))


@machine(order=("cram",), memory_pages=48)
async def test_a_kill_is_an_event_of_the_groups_of_who_was_killed_but_not_of_the_root(tb: TB) -> None:
    outer = tb.system.create_memcg("outer", MemcgLimits())
    inner = tb.system.create_memcg("inner", MemcgLimits(), outer)
    await on_device(tb, 40, "big", inner)
    await fill_dram(tb)
    tb.system.nodes.set_capacity("cram", 0)
    await tb.settle()
    groups = tb.machine.memory.memcgs
    assert [group.events["oom_kill"] for group in (inner, outer, groups.root)] == [1, 1, 0]


@machine(order=("cram",), memory_pages=96)
async def test_who_is_killed_while_it_forks_leaves_no_child_with_a_part_of_its_pages(tb: TB) -> None:
    parent = await on_device(tb, 40)
    fork = tb.clock.spawn(tb.system.fork(parent, "child"), "fork")
    await tb.clock.sleep(tb.config.costs.fork_pte)
    rmap.zap_all(tb.machine, parent.table)
    with pytest.raises(SegmentationFault, match="task has exited"):
        await fork
    assert tb.system.spaces == [parent]


@machine(order=("cram", "swapfile"), memory_pages=48)
async def test_the_last_value_wins_even_while_it_reclaims(tb: TB) -> None:
    space = await on_device(tb, 40)
    await fill_dram(tb)
    tb.system.nodes.set_capacity("cram", 0)
    for _ in range(1_000):
        if tb.system.counters.pswpout:
            break
        await tb.clock.sleep(1_000)
    assert 0 < tb.system.counters.pswpout < 40
    tb.system.nodes.set_capacity("cram", 256)
    await tb.settle()
    assert balloon(tb) == 0 and tb.node().usage().pages > 0, "what was there stays"
    await verify(space, 40)


@machine(order=("cram", "swapfile"), memory_pages=48)
async def test_a_page_that_cannot_be_read_is_given_up_and_only_its_task_learns_of_it(tb: TB) -> None:
    space = await on_device(tb, 4)
    bad, load = tb.cram_folio(space, 1).page, tb.device.load

    async def poisoned(page: int) -> bytes:
        if page == bad:
            raise PagePoisoned(page)
        return await load(page)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tb.device, "load", poisoned)
        patch.setattr(tb.device, "export", poisoned)
        tb.system.nodes.set_capacity("cram", 0)
        await tb.settle()
    assert (tb.node().usage().pages, tb.system.counters.pages_lost) == (0, 1)
    with pytest.raises(SigBus):
        await space.read(1)
    assert tb.backing(space, 1).type is BackingType.LOST
    assert [await space.read(vpn) for vpn in (0, 2, 3)] == [compressible_page(vpn) for vpn in (0, 2, 3)]
