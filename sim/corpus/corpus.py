# SPDX-License-Identifier: MIT
"""Corpus: anonymous pages of real programs, gathered from whatever this machine has while the programs work.

A program that says when it is in the middle of its work is started, stopped, and its private anonymous memory read from
/proc/PID/mem, which every parent may do with its children. Pages are kept once each. What was gathered lies in
build/corpus, so that the next run of a test has the same pages at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hw.link import PAGE_BYTES
from hw.places import build_folder
from sim.corpus.figures import Figures, figures
from sim.trace.scrub import ENVIRONMENT

_SETTLE_S = 20.0  # a program that has not got to its work by then is read as it is
_PRESENT = np.uint64(1 << 63)

# Each Python program prints a line at every moment worth looking at and goes on when it gets one.
_PYTHON_OBJECTS = """
import json, random, sqlite3, zlib
rng = random.Random(1)
book = sqlite3.connect(":memory:")
book.execute("create table entries (number integer primary key, body blob)")
documents = {}
for round in range(2):
    for i in range(round * 4000, round * 4000 + 4000):
        documents[i] = {"number": i, "name": "entry %d" % i, "tags": [rng.choice("red green blue grey".split())
            for _ in range(rng.randrange(9))], "weight": rng.gauss(70, 9), "key": rng.getrandbits(64)}
        text = json.dumps(documents[i]).encode()
        book.execute("insert into entries values (?, ?)", (i, zlib.compress(text) if i % 2 else text))
    book.execute("update entries set body = upper(body) where number % 5 = 0")
    packed = [zlib.compress(json.dumps([documents[i + j] for j in range(500)]).encode()) for i in range(0, 4000, 500)]
    print("ready", flush=True)
    input()
"""
_PYTHON_NUMBERS = """
import numpy as np
rng = np.random.default_rng(2)
x = np.linspace(0, 60, 200_000)
signal = (np.sin(x) + 0.3 * np.sin(7 * x) * np.exp(-x / 30)).astype(np.float32)
spectrum = np.fft.rfft(signal)
measured = np.round(signal + rng.normal(0, 0.05, x.size), 3)
counts = np.bincount(rng.poisson(40, 400_000), minlength=200_000)
image = (127 + 120 * np.sin(np.add.outer(x[:700] ** 1.1, x[:700]))).astype(np.uint8)
print("ready", flush=True)
input()
matrix = rng.normal(size=(400, 400)); inverse = np.linalg.inv(matrix); order = np.argsort(measured)
mask = np.zeros(500_000, dtype=bool); mask[::977] = True
print("ready", flush=True)
input()
"""
_PERL = """
use strict; my %seen; my @lines; $| = 1;
for my $i (1 .. 24000) { my $word = join("", map { chr(97 + ($i * $_ * 7919 + $i / ($_ + 2)) % 26) } 1 .. 8);
  $seen{$word} .= " $i"; push @lines, sprintf("%06d %s %s", $i, $word, $seen{$word}); }
my @sorted = sort { substr($a, 7) cmp substr($b, 7) } @lines;
print "ready\\n"; <STDIN>;
"""
_CPP = """
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <regex>
#include <string>
#include <vector>
template <int N> struct Row { std::map<std::string, std::vector<int>> cells; int sum() const { int s = N;
  for (auto const& c : cells) for (int v : c.second) s += v * N; return s; } };
int main() { std::regex words("([a-z]+)([0-9]*)"); Row<1> a; Row<2> b; Row<3> c; Row<4> d;
  std::function<int()> f = [&] { return a.sum() + b.sum() + c.sum() + d.sum(); };
  std::string text; while (std::getline(std::cin, text)) if (std::regex_match(text, words)) a.cells[text].push_back(1);
  std::cout << f() << std::endl; }
"""


class CorpusError(Exception):
    """Not enough pages could be gathered; one line that says what was missing."""


@dataclass(frozen=True, slots=True)
class CorpusPage:
    """A page of a real program: which kind of program, and its 4096 bytes."""

    kind: str
    data: bytes


@dataclass(frozen=True)
class Program:
    """A program to take pages of.

    Attributes:
        kind: its name in the corpus.
        argv: what to start.
        moments: times that it says it is ready to be looked at; 0 where it is looked at while it works.
        stdin: what it reads first; with 0 moments, all that it reads.
        child: the name of the process below it whose pages are meant, "" for itself.
        version: what to start to be told its version; `argv[0] --version` by default.
    """

    kind: str
    argv: tuple[str, ...]
    moments: int = 1
    stdin: str = ""
    child: str = ""
    version: tuple[str, ...] = ()


def programs() -> list[Program]:
    """The programs that this machine has, of those that the corpus knows."""
    known = [
        Program("python-objects", (sys.executable, "-I", "-c", _PYTHON_OBJECTS), moments=2),
        Program(
            "python-numbers",
            (sys.executable, "-I", "-c", _PYTHON_NUMBERS),
            moments=2,
            version=(sys.executable, "-c", "import numpy; print('numpy', numpy.__version__)"),
        ),
        Program("perl", ("perl", "-e", _PERL)),
        Program(
            "compiler", ("g++", "-std=c++17", "-O2", "-S", "-x", "c++", "-", "-o", "/dev/null"), 0, _CPP, "cc1plus"
        ),
        Program("shell", ("bash", "-c", 'a=(); for i in {1..20000}; do a+=("item $i"); done; echo ready; read')),
    ]
    return [program for program in known if shutil.which(program.argv[0])]


def gather(count: int = 10_000, kinds: Iterable[str] | None = None, cache: Path | None = None) -> list[CorpusPage]:
    """`count` different pages of real programs, spread over the kinds as evenly as they have pages, in a fixed order.

    Args:
        count: pages wanted.
        kinds: names from `programs()`; all that this machine has by default.
        cache: folder where gathered pages are kept; build/corpus if not given.

    Raises:
        CorpusError: an unknown kind, or fewer pages than wanted.
    """
    available = {program.kind: program for program in programs()}
    wanted = sorted(available if kinds is None else kinds)
    if missing := [kind for kind in wanted if kind not in available]:
        raise CorpusError(f"no program for corpus kind {missing[0]!r} here; there are {', '.join(sorted(available))}")
    pools = [[CorpusPage(kind, data) for data in pages_of(available[kind], cache)] for kind in wanted]
    pages = _even(pools, count)
    if len(pages) < count:
        raise CorpusError(f"{count} pages wanted, but {', '.join(wanted)} have only {len(pages)} different ones")
    return pages


def summary(pages: Sequence[CorpusPage]) -> dict[str, Figures]:
    """What the pages are like: of each kind by its name, and of "all" at the end; at least one page."""
    counts: dict[str, Counter[bytes]] = {kind: Counter() for kind in [*sorted({page.kind for page in pages}), "all"]}
    for page in pages:
        counts[page.kind][page.data] += 1
        counts["all"][page.data] += 1
    return {kind: figures(count) for kind, count in counts.items()}


# --- gathering -----------------------------------------------------------------------------------------------------


def pages_of(program: Program, cache: Path | None = None) -> list[bytes]:
    """The different pages of a program, from the cache or from a run of it."""
    key = hashlib.sha256(json.dumps([program.kind, program.argv, program.stdin]).encode()).hexdigest()[:16]
    cache = cache or build_folder() / "corpus"
    path = cache / f"{program.kind}-{key}.npz"
    try:
        with path.open("rb") as file, np.load(file) as stored:
            return [row.tobytes() for row in stored["pages"]]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        pass  # not there, or cut short by an earlier end: gather anew
    pages = list(dict.fromkeys(run(program)))
    cache.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.{os.getpid()}.npz")
    np.savez_compressed(part, pages=np.frombuffer(b"".join(pages), dtype=np.uint8).reshape(-1, PAGE_BYTES))
    part.replace(path)
    return pages


def run(program: Program) -> Iterator[bytes]:
    """Run a program and give its pages at each of its moments, equal ones as often as they are there.

    It runs in a folder of its own and with an environment that says nothing of this machine.
    """
    with tempfile.TemporaryDirectory(prefix="vcram-") as folder:
        yield from _run(program, folder)


def _run(program: Program, folder: str) -> Iterator[bytes]:
    process = subprocess.Popen(
        [shutil.which(program.argv[0]) or program.argv[0], *program.argv[1:]],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        env={**ENVIRONMENT, "OPENBLAS_NUM_THREADS": "1"},
    )
    try:
        assert process.stdin and process.stdout
        if not program.moments:
            process.stdin.write(program.stdin)
            process.stdin.close()
            yield from _while_working(process, program.child)
        elif program.stdin:
            process.stdin.write(program.stdin)
            process.stdin.flush()
        for _ in range(program.moments):
            if not process.stdout.readline():
                return  # it ended early; what there is will have to do
            pid = _child(process.pid, program.child) if program.child else process.pid
            if pid:
                yield from read_pages(pid)
            process.stdin.write("\n")
            process.stdin.flush()
    finally:
        with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream:
                stream.close()


def _while_working(process: subprocess.Popen[str], child: str) -> Iterator[bytes]:
    """Look at a process, or at its child of that name, each time that it has grown threefold, until it ends."""
    size = 512
    give_up = time.monotonic() + _SETTLE_S
    while process.poll() is None and time.monotonic() < give_up:
        pid = _child(process.pid, child) if child else process.pid
        resident = _resident(pid) if pid else 0
        if pid and resident >= size:
            size = resident * 3
            try:
                os.kill(pid, signal.SIGSTOP)
                yield from read_pages(pid)
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                return
        time.sleep(0.01)


def read_pages(pid: int) -> Iterator[bytes]:
    """The private anonymous pages of a process that is ours and holds still. Raises ProcessLookupError."""
    try:
        maps = os.fsdecode(Path(f"/proc/{pid}/maps").read_bytes()).rstrip("\n").split("\n")
        with Path(f"/proc/{pid}/mem").open("rb", 0) as memory, Path(f"/proc/{pid}/pagemap").open("rb", 0) as pagemap:
            for line in maps:
                limits, mode, _, _, inode, *name = line.split(maxsplit=5)
                if mode[3] != "p" or inode != "0" or (name and name[0].startswith("[v")):
                    continue
                start, end = (int(limit, 16) for limit in limits.split("-"))
                pagemap.seek(start // PAGE_BYTES * 8)
                entries = np.frombuffer(pagemap.read((end - start) // PAGE_BYTES * 8), dtype=np.uint64)
                for page in np.flatnonzero(entries & _PRESENT):
                    memory.seek(start + int(page) * PAGE_BYTES)
                    data = memory.read(PAGE_BYTES)
                    if len(data) == PAGE_BYTES:
                        yield data
    except FileNotFoundError as error:
        raise ProcessLookupError(pid) from error


def _child(pid: int, name: str) -> int:
    """The child of a process that runs a program of that name, 0 if there is none."""
    try:
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            if os.fsdecode(Path(f"/proc/{child}/comm").read_bytes()).strip() == name:
                return int(child)
    except (FileNotFoundError, ProcessLookupError):
        pass  # it has just ended
    return 0


def _resident(pid: int) -> int:
    """Pages of a process that are in memory."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return 0


def _even(pools: list[list[CorpusPage]], count: int) -> list[CorpusPage]:
    """Equal shares of different pages from every pool; what a small pool lacks, the larger ones give.

    Of each pool every n-th page is taken, so that all its regions are in.
    """
    seen: set[bytes] = set()
    different: list[list[CorpusPage]] = []
    for pool in pools:
        different.append([page for page in pool if page.data not in seen])
        seen |= {page.data for page in pool}
    pages: list[CorpusPage] = []
    different.sort(key=len)
    for index, pool in enumerate(different):
        share = min(len(pool), (count - len(pages)) // (len(different) - index))
        pages += [pool[i * len(pool) // share] for i in range(share)]
    return pages
