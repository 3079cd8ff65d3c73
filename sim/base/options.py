# SPDX-License-Identifier: MIT
"""What the options of several commands have in common."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Any

import click

from hw.link import PAGE_BYTES
from vswap.base.results import is_stdout

_UNITS = {"": PAGE_BYTES, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class Size(click.ParamType):  # type: ignore[type-arg]  # generic in the stubs only
    """A size in bytes with K, M or G behind it, or a number of pages; gives pages, at least one, whole ones only."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """See click.ParamType."""
        if isinstance(value, int):
            return value
        parts = re.fullmatch(r"([0-9]+)([KMG]?)", str(value).upper())
        if parts is None:
            self.fail(f"{value!r} is no size: a number with K, M or G behind it, or a number of pages", param, ctx)
        pages, rest = divmod(int(parts[1]) * _UNITS[parts[2]], PAGE_BYTES)
        if rest:
            around = f"{pages * PAGE_BYTES >> 10}K or {(pages + 1) * PAGE_BYTES >> 10}K" if pages else "4K"
            self.fail(f"{value!r} is no whole number of pages of 4K: say {around}", param, ctx)
        if not pages:
            self.fail(f"{value!r} is nothing: say 4K or more", param, ctx)
        return pages


class Seconds(click.FloatRange):
    """A time in seconds: more than none, and one that ends."""

    def __init__(self) -> None:
        super().__init__(0, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See click.ParamType."""
        seconds = float(super().convert(value, param, ctx))
        if not math.isfinite(seconds):
            self.fail(f"{seconds} is no number of seconds", param, ctx)
        return seconds


class OutputFile(click.ParamType):  # type: ignore[type-arg]  # generic in the stubs only
    """A file to write to, found out before any work is done; `-` is standard output.

    Args:
        stdout: False where standard output is somebody else's.
    """

    name = "file"

    def __init__(self, *, stdout: bool = True) -> None:
        self._stdout = stdout

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """See click.ParamType."""
        path = Path(str(value))
        if is_stdout(path):
            if not self._stdout:
                self.fail("it cannot go to standard output: name a file (./- is a file called -)", param, ctx)
            return path
        there = next(folder for folder in path.absolute().parents if folder.exists())
        if path.is_dir():
            self.fail(f"{path}: is a folder: name a file in it", param, ctx)
        if there != path.absolute().parent:
            self.fail(f"{path}: no such folder", param, ctx)
        if not os.access(path if path.exists() else there, os.W_OK):
            self.fail(f"{path}: cannot be written: name another file", param, ctx)
        return path
