# SPDX-License-Identifier: MIT
"""Made pages to store in a device: one of each form that it keeps them in."""

from __future__ import annotations

from random import Random

from hw.link import PAGE_BYTES

SAME_WORD = 0x0123456789ABCDEF
SAME_PAGE = SAME_WORD.to_bytes(8, "little") * (PAGE_BYTES // 8)
"""Kept as its 64-bit word."""
_MARKS = 3
_TEXT_BYTES = 12


def noise_page(seed: int) -> bytes:
    """A page that no compressor shrinks: kept raw."""
    return Random(seed).randbytes(PAGE_BYTES)


def compressible_page(seed: int) -> bytes:
    """A page that LZ4 shrinks to 64 bytes at most, and that is kept in no shorter form: a short random text, repeated,
    with a few marks in it, each of which stands nowhere else, so that the page has no period."""
    random = Random(seed)
    text = random.randbytes(_TEXT_BYTES)
    page = bytearray((text * (PAGE_BYTES // _TEXT_BYTES + 1))[:PAGE_BYTES])
    for number in range(_MARKS):
        at = number * PAGE_BYTES // _MARKS
        page[at : at + 2] = number, random.randrange(256)
    return bytes(page)
