# SPDX-License-Identifier: MIT
"""Interrupts: Ctrl-C, SIGTERM and SIGHUP alike unwind the program, so that whatever it started is taken down. Under
nohup(1), which has SIGHUP ignored, a hangup does nothing."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


def interrupts() -> tuple[signal.Signals, ...]:
    """The signals that interrupt this process."""
    hangup = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
    return signal.SIGINT, signal.SIGTERM, *hangup


class Interrupted(KeyboardInterrupt):
    """The program was told to stop.

    Attributes:
        name: of the signal.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise Interrupted where the main thread is when a signal comes; further ones are ignored while it unwinds."""

    def stop(number: int, _: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        # what is interrupted between the creation of a coroutine and its first step never awaits it, and need not
        warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
        raise Interrupted(signal.Signals(number).name)

    before = {each: signal.getsignal(each) for each in interrupts()}
    for each in before:
        signal.signal(each, stop)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
