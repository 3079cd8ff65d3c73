# SPDX-License-Identifier: MIT
"""The layouts of slots: the same rules, other bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from tests.pages import compressible_page, noise_page
from tests.vswap.tb import DEVICE, TB, machine
from tests.vswap.test_direct import contents
from vswap.base.backing import NO_BACKING, Backing, BackingType
from vswap.base.errors import AlreadyCached, SlotGone, TableWanted
from vswap.slots.cluster import CLUSTER_SLOTS, HIGHEST_ORDER, MOST_DEVICES, MOST_HANDLES
from vswap.slots.layouts import LayoutName, layout
from vswap.slots.table import SlotTable

NAMES: tuple[LayoutName, ...] = get_args(LayoutName)
every_layout = pytest.mark.parametrize("name", NAMES)


def table_of(name: LayoutName, **options: Any) -> SlotTable:
    return SlotTable(layout=layout(name), **options)


@pytest.mark.parametrize(("name", "per_slot"), [("compact", 14), ("descriptors", 24), ("swap-table", 8 + 8 + 2)])
def test_a_slot_takes_the_bytes_of_its_layout(name: LayoutName, per_slot: int) -> None:
    table = table_of(name)
    for _ in range(4 * CLUSTER_SLOTS - 1):
        table.allocate()
    allocator = 64 if name == "descriptors" else 0  # a bitmap
    assert table.bytes == 4 * (CLUSTER_SLOTS * per_slot + allocator)


@every_layout
@pytest.mark.parametrize("order", range(HIGHEST_ORDER + 1))
def test_a_large_allocation_is_contiguous_aligned_and_of_one_group(name: LayoutName, order: int) -> None:
    table = table_of(name)
    size = 1 << order
    firsts = [table.allocate(order=order, memcg=5) for _ in range(3 * CLUSTER_SLOTS // size)]
    slots = {first + i for first in firsts for i in range(size)}
    assert all(first % size == 0 and first > 0 for first in firsts)
    assert len(slots) == len(firsts) * size == table.used
    assert all(table.pinned(slot) and table.memcg(slot) == 5 for slot in slots)
    assert all(table.backing(slot) == NO_BACKING and table.shadow(slot) == 0 for slot in slots)


@every_layout
def test_a_pmd_sized_folio_takes_a_cluster_but_not_that_of_slot_0(name: LayoutName) -> None:
    table = table_of(name)
    first = table.allocate(order=HIGHEST_ORDER)
    assert (first % CLUSTER_SLOTS, first > 0, table.clusters) == (0, True, 1)
    small = table.allocate()
    assert 0 < small < CLUSTER_SLOTS, "the cluster of slot 0 is left for others"
    for slot in range(first, first + CLUSTER_SLOTS):
        table.unpin(slot)
    assert table.allocate(order=HIGHEST_ORDER) == first


@every_layout
def test_a_unit_is_handed_out_again_only_when_all_of_it_is_free(name: LayoutName) -> None:
    table = table_of(name)
    first, second = table.allocate(order=2), table.allocate(order=2)
    for slot in range(first, first + 3):
        table.unpin(slot)
    assert table.allocate(order=2) not in (first, second)
    table.unpin(first + 3)
    assert table.allocate(order=2) == first


@every_layout
@given(
    kind=st.sampled_from([kind for kind in BackingType if kind is not BackingType.NONE]),
    handle=st.integers(0, MOST_HANDLES - 1),
    device=st.integers(0, MOST_DEVICES - 1),
    count=st.integers(0, 40),
    shadow=st.integers(0, 2**32 - 1),
)
def test_a_descriptor_keeps_all_that_it_is_told(
    name: LayoutName, kind: BackingType, handle: int, device: int, count: int, shadow: int
) -> None:
    table = table_of(name)
    slot, neighbour = table.allocate(memcg=65_535), table.allocate(memcg=1)
    backing = Backing(kind, handle, device)
    table.set_backing(slot, backing)
    for _ in range(count):
        table.duplicate(slot)
    table.set_shadow(slot, shadow)
    assert table.backing(slot) == backing
    assert (table.swap_count(slot), table.pinned(slot)) == (count, True)
    assert (table.shadow(slot), table.memcg(slot)) == (shadow, 65_535)
    assert (table.backing(neighbour), table.swap_count(neighbour), table.memcg(neighbour)) == (NO_BACKING, 0, 1)
    assert [found for cluster in table.backed_by(kind, device) for found in cluster] == [slot]
    for _ in range(count):
        assert table.put(slot) is None
    assert table.unpin(slot) == backing
    assert not table.alive(slot) and list(table.slots()) == [neighbour]


def test_a_count_beyond_four_bits_takes_an_extend_table_that_goes_with_it() -> None:
    table = table_of("swap-table")
    slot, other = table.allocate(), table.allocate()
    plain = table.bytes
    for _ in range(14):
        table.duplicate(slot)
    assert table.bytes == plain
    table.duplicate(slot)
    assert (table.swap_count(slot), table.bytes) == (15, plain + 4 * CLUSTER_SLOTS)
    for _ in range(1000):
        table.duplicate(slot)
    assert (table.swap_count(slot), table.swap_count(other)) == (1015, 0)
    for _ in range(1015):
        table.put(slot)
    table.unpin(slot)
    assert table.bytes == plain


def test_without_memory_for_an_extend_table_an_atomic_duplicate_fails_and_leaves_the_count() -> None:
    short = True
    table = SlotTable(layout=layout("swap-table", may_extend=lambda: not short))
    slot = table.allocate()
    for _ in range(14):
        table.duplicate(slot, atomic=True)
    with pytest.raises(TableWanted):
        table.duplicate(slot, atomic=True)
    assert table.swap_count(slot) == 14
    table.duplicate(slot)  # may wait for memory
    table.duplicate(slot, atomic=True)
    assert table.swap_count(slot) == 16


class LayoutRules(RuleBasedStateMachine):
    """A table of any layout against a dict: slot -> [count, pinned]."""

    slots = Bundle("slots")
    table: SlotTable

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[int, list[int]] = {}

    @initialize(name=st.sampled_from(NAMES))
    def choose(self, name: LayoutName) -> None:
        self.table = table_of(name, cpus=2)

    @rule(target=slots, order=st.sampled_from([0, 0, 2, 7]), cpu=st.integers(0, 1))
    def allocate(self, order: int, cpu: int) -> MultipleResults[int]:
        first = self.table.allocate(order=order, cpu=cpu)
        slots = range(first, first + (1 << order))
        assert not self.model.keys() & set(slots)
        self.model |= {slot: [0, 1] for slot in slots}
        return multiple(*slots)

    @rule(slot=slots, times=st.sampled_from([1, 1, 20]))
    def duplicate(self, slot: int, times: int) -> None:
        for _ in range(times):
            if slot in self.model:
                self.table.duplicate(slot)
                self.model[slot][0] += 1
            else:
                with pytest.raises(SlotGone):
                    self.table.duplicate(slot)

    @rule(slot=slots)
    def put(self, slot: int) -> None:
        if self.model.get(slot, [0])[0]:
            self.model[slot][0] -= 1
            freed = self.table.put(slot) is not None
            assert freed == self._forget_dead(slot)

    @rule(slot=slots)
    def unpin(self, slot: int) -> None:
        if self.model.get(slot, [0, 0])[1]:
            self.model[slot][1] = 0
            freed = self.table.unpin(slot) is not None
            assert freed == self._forget_dead(slot)

    @rule(slot=slots)
    def pin(self, slot: int) -> None:
        if slot not in self.model:
            with pytest.raises(SlotGone):
                self.table.pin(slot)
        elif self.model[slot][1]:
            with pytest.raises(AlreadyCached):
                self.table.pin(slot)
        else:
            self.table.pin(slot)
            self.model[slot][1] = 1

    @precondition(lambda self: self.model)
    @rule(slot=consumes(slots))
    def forget(self, slot: int) -> None:
        """Slots that are dead for good leave the bundle now and then."""

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "table"):
            return
        assert set(self.table.slots()) == self.model.keys()
        assert self.table.used == len(self.model)
        for slot, (count, pinned) in self.model.items():
            assert (self.table.swap_count(slot), self.table.pinned(slot)) == (count, bool(pinned))

    def _forget_dead(self, slot: int) -> bool:
        if any(self.model[slot]):
            return False
        del self.model[slot]
        return True


TestLayoutRules = LayoutRules.TestCase


# On a machine

LINUX = ("zswap", "swapfile")


@machine(slot_layout="swap-table", order=LINUX)
async def test_a_fork_that_finds_no_memory_for_an_extend_table_tries_again(tb: TB) -> None:
    space = await tb.swapped_out(compressible_page(1))
    children = [await tb.system.fork(space, f"child {number}") for number in range(13)]
    memory = tb.machine.memory
    taken = memory.free - memory.minimum
    assert memory.take(taken) and tb.machine.slots.swap_count(tb.slot(space, 0)) == 14
    children.append(await tb.system.fork(space, "one more"))
    memory.give(taken)
    assert tb.system.counters.extend_retries == 1
    assert tb.machine.slots.swap_count(tb.slot(space, 0)) == 15
    for child in children:
        assert await child.read(0) == compressible_page(1)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_program_on_every_layout(name: LayoutName) -> None:
    compact, _ = contents("virtual", 1, order=("cram", "zswap", "swapfile"))
    other, _ = contents("virtual", 1, order=("cram", "zswap", "swapfile"), slot_layout=name)
    assert compact == other


@machine(cpus=2, memory_pages=64, order=LINUX)
async def test_pages_of_spaces_on_other_processors_get_slots_of_other_clusters(tb: TB) -> None:
    spaces = [await tb.swapped_out(compressible_page(number), f"task {number}") for number in range(4)]
    clusters = [tb.slot(space, 0) // CLUSTER_SLOTS for space in spaces]
    assert clusters[0] == clusters[2] != clusters[1] == clusters[3]


@machine(memory_pages=2048, mthp_orders=(9,), swapfile_pages=1024, order=("swapfile",))
async def test_a_pmd_sized_folio_leaves_as_a_whole_and_comes_back(tb: TB) -> None:
    space = tb.space()
    for vpn in range(512):
        await space.write(vpn, noise_page(vpn))
    assert tb.pte(space, 0).dram.order == 9
    assert await space.pageout(0, 512)
    first = tb.slot(space, 0)
    assert [tb.slot(space, vpn) for vpn in range(512)] == list(range(first, first + 512))
    assert tb.system.counters.mthp["hugepages-2048kB/swpout"] == 1
    for vpn in (0, 511, 77):
        assert await space.read(vpn) == noise_page(vpn)


@pytest.mark.parametrize(("name", "per_slot", "cached"), [("compact", 14, 9), ("descriptors", 24, 0),
                                                          ("swap-table", 18, 0)])  # fmt: skip
def test_gauges_say_what_swapped_pages_cost_beside_their_data(
    tmp_path: Path, name: LayoutName, per_slot: int, cached: int
) -> None:
    tb = TB(tmp_path, DEVICE, start=False, config={"slot_layout": name, "order": LINUX}, clock=None)

    async def body() -> None:
        space = tb.space()
        for vpn in range(4):
            await space.write(vpn, noise_page(vpn) if vpn == 3 else compressible_page(vpn))
            await space.pageout(vpn)
        await space.read(3)  # its copy stays on the swapfile, and its folio in the swap cache
        gauges = tb.system.gauges()
        bitmap = 64 if name == "descriptors" else 0
        assert gauges["slot_bytes"] == CLUSTER_SLOTS * per_slot + bitmap
        assert gauges["swap_cache_bytes"] == cached
        assert gauges["zswap_entry_bytes"] == 3 * 56
        assert gauges["reverse_map_bytes"] == 8

    tb.run(body)


@machine(layer="direct", order=("zswap", "swapfile"), swapfile_pages=256)
async def test_direct_slots_cost_the_same_whether_they_are_used_or_not(tb: TB) -> None:
    before = tb.system.gauges()
    assert (before["slot_bytes"], before["zswap_entry_bytes"]) == (256 * 25 // 8, 0)
    space = await tb.swapped_out(compressible_page(1))
    after = tb.system.gauges()
    assert (after["slot_bytes"], after["reverse_map_bytes"]) == (before["slot_bytes"], 0)
    assert after["zswap_entry_bytes"] == 56 + 9, "an entry, and its place in an xarray"
    await space.unmap(0)
