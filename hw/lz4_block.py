# SPDX-License-Identifier: MIT
"""Single sequences of the LZ4 block format, written and read; whole blocks are the business of liblz4."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Lz4Sequence(NamedTuple):
    """One sequence of a block, as far as the block has it.

    Attributes:
        token: its first byte.
        literals: bytes of them.
        match: bytes of it; 0 in the last sequence of a block, which has none.
        offset: of the match.
        cut: where the block ends too early: "at a token", "in literals", "in an offset", "in a match length"; empty
            where it does not.
    """

    token: int
    literals: int
    match: int = 0
    offset: int = 0
    cut: str = ""


def sequence(literals: bytes, match: int | None = None, offset: int = 0) -> bytes:
    """One sequence of the LZ4 block format; without a match it is the last one of a block."""
    code = 0 if match is None else match - 4
    out = bytearray([min(len(literals), 15) << 4 | min(code, 15)])
    if len(literals) >= 15:
        out += _extension(len(literals) - 15)
    out += literals
    if match is not None:
        out += offset.to_bytes(2, "little")
        if code >= 15:
            out += _extension(code - 15)
    return bytes(out)


def _extension(length: int) -> bytes:
    return b"\xff" * (length // 255) + bytes([length % 255])


def sequences(block: bytes) -> Iterator[Lz4Sequence]:
    """The sequences of any bytes taken as a block; the last one either has no match or is cut."""
    at, size = 0, len(block)
    while at < size:
        token = block[at]
        literals, at = token >> 4, at + 1
        if literals == 15:
            literals, at = _longer(block, at)
        at += literals
        if at >= size:
            yield Lz4Sequence(token, literals, cut="in literals" if at > size else "")
            return
        if at + 2 > size:
            yield Lz4Sequence(token, literals, cut="in an offset")
            return
        offset = block[at] | block[at + 1] << 8
        code, at = token & 15, at + 2
        if code == 15:
            code, at = _longer(block, at)
        yield Lz4Sequence(token, literals, 4 + code, offset, "in a match length" if at > size else "")
        if at > size:
            return
    yield Lz4Sequence(0, 0, cut="at a token")


def _longer(block: bytes, at: int) -> tuple[int, int]:
    """A length whose bits in the token are all set, and the position behind its further bytes, which is behind the
    block where they do not end in it."""
    length = 15
    while at < len(block):
        length += block[at]
        at += 1
        if block[at - 1] != 255:
            return length, at
    return length, len(block) + 1


def has_zero_offset(block: bytes) -> bool:
    """Whether a match of a block that liblz4 accepts has offset 0: the format forbids it, liblz4 does not look.

    (LZ4 block format, "Offset": the value 0 is not valid; docs/decompressor.md.)
    """
    return any(found.match and not found.offset for found in sequences(block))
