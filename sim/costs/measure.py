# SPDX-License-Identifier: MIT
"""What this host can measure of the costs of software steps (vswap/base/costs.py), without privileges.

Each figure is the median of several rounds over memory that is larger than the caches, in ns of the processor; those of
the disk are of the clock. Calls from Python cost some 50 ns themselves, which the long ones do not notice.
"""

from __future__ import annotations

import ctypes
import gc
import mmap
import os
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median

from hw.link import PAGE_BYTES
from sim.corpus.files import load
from sim.corpus.files import pages as corpus_pages
from sim.data import CORPUS
from vswap.tiers.compressors import COMPRESSORS, Compressor

PAGES = 8_192
"""32 MiB, beyond most caches."""
ROUNDS = 7
DISK_PAGES = 4_096
DISK_SAMPLES = 256

_LIBC = ctypes.CDLL(None, use_errno=True)
_NOHUGEPAGE, _DONTNEED = 15, 4  # madvise(2)


@dataclass(frozen=True)
class Measured:
    """One cost.

    Attributes:
        name: of the field of Costs.
        ns: the cost; None where it could not be measured.
        how: what was measured, or why it could not be.
    """

    name: str
    ns: int | None
    how: str


def measure(disk: Path | None, progress: Callable[[str], None] = lambda _: None) -> Iterator[Measured]:
    """Measure everything that can be; `disk`: a folder on the disk that is to stand for the swapfile's. `progress` is
    told what comes next. Raises OSError."""
    progress("zeroing, copying and comparing pages")
    memory = _memory()
    zero = memory["page_zero"]
    for name, how in (("page_zero", "memset"), ("page_copy", "memcpy"), ("zero_test", "memcmp")):
        yield Measured(name, memory[name], f"{how} over {PAGES:,} pages")
    progress("page faults")
    yield Measured("fault", max(1, _fault() - zero), "first touch of an anonymous page, less its zeroing")
    progress("fork")
    yield Measured("fork_pte", _fork_pte(), f"fork with {PAGES:,} more pages")
    progress("TLB shootdowns")
    yield _tlb_shootdown()
    pages = _pages()
    for compressor in COMPRESSORS.values():
        progress(f"the compressor {compressor.name}")
        yield from _compressor(compressor, pages)
    progress("the disk")
    yield from _disk(disk)


# Memory


def _memory() -> dict[str, int]:
    """ns a page of three ways to go through memory that is present."""
    with _region() as source, _region() as target:
        at, to, size = _address(source), _address(target), PAGES * PAGE_BYTES
        ctypes.memset(at, 0, size)
        ctypes.memset(to, 0, size)
        return {
            "page_zero": _each(lambda: ctypes.memset(at, 0, size)),
            "page_copy": _each(lambda: ctypes.memmove(to, at, size)),
            "zero_test": _each(lambda: _LIBC.memcmp(ctypes.c_void_p(at), ctypes.c_void_p(at + 1),
                                                    ctypes.c_size_t(size - 1))),
        }  # fmt: skip


def _fault() -> int:
    """ns of the first touch of a page: a store to each, in one call."""
    with _region() as region:
        first_bytes = memoryview(region)[::PAGE_BYTES]
        ones = b"\1" * PAGES

        def touch() -> None:
            first_bytes[:] = ones

        try:
            return _each(touch, before=lambda: region.madvise(_DONTNEED))
        finally:
            first_bytes.release()


def _fork_pte() -> int:
    """ns that a fork takes longer for each page that is present."""
    with _region() as region:
        before = _fork()
        ctypes.memset(_address(region), 1, PAGES * PAGE_BYTES)
        return max(1, round((_fork() - before) / PAGES))


def _fork() -> float:
    def once() -> int:
        start = time.thread_time_ns()
        child = os.fork()
        if not child:
            os._exit(0)
        took = time.thread_time_ns() - start
        os.waitpid(child, 0)
        return took

    return median(once() for _ in range(ROUNDS))


# Other processors


def _tlb_shootdown() -> Measured:
    """How much longer it takes to give a page up while other processors run the same program."""
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) == 1:
        return Measured("tlb_shootdown", None, "there is one processor only")
    own = threading.get_native_id()
    before = os.sched_getaffinity(own)
    os.sched_setaffinity(own, processors[:1])
    try:
        alone = _give_up()
        with _busy(processors[1:]):
            together = _give_up()
    finally:
        os.sched_setaffinity(own, before)
    how = f"madvise(DONTNEED) of a page, with {len(processors) - 1} other processors in the program and without"
    return Measured("tlb_shootdown", max(1, round(together - alone)), how)


def _give_up() -> float:
    """ns of madvise(DONTNEED) of a page that is present."""
    with _region() as region:

        def once() -> int:
            region[0] = 1
            start = time.thread_time_ns()
            region.madvise(_DONTNEED, 0, PAGE_BYTES)
            return time.thread_time_ns() - start

        return median(once() for _ in range(2_000))


@contextmanager
def _busy(processors: Sequence[int]) -> Iterator[None]:
    """Threads on these processors that compute, most of the time without Python's lock."""
    stop = threading.Event()
    data = bytes(64 << 20)

    def work(processor: int) -> None:
        os.sched_setaffinity(threading.get_native_id(), {processor})
        while not stop.is_set():
            zlib.crc32(data)

    threads = [threading.Thread(target=work, args=(processor,), daemon=True) for processor in processors]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


# Compressors


def _pages() -> list[bytes]:
    """Copies of the corpus' pages of real programs, at different places: no cache has them."""
    kinds = [corpus_pages(CORPUS, entry) for entry in load(CORPUS).entries]
    found = [page for kind in kinds for page in kind if len(page) == PAGE_BYTES and any(page)]
    Random(1).shuffle(found)
    return [bytes(bytearray(found[number % len(found)])) for number in range(PAGES)]


def _compressor(compressor: Compressor, pages: Sequence[bytes]) -> Iterator[Measured]:
    """Each page is taken once, so that none is in a cache when it is."""
    name = {"lz4": "zswap"}.get(compressor.name, compressor.name)
    how = f"{len(pages):,} pages of programs, each once"
    compressing, blocks = _one(compressor.compress, pages)
    yield Measured(f"{name}_compress", compressing, how)
    yield Measured(f"{name}_decompress", _one(compressor.decompress, blocks)[0], how)


def _one(call: Callable[[bytes], bytes], work: Sequence[bytes]) -> tuple[int, list[bytes]]:
    """ns of a call, the median of ROUNDS parts of the work; and what the calls gave."""
    part = len(work) // ROUNDS
    made: list[bytes] = []
    parts = iter(range(0, part * ROUNDS, part))

    def run() -> int:
        first = next(parts)
        start = time.thread_time_ns()
        made.extend(map(call, work[first : first + part]))
        return time.thread_time_ns() - start

    return max(1, round(_quiet_median(run) / part)), made


# The disk


def _disk(folder: Path | None) -> Iterator[Measured]:
    names = ("swapfile_write", "swapfile_read")
    if folder is None:
        yield from (Measured(name, None, "no folder on the disk was named (--disk)") for name in names)
        return
    path = folder / f".vcram-costs-{os.getpid()}"
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_DIRECT, 0o600)
    except OSError as error:
        if error.errno is None or folder.is_dir() is False:
            raise
        yield from (Measured(name, None, f"{folder} has no direct I/O: {os.strerror(error.errno)}") for name in names)
        return
    try:
        with mmap.mmap(-1, PAGE_BYTES) as buffer:  # aligned, as direct I/O wants it
            buffer.write(os.urandom(PAGE_BYTES))
            for number in range(DISK_PAGES):
                os.pwrite(file, buffer, number * PAGE_BYTES)
            os.fsync(file)
            places = [place * PAGE_BYTES for place in Random(2).sample(range(DISK_PAGES), DISK_SAMPLES)]
            for name, call in (("swapfile_write", lambda at: os.pwrite(file, buffer, at)),
                               ("swapfile_read", lambda at: os.preadv(file, [buffer], at))):  # fmt: skip
                yield Measured(name, round(median(_timed(call, at) for at in places)), f"direct I/O in {folder}")
    finally:
        os.close(file)
        path.unlink()


def _timed(call: Callable[[int], object], at: int) -> int:
    start = time.perf_counter_ns()
    call(at)
    return time.perf_counter_ns() - start


# Help


@contextmanager
def _region() -> Iterator[mmap.mmap]:
    """Anonymous memory of PAGES small pages."""
    with mmap.mmap(-1, PAGES * PAGE_BYTES, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as region:
        region.madvise(_NOHUGEPAGE)
        yield region


def _address(region: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(region))


def _each(work: Callable[[], object], before: Callable[[], object] = lambda: None) -> int:
    """ns of some work, for each of PAGES."""

    def run() -> int:
        before()
        start = time.thread_time_ns()
        work()
        return time.thread_time_ns() - start

    return max(1, round(_quiet_median(run) / PAGES))


def _quiet_median(run: Callable[[], int]) -> float:
    """The median of ROUNDS, without the garbage collector."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        return median(run() for _ in range(ROUNDS))
    finally:
        if collecting:
            gc.enable()
