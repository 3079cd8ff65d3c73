# SPDX-License-Identifier: MIT
"""FarLink: a link with a way between the host and the device's port, as a CXL link is one."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from hw.link import BusError, Link
from hw.links.through import ThroughLink

_T = TypeVar("_T")


class FarLink(ThroughLink):
    """Stands for another link; implements hw.link.Link.

    A read or a write of lines, and a read of registers, takes one round trip on top of what the device takes, however
    long it is: its lines follow one another. A write of registers is posted: it has no way back, and an interrupt has
    nothing else. The device sees an access when it is issued, so that a channel keeps the order of the calls.

    Args:
        inner: a link to the device's port.
        round_trip_ns: there and back.
    """

    def __init__(self, inner: Link, round_trip_ns: int) -> None:
        super().__init__(inner)
        self._round_trip_ns = round_trip_ns
        self._back_ns = round_trip_ns // 2
        self._there_ns = round_trip_ns - self._back_ns

    async def read(self, address: int, length: int) -> bytes:
        """See Link."""
        return await self._answered(super().read(address, length))

    async def write(self, address: int, data: bytes) -> None:
        """See Link."""
        await self._answered(super().write(address, data))

    async def read_registers(self, offset: int, count: int = 1) -> list[int]:
        """See Link."""
        return await self._answered(super().read_registers(offset, count))

    async def write_registers(self, offset: int, values: list[int]) -> None:
        """See Link."""
        await super().write_registers(offset, values)
        await self.clock.sleep(self._there_ns)

    async def wait_interrupt(self, mask: int) -> int:
        """See Link."""
        high = await super().wait_interrupt(mask)
        await self.clock.sleep(self._back_ns)
        return high

    async def _answered(self, access: Awaitable[_T]) -> _T:
        """An access whose answer, an error as well, comes back over the link."""
        try:
            answer = await access
        except BusError:
            await self.clock.sleep(self._round_trip_ns)
            raise
        await self.clock.sleep(self._round_trip_ns)
        return answer
