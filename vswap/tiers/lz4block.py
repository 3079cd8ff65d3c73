# SPDX-License-Identifier: MIT
"""The LZ4 blocks that the compressed tiers keep, and pass on to one another (docs/vswap/tiers.md, "Pass-through")."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import lz4.block

from hw.link import PAGE_BYTES
from vswap.tiers.base import IoError


def page_of(block: bytes, name: str) -> bytes:
    """The page of a block; `name` is what an error calls it. Raises IoError when it does not decompress to a page."""
    try:
        data: bytes = lz4.block.decompress(block, uncompressed_size=PAGE_BYTES)
    except lz4.block.LZ4BlockError as error:
        raise IoError(f"{name}: {error}") from error
    if len(data) != PAGE_BYTES:
        raise IoError(f"{name} decompresses to {len(data)} bytes")
    return data


@dataclass(frozen=True)
class Block:
    """A page as an LZ4 block, with the CRC-32 of its 4096 bytes."""

    data: bytes
    crc: int

    def page(self, name: str) -> bytes:
        """The page. Raises IoError when the block, or what it decompresses to, is damaged."""
        page = page_of(self.data, name)
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
