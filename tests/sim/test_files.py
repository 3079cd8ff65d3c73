# SPDX-License-Identifier: MIT
"""What is no trace, scenario or manifest is refused at its first bytes, in little memory and without waiting."""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import resource
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sim.base.files import open_regular
from sim.corpus.corpus import CorpusError
from sim.corpus.files import load
from sim.scenario.scenario import Scenario, ScenarioError
from sim.trace.file import Trace, TraceError

PREFIX = struct.Struct("<8sIIQ")  # docs/trace.md
MEMORY = 600 << 20
LOADER = "import sys; from pathlib import Path; from sim.trace.file import Trace; Trace.load(Path(sys.argv[1]))"


def sparse(path: Path, size: int, begin: bytes = b"") -> None:
    with path.open("wb") as file:
        file.write(begin)
        file.truncate(size)


def bomb(path: Path) -> None:
    """A trace in order but for its 64 GiB of contents, which are announced and compress to nothing."""
    fields = {"program": "x", "argv": ["x"], "date": "2026-01-01", "recorder": "x", "python": "3", "window": 0,
              "loss": "", "complete": True, "contents": 1 << 24}  # fmt: skip
    header, body = json.dumps(fields).encode(), lzma.compress(bytes(1 << 20))
    data = PREFIX.pack(b"VCRAMTRC", 1, len(header), len(body)) + header + body
    path.write_bytes(data + hashlib.sha256(data).digest())


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "6 GB of nothing": (lambda path: sparse(path, 6 << 30), "not a vcram trace"),
    "6 GB behind a prefix": (
        lambda path: sparse(path, 6 << 30, PREFIX.pack(b"VCRAMTRC", 1, 100, 100)), "bytes after its end",
    ),
    "6 GB announced": (
        lambda path: sparse(path, 6 << 30, PREFIX.pack(b"VCRAMTRC", 1, 100, (6 << 30) - 100 - 24 - 32)), "at most",
    ),
    "another version": (lambda path: sparse(path, 6 << 30, PREFIX.pack(b"VCRAMTRC", 9, 100, 100)), "version 9"),
    "a bomb": (bomb, "16777216 contents announced: more than any trace has"),
    "a folder": (lambda path: path.mkdir(), "Is a directory"),
    "a pipe": (os.mkfifo, "no regular file"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "no regular file"),
    "empty": (lambda path: path.touch(), "truncated trace: no full header"),
    "cut in its prefix": (lambda path: path.write_bytes(b"VCRAMTRC\\1\\0"), "truncated trace: no full header"),
}  # fmt: skip


@pytest.mark.parametrize("kind", SPOILT)
def test_what_is_no_trace_is_refused_in_bounded_memory_and_time(tmp_path: Path, kind: str) -> None:
    spoil, said = SPOILT[kind]
    path = tmp_path / "a.trace"
    spoil(path)
    done = subprocess.run(
        [sys.executable, "-c", LOADER, str(path)], capture_output=True, text=True, timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY)),
    )  # fmt: skip
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1
    assert last.startswith(f"sim.trace.file.TraceError: {path}: ") and said in last


@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a device", "6 GB of nothing"])
def test_a_scenario_or_a_manifest_that_is_none_is_refused_without_waiting(tmp_path: Path, kind: str) -> None:
    spoil, _ = SPOILT[kind]
    path = tmp_path / "manifest.json"
    spoil(path)
    with pytest.raises(ScenarioError, match=r"manifest\.json: (Is a directory|no regular file|longer than)"):
        Scenario.load(path)
    with pytest.raises(CorpusError, match=r"manifest\.json: (Is a directory|no regular file|longer than)"):
        load(tmp_path)


def test_a_file_is_opened_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"some")
    with open_regular(tmp_path / "file") as file:
        assert file.read() == b"some"
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "nowhere")
    with pytest.raises(TraceError, match="nowhere: No such file"):
        Trace.load(tmp_path / "nowhere")
