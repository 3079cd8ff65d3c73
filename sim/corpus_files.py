"""Corpus files: what programs gave, a file each, with a manifest that says what it is (docs/trace.md, "The corpus")."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import subprocess
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import lz4.block
import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from sim.corpus import PAGE_BYTES, RAW_BYTES, CorpusError, Program, is_same, programs, run

MANIFEST = "manifest.json"
VERSION = 1
BINS = 16
"""Of the sizes of LZ4 blocks: each 256 bytes wide, the last one for whatever is larger."""

_NODE = """
const book = new Map(); let text = "";
for (let i = 0; i < 60000; i++)
  book.set("entry " + i, {number: i, name: "n" + (i * 7919) % 10007, tags: [i % 7, i % 11]});
for (const [name, entry] of book) text += JSON.stringify(entry);
const numbers = Float64Array.from({length: 300000}, (_, i) => Math.sin(i / 50));
console.log("ready"); process.stdin.once("data", () => process.exit(text.length + numbers.length > 0 ? 0 : 1));
"""
_SQLITE = """
create table entries (number integer primary key, name text, body text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 40000)
  insert into entries select i, 'entry ' || (i * 7919 % 40009), printf('%.4f %x', i / 7.0, i * 2654435761) from n;
create index names on entries (name);
.print ready
"""


class _Value(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Entry(_Value):
    """One program's pages.

    Attributes:
        kind, command: which program, and how it was run.
        version: what it says of itself.
        file, sha256: where its different pages are, beside the manifest.
        pages: pages it had, at all moments at which it was looked at.
        zero, same, duplicate, incompressible: shares of them, 0 to 1: zero; one 64-bit word repeated, other than zero;
            the second and later of equal pages; those that LZ4 does not shrink by a sector.
        ratio: bytes per LZ4 byte over the pages that are neither zero nor same, incompressible ones counted whole.
        sizes: how many of these have an LZ4 block of 1 to 256 bytes, 257 to 512, and so on.
    """

    kind: str
    command: list[str]
    version: str
    file: str
    sha256: str
    pages: int
    zero: float
    same: float
    duplicate: float
    incompressible: float
    ratio: float
    sizes: list[int]


class Manifest(_Value):
    """What a corpus folder holds.

    Attributes:
        version: of the layout.
        machine: kernel and processor it was gathered on.
        entries: its programs.
    """

    version: int
    machine: str
    entries: list[Entry]


def more_programs() -> list[Program]:
    """Programs beside those of sim/corpus.py, as far as this machine has them."""
    known = [
        Program("javascript", ("node", "-e", _NODE)),
        Program("database", ("sqlite3", ":memory:"), stdin=_SQLITE),
    ]
    return [program for program in known if shutil.which(program.argv[0])]


def build(folder: Path, kinds: Iterable[str] | None = None, told: Callable[[str], None] | None = None) -> Manifest:
    """Run programs and write their pages and the manifest into a folder.

    Args:
        folder: made if need be; files of an earlier build of the same kinds are replaced.
        kinds: names of programs; all that this machine has by default.
        told: called with each kind before its program runs.

    Raises:
        CorpusError: an unknown kind, or a program that gave no page. OSError.
    """
    known = {program.kind: program for program in [*programs(), *more_programs()]}
    wanted = list(known if kinds is None else kinds)
    for kind in wanted:
        if kind not in known:
            raise CorpusError(f"no program for corpus kind {kind!r} here; there are {', '.join(sorted(known))}")
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for kind in wanted:
        if told is not None:
            told(kind)
        entries.append(_gather(known[kind], folder))
    machine = f"Linux {platform.release().split('-')[0]} {platform.machine()}"
    manifest = Manifest(version=VERSION, machine=machine, entries=entries)
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return manifest


def load(folder: Path) -> Manifest:
    """Read a manifest and check its files against it. Raises CorpusError."""
    path = folder / MANIFEST
    try:
        manifest = Manifest.model_validate(json.loads(path.read_text(encoding="utf-8")))
        for entry in manifest.entries:
            if hashlib.sha256((folder / entry.file).read_bytes()).hexdigest() != entry.sha256:
                raise CorpusError(f"{folder / entry.file}: not the file that the manifest speaks of; build it again")
    except OSError as error:
        raise CorpusError(f"{error.filename}: {error.strerror}; `vcram corpus build` makes one") from error
    except (ValueError, ValidationError) as error:
        raise CorpusError(f"{path}: not a manifest: {str(error).splitlines()[0]}") from error
    if manifest.version != VERSION:
        raise CorpusError(f"{path}: layout version {manifest.version}; this program reads version {VERSION}")
    return manifest


def pages(folder: Path, entry: Entry) -> list[bytes]:
    """The different pages of a program. Raises CorpusError."""
    path = folder / entry.file
    try:
        with path.open("rb") as file, np.load(file) as stored:
            return [row.tobytes() for row in stored["pages"]]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise CorpusError(f"{path}: cannot be read: {error}") from error


def _gather(program: Program, folder: Path) -> Entry:
    counts = Counter(run(program))
    if not counts:
        raise CorpusError(f"{program.argv[0]}: gave no page; does it run here?")
    path = folder / f"{program.kind}.npz"
    different = np.frombuffer(b"".join(counts), dtype=np.uint8).reshape(-1, PAGE_BYTES)
    np.savez_compressed(path, pages=different, counts=np.array(list(counts.values()), dtype=np.uint32))
    return _describe(program, counts, path)


def _describe(program: Program, counts: Counter[bytes], path: Path) -> Entry:
    total = counts.total()
    zero = counts[bytes(PAGE_BYTES)]
    same = sum(count for data, count in counts.items() if is_same(data)) - zero
    sizes, raw, stored, content = [0] * BINS, 0, 0, 0
    for data, count in counts.items():
        if not is_same(data):
            size = len(lz4.block.compress(data, store_size=False))
            sizes[min(BINS - 1, (size - 1) // 256)] += count
            raw += count * (size > RAW_BYTES)
            stored += count * (PAGE_BYTES if size > RAW_BYTES else size)
            content += count * PAGE_BYTES
    return Entry(
        kind=program.kind,
        command=list(program.argv),
        version=_version(program.argv[0]),
        file=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        pages=total,
        zero=zero / total,
        same=same / total,
        duplicate=1 - len(counts) / total,
        incompressible=raw / total,
        ratio=content / max(1, stored),
        sizes=sizes,
    )


def _version(program: str) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return lines[0] if lines else "unknown"
