# SPDX-License-Identifier: MIT
"""A node that is short swaps its coldest folios out by the ordinary path; one that is withdrawn gives all up."""

from __future__ import annotations

import pytest

from driver import DeviceTimeout, PagePoisoned
from tests.pages import compressible_page, noise_page
from tests.vswap.node.tools import demoted, node_machine, verify
from tests.vswap.tb import TB
from vswap import AddressSpace, SegmentationFault, SigBus
from vswap.base.backing import BackingType

LAYERS = pytest.mark.parametrize("layer", ["virtual", "direct", "xswap"])


async def fill_dram(tb: TB) -> AddressSpace:
    """A space that takes all DRAM but the reserve, with nothing reclaimed for it."""
    hog = tb.space("hog")
    vpn = 0
    while tb.machine.memory.free > tb.machine.memory.low:
        await hog.write(vpn, compressible_page(vpn))
        vpn += 1
    return hog


# Swap-out of the node


@pytest.mark.parametrize("after", [500, 3_000, 10_000])
@node_machine(order=("cram", "swapfile"), start=False)
async def test_a_swap_out_that_is_killed_has_failed_and_the_page_stays(tb: TB, after: int) -> None:
    space = await demoted(tb, 1)
    task = tb.clock.spawn(tb.system.writeback.write_back_folio(tb.cram_folio(space, 0)))
    await tb.clock.sleep(after)
    assert not task.done()
    task.cancel()
    await tb.clock.sleep(1)
    tb.system.invariants()
    assert tb.system.counters.writeback_failed == 1 and tb.node().usage().pages == 1
    await verify(space, 1)


@node_machine(rtl=True)
async def test_the_coldest_folio_is_swapped_out_and_comes_back_through_swap(tb: TB) -> None:
    space = await demoted(tb)
    await tb.system.writeback.write_back_cram(4)  # a look that clears the accessed bits of the demotion
    await tb.system.writeback.write_back_cram(1)
    assert tb.node().usage().pages < 4 and tb.system.counters.zswpout > 0
    states = [tb.state(space, vpn) for vpn in range(4)]
    assert "softleaf" in states and tb.system.counters.soft_faults == 0
    await verify(space)
    assert tb.system.counters.zswpin == tb.system.counters.zswpout


@node_machine()
async def test_a_folio_that_was_read_since_the_last_look_gets_a_second_chance(tb: TB) -> None:
    space = await demoted(tb, 3)
    for vpn in range(3):
        tb.pte(space, vpn).accessed = False
    await space.read(0)
    assert await tb.system.writeback.write_back_cram(1) == 1
    assert [tb.state(space, vpn) for vpn in range(3)] == ["cram ro", "softleaf", "cram ro"]


@node_machine(rtl=True)
async def test_swap_out_finds_every_mapper_by_rmap(tb: TB) -> None:
    space = await demoted(tb, 1)
    spaces = [space, *[await tb.system.fork(space, f"child {number}") for number in range(3)]]
    before = tb.system.counters.rmap_ptes
    assert await tb.system.writeback.write_back_folio(tb.cram_folio(space, 0))
    assert {tb.state(each, 0) for each in spaces} == {"softleaf"}
    assert len({tb.slot(each, 0) for each in spaces}) == 1 and tb.system.counters.writeback_unmaps == 4
    assert tb.system.counters.rmap_ptes > before
    for each in spaces:
        assert await each.read(0) == compressible_page(0)


@node_machine(order=("cram", "swapfile"))
async def test_the_ordinary_swap_path_catches_zeros_and_writes_the_rest_to_the_swapfile(tb: TB) -> None:
    space = tb.space()
    for vpn, page in enumerate((bytes(4096), noise_page(1))):
        await space.write(vpn, page)
        await space.pageout(vpn)
        assert tb.state(space, vpn) == "cram ro"
        assert await tb.system.writeback.write_back_folio(tb.cram_folio(space, vpn))
    assert [tb.backing(space, vpn).type for vpn in (0, 1)] == [BackingType.ZERO, BackingType.SWAPFILE]
    assert (await space.read(0), await space.read(1)) == (bytes(4096), noise_page(1))


@LAYERS
@node_machine()
async def test_a_folio_that_no_tier_takes_stays_on_the_node_and_is_mapped_again_by_the_next_access(
    tb: TB, layer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = await demoted(tb, 1)
    child = await tb.system.fork(space, "child")

    async def refuse(*_: object) -> None:
        return None

    with monkeypatch.context() as patch:
        patch.setattr(type(tb.machine.placement), "write_out", refuse)
        assert not await tb.system.writeback.write_back_folio(tb.cram_folio(space, 0))
    assert tb.state(space, 0) == tb.state(child, 0) == "softleaf" and tb.node().usage().pages == 1
    await verify(space, 1)
    assert tb.state(space, 0) == "cram ro" and tb.machine.slots.used == 1, "the other still names the slot"
    await child.read(0)
    assert tb.machine.slots.used == 0 and tb.system.counters.swap_cache_hits == 2
    await child.write(0, noise_page(1))
    await verify(space, 1)


@node_machine(rtl=True)
async def test_the_low_interrupt_closes_the_node_and_swaps_until_the_device_has_recovered(tb: TB) -> None:
    space = tb.space()
    for vpn in range(40):  # raw pages: 16 of them fill the media
        await space.write(vpn, noise_page(vpn))
        await space.pageout(vpn)
    counters = tb.system.counters
    assert counters.node_closed and counters.cram_rejects and counters.pswpout, "what it refused was swapped out"
    await tb.settle()
    assert counters.node_reopened == counters.node_closed and counters.moves
    assert not tb.node().closed and not counters.sigbus and not counters.cram_full
    for vpn in range(40):
        assert await space.read(vpn) == noise_page(vpn)


@node_machine(order=("cram",), memory_pages=64)
async def test_a_full_node_without_swap_loses_nothing(tb: TB) -> None:
    space = tb.space()
    for vpn in range(50):
        await space.write(vpn, noise_page(vpn))
    for vpn in range(50):
        await space.pageout(vpn)
    assert 0 < tb.node().usage().pages < 16 and not tb.system.counters.cram_poisoned
    for vpn in range(50):
        assert await space.read(vpn) == noise_page(vpn)


# Withdrawal


@LAYERS
@node_machine(memory_pages=48)
async def test_a_withdrawn_node_migrates_politely_first(tb: TB, layer: str) -> None:
    assert tb.config.layer == layer
    space = await demoted(tb, 10)
    tb.system.nodes.set_capacity("cram", 0)
    await tb.settle()
    assert (tb.node().usage().pages, len(tb.node().inventory.balloon)) == (0, 256)
    assert tb.system.counters.ballooned_out == 10 and not tb.system.counters.zswpout
    assert {tb.state(space, vpn) for vpn in range(10)} == {"dram ro"}
    await verify(space, 10)


@node_machine(order=("cram", "swapfile"), memory_pages=48, rtl=True)
async def test_what_finds_no_free_dram_is_swapped_out(tb: TB) -> None:
    space = await demoted(tb, 28)
    await fill_dram(tb)
    tb.system.nodes.set_capacity("cram", 0)
    await tb.settle()
    assert (tb.node().usage().pages, len(tb.node().inventory.balloon)) == (0, 256)
    assert tb.system.counters.pswpout and not tb.system.counters.oom_kill
    await verify(space, 28)


@node_machine(order=("cram", "swapfile"), memory_pages=48)
async def test_a_node_that_only_shrinks_reclaims_nothing(tb: TB) -> None:
    space = await demoted(tb, 28)
    await fill_dram(tb)
    tb.system.nodes.set_capacity("cram", 1)
    await tb.settle()
    assert len(tb.node().inventory.balloon) < 255 and not tb.system.counters.pswpout, "residents stay"
    await verify(space, 28)


@node_machine(order=("cram", "swapfile"), memory_pages=48)
async def test_while_it_is_withdrawn_nothing_new_lands_and_what_is_left_can_be_read(tb: TB) -> None:
    space = await demoted(tb, 28)
    hog = await fill_dram(tb)
    tb.system.nodes.set_capacity("cram", 0)
    stores = tb.system.counters.stores
    for vpn in range(28):
        assert await space.read(vpn) == compressible_page(vpn)
        await hog.pageout(vpn % len(hog.table))
    await tb.settle()
    assert tb.system.counters.stores == stores
    await verify(space, 28)


@node_machine(order=("cram",), memory_pages=48)
async def test_without_swap_they_are_squeezed_into_dram_and_killing_is_the_last_resort(tb: TB) -> None:
    small, big = await demoted(tb, 1, "small"), await demoted(tb, 40, "big")
    hog = await fill_dram(tb)
    tb.system.nodes.set_capacity("cram", 0)
    await tb.settle()
    assert (tb.node().usage().pages, tb.system.counters.oom_kill) == (0, 1)
    with pytest.raises(SegmentationFault, match="big has exited"):
        await big.read(0)
    await verify(small, 1)
    await verify(hog, len(hog.table))


@node_machine(order=("cram", "swapfile"), memory_pages=48)
async def test_a_page_that_is_lost_is_said_to_be_lost_to_who_needs_it(tb: TB, monkeypatch: pytest.MonkeyPatch) -> None:
    space = await demoted(tb)
    bad, load = tb.cram_folio(space, 1).page, tb.device.load

    async def poisoned(page: int) -> bytes:
        if page == bad:
            raise PagePoisoned(page)
        return await load(page)

    with monkeypatch.context() as patch:
        patch.setattr(tb.device, "load", poisoned)
        with pytest.raises(SigBus):
            await space.read(1)
        tb.system.nodes.set_capacity("cram", 0)
        await tb.settle()
    assert (tb.node().usage().pages, tb.system.counters.pages_lost) == (0, 1)
    with pytest.raises(SigBus):
        await space.write(1, noise_page(1))
    for vpn in (0, 2, 3):
        assert await space.read(vpn) == compressible_page(vpn)


@node_machine(memory_pages=48)
async def test_a_promotion_whose_page_cannot_be_read_now_leaves_it_where_it_is(
    tb: TB, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = await demoted(tb, 1)

    async def fail(page: int) -> bytes:
        raise DeviceTimeout("on purpose")

    with monkeypatch.context() as patch:
        patch.setattr(tb.device, "load", fail)
        with pytest.raises(SigBus):
            await space.write(0, noise_page(0))
        assert tb.state(space, 0) == "cram ro"
    await space.write(0, noise_page(1))
    assert await space.read(0) == noise_page(1)


@node_machine()
async def test_a_page_that_came_back_clean_is_not_dropped_for_the_one_user_who_does_not_need_it(
    tb: TB, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could not be swapped out, was mapped again, and migrated to DRAM: no PTE of it is dirty."""
    space = await demoted(tb, 1)
    child = await tb.system.fork(space, "child")

    async def refuse(*_: object) -> None:
        return None

    with monkeypatch.context() as patch:
        patch.setattr(type(tb.machine.placement), "write_out", refuse)
        assert not await tb.system.writeback.write_back_folio(tb.cram_folio(space, 0))
    await space.read(0)
    await child.read(0)
    await tb.system.nodes.unregister("cram", [range(256)])
    await child.lazyfree(0)
    await tb.reclaim(space, 0)
    await verify(space, 1)
