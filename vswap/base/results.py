# SPDX-License-Identifier: MIT
"""Results: how figures are kept in files, or given to the next program."""

from __future__ import annotations

import ctypes
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

_STDOUT, _STDERR = 1, 2


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON for people and programs to read; see `write_text`. Raises OSError."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text to a file, whose folder is made, or to standard output if it is called `-`. Raises OSError."""
    if is_stdout(path):
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with naming(path):
        path.write_text(text, encoding="utf-8")


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """What the system says of a write meanwhile names the file: that a disk is full it says of none."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def is_stdout(path: Path | None) -> bool:
    """True if what is written there goes to standard output, so that nothing else may."""
    return path is not None and str(path) == "-"


@contextmanager
def printing_aside(path: Path | None) -> Iterator[None]:
    """Meanwhile what anybody prints goes to standard error, in Python or in a shared object, if what is written to
    `path` is to be all of standard output. Raises OSError."""
    if not is_stdout(path):
        yield
        return
    sys.stdout.flush()
    kept = os.dup(_STDOUT)
    os.dup2(_STDERR, _STDOUT)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        ctypes.CDLL(None).fflush(None)
        os.dup2(kept, _STDOUT)
        os.close(kept)
