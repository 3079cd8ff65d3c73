# SPDX-License-Identifier: MIT
"""swapoff: any tier is emptied while tasks run, by three searches; trouble undoes it, and nothing is lost."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from hw.virtual_time import VirtualClock
from tests.pages import compressible_page, noise_page
from tests.vswap.tb import DEVICE, TB, machine
from tests.vswap.test_races import SMALL_MEMORY
from vswap.base.backing import BackingType
from vswap.base.errors import OutOfMemory
from vswap.contract.workload import Shape, Workload
from vswap.paths.swapoff import SwapoffFailed
from vswap.slots.layer import LAYERS, Search
from vswap.tiers.base import IoError

METHODS = list(Search)
TIERS = ["cram", "zswap", "swapfile", "zram"]


def page(vpn: int) -> bytes:
    return compressible_page(vpn + 1)


async def fill(tb: TB, tier: str, count: int = 12) -> None:
    """A parent and a child whose pages lie on one tier."""
    space = tb.space()
    others = {core_tier for core_tier in tb.machine.tiers.order[1:] if core_tier is not tb.system.tier(tier)}
    tb.machine.tiers.offline |= others
    for vpn in range(count):
        await space.write(vpn, page(vpn))
        assert await tb.pageout(space, vpn)
    tb.machine.tiers.offline -= others
    await tb.system.fork(space, "child")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("tier", TIERS)
@machine(order=("cram", "zswap", "swapfile", "zram"))
async def test_a_tier_is_emptied_and_every_page_is_still_there(tb: TB, tier: str, method: Search) -> None:
    await fill(tb, tier)
    figures = await tb.system.swapoff(tier, method)
    assert tb.system.tier(tier).usage().pages == 0 and figures.visited >= 12 and figures.moved >= 12
    tb.system.invariants()
    for space in tb.system.spaces:
        for vpn in range(12):
            assert await space.read(vpn) == page(vpn)
    first = tb.system.spaces[0]
    await first.write(0, page(0))
    await first.pageout(0)
    assert tb.system.tier(tier).usage().pages == 0, "it takes nothing any more"
    tb.system.swapon(tier)


@pytest.mark.parametrize("method", METHODS)
@machine(order=("swapfile", "zswap"))
async def test_a_copy_of_a_page_that_is_back_in_memory_goes_too_although_no_pte_names_its_slot(
    tb: TB, method: Search
) -> None:
    space = await tb.swapped_out(page(0))
    await space.read(0)
    assert tb.state(space, 0) == "dram rw" and tb.system.tier("swapfile").usage().pages == 1
    await tb.system.swapoff("swapfile", method)
    assert tb.system.tier("swapfile").usage().pages == 0 and await space.read(0) == page(0)


@pytest.mark.parametrize("method", METHODS)
@machine(writable_budget=8)
async def test_pages_that_are_mapped_into_the_device_leave_it(tb: TB, method: Search) -> None:
    space = await tb.swapped_out(page(0))
    await space.write(1, page(1))
    await space.pageout(1)
    assert await space.read(0) == page(0)
    await space.write(1, page(9))
    assert (tb.state(space, 0), tb.state(space, 1)) == ("cram ro", "cram rw")
    await tb.system.swapoff("cram", method)
    assert not tb.machine.residents.folios and tb.machine.residents.writable == 0
    assert (await space.read(0), await space.read(1)) == (page(0), page(9))


@pytest.mark.parametrize("method", METHODS)
@machine(order=("swapfile", "zswap"))
async def test_a_page_that_cannot_be_read_undoes_it(tb: TB, method: Search) -> None:
    await fill(tb, "swapfile")
    assert tb.machine.tiers.swapfile is not None
    tb.machine.tiers.swapfile.damage(tb.backing(tb.system.spaces[0], 5).handle)
    with pytest.raises(SwapoffFailed) as failed:
        await tb.system.swapoff("swapfile", method)
    assert isinstance(failed.value.__cause__, IoError)
    tb.system.invariants()
    space = tb.space("another")
    await space.write(0, page(0))
    await space.pageout(0)
    assert tb.backing(space, 0).type is BackingType.SWAPFILE, "in use again"
    for vpn in (0, 4, 6, 11):
        assert await tb.system.spaces[0].read(vpn) == page(vpn)


@pytest.mark.parametrize("method", METHODS)
@machine(order=("swapfile",), memory_pages=24)
async def test_out_of_memory_undoes_it(tb: TB, method: Search) -> None:
    space = tb.space()
    for vpn in range(40):
        await space.write(vpn, noise_page(vpn))
    with pytest.raises(SwapoffFailed) as failed:
        await tb.system.swapoff("swapfile", method)
    assert isinstance(failed.value.__cause__, OutOfMemory)
    tb.system.invariants()
    for vpn in range(40):
        assert await space.read(vpn) == noise_page(vpn)


async def test_what_cannot_be_switched_off_is_named(tb: TB) -> None:
    with pytest.raises(ValueError, match="no tier"):
        await tb.system.swapoff("tape")
    await tb.system.swapoff("zswap")
    with pytest.raises(ValueError, match="cannot be switched off"):
        await tb.system.swapoff("zswap")


def run_with_swapoffs(seed: int, folder: Path, **config: Any) -> int:
    """A random workload while tiers are switched off and on; how many swapoffs succeeded."""
    clock = VirtualClock(seed)
    tb = TB(folder, DEVICE, start=True, config={**SMALL_MEMORY, **config}, clock=clock)
    steps = done = 0

    def on_step() -> None:
        nonlocal steps
        steps += 1
        if steps % 25 == 0 and hasattr(tb, "system"):
            tb.system.invariants()

    async def switch() -> None:
        nonlocal done
        rng = Random(seed)
        methods = tb.machine.layer.searches
        for _ in range(8):
            await clock.sleep(rng.randrange(400_000))
            name = rng.choice(tb.config.order)
            try:
                await tb.system.swapoff(name, rng.choice(methods))
                done += 1
                await clock.sleep(rng.randrange(200_000))
                tb.system.swapon(name)
            except SwapoffFailed:
                assert name in ("swapfile", "cram", "zswap")

    async def body() -> None:
        load = Workload(tb.system, clock, tb.device, seed, Shape(spaces=2, tasks=2, pages=16, operations=60),
                        may_run_out=True)  # fmt: skip
        switching = clock.spawn(switch(), "swapoff")
        await load.run()
        await switching
        assert load.verified

    clock.on_step = on_step
    tb.run(body)
    return done


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("seed", range(4))
def test_tiers_come_and_go_while_tasks_run(seed: int, layer: str, tmp_path: Path) -> None:
    assert run_with_swapoffs(seed, tmp_path, layer=layer, memory_pages=32, xswap_pages=20) >= 2


@machine(order=("swapfile",), layer="direct", start=False)
async def test_what_swapoff_maps_is_old_since_nobody_has_accessed_it(tb: TB) -> None:
    space = await tb.swapped_out(compressible_page(1))
    await tb.system.swapoff("swapfile", Search.PAGE_TABLES)
    assert tb.state(space, 0) == "dram ro" and not tb.pte(space, 0).accessed
    assert await space.read(0) == compressible_page(1)
    assert tb.pte(space, 0).accessed
