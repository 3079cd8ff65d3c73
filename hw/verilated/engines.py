# SPDX-License-Identifier: MIT
"""The two LZ4 engines alone, as a library in this process: what they answer, and in how many cycles.

engines = Engines()
block = engines.compress(page)
page = engines.decompress(block.data)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hw.link import LINE_BYTES, LINES_PER_PAGE, PAGE_BYTES
from hw.verilated.library import BENCH, HERE, Library, compile_library, open_library

ABI = HERE / "engines.h"
BLOCK_ROOM = 4352  # bytes; the largest block is 4096 + 4096 / 255 + 16


class EngineHangError(Exception):
    """An engine did not come to an end."""


@dataclass(frozen=True)
class Compressed:
    """A block and the cycles from the one that took the first line to the one that gave the last beat, both counted."""

    data: bytes
    cycles: int


@dataclass(frozen=True)
class Decompressed:
    """A page, or what of it came before a fault.

    Attributes:
        data: whole lines.
        malformed: the block was not accepted.
        cycles: from the cycle that took the first beat to the one that gave the last line, both counted.
        line_cycles: the cycle, counted like that, that gave each line.
    """

    data: bytes
    malformed: bool
    cycles: int
    line_cycles: tuple[int, ...]


class Engines:
    """A compressor and a decompressor, just out of reset.

    Args:
        seed: what registers and memories without a reset hold at first.

    Raises:
        hw.build.BuildError, hw.tools.ToolError: they cannot be compiled.
    """

    def __init__(self, seed: int = 1) -> None:
        library = _load()
        self._ffi, self._lib = library.ffi, library.lib
        self._engines = self._ffi.gc(self._lib.engines_create(seed), self._lib.engines_destroy)
        self._answer = self._ffi.new("lz4_answer *")
        self._page = self._ffi.new("uint8_t[]", PAGE_BYTES)
        self._block = self._ffi.new("uint8_t[]", BLOCK_ROOM)

    def compress(self, page: bytes) -> Compressed:
        """Compress a page of 4096 bytes. Raises ValueError, EngineHangError."""
        if len(page) != PAGE_BYTES:
            raise ValueError(f"{len(page)} bytes are not a page of {PAGE_BYTES}")
        answer = self._answer
        self._lib.engines_compress(self._engines, page, self._block, answer)
        if answer.error:
            raise EngineHangError(f"no block after {answer.cycles} cycles")
        return Compressed(bytes(self._ffi.buffer(self._block, answer.bytes)), int(answer.cycles))

    def decompress(self, block: bytes) -> Decompressed:
        """Decompress any bytes, at least one, as a block of a page. Raises ValueError, EngineHangError."""
        if not block:
            raise ValueError("a block has at least one byte")
        answer = self._answer
        self._lib.engines_decompress(self._engines, block, len(block), self._page, answer)
        if answer.error > 1:
            raise EngineHangError(f"no page after {answer.cycles} cycles")
        lines = answer.bytes // LINE_BYTES
        assert lines == LINES_PER_PAGE or answer.error
        return Decompressed(
            bytes(self._ffi.buffer(self._page, answer.bytes)),
            bool(answer.error),
            int(answer.cycles),
            tuple(answer.line_cycles[0:lines]),
        )


def compiled_engines() -> Path:
    """The library of both engines, compiled now if need be. Raises BuildError, ToolError."""
    return compile_library(
        "engine_bench",
        {},
        [BENCH / "engine_bench.v"],
        HERE / "engines.cpp",
        ABI,
    )


@cache
def _load() -> Library:
    return open_library(compiled_engines(), ABI)
