# SPDX-License-Identifier: MIT
"""Classify: how many pages of a corpus a new form of pages would catch, and what it would save, before there is RTL.

A form is a Python file with a function `classify(page: bytes) -> int | None`: the bytes that a page of 4096 would take
on the media in the new form, or None if the form does not fit.
"""

from __future__ import annotations

import runpy
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import lz4.block

from hw.link import PAGE_BYTES
from sim.base.value import Value
from sim.corpus.corpus import CorpusError
from sim.corpus.figures import RAW_BYTES, is_same

SECTOR_BYTES = 256
_NAME = "classify"

Form = Callable[[bytes], object]


class Caught(Value):
    """What a new form does to some pages.

    Attributes:
        pages: how many there are.
        caught: those that the form fits.
        same, lz4, raw: how many of these the device keeps in its table, as LZ4 blocks, and raw today.
        smaller: those that take fewer sectors in the new form.
        sectors_now, sectors_then: sectors of 256 bytes that all pages take today, and with each in its smallest form.
    """

    pages: int
    caught: int
    same: int
    lz4: int
    raw: int
    smaller: int
    sectors_now: int
    sectors_then: int


def load_form(file: Path) -> Form:
    """The form in a file. Raises CorpusError: it is none; what is wrong is one line."""
    try:
        found = runpy.run_path(str(file)).get(_NAME)
    except OSError as error:
        raise CorpusError(f"{file}: {error.strerror}") from error
    except (Exception, SystemExit) as error:
        raise CorpusError(f"{file}: cannot be run: {type(error).__name__}: {error}") from error
    if not callable(found):
        raise CorpusError(f"{file}: has no function {_NAME}(page), expected one that gives bytes or None")
    form: Form = found
    return form


def caught(form: Form, counts: Counter[bytes]) -> Caught:
    """What the form does to pages, each as often as it counts. Raises CorpusError: the form fails, or gives no size."""
    seen = Counter({"pages": counts.total()})
    for page, count in counts.items():
        now, kept = _today(page)
        size = _size(form, page)
        then = now if size is None else min(now, -(-size // SECTOR_BYTES))
        seen["sectors_now"] += now * count
        seen["sectors_then"] += then * count
        seen["smaller"] += (then < now) * count
        if size is not None:
            seen["caught"] += count
            seen[kept] += count
    return Caught(**{name: seen[name] for name in Caught.model_fields})


def _today(page: bytes) -> tuple[int, str]:
    """The sectors that a page takes on the device, and the form that it has there."""
    if is_same(page):
        return 0, "same"
    size = len(lz4.block.compress(page, store_size=False))
    return (PAGE_BYTES // SECTOR_BYTES, "raw") if size > RAW_BYTES else (-(-size // SECTOR_BYTES), "lz4")


def _size(form: Form, page: bytes) -> int | None:
    try:
        size = form(page)
    except (Exception, SystemExit) as error:
        raise CorpusError(f"{_NAME} raised {type(error).__name__}: {error}") from error
    if size is None:
        return None
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= PAGE_BYTES:
        raise CorpusError(f"{_NAME} gave {size!r}, expected None or bytes from 0 to {PAGE_BYTES}")
    return size
