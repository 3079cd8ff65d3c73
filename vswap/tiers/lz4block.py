"""The LZ4 blocks that the compressed tiers keep in DRAM."""

from __future__ import annotations

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
