# SPDX-License-Identifier: MIT
"""Meter: a link that counts the bytes that cross it."""

from __future__ import annotations

from hw.clock import Clock
from hw.link import Link

_REGISTER_BYTES = 4


class MeteredLink:
    """Stands for another link; implements hw.link.Link.

    Attributes:
        moved: bytes read and written so far, of pages and of registers (mailbox payloads are among these).
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self.moved = 0

    @property
    def clock(self) -> Clock:
        """See Link."""
        return self._link.clock

    @property
    def cycles(self) -> int:
        """See Link."""
        return self._link.cycles

    @property
    def resets(self) -> int:
        """See Link."""
        return self._link.resets

    async def read(self, address: int, length: int) -> bytes:
        """See Link."""
        self.moved += length
        return await self._link.read(address, length)

    async def write(self, address: int, data: bytes) -> None:
        """See Link."""
        self.moved += len(data)
        await self._link.write(address, data)

    async def read_registers(self, offset: int, count: int = 1) -> list[int]:
        """See Link."""
        self.moved += _REGISTER_BYTES * count
        return await self._link.read_registers(offset, count)

    async def write_registers(self, offset: int, values: list[int]) -> None:
        """See Link."""
        self.moved += _REGISTER_BYTES * len(values)
        await self._link.write_registers(offset, values)

    def interrupts(self) -> int:
        """See Link."""
        return self._link.interrupts()

    async def wait_interrupt(self, mask: int) -> int:
        """See Link."""
        return await self._link.wait_interrupt(mask)

    async def reset(self) -> None:
        """See Link."""
        await self._link.reset()

    async def close(self) -> None:
        """See Link."""
        await self._link.close()
