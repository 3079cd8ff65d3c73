# SPDX-License-Identifier: MIT
"""Readers of lists: each list is complete, whoever else reads at the same time and whoever was cancelled before.

The lists: poison pages, events, event records, nominations of hot pages, operations of Media Operations, the CEL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from driver import CramDevice, DeviceEvent, EventCode, PageFenced, PagePoisoned, PageState
from hw.parameters import DeviceParameters
from tests.driver.conftest import PARAMETERS
from tests.pages import SAME_PAGE

PAGES = PARAMETERS.perceived_pages
LARGE = DeviceParameters(perceived_pages=1024, media_bytes=64 << 10)

Reading = Callable[[CramDevice], Coroutine[Any, Any, Any]]
READINGS: dict[str, Reading] = {
    "poison list": lambda device: device.cxl.poison_list(),
    "event records": lambda device: device.cxl.event_records(),
    "discovery": lambda device: device.cxl.media_operations(),
    "command effects": lambda device: device.cxl.command_effects(),
}
"""What a reader leaves in the device: every reader gets all of it."""


async def fill(device: CramDevice) -> None:
    """Poison in every page but the last, more than one reply of the poison list holds; a full event log."""
    for page in range(device.geometry.perceived_pages - 1):
        await device.cxl.inject_poison(page)


async def cancelled(device: CramDevice, reading: Reading, step_ns: int) -> AsyncIterator[int]:
    """Begin to read and cancel it, later from time to time, until it ends before that."""
    delay = 0
    while True:
        task = device.clock.spawn(reading(device))
        await device.clock.sleep(delay)
        if task.done():
            return
        task.cancel()
        yield delay
        delay += step_ns


@pytest.mark.parametrize("reading", READINGS.values(), ids=READINGS.keys())
async def test_readers_at_once_all_see_the_whole_list(device: CramDevice, reading: Reading) -> None:
    await fill(device)
    alone = await reading(device)
    tasks = [device.clock.spawn(reading(device)) for _ in range(3)]
    assert [await task for task in tasks] == [alone] * 3


@pytest.mark.parametrize("reading", READINGS.values(), ids=READINGS.keys())
async def test_a_reader_that_is_cancelled_takes_nothing_from_the_next(device: CramDevice, reading: Reading) -> None:
    await fill(device)
    start = device.clock.now
    alone = await reading(device)
    times = 0
    async for delay in cancelled(device, reading, 1 + (device.clock.now - start) // 20):
        assert await reading(device) == alone, f"after one that was cancelled in {delay} ns"
        times += 1
    assert times > 10


async def test_the_whole_poison_list_is_all_poison_pages(device: CramDevice) -> None:
    """More than one reply holds, and exactly as many."""
    await fill(device)
    assert list(await device.cxl.poison_list()) == list(range(PAGES - 1))
    for first, count in [(0, 254), (0, 255), (1, 254), (1, PAGES - 1), (PAGES - 1, 1), (PAGES - 2, 2), (7, 0)]:
        pages = range(first, min(first + count, PAGES))  # a device may be smaller than a reply
        expected = [page for page in pages if page < PAGES - 1]
        assert list(await device.cxl.poison_list(first, len(pages))) == expected


@pytest.mark.parametrize("parameters", [LARGE])
async def test_two_readers_of_a_poison_list_of_several_commands_see_all_of_it(device: CramDevice) -> None:
    await fill(device)
    tasks = [device.clock.spawn(device.cxl.poison_list()) for _ in range(2)]
    for task in tasks:
        assert list(await task) == list(range(1023))
    async for delay in cancelled(device, READINGS["poison list"], 500):
        assert list(await device.cxl.poison_list()) == list(range(1023)), f"after one cancelled in {delay} ns"


async def test_each_event_goes_to_one_of_the_readers_at_once(device: CramDevice) -> None:
    for page in range(12):
        await device.cxl.inject_poison(page)
    tasks = [device.clock.spawn(device.events()) for _ in range(3)]
    told = [event for task in tasks for event in await task]
    assert sorted(event.page for event in told) == list(range(12))


async def test_a_reader_of_events_that_is_cancelled_loses_none_and_tells_none_twice(device: CramDevice) -> None:
    """The same event each time: two of them are told apart by nothing but their number."""
    await device.fence([3])
    done = False
    delay = 0
    while not done:
        for _ in range(3):
            with pytest.raises(PageFenced):
                await device.store_line(3, 0, bytes(64))
        assert await device.events() == [DeviceEvent(EventCode.FENCED, 3)] * 3
        for _ in range(3):  # refused without this driver's asking why: the events stay in the device
            with pytest.raises(Exception, match="SLVERR"):
                await device.link.write(3 * 4096, bytes(64))
        task = device.clock.spawn(device.events())
        await device.clock.sleep(delay)
        done = task.done()
        task.cancel()
        events = (await task if done else []) + await device.events()
        assert events == [DeviceEvent(EventCode.FENCED, 3)] * 3, f"cancelled after {delay} ns"
        delay += 3
    assert delay > 30


async def test_each_nomination_goes_to_one_of_the_readers_at_once(device: CramDevice) -> None:
    await device.track_hot_pages(1)
    for page in range(40):
        await device.load_line(page, 0)
    tasks = [device.clock.spawn(device.hot_pages()) for _ in range(3)]
    told = [page for task in tasks for page in (await task)[0]]
    assert told == list(range(40))


async def test_a_reader_of_hot_pages_that_is_cancelled_loses_no_nomination(device: CramDevice) -> None:
    done = False
    delay = 0
    while not done:
        await device.track_hot_pages(0)
        await device.trim(range(20))  # which makes them cold
        await device.track_hot_pages(1)
        for page in range(20):
            await device.load_line(page, 0)
        task = device.clock.spawn(device.hot_pages())
        await device.clock.sleep(delay)
        done = task.done()
        task.cancel()
        pages = ((await task)[0] if done else []) + (await device.hot_pages())[0]
        assert pages == list(range(20)), f"cancelled after {delay} ns"
        delay += 7
    assert delay > 70


async def test_a_trim_that_nobody_waited_for_leaves_no_wrong_cause(device: CramDevice) -> None:
    """The page was poison, was trimmed by a caller that was cancelled, and fenced: a store says that it is fenced."""
    for delay in range(0, 200, 11):
        await device.cxl.inject_poison(5)
        with pytest.raises(PagePoisoned):
            await device.load(5)
        task = device.clock.spawn(device.trim([5]))
        await device.clock.sleep(delay)
        task.cancel()
        if (await device.page_state(5)).state == PageState.POISON:
            continue
        await device.fence([5])
        with pytest.raises(PageFenced):
            await device.store(5, SAME_PAGE)
        await device.trim([5])
