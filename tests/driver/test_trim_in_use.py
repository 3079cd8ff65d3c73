# SPDX-License-Identifier: MIT
"""Trim of a page that is in use: while it is cached, read, filled, compressed, or written."""

from __future__ import annotations

import pytest

from driver import CramDevice, PageState
from tests.driver.cache import evict_everything
from tests.pages import ZERO_PAGE, noise_page, program_pages

DELAYS = [0, 3, 20, 70, 130, 250, 400, 600, 900]
"""ns from the start of an access to that of the trim, which takes some hundred itself."""


def lines(page: bytes) -> list[bytes]:
    return [page[i : i + 64] for i in range(0, 4096, 64)]


async def settled(device: CramDevice, page: int) -> None:
    """The page is free, and so is everything that it held."""
    await device.settle()
    assert (await device.page_state(page)).state == PageState.FREE
    assert await device.load(page) == ZERO_PAGE
    capacity = await device.capacity()
    assert (capacity.free_sectors, capacity.reserved_sectors, capacity.resident_pages) == (256, 0, 0)
    assert await device.events() == []


@pytest.mark.parametrize("cached", [True, False])
async def test_a_read_sees_the_page_up_to_the_trim_and_zeros_from_there(device: CramDevice, cached: bool) -> None:
    """A raw page, which comes from the media line by line, and one that is decompressed."""
    for delay in DELAYS:
        for content in (noise_page(delay), program_pages()[delay % 17]):
            await device.store(5, content)
            if not cached:
                await evict_everything(device)
            reading = device.clock.spawn(device.load(5))
            await device.clock.sleep(delay)
            await device.trim([5])
            seen = lines(await reading)
            before = next((n for n, line in enumerate(seen) if line != lines(content)[n]), 64)
            assert seen == lines(content)[:before] + [bytes(64)] * (64 - before), f"{delay} ns"
            await device.trim([5])
            await settled(device, 5)


async def test_a_page_that_is_being_compressed_is_gone_afterwards(device: CramDevice) -> None:
    for delay in DELAYS:
        for content in (noise_page(delay), program_pages()[delay % 17]):
            await CramDevice.store(device, 5, content)  # not settled: the close may be under way
            await device.clock.sleep(delay)
            await device.trim([5])
            await settled(device, 5)


async def test_a_page_that_is_being_written_keeps_the_lines_after_the_trim_alone(device: CramDevice) -> None:
    for delay in DELAYS:
        content = noise_page(delay)
        writing = device.clock.spawn(device.store(5, content))
        await device.clock.sleep(delay)
        await device.trim([5])
        await writing
        seen = lines(await device.load(5))
        dropped = next((n for n, line in enumerate(seen) if any(line)), 64)
        assert seen == [bytes(64)] * dropped + lines(content)[dropped:], f"{delay} ns"
        await device.trim([5])
        await settled(device, 5)
