# SPDX-License-Identifier: MIT
"""Reset of a device in use: nothing meant for the device of before reaches the one after it, or is believed."""

from __future__ import annotations

import pytest

from driver import CramDevice, DeviceLost, DeviceReset
from hw.codes import Interrupt, PageState
from hw.link import Link
from tests.pages import ZERO_PAGE, noise_page

PAGE = noise_page(1)


async def test_every_call_fails_after_a_reset_until_the_device_is_probed_again(device: CramDevice, link: Link) -> None:
    await device.store(7, PAGE)
    await link.reset()
    for call in (
        device.load(7), device.load_line(7, 0), device.store(7, PAGE), device.trim([7]), device.capacity(),
        device.page_state(7), device.wait_interrupt(Interrupt.LOW),
    ):  # fmt: skip
        with pytest.raises(DeviceReset):
            await call
    again = await CramDevice.probe(link)
    assert (await again.page_state(7)).state == PageState.FREE
    assert await again.load(7) == ZERO_PAGE
    assert await again.free_sectors() == again.geometry.media_sectors


@pytest.mark.parametrize("after", [1, 20, 60, 200, 700, 3000])
async def test_what_is_under_way_at_a_reset_fails_and_does_not_reach_the_new_device(
    device: CramDevice, link: Link, after: int
) -> None:
    """Stores, loads, a mailbox command and a wait for an interrupt, in the middle and waiting for their turn. What had
    ended before the reset is right."""
    clock = device.clock
    for page in range(4):
        await device.store(page, noise_page(page))
    ended: list[str] = []

    async def store(page: int) -> None:
        await device.store(page, PAGE)
        ended.append(f"store {page}")

    async def load(page: int) -> None:
        data = await device.load(page)
        ended.append(f"load {page}")
        assert data == noise_page(page)

    async def command() -> None:
        await device.trim([100])

    async def interrupt() -> None:
        await device.wait_interrupt(Interrupt.CRITICAL)

    works = [*(store(page) for page in range(10, 16)), *(load(page) for page in range(4)), command(), interrupt()]
    tasks = [clock.spawn(work) for work in works]
    await clock.sleep(after)
    before = len(ended)
    await link.reset()
    lost = 0
    for task in tasks:
        try:
            await task
        except DeviceLost:
            lost += 1
    assert (lost + len(ended) >= len(tasks) - 1, len(ended)) == (True, before), "nothing has ended well after it"
    again = await CramDevice.probe(link)
    await again.settle()
    capacity = await again.capacity()
    assert (capacity.resident_pages, capacity.free_sectors) == (0, capacity.total_sectors)
    await again.store(10, noise_page(9))
    assert await again.load(10) == noise_page(9)
