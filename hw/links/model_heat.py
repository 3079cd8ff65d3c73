# SPDX-License-Identifier: MIT
"""Hot-page tracking of the model device (docs/device/hot-pages.md)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

RING_LENGTH = 64
_HOTTEST, _EPOCHS = 255, 256


class HeatTracker:
    """Heat of pages, decaying, and the ring of nominations.

    Args:
        on_nomination: called when a page was added to the ring.

    Attributes:
        threshold, period: the registers HEAT_THRESHOLD and HEAT_PERIOD.
        ring: nominated pages, oldest first.
        overflow: nominations that found the ring full.
    """

    def __init__(self, on_nomination: Callable[[], None]) -> None:
        self.threshold = 0
        self.period = 0
        self.ring: deque[int] = deque()
        self.overflow = 0
        self._on_nomination = on_nomination
        self._heat: dict[int, tuple[int, int]] = {}  # page: heat, epoch in which it was touched
        self._epoch = 0
        self._since = 0

    def access(self, page: int) -> None:
        """A read burst of the host."""
        heat, touched = self._heat.get(page, (0, 0))
        passed = (self._epoch - touched) % _EPOCHS
        cooled = heat >> passed if passed < 8 else 0
        warmed = min(_HOTTEST, cooled + 1)
        self._heat[page] = warmed, self._epoch
        if self.threshold and cooled < self.threshold <= warmed:
            self._nominate(page)
        if self.period:
            self._since += 1
            if self._since >= self.period:
                self._since = 0
                self._epoch = (self._epoch + 1) % _EPOCHS

    def _nominate(self, page: int) -> None:
        if len(self.ring) == RING_LENGTH:
            self.overflow += 1
            return
        self.ring.append(page)
        self._on_nomination()

    def forget(self, page: int) -> None:
        """A trim: the page is cold."""
        self._heat.pop(page, None)

    def pop(self) -> None:
        """Drop the oldest nomination."""
        if self.ring:
            self.ring.popleft()
