# SPDX-License-Identifier: MIT
"""Trace: what a program did with its pages, as a file.

A trace is a list of events (who touched which page, how) and the page contents they speak of, each content once. It is
what `sim/capture/` writes and a replay reads. Layout, meaning and losses: docs/trace.md.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import lzma
import os
import platform
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import NonNegativeInt, ValidationError

from hw.link import PAGE_BYTES
from sim.base.files import open_regular
from sim.base.value import Value
from sim.trace.scrub import kind_of_machine

MAGIC = b"VCRAMTRC"
VERSION, TIMED_VERSION = 1, 2
"""Of a file without times, and with them."""
NO_CONTENT = 0xFFFFFFFF
DEFAULT_MAX_EVENTS = 200_000
DEFAULT_MAX_CONTENTS = 32_768

# magic, version, header bytes, body bytes
_PREFIX = struct.Struct("<8sIIQ")
LARGEST = 4 << 30  # bytes of a file
_LARGEST_HEADER = 1 << 20
LARGEST_EVENTS, LARGEST_CONTENTS = 1 << 28, 1 << 20  # 3 GB and 4 GiB unpacked; a recording stops far below
_LARGEST_UNPACKER = 5 << 28  # bytes; a dictionary of 1 GiB, as `save` makes it at most, and some
_DIGEST_BYTES = hashlib.sha256().digest_size

EVENT_DTYPE = np.dtype([("space", "<u2"), ("kind", "u1"), ("page", "<u4"), ("content", "<u4")])
"""One event, 11 bytes: address space, Kind, page (see Event), content id or NO_CONTENT."""
LONGEST = 0xFFFFFFFF
"""ns between two events, as the file can say it; it stands for all that is longer, too."""


_ELAPSED = np.dtype("<u4")


class TraceError(Exception):
    """A trace file cannot be used; the message is one line that names the file and what is wrong with it."""


class Kind(IntEnum):
    """What an event says."""

    READ = 0
    WRITE = 1
    FORK = 2
    EXIT = 3
    UNMAP = 4
    PAGEOUT = 5
    PROMOTE = 6


@dataclass(frozen=True, slots=True)
class Event:
    """One step of a trace.

    Attributes:
        space: the address space, counted from 0.
        page: READ, WRITE, UNMAP, PAGEOUT, PROMOTE: the virtual page, a small number that means one page within its
            space (a forked space starts with its parent's pages under their numbers). FORK: the number of the new
            space. EXIT: 0.
        kind: what happened. A page's first event in a space that did not inherit it is a WRITE.
        content: WRITE: id of the 4096 bytes the page holds from here on. READ: id of what it must hold now.
            Otherwise NO_CONTENT.
    """

    space: int
    page: int
    kind: Kind
    content: int = NO_CONTENT


class TraceHeader(Value):
    """What a trace file says of itself, kept in it as JSON.

    Attributes:
        program: name of the recorded program.
        argv: its full command line.
        date: day of the recording, ISO 8601.
        recorder: what recorded it, with its own version and the kernel's.
        python: version of the Python that recorded it.
        window: pages that were open at a time (docs/trace.md, "Loss"); 0 where no recorder was at work.
        loss: what the trace does not show, in words.
        complete: False when the recording stopped at a limit before the program ended.
        events, contents, pages, spaces: counts; pages are distinct (space, page) pairs that were touched.
    """

    program: str
    argv: list[str]
    date: str
    recorder: str
    python: str
    window: NonNegativeInt
    loss: str
    complete: bool
    events: NonNegativeInt = 0
    contents: NonNegativeInt = 0
    pages: NonNegativeInt = 0
    spaces: NonNegativeInt = 0

    @classmethod
    def recorded_now(cls, argv: Sequence[str], recorder: str, *, window: int, loss: str, complete: bool) -> TraceHeader:
        """Of a recording that ends now, on this machine; `TraceWriter.finish` adds the counts."""
        return cls(
            program=Path(argv[0]).name,
            argv=list(argv),
            date=datetime.datetime.now(datetime.UTC).date().isoformat(),
            recorder=f"{recorder}, {kind_of_machine()}",
            python=platform.python_version(),
            window=window,
            loss=loss,
            complete=complete,
        )


@dataclass(frozen=True)
class Trace:
    """A trace in memory.

    Attributes:
        header: what it says of itself.
        events: shape (events,), EVENT_DTYPE, in the order they happened. Read only.
        contents: shape (contents, 4096), uint8; a content id is its row. Read only.
        elapsed: shape (events,), uint32: ns that the program ran, or waited for something else than its pages, since
            the event before; at most LONGEST. Read only. None: the trace keeps no time.
    """

    header: TraceHeader
    events: npt.NDArray[np.void]
    contents: npt.NDArray[np.uint8]
    elapsed: npt.NDArray[np.uint32] | None = None

    def __iter__(self) -> Iterator[Event]:
        """The events as values."""
        for space, kind, page, content in self.events.tolist():
            yield Event(space, page, Kind(kind), content)

    def page(self, content: int) -> bytes:
        """The 4096 bytes of a content id. Raises IndexError for an id that the trace does not have."""
        if not 0 <= content < len(self.contents):
            raise IndexError(f"content {content} of {len(self.contents)}")
        return bytes(self.contents[content])

    @classmethod
    def load(cls, path: Path) -> Trace:
        """Read and check a trace file. Raises TraceError when it is missing, damaged, or contradicts itself."""
        try:
            return _decode(_read(path))
        except OSError as error:
            raise TraceError(f"{path}: {error.strerror}") from error
        except TraceError as error:
            raise TraceError(f"{path}: {error}") from error


class TraceWriter:
    """Collects events and contents, then writes the file in one go, so that a file is whole or not there.

    Args:
        max_events, max_contents: when there are so many events or distinct page contents it is `full`; who records has
            to look. A content takes 4096 bytes of memory.
        passed: gives the ns that passed for the program since it was called last; called once an event. None: the
            trace keeps no time.
    """

    def __init__(
        self,
        max_events: int = DEFAULT_MAX_EVENTS,
        max_contents: int = DEFAULT_MAX_CONTENTS,
        *,
        passed: Callable[[], int] | None = None,
    ) -> None:
        self._max_events = max_events
        self._max_contents = max_contents
        self._passed = passed
        self._elapsed: list[int] = []
        self._events: list[tuple[int, int, int, int]] = []
        self._ids: dict[bytes, int] = {}
        self._contents: list[bytes] = []

    def __len__(self) -> int:
        """Events so far."""
        return len(self._events)

    @property
    def contents(self) -> int:
        """Distinct page contents so far."""
        return len(self._contents)

    @property
    def full(self) -> bool:
        """Nothing more is to be recorded."""
        return self.limit is not None

    @property
    def limit(self) -> Literal["max_events", "max_contents"] | None:
        """The limit that has been met, by its argument's name."""
        if len(self._events) >= self._max_events:
            return "max_events"
        return "max_contents" if len(self._contents) >= self._max_contents else None

    def content(self, data: bytes) -> int:
        """The id of a page's content, a new one if it was never seen. Raises ValueError unless it is 4096 bytes."""
        if len(data) != PAGE_BYTES:
            raise ValueError(f"a page has {PAGE_BYTES} bytes, not {len(data)}")
        identity = self._ids.setdefault(data, len(self._contents))
        if identity == len(self._contents):
            self._contents.append(data)
        return identity

    def data(self, content: int) -> bytes:
        """The 4096 bytes of a content id."""
        return self._contents[content]

    def append(self, event: Event) -> int:
        """Add an event; returns its position, for `settle`."""
        self._events.append((event.space, event.kind, event.page, event.content))
        if self._passed is not None:
            self._elapsed.append(min(self._passed(), LONGEST))
        return len(self._events) - 1

    def settle(self, position: int, content: int) -> None:
        """Set the content of an earlier WRITE, known only when the page could be read."""
        space, kind, page, _ = self._events[position]
        self._events[position] = (space, kind, page, content)

    def finish(self, header: TraceHeader) -> Trace:
        """The trace so far, its counts filled in. Raises TraceError if the events make no sense (see `check`)."""
        events = np.array(self._events, dtype=EVENT_DTYPE)
        contents = np.frombuffer(b"".join(self._contents), dtype=np.uint8).reshape(-1, PAGE_BYTES)
        elapsed = np.array(self._elapsed, dtype=np.uint32) if self._passed is not None else None
        trace = Trace(header.model_copy(update=_counts(events, contents)), events, contents, elapsed)
        check(trace)
        return trace


def save(trace: Trace, path: Path) -> int:
    """Write `trace` to `path`, replacing what was there only once the new file is whole. What is no file (a device, a
    pipe) is written to, and stays what it is.

    Returns: bytes written. Raises OSError.
    """
    columns = b"".join(trace.events[name].tobytes() for name in EVENT_DTYPE.names or ())
    version = VERSION
    if trace.elapsed is not None:
        version, columns = TIMED_VERSION, columns + trace.elapsed.astype("<u4").tobytes()
    body = lzma.compress(columns + trace.contents.tobytes(), filters=_filters(trace.contents.nbytes))
    header = json.dumps(trace.header.model_dump()).encode()
    data = _PREFIX.pack(MAGIC, version, len(header), len(body)) + header + body
    data += hashlib.sha256(data).digest()
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return len(data)
    path = path.resolve()  # a link stays a link
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return len(data)


def check(trace: Trace) -> None:
    """Follow every page through the events. Raises TraceError at the first that contradicts the ones before:
    a READ of a page that was never written, or of other content than the last WRITE left; an event of a space that has
    exited; a FORK into a space that exists."""
    spaces: dict[int, dict[int, int]] = {}
    gone: set[int] = set()
    for number, event in enumerate(trace):
        if event.space in gone:
            raise TraceError(f"event {number} is of space {event.space}, which has exited")
        pages = spaces.setdefault(event.space, {})
        match event.kind:
            case Kind.WRITE:
                pages[event.page] = event.content
            case Kind.READ if pages.get(event.page) != event.content:
                raise TraceError(
                    f"event {number} reads content {event.content} from page {event.page} of space "
                    f"{event.space}, which holds {pages.get(event.page, 'nothing')}"
                )
            case Kind.FORK if event.page in spaces or event.page in gone:
                raise TraceError(f"event {number} forks into space {event.page}, which exists")
            case Kind.FORK:
                spaces[event.page] = dict(pages)
            case Kind.PAGEOUT if event.page not in pages:
                raise TraceError(
                    f"event {number} takes out page {event.page} of space {event.space}, which holds nothing"
                )
            case Kind.PROMOTE if event.page not in pages:
                raise TraceError(
                    f"event {number} brings back page {event.page} of space {event.space}, which holds nothing"
                )
            case Kind.UNMAP if pages.pop(event.page, None) is None:
                raise TraceError(f"event {number} unmaps page {event.page} of space {event.space}, which holds nothing")
            case Kind.EXIT:
                del spaces[event.space]
                gone.add(event.space)


def _counts(events: npt.NDArray[np.void], contents: npt.NDArray[np.uint8]) -> dict[str, int]:
    touched = events[np.isin(events["kind"], (Kind.READ, Kind.WRITE))]
    forked = events["page"][events["kind"] == Kind.FORK]
    return {
        "events": len(events),
        "contents": len(contents),
        "pages": len(np.unique(touched[["space", "page"]])),
        "spaces": len(np.union1d(events["space"], forked)),
    }


def _filters(size: int) -> list[dict[str, int]]:
    # Versions of one page lie far apart; a dictionary as large as the body finds them all.
    dictionary = 1 << max(16, min(30, size.bit_length()))
    return [{"id": lzma.FILTER_LZMA2, "preset": 3, "dict_size": dictionary}]


def _read(path: Path) -> bytes:
    """The bytes of a trace file, once its first ones and its size say that it is one. Raises TraceError, OSError."""
    with open_regular(path) as file:
        prefix = file.read(_PREFIX.size)
        _check_size(prefix, os.fstat(file.fileno()).st_size)
        return prefix + file.read()


def _check_size(prefix: bytes, size: int) -> None:
    """Raise TraceError unless a file of `size` bytes may begin so."""
    if len(prefix) < _PREFIX.size or not prefix.startswith(MAGIC):
        raise TraceError("not a vcram trace" if not MAGIC.startswith(prefix[:8]) else "truncated trace: no full header")
    _, version, header_bytes, body_bytes = _PREFIX.unpack(prefix)
    if version not in (VERSION, TIMED_VERSION):
        raise TraceError(f"trace format version {version}; this program reads versions {VERSION} and {TIMED_VERSION}")
    expected = _PREFIX.size + header_bytes + body_bytes + _DIGEST_BYTES
    if size < expected:
        raise TraceError(f"truncated trace: {size} of {expected} bytes")
    if size > expected:
        raise TraceError(f"damaged trace: {size - expected} bytes after its end")
    if size > LARGEST or header_bytes > _LARGEST_HEADER:
        raise TraceError(f"trace of {size} bytes, its header of {header_bytes}: at most {LARGEST} are read")


def _decode(data: bytes) -> Trace:
    """The trace in a file's bytes, whose size is what its first ones say. Raises TraceError."""
    _, version, header_bytes, _ = _PREFIX.unpack_from(data)
    if hashlib.sha256(data[:-_DIGEST_BYTES]).digest() != data[-_DIGEST_BYTES:]:
        raise TraceError("damaged trace: checksum does not match")
    # From here on the file is as its writer left it, so what is wrong is the writer's doing.
    body_start = _PREFIX.size + header_bytes
    try:
        header = TraceHeader.model_validate_json(data[_PREFIX.size : body_start])
    except ValidationError as error:
        first = error.errors()[0]
        raise TraceError(f"bad trace header: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    if header.events > LARGEST_EVENTS or header.contents > LARGEST_CONTENTS:
        raise TraceError(f"{header.events} events and {header.contents} contents announced: more than any trace has")
    timed = version == TIMED_VERSION
    event_bytes = header.events * (EVENT_DTYPE.itemsize + (_ELAPSED.itemsize if timed else 0))
    content_bytes = header.contents * PAGE_BYTES
    try:
        # One byte more than announced is asked for, so that a body that is too long shows without being unpacked.
        body = lzma.LZMADecompressor(memlimit=_LARGEST_UNPACKER).decompress(
            data[body_start:-_DIGEST_BYTES], max_length=event_bytes + content_bytes + 1
        )
    except lzma.LZMAError as error:
        raise TraceError(f"damaged trace body: {error}") from error
    if len(body) != event_bytes + content_bytes:
        raise TraceError(f"trace body is not the {header.events} events and {header.contents} contents announced")
    events = np.empty(header.events, dtype=EVENT_DTYPE)
    offset = 0
    for name in EVENT_DTYPE.names or ():
        column = EVENT_DTYPE[name]
        events[name] = np.frombuffer(body, dtype=column, count=header.events, offset=offset)
        offset += header.events * column.itemsize
    elapsed = None
    if timed:
        elapsed = np.frombuffer(body, dtype=_ELAPSED, count=header.events, offset=offset)
        offset += header.events * _ELAPSED.itemsize
    contents = np.frombuffer(body, dtype=np.uint8, offset=offset).reshape(-1, PAGE_BYTES)
    _validate(events, header.contents)
    events.flags.writeable = False
    trace = Trace(header, events, contents, elapsed)
    check(trace)
    return trace


def _validate(events: npt.NDArray[np.void], contents: int) -> None:
    if len(events) and int(events["kind"].max()) > max(Kind):
        raise TraceError(f"unknown event kind {int(events['kind'].max())}")
    touches = np.isin(events["kind"], (Kind.READ, Kind.WRITE))
    if np.any(events["content"][touches] >= contents):
        raise TraceError("an event names a content that the trace does not have")
