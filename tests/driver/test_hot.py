# SPDX-License-Identifier: MIT
"""Hot pages: pages that are read often are nominated, heat decays, the ring overflows countably."""

from __future__ import annotations

from random import Random

import pytest

from driver import CramDevice, Interrupt, PagePoisoned
from hw.registers import Register
from tests.pages import SAME_PAGE, compressible_page


async def read(device: CramDevice, page: int, times: int = 1) -> None:
    for _ in range(times):
        await device.load_line(page, 5)


async def test_nothing_is_nominated_unless_asked_for(device: CramDevice) -> None:
    await read(device, 1, 300)
    assert await device.hot_pages() == ([], 0)
    assert not device.link.interrupts() & Interrupt.HOT.mask


async def test_a_page_is_nominated_once_when_its_heat_reaches_the_threshold(device: CramDevice) -> None:
    await device.track_hot_pages(5)
    await device.store(1, compressible_page(1))
    await device.store(2, SAME_PAGE)
    await read(device, 1, 4)
    await read(device, 2, 4)
    assert not device.link.interrupts() & Interrupt.HOT.mask
    await device.load(2)  # a burst of a whole page is one access
    assert device.link.interrupts() & Interrupt.HOT.mask
    await read(device, 1, 30)
    assert await device.hot_pages() == ([2, 1], 0)
    assert not device.link.interrupts() & Interrupt.HOT.mask
    await read(device, 1, 30)
    assert await device.hot_pages() == ([], 0)


async def test_writes_are_no_heat_and_a_trim_makes_a_page_cold(device: CramDevice) -> None:
    await device.track_hot_pages(4)
    for _ in range(6):
        await device.store(1, SAME_PAGE)
        await device.store_line(1, 0, bytes(64))
    await read(device, 1, 3)
    await device.trim([1])
    await read(device, 1, 3)
    assert await device.hot_pages() == ([], 0)
    await read(device, 1)
    assert await device.hot_pages() == ([1], 0)


async def test_a_refused_read_is_no_heat(device: CramDevice) -> None:
    await device.track_hot_pages(1)
    await device.cxl.inject_poison(3)
    with pytest.raises(PagePoisoned):
        await device.load_line(3, 0)
    assert await device.hot_pages() == ([], 0)


async def test_heat_is_halved_in_every_period_and_a_page_can_be_hot_again(device: CramDevice) -> None:
    await device.track_hot_pages(8, 10)
    await read(device, 1, 9)  # heat 9: nominated
    await read(device, 2, 1)  # the tenth access ends the period
    await read(device, 1, 1)  # 4 + 1
    assert await device.hot_pages() == ([1], 0)
    await read(device, 1, 2)
    assert await device.hot_pages() == ([], 0)
    await read(device, 1, 1)  # 8 again
    assert await device.hot_pages() == ([1], 0)
    await read(device, 9, 80)  # eight periods later nothing is left of it
    await device.hot_pages()
    await read(device, 1, 5)
    assert await device.hot_pages() == ([], 0)


async def test_a_full_ring_drops_and_counts(device: CramDevice) -> None:
    await device.track_hot_pages(1)
    for page in range(70):
        await read(device, page)
    (count,) = await device.link.read_registers(Register.HOT_COUNT)
    assert count == 64
    assert (await device.link.read_registers(Register.HOT_PAGE)) == [0]
    await device.link.write_registers(Register.HOT_POP, [1])
    await read(device, 100)
    pages, overflow = await device.hot_pages()
    assert (pages, overflow) == ([*range(1, 64), 100], 6)
    assert await device.link.read_registers(Register.HOT_COUNT, 2) == [0, 0]
    await read(device, 101)
    assert await device.hot_pages() == ([101], 6)


async def test_random_reads_nominate_what_the_rule_says(device: CramDevice) -> None:
    """The rule in four lines, over some hundred accesses of few pages and a short period."""
    threshold, period = 6, 25
    await device.track_hot_pages(threshold, period)
    source = Random(3)
    heat: dict[int, int] = {}
    expected = []
    for number in range(1, 401):
        page = min(source.randrange(12), source.randrange(12))
        heat[page] = heat.get(page, 0) + 1
        if heat[page] == threshold:
            expected.append(page)
        await read(device, page)
        if number % period == 0:
            heat = {page: value // 2 for page, value in heat.items()}
    assert await device.hot_pages() == (expected, 0)
    assert len(expected) > 10


async def test_settings_that_make_no_sense_are_refused(device: CramDevice) -> None:
    for threshold, period in [(-1, 0), (256, 0), (1, -1), (1, 1 << 32)]:
        with pytest.raises(ValueError, match="0 to 255"):
            await device.track_hot_pages(threshold, period)
