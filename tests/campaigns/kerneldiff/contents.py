# SPDX-License-Identifier: MIT
"""What scripts write into pages: the same bytes here and in the guest (agent.c, `fill`)."""

from __future__ import annotations

import struct
from functools import cache

WORDS = 512
KINDS = ("zero", "same", "text", "random")
"""All zeros, one word again and again, a quarter that does not shrink, nothing that shrinks."""
_MASK = (1 << 64) - 1


@cache
def content(kind: str, seed: int) -> bytes:
    """A page of 4096 bytes."""
    match kind:
        case "zero":
            words = [0] * WORDS
        case "same":
            words = [seed + 1] * WORDS
        case "text":
            words = _xorshift(seed, 128) + [seed + i // 8 for i in range(128, WORDS)]
        case "random":
            words = _xorshift(seed, WORDS)
        case _:
            raise ValueError(f"content {kind}, expected one of {', '.join(KINDS)}")
    return struct.pack("<512Q", *words)


def touched(page: bytes, number: int) -> bytes:
    """The page after the store of one byte, the low one of `number`."""
    return page[:8] + bytes([number & 0xFF]) + page[9:]


def _xorshift(seed: int, count: int) -> list[int]:
    state = (seed * 0x9E3779B97F4A7C15 + 1) & _MASK
    words = []
    for _ in range(count):
        state ^= (state << 13) & _MASK
        state ^= state >> 7
        state ^= (state << 17) & _MASK
        words.append(state)
    return words
