# SPDX-License-Identifier: MIT
"""What a provider may ask of a memory node: give it, take it back, resize it, close it, trim, nominate hot pages."""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Iterable
from typing import Any

import pytest

from driver import CramDevice, DeviceTimeout, MailboxError, Provider, TrimAnswer
from hw.codes import Opcode, ReturnCode
from hw.link import ZERO_PAGE
from tests.pages import compressible_page, noise_page
from tests.vswap.node.tools import demoted, node_machine, verify
from tests.vswap.tb import TB
from vswap.paths.hot import RING_PAGES
from vswap.paths.nodes import NodeError
from vswap.tiers.cram_pages import TRIM_ROUNDS

WHOLE = [range(256)]


async def refused(call: Awaitable[object], number: int) -> None:
    """The call ends with this errno."""
    with pytest.raises(NodeError) as caught:
        await call
    assert caught.value.errno == number


# register, unregister


@pytest.mark.parametrize("layer", ["virtual", "direct", "xswap"])
@node_machine(rtl=True)
async def test_a_node_that_is_taken_back_is_emptied_into_dram_and_its_pages_stay_mapped(tb: TB, layer: str) -> None:
    assert tb.config.layer == layer
    space = await demoted(tb)
    child = await tb.system.fork(space, "child")
    await tb.system.nodes.unregister("cram", WHOLE)
    assert (tb.node().usage().pages, await tb.device.free_sectors()) == (0, tb.device.geometry.media_sectors)
    assert {tb.state(each, vpn) for each in (space, child) for vpn in range(4)} == {"dram ro"}
    assert tb.machine.slots.used == 0, "no slot was needed for it"
    await verify(space)
    await child.write(0, noise_page(1))
    assert await space.read(0) == compressible_page(0)
    await space.pageout(1)
    assert tb.state(space, 1) != "cram ro", "nothing new lands on it"
    await tb.system.nodes.register("cram", WHOLE, 4000, tb.device)
    again = await demoted(tb, 2, "again")
    await verify(again, 2)


@node_machine()
async def test_a_node_whose_page_cannot_be_read_is_not_taken_back_and_it_may_be_tried_again(
    tb: TB, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = await demoted(tb)
    bad, load = tb.cram_folio(space, 2).page, tb.device.load

    async def fail(page: int) -> bytes:
        if page == bad:
            raise DeviceTimeout("on purpose")
        return await load(page)

    with monkeypatch.context() as patch:
        patch.setattr(tb.device, "load", fail)
        await refused(tb.system.nodes.unregister("cram", WHOLE), errno.EBUSY)
        assert bad in tb.node().handles() and tb.node() not in tb.machine.tiers.offline
        assert tb.state(space, 2) == "cram ro", "it is mapped as before"
    await verify(space)
    await demoted(tb, 1, "late")
    await tb.system.nodes.unregister("cram", WHOLE)
    await verify(space)


@node_machine()
async def test_bad_calls_are_refused_and_change_nothing(tb: TB) -> None:
    nodes, device = tb.system.nodes, tb.device
    space = await demoted(tb)
    await refused(nodes.register("cram", WHOLE, 4000, device), errno.EBUSY)
    await refused(nodes.register("zswap", WHOLE, 4000, device), errno.ENODEV)
    await refused(nodes.unregister("cram9", WHOLE), errno.ENODEV)
    await refused(nodes.unregister("cram", [range(128)]), errno.EINVAL)
    await refused(nodes.report_hot_pages("cram", [256]), errno.EINVAL)
    await refused(nodes.report_hot_pages("cram9", [1]), errno.ENODEV)
    for call, value in ((nodes.set_capacity, 257), (nodes.set_compression_ratio, -1)):
        with pytest.raises(NodeError, match="EINVAL"):
            call("cram", value)
    assert tb.node().usage().pages == 4
    await nodes.unregister("cram", WHOLE)
    await refused(nodes.unregister("cram", WHOLE), errno.ENODEV)
    await refused(nodes.register("cram", [range(128)], 4000, device), errno.EINVAL)
    await refused(nodes.register("cram", WHOLE, 999, device), errno.EINVAL)
    assert tb.node() in tb.machine.tiers.offline, "nothing is left online"
    await nodes.register("cram", WHOLE, 4000, device)
    await verify(space)


@node_machine()
async def test_a_node_is_no_swap_that_could_be_switched_off(tb: TB) -> None:
    with pytest.raises(ValueError, match="cram is a memory node"):
        await tb.system.swapoff("cram")


@node_machine(rtl=True)
async def test_the_loss_of_the_device_costs_its_pages_alone(tb: TB) -> None:
    space = await demoted(tb)
    kept = tb.space("kept")
    await kept.write(0, noise_page(1))
    await tb.links["cram"].reset()
    await tb.settle()
    for vpn in range(4):
        with pytest.raises(Exception, match="SIGBUS"):
            await space.read(vpn)
    assert await kept.read(0) == noise_page(1) and tb.system.counters.pages_lost == 4
    tb.devices["cram"] = tb.device = await CramDevice.probe(tb.links["cram"])
    await tb.system.nodes.register("cram", WHOLE, 4000, tb.device)
    await verify(await demoted(tb, 2, "again"), 2)


# The balloon


@node_machine(rtl=True)
async def test_the_balloon_is_what_the_capacity_leaves_and_the_last_value_wins(tb: TB) -> None:
    space = await demoted(tb)
    balloon = tb.node().inventory.balloon
    tb.system.nodes.set_capacity("cram", 100)
    assert len(balloon) == 156, "perceived - capacity"
    tb.system.nodes.set_capacity("cram", 20)
    tb.system.nodes.set_capacity("cram", 200)
    assert len(balloon) == 56
    tb.system.nodes.set_compression_ratio("cram", 4000)  # 256 pages on 64 KiB: configured is 16 to 1
    assert len(balloon) == 256 * (16_000 - 4_000) // 16_000
    tb.system.nodes.set_compression_ratio("cram", 16_000)
    assert not balloon
    await verify(space)


@node_machine()
async def test_a_balloon_without_free_pages_migrates_the_coldest_politely_and_they_stay_mapped(tb: TB) -> None:
    space = await demoted(tb, 8)
    tb.system.nodes.set_capacity("cram", 3)
    await tb.settle()
    counters = tb.system.counters
    assert len(tb.node().inventory.balloon) == 253 and tb.node().usage().pages == 3
    assert counters.ballooned_out == 5 and not (counters.zswpout or counters.pswpout), "nothing was reclaimed for it"
    assert [tb.state(space, vpn) for vpn in range(8)] == ["dram ro"] * 5 + ["cram ro"] * 3
    await verify(space, 8)


@node_machine(memory_pages=20)
async def test_a_balloon_reclaims_nothing_and_waits_for_pages_to_be_freed(tb: TB) -> None:
    space = await demoted(tb, 8)
    hog = tb.space("hog")
    for vpn in range(13):
        await hog.write(vpn, noise_page(vpn))
    tb.system.nodes.set_capacity("cram", 1)
    await tb.clock.sleep(100_000)
    assert tb.node().usage().pages > 1, "residents stay"
    await verify(space, 8)
    await space.exit()
    await hog.exit()
    await tb.settle()
    assert len(tb.node().inventory.balloon) == 255


@node_machine(balloon_step_pages=2)
async def test_the_balloon_grows_by_steps_between_which_the_target_may_change(tb: TB) -> None:
    space = await demoted(tb, 8)
    tb.system.nodes.set_capacity("cram", 0)
    while not tb.system.counters.ballooned_out:
        await tb.clock.sleep(500)
    assert tb.system.counters.ballooned_out == 2
    tb.system.nodes.set_capacity("cram", 256)
    await tb.settle()
    assert tb.system.counters.ballooned_out <= 4 and not tb.node().inventory.balloon
    await verify(space, 8)


# The gate


@node_machine(rtl=True)
async def test_the_gate_is_sticky_and_touches_neither_residents_nor_the_balloon(tb: TB) -> None:
    space = await demoted(tb)
    tb.system.nodes.set_capacity("cram", 100)
    tb.system.nodes.set_no_alloc("cram", True)
    held = tb.node().handles()
    tb.node().set_pressure(True)
    tb.node().set_pressure(False)
    other = tb.space("other")
    await other.write(0, compressible_page(9))
    await other.pageout(0)
    assert tb.state(other, 0) == "softleaf", "it was swapped out instead"
    assert tb.node().closed and len(tb.node().inventory.balloon) == 156
    await verify(space)
    tb.system.nodes.set_no_alloc("cram", False)
    assert set(tb.node().handles()) <= set(held)
    await demoted(tb, 1, "late")


# Trim


@node_machine(rtl=True)
async def test_what_was_freed_is_trimmed_and_its_media_is_free(tb: TB) -> None:
    space = await demoted(tb)
    await space.unmap(0, 2)
    await tb.settle()
    assert tb.system.counters.trimmed == 2 and tb.node().usage().pages == 2
    await space.exit()
    await tb.settle()
    assert tb.system.counters.trimmed == 4
    assert await tb.device.free_sectors() == tb.device.geometry.media_sectors


@node_machine()
@pytest.mark.parametrize("times", [1, TRIM_ROUNDS - 1, TRIM_ROUNDS, 1000])
async def test_a_trim_that_is_to_be_tried_again_is_tried_in_eight_rounds_at_most(
    tb: TB, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = await demoted(tb)
    rounds, trim = 0, tb.device.trim

    async def busy(pages: Iterable[int]) -> None:
        nonlocal rounds
        rounds += 1
        if rounds <= times:
            raise MailboxError(ReturnCode.BUSY, Opcode.MEDIA_OPERATIONS)
        await trim(pages)

    with monkeypatch.context() as patch:
        patch.setattr(tb.device, "trim", busy)
        await space.exit()
        await tb.settle()
        assert rounds == min(times + 1, TRIM_ROUNDS) and TRIM_ROUNDS == 8
        assert tb.system.counters.trim_fallbacks == (4 if times >= TRIM_ROUNDS else 0), "the core zeroes what is left"
        assert await tb.device.free_sectors() == tb.device.geometry.media_sectors


@node_machine()
async def test_of_a_trim_each_page_has_its_own_answer(tb: TB, monkeypatch: pytest.MonkeyPatch) -> None:
    space = await demoted(tb)
    asked: list[list[int]] = []
    busy, later = (tb.cram_folio(space, vpn).page for vpn in (0, 1))
    trim = tb.device.trim

    async def answer(self: Provider, pages: list[int]) -> list[TrimAnswer]:
        asked.append(list(pages))
        first = len(asked) == 1
        answers = {busy: TrimAnswer.BUSY, **({later: TrimAnswer.AGAIN} if first else {})}
        await trim([page for page in pages if page not in answers])
        return [answers.get(page, TrimAnswer.DONE) for page in pages]

    with monkeypatch.context() as patch:
        patch.setattr(Provider, "trim", answer)
        await space.exit()
        await tb.settle()
    assert [sorted(pages) for pages in asked] == [sorted(asked[0]), [later]], "only what failed is asked for again"
    assert (tb.system.counters.trimmed, tb.system.counters.trim_fallbacks) == (3, 1)
    assert await tb.device.load(busy) == ZERO_PAGE


@node_machine()
async def test_a_provider_without_trim_has_its_pages_zeroed(tb: TB, monkeypatch: pytest.MonkeyPatch) -> None:
    space = await demoted(tb)
    freed = [tb.cram_folio(space, vpn).page for vpn in range(4)]

    async def unsupported(pages: Iterable[int]) -> None:
        raise MailboxError(ReturnCode.UNSUPPORTED, Opcode.MEDIA_OPERATIONS)

    with monkeypatch.context() as patch:
        patch.setattr(tb.device, "trim", unsupported)
        await space.exit()
        await tb.settle()
        assert (tb.system.counters.trimmed, tb.system.counters.trim_fallbacks) == (0, 4)
        assert [await tb.device.load(page) for page in freed] == [ZERO_PAGE] * 4


# Hot pages

HOT: dict[str, Any] = {"hot_threshold": 4, "hot_interval": 1_000}


@node_machine(**HOT, rtl=True)
async def test_a_page_that_the_device_finds_hot_moves_to_dram_and_stays_mapped(tb: TB) -> None:
    space = await demoted(tb, 2)
    child = await tb.system.fork(space, "child")
    for line in range(4):
        await space.read(0, line)
    await tb.clock.sleep(50_000)
    assert [tb.state(each, 0) for each in (space, child)] == ["dram ro"] * 2
    assert tb.state(space, 1) == "cram ro" and tb.system.counters.promoted_hot == 1
    assert tb.machine.slots.used == 0
    await child.write(0, noise_page(1))
    assert (await space.read(0), await child.read(0)) == (compressible_page(0), noise_page(1))


@node_machine(hot_budget=2, hot_interval=1_000_000)
async def test_promotion_is_limited_by_rate_and_what_waits_has_its_turn(tb: TB) -> None:
    space = await demoted(tb, 6)
    await tb.system.nodes.report_hot_pages("cram", [tb.cram_folio(space, vpn).page for vpn in range(6)])
    for promoted in (2, 4, 6):
        await tb.clock.sleep(500_000)
        assert tb.system.counters.promoted_hot == promoted
        await tb.clock.sleep(500_000)
    await verify(space, 6)


@node_machine(start=False)
async def test_a_ring_of_1024_takes_nominations_and_drops_the_rest(tb: TB) -> None:
    space = await demoted(tb, 4)
    pages = [tb.cram_folio(space, vpn).page for vpn in range(4)] * 300
    await tb.system.nodes.report_hot_pages("cram", pages)
    assert tb.system.counters.hot_dropped == 1200 - RING_PAGES and RING_PAGES == 1024
    await tb.system.hot.drain()
    assert (tb.system.counters.promoted_hot, tb.system.counters.hot_stale) == (4, RING_PAGES - 4)
    await verify(space)


@node_machine(start=False)
async def test_a_stale_nomination_is_skipped(tb: TB) -> None:
    space = await demoted(tb, 3)
    pages = [tb.cram_folio(space, vpn).page for vpn in range(3)]
    unused = next(page for page in range(256) if page not in tb.node().handles())
    await tb.system.nodes.report_hot_pages("cram", [*pages, unused])
    await space.write(0, noise_page(0))  # promoted by the write
    await space.unmap(1)
    await tb.system.writeback.reap_and_trim()
    late = tb.space("late")
    for vpn in range(255):  # the freed pages are the last to be used again
        await late.write(vpn, bytes([vpn, 1]) * 2048)
        await late.pageout(vpn)
    assert set(pages[:2]) <= set(tb.node().handles()), "used again"
    await tb.system.hot.drain()
    assert (tb.system.counters.promoted_hot, tb.system.counters.hot_stale) == (1, 3)
    assert tb.state(space, 2) == "dram ro"
    for vpn in range(255):
        assert await late.read(vpn) == bytes([vpn, 1]) * 2048
