# SPDX-License-Identifier: MIT
"""Page cache of the model device (docs/device/cache.md; docs/device/pressure.md, "Exhaustion").

All operations are atomic: they happen at once. They say in `elapsed` how many cycles the device would be busy, and
in `answered` after how many of them the host has its answer.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress

from hw.codes import EventCode, PageState
from hw.engines import EngineListener
from hw.link import LINE_BYTES, LINES_PER_PAGE, ZERO_PAGE
from hw.links.model_signals import Signals
from hw.links.model_store import FREE, NotStored, PageLost, PageStore, StoredPage
from hw.links.model_timing import ModelTiming
from hw.parameters import DeviceParameters
from hw.registers import Counts

ALL_LINES = (1 << LINES_PER_PAGE) - 1


class PageRefused(Exception):  # noqa: N818 - the name of the condition
    """The page is poison, or has just become so, or is not admitted, or there is no room: SLVERR."""


class Entry:
    """A cached page: its bytes, a valid and a dirty bit per line (bit n is line n).

    The bytes are immutable as long as whole pages come and go, which then needs no copy.
    """

    __slots__ = ("content", "dirty", "page", "valid")

    def __init__(self, page: int, content: bytes | bytearray, valid: int) -> None:
        self.page = page
        self.content = content
        self.valid = valid
        self.dirty = 0


class PageCache:
    """Decompressed pages over a PageStore."""

    def __init__(
        self, parameters: DeviceParameters, timing: ModelTiming, store: PageStore, counts: Counts, signals: Signals
    ) -> None:
        self.reserved = 0  # sectors promised to dirty entries
        self.elapsed = 0  # cycles that the operation under way has taken so far
        self.answered = 0  # cycles until the host had its answer
        self.told: EngineListener | None = None  # of busy engines, in cycles since the operation began
        self._streamed = 0  # cycles of the latest fill in which lines came in
        self._writing = 0  # lines of the write under way that are not accepted yet
        self._timing = timing
        self._store = store
        self._counts = counts
        self._signals = signals
        self._capacity = parameters.cache_pages
        self._spares = parameters.spare_entries
        self._raw_sectors = parameters.raw_sectors
        self._entries: OrderedDict[int, Entry] = OrderedDict()  # least recently used first
        self._complete = False  # some entry may have 64 dirty lines
        self._stuck = False  # a close has failed: complete entries are not closed by themselves
        self._judge()

    # Host accesses

    def read(self, page: int, first: int, count: int) -> bytes:
        """Lines `first` .. `first + count - 1` of a page. Raises PageRefused."""
        try:
            return self._read(page, first, count)
        finally:
            self._end()

    def write(self, page: int, first: int, data: bytes) -> None:
        """Write whole lines from line `first` on; `data` is kept, not copied, if it is a page. Raises PageRefused."""
        try:
            self._write(page, first, data)
        finally:
            self._end()

    def _read(self, page: int, first: int, count: int) -> bytes:
        self.elapsed = self.answered = self._timing.line_hit + count
        self._streamed = 0
        entry = self._entries.get(page)
        if entry is None:
            entry = self._open(page, True, count)
        else:
            if entry.valid != ALL_LINES and ~entry.valid & (((1 << count) - 1) << first):
                self._fill(entry)
            self._entries.move_to_end(page)
        self._counts.lines_read += count
        self._signals.heat.access(page)
        # A page that is being filled is there line by line: the host need not wait for those behind its own.
        if count == LINES_PER_PAGE:
            self.answered = self.elapsed
            return bytes(entry.content)
        self.answered = self.elapsed - self._streamed * (LINES_PER_PAGE - first - count) // LINES_PER_PAGE
        return bytes(entry.content[first * LINE_BYTES : (first + count) * LINE_BYTES])

    def _write(self, page: int, first: int, data: bytes) -> None:
        count = len(data) // LINE_BYTES
        self.elapsed = self.answered = self._timing.line_hit + count
        self._writing = count
        entry = self._entries.get(page) or self._open(page, False, count)
        end = first + count
        if count == LINES_PER_PAGE and not entry.dirty:
            self._reserve(entry)
            entry.content = bytes(data)  # no copy, unless somebody may still change it
            entry.valid = entry.dirty = ALL_LINES
            self._accepted(page, count)
            self._complete = True
            return
        while first < end:
            if not entry.dirty:
                self._reserve(entry)
            # The entry is complete, and closed, as soon as its highest line that is not dirty yet is written.
            missing = (ALL_LINES & ~entry.dirty).bit_length()
            complete = first < missing <= end and entry.dirty | _lines(first, missing) == ALL_LINES
            stop = missing if complete else end
            size = (stop - first) * LINE_BYTES
            if not isinstance(entry.content, bytearray):
                entry.content = bytearray(entry.content)
            entry.content[first * LINE_BYTES : stop * LINE_BYTES] = data[:size]
            data = data[size:]
            written = _lines(first, stop)
            entry.valid |= written
            entry.dirty |= written
            self._accepted(page, stop - first)
            first = stop
            self._complete |= complete
            if complete and first < end:
                self._end()
                if page not in self._entries:
                    raise PageRefused

    # Commands

    def flags(self, page: int) -> tuple[bool, bool]:
        """(cached, dirty) of a page."""
        entry = self._entries.get(page)
        return entry is not None, entry is not None and entry.dirty != 0

    def close(self, page: int) -> None:
        """Close a page if it is dirty. Raises NotStored; it stays dirty then."""
        entry = self._entries.get(page)
        try:
            if entry is not None and entry.dirty:
                self._close(entry)
        finally:
            self._end()

    def flush(self) -> None:
        """Close every dirty entry, least recently used first. Raises NotStored: the first that stays dirty."""
        try:
            for entry in list(self._entries.values()):
                if entry.dirty:
                    self._close(entry)
        finally:
            self._end()

    def import_block(self, page: int, block: bytes, crc: int) -> None:
        """Replace a page by an LZ4 block.

        Raises PageLost or NotStored; the page is then as it was, and an event is logged.
        """
        begin, streamed = self._timing.fill(len(block))
        self.elapsed += begin + streamed
        try:
            self._store.put_block(page, block, crc, self.reserved + self._raw_sectors)
            self._stuck = False
            self._drop(page)
            self._counts.pages_imported += 1
        except (PageLost, NotStored):
            self._signals.log(EventCode.IMPORT_REFUSED, page)
            raise
        finally:
            self._end()

    def renew(self, page: int, cause: EventCode) -> bool:
        """Store a page anew whose stored copy cannot be read, for this cause; False if it is not cached.

        Raises PageRefused: there is no room. Raises NotStored: it, or another dirty entry, stays dirty.
        """
        entry = self._entries.get(page)
        if entry is None:
            return False
        try:
            while not self.make_room():
                pass
            self.reserved += self._raw_sectors
            entry.dirty = 1
            self._entries.move_to_end(page)
            self._close(entry, cause)
        finally:
            self._end()
        return True

    def make_room(self) -> bool:
        """Whether a raw page has room; if not, closes one dirty entry.

        Raises PageRefused: none is left. Raises NotStored: it stays dirty.
        """
        if self._store.sectors.free - self.reserved >= self._raw_sectors:
            return True
        other = next((entry for entry in self._entries.values() if entry.dirty), None)
        if other is None:
            raise PageRefused
        self._close(other)
        return False

    def trim(self, page: int) -> None:
        """Forget a page in whatever state it is."""
        if self._store.entry(page).chain:
            self._stuck = False
        self._drop(page)
        self._store.free(page)
        self._signals.heat.forget(page)
        self._counts.pages_trimmed += 1
        self.elapsed += 2
        self._end()

    def poison(self, page: int, code: EventCode) -> None:
        """The content of a page is lost, by a command."""
        self._lose(page, code)
        self._end()

    # Inside

    def _lose(self, page: int, code: EventCode) -> None:
        if self._store.entry(page).chain:
            self._stuck = False
        self._signals.log(code, page)  # before the sectors that are retired with it
        self._drop(page)
        self._store.poison(page, code)
        self._counts.pages_poisoned += 1

    def _end(self) -> None:
        """An operation has ended: complete entries are closed, then the watermarks are judged.

        While few entries are not dirty, the least recently used one is cleaned, so that misses find clean victims.
        """
        while self._complete and not self._stuck:
            entry = next((entry for entry in self._entries.values() if entry.dirty == ALL_LINES), None)
            if entry is None:
                self._complete = False
                break
            with suppress(NotStored):
                self._close(entry)
        self._judge()
        while not self._stuck and self._spare() < self._spares:
            with suppress(NotStored):
                self._close(next(entry for entry in self._entries.values() if entry.dirty))
            self._judge()

    def _spare(self) -> int:
        """Entries that can be taken without closing one."""
        return self._capacity - sum(1 for entry in self._entries.values() if entry.dirty)

    def _judge(self, uncertain: int = 0) -> None:
        """Show the watermarks what can still be promised; `uncertain`: promised sectors that do not count yet."""
        self._signals.watch(max(0, self._store.sectors.free - self.reserved + uncertain))

    def _refuse(self, page: int, code: EventCode, lines: int, write: bool) -> PageRefused:
        """An access finds no room: it is refused, and nothing else happens. A write is told once."""
        self._counts.lines_refused += lines
        if write:
            self._signals.log(code, page)
        self.answered = self.elapsed
        return PageRefused()

    def _accepted(self, page: int, lines: int) -> None:
        """Lines were written: their page is the most recently used, and the host has its answer."""
        self._counts.lines_written += lines
        self._writing -= lines
        self._entries.move_to_end(page)
        self.answered = self.elapsed

    def _open(self, page: int, filled: bool, lines: int) -> Entry:
        """Take an entry for a page that is not cached, for so many lines; `filled`: for a read.

        Raises PageRefused if it is poison or, filled, turns out so, or may not be written, or no entry can be had.
        """
        stored = self._store.entry(page)
        if stored.state is PageState.POISON:
            raise PageRefused
        while True:
            if not filled and (self._store.fenced or self._signals.critical):
                self._admit(page)
            try:
                if len(self._entries) < self._capacity or self._has_room():
                    break
            except NotStored as failed:
                raise self._refuse(page, failed.code, lines, not filled) from None
        self._counts.pages_opened += 1
        self.elapsed += self._timing.open_page
        if stored is FREE:
            entry = Entry(page, ZERO_PAGE, ALL_LINES)
        elif filled:
            entry = Entry(page, self._content(page, stored), ALL_LINES)
        else:
            entry = Entry(page, ZERO_PAGE, 0)
        self._entries[page] = entry
        return entry

    def _has_room(self) -> bool:
        """Give up a clean entry for another page; else close a dirty one, and False."""
        for page, entry in self._entries.items():
            if not entry.dirty:
                del self._entries[page]
                return True
        self._close(next(iter(self._entries.values())))
        return False

    def _admit(self, page: int) -> None:
        """Raises PageRefused where a page may not become dirty: fenced, or free in the critical state."""
        if page in self._store.fenced:
            self._counts.lines_fenced += self._writing
            self._signals.log(EventCode.FENCED, page)
            raise PageRefused
        if self._signals.critical and self._store.entry(page) is FREE:
            self._counts.lines_not_admitted += self._writing
            self._signals.log(EventCode.NOT_ADMITTED, page)
            raise PageRefused

    def _reserve(self, entry: Entry) -> None:
        """Reserve sectors for an entry that becomes dirty. Raises PageRefused: not admitted, or no room."""
        sectors, need = self._store.sectors, self._raw_sectors
        if self._store.fenced or self._signals.critical:
            self._admit(entry.page)
        while sectors.free - self.reserved < need:
            other = next((other for other in self._entries.values() if other.dirty), None)
            if other is None:
                raise self._refuse(entry.page, EventCode.EXHAUSTED, self._writing, True)
            try:
                self._close(other)
            except NotStored as failed:
                raise self._refuse(entry.page, failed.code, self._writing, True) from None
            self._admit(entry.page)
        if not self._stuck and self._spare() <= self._spares:  # another page is closed first
            other = next((other for other in self._entries.values() if other.dirty), None)
            if other is not None:
                with suppress(NotStored):
                    self._close(other)
                self._admit(entry.page)
        self.reserved += need
        self._stuck = False  # another try for each page that becomes dirty
        if self._writing > 1:  # as long as lines follow, the page may be complete, and closed, in the end
            self._judge(need)

    def _content(self, page: int, stored: StoredPage) -> bytes:
        """The stored form of a page, decompressed. Raises PageRefused after poisoning it if it is damaged."""
        try:
            content = self._store.get(page)
        except PageLost as lost:
            self._lose(page, lost.code)
            self.answered = self.elapsed
            raise PageRefused from None
        begin, self._streamed = self._timing.fill(stored.length)
        if self.told is not None and stored.length:
            self.told("media", self.elapsed, self.elapsed + self._timing.media(stored.length))
            if stored.state is PageState.LZ4:
                self.told("decompressor", self.elapsed + begin, self.elapsed + begin + self._streamed)
        self.elapsed += begin + self._streamed
        self._counts.pages_filled += 1
        return content

    def _fill(self, entry: Entry) -> None:
        """Bring in the lines that the host has not written. Raises PageRefused."""
        content = bytearray(self._content(entry.page, self._store.entry(entry.page)))
        for line in range(LINES_PER_PAGE):
            if entry.valid >> line & 1:
                start = line * LINE_BYTES
                content[start : start + LINE_BYTES] = entry.content[start : start + LINE_BYTES]
        entry.content = content
        entry.valid = ALL_LINES

    def _close(self, entry: Entry, cause: EventCode | None = None) -> bool:
        """Store a dirty entry; it stays cached and clean. False if the page became poison instead.

        The `cause`: why its old copy cannot be read.
        Raises NotStored: it stays dirty, and so do complete entries until a close succeeds or sectors come back.
        """
        counts = self._counts
        try:
            if entry.valid != ALL_LINES:
                self._fill(entry)
            stored = self._store.put(entry.page, bytes(entry.content), cause)
        except PageRefused:
            return False
        except NotStored as failed:
            if not self._stuck:
                self._signals.log(failed.code, entry.page)
            self._stuck = True
            raise
        self._stuck = False
        entry.dirty = 0
        self.reserved -= self._raw_sectors
        if self.told is not None:
            written = self.elapsed + self._timing.compress(stored.length)
            self.told("compressor", self.elapsed, written)
            if stored.length:
                self.told("media", written, written + self._timing.media(stored.length))
        self.elapsed += self._timing.close(stored.length)
        counts.pages_closed += 1
        closed = stored.state.counter
        setattr(counts, closed, getattr(counts, closed) + 1)
        if stored.state is PageState.LZ4:
            counts.block_bytes += stored.length
        return True

    def _drop(self, page: int) -> None:
        entry = self._entries.pop(page, None)
        if entry is not None and entry.dirty:
            self.reserved -= self._raw_sectors


def _lines(first: int, end: int) -> int:
    """Mask of the lines `first` .. `end - 1`."""
    return (1 << end) - (1 << first)
