"""Pages to store in tests: those of a real program, and made ones for the corners."""

from __future__ import annotations

from functools import cache
from itertools import zip_longest
from random import Random

import lz4.block

from hw.link import PAGE_BYTES
from sim.corpus.corpus import is_same
from sim.corpus.files import load, pages
from sim.data import CORPUS

ZERO_PAGE = bytes(PAGE_BYTES)
SAME_WORD = 0x0123456789ABCDEF
SAME_PAGE = SAME_WORD.to_bytes(8, "little") * (PAGE_BYTES // 8)


@cache
def program_pages() -> tuple[bytes, ...]:
    """Pages of real programs, those that every device keeps as LZ4, the kinds of program in turn (sim/data/corpus)."""
    kinds = [pages(CORPUS, entry) for entry in load(CORPUS).entries]
    in_turn = (page for row in zip_longest(*kinds) for page in row if page is not None)
    return tuple(page for page in in_turn if not is_same(page) and len(lz4.block.compress(page)) < 3000)


def noise_page(seed: int) -> bytes:
    """A page that no compressor shrinks."""
    return Random(seed).randbytes(PAGE_BYTES)


def compressible_page(seed: int) -> bytes:
    """A page that takes one or two sectors of 256 bytes: a short random text, repeated."""
    return (Random(seed).randbytes(32) * (PAGE_BYTES // 32))[:PAGE_BYTES]
