# SPDX-License-Identifier: MIT
"""The check that a 64-byte beat or line is stored with (docs/device/integrity.md; hw/rtl/ecc_lines.vh)."""

from __future__ import annotations

LINE_BITS = 512
LINE_CHECK_BITS = 31
LINE_GENERATOR = 1 << LINE_CHECK_BITS | 0x71FB3335


def line_check(page: int, index: int, data: bytes) -> int:
    """The check bits of 64 bytes that are beat or line `index` of `page`."""
    word = (page << 6 | index) << LINE_BITS | int.from_bytes(data, "little")
    remainder = word << LINE_CHECK_BITS
    while remainder.bit_length() > LINE_CHECK_BITS:
        remainder ^= LINE_GENERATOR << (remainder.bit_length() - LINE_GENERATOR.bit_length())
    return remainder
