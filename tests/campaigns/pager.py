# SPDX-License-Identifier: MIT
"""`make pager`: real programs at a quarter of the memory they want, and twenty kills (docs/pager.md, "What is shown").

    python -m tests.campaigns.pager                 all parts
    python -m tests.campaigns.pager sqlite redis    these parts
    DEVICE=verilated python -m tests.campaigns.pager    on the RTL instead of its model

Needs root, and Debian's redis-server and redis-tools for that part. Writes build/pager.json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hw.places import results_folder

ROOT = Path(__file__).resolve().parent.parent.parent
DEVICE = os.environ.get("DEVICE", "model")
PARTS = ("python", "sqlite", "node", "redis", "kill")

SQLITE = """
import hashlib, random, sqlite3
rng = random.Random(7)
book = sqlite3.connect(":memory:")
book.execute("create table entries (number integer primary key, name text, body blob)")
book.execute("create index names on entries (name)")
def body(number, version):
    return (hashlib.sha256(b"%d/%d" % (number, version)).hexdigest() * 8).encode()
versions = {}
for number in range(60_000):
    versions[number] = 0
    book.execute("insert into entries values (?, ?, ?)", (number, "entry %d" % rng.getrandbits(40), body(number, 0)))
for _ in range(12_000):
    number = rng.randrange(60_000)
    versions[number] += 1
    book.execute("update entries set body = ? where number = ?", (body(number, versions[number]), number))
for number, held in book.execute("select number, body from entries"):
    assert held == body(number, versions[number]), number
assert book.execute("pragma integrity_check").fetchall() == [("ok",)]
print("integrity ok")
"""


NODE = """
const book = new Map(); let bad = 0;
for (let i = 0; i < 80000; i++) book.set("e" + i, {n: i, s: ("v" + i).repeat(5)});
for (let r = 0; r < 3; r++)
  for (const [k, v] of book) if (v.s !== ("v" + v.n).repeat(5) || k !== "e" + v.n) bad++;
const buffers = [...Array(200).keys()].map(i => Buffer.alloc(65536, i % 256));
for (let r = 0; r < 3; r++) buffers.forEach((b, i) => { if (b.some(x => x !== i % 256)) bad++; });
process.exit(bad ? 1 : 0);
"""


def pager(limit_kib: int, argv: list[str], figures: Path) -> list[str]:
    """The command line that pages another one."""
    return [sys.executable, "-m", "sim.cli", "pager", "--quiet", "--device", DEVICE, "--limit", f"{limit_kib}K",
            "--json", str(figures), "--", *argv]  # fmt: skip


def natural_kib(argv: list[str]) -> int:
    """What a program takes when nothing limits it."""
    code = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); " \
           "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code, *argv], check=True, capture_output=True, text=True, cwd=ROOT)
    return int(done.stderr.split()[-1])


def run(name: str, argv: list[str], limit_kib: int | None = None) -> dict[str, object]:
    """Page a program and check its end and its figures."""
    natural = natural_kib(argv) if limit_kib is None else 0
    limit = limit_kib or natural // 4
    with tempfile.NamedTemporaryFile() as file:
        start = time.monotonic()
        subprocess.run(pager(limit, argv, Path(file.name)), check=True, cwd=ROOT)
        seconds = time.monotonic() - start
        figures = json.loads(Path(file.name).read_text())
    return judge(name, natural, limit, seconds, figures)


def judge(name: str, natural: int, limit: int, seconds: float, figures: dict[str, int]) -> dict[str, object]:
    """The result of a run. Raises AssertionError where it paged too little to mean anything."""
    for what in ("evictions", "soft_faults", "promotions"):
        assert figures[what] > 1000, f"{name}: only {figures[what]} {what}"
    assert figures["lost"] == 0
    print(f"{name}: limit {limit:,} KiB (natural {natural:,}), {seconds:.1f} s, {figures['faults']:,} faults, "
          f"{figures['evictions']:,} evictions, {figures['soft_faults']:,} soft faults, "
          f"{figures['promotions']:,} promotions", flush=True)  # fmt: skip
    return {"name": name, "natural_kib": natural, "limit_kib": limit, "seconds": round(seconds, 1), "figures": figures}


class Redis:
    """A plain client."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        for _ in range(400):
            try:
                self._socket.connect(str(path))
                break
            except OSError:
                time.sleep(0.05)
        self._file = self._socket.makefile("rwb")

    def call(self, *words: bytes) -> bytes | None:
        """A command's answer."""
        self.send(*words)
        self._file.flush()
        return self.answer()

    def send(self, *words: bytes) -> None:
        """A command whose answer is taken later."""
        self._file.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words))

    def answer(self) -> bytes | None:
        """The next answer. Raises AssertionError for an error."""
        line = self._file.readline()
        assert line[:1] in (b"+", b"$", b":"), line
        if line[:1] != b"$":
            return line[1:-2]
        length = int(line[1:])
        return None if length < 0 else self._file.read(length + 2)[:-2]


def value(key: int) -> bytes:
    """What a key holds: half of it does not compress."""
    rng = random.Random(key)
    return rng.randbytes(400) + b"value of %d " % key * 30


@contextmanager
def redis_server(prefix: list[str], folder: Path) -> Iterator[tuple[Redis, Path]]:
    """A server on a socket, ended by itself."""
    path = folder / "socket"
    argv = ["redis-server", "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(folder),
            "--daemonize", "no", "--loglevel", "warning"]  # fmt: skip
    process = subprocess.Popen([*prefix, *argv], cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        client = Redis(path)
        yield client, path
        client.send(b"shutdown", b"nosave")
        client._file.flush()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def exercise(client: Redis, path: Path, keys: int) -> int:
    """Fill, benchmark, read back and compare, with a forked save under way; the server's resident KiB."""
    for first in range(0, keys, 500):
        for key in range(first, first + 500):
            client.send(b"set", b"kept:%d" % key, value(key))
        client._file.flush()
        for _ in range(500):
            client.answer()
    subprocess.run(["redis-benchmark", "-s", str(path), "-q", "-n", "20000", "-r", "20000", "-d", "200", "-t",
                    "set,get,lpush,lpop,incr"], check=True, stdout=subprocess.DEVNULL)  # fmt: skip
    for key in range(0, keys, 8):  # here and there, so that pages are written to that went long ago
        assert client.call(b"set", b"kept:%d" % key, value(key)) == b"OK"
    assert client.call(b"bgsave") is not None
    for first in range(0, keys, 500):
        for key in range(first, first + 500):
            client.send(b"get", b"kept:%d" % key)
        client._file.flush()
        for key in range(first, first + 500):
            assert client.answer() == value(key), key
    while b"rdb_bgsave_in_progress:1" in (client.call(b"info", b"persistence") or b""):
        time.sleep(0.1)
    information = client.call(b"info") or b""
    assert b"rdb_last_bgsave_status:ok" in information
    peak = next(line for line in information.split(b"\r\n") if line.startswith(b"used_memory_peak:"))
    return int(peak.split(b":")[1]) // 1024


def redis(keys: int = 40_000) -> dict[str, object]:
    """redis-server, without and with the pager."""
    with tempfile.TemporaryDirectory() as folder, redis_server([], Path(folder)) as (client, path):
        natural = exercise(client, path, keys)
    with tempfile.TemporaryDirectory() as folder:
        figures, start = Path(folder) / "figures.json", time.monotonic()
        with redis_server(pager(natural // 4, [], figures), Path(folder)) as (client, path):
            exercise(client, path, keys)
        return judge("redis", natural, natural // 4, time.monotonic() - start, json.loads(figures.read_text()))


KILLED = """
import hashlib, mmap, os, random, sys
PAGES = 1600
memory = mmap.mmap(-1, PAGES * 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for page in range(PAGES):
    memory[page * 4096:page * 4096 + 4096] = hashlib.sha256(b"%d" % page).digest() * 128
output = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
view = memoryview(memory)
if os.fork() == 0:
    os.close(output)
    output = os.open(sys.argv[1] + ".child", os.O_WRONLY | os.O_CREAT)
while True:
    first = random.randrange(PAGES - 4)
    os.write(output, view[first * 4096:first * 4096 + 4 * 4096])
    if os.lseek(output, 0, os.SEEK_CUR) > 64 << 20:
        os.lseek(output, 0, os.SEEK_SET)
"""


def kill(number: int) -> dict[str, object]:
    """Kill one of those involved at some moment; nobody may be left, and no byte may be wrong."""
    import hashlib

    rng = random.Random(number)
    victim = ("pager", "guardian", "program", "pager and guardian")[number % 4]
    delay = rng.uniform(0.0, 2.0)
    right = {hashlib.sha256(b"%d" % page).digest() * 128 for page in range(1600)}
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "written"
        argv = pager(1600, [sys.executable, "-I", "-S", "-c", KILLED, str(output)], Path(folder) / "figures")
        process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   start_new_session=True)  # fmt: skip
        while process.poll() is None and not output.exists():
            time.sleep(0.01)
        time.sleep(delay)
        before = family(process.pid)
        mine = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        guardians = [pid for pid in before if command_line(pid) == mine and pid != process.pid]
        programs = [pid for pid in before if pid not in guardians and pid != process.pid]
        victims = {
            "pager": [process.pid],
            "guardian": guardians[:1],
            "program": programs[:1],
            "pager and guardian": [process.pid, *guardians[:1]],
        }[victim]
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        if victim == "program" and programs:
            time.sleep(0.2)
            os.kill(process.pid, signal.SIGTERM)  # its child would go on for ever
        process.wait(30)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and any(map(alive, before)):
            time.sleep(0.02)
        assert not any(map(alive, before)), f"{victim}: still alive"
        wrong = checked = 0
        for file in (output, output.with_name("written.child")):
            data = file.read_bytes() if file.exists() else b""
            for at in range(0, len(data) - len(data) % 4096, 4096):
                checked += 1
                wrong += data[at : at + 4096] not in right
        assert not wrong, f"{victim} after {delay:.2f} s: {wrong} of {checked} pages are wrong"
    print(f"kill {number}: {victim} after {delay:.2f} s: {checked} pages written, all right, nobody left", flush=True)
    return {"victim": victim, "delay_s": round(delay, 2), "pages": checked}


def family(pid: int) -> list[int]:
    """A process and all below it."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [pid, *(below for child in children for below in family(int(child)))]


def command_line(pid: int) -> bytes:
    """Empty where the pager has the page."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def alive(pid: int) -> bool:
    """It runs, or may run again."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def main(arguments: list[str]) -> None:
    """Everything, or the parts that are named."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaigns.pager",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (all)")
    wanted = parser.parse_args(arguments).parts or PARTS
    if unknown := [part for part in wanted if part not in PARTS]:
        parser.error(f"no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    results: list[dict[str, object]] = []
    if "python" in wanted:
        tests = ["test_dict", "test_list", "test_json", "test_sqlite3"]
        results.append(run("python tests", ["python3", "-m", "test", "-q", *tests], 24 << 10))
    if "sqlite" in wanted:
        results.append(run("sqlite", ["python3", "-c", SQLITE]))
    if "node" in wanted and shutil.which("node"):
        results.append(run("node", ["node", "-e", NODE]))
    if "redis" in wanted:
        assert shutil.which("redis-server") and shutil.which("redis-benchmark"), "install redis-server and redis-tools"
        results.append(redis())
    if "kill" in wanted:
        results += [kill(number) for number in range(20)]
    result = results_folder() / "pager.json"
    result.parent.mkdir(parents=True, exist_ok=True)
    result.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
