# SPDX-License-Identifier: MIT
"""SpaceLog: what the pager sees of an address space, as events of a trace (docs/trace.md; docs/pager.md, "Traces")."""

from __future__ import annotations

from collections.abc import Iterable

from hw.link import ZERO_PAGE
from sim.trace.file import Event, Kind, TraceWriter


class Recording:
    """The trace of a run: one writer for all spaces.

    Attributes:
        complete: False once the writer was full; nothing is noted any more.
    """

    def __init__(self, writer: TraceWriter) -> None:
        self.writer = writer
        self.complete = True

    @property
    def open(self) -> bool:
        """Something may be noted."""
        self.complete &= not self.writer.full
        return self.complete


class SpaceLog:
    """The pages of one space, under their numbers in the trace.

    Args:
        number: of the space.
        recording: takes the events.
        parent: the space it was forked from.
    """

    def __init__(self, number: int, recording: Recording, parent: SpaceLog | None = None) -> None:
        self._number = number
        self._recording = recording
        self._writer = recording.writer
        self._numbers: dict[int, int] = dict(parent._numbers) if parent else {}
        self._known: dict[int, int] = dict(parent._known) if parent else {}  # page -> content
        self._next: int = parent._next if parent else 0
        self._writes: dict[int, int] = {}  # page -> position of its WRITE, whose content is not known yet
        if parent and recording.open:
            self._writer.append(Event(parent._number, number, Kind.FORK))

    def accessed(self, page: int, *, write: bool) -> None:
        """A fault was answered."""
        if not self._recording.open:
            return
        known = self._known.get(page)
        if write or known is None:
            self._note_write(page, self._writer.content(ZERO_PAGE) if known is None else known)
        else:
            self._writer.append(Event(self._number, self._numbers[page], Kind.READ, known))

    def settled(self, page: int, data: bytes) -> None:
        """What a page that was writable holds now."""
        if not self._recording.open:
            return
        content = self._writer.content(data)
        if page not in self._writes and content != self._known.get(page):
            self._note_write(page, content)  # written through a mapping that a read or the kernel had made
        position = self._writes.pop(page, None)
        if position is not None:
            self._writer.settle(position, content)
        self._known[page] = content

    def unmapped(self, pages: Iterable[int]) -> None:
        """The program has given pages up; those that were writable are settled."""
        for page in pages:
            self._writes.pop(page, None)
            if self._known.pop(page, None) is not None:
                number = self._numbers.pop(page)
                if self._recording.open:
                    self._writer.append(Event(self._number, number, Kind.UNMAP))

    def moved(self, pages: Iterable[int], distance: int) -> None:
        """The program has moved pages."""
        for pairs in (self._numbers, self._known, self._writes):
            taken = {page + distance: pairs.pop(page) for page in pages if page in pairs}
            pairs.update(taken)

    def ended(self) -> None:
        """The space is gone."""
        if self._recording.open:
            self._writer.append(Event(self._number, 0, Kind.EXIT))

    def _note_write(self, page: int, content: int) -> None:
        number = self._numbers.get(page)
        if number is None:
            number = self._numbers[page] = self._next
            self._next += 1
        self._writes[page] = self._writer.append(Event(self._number, number, Kind.WRITE, content))
        self._known[page] = content
