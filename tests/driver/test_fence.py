# SPDX-License-Identifier: MIT
"""Fences: pages that the host reads but may not write, until the fence is taken away or the page is trimmed."""

from __future__ import annotations

import pytest

from driver import (
    AddressOutOfRange,
    CramDevice,
    DeviceEvent,
    EventCode,
    Interrupt,
    PageFenced,
    PagePoisoned,
    PageState,
)
from hw.link import BusError
from tests.driver.cache import evict_everything
from tests.pages import SAME_PAGE, ZERO_PAGE, compressible_page, noise_page, program_pages

CONTENTS = {0: ZERO_PAGE, 1: SAME_PAGE, 2: program_pages()[5], 3: noise_page(3), 4: compressible_page(4)}


async def refused(device: CramDevice, page: int) -> None:
    """A whole page and a line are both refused."""
    with pytest.raises(PageFenced) as caught:
        await device.store(page, noise_page(99))
    assert caught.value.page == page
    with pytest.raises(PageFenced):
        await device.store_line(page, 7, b"x" * 64)


async def test_a_fenced_page_is_read_but_not_written_in_every_state(device: CramDevice) -> None:
    for page, content in CONTENTS.items():
        await device.store(page, content)
    await device.fence([*CONTENTS, 50])  # 50 is free
    for cached in (True, False):
        if not cached:
            await evict_everything(device)
        for page, content in (CONTENTS | {50: ZERO_PAGE}).items():
            await refused(device, page)
            assert await device.load(page) == content
            await refused(device, page)
            info = await device.page_state(page)
            assert (info.fenced, info.dirty) == (True, False)
    await device.store(60, SAME_PAGE)  # others are not concerned
    assert (await device.capacity()).reserved_sectors == 0


async def test_a_dirty_page_is_closed_when_it_is_fenced(device: CramDevice) -> None:
    await device.store_line(5, 3, b"a" * 64)
    await device.fence([5])
    info = await device.page_state(5)
    assert (info.state, info.dirty, info.fenced) == (PageState.LZ4, False, True)
    await refused(device, 5)
    assert (await device.load_line(5, 3)) == b"a" * 64


async def test_each_refused_burst_is_an_event_and_each_line_counts(device: CramDevice) -> None:
    await device.store(2, noise_page(2))
    await device.fence([2])
    for _ in range(2):
        with pytest.raises(BusError):
            await device.link.write(2 * 4096 + 640, bytes(640))
    assert device.link.interrupts() & Interrupt.EVENT.mask
    assert await device.events() == [DeviceEvent(EventCode.FENCED, 2)] * 2
    counters = await device.counters()
    assert (counters.lines_fenced, counters.lines_not_admitted, counters.pages_poisoned) == (20, 0, 0)
    records, _ = await device.cxl.event_records()
    assert records == []


async def test_unfence_and_trim_take_the_fence_away(device: CramDevice) -> None:
    await device.store(2, noise_page(2))
    await device.store(3, noise_page(3))
    await device.fence([2, 3, 4])
    await device.unfence([2])
    await device.store(2, SAME_PAGE)
    await refused(device, 3)
    await device.trim([3, 4])
    for page in (3, 4):
        assert not (await device.page_state(page)).fenced
        assert await device.load(page) == ZERO_PAGE
        await device.store(page, SAME_PAGE)


async def test_poison_has_no_fence(device: CramDevice) -> None:
    await device.fence([7])
    await device.cxl.inject_poison(7)
    await device.fence([7])
    assert not (await device.page_state(7)).fenced
    with pytest.raises(PagePoisoned):
        await device.store(7, SAME_PAGE)
    await device.cxl.clear_poison(7)
    await device.store(7, SAME_PAGE)


async def test_a_fence_outlives_eviction_and_goes_before_admission(device: CramDevice) -> None:
    await device.fence([9])
    await device.set_pressure_marks(256, 256, 256)
    await device.store(1, noise_page(1))
    assert (await device.pressure()).critical
    await refused(device, 9)
    assert (await device.counters()).lines_fenced == 65


async def test_refusal_is_told_when_the_log_has_overflowed(device: CramDevice) -> None:
    await device.store(2, noise_page(2))
    await device.fence([2])
    for _ in range(20):
        with pytest.raises(BusError):
            await device.link.write(2 * 4096, bytes(64))
    for _ in range(2):
        with pytest.raises(PageFenced):
            await device.store(2, SAME_PAGE)


async def test_a_page_that_does_not_exist_cannot_be_fenced(device: CramDevice) -> None:
    with pytest.raises(AddressOutOfRange):
        await device.fence([1, 256])
    assert not (await device.page_state(1)).fenced
