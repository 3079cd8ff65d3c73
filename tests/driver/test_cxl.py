# SPDX-License-Identifier: MIT
"""CXL's commands over the driver: health, alerts, poison, event records, discovery, sanitize."""

from __future__ import annotations

import pytest

from driver import (
    CramDevice,
    DeviceEvent,
    EventCode,
    EventLog,
    EventRecord,
    Health,
    MailboxError,
    Opcode,
    PagePoisoned,
    PageState,
    PoisonSource,
    ReturnCode,
)
from driver.cxl import Background
from hw.parameters import DeviceParameters
from tests.driver.conftest import PARAMETERS
from tests.pages import SAME_PAGE, ZERO_PAGE, compressible_page, noise_page

PAGES = PARAMETERS.perceived_pages


async def test_health_follows_the_low_and_the_critical_state(device: CramDevice) -> None:
    assert await device.cxl.health() == Health(False, False, False, False, 0)
    await device.set_watermarks(100, 150)
    await device.set_pressure_marks(60, 60, 60)
    for page in range(10):
        await device.store(page, noise_page(page))
    assert await device.cxl.health() == Health(False, True, False, False, 0)
    for page in range(10, 13):
        await device.store(page, noise_page(page))
    assert await device.cxl.health() == Health(False, True, True, False, 0)


async def test_the_alert_on_corrected_errors_is_kept(device: CramDevice) -> None:
    assert await device.cxl.corrected_errors_alert() is None
    await device.cxl.set_corrected_errors_alert(500)
    assert await device.cxl.corrected_errors_alert() == 500
    await device.cxl.set_corrected_errors_alert(None)
    assert await device.cxl.corrected_errors_alert() is None
    with pytest.raises(ValueError, match="65535"):
        await device.cxl.set_corrected_errors_alert(1 << 16)


async def test_injected_poison_loses_the_page_until_it_is_cleared(device: CramDevice) -> None:
    """A stored page that is cached, one that is not, a dirty one, and a free one."""
    for page in range(8):
        await device.store(page, noise_page(page))
    await device.store_line(20, 0, b"d" * 64)
    for page in (0, 7, 20, 30):
        await device.cxl.inject_poison(page)
        await device.cxl.inject_poison(page)  # once more does nothing
        with pytest.raises(PagePoisoned) as caught:
            await device.load(page)
        assert caught.value.cause == EventCode.POISON_INJECTED
        with pytest.raises(PagePoisoned):
            await device.store(page, SAME_PAGE)
    lost = [DeviceEvent(EventCode.POISON_INJECTED, page) for page in (0, 7, 20, 30)]
    assert await device.events() == lost
    capacity = await device.capacity()
    assert (capacity.free_sectors, capacity.reserved_sectors, capacity.resident_pages) == (256 - 6 * 16, 0, 6)
    assert await device.load(3) == noise_page(3)
    for page in (0, 7, 20, 30):
        await device.cxl.clear_poison(page)
        assert (await device.page_state(page)).state == PageState.FREE
        assert await device.load(page) == ZERO_PAGE
        await device.store(page, SAME_PAGE)
        assert await device.load(page) == SAME_PAGE
    assert (await device.counters()).pages_trimmed == 0


async def test_clearing_a_page_that_is_not_poison_does_nothing(device: CramDevice) -> None:
    await device.store(3, noise_page(3))
    await device.cxl.clear_poison(3)
    assert await device.load(3) == noise_page(3)


async def test_the_poison_list_names_pages_and_sources(device: CramDevice) -> None:
    for page in range(16):
        await device.store(page, noise_page(page))
    with pytest.raises(PagePoisoned):
        await device.cxl.inject_poison(99)
        await device.load(99)
    with pytest.raises(Exception, match="no sectors"):
        await device.store(40, noise_page(40))  # refused, and as it was: no poison
    assert await device.cxl.poison_list() == {99: PoisonSource.INJECTED}
    assert await device.cxl.poison_list(41, 60) == {99: PoisonSource.INJECTED}
    assert await device.cxl.poison_list(41, 58) == {}
    await device.trim([40])
    assert await device.cxl.poison_list() == {99: PoisonSource.INJECTED}


@pytest.mark.parametrize("parameters", [DeviceParameters(perceived_pages=1024, media_bytes=64 << 10)])
async def test_a_long_poison_list_takes_several_commands(device: CramDevice) -> None:
    wanted = [page for page in range(1024) if page % 3]
    for page in wanted:
        await device.cxl.inject_poison(page)
    assert list(await device.cxl.poison_list()) == wanted


async def test_event_records_tell_what_the_registers_tell(device: CramDevice) -> None:
    cxl = device.cxl
    assert await cxl.event_records() == ([], 0)
    for page in range(18):
        await cxl.inject_poison(page)
    records, lost = await cxl.event_records()
    first = records[0].handle
    assert records == [EventRecord(first + page, EventCode.POISON_INJECTED, page, True) for page in range(16)]
    assert lost == 2
    for log in set(EventLog) - {EventLog.FAILURE}:
        assert await cxl.event_records(log) == ([], 0)
    await cxl.clear_event_records([first, first + 1])
    assert await cxl.event_records() == (records[2:], 0)
    with pytest.raises(MailboxError) as caught:
        await cxl.clear_event_records([first + 3])
    assert caught.value.return_code == ReturnCode.INVALID_HANDLE
    with pytest.raises(MailboxError) as caught:
        await cxl.clear_all_events()
    assert caught.value.return_code == ReturnCode.INVALID_INPUT, "nothing was lost since"
    assert await device.events() == [DeviceEvent(EventCode.POISON_INJECTED, page) for page in range(2, 16)]
    assert await cxl.event_records() == ([], 0)
    for page in range(30, 47):
        await cxl.inject_poison(page)
    await cxl.clear_all_events()
    assert await cxl.event_records() == ([], 0)
    await cxl.inject_poison(50)
    ((record,), _) = await cxl.event_records()
    assert record.handle == first + 32


async def test_discovery_names_itself_and_zero(device: CramDevice) -> None:
    assert await device.cxl.media_operations() == [(0, 0), (1, 1)]


async def test_capacity_in_one_command_is_that_of_the_registers(device: CramDevice) -> None:
    await device.store(0, noise_page(0))
    await device.store(1, compressible_page(1))
    await device.store_line(2, 0, b"d" * 64)
    assert await device.capacity_report() == (await device.capacity(), await device.ratio_per_mille())


async def test_sanitize_drops_every_page_in_the_background(device: CramDevice) -> None:
    assert await device.cxl.background() == Background(False, 0, 0)
    for page in range(0, PAGES, 20):
        await device.store(page, noise_page(page))
    await device.store_line(1, 0, b"d" * 64)
    await device.cxl.inject_poison(2)
    await device.cxl.sanitize()
    assert await device.cxl.background() == Background(False, Opcode.SANITIZE, 100)
    capacity = await device.capacity()
    assert (capacity.free_sectors, capacity.reserved_sectors, capacity.resident_pages) == (256, 0, 0)
    assert (await device.counters()).pages_trimmed == PAGES
    for page in (0, 1, 2, 20):
        assert await device.load(page) == ZERO_PAGE
    await device.store(2, SAME_PAGE)


async def test_a_second_background_operation_is_refused_and_other_commands_are_not(device: CramDevice) -> None:
    await device.command(Opcode.SANITIZE)
    running = await device.cxl.background()
    assert (running.running, running.opcode) == (True, Opcode.SANITIZE)
    with pytest.raises(MailboxError) as caught:
        await device.command(Opcode.SANITIZE)
    assert caught.value.return_code == ReturnCode.BUSY
    assert (await device.page_state(PAGES - 1)).state == PageState.FREE
    assert (await device.cxl.background()).running
    await device.settle()
    assert await device.cxl.background() == Background(False, Opcode.SANITIZE, 100)
    await device.cxl.sanitize()
