# SPDX-License-Identifier: MIT
"""Parts of large folios: pages of zeros, advice for a range that ends within one, and a write to one that was shared.

kerneldiff's scripts `large_folio_of_zeros`, `large_folio_partly_advised` and `large_folio_shared` hold the same against
Linux."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from tests.pages import ZERO_PAGE, compressible_page
from tests.vswap.tb import TB, machine
from vswap import AddressSpace
from vswap.mm.folio import Folio

ORDER = 2
PAGES = 1 << ORDER
NEW = compressible_page(99)
Profile = Literal["6.1", "6.12", "current"]
ADVICE = ("cold", "lazyfree", "pageout")


async def filled(tb: TB) -> AddressSpace:
    space = tb.space()
    for vpn in range(PAGES):
        await space.write(vpn, compressible_page(vpn))
    return space


def folio(tb: TB, space: AddressSpace, vpn: int) -> Folio:
    return tb.pte(space, vpn).dram


@pytest.mark.parametrize(("profile", "state"), [("6.1", "dram rw"), ("6.12", "zero ro"), ("current", "zero ro")])
@machine(order=("swapfile",), mthp_orders=(ORDER,))
async def test_a_page_of_zeros_becomes_the_shared_one_when_its_folio_is_split_since_6_12(
    tb: TB, profile: Profile, state: str
) -> None:
    tb.machine.config = replace(tb.machine.config, profile=profile)
    space = await filled(tb)
    await space.write(1, ZERO_PAGE)
    used = tb.machine.memory.used
    await space.cold(3)
    assert [tb.state(space, vpn) for vpn in range(PAGES)] == ["dram rw", state, "dram rw", "dram rw"]
    assert tb.machine.memory.used == used - (state == "zero ro")
    tb.system.invariants()
    assert await space.read(1) == ZERO_PAGE
    await space.write(1, NEW)
    assert await space.read(1) == NEW


@pytest.mark.parametrize("advice", ADVICE)
@machine(order=("swapfile",), mthp_orders=(ORDER,))
async def test_advice_for_a_part_splits_the_folio(tb: TB, advice: str) -> None:
    space = await filled(tb)
    await getattr(space, advice)(2, 1)
    assert folio(tb, space, 0).order == 0


@pytest.mark.parametrize("advice", ADVICE)
@machine(order=("swapfile",), mthp_orders=(ORDER,))
async def test_advice_for_a_part_leaves_a_folio_alone_that_others_map(tb: TB, advice: str) -> None:
    space = await filled(tb)
    child = await tb.system.fork(space, "child")
    await getattr(child, advice)(2, 1)
    large = folio(tb, space, 0)
    assert (large.order, large.lazyfree, len(large.mappers)) == (ORDER, False, 2 * PAGES)


@pytest.mark.parametrize(("profile", "split"), [("6.12", True), ("current", False)])
@machine(order=("swapfile",), mthp_orders=(ORDER,))
async def test_before_6_15_a_folio_whose_first_page_is_mapped_once_passes_for_one_tasks(
    tb: TB, profile: Profile, split: bool
) -> None:
    tb.machine.config = replace(tb.machine.config, profile=profile)
    space = await filled(tb)
    child = await tb.system.fork(space, "child")
    await child.unmap(0, 2)
    await space.unmap(2, 2)
    await space.cold(1, 1)
    assert (folio(tb, space, 0).order == 0) is split


@pytest.mark.parametrize(("profile", "copies"), [("6.12", 1), ("current", 0)])
@machine(order=("swapfile",), mthp_orders=(ORDER,))
async def test_before_6_15_a_page_of_a_folio_that_was_shared_is_copied_by_its_last_user(
    tb: TB, profile: Profile, copies: int
) -> None:
    tb.machine.config = replace(tb.machine.config, profile=profile)
    space = await filled(tb)
    child = await tb.system.fork(space, "child")
    await child.exit()
    await space.write(1, NEW)
    assert tb.system.counters.cow == copies
    assert [await space.read(vpn) for vpn in range(2)] == [compressible_page(0), NEW]


@machine(order=("swapfile",), mthp_orders=(ORDER,))
async def test_while_another_task_maps_any_page_of_it_a_page_is_copied(tb: TB) -> None:
    space = await filled(tb)
    child = await tb.system.fork(space, "child")
    await child.unmap(1, 3)
    await space.write(2, NEW)
    assert tb.system.counters.cow == 1 and await child.read(0) == compressible_page(0)


@machine(order=("swapfile",), mthp_orders=(ORDER,))
async def test_a_shared_page_of_a_split_folio_that_was_written_is_not_freed_lazily(tb: TB) -> None:
    """The split has made its folio dirty, whatever the PTEs say afterwards."""
    space = await filled(tb)
    await space.cold(3)
    child = await tb.system.fork(space, "child")
    await space.lazyfree(0)
    assert not folio(tb, child, 0).lazyfree and tb.system.counters.pglazyfree == 0
