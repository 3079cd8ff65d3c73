# SPDX-License-Identifier: MIT
"""Speed: the units in which a way to run the device is measured, and the loop that measures it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from hw.link import PAGE_BYTES, Link
from hw.parameters import DeviceParameters


@dataclass(frozen=True)
class Speed:
    """A measurement: simulated cycles, page operations (a store or a load), seconds of processor time."""

    cycles: int
    pages: int
    seconds: float

    @property
    def cycles_per_s(self) -> float:
        """Simulated cycles per second."""
        return self.cycles / self.seconds

    @property
    def pages_per_s(self) -> float:
        """Stores and loads per second."""
        return self.pages / self.seconds


async def store_and_load(link: Link, pages: list[bytes], rounds: int, parameters: DeviceParameters) -> Speed:
    """Store all pages, then load and compare them, `rounds` times, over a link to a device just out of reset; it is
    closed at the end.

    Raises:
        AssertionError: a page came back different.
    """
    await link.clock.sleep(2 * parameters.perceived_pages)  # until the device is ready
    cycles, start = link.cycles, time.process_time()
    for _ in range(rounds):
        for page, data in enumerate(pages):
            await link.write(page * PAGE_BYTES, data)
        for page, data in enumerate(pages):
            assert await link.read(page * PAGE_BYTES, PAGE_BYTES) == data, f"page {page} came back different"
    speed = Speed(link.cycles - cycles, 2 * rounds * len(pages), time.process_time() - start)
    await link.close()
    return speed
