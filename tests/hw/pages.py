# SPDX-License-Identifier: MIT
"""Real pages to feed the hardware tests with, collected when a test runs."""

from __future__ import annotations

import random
import re
import sysconfig
from pathlib import Path

from hw.link import PAGE_BYTES as PAGE


def heap_pages() -> list[bytes]:
    """Pages of this interpreter's own anonymous memory, without those that hold one byte only."""
    pages = []
    with Path("/proc/self/mem").open("rb", buffering=0) as memory:
        for line in Path("/proc/self/maps").read_text().splitlines():
            found = re.match(r"(\w+)-(\w+) rw.p 0+ 00:00 0\s*(\[heap\])?$", line)
            if found is None:
                continue
            start, end = int(found[1], 16), int(found[2], 16)
            try:
                memory.seek(start)
                data = memory.read(min(end - start, 16 << 20))
            except OSError:  # unmapped meanwhile
                continue
            pages += [data[i : i + PAGE] for i in range(0, len(data) - PAGE + 1, PAGE)]
    return [page for page in pages if page.count(page[0]) != PAGE]


def text_pages() -> list[bytes]:
    """Pages of the source text of the standard library."""
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    texts = (file.read_bytes() for file in files)
    return [text[i : i + PAGE] for text in texts for i in range(0, len(text) - PAGE + 1, PAGE)]


def real_pages(rng: random.Random, count: int) -> list[bytes]:
    """`count` different pages, half heap, half text."""
    heap, text = heap_pages(), text_pages()
    return rng.sample(heap, min(len(heap), count - count // 2)) + rng.sample(text, count // 2)
