# SPDX-License-Identifier: MIT
"""ThroughLink: a link that passes everything on to another one, for those that look at what passes."""

from __future__ import annotations

from hw.clock import Clock
from hw.link import Link


class ThroughLink:
    """Stands for the link `inner`; implements hw.link.Link."""

    def __init__(self, inner: Link) -> None:
        self.inner = inner

    @property
    def clock(self) -> Clock:
        """See Link."""
        return self.inner.clock

    @property
    def cycles(self) -> int:
        """See Link."""
        return self.inner.cycles

    @property
    def resets(self) -> int:
        """See Link."""
        return self.inner.resets

    async def read(self, address: int, length: int) -> bytes:
        """See Link."""
        return await self.inner.read(address, length)

    async def write(self, address: int, data: bytes) -> None:
        """See Link."""
        await self.inner.write(address, data)

    async def read_registers(self, offset: int, count: int = 1) -> list[int]:
        """See Link."""
        return await self.inner.read_registers(offset, count)

    async def write_registers(self, offset: int, values: list[int]) -> None:
        """See Link."""
        await self.inner.write_registers(offset, values)

    def interrupts(self) -> int:
        """See Link."""
        return self.inner.interrupts()

    async def wait_interrupt(self, mask: int) -> int:
        """See Link."""
        return await self.inner.wait_interrupt(mask)

    async def reset(self) -> None:
        """See Link."""
        await self.inner.reset()

    async def close(self) -> None:
        """See Link."""
        await self.inner.close()
