# SPDX-License-Identifier: MIT
"""What a CRAM device says of its own accord: watermarks, hot pages, its ratio, its loss (docs/vswap/nodes.md)."""

from __future__ import annotations

from driver import DeviceLost, Interrupt
from vswap.tiers.cram import CramTier


class DeviceWatch:
    """The background's view of a CRAM tier. Each `wait_...` may be cancelled; a loss that one notices is the tier's."""

    def __init__(self, tier: CramTier) -> None:
        self._tier = tier
        self._raised: set[Interrupt] = set()

    async def wait_gone(self) -> None:
        """Wait until the device is gone."""
        await self._tier.lost.wait()
        self._tier.lost.clear()

    async def wait_pressure(self) -> None:
        """Wait until the node was closed or a store found no room."""
        await self._tier.pressure.wait()
        self._tier.pressure.clear()

    async def wait_watermark(self) -> None:
        """Wait for the device's LOW or RECOVERED interrupt, while there is a device; it may be gone then."""
        await self._tier.attached.wait()
        inventory = self._tier.inventory
        try:
            self._raised = await inventory.device.wait_interrupt(Interrupt.LOW, Interrupt.RECOVERED)
        except DeviceLost as error:
            self._raised = set()
            self._tier.lose(error, inventory)

    async def follow_watermark(self) -> None:
        """After `wait_watermark`: close the node on LOW, open it again on RECOVERED."""
        lines, tier, inventory = self._raised, self._tier, self._tier.inventory
        if not lines:
            return
        try:
            await inventory.device.acknowledge(*lines)
            low = Interrupt.LOW in lines
            if len(lines) == 2:  # which came last? the media tells
                low = await inventory.device.free_sectors() < tier.recovered_mark
        except DeviceLost as error:
            tier.lose(error, inventory)
        else:
            if tier.gone is None:
                tier.set_pressure(low)

    async def wait_hot(self) -> None:
        """Wait for nominations, while there is a device."""
        await self._tier.attached.wait()
        inventory = self._tier.inventory
        try:
            await inventory.device.wait_interrupt(Interrupt.HOT)
        except DeviceLost as error:
            self._tier.lose(error, inventory)

    async def achieved_ratio(self) -> int | None:
        """See Provider; None when the device is gone, too."""
        inventory = self._tier.inventory
        try:
            return await inventory.provider.achieved_ratio() if self._tier.gone is None else None
        except DeviceLost as error:
            self._tier.lose(error, inventory)
            return None
