# SPDX-License-Identifier: MIT
"""Compressors of zswap and zram, by the names that Linux has for them (docs/vswap/tiers.md, "Compressors")."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import lz4.block
import lzallright
import zstandard

from hw.link import PAGE_BYTES
from vswap.base.costs import Costs
from vswap.tiers.base import IoError

CompressorName = Literal["lz4", "zstd", "lzo"]

ZSTD_LEVEL = 3  # Linux' for zswap and zram, unless told otherwise


@dataclass(frozen=True)
class Compressor:
    """One of them.

    Attributes:
        name: Linux' name.
        compress: a page to a block, which may be larger than the page.
        decompress: a block to what it was, at most a page.
        errors: what `decompress` raises for a damaged block.
    """

    name: CompressorName
    compress: Callable[[bytes], bytes]
    decompress: Callable[[bytes], bytes]
    errors: tuple[type[Exception], ...]

    def page(self, block: bytes, name: str) -> bytes:
        """The page of a block; `name` is what an error calls it. Raises IoError when it does not decompress to one."""
        try:
            data = self.decompress(block)
        except self.errors as error:
            raise IoError(f"{name}: {error}") from error
        if len(data) != PAGE_BYTES:
            raise IoError(f"{name} decompresses to {len(data)} bytes")
        return data

    def compress_ns(self, costs: Costs) -> int:
        """What compressing a page costs."""
        return {"lz4": costs.zswap_compress, "zstd": costs.zstd_compress, "lzo": costs.lzo_compress}[self.name]

    def decompress_ns(self, costs: Costs) -> int:
        """What decompressing a page costs."""
        return {"lz4": costs.zswap_decompress, "zstd": costs.zstd_decompress, "lzo": costs.lzo_decompress}[self.name]


def _lz4(block: bytes) -> bytes:
    page: bytes = lz4.block.decompress(block, uncompressed_size=PAGE_BYTES)
    return page


def _lzo(block: bytes) -> bytes:
    return lzallright.LZOCompressor.decompress(block, PAGE_BYTES)


def _zstd(block: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(block, max_output_size=PAGE_BYTES)


LZ4 = Compressor("lz4", lambda page: lz4.block.compress(page, store_size=False), _lz4, (lz4.block.LZ4BlockError,))
COMPRESSORS: Mapping[CompressorName, Compressor] = {
    "lz4": LZ4,
    "zstd": Compressor("zstd", zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress, _zstd, (zstandard.ZstdError,)),
    "lzo": Compressor("lzo", lzallright.LZOCompressor().compress, _lzo,
                      (lzallright.LZOError, lzallright.InputNotConsumed)),
}  # fmt: skip
