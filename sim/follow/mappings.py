# SPDX-License-Identifier: MIT
"""What the kernel says of an address space: its mappings, and which of their pages are there.

The kernel's word is the only one. Marks of madvise(2) end with a mapping, move with it and are split with it, so nobody
here keeps a book of them.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from hw.link import PAGE_BYTES

_PRESENT, _SWAPPED = 1 << 63, 1 << 62
_TYPE, _MARKER = 31, 31  # of a swapped entry: a marker holds nothing (a guard page, a poisoned one)
_SCAN = 0xC0606610  # PAGEMAP_SCAN, since Linux 6.7
_SCAN_ARGUMENT = struct.Struct("<12Q")
_REGION = struct.Struct("<QQQ")
_REGIONS = 512
_IS_PRESENT, _IS_SWAPPED = 1 << 3, 1 << 4
_CHUNK = 1 << 17  # pages looked at with one read


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping of /proc/PID/smaps.

    Attributes:
        page, count: first page, pages.
        anonymous: private anonymous memory.
        wiped: a forked child finds zeros there (MADV_WIPEONFORK).
        locked: its pages are locked in memory (mlock).
        executable: code runs there.
        name: as the kernel gives it, "" for none.
    """

    page: int
    count: int
    anonymous: bool
    wiped: bool
    locked: bool
    executable: bool
    name: str


def mappings(pid: int, *, flags: bool = False) -> list[Mapping]:
    """The mappings of a process, in order of address; `wiped`, `locked` are known with `flags` only. Raises OSError;
    ProcessLookupError where it has no memory any more."""
    found: list[Mapping] = []
    told = lines(Path(f"/proc/{pid}/{'smaps' if flags else 'maps'}"))
    if not told:
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH), str(pid))
    for line in told:
        if line.startswith("VmFlags:"):
            marks = line.split()
            if "wf" in marks or "lo" in marks:
                found[-1] = replace(found[-1], wiped="wf" in marks, locked="lo" in marks)
        elif line[0] in "0123456789abcdef":  # all else begins with a capital
            found.append(_mapping(line))
    return found


def lines(path: Path) -> list[str]:
    """The lines of a file of /proc; names in it (of files, threads) are any bytes but a line feed. Raises OSError."""
    text = os.fsdecode(path.read_bytes()).rstrip("\n")
    return text.split("\n") if text else []


def _mapping(line: str) -> Mapping:
    limits, mode, _, _, inode, *name = line.split(maxsplit=5)
    start, end = (int(limit, 16) // PAGE_BYTES for limit in limits.split("-"))
    label = name[0] if name else ""
    anonymous = mode[3] == "p" and inode == "0" and not label.startswith(("[v", "[uprobes", "/"))
    return Mapping(start, end - start, anonymous, False, False, mode[2] == "x", label)


def within(ranges: Iterable[Mapping], page: int, count: int) -> list[tuple[int, int]]:
    """What of mappings, in order of address, lies in a range: (first page, pages) each."""
    end = page + count
    cut = [(max(each.page, page), min(each.page + each.count, end)) for each in ranges]
    return [(first, last - first) for first, last in cut if first < last]


def holes(page: int, count: int, parts: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """What of a range is in none of its parts, which are in order."""
    for first, pages in [*parts, (page + count, 0)]:
        if page < first:
            yield page, first - page
        page = first + pages


def outside(pages: Iterable[int], ranges: Iterable[Mapping]) -> list[int]:
    """Those of the pages that are in none of the mappings, which are in order of address."""
    known = list(ranges)
    starts = [each.page for each in known]
    gone = []
    for page in pages:
        at = bisect_right(starts, page) - 1
        if at < 0 or page >= known[at].page + known[at].count:
            gone.append(page)
    return gone


def present(pagemap: int, page: int, count: int) -> list[int]:
    """Which pages of a range have a page behind them; takes time by their number, not by the range's.

    Args:
        pagemap: descriptor of /proc/PID/pagemap.
    """
    found: list[int] = []
    try:
        regions = list(_scan(pagemap, page, count))
    except OSError as error:
        if error.errno not in (errno.ENOTTY, errno.EINVAL):
            raise
        regions = [(page, count, _IS_SWAPPED)]  # an older kernel: each entry has to be read
    for first, pages, categories in regions:
        if categories & _IS_SWAPPED:
            found += _entries(pagemap, first, pages)
        else:
            found += range(first, first + pages)
    return found


def _scan(pagemap: int, page: int, count: int) -> Iterator[tuple[int, int, int]]:
    """Regions of present or swapped pages: (first page, pages, categories)."""
    vector = ctypes.create_string_buffer(_REGIONS * _REGION.size)
    position, end = page * PAGE_BYTES, (page + count) * PAGE_BYTES
    while position < end:
        wanted = _IS_PRESENT | _IS_SWAPPED
        argument = bytearray(
            _SCAN_ARGUMENT.pack(
                _SCAN_ARGUMENT.size, 0, position, end, 0, ctypes.addressof(vector), _REGIONS, 0, 0, 0, wanted, wanted
            )
        )
        filled = fcntl.ioctl(pagemap, _SCAN, argument)
        for start, stop, categories in _REGION.iter_unpack(vector.raw[: filled * _REGION.size]):
            yield start // PAGE_BYTES, (stop - start) // PAGE_BYTES, categories
        position = _SCAN_ARGUMENT.unpack(argument)[4]


def _entries(pagemap: int, page: int, count: int) -> Iterator[int]:
    end = page + count
    while page < end:
        entries = memoryview(os.pread(pagemap, 8 * min(_CHUNK, end - page), 8 * page)).cast("Q")
        for number, entry in enumerate(entries):
            if entry & _PRESENT or (entry & _SWAPPED and entry & _TYPE != _MARKER):
                yield page + number
        page += len(entries) or end - page
