"""Pages to store in tests: those of a real program, and made ones for the corners."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from random import Random

from hw.link import PAGE_BYTES

ZERO_PAGE = bytes(PAGE_BYTES)
SAME_WORD = 0x0123456789ABCDEF
SAME_PAGE = SAME_WORD.to_bytes(8, "little") * (PAGE_BYTES // 8)


@cache
def program_pages() -> tuple[bytes, ...]:
    """The pages of the largest file that the running Python has mapped: code, tables, strings."""
    mapped = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "/" in line}
    largest = max((path for path in map(Path, mapped) if path.is_file()), key=lambda path: path.stat().st_size)
    content = largest.read_bytes()
    return tuple(content[i : i + PAGE_BYTES] for i in range(0, len(content) - PAGE_BYTES + 1, PAGE_BYTES))


def noise_page(seed: int) -> bytes:
    """A page that no compressor shrinks."""
    return Random(seed).randbytes(PAGE_BYTES)


def compressible_page(seed: int) -> bytes:
    """A page that takes one or two sectors of 256 bytes: a short random text, repeated."""
    return (Random(seed).randbytes(32) * (PAGE_BYTES // 32))[:PAGE_BYTES]
