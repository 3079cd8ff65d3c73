# SPDX-License-Identifier: MIT
"""rmap: from a folio to its PTEs, by the VMAs of its anon_vma (docs/vswap/rmap.md)."""

from __future__ import annotations

import pytest

from tests.pages import ZERO_PAGE, compressible_page
from tests.vswap.tb import TB
from vswap import AddressSpace, SegmentationFault
from vswap.state import rmap

OLD, NEW = compressible_page(1), compressible_page(2)


def visits(tb: TB, space: AddressSpace, vpn: int) -> tuple[int, int]:
    """PTEs that a walk from the page finds, and VMAs that it visits for them."""
    folio = tb.pte(space, vpn).folio
    assert folio is not None
    before = tb.system.counters.rmap_vmas
    return len(rmap.walk(tb.machine, folio)), tb.system.counters.rmap_vmas - before


async def test_a_page_of_a_parent_is_looked_for_in_every_child(tb: TB) -> None:
    parent = tb.space()
    await parent.write(0, OLD)
    children = [await tb.system.fork(parent, f"child {number}") for number in range(5)]
    assert visits(tb, parent, 0) == (6, 6)
    for child in children:
        await child.write(0, NEW)
    assert visits(tb, parent, 0) == (1, 6), "each has a copy by now, and each is visited"


async def test_a_page_that_a_child_has_made_is_looked_for_in_the_child_alone(tb: TB) -> None:
    parent = tb.space()
    await parent.write(0, OLD)
    child = await tb.system.fork(parent, "child")
    await child.write(0, NEW)
    await child.write(1, NEW)
    assert visits(tb, child, 0) == visits(tb, child, 1) == (1, 1)


async def test_no_vma_is_visited_for_a_folio_that_nobody_maps(tb: TB) -> None:
    parent = await tb.swapped_out(OLD)
    child = await tb.system.fork(parent, "child")
    await child.read(0)
    folio = tb.cram_folio(parent, 0)
    counters = tb.system.counters
    before = counters.rmap_vmas, counters.rmap_ptes
    assert len(rmap.walk(tb.machine, folio)) == 1
    once = counters.rmap_vmas, counters.rmap_ptes
    assert once > before
    await child.unmap(0, 1)
    assert folio.anon_vma is not None and not folio.dead
    assert rmap.walk(tb.machine, folio) == []
    assert (counters.rmap_vmas, counters.rmap_ptes) == once


async def test_generations_of_forks_and_exits_do_not_grow_the_tree(tb: TB) -> None:
    space = tb.space()
    await space.write(0, OLD)
    for generation in range(30):
        child = await tb.system.fork(space, f"generation {generation}")
        await space.exit()
        space = child
        await space.write(1, NEW)
    assert visits(tb, space, 0) == visits(tb, space, 1) == (1, 1)
    vma = next(iter(space.table.vmas))
    assert len(vma.chain) <= 3, "the first one, one that is used again, its own"


async def test_a_moved_page_is_found_at_its_new_address(tb: TB) -> None:
    space = tb.space()
    await space.write(3, OLD)
    await space.move(3, 1, 100)
    assert visits(tb, space, 100) == (1, 2), "its offset is that of its first place, which is looked at, too"
    assert await space.pageout(100) and await space.read(100) == OLD
    assert await space.read(3) == ZERO_PAGE


async def test_what_finds_ptes_costs_by_the_vmas_and_ptes_visited(tb: TB) -> None:
    took = []
    for children in (0, 8):
        space = tb.space(f"parent of {children}")
        await space.write(0, OLD)
        for number in range(children):
            child = await tb.system.fork(space, f"{children}.{number}")
            await child.write(0, NEW)
        started = tb.clock.now
        assert await space.pageout(0)
        took.append(tb.clock.now - started)
    costs = tb.config.costs
    walks = 2  # folio_referenced, try_to_unmap
    assert took[1] - took[0] == walks * 8 * (costs.rmap_vma + costs.rmap_pte)


async def test_a_fork_copies_nothing_of_a_mapping_that_nobody_has_written_to(tb: TB) -> None:
    space = tb.space()
    assert await space.read(0) == ZERO_PAGE
    assert tb.state(space, 0) == "zero ro"
    assert tb.state(await tb.system.fork(space, "child"), 0) == "none"
    await space.write(1, OLD)
    assert tb.state(await tb.system.fork(space, "other child"), 0) == "zero ro"


async def test_what_is_not_mapped_cannot_be_accessed(tb: TB) -> None:
    space = await tb.swapped_out(OLD, vpn=1)
    await space.munmap(0, 4)
    for vpn in (0, 3):
        with pytest.raises(SegmentationFault, match="is not mapped"):
            await space.read(vpn)
    assert await space.read(4) == ZERO_PAGE
    await space.map(1, 1)
    assert await space.read(1) == ZERO_PAGE
    await tb.settle()
    assert not tb.machine.slots.used


async def test_mappings_of_one_kind_side_by_side_are_one(tb: TB) -> None:
    space = tb.space()
    await space.munmap(10, 20)
    await space.map(10, 5)
    await space.map(20, 10)
    await space.map(15, 5)
    assert len(list(space.table.vmas)) == 1
    space.table.vmas.protect(10, 20, write=False)
    assert [(vma.first, vma.protection.write) for vma in space.table.vmas] == [(0, True), (10, False), (20, True)]
    space.table.vmas.protect(10, 20, write=True)
    assert len(list(space.table.vmas)) == 1
