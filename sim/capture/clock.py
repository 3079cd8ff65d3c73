# SPDX-License-Identifier: MIT
"""The recorded program's clock: it stands still while the recorder is at work for the program."""

from __future__ import annotations

import time


class ProgramClock:
    """Tells how long the program ran, or waited by itself, from one event to the next."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        """The first event's time counts from now on."""
        self._since = time.monotonic_ns()
        self._standing = False

    def passed(self) -> int:
        """ns since the event before, or since the program went on after it. The clock stands still from now on."""
        if self._standing:
            return 0
        self._standing = True
        return time.monotonic_ns() - self._since

    def go_on(self) -> None:
        """The recorder is done with what it had to do."""
        if self._standing:
            self.start()
