# SPDX-License-Identifier: MIT
"""The direct layer: PTEs hold places on devices. The same programs, the same pages at the end."""

from __future__ import annotations

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from hw.virtual_time import VirtualClock
from tests.pages import ZERO_PAGE, compressible_page, noise_page
from tests.vswap.tb import DEVICE, TB, machine
from tests.vswap.test_races import SMALL_MEMORY, run
from vswap import AddressSpace
from vswap.base.backing import Backing, BackingType, TierKey
from vswap.base.costs import Costs
from vswap.contract.pages import any_page
from vswap.contract.workload import Shape
from vswap.slots.cluster import MOST_DEVICES
from vswap.slots.direct import DirectSlots
from vswap.slots.layer import LAYERS

ORDERS = (("cram", "zswap", "swapfile"), ("cram", "swapfile"), ("zswap", "swapfile"), ("swapfile", "zram"))


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
@pytest.mark.parametrize("seed", range(3))
def test_random_workloads_run_on_direct_slots(seed: int, order: tuple[str, ...]) -> None:
    run(seed, Shape(spaces=2, tasks=3, pages=14, operations=60), every=10, order=order, layer="direct",
        writable_budget=seed)  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_with_errors_and_killed_tasks(seed: int) -> None:
    run(seed, Shape(spaces=2, tasks=2, pages=20, operations=60, errors=True), every=10, layer="direct")


def contents(layer: str, seed: int, **config: Any) -> tuple[dict[tuple[str, int], bytes], TB]:
    """Run one program to its end; every page of every space, and the machine."""
    pages: dict[tuple[str, int], bytes] = {}
    with TemporaryDirectory() as folder:
        tb = TB(Path(folder), DEVICE, start=True, config={**SMALL_MEMORY, "layer": layer, **config},
                clock=VirtualClock(seed))  # fmt: skip

        async def body() -> None:
            rng = Random(seed)
            spaces = [tb.space("first")]
            for step in range(400):
                space, vpn = rng.choice(spaces), rng.randrange(40)
                choice = rng.random()
                if choice < 0.5:
                    await space.write(vpn, any_page(rng, real=False))
                elif choice < 0.9:
                    await space.read(vpn)
                elif choice < 0.95:
                    await space.unmap(vpn)
                elif step % 100 == 0 and len(spaces) < 3:
                    spaces.append(await tb.system.fork(space, f"child {step}"))
            for space in spaces:
                for vpn in range(40):
                    pages[space.name, vpn] = await space.read(vpn)

        tb.run(body)
    return pages, tb


@pytest.mark.parametrize("order", ORDERS[:3], ids="-".join)
def test_the_same_program_ends_with_the_same_pages_on_every_layer(order: tuple[str, ...]) -> None:
    for seed in range(3):
        ends = {layer: contents(layer, seed, order=order, xswap_pages=12) for layer in LAYERS}
        assert all(pages == ends["virtual"][0] and len(pages) >= 40 for pages, _ in ends.values())
        assert [type(tb.machine.layer) for _, tb in ends.values()] == [*LAYERS.values()]


@pytest.mark.parametrize("number", range(MOST_DEVICES))
@pytest.mark.parametrize("kind", BackingType)
def test_every_slot_of_every_device_is_a_handle_of_the_tier_of_zeros(kind: BackingType, number: int) -> None:
    slots, key = DirectSlots(), TierKey(kind, number)
    slots.add_device(key, 1)
    slot = slots.allocate()
    slots.set_backing(slot, Backing(BackingType.ZERO, slot))
    assert slots.backing(slot).handle == slot and slots.home(slot) == key


@machine(layer="direct", order=("cram", "cram1", "swapfile"))
async def test_a_page_of_zeros_has_a_slot_on_a_second_device(tb: TB) -> None:
    space = tb.space()
    tb.node().set_no_alloc(True)
    await space.write(0, ZERO_PAGE)
    assert await space.pageout(0)
    assert tb.backing(space, 0).type is BackingType.ZERO
    assert DirectSlots.home(tb.pte(space, 0).slot) == TierKey(BackingType.CRAM, 1)
    assert await space.read(0) == ZERO_PAGE


@machine(layer="direct", order=("zswap", "swapfile"), swapfile_pages=3)
async def test_a_page_in_zswap_takes_room_on_the_device_behind_it(tb: TB) -> None:
    space = tb.space()
    for vpn in range(6):
        await space.write(vpn, compressible_page(vpn))
    assert [await space.pageout(vpn) for vpn in range(6)] == [True] * 3 + [False] * 3
    assert tb.machine.tiers.zswap is not None and tb.machine.tiers.zswap.usage().pages == 3
    assert tb.machine.tiers.swapfile is not None and tb.machine.tiers.swapfile.usage().pages == 0


@machine(order=("zswap", "swapfile"), swapfile_pages=3)
async def test_with_virtual_slots_it_does_not(tb: TB) -> None:
    space = tb.space()
    for vpn in range(6):
        await space.write(vpn, compressible_page(vpn))
    assert [await space.pageout(vpn) for vpn in range(6)] == [True] * 6


# A page that changes devices


@machine(layer="direct")
async def test_a_page_that_changes_devices_is_swapped_in_and_out_again(tb: TB) -> None:
    space = await tb.swapped_out(compressible_page(1))
    before = tb.slot(space, 0)
    tb.node().set_no_alloc(True)
    assert await tb.system.writeback.write_back_cram(1) == 1
    assert tb.state(space, 0).startswith("dram") and not tb.machine.slots.alive(before)
    assert (tb.node().usage().pages, tb.system.counters.cram_swapped_in) == (0, 1)
    assert await space.pageout(0)
    assert tb.backing(space, 0).type is BackingType.ZSWAP, "the swapfile's slot, with zswap in front of it"
    assert await space.read(0) == compressible_page(1)
    tb.node().set_no_alloc(False)


@machine(layer="direct")
async def test_one_of_two_tables_may_name_the_old_slot_until_it_needs_the_page(tb: TB) -> None:
    space = await tb.swapped_out(compressible_page(1))
    child = await tb.system.fork(space, "child")
    before = tb.slot(child, 0)
    tb.node().set_no_alloc(True)
    assert await tb.system.writeback.write_back_cram(1) == 1
    assert (tb.state(space, 0), tb.state(child, 0)) == ("dram ro", "softleaf")
    assert tb.backing(child, 0).type is BackingType.FOLIO and tb.node().usage().pages == 0
    assert await child.read(0) == compressible_page(1)
    assert not tb.machine.slots.alive(before), "its device takes nothing, so it is not kept for the page"
    await tb.reclaim(space, 0)
    assert tb.backing(space, 0).type is BackingType.ZSWAP
    tb.node().set_no_alloc(False)


async def on_the_node_with_memory_full(tb: TB) -> AddressSpace:
    """A space with four pages on the node, which nobody has read since, and memory down to its high watermark."""
    space = tb.space()
    for vpn in range(4):
        await space.write(vpn, compressible_page(vpn))
        assert await space.pageout(vpn)
    while tb.machine.memory.free > tb.machine.memory.high:
        await space.write(4 + len(space.table), compressible_page(9))
    return space


@pytest.mark.parametrize("closed", [False, True])
@machine(layer="direct", order=("cram",), start=False)
async def test_no_page_comes_back_to_memory_that_would_store_it_on_the_node_again(tb: TB, closed: bool) -> None:
    space = await on_the_node_with_memory_full(tb)
    tb.node().set_no_alloc(closed)
    assert await tb.system.writeback.write_back_cram(4) == 0 and tb.node().usage().pages == 4
    await space.unmap(8, 2)
    assert await tb.system.writeback.write_back_cram(4) == 2, "as many as memory has room for"
    tb.node().set_no_alloc(False)


@machine(layer="direct", order=("cram", "swapfile"), start=False)
async def test_from_a_closed_node_all_come_back_as_long_as_another_device_has_places(tb: TB) -> None:
    await on_the_node_with_memory_full(tb)
    tb.node().set_no_alloc(True)
    assert await tb.system.writeback.write_back_cram(4) == 4
    tb.node().set_no_alloc(False)


@machine(layer="direct", start=False, costs=Costs(fork_pte=1_000_000))
async def test_one_walk_of_the_page_tables_serves_a_whole_batch(tb: TB) -> None:
    space = tb.space()
    for vpn in range(20):
        await space.write(vpn, compressible_page(vpn))
    await space.pageout(0, 8)
    started = tb.clock.now
    assert await tb.system.writeback.write_back_cram(8) == 8
    assert tb.clock.now - started < 2 * 20 * 1_000_000
    assert all(tb.state(space, vpn).startswith("dram") for vpn in range(20))


@machine(layer="direct")
async def test_a_page_that_was_read_on_the_device_lately_stays_for_another_round(tb: TB) -> None:
    space = await tb.swapped_out(compressible_page(1))
    await space.read(0)
    assert [await tb.system.writeback.write_back_cram(1) for _ in range(2)] == [0, 1]
    assert await space.read(0) == compressible_page(1)


@machine(layer="direct", start=False)
async def test_a_page_that_the_device_refuses_stays_in_memory_with_its_slot(tb: TB) -> None:
    space = tb.space()
    for vpn in range(24):  # 16 of them fill the media
        await space.write(vpn, noise_page(vpn))
    await space.pageout(0, 24)
    refused = [vpn for vpn in range(24) if tb.backing(space, vpn).type is BackingType.FOLIO]
    assert refused and tb.system.counters.swapout_failed == len(refused)
    slot = tb.slot(space, refused[0])
    assert tb.machine.layer.tied(slot, tb.machine.tiers.key(tb.node()))
    assert await space.read(refused[0]) == noise_page(refused[0])


@machine(layer="direct")
async def test_a_device_that_is_closed_gets_no_slot_so_the_next_one_does(tb: TB) -> None:
    tb.node().set_no_alloc(True)
    space = await tb.swapped_out(noise_page(1))
    assert tb.backing(space, 0).type is BackingType.SWAPFILE
    assert await space.read(0) == noise_page(1)
    tb.node().set_no_alloc(False)
