# SPDX-License-Identifier: MIT
"""Pages for the engines' bench: of each kind of real content, those that the device would compress.

Heaps come from running programs (sim/corpus/corpus.py), code and text from the files of this machine's Python. Zero
pages and pages of one repeated word are left out: the device stores them in its table.
"""

from __future__ import annotations

import shutil
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

import find_libpython

from hw.link import PAGE_BYTES
from sim.corpus.corpus import CorpusError, Program, pages_of, programs
from sim.corpus.figures import is_same

# A table of every word of the standard library's source with its places, and an index: a database of real rows.
_DATABASE = """
import gc, re, sqlite3, sysconfig
from pathlib import Path
book = sqlite3.connect(":memory:")
book.execute("create table files (number integer primary key, path text, bytes integer)")
book.execute("create table words (file integer, line integer, word text)")
for number, path in enumerate(sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[:60]):
    text = path.read_text(errors="replace")
    book.execute("insert into files values (?, ?, ?)", (number, str(path), len(text)))
    book.executemany("insert into words values (?, ?, ?)", ((number, line, word)
        for line, content in enumerate(text.splitlines()) for word in re.findall(r"[A-Za-z_]+", content)))
book.execute("create index places on words (word, file)")
book.commit()
del text; gc.collect()
print("ready", flush=True)
input()
"""
# Objects, strings, closures and code of a JavaScript engine that reads, groups and sorts records.
_JAVASCRIPT = """
const fs = require("fs"), kept = [];
const words = fs.readFileSync(process.argv[1], "utf8").split(/[^A-Za-z_]+/);
const index = new Map();
words.forEach((word, at) => { const places = index.get(word) || []; places.push(at); index.set(word, places); });
for (let i = 0; i < 30000; i++) {
  const word = words[i % words.length];
  kept.push({ id: i, word, key: word + ":" + i, weight: Math.sin(i) * 1e3, tags: [word.length, i % 7],
    next: () => i + 1 });
}
const text = JSON.stringify(kept), again = JSON.parse(text);
again.sort((a, b) => (a.word < b.word ? -1 : a.word > b.word ? 1 : a.weight - b.weight));
const groups = again.reduce((all, row) => { (all[row.word] = all[row.word] || []).push(row); return all; },
  Object.create(null));
console.log("ready");
process.stdin.once("data", () => process.exit(Object.keys(groups).length + text.length + index.size ? 0 : 1));
"""
_HEAPS = ("python-objects", "python-numbers", "compiler")


def heap_programs() -> list[Program]:
    """The programs whose heaps are looked at, of those that this machine has."""
    text = str(Path(sysconfig.get_path("stdlib")) / "argparse.py")
    known = [
        *(program for program in programs() if program.kind in _HEAPS),
        Program("database", (sys.executable, "-I", "-c", _DATABASE)),
        Program("javascript", ("node", "-e", _JAVASCRIPT, text)),
    ]
    return [program for program in known if shutil.which(program.argv[0])]


def bench_kinds() -> list[str]:
    """The kinds of pages that this machine has."""
    return sorted(["code", "text", *(program.kind for program in heap_programs())])


def bench_pages(count: int, kinds: Iterable[str] | None = None, cache: Path | None = None) -> dict[str, list[bytes]]:
    """`count` different pages of each kind, every n-th of what there is, none zero or of one repeated word.

    Args:
        count: pages of a kind.
        kinds: names from `bench_kinds()`; all by default.
        cache: folder where gathered pages are kept; build/corpus if not given.

    Raises:
        CorpusError: a kind has fewer pages, or is not known here.
    """
    wanted = bench_kinds() if kinds is None else list(kinds)
    return {kind: choose(kind, _all(kind, cache), count) for kind in wanted}


def _all(kind: str, cache: Path | None) -> list[bytes]:
    if kind == "code":
        return _cut([Path(find_libpython.find_libpython() or sys.executable).resolve()])
    if kind == "text":
        return _cut(sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")))
    for program in heap_programs():
        if program.kind == kind:
            return pages_of(program, cache)
    raise CorpusError(f"no kind {kind!r} here; there are {', '.join(bench_kinds())}")


def _cut(files: list[Path]) -> list[bytes]:
    texts = (file.read_bytes() for file in files)
    return [text[i : i + PAGE_BYTES] for text in texts for i in range(0, len(text) - PAGE_BYTES + 1, PAGE_BYTES)]


def choose(kind: str, pages: list[bytes], count: int) -> list[bytes]:
    """`count` different pages of a kind, every n-th of those that the device would compress. Raises CorpusError: there
    are fewer."""
    different = [page for page in dict.fromkeys(pages) if not is_same(page)]
    if len(different) < count:
        raise CorpusError(f"{count} pages of {kind} wanted, there are {len(different)}")
    return [different[i * len(different) // count] for i in range(count)]
