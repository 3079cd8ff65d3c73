# SPDX-License-Identifier: MIT
"""xswap: the virtual layer is a swapfile without a device, and the devices take what it has no slot for."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.pages import compressible_page
from tests.vswap.tb import DEVICE, TB, machine
from tests.vswap.test_direct import ORDERS
from tests.vswap.test_races import run
from vswap.base.backing import ON_DEVICE, BackingType
from vswap.base.errors import OutOfMemory, SlotsExhausted
from vswap.contract.pages import any_page
from vswap.contract.workload import Shape
from vswap.mm.memcg import MemcgLimits
from vswap.slots.direct import VIRTUAL, XswapSlots

CONFIG: dict[str, Any] = {"layer": "xswap", "order": ("zswap", "swapfile"), "xswap_pages": 4}


def slots(tb: TB) -> XswapSlots:
    assert isinstance(tb.machine.slots, XswapSlots)
    return tb.machine.slots


def homes(tb: TB) -> Counter[BackingType]:
    """On which devices the slots are places; NONE are those of the virtual swapfile."""
    return Counter(slots(tb).home(slot).type for slot in slots(tb).slots())


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
@pytest.mark.parametrize("virtual", [1, 10, 1_000])
def test_random_workloads_run_with_few_or_many_virtual_slots(virtual: int, order: tuple[str, ...]) -> None:
    tb = run(virtual, Shape(spaces=2, tasks=3, pages=20, operations=80, errors=virtual == 10), every=10, order=order,
             layer="xswap", xswap_pages=virtual, writable_budget=virtual % 3)  # fmt: skip
    counters = tb.system.counters
    assert counters.stores + counters.zswpout + counters.pswpout


@machine(**CONFIG)
async def test_slots_are_virtual_until_the_virtual_swapfile_is_full_and_places_then(tb: TB) -> None:
    space = tb.space()
    for vpn in range(6):
        await space.write(vpn, compressible_page(vpn))
    assert [await space.pageout(vpn) for vpn in range(6)] == [True] * 6
    assert homes(tb) == {BackingType.NONE: 4, BackingType.SWAPFILE: 2}
    assert {tb.backing(space, vpn).type for vpn in range(6)} == {BackingType.ZSWAP}
    assert [await space.read(vpn) for vpn in range(6)] == [compressible_page(vpn) for vpn in range(6)]


@machine(**CONFIG)
async def test_a_virtual_slot_takes_no_room_on_the_device_until_its_page_is_written_back(tb: TB) -> None:
    assert tb.machine.tiers.swapfile is not None
    space = await tb.swapped_out(compressible_page(1))
    slot = tb.slot(space, 0)
    assert (tb.machine.tiers.swapfile.usage().pages, slots(tb).redirected) == (0, 0)
    root = tb.machine.memory.memcgs.root
    assert [await tb.system.writeback.zswap.shrink_memcg(root) for _ in range(2)] == [False, True], (
        "after a second chance"
    )
    assert tb.slot(space, 0) == slot and tb.backing(space, 0).type is BackingType.SWAPFILE
    assert (tb.machine.tiers.swapfile.usage().pages, slots(tb).redirected) == (1, 1)
    assert await space.read(0) == compressible_page(1)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            {"layer": "xswap", "xswap_pages": 4},
            "all 4 slots of the virtual swapfile are in use (tiers.xswap_pages), and no device has a free slot",
        ),
        ({"layer": "direct"}, "no device has a free slot"),
        ({"layer": "virtual", "slot_limit": 4}, "all 4 virtual slots are in use (slot_limit)"),
    ],
    ids=["xswap", "direct", "virtual"],
)
def test_where_slots_are_used_up_who_is_out_of_memory_is_told_of_what_there_should_be_more(
    tmp_path: Path, config: dict[str, Any], said: str
) -> None:
    tb = TB(tmp_path, DEVICE, start=True, config={"order": ("zswap",), **config}, clock=None)

    async def body() -> None:
        space = tb.space()
        with pytest.raises(OutOfMemory) as error:
            for vpn in range(2 * tb.config.memory_pages):
                await space.write(vpn, compressible_page(vpn))
        assert str(error.value).partition(" in use; ")[2] == said

    tb.run(body)


@machine(layer="xswap", order=("zswap",), xswap_pages=128)
async def test_who_is_out_of_memory_with_slots_left_is_not_told_of_slots(tb: TB) -> None:
    space, rng = tb.space(), Random(1)
    with pytest.raises(OutOfMemory, match=r"of 64 in use$"):
        for vpn in range(2 * tb.config.memory_pages):
            await space.write(vpn, rng.randbytes(4096))


@machine(layer="xswap", order=("cram", "swapfile"), xswap_pages=2, start=False)
async def test_what_has_a_virtual_slot_changes_devices_and_what_has_a_place_comes_back_first(tb: TB) -> None:
    space = tb.space()
    for vpn in range(4):
        await space.write(vpn, compressible_page(vpn))
        assert await space.pageout(vpn)
    assert homes(tb) == {BackingType.NONE: 2, BackingType.CRAM: 2}
    assert await tb.system.writeback.write_back_cram(4) == 4
    assert [tb.state(space, vpn).split()[0] for vpn in range(4)] == ["softleaf", "softleaf", "dram", "dram"]
    assert [tb.backing(space, vpn).type for vpn in range(2)] == [BackingType.SWAPFILE] * 2
    assert tb.system.counters.cram_swapped_in == 2
    assert [await space.read(vpn) for vpn in range(4)] == [compressible_page(vpn) for vpn in range(4)]


@machine(**CONFIG)
async def test_a_slot_of_the_virtual_swapfile_is_swap_that_a_group_is_charged_for(tb: TB) -> None:
    group = tb.machine.memory.memcgs.create("group", MemcgLimits(swap_max=1))
    first = tb.machine.layer.allocate(group)
    with pytest.raises(SlotsExhausted, match=r"memory\.swap\.max"):
        tb.machine.layer.allocate(group)
    assert group.swap == 1 and slots(tb).home(first) == VIRTUAL
    tb.machine.layer.unpin(first)
    assert (group.swap, tb.machine.slots.used) == (0, 0)


@machine(layer="xswap", order=("cram", "zswap", "swapfile"), xswap_pages=16, device=DEVICE)
async def test_the_reverse_map_has_a_word_for_each_virtual_slot_on_a_device(tb: TB) -> None:
    space, rng = tb.space(), Random(1)
    for _ in range(300):
        vpn = rng.randrange(40)
        await (space.write(vpn, any_page(rng, real=False)) if rng.random() < 0.5
               else space.read(vpn) if rng.random() < 0.8 else space.pageout(vpn))  # fmt: skip
        table = slots(tb)
        on_device = [
            each for each in table.slots() if table.home(each) == VIRTUAL and table.backing(each).type in ON_DEVICE
        ]
        assert table.redirected == len(on_device)
        assert tb.system.gauges()["reverse_map_bytes"] == 8 * len(on_device)
    assert on_device
