"""Single sequences of the LZ4 block format, written and read; whole blocks are the business of liblz4."""

from __future__ import annotations

from collections.abc import Iterator


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


def sequences(block: bytes) -> Iterator[tuple[int, int, int]]:
    """(literals, match bytes, offset) of each sequence of a well-formed block; the last one has match and offset 0."""
    at = 0

    def length(code: int) -> int:
        nonlocal at
        if code == 15:
            while True:
                at += 1
                code += block[at - 1]
                if block[at - 1] != 255:
                    break
        return code

    while True:
        token = block[at]
        at += 1
        literals = length(token >> 4)
        at += literals
        if at == len(block):
            yield literals, 0, 0
            return
        offset = int.from_bytes(block[at : at + 2], "little")
        at += 2
        yield literals, 4 + length(token & 15), offset
