# SPDX-License-Identifier: MIT
"""Folder: what a sweep leaves behind: `runs.parquet`, a row a run, `sweep.json`, what was asked, and `report.html`.

The table is written anew as rows come, and replaces the one before at once: whatever ends the program leaves a whole
table, and the same command goes on from it.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from sim.sweep.grid import Point
from sim.sweep.row import Row
from vswap.base.results import naming

TABLE, ASKED, REPORT = "runs.parquet", "sweep.json", "report.html"
_WRITE_SECONDS = 1.0


class SweepError(Exception):
    """A sweep cannot be done or read; one line with the remedy."""


class SweepFolder:
    """A sweep's folder in use by this process alone; `open_folder` gives it.

    Attributes:
        rows: so far, by the point's values.
    """

    def __init__(self, path: Path, varied: list[str]) -> None:
        self._table = path / TABLE
        self._varied = varied
        self._written = 0.0
        self.rows: dict[tuple[Any, ...], Row] = {}
        if self._table.exists():
            for row in read_table(self._table).to_dicts():
                self.rows[self.key(row)] = row

    def key(self, row: Row) -> tuple[Any, ...]:
        """What tells one point from another: its values."""
        return tuple(row.get(name) for name in self._varied)

    def has(self, point: Point, *, again_if_failed: bool) -> bool:
        """Whether there is a row of this point that stays. Its number is that of the grid of today."""
        row = self.rows.get(self.key(point.values))
        if row is None or (again_if_failed and row["status"] == "failed"):
            return False
        row["point"] = point.number
        return True

    def add(self, row: Row) -> None:
        """Keep a row; the table is written now if the last time is a second ago."""
        self.rows[self.key(row)] = row
        if time.monotonic() - self._written >= _WRITE_SECONDS:
            self.write()

    def write(self) -> None:
        """Write the table, in the order of the points. Raises OSError."""
        rows = sorted(self.rows.values(), key=lambda row: int(row["point"]))
        if not rows:
            return
        table = io.BytesIO()
        pl.DataFrame(rows, infer_schema_length=None).write_parquet(table)
        _replace(self._table, table.getvalue())
        self._written = time.monotonic()


@contextmanager
def open_folder(path: Path, asked: dict[str, Any], varied: list[str], traces: dict[str, str]) -> Iterator[SweepFolder]:
    """The folder of a sweep, made or gone on with; the table is complete again when this ends.

    Args:
        asked: what all rows have in common; a folder with another is refused.
        varied: the keys that are varied.
        traces: the digests of the traces by name; others may join them, none may change.

    Raises:
        SweepError: another sweep is in the folder, or at work in it.
        OSError: it cannot be written.
    """
    path.mkdir(parents=True, exist_ok=True)
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SweepError(f"{path}: another sweep is at work in it; wait for it, or name another folder") from error
        _same(path / ASKED, asked | {"varied": varied}, traces)
        folder = SweepFolder(path, varied)
        try:
            yield folder
        finally:
            folder.write()
    finally:
        os.close(number)


def read_table(path: Path) -> pl.DataFrame:
    """The rows of a sweep: a table, or the folder that it is in. Raises SweepError."""
    file = path / TABLE if path.is_dir() else path
    try:
        return pl.read_parquet(file)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise SweepError(f"{file}: no table of a sweep: {' '.join(str(error).split())}") from error


def read_asked(folder: Path) -> dict[str, Any]:
    """What the sweep in a folder was asked: "sim", "settings", "varied", "traces". Raises SweepError."""
    try:
        asked: dict[str, Any] = json.loads((folder / ASKED).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SweepError(f"{folder}: no folder of a sweep: {ASKED} is missing or no JSON") from error
    return asked


def digest(path: Path) -> str:
    """Tells a file's content from another. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _same(file: Path, asked: dict[str, Any], traces: dict[str, str]) -> None:
    """Hold what is asked against what the folder was made for, and write it down. Without a row it was made for
    nothing yet."""
    before: dict[str, Any] = {}
    table = file.parent / TABLE
    if file.exists() and table.exists():
        try:
            before = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise SweepError(f"{file}: is no JSON; name another folder") from error
        known = before.pop("traces", {})
        different = sorted(_different(before, asked))
        different += [name for name in traces if known.get(name, traces[name]) != traces[name]]
        if different:
            raise SweepError(f"{file.parent}: holds a sweep with another {', '.join(different)}; name another folder")
        traces = known | traces
    elif table.exists():
        raise SweepError(f"{file.parent}: has a table and no {ASKED}; name another folder")
    _replace(file, (json.dumps(asked | {"traces": traces}, indent=2) + "\n").encode())


def _replace(file: Path, data: bytes) -> None:
    """Write a file at once: there is the one before, or all of this one. Raises OSError."""
    partial = file.with_suffix(".partial")
    with naming(file):
        partial.write_bytes(data)
        partial.replace(file)


def _different(one: dict[str, Any], other: dict[str, Any]) -> Iterable[str]:
    """The names of what differs; inside of tables, of what differs there."""
    for name in one.keys() | other.keys():
        here, there = one.get(name), other.get(name)
        if isinstance(here, dict) and isinstance(there, dict):
            yield from _different(here, there)
        elif here != there:
            yield name
