# SPDX-License-Identifier: MIT
"""What the options of several commands have in common."""

from __future__ import annotations

import re
from pathlib import Path

import click

from hw.link import PAGE_BYTES

_UNITS = {"": PAGE_BYTES, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class Size(click.ParamType):  # type: ignore[type-arg]  # generic in the stubs only
    """A size in bytes with K, M or G behind it, or a number of pages; gives pages."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """See click.ParamType."""
        if isinstance(value, int):
            return value
        parts = re.fullmatch(r"(\d+)([KMG]?)", str(value).upper())
        if parts is None:
            self.fail(f"{value!r} is no size: a number with K, M or G behind it, or a number of pages", param, ctx)
        return int(parts[1]) * _UNITS[parts[2]] // PAGE_BYTES


def check_folder(file: Path | str | None, option: str) -> None:
    """Tell before any work is done that a file cannot be written since its folder is missing. Raises BadParameter."""
    if file is not None and not Path(file).absolute().parent.is_dir():
        raise click.BadParameter(f"{file}: no such folder", param_hint=option)
