# SPDX-License-Identifier: MIT
"""Signals of the model device: event log, interrupts with the watermarks' hysteresis (docs/device.md)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from hw.codes import EventCode, Interrupt
from hw.links.model_heat import HeatTracker

EVENT_LOG_LENGTH = 16


class Signals:
    """Interrupt lines and event log.

    Args:
        on_rise: called when an enabled line may have gone high.
    """

    def __init__(self, on_rise: Callable[[], None]) -> None:
        self.status = 0
        self.enable = 0
        self.low_watermark = 0
        self.recovered_watermark = 0
        self.high_watermark = 0
        self.medium_watermark = 0
        self.critical_watermark = 0
        self.hysteresis = 0
        self.available = 0  # sectors, as they were judged last
        self.margins = False  # the marks above were ever set: their states are worth looking at
        self.high = self.medium = self.low = self.critical = False
        self.events: deque[tuple[EventCode, int]] = deque()
        self.event_sectors: deque[int] = deque()
        self.overflow = 0
        self.lost = 0  # events dropped since the host last cleared some by the mailbox
        self.popped = 0
        self.corrected = 0  # single-bit errors, for Get Health
        self.retired = 0  # sectors, for Get Health
        self.heat = HeatTracker(lambda: self.raise_line(Interrupt.HOT))
        self._on_rise = on_rise

    @property
    def lines(self) -> int:
        """The interrupt lines, a mask of 16 bits."""
        return self.status & self.enable

    def raise_line(self, interrupt: Interrupt) -> None:
        """Set a status bit."""
        self.status |= interrupt.mask
        if self.enable & interrupt.mask:
            self._on_rise()

    def acknowledge(self, mask: int) -> None:
        """Clear status bits."""
        self.status &= ~mask

    def set_enable(self, mask: int) -> None:
        """Choose the status bits that drive their line."""
        self.enable = mask
        if self.lines:
            self._on_rise()

    def log(self, code: EventCode, page: int, sector: int = 0) -> None:
        """Log an event, or count it as dropped when the log is full; `sector` 0: it is of none."""
        if len(self.events) == EVENT_LOG_LENGTH:
            self.overflow += 1
            self.lost += 1
            return
        self.events.append((code, page))
        self.event_sectors.append(sector)
        self.raise_line(Interrupt.EVENT)

    def pop(self) -> None:
        """Drop the oldest event."""
        if self.events:
            self.events.popleft()
            self.event_sectors.popleft()
            self.popped += 1

    def watch(self, available: int | None = None) -> None:
        """Judge the sectors that are free and not promised; None: the last judgement again, as a mark has changed."""
        if available is None:
            available = self.available
        elif available == self.available:
            return
        self.available = available
        if self.low:
            if available >= max(self.recovered_watermark, self.low_watermark):
                self.low = False
                self.raise_line(Interrupt.RECOVERED)
        elif available < self.low_watermark:
            self.low = True
            self.raise_line(Interrupt.LOW)
        if self.margins:
            self.high = self._state(Interrupt.HIGH, self.high, available, self.high_watermark)
            self.medium = self._state(Interrupt.MEDIUM, self.medium, available, self.medium_watermark)
            self.critical = self._state(Interrupt.CRITICAL, self.critical, available, self.critical_watermark)

    def _state(self, line: Interrupt, was: bool, available: int, mark: int) -> bool:
        """A state entered below `mark` and left at `mark` plus the hysteresis."""
        if was:
            return available < mark + self.hysteresis
        if available < mark:
            self.raise_line(line)
            return True
        return False
