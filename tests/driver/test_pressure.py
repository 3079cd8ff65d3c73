# SPDX-License-Identifier: MIT
"""Pressure: the states of the watermarks, the critical state that admits no new page, and the achieved ratio."""

from __future__ import annotations

import pytest

from driver import AdmissionClosed, CramDevice, DeviceEvent, DeviceFull, EventCode, Interrupt, PageState, Pressure
from hw.link import BusError, Response
from tests.pages import SAME_PAGE, ZERO_PAGE, compressible_page, noise_page, program_pages

# The device has 256 sectors; a raw page takes 16.
HIGH, MEDIUM, CRITICAL, HYSTERESIS = 200, 120, 60, 20
LINES = (Interrupt.HIGH, Interrupt.MEDIUM, Interrupt.CRITICAL)


async def use(device: CramDevice, pages: range) -> None:
    for page in pages:
        await device.store(page, noise_page(page))


async def raised(device: CramDevice) -> set[Interrupt]:
    """Which of the lines are high; lowers them."""
    high = {line for line in LINES if device.link.interrupts() & line.mask}
    await device.acknowledge(*LINES)
    return high


async def critical(device: CramDevice) -> None:
    """Fill the device with raw pages 0 .. 12 until it is critical: 48 sectors are free."""
    await device.set_pressure_marks(HIGH, MEDIUM, CRITICAL, HYSTERESIS)
    await use(device, range(13))
    assert (await device.pressure()).critical


async def test_each_state_is_entered_once_below_its_mark_and_left_above_the_hysteresis(device: CramDevice) -> None:
    await device.set_pressure_marks(HIGH, MEDIUM, CRITICAL, HYSTERESIS)
    await use(device, range(3))  # 208 free
    assert await raised(device) == set()
    assert await device.pressure() == Pressure(False, False, False, False)
    await use(device, range(3, 4))  # 192 free
    assert await raised(device) == {Interrupt.HIGH}
    await use(device, range(4, 9))  # 112 free
    assert await raised(device) == {Interrupt.MEDIUM}
    assert await device.pressure() == Pressure(True, True, False, False)
    await use(device, range(9, 13))  # 48 free
    assert await raised(device) == {Interrupt.CRITICAL}
    assert await device.pressure() == Pressure(True, True, False, True)
    await device.trim([12])  # 64 free: above the mark alone
    assert (await device.pressure()).critical
    await device.trim([11])  # 80 free
    assert await device.pressure() == Pressure(True, True, False, False)
    await device.trim(range(11))
    assert await device.pressure() == Pressure(False, False, False, False)
    assert await raised(device) == set()
    await use(device, range(13))
    assert await raised(device) == set(LINES)


async def test_in_the_critical_state_a_new_page_is_refused_and_stays_free(device: CramDevice) -> None:
    await critical(device)
    for page, content in [(100, noise_page(100)), (101, ZERO_PAGE), (102, SAME_PAGE)]:
        with pytest.raises(AdmissionClosed) as caught:
            await device.store(page, content)
        assert caught.value.page == page
        assert isinstance(caught.value, DeviceFull), "who handles a full device handles this"
        assert await device.load(page) == ZERO_PAGE
        info = await device.page_state(page)
        assert (info.state, info.dirty) == (PageState.FREE, False)
    assert await device.events() == [DeviceEvent(EventCode.NOT_ADMITTED, page) for page in (100, 101, 102)]
    counters = await device.counters()
    assert (counters.lines_not_admitted, counters.pages_poisoned) == (3 * 64, 0)
    assert (await device.capacity()).reserved_sectors == 0


async def test_a_page_opened_by_a_read_is_not_admitted_either(device: CramDevice) -> None:
    await critical(device)
    assert await device.load(100) == ZERO_PAGE
    with pytest.raises(AdmissionClosed):
        await device.store_line(100, 5, b"x" * 64)
    assert (await device.counters()).lines_not_admitted == 1
    assert await device.load(100) == ZERO_PAGE


async def test_resident_pages_stay_readable_and_writable(device: CramDevice) -> None:
    await critical(device)
    for page in (0, 7):
        assert await device.load(page) == noise_page(page)
        await device.store(page, noise_page(page + 50))
        await device.store_line(page, 3, b"y" * 64)
        content = noise_page(page + 50)
        assert await device.load(page) == content[:192] + b"y" * 64 + content[256:]
    assert await device.events() == []
    assert (await device.counters()).lines_not_admitted == 0


async def test_a_page_that_was_dirty_before_goes_on(device: CramDevice) -> None:
    await device.store_line(100, 0, b"a" * 64)
    await device.set_pressure_marks(HIGH, MEDIUM, CRITICAL, HYSTERESIS)
    for page in range(13):  # until it is critical: what is promised to page 100, or what it takes, counts as well
        if not (await device.pressure()).critical:
            await device.store(page, noise_page(page))
            await device.settle()
    assert (await device.pressure()).critical
    info = await device.page_state(100)
    if not info.dirty:  # the four entries of the cache have seen thirteen pages: it was closed, and is resident
        assert info.state == PageState.LZ4
    await device.store_line(100, 1, b"b" * 64)
    assert (await device.load(100))[:128] == b"a" * 64 + b"b" * 64


async def test_a_trimmed_page_is_new_again(device: CramDevice) -> None:
    await critical(device)
    await device.store(12, SAME_PAGE)  # 64 free: still critical
    await device.trim([12])
    with pytest.raises(AdmissionClosed):
        await device.store(12, SAME_PAGE)
    await device.trim([11])
    await device.store(12, SAME_PAGE)
    assert await device.load(12) == SAME_PAGE


async def test_a_burst_that_is_refused_logs_one_event(device: CramDevice) -> None:
    await critical(device)
    for count in (1, 2):
        with pytest.raises(BusError) as caught:
            await device.link.write(100 * 4096 + 640, bytes(640))
        assert caught.value.response == Response.SLVERR
        assert len(await device.events()) == 1
        assert (await device.counters()).lines_not_admitted == 10 * count


async def test_refusal_is_told_when_the_log_has_overflowed(device: CramDevice) -> None:
    await critical(device)
    for _ in range(20):
        with pytest.raises(BusError):
            await device.link.write(100 * 4096, bytes(64))
    with pytest.raises(AdmissionClosed):
        await device.store(101, SAME_PAGE)
    with pytest.raises(AdmissionClosed):
        await device.store(101, SAME_PAGE)
    assert await device.lost_events() == 5


async def test_the_ratio_follows_what_is_stored(device: CramDevice) -> None:
    assert await device.ratio_per_mille() == 1000
    await device.store(0, SAME_PAGE)
    assert await device.ratio_per_mille() == 0xFFFFFFFF
    await device.store(1, noise_page(1))
    assert await device.ratio_per_mille() == 2000
    for page, content in enumerate(program_pages()[:8], 2):
        await device.store(page, content)
    await device.store(10, compressible_page(1))
    capacity = await device.capacity()
    used = capacity.total_sectors - capacity.free_sectors
    assert await device.ratio_per_mille() == capacity.resident_pages * 16 * 1000 // used
    assert await device.ratio_per_mille() == int(capacity.ratio * 1000)


@pytest.mark.parametrize(
    ("high", "medium", "critical", "margin"), [(257, 1, 1, 0), (5, 6, 1, 0), (5, 4, 5, 0), (5, 4, -1, 0), (5, 4, 3, -1)]
)
async def test_marks_that_make_no_sense_are_refused(
    device: CramDevice, high: int, medium: int, critical: int, margin: int
) -> None:
    with pytest.raises(ValueError, match=r"0 <= critical <= medium <= high <= 256"):
        await device.set_pressure_marks(high, medium, critical, margin)
