# SPDX-License-Identifier: MIT
"""The engines as a library in this process: blocks that liblz4 decodes, and its verdict on damaged ones."""

from __future__ import annotations

from random import Random

import lz4.block
import pytest

from hw.link import LINES_PER_PAGE, PAGE_BYTES
from hw.lz4_block import has_zero_offset
from hw.verilated.engines import Engines
from tests.pages import SAME_PAGE, ZERO_PAGE, noise_page, program_pages

STREAMS = 4000


@pytest.fixture(scope="module")
def engines() -> Engines:
    return Engines()


def accepted(block: bytes) -> bytes | None:
    """The page that liblz4 decodes a block to, None where it is not a block of one whole page."""
    try:
        page = bytes(lz4.block.decompress(block, uncompressed_size=PAGE_BYTES))
    except lz4.block.LZ4BlockError:
        return None
    return page if len(page) == PAGE_BYTES else None


def damaged(block: bytes, random: Random) -> bytes:
    """A few bytes changed, cut, inserted or appended."""
    data = bytearray(block)
    for _ in range(random.choice([1, 1, 3])):
        at = random.randrange(len(data))
        match random.randrange(4):
            case 0:
                data[at] = random.choice([0, 255, random.randrange(256)])
            case 1:
                del data[at : at + random.choice([1, 2, 30, PAGE_BYTES])]
            case 2:
                data[at:at] = random.choice([b"\xff", random.randbytes(3), b"\xff" * 300])
            case _:
                data += random.randbytes(random.choice([1, 5, 64]))
        data = data or bytearray(b"\0")
    return bytes(data)


def test_liblz4_decodes_what_the_compressor_writes_and_so_does_the_decompressor(engines: Engines) -> None:
    for page in [*program_pages()[:50], ZERO_PAGE, SAME_PAGE, noise_page(1)]:
        block = engines.compress(page)
        assert accepted(block.data) == page
        answer = engines.decompress(block.data)
        assert (answer.data, answer.malformed) == (page, False)
        assert len(answer.line_cycles) == LINES_PER_PAGE
        assert list(answer.line_cycles) == sorted(answer.line_cycles)
        assert answer.cycles == answer.line_cycles[-1]


def test_damaged_blocks_are_judged_as_liblz4_does(engines: Engines) -> None:
    random = Random(3)
    good = [lz4.block.compress(page, store_size=False) for page in program_pages()[:40]]
    good += [engines.compress(page).data for page in program_pages()[40:80]]
    refused = 0
    for _ in range(STREAMS):
        block = damaged(random.choice(good), random)
        page = accepted(block)
        if page is not None and has_zero_offset(block):
            page = None
        answer = engines.decompress(block)
        assert (None if answer.malformed else answer.data) == page, block.hex()
        refused += answer.malformed
    assert STREAMS // 2 < refused < STREAMS


def test_what_is_no_page_and_no_block_is_refused(engines: Engines) -> None:
    with pytest.raises(ValueError, match="100 bytes"):
        engines.compress(bytes(100))
    with pytest.raises(ValueError, match="at least one byte"):
        engines.decompress(b"")
