# SPDX-License-Identifier: MIT
"""What tests of followed programs (sim/follow) share: a program that fills memory with pages that can be told apart."""

from __future__ import annotations

import hashlib
import os
import sys

import pytest

from sim.follow import available

needs_root = pytest.mark.skipif(
    available() is not None and "CI" not in os.environ, reason="page faults of a program need root (userfaultfd)"
)

_PRELUDE = """
import ctypes, hashlib, mmap, os, sys
PAGES = {pages}
memory = mmap.mmap(-1, PAGES * 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
def pattern(page, version):
    return hashlib.sha256(b"%d/%d" % (page, version)).digest() * 128
def fill(pages, version):
    for page in pages:
        memory[page * 4096:page * 4096 + 4096] = pattern(page, version)
def verify(pages, version):
    for page in pages:
        assert memory[page * 4096:page * 4096 + 4096] == pattern(page, version), (page, version)
"""


def pattern(page: int, version: int) -> bytes:
    """The content that `fill` of a program gives a page."""
    return hashlib.sha256(b"%d/%d" % (page, version)).digest() * 128


def program(pages: int, script: str) -> list[str]:
    """The command of a program with `pages` pages of `memory`, and `pattern`, `fill` and `verify` for its script."""
    return [sys.executable, "-I", "-S", "-c", _PRELUDE.format(pages=pages) + script]
