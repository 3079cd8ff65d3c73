# SPDX-License-Identifier: MIT
"""Provider: one device as the provider of a memory node (docs/driver.md, "Provider").

The owner of the pages (vswap) gives freed pages back through `trim`. It learns how many pages the device can back now,
when the device is critically low, and which pages are hot.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from driver.device import CramDevice
from driver.errors import CramError, DeviceLost, DeviceTimeout, MailboxError
from hw.codes import ReturnCode
from hw.link import PAGE_BYTES


class TrimAnswer(Enum):
    """What became of the backing of a page that was to be dropped."""

    DONE = 0
    AGAIN = 1
    """EAGAIN: not now; ask again."""
    BUSY = 2
    """EBUSY: not at all; the owner zeroes the page itself."""


class Provider:
    """A device, and what it can tell about itself as a whole.

    Attributes:
        device: the driver of the device.
    """

    def __init__(self, device: CramDevice) -> None:
        self.device = device

    @property
    def pages(self) -> int:
        """Perceived pages: what the device donates."""
        return self.device.geometry.perceived_pages

    @property
    def configured_ratio(self) -> int:
        """Perceived bytes per 1000 bytes of media."""
        geometry = self.device.geometry
        return geometry.perceived_pages * PAGE_BYTES * 1000 // (geometry.media_sectors * geometry.sector_bytes)

    async def trim(self, pages: Sequence[int]) -> list[TrimAnswer]:
        """Drop the backing of these pages; an answer for each, in their order. Raises DeviceLost."""
        try:
            await self.device.trim(pages)
        except DeviceLost:
            raise
        except DeviceTimeout:
            return [TrimAnswer.AGAIN] * len(pages)
        except MailboxError as error:
            again = error.return_code in (ReturnCode.BUSY, ReturnCode.RESOURCES_EXHAUSTED)
            return [TrimAnswer.AGAIN if again else TrimAnswer.BUSY] * len(pages)
        except CramError:
            return [TrimAnswer.BUSY] * len(pages)
        return [TrimAnswer.DONE] * len(pages)

    async def achieved_ratio(self) -> int | None:
        """Bytes that it holds per 1000 bytes of media that they take; None while that says nothing (it is empty).
        Raises DeviceLost."""
        capacity, ratio = await self.device.capacity_report()
        return ratio if capacity.free_sectors < capacity.total_sectors else None
