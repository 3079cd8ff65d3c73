# SPDX-License-Identifier: MIT
"""Meter: a link that counts the bytes that cross it."""

from __future__ import annotations

from hw.link import Link
from hw.links.through import ThroughLink

_REGISTER_BYTES = 4


class MeteredLink(ThroughLink):
    """Stands for another link; implements hw.link.Link.

    Attributes:
        moved: bytes read and written so far, of pages and of registers (mailbox payloads are among these).
    """

    def __init__(self, inner: Link) -> None:
        super().__init__(inner)
        self.moved = 0

    async def read(self, address: int, length: int) -> bytes:
        """See Link."""
        self.moved += length
        return await super().read(address, length)

    async def write(self, address: int, data: bytes) -> None:
        """See Link."""
        self.moved += len(data)
        await super().write(address, data)

    async def read_registers(self, offset: int, count: int = 1) -> list[int]:
        """See Link."""
        self.moved += _REGISTER_BYTES * count
        return await super().read_registers(offset, count)

    async def write_registers(self, offset: int, values: list[int]) -> None:
        """See Link."""
        self.moved += _REGISTER_BYTES * len(values)
        await super().write_registers(offset, values)
