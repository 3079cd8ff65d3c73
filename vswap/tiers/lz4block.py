# SPDX-License-Identifier: MIT
"""The LZ4 blocks that the compressed tiers keep, and pass on to one another (docs/vswap/tiers.md, "Pass-through")."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from vswap.tiers.base import IoError
from vswap.tiers.compressors import LZ4


@dataclass(frozen=True)
class Block:
    """A page as an LZ4 block, with the CRC-32 of its 4096 bytes."""

    data: bytes
    crc: int

    def page(self, name: str) -> bytes:
        """The page. Raises IoError when the block, or what it decompresses to, is damaged."""
        page = LZ4.page(self.data, name)
        if zlib.crc32(page) != self.crc:
            raise IoError(f"{name}: its CRC does not match")
        return page


@runtime_checkable
class BlockTier(Protocol):
    """A tier that keeps LZ4 blocks, and gives and takes them as they are."""

    async def export_block(self, handle: int) -> Block | None:
        """The block of a page, None where it is kept in another form. Raises as `Tier.load` does."""

    async def store_block(self, block: Block, slot: int) -> int:
        """As `Tier.store`, of a page that is compressed already."""


def block_tier(tier: object) -> BlockTier | None:
    """The tier, if it keeps LZ4 blocks. One that has a `compressor` does so only where that is LZ4."""
    return tier if isinstance(tier, BlockTier) and getattr(tier, "compressor", LZ4) is LZ4 else None
