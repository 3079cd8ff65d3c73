# SPDX-License-Identifier: MIT
"""When the engines of a verilated device are busy, read off its registers after each cycle, or each few.

Nothing in the RTL is there for it. Only a library that was compiled with `watch.cpp` can tell.
"""

from __future__ import annotations

from struct import Struct
from typing import Any

from hw.engines import ENGINES, EngineListener
from hw.verilated.library import Library

_MOVE = Struct("<QQ")


class EngineWatch:
    """Runs a device and tells of its engines.

    Args:
        library, device: that was compiled for it, and one of its devices.
        told: hears of each time that an engine was busy; None: nobody does, which costs less.
        every: cycles from one look to the next.
    """

    def __init__(self, library: Library, device: Any, told: EngineListener | None, every: int) -> None:
        self._ffi, self._lib = library.ffi, library.lib
        self._watch = library.ffi.gc(self._lib.cram_watch_create(device), self._lib.cram_watch_destroy)
        self._told = told
        self._every = every
        self._busy = 0
        self._since = [0] * len(ENGINES)

    def advance(self, now: int, limit: int) -> int:
        """As cram_advance of the device, from `now` on; the reasons."""
        watch = self._watch
        told = self._told
        reasons = int(self._lib.cram_watch_advance(watch, limit, self._every, told is not None))
        if told is not None and watch.count:
            for cycle, busy in _MOVE.iter_unpack(self._ffi.buffer(watch.moves, watch.count * _MOVE.size)):
                moved, self._busy = self._busy ^ busy, busy
                for number, engine in enumerate(ENGINES):
                    if not moved >> number & 1:
                        continue
                    if busy >> number & 1:
                        self._since[number] = now + cycle
                    else:
                        told(engine, self._since[number], now + cycle)
        return reasons

    def busy_cycles(self) -> dict[str, int]:
        """For how many cycles each engine was busy so far."""
        return {engine: int(self._watch.cycles[number]) for number, engine in enumerate(ENGINES)}

    def close(self) -> None:
        """End before the device does."""
        self._ffi.release(self._watch)
