"""Pages to store in tests: those of a real program, and made ones for the corners."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from random import Random

import lz4.block

from hw.link import PAGE_BYTES

ZERO_PAGE = bytes(PAGE_BYTES)
SAME_WORD = 0x0123456789ABCDEF
SAME_PAGE = SAME_WORD.to_bytes(8, "little") * (PAGE_BYTES // 8)


@cache
def program_pages() -> tuple[bytes, ...]:
    """Pages of the running Python's own program file, those that every device keeps as LZ4: code, tables, strings.

    Which files a process has mapped depends on what it has imported; its interpreter does not.
    """
    mapped = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "/" in line}
    interpreters = [path for path in map(Path, mapped) if re.match(r"(lib)?python3", path.name) and path.is_file()]
    content = max(interpreters, key=lambda path: path.stat().st_size).read_bytes()
    pages = (content[i : i + PAGE_BYTES] for i in range(0, len(content) - PAGE_BYTES + 1, PAGE_BYTES))
    return tuple(
        page for page in pages if page != page[:8] * (PAGE_BYTES // 8) and len(lz4.block.compress(page)) < 3000
    )


def noise_page(seed: int) -> bytes:
    """A page that no compressor shrinks."""
    return Random(seed).randbytes(PAGE_BYTES)


def compressible_page(seed: int) -> bytes:
    """A page that takes one or two sectors of 256 bytes: a short random text, repeated."""
    return (Random(seed).randbytes(32) * (PAGE_BYTES // 32))[:PAGE_BYTES]
