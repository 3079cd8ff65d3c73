# SPDX-License-Identifier: MIT
"""Build: a trace of what a tool has seen, with contents of a corpus."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Literal

from sim.imported.contents import Contents
from sim.imported.seen import Access, BroughtBack, Exited, Forked, Seen, TakenOut
from sim.trace.file import Event, Kind, TraceWriter


class Builder:
    """Turns accesses into the events of a trace.

    A page's first access is a WRITE, as a trace has it. Each WRITE draws a content; a READ finds the one before.

    Args:
        contents: what draws.
        max_events, max_contents: at which the trace ends.
        write_percent: of the accesses to a page that is known, of which the tool does not say what they were, so many
            are writes, drawn at random.
        random: what draws these.
    """

    def __init__(
        self, contents: Contents, max_events: int, max_contents: int, write_percent: int, random: Random
    ) -> None:
        self.writer = TraceWriter(max_events, max_contents, passed=self._passed)
        self._contents = contents
        self._writes = write_percent / 100
        self._random = random
        self._now: int | None = None
        self._before = 0
        self._spaces: dict[int, int] = {}  # the tool's number -> the trace's
        self._pages: dict[int, dict[int, tuple[int, int]]] = {}  # space -> page -> its number, its content
        self._last: dict[int, int] = {}  # space -> the number that its next page gets
        self._made = 0

    @property
    def limit(self) -> Literal["max_events", "max_contents"] | None:
        """What ended the trace before the tool's text did."""
        return self.writer.limit

    def add(self, seen: Iterable[Seen]) -> None:
        """Take what was seen, in order, up to the limits."""
        for one in seen:
            if self.writer.full:
                return
            if self._now is None:
                self._before = one.time_ns
            self._now = max(one.time_ns, self._now or 0)
            match one:
                case Access():
                    self._access(one)
                case TakenOut():
                    self._move(one, Kind.PAGEOUT)
                case BroughtBack():
                    self._move(one, Kind.PROMOTE)
                case Forked():
                    self._fork(one)
                case Exited():
                    self._exit(one.space)

    def _access(self, access: Access) -> None:
        space = self._space(access.space)
        pages = self._pages[space]
        known = pages.get(access.page)
        write = access.write if access.write is not None else self._random.random() < self._writes
        if known is not None and not write:
            number, content = known
            self.writer.append(Event(space, number, Kind.READ, content))
            return
        if known is None:
            number = self._last[space]
            self._last[space] += 1
        else:
            number = known[0]
        content = self.writer.content(self._contents.draw())
        pages[access.page] = number, content
        self.writer.append(Event(space, number, Kind.WRITE, content))

    def _move(self, moved: TakenOut | BroughtBack, kind: Kind) -> None:
        space = self._space(moved.space)
        if (known := self._pages[space].get(moved.page)) is not None:  # else nothing was seen of its first touch
            self.writer.append(Event(space, known[0], kind))

    def _fork(self, forked: Forked) -> None:
        if forked.space not in self._spaces or forked.child in self._spaces:
            return  # nothing was seen of the parent, or the child's number was not free: it begins with nothing
        parent = self._spaces[forked.space]
        child = self._new(forked.child)
        self._pages[child], self._last[child] = dict(self._pages[parent]), self._last[parent]
        self.writer.append(Event(parent, child, Kind.FORK))

    def _exit(self, tool_number: int) -> None:
        space = self._spaces.pop(tool_number, None)
        if space is not None:
            del self._pages[space], self._last[space]
            self.writer.append(Event(space, 0, Kind.EXIT))

    def _space(self, tool_number: int) -> int:
        return self._spaces[tool_number] if tool_number in self._spaces else self._new(tool_number)

    def _new(self, tool_number: int) -> int:
        space = self._spaces[tool_number] = self._made
        self._made += 1
        self._pages[space], self._last[space] = {}, 0
        return space

    def _passed(self) -> int:
        now = self._now or 0
        passed, self._before = now - self._before, now
        return passed
