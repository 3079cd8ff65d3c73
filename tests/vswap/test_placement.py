# SPDX-License-Identifier: MIT
"""Which tier a page goes to, where there are several of a kind: CRAM nodes by distance, swap devices by priority."""

from __future__ import annotations

import pytest

from hw.parameters import DeviceParameters
from tests.pages import compressible_page, noise_page
from tests.vswap.tb import TB, machine
from vswap import VswapSystem
from vswap.base.backing import BackingType
from vswap.slots.layer import Search
from vswap.tiers.base import Full

TWO_NODES = ("cram", "cram1", "zswap", "swapfile")
TINY = DeviceParameters(perceived_pages=16, media_bytes=1 << 17)


async def swap_out(tb: TB, pages: range) -> list[str]:
    """One space with these pages, swapped out one after the other; the names of the tiers that they went to."""
    space = tb.space()
    names = {tier: name for name, tier in tb.machine.tiers.named.items()}
    went = []
    for vpn in pages:
        await space.write(vpn, noise_page(vpn))
        await space.pageout(vpn)
        went.append(names[tb.machine.tiers[tb.backing(space, vpn).tier]])
    return went


async def verify(tb: TB, pages: range) -> None:
    """Every page of the first space is as it was written."""
    for vpn in pages:
        assert await tb.system.spaces[0].read(vpn) == noise_page(vpn)


# CRAM nodes


@machine(order=TWO_NODES, distances={"cram": 30, "cram1": 20}, device=TINY)
async def test_the_nearest_node_with_room_is_taken_first(tb: TB) -> None:
    went = await swap_out(tb, range(20))
    assert went[:16] == ["cram1"] * 16 and went[16:] == ["cram"] * 4
    await verify(tb, range(20))


@machine(order=TWO_NODES, rtl=True)
async def test_pressure_on_a_node_closes_that_one_alone(tb: TB) -> None:
    near, far = tb.node("cram"), tb.node("cram1")
    await swap_out(tb, range(15))
    await tb.clock.sleep(1_000_000)
    assert tb.system.counters.node_closed == 1, "LOW of the near one; the far one has room"
    await tb.settle()
    near.set_no_alloc(True)
    assert not far.closed
    space = tb.space("late")
    await space.write(0, compressible_page(1))
    await space.pageout(0)
    assert tb.machine.tiers[tb.backing(space, 0).tier] is far
    near.set_no_alloc(False)
    await verify(tb, range(15))


@machine(order=TWO_NODES, start=False)
async def test_pages_are_not_written_back_to_another_node_unless_the_configuration_says_so(tb: TB) -> None:
    await swap_out(tb, range(4))
    assert await tb.system.writeback.write_back_cram(4, tb.node("cram")) == 4
    assert tb.node("cram1").usage().pages == 0
    assert tb.system.counters.writebacks.cram_to_swapfile == 4


@machine(order=TWO_NODES, start=False, cram_to_cram=True, rtl=True)
async def test_with_writeback_between_nodes_cold_pages_go_to_the_farther_one_first(tb: TB) -> None:
    await swap_out(tb, range(4))
    assert await tb.system.spaces[0].read(0) == noise_page(0)  # has a mapper that must be found
    assert await tb.system.writeback.write_back_cram(4, tb.node("cram")) == 4
    assert (tb.node("cram").usage().pages, tb.node("cram1").usage().pages) == (0, 4)
    assert tb.system.counters.writebacks.cram_to_cram == 4
    tb.system.invariants(quiescent=True)
    assert await tb.system.writeback.write_back_cram(4, tb.node("cram1")) == 4, "and from there to the next tier"
    await verify(tb, range(4))


@pytest.mark.parametrize("method", list(Search))
@machine(order=TWO_NODES, device=TINY)
async def test_swapoff_of_a_node_leaves_the_other_one_as_it_is(tb: TB, method: Search) -> None:
    await swap_out(tb, range(20))
    far = tb.node("cram1").handles()
    await tb.system.swapoff("cram", method)
    assert (tb.node("cram").usage().pages, tb.node("cram1").handles().items() >= far.items()) == (0, True)
    await verify(tb, range(20))


@machine(order=TWO_NODES, layer="direct", device=TINY)
async def test_direct_slots_name_the_node_that_they_are_on(tb: TB) -> None:
    went = await swap_out(tb, range(20))
    assert went == ["cram"] * 16 + ["cram1"] * 4
    await tb.system.swapoff("cram1", Search.PAGE_TABLES)
    await verify(tb, range(20))


# Swap devices


@machine(order=("swapfile", "swapfile1"), priorities={"swapfile": 3, "swapfile1": 3})
async def test_swap_devices_of_one_priority_take_turns(tb: TB) -> None:
    assert await swap_out(tb, range(6)) == ["swapfile", "swapfile1"] * 3
    await verify(tb, range(6))


@machine(order=("swapfile", "zram", "swapfile1"), priorities={"swapfile": 1, "swapfile1": 5}, swapfile_pages=3)
async def test_the_swap_device_of_the_highest_priority_is_filled_first(tb: TB) -> None:
    """One without a priority comes after those that have one."""
    assert await swap_out(tb, range(8)) == ["swapfile1"] * 3 + ["swapfile"] * 3 + ["zram"] * 2
    await verify(tb, range(8))


@machine(order=("swapfile", "swapfile1"), priorities={"swapfile": 3, "swapfile1": 3})
async def test_a_device_that_refuses_is_followed_by_the_other_of_its_priority(tb: TB) -> None:
    def refuse(slot: int, count: int = 1) -> int:
        raise Full("on purpose")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tb.system.tier("swapfile"), "reserve", refuse)
        assert await swap_out(tb, range(3)) == ["swapfile1"] * 3
    await verify(tb, range(3))


@machine(order=("zram", "cram", "zswap", "swapfile"))
async def test_any_order_of_the_tiers_is_possible(tb: TB) -> None:
    assert await swap_out(tb, range(2)) == ["zram"] * 2
    assert tb.backing(tb.system.spaces[0], 0).type is BackingType.ZRAM
    await verify(tb, range(2))


@pytest.mark.parametrize("method", list(Search))
@machine(order=("swapfile", "swapfile1"), priorities={"swapfile": 3, "swapfile1": 3})
async def test_swapoff_of_a_swapfile_leaves_the_other_one_in_use(tb: TB, method: Search) -> None:
    await swap_out(tb, range(6))
    await tb.system.swapoff("swapfile", method)
    assert tb.system.tier("swapfile").usage().pages == 0
    space = tb.space("late")
    await space.write(0, noise_page(99))
    await space.pageout(0)
    assert tb.machine.tiers[tb.backing(space, 0).tier] is tb.system.tier("swapfile1")
    await verify(tb, range(6))


@machine()
async def test_an_unknown_tier_is_named(tb: TB) -> None:
    for name in ("disk", "zswap1", "cram1", "swapfile1"):
        with pytest.raises(ValueError, match=name):
            VswapSystem(tb.clock, type(tb.config)(memory_pages=64, order=(name,)), device=tb.device, swapfile=tb.path)
