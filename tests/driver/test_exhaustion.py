# SPDX-License-Identifier: MIT
"""Exhaustion: a store that finds no sector is refused, says so, and every page is as it was."""

from __future__ import annotations

import pytest

from driver import CramDevice, DeviceEvent, DeviceFull, EventCode, Interrupt, PageFenced, PageState
from hw.link import BusError
from hw.parameters import DeviceParameters
from tests.pages import SAME_PAGE, ZERO_PAGE, compressible_page, noise_page

RAW_PAGES = 16
"""So many raw pages fill the device of these tests."""


async def fill(device: CramDevice) -> dict[int, bytes]:
    """Fill the media to its last sector; what was stored, by page."""
    stored = {page: noise_page(page) for page in range(RAW_PAGES)}
    for page, content in stored.items():
        await device.store(page, content)
    assert await device.free_sectors() == 0
    return stored


async def test_a_store_that_finds_no_sector_raises_and_leaves_every_page_as_it_was(device: CramDevice) -> None:
    stored = await fill(device)
    with pytest.raises(DeviceFull) as caught:
        await device.store(100, noise_page(100))
    assert caught.value.page == 100
    for page, content in stored.items():
        assert await device.load(page) == content
    assert (await device.page_state(100)).state == PageState.FREE
    assert await device.load(100) == ZERO_PAGE
    assert (await device.counters()).pages_poisoned == 0
    assert await device.events() == [DeviceEvent(EventCode.EXHAUSTED, 100)]


async def test_even_a_page_of_zeros_needs_the_reservation(device: CramDevice) -> None:
    await fill(device)
    with pytest.raises(DeviceFull):
        await device.store(100, ZERO_PAGE)


async def test_a_stored_page_keeps_its_content_when_its_store_is_refused(device: CramDevice) -> None:
    stored = await fill(device)
    before = await device.capacity()
    with pytest.raises(DeviceFull):
        await device.store(3, ZERO_PAGE)
    with pytest.raises(DeviceFull):
        await device.store_line(4, 9, bytes(64))
    assert await device.capacity() == before
    for page, content in stored.items():
        assert await device.load(page) == content
    assert (await device.counters()).lines_refused == 65


async def test_a_page_that_was_refused_is_usable_as_soon_as_there_is_room(device: CramDevice) -> None:
    await fill(device)
    for _ in range(2):
        with pytest.raises(DeviceFull):
            await device.store(100, SAME_PAGE)
    await device.trim([0])
    await device.store(100, SAME_PAGE)
    assert await device.load(100) == SAME_PAGE
    assert (await device.counters()).pages_poisoned == 0


async def test_dirty_pages_are_closed_to_make_room_before_a_store_is_refused(device: CramDevice) -> None:
    """A dirty page reserves 16 sectors and these need 1 each: two closes make room for a fourth where three fitted."""
    for page in range(13):
        await device.store(page, noise_page(page))
    assert (await device.capacity()).available_sectors == 48
    await device.store_line(20, 0, b"a" * 64)
    await device.store_line(21, 0, b"b" * 64)
    assert (await device.capacity()).available_sectors == 16
    await device.store_line(22, 0, b"c" * 64)
    assert (await device.capacity()).available_sectors == 0
    await device.store_line(23, 0, b"d" * 64)
    dirty = [(await device.page_state(page)).dirty for page in (20, 21, 22, 23)]
    assert dirty == [False, False, True, True]  # the least recently used first, and no more than needed
    assert [(await device.load(page))[:1] for page in (20, 21, 22, 23)] == [b"a", b"b", b"c", b"d"]


async def test_what_was_acknowledged_can_always_be_closed(device: CramDevice) -> None:
    """Fill up to a last dirty page: its reservation stands, whatever its content needs in the end."""
    for page in range(RAW_PAGES - 1):
        await device.store(page, noise_page(page))
    content = noise_page(99)
    for line in range(63):
        await device.store_line(99, line, content[line * 64 : line * 64 + 64])
    with pytest.raises(DeviceFull):  # closes page 99, which takes all that was reserved for it
        await device.store(50, ZERO_PAGE)
    assert (await device.page_state(99)).state == PageState.RAW
    assert await device.load(99) == content[: 63 * 64] + bytes(64)


@pytest.mark.parametrize("parameters", [DeviceParameters(perceived_pages=1024, media_bytes=32 << 10)])
async def test_more_can_be_stored_than_the_media_holds_uncompressed(device: CramDevice) -> None:
    pages = 0
    with pytest.raises(DeviceFull):
        for page in range(1024):
            await device.store(page, compressible_page(page))
            pages += 1
    assert pages * 4096 > 4 * (32 << 10)
    for page in range(pages):
        assert await device.load(page) == compressible_page(page)
    assert (await device.capacity()).ratio > 4


async def test_exhaustion_raises_the_event_interrupt(device: CramDevice) -> None:
    await fill(device)
    waiting = device.clock.spawn(device.wait_interrupt(Interrupt.EVENT, Interrupt.LOW))
    with pytest.raises(DeviceFull):
        await device.store(100, ZERO_PAGE)
    assert await waiting == {Interrupt.EVENT}
    assert await device.events() == [DeviceEvent(EventCode.EXHAUSTED, 100)]
    assert await device.events() == []
    assert not device.link.interrupts() & Interrupt.EVENT.mask


async def test_the_event_log_keeps_the_oldest_16_and_counts_the_rest(device: CramDevice) -> None:
    await fill(device)
    for page in range(100, 120):
        with pytest.raises(BusError):  # past the driver, which takes events as it meets them
            await device.link.write(page * 4096, ZERO_PAGE)
    assert await device.events() == [DeviceEvent(EventCode.EXHAUSTED, page) for page in range(100, 116)]
    assert await device.lost_events() == 4
    with pytest.raises(DeviceFull):  # its event was lost: known from the sectors
        await device.store(119, ZERO_PAGE)


async def test_a_refusal_of_an_earlier_time_explains_no_later_one(device: CramDevice) -> None:
    await fill(device)
    with pytest.raises(BusError):
        await device.link.write(3 * 4096, ZERO_PAGE)
    assert await device.events() == [DeviceEvent(EventCode.EXHAUSTED, 3)]
    await device.fence([3])
    for page in range(100, 116):
        with pytest.raises(BusError):
            await device.link.write(page * 4096, ZERO_PAGE)
    with pytest.raises(PageFenced):  # its own event was lost: the log is full
        await device.store(3, ZERO_PAGE)


async def test_several_tasks_that_run_the_device_full_are_each_told(device: CramDevice) -> None:
    async def store(page: int) -> bool:
        try:
            await device.store(page, noise_page(page))
        except DeviceFull as full:
            assert full.page == page
            return False
        return True

    tasks = {page: device.clock.spawn(store(page)) for page in range(40)}
    kept = [page for page, task in tasks.items() if await task]
    assert len(kept) == RAW_PAGES
    for page in kept:
        assert await device.load(page) == noise_page(page)
    events = await device.events()
    assert {event.page for event in events} <= set(range(40)) - set(kept)
    assert len(events) + await device.lost_events() == 40 - RAW_PAGES
