# SPDX-License-Identifier: MIT
"""Device pages are their group's memory: memory.current, charges by node, and what memory.max then means."""

from __future__ import annotations

import pytest

from tests.pages import compressible_page
from tests.vswap.tb import TB, machine
from vswap import AddressSpace, Memcg, MemcgLimits, OutOfMemory
from vswap.base.backing import BackingType
from vswap.base.errors import InvariantViolation
from vswap.state.memcg_stat import figures


def group(tb: TB, name: str = "group", parent: Memcg | None = None, **limits: int) -> Memcg:
    return tb.system.create_memcg(name, MemcgLimits(**limits), parent)  # type: ignore[arg-type]


async def fill(space: AddressSpace, count: int) -> None:
    for vpn in range(count):
        await space.write(vpn, compressible_page(vpn))


async def test_a_page_that_goes_to_the_device_stays_its_groups_memory_on_another_node(tb: TB) -> None:
    owner = group(tb)
    space = tb.system.create_space("task", owner)
    await fill(space, 3)
    assert owner.by_node == {0: 3, 1: 0}
    assert await space.pageout(0) and await space.pageout(1)
    assert owner.memory == 3 and owner.by_node == {0: 1, 1: 2}
    await space.read(0)
    assert owner.by_node == {0: 1, 1: 2}, "a soft fault brings nothing back"
    await space.write(0, compressible_page(9))
    assert owner.by_node == {0: 2, 1: 1}
    await space.exit()
    await tb.settle()
    assert owner.memory == 0


@machine(order=("cram", "cram1", "swapfile"), cram_to_cram=True)
async def test_each_node_has_its_own_number(tb: TB) -> None:
    owner = group(tb)
    space = tb.system.create_space("task", owner)
    await fill(space, 1)
    await space.pageout(0)
    assert await tb.system.writeback.write_back_cram(1, tb.node("cram"))
    assert owner.by_node == {0: 0, 1: 0, 2: 1}
    assert figures(tb.machine, owner)["numa_stat.swapcached.N2"] == 1
    assert tb.machine.memory.memcgs.root.memory == 1, "and of all groups above"


@machine(order=("cram",))
async def test_a_group_of_8_pages_and_no_swap_does_not_hold_more_on_the_device(tb: TB) -> None:
    owner = group(tb, memory_max=8)
    space = tb.system.create_space("task", owner)
    with pytest.raises(OutOfMemory, match="8 of 8"):
        await fill(space, 100)
    assert owner.memory == 8 and owner.events["oom"] == 1
    for vpn in range(8):
        assert await space.read(vpn) == compressible_page(vpn)


async def test_a_group_at_its_limit_passes_the_device_over_since_that_frees_nothing(tb: TB) -> None:
    owner = group(tb, memory_max=8)
    space = tb.system.create_space("task", owner)
    await fill(space, 60)
    assert owner.memory <= 8
    assert owner.device_pages[1] == 0 and tb.system.counters.zswpout >= 52
    for vpn in range(60):
        assert await space.read(vpn) == compressible_page(vpn)


async def test_a_group_at_its_limit_gives_up_its_device_pages_first(tb: TB) -> None:
    """They went there as the coldest ones."""
    owner = group(tb, memory_max=8)
    space = tb.system.create_space("task", owner)
    await fill(space, 8)
    for vpn in range(4):
        assert await space.pageout(vpn)
    assert owner.device_pages[1] == 4
    await fill(tb.space("neighbour"), 4)
    await space.write(8, compressible_page(8))
    assert owner.memory <= 8 and owner.device_pages[1] < 4
    assert all(tb.state(space, vpn).startswith("dram") for vpn in range(4, 8)), "DRAM was not touched"


@machine(order=("cram",))
async def test_a_page_of_one_user_is_promoted_without_a_second_charge(tb: TB) -> None:
    """The group is full and nothing can be swapped: the charge moves with the page, as at any migration."""
    owner = group(tb, memory_max=4)
    space = tb.system.create_space("task", owner)
    await fill(space, 4)
    for vpn in range(4):
        assert await space.pageout(vpn)
    for vpn in range(4):
        await space.write(vpn, compressible_page(vpn + 10))
        assert owner.memory == 4
    assert owner.by_node == {0: 4, 1: 0} and not owner.events["max"]


@machine(order=("cram",))
async def test_a_copy_of_a_shared_device_page_is_charged_on_top(tb: TB) -> None:
    owner = group(tb, memory_max=2)
    space = tb.system.create_space("task", owner)
    await fill(space, 1)
    child = await tb.system.fork(space, "child")
    await tb.reclaim(space, 0)
    assert owner.by_node == {0: 0, 1: 1}
    await child.write(0, compressible_page(5))
    assert owner.by_node == {0: 1, 1: 1}


@machine(order=("zswap", "cram"))
async def test_zswap_writes_back_to_a_node_only_within_the_groups_limit(tb: TB) -> None:
    owner = group(tb)
    space = tb.system.create_space("task", owner)
    await fill(space, 2)
    assert await space.pageout(0) and await space.pageout(1)
    owner.limits = MemcgLimits(memory_max=owner.memory)
    assert not await tb.system.writeback.zswap.write_back(owner) and owner.events["max"]
    owner.limits = MemcgLimits(memory_max=4)
    assert await tb.system.writeback.zswap.write_back(owner)
    assert owner.device_pages[1] == 1 and BackingType.CRAM in {tb.backing(space, vpn).type for vpn in (0, 1)}


@machine(memory_pages=24)
async def test_swapoff_of_a_node_does_not_run_into_the_groups_limit(tb: TB) -> None:
    owner = group(tb, memory_max=4)
    space = tb.system.create_space("task", owner)
    await fill(space, 4)
    for vpn in range(4):
        assert await space.pageout(vpn)
    await tb.system.swapoff("cram")
    assert owner.by_node == {0: 4, 1: 0} and not owner.events["max"]


async def test_a_charge_that_is_forgotten_is_noticed(tb: TB, monkeypatch: pytest.MonkeyPatch) -> None:
    space = tb.system.create_space("task", group(tb))
    await fill(space, 1)
    assert await space.pageout(0)
    monkeypatch.setattr(Memcg, "charge_device", lambda *_: None)
    tb.leaks_expected = True
    await space.unmap(0)
    await tb.system.writeback.reap()
    with pytest.raises(InvariantViolation, match=r"group \w+ is charged 1 pages of node 1, it has 0"):
        tb.system.invariants()
