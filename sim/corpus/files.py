# SPDX-License-Identifier: MIT
"""Corpus files: what programs gave, a file each, with a manifest that says what it is (docs/trace.md, "The corpus")."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from hw.link import PAGE_BYTES
from sim.base.files import open_regular, read_text
from sim.base.value import Value
from sim.corpus.corpus import CorpusError, Program, programs, run
from sim.corpus.figures import Figures, figures
from sim.trace.scrub import kind_of_machine, machine_words, this_machine

MANIFEST = "manifest.json"
VERSION = 1

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
# A server that is given users, sessions, a ranking, queues and counters by its own client.
_REDIS = r"""
redis-server --port 0 --unixsocket socket --save "" --loglevel warning >&2 &
for try in $(seq 200); do redis-cli -s socket ping >&2 && break; sleep 0.05; done
awk 'BEGIN { for (i = 0; i < 20000; i++) {
  printf "set user:%d name=user-%d;weight=%.3f;group=%d\n", i, i * 7919 % 10007, sin(i) * 90, i % 61
  printf "hset session:%d user %d seen %d page /items/%d\n", i, i % 977, i * 31, i * 13 % 4001
  printf "zadd scores %d user:%d\nrpush queue:%d job-%d\nincr hits:%d\n", i * 7 % 5003, i, i % 50, i, i % 3001
} }' | redis-cli -s socket --pipe >&2
echo ready; read line
"""


class Entry(Figures):
    """One program's pages, those it had at all moments at which it was looked at, or a sample of them.

    Attributes:
        kind, command: which program, and how it was run; without the folder it was found in.
        version: what it says of itself.
        file, sha256: where its different pages are, beside the manifest, and how often each was there.
    """

    kind: str
    command: list[str]
    version: str
    file: str
    sha256: str


class Manifest(Value):
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
    """Programs beside those of sim/corpus/corpus.py, as far as this machine has them."""
    known = [
        Program("javascript", ("node", "-e", _NODE)),
        Program("database", ("sqlite3", ":memory:"), stdin=_SQLITE),
        Program("key-value", ("sh", "-c", _REDIS), child="redis-server", version=("redis-server", "--version")),
    ]
    return [program for program in known if shutil.which(program.version[0] if program.version else program.argv[0])]


def build(
    folder: Path,
    kinds: Iterable[str] | None = None,
    told: Callable[[str], None] | None = None,
    sample: int | None = None,
) -> Manifest:
    """Run programs and write their pages and the manifest into a folder.

    Args:
        folder: made if need be; files of an earlier build of the same kinds are replaced.
        kinds: names of programs; all that this machine has by default.
        told: called with each kind before its program runs.
        sample: keep so many pages of each program, from all its regions, and none that tells of this machine
            (sim/trace/scrub.py); all pages by default.

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
        entries.append(_gather(known[kind], folder, sample))
    manifest = Manifest(version=VERSION, machine=kind_of_machine(), entries=entries)
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return manifest


def load(folder: Path) -> Manifest:
    """Read a manifest and check its files, and what it says of their pages. Raises CorpusError."""
    path = folder / MANIFEST
    try:
        manifest = Manifest.model_validate(json.loads(read_text(path)))
        for entry in manifest.entries:
            with open_regular(folder / entry.file) as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != entry.sha256:
                raise CorpusError(f"{folder / entry.file}: not the file that the manifest speaks of; build it again")
    except OSError as error:
        raise CorpusError(f"{error.filename}: {error.strerror}; `vcram corpus build` makes one") from error
    except (ValueError, ValidationError) as error:
        raise CorpusError(f"{path}: not a manifest: {str(error).splitlines()[0]}") from error
    if manifest.version != VERSION:
        raise CorpusError(f"{path}: layout version {manifest.version}; this program reads version {VERSION}")
    for entry in manifest.entries:
        found = figures(counts(folder, entry)).model_dump()
        if wrong := [name for name, value in found.items() if getattr(entry, name) != value]:
            raise CorpusError(f"{path}: {entry.kind}: its pages have another {wrong[0]}; build it again")
    return manifest


def pages(folder: Path, entry: Entry) -> list[bytes]:
    """The different pages of a program. Raises CorpusError."""
    return list(counts(folder, entry))


def counts(folder: Path, entry: Entry) -> Counter[bytes]:
    """The different pages of a program and how often each was there. Raises CorpusError."""
    path = folder / entry.file
    try:
        with path.open("rb") as file, np.load(file) as stored:
            rows, times = stored["pages"], stored["counts"]
            return Counter({row.tobytes(): int(count) for row, count in zip(rows, times, strict=True)})
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise CorpusError(f"{path}: cannot be read: {error}") from error


def _gather(program: Program, folder: Path, sample: int | None) -> Entry:
    found = list(run(program))
    if sample is not None:
        found = _sample(found, sample)
    counts = Counter(found)
    if not counts:
        raise CorpusError(f"{program.argv[0]}: gave no page; does it run here?")
    path = folder / f"{program.kind}.npz"
    different = np.frombuffer(b"".join(counts), dtype=np.uint8).reshape(-1, PAGE_BYTES)
    np.savez_compressed(path, pages=different, counts=np.array(list(counts.values()), dtype=np.uint32))
    return Entry(
        kind=program.kind,
        command=[Path(program.argv[0]).name, *program.argv[1:]],
        version=_version(program),
        file=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        **figures(counts).model_dump(),
    )


def _sample(found: list[bytes], count: int) -> list[bytes]:
    """Of each of `count` equal stretches of the pages the first that tells nothing of this machine."""
    names = this_machine()
    edges = [i * len(found) // count for i in range(count + 1)]
    clean = (
        next((data for data in found[start:end] if not machine_words(data, names)), None)
        for start, end in pairwise(edges)
    )
    return [data for data in clean if data is not None]


def _version(program: Program) -> str:
    asked = program.version or (program.argv[0], "--version")
    done = subprocess.run(asked, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return lines[0] if lines else "unknown"
