# SPDX-License-Identifier: MIT
"""Which pages reclaim takes first: the classic two lists, and generations (vswap/mm/lru.py, vswap/mm/mglru.py)."""

from __future__ import annotations

from typing import Any

import pytest

from hw.virtual_time import VirtualClock
from tests.pages import compressible_page
from tests.vswap.tb import TB, machine
from vswap import AddressSpace, MemcgLimits
from vswap.mm.folio import Folio
from vswap.mm.lru import GIB_PAGES, ClassicLru, Lruvec, Verdict
from vswap.mm.memcg import MemcgTree
from vswap.mm.mglru import MIN_LRU_BATCH, MIN_NR_GENS, MultiGenLru
from vswap.mm.pagetable import PageTable
from vswap.mm.scan import ScanControl, cost, note_cost

CLOCK = VirtualClock()
SWAP: dict[str, Any] = {"order": ("swapfile",), "start": False}


class Pages:
    """Folios, each mapped by PTEs of its own."""

    def __init__(self) -> None:
        self._group = MemcgTree().root
        self._tables = [PageTable(name, self._group) for name in ("one", "two")]
        self._made = 0

    def make(self, *, mapped: int = 1, order: int = 0) -> Folio:
        folio = Folio(CLOCK, self._group, order)
        self._made += 1
        for table in self._tables[:mapped]:
            table.map(self._made, folio, writable=False, exclusive=False).accessed = False
        return folio

    @staticmethod
    def use(folio: Folio) -> None:
        for table, vpn in folio.mappers:
            pte = table.get(vpn)
            assert pte is not None
            pte.accessed = True


@pytest.fixture
def pages() -> Pages:
    return Pages()


def look(lru: Lruvec) -> tuple[Folio, Verdict]:
    """What reclaim does with the next folio; one that is to stay is back on a list."""
    folio = lru.isolate()
    assert folio is not None
    verdict = lru.check_references(folio)
    if verdict is not Verdict.RECLAIM:
        folio.active = verdict is Verdict.ACTIVATE
        lru.add(folio)
    return folio, verdict


# Classic


def test_the_first_reference_keeps_a_page_on_the_inactive_list_and_the_second_activates_it(pages: Pages) -> None:
    lru, folio, other = ClassicLru(), pages.make(), pages.make()
    lru.add(folio)
    lru.add(other)
    pages.use(folio)
    pages.use(other)
    assert look(lru) == (folio, Verdict.KEEP) and (lru.active_pages, lru.inactive_pages) == (0, 2)
    assert look(lru) == (other, Verdict.KEEP)
    pages.use(folio)
    assert look(lru) == (folio, Verdict.ACTIVATE) and lru.active_pages == 1
    assert look(lru) == (other, Verdict.RECLAIM), "not used since"


def test_a_reference_that_is_followed_by_none_is_forgotten(pages: Pages) -> None:
    lru, folio = ClassicLru(), pages.make()
    lru.add(folio)
    pages.use(folio)
    assert look(lru)[1] is Verdict.KEEP
    assert look(lru)[1] is Verdict.RECLAIM
    lru.add(folio)
    pages.use(folio)
    assert look(lru)[1] is Verdict.KEEP


def test_a_page_that_two_tasks_have_used_is_activated_at_once(pages: Pages) -> None:
    lru, folio = ClassicLru(), pages.make(mapped=2)
    lru.add(folio)
    pages.use(folio)
    assert look(lru)[1] is Verdict.ACTIVATE


def test_below_a_gigabyte_the_lists_are_kept_equally_long(pages: Pages) -> None:
    lru, folios = ClassicLru(), [pages.make() for _ in range(6)]
    for number, folio in enumerate(folios):
        folio.active = number < 4
        lru.add(folio)
    pages.use(folios[0])
    lru.flush()
    looks = iter(lru.batches(ScanControl(MemcgTree().root, wanted=6), 1))
    assert next(looks) == 1 and lru.isolate() is folios[4]
    assert next(looks, None) is None, "half of each list was looked at, and then 32"
    assert (lru.active_pages, lru.inactive_pages, lru.refilled) == (0, 5, 4)
    assert folios[0].workingset and not folios[0].active, "its accessed bit did not help it"
    assert look(lru) == (folios[5], Verdict.RECLAIM) and lru.isolate() is folios[0]


def test_reclaim_of_a_group_looks_at_less_of_it_the_more_that_has_cost(pages: Pages) -> None:
    """60 of 200 at first (vm.swappiness), as in both kernels: kerneldiff's script `reclaim_of_a_group`."""
    lru, tree = ClassicLru(), MemcgTree()
    group = tree.create("a", MemcgLimits())
    control = ScanControl(group, wanted=100)
    for _ in range(100):
        lru.add(pages.make())
    assert [list(lru.batches(control, priority)) for priority in (5, 3, 1, 0)] == [[], [3], [15], [32, 32, 32, 4]]
    note_cost(group, cost("6.12", written=0, in_vain=7), 100)
    assert list(lru.batches(control, 1)) == [9]
    assert list(lru.batches(ScanControl(tree.root, wanted=100), 1)) == [32, 18], "of the machine, all that is due"
    note_cost(group, cost("6.12", written=1), 100)
    assert group.anon_cost == (7 + 32) // 2, "more than a quarter of its pages is halved"
    assert cost("6.1", written=1, in_vain=7) == 1


def test_a_look_ends_early_where_it_has_freed_enough_itself_whatever_was_freed_before(pages: Pages) -> None:
    """nr_reclaimed of shrink_lruvec; kerneldiff's script `6.12-pressure-2`."""
    lru, control = ClassicLru(), ScanControl(MemcgTree().root, wanted=32, freed=20)
    for _ in range(100):
        lru.add(pages.make())
    looks = iter(lru.batches(control, 0))
    for freed in (28, 4):
        assert next(looks) == 32
        control.freed += freed
    assert next(looks, None) is None


@pytest.mark.parametrize(("gib", "ratio"), [(0, 1), (1, 3), (10, 10), (100, 31)])
def test_the_inactive_ratio_grows_with_the_root_of_the_size(gib: int, ratio: int) -> None:
    lru = ClassicLru()
    total = max(gib * GIB_PAGES, 1000) + ratio + 1
    lru.inactive_pages = -(-total // (ratio + 1))
    lru.active_pages = total - lru.inactive_pages
    lru.flush()
    assert not lru.inactive_is_low
    lru.active_pages, lru.inactive_pages = lru.active_pages + ratio + 1, lru.inactive_pages - ratio - 1
    assert not lru.inactive_is_low, "the statistics have yet to be brought up to date"
    lru.flush()
    assert lru.inactive_is_low


def test_the_active_list_is_shortened_for_pages_that_had_to_be_activated_or_as_a_last_resort(pages: Pages) -> None:
    """prepare_scan_control, and the last try of do_try_to_free_pages."""
    lru, group = ClassicLru(), MemcgTree().root
    for number in range(4):
        folio = pages.make()
        folio.active = number == 0
        lru.add(folio)
    lru.flush()
    control = ScanControl(group, wanted=4)
    assert list(lru.batches(control, 0)) == [3] and lru.active_pages == 1 and control.skipped_deactivate
    group.count("workingset_activate_anon")
    control.freed = 4
    assert list(lru.batches(control, 0)) == [3] and lru.active_pages == 0, "even where that look freed enough"
    control.end()
    assert not control.deactivates and ScanControl(group, force_deactivate=True).deactivates


# Generations


def test_a_page_that_is_not_used_between_two_agings_is_reclaimed_and_one_that_is_used_stays(pages: Pages) -> None:
    lru, idle, used = MultiGenLru(), pages.make(), pages.make()
    lru.add(idle)
    lru.add(used)
    for _ in range(3):
        pages.use(used)
        lru.age()
    assert look(lru) == (idle, Verdict.RECLAIM)
    assert lru.active_pages == 1 and lru.refilled == 3
    pages.use(used)
    assert lru.check_references(used) is Verdict.KEEP, "used since the last aging"


def test_the_two_youngest_generations_are_only_reclaimed_after_they_have_aged(pages: Pages) -> None:
    lru, folio = MultiGenLru(), pages.make()
    lru.add(folio)
    assert lru.max_seq - lru.min_seq + 1 == MIN_NR_GENS and lru.active_pages == 1
    assert lru.isolate() is None
    control = ScanControl(MemcgTree().root, wanted=1)
    assert list(lru.batches(control, 0)) == [MIN_LRU_BATCH]
    assert lru.isolate() is None, "one aging is not enough"
    assert list(lru.batches(control, 0)) == [MIN_LRU_BATCH] and lru.isolate() is folio
    assert list(lru.batches(control, 0)) == [] and lru.isolate() is None


def test_a_page_that_is_not_needed_soon_joins_the_oldest_generation(pages: Pages) -> None:
    lru, folios = MultiGenLru(), [pages.make() for _ in range(3)]
    for folio in folios:
        lru.add(folio)
        lru.age()
    assert lru.min_seq == 0
    lru.deactivate(folios[2])
    assert [lru.isolate(), lru.isolate()] == [folios[0], folios[2]]
    lru.add_oldest(folios[0])
    assert lru.isolate() is folios[0]


def test_without_the_need_to_be_written_it_is_the_very_oldest_one(pages: Pages) -> None:
    lru, folios = MultiGenLru(), [pages.make() for _ in range(2)]
    folios[1].slot = 1
    for folio in folios:
        lru.add(folio)
        lru.age()
        lru.deactivate(folio)
    assert lru.isolate() is folios[1]


# On a machine


async def tour(tb: TB, rounds: int = 6) -> AddressSpace:
    """A group of 80 pages: 24 that are used in each round, and others that are used once."""
    space = tb.system.create_space("task", tb.system.create_memcg("group", MemcgLimits(memory_max=80)))
    fresh = 100
    for _ in range(rounds):
        for vpn in range(24):
            await space.write(vpn, compressible_page(vpn))
        for _ in range(24):
            await space.write(fresh, compressible_page(fresh))
            fresh += 1
    return space


@machine(memory_pages=400, **SWAP)
async def test_pages_that_are_used_again_stay_and_those_used_once_leave(tb: TB) -> None:
    space = await tour(tb)
    kept = sum(tb.state(space, vpn).startswith("dram") for vpn in range(24))
    left = sum(tb.state(space, vpn) == "softleaf" for vpn in range(100, 244))
    assert kept >= 20 and left >= 50
    assert tb.system.counters.pgactivate == space.memcg.stat["pgactivate"] > 0


@machine(memory_pages=400, lru="mglru", **SWAP)
async def test_so_it_is_with_generations(tb: TB) -> None:
    space = await tour(tb)
    assert isinstance(tb.machine.memory.lruvec(space.memcg), MultiGenLru)
    kept = sum(tb.state(space, vpn).startswith("dram") for vpn in range(24))
    left = sum(tb.state(space, vpn) == "softleaf" for vpn in range(100, 244))
    assert kept / 24 > 1 - left / 144, "a page that is used again has the better chance"
    assert tb.system.counters.pgrefill > 0


@machine(memory_pages=400, lru="mglru", **SWAP)
async def test_a_refault_while_its_generation_is_still_the_oldest_was_too_early(tb: TB) -> None:
    space = tb.space()
    await space.write(0, compressible_page(0))
    assert await tb.pageout(space, 0)
    await space.read(0)
    assert tb.system.counters.workingset_activate_anon == 1
    assert await tb.pageout(space, 0)
    lru = tb.machine.memory.lruvec(space.memcg)
    assert isinstance(lru, MultiGenLru)
    lru.min_seq += 1  # the generation that it left is gone
    await space.read(0)
    assert (tb.system.counters.workingset_refault_anon, tb.system.counters.workingset_activate_anon) == (2, 1)
