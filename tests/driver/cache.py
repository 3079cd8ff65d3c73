# SPDX-License-Identifier: MIT
"""What several of the driver's tests do to the device's page cache."""

from __future__ import annotations

from driver import CramDevice


async def evict_everything(device: CramDevice) -> None:
    """Replace what is in the page cache by free pages, so that the next load comes from the media."""
    last = device.geometry.perceived_pages - 1
    for page in range(last, last - device.geometry.cache_pages, -1):
        await device.load(page)
