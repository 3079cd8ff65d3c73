# SPDX-License-Identifier: MIT
"""Recorder: follows a program and turns what it does with its memory into a trace."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sim.capture.space import RecordedSpace
from sim.follow import Agent, Follower, Space
from sim.trace.file import TraceWriter

_PROGRESS_S = 0.2


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a recording is: events and pages so far, seconds since the start, and whether it still records."""

    events: int
    contents: int
    pages: int
    seconds: float
    recording: bool


class Recorder:
    """Records one program and all it starts; a Policy of its Follower.

    Args:
        writer: takes events and contents; the recording stops once it is full, and the program goes on.
        window: pages open at a time, over all address spaces each.
        progress: called a few times a second.
    """

    def __init__(
        self,
        writer: TraceWriter,
        window: int,
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self._writer = writer
        self._window = window
        self._progress = progress
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
        try:
            return self._follower.run(argv, env)
        finally:
            if self._progress:
                self._progress(self._state(time.monotonic() - self._start))

    def space(self, agent: Agent, parent: Space | None) -> RecordedSpace:
        """See Policy."""
        assert parent is None or isinstance(parent, RecordedSpace)
        space = RecordedSpace(len(self._spaces), agent, self._writer, self._window, parent)
        self._spaces.append(space)
        return space

    def process(self, pid: int) -> None:
        """See Policy."""

    def tick(self) -> None:
        """See Policy."""
        if self._follower.following and not self._follower.in_transit and self._writer.full:
            for space in self._follower.spaces:
                assert isinstance(space, RecordedSpace)
                space.release()
            self._follower.release()
        now = time.monotonic()
        if self._progress and now - self._last_progress >= _PROGRESS_S:
            self._last_progress = now
            self._progress(self._state(now - self._start))

    def _state(self, seconds: float) -> Progress:
        pages = sum(space.pages for space in self._spaces)
        return Progress(len(self._writer), self._writer.contents, pages, seconds, self._follower.following)
