# SPDX-License-Identifier: MIT
"""Pages to store: those of a real program, and made ones for the corners."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random

import lz4.block

from hw.link import PAGE_BYTES, ZERO_PAGE
from hw.pages import SAME_PAGE, compressible_page, noise_page

__all__ = ["SAME_PAGE", "ZERO_PAGE", "any_page", "compressible_page", "noise_page", "program_pages"]


@cache
def program_pages() -> tuple[bytes, ...]:
    """Pages of the interpreter that shrink to three quarters at most: code, tables, strings."""
    content = max(_interpreter(), key=len)
    pages = (content[i : i + PAGE_BYTES] for i in range(0, len(content) - PAGE_BYTES + 1, PAGE_BYTES))
    return tuple(page for page in pages if page[8:] != page[:-8] and len(lz4.block.compress(page)) < 3072)


def _interpreter() -> Iterator[bytes]:
    """The files that hold the interpreter: the program, and its library where it has one."""
    yield Path(sys.executable).resolve().read_bytes()
    folder, name = sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME")
    if folder and name and (library := Path(folder, name)).is_file():
        yield library.read_bytes()


def any_page(rng: Random, *, real: bool = True) -> bytes:
    """A page of any kind; `real`: of a program among them."""
    kind = rng.randrange(6)
    if kind == 0:
        return ZERO_PAGE
    if kind == 1:
        return SAME_PAGE
    if kind == 2:
        return noise_page(rng.getrandbits(32))
    if kind == 3 or not real:
        return compressible_page(rng.getrandbits(32))
    return rng.choice(program_pages())
