# SPDX-License-Identifier: MIT
"""What a provider may do with its node: give it, take it back, resize it, close it; and how a node ends unasked."""

from __future__ import annotations

import errno
from collections.abc import Iterable

import pytest

from driver import CramDevice, DeviceTimeout, MailboxError
from hw.codes import Opcode, ReturnCode
from tests.pages import compressible_page, noise_page
from tests.vswap.tb import TB, machine
from vswap import SigBus
from vswap.base.backing import BackingType
from vswap.paths.nodes import NodeError
from vswap.tiers.base import Full
from vswap.tiers.cram_pages import TRIM_ROUNDS

WHOLE = [range(256)]
COUNT = 8


async def filled(tb: TB, count: int = COUNT, name: str = "task") -> None:
    """A space with `count` pages on the device, half of them mapped."""
    space = tb.space(name)
    for vpn in range(count):
        await space.write(vpn, compressible_page(vpn))
        await space.pageout(vpn)
    for vpn in range(0, count, 2):
        assert await space.read(vpn) == compressible_page(vpn)


async def verify(tb: TB, count: int = COUNT) -> None:
    """Every page of the first space is as it was written."""
    for vpn in range(count):
        assert await tb.system.spaces[0].read(vpn) == compressible_page(vpn)


async def refused(call: object, number: int) -> None:
    """The call ends with this errno."""
    with pytest.raises(NodeError) as caught:
        await call  # type: ignore[misc]
    assert caught.value.errno == number


# register, unregister


@machine(rtl=True)
async def test_a_node_is_taken_back_whole_and_given_again_empty(tb: TB) -> None:
    await filled(tb)
    await tb.system.nodes.unregister("cram", WHOLE)
    assert (tb.node().usage().pages, await tb.device.free_sectors()) == (0, tb.device.geometry.media_sectors)
    await verify(tb)
    other = await tb.swapped_out(noise_page(1), "other")
    assert tb.backing(other, 0).type is not BackingType.CRAM, "nothing new lands on it"
    await tb.system.nodes.register("cram", WHOLE, 4000, tb.device)
    third = await tb.swapped_out(noise_page(2), "third")
    assert tb.backing(third, 0).type is BackingType.CRAM
    assert await third.read(0) == noise_page(2)


async def test_a_node_that_cannot_be_emptied_stays_in_use_and_may_be_tried_again(tb: TB) -> None:
    await filled(tb)
    page, load = tb.cram_folio(tb.system.spaces[0], 3).page, tb.device.load

    async def fail(wanted: int) -> bytes:
        if wanted == page:
            raise DeviceTimeout("on purpose")
        return await load(wanted)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tb.device, "load", fail)
        await refused(tb.system.nodes.unregister("cram", WHOLE), errno.EBUSY)
        assert page in tb.node().handles() and tb.node() not in tb.machine.tiers.offline
        late = await tb.swapped_out(noise_page(3), "late")
        assert tb.backing(late, 0).type is BackingType.CRAM
    await tb.system.nodes.unregister("cram", WHOLE)
    await verify(tb)


async def test_bad_calls_are_refused_and_change_nothing(tb: TB) -> None:
    nodes, device = tb.system.nodes, tb.device
    await filled(tb)
    await refused(nodes.register("cram", WHOLE, 4000, device), errno.EBUSY)
    await refused(nodes.register("zswap", WHOLE, 4000, device), errno.ENODEV)
    await refused(nodes.unregister("cram9", WHOLE), errno.ENODEV)
    await refused(nodes.unregister("cram", [range(128)]), errno.EINVAL)
    await nodes.unregister("cram", WHOLE)
    await refused(nodes.unregister("cram", WHOLE), errno.ENODEV)
    await refused(nodes.register("cram", [range(128)], 4000, device), errno.EINVAL)
    await refused(nodes.register("cram", WHOLE, 999, device), errno.EINVAL)
    for call in (nodes.set_capacity, nodes.set_compression_ratio, nodes.set_no_alloc):
        with pytest.raises(NodeError, match="ENODEV"):
            call("cram", True)
    await nodes.register("cram", WHOLE, 4000, device)
    with pytest.raises(NodeError, match="EINVAL"):
        nodes.set_capacity("cram", 257)
    await verify(tb)


# Capacity and the gate


@machine(rtl=True)
async def test_the_balloon_takes_what_the_provider_cannot_back_and_gives_it_again(tb: TB) -> None:
    await filled(tb)
    node = tb.node()
    tb.system.nodes.set_capacity("cram", 100)
    assert (len(node.inventory.balloon), node.usage().capacity) == (156, 100)
    tb.system.nodes.set_capacity("cram", 4)
    tb.system.nodes.set_capacity("cram", 10)
    assert len(node.inventory.balloon) == 246, "the last value wins"
    tb.system.nodes.set_capacity("cram", 256)
    assert len(node.inventory.balloon) == 0
    await verify(tb)


async def test_a_balloon_that_finds_no_free_page_moves_cold_ones_to_free_dram(tb: TB) -> None:
    await filled(tb)
    tb.system.nodes.set_capacity("cram", 3)
    await tb.settle()
    node = tb.node()
    assert (len(node.inventory.balloon), node.usage().pages <= 3) == (253, True)
    assert tb.system.counters.ballooned_out >= COUNT - 3
    assert tb.system.counters.writebacks.cram_to_zswap == 0, "politely: nothing was reclaimed for it"
    await verify(tb)


@machine(memory_pages=20)
async def test_a_balloon_does_not_reclaim_and_gets_the_rest_when_pages_are_freed(tb: TB) -> None:
    await filled(tb)
    hog = tb.space("hog")
    for vpn in range(13):
        await hog.write(vpn, noise_page(vpn))
    tb.system.nodes.set_capacity("cram", 1)
    await tb.clock.sleep(100_000)
    assert len(tb.node().inventory.balloon) < 255, "residents stay"
    await verify(tb)
    for space in tb.system.spaces:
        await space.exit()
    await tb.settle()
    assert len(tb.node().inventory.balloon) == 255


async def test_the_ratio_sets_the_balloon(tb: TB) -> None:
    """256 pages on 64 KiB: 16 to 1. A ratio of 4 to 1 backs a quarter of them."""
    tb.system.nodes.set_compression_ratio("cram", 4000)
    assert len(tb.node().inventory.balloon) == 192
    tb.system.nodes.set_compression_ratio("cram", 20_000)
    assert len(tb.node().inventory.balloon) == 0


@machine(cram_ratio_interval=50_000, rtl=True)
async def test_a_device_that_compresses_worse_than_configured_gets_a_balloon_by_itself(tb: TB) -> None:
    space = tb.space()
    for vpn in range(6):
        await space.write(vpn, noise_page(vpn))
        await space.pageout(vpn)
    await tb.clock.sleep(200_000)
    assert len(tb.node().inventory.balloon) >= 200
    for vpn in range(6):
        assert await space.read(vpn) == noise_page(vpn)


async def test_the_gate_touches_neither_residents_nor_the_balloon(tb: TB) -> None:
    await filled(tb)
    tb.system.nodes.set_capacity("cram", 100)
    tb.system.nodes.set_no_alloc("cram", True)
    held = tb.node().handles()
    await tb.clock.sleep(10_000_000)
    assert (tb.node().handles(), len(tb.node().inventory.balloon)) == (held, 156)
    tb.node().set_pressure(True)
    tb.node().set_pressure(False)
    with pytest.raises(Full):
        await tb.node().store(compressible_page(1), 1)
    tb.system.nodes.set_no_alloc("cram", False)
    await verify(tb)


# Trim


@pytest.mark.parametrize("times", [1, TRIM_ROUNDS - 1, 1000])
async def test_a_trim_that_is_to_be_tried_again_is_and_in_the_end_the_pages_are_zeroed(tb: TB, times: int) -> None:
    await filled(tb)
    left, trim = times, tb.device.trim

    async def busy(pages: Iterable[int]) -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            raise MailboxError(ReturnCode.BUSY, Opcode.MEDIA_OPERATIONS)
        await trim(pages)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tb.device, "trim", busy)
        await tb.system.spaces[0].exit()
        await tb.settle()
        counters = tb.system.counters
        assert counters.trim_retries > 0
        assert (counters.trim_fallbacks > 0) == (times == 1000)
        assert await tb.device.free_sectors() == tb.device.geometry.media_sectors
    await filled(tb, name="again")


@machine(start=False, rtl=True)
async def test_a_flush_waits_for_the_trim_that_another_task_has_under_way(tb: TB) -> None:
    await filled(tb)
    await tb.system.spaces[0].exit()
    await tb.system.writeback.reap()
    other = tb.clock.spawn(tb.node().flush())
    await tb.clock.sleep(5)
    await tb.node().flush()
    assert await tb.device.free_sectors() == tb.device.geometry.media_sectors
    await other


# Removal and reset


@machine(rtl=True)
async def test_a_reset_costs_the_pages_on_the_device_and_the_node_can_be_given_again(tb: TB) -> None:
    await filled(tb)
    space = tb.system.spaces[0]
    kept = tb.space("kept")
    await kept.write(0, noise_page(50))
    await tb.links["cram"].reset()
    await tb.settle()
    for vpn in range(COUNT):
        for _ in range(2):
            with pytest.raises(SigBus):
                await space.read(vpn)
    assert await kept.read(0) == noise_page(50)
    assert (tb.system.counters.nodes_lost, tb.system.counters.pages_lost) == (1, COUNT)
    assert tb.node().usage().pages == 0
    late = await tb.swapped_out(noise_page(51), "late")
    assert tb.backing(late, 0).type is not BackingType.CRAM
    device = await CramDevice.probe(tb.links["cram"])
    tb.devices["cram"] = tb.device = device
    await tb.system.nodes.register("cram", WHOLE, 4000, device)
    again = await tb.swapped_out(noise_page(52), "again")
    assert tb.backing(again, 0).type is BackingType.CRAM
    assert await again.read(0) == noise_page(52)
    with pytest.raises(SigBus):  # whatever lies on that device page now
        await space.read(0)
    await space.unmap(0, COUNT)
    assert await space.read(0) == bytes(4096)


@pytest.mark.parametrize("after", [100, 700, 3000, 9000])
@machine(rtl=True, memory_pages=24, writable_budget=2)
async def test_a_reset_in_the_middle_of_everything_leaks_nothing_and_no_page_is_wrong(tb: TB, after: int) -> None:
    """Tasks that read, write and swap out, writeback and trims are under way; afterwards a page is what it was or it
    is lost, and the books agree."""
    await filled(tb, 6)
    spaces = [tb.system.spaces[0], await tb.system.fork(tb.system.spaces[0], "child")]
    held = [{vpn: compressible_page(vpn) for vpn in range(6)} for _ in spaces]

    async def task(number: int) -> None:
        space = spaces[number]
        for step in range(40):
            vpn = (step * 5 + number) % 6
            try:
                if step % 3 == 0:
                    await space.write(vpn, noise_page(step))
                    held[number][vpn] = noise_page(step)
                elif step % 3 == 1:
                    await space.pageout(vpn)
                else:
                    assert await space.read(vpn) == held[number][vpn]
            except SigBus:
                await space.unmap(vpn)
                held[number][vpn] = bytes(4096)

    async def machinery() -> None:
        for _ in range(10):
            await tb.system.writeback.write_back_cram(2)
            await tb.system.writeback.reap_and_trim()

    tasks = [tb.clock.spawn(task(0)), tb.clock.spawn(task(1)), tb.clock.spawn(machinery())]
    await tb.clock.sleep(after)
    await tb.links["cram"].reset()
    device = await CramDevice.probe(tb.links["cram"])
    tb.devices["cram"] = tb.device = device
    while True:
        try:
            await tb.system.nodes.register("cram", WHOLE, 4000, device)
            break
        except NodeError as error:
            assert error.errno == errno.EBUSY
            await tb.clock.sleep(5_000)
            tb.system.invariants()
    for running in tasks:
        await running
    for number, space in enumerate(spaces):
        for vpn, page in held[number].items():
            try:
                assert await space.read(vpn) == page
            except SigBus:
                assert tb.system.counters.pages_lost > 0
    assert tb.system.counters.nodes_lost == 1
