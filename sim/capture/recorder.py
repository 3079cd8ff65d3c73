# SPDX-License-Identifier: MIT
"""Recorder: follows a program and turns what it does with its memory into a trace."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from types import FrameType

from sim.capture.clock import ProgramClock
from sim.capture.space import RecordedSpace
from sim.follow import Agent, Follower, Space
from sim.trace.file import TraceWriter

_PROGRESS_S = 0.2


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a recording is: events and pages so far, seconds since the start, whether it still records, and whether
    it has begun."""

    events: int
    contents: int
    pages: int
    seconds: float
    recording: bool
    begun: bool


@dataclass(frozen=True, slots=True)
class Begin:
    """When a recording begins: whichever comes first; with neither at the program's first instruction.

    Attributes:
        after_s: so many seconds after the program.
        on_signal: when this process gets this signal.
    """

    after_s: float | None = None
    on_signal: signal.Signals | None = None

    @property
    def at_once(self) -> bool:
        """With the program."""
        return self.after_s is None and self.on_signal is None


class Recorder:
    """Records one program and all it starts; a Policy of its Follower.

    Args:
        writer: takes events and contents; the recording stops once it is full, and the program goes on.
        window: pages open at a time, over all address spaces each.
        clock: the program's, which the writer asks.
        begin: when to record.
        progress: called a few times a second.

    Attributes:
        begun_s: seconds after the program's start at which the recording began; None: it did not yet.
    """

    def __init__(
        self,
        writer: TraceWriter,
        window: int,
        clock: ProgramClock,
        begin: Begin,
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self._writer = writer
        self._window = window
        self._clock = clock
        self._begin = begin
        self._progress = progress
        self._signalled = False
        self._numbers = count()
        self.begun_s: float | None = 0.0 if begin.at_once else None
        self._spaces: list[RecordedSpace] = []
        self._start = self._last_progress = time.monotonic()
        self._follower = Follower(self)

    @property
    def complete(self) -> bool:
        """False once a limit was reached."""
        return self._follower.following

    def run(self, argv: Sequence[str], env: Mapping[str, str] | None) -> int:
        """See Follower.run."""
        self._start = time.monotonic()
        self._clock.start()
        number = self._begin.on_signal
        before = signal.signal(number, self._on_signal) if number is not None else None
        try:
            return self._follower.run(argv, env)
        finally:
            if number is not None:
                signal.signal(number, before)
            if self._progress:
                self._progress(self._state(time.monotonic() - self._start))

    def space(self, agent: Agent, parent: Space | None) -> RecordedSpace:
        """See Policy."""
        assert parent is None or isinstance(parent, RecordedSpace)
        number = next(self._numbers) if self.begun_s is not None else None
        space = RecordedSpace(number, agent, self._writer, self._window, self._clock.go_on, parent)
        self._spaces.append(space)
        return space

    def process(self, pid: int) -> None:
        """See Policy."""

    def tick(self) -> None:
        """See Policy."""
        now = time.monotonic()
        if self._follower.following and not self._follower.in_transit:
            if self.begun_s is None and self._due(now):
                self._begin_now(now)
            if self._writer.full:
                for space in self._running():
                    space.release()
                self._follower.release()
        self._clock.go_on()
        if self._progress and now - self._last_progress >= _PROGRESS_S:
            self._last_progress = now
            self._progress(self._state(now - self._start))

    def _due(self, now: float) -> bool:
        after = self._begin.after_s
        return self._signalled or (after is not None and now - self._start >= after)

    def _begin_now(self, now: float) -> None:
        self.begun_s = now - self._start
        self._clock.start()
        for space in self._running():
            with contextlib.suppress(ProcessLookupError):  # killed meanwhile: its end comes next
                space.begin(next(self._numbers))

    def _running(self) -> Iterator[RecordedSpace]:
        for space in self._follower.spaces:
            assert isinstance(space, RecordedSpace)
            yield space

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._signalled = True

    def _state(self, seconds: float) -> Progress:
        pages = sum(space.pages for space in self._spaces)
        return Progress(len(self._writer), self._writer.contents, pages, seconds, self._follower.following,
                        self.begun_s is not None)  # fmt: skip
