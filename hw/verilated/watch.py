# SPDX-License-Identifier: MIT
"""When the engines of a verilated device are busy, read off its signals after each cycle.

Nothing in the RTL is there for it. Only a library that was compiled with `watch.cpp` and `watch.vlt` shows them."""

from __future__ import annotations

from struct import Struct
from typing import Any

from hw.engines import ENGINES, EngineListener
from hw.verilated.library import Library

_STORE = "u_device.u_store"
CONDITIONS: dict[str, list[tuple[str, str, int, int]]] = {
    "compressor": [(f"{_STORE}.u_closer", "phase_q", 1, 3)],  # SCAN, DECIDE, COMPRESS
    "decompressor": [(f"{_STORE}.u_filler", "phase_q", 1, 1), (f"{_STORE}.u_filler", "lz4_q", 1, 1)],  # LINES
    "media": [("", "media_idle", 0, 0)],
    "mailbox": [("u_device.u_registers.u_commands", "doorbell_o", 1, 1)],
}
"""Of each engine: instance, signal, and from which value to which it is while the engine is busy; all must hold."""

_MOVE = Struct("<QQ")


class EngineWatch:
    """Runs a device and tells of its engines.

    Args:
        library, device: that was compiled for it, and one of its devices.
        told: hears of each time that an engine was busy.

    Raises:
        LookupError: the library does not show a signal.
    """

    def __init__(self, library: Library, device: Any, told: EngineListener) -> None:
        self._ffi, self._lib = library.ffi, library.lib
        self._watch = library.ffi.gc(self._lib.cram_watch_create(device), self._lib.cram_watch_destroy)
        for number, engine in enumerate(ENGINES):
            for place, signal, low, high in CONDITIONS[engine]:
                if self._lib.cram_watch_condition(self._watch, number, place.encode(), signal.encode(), low, high):
                    raise LookupError(f"no signal {signal} to be seen in {place or 'the bench'}")
        self._told = told
        self._busy = 0
        self._since = [0] * len(ENGINES)

    def advance(self, now: int, limit: int) -> int:
        """As cram_advance of the device, from `now` on; the reasons."""
        watch = self._watch
        reasons = int(self._lib.cram_watch_advance(watch, limit))
        if watch.count:
            for cycle, busy in _MOVE.iter_unpack(self._ffi.buffer(watch.moves, watch.count * _MOVE.size)):
                moved, self._busy = self._busy ^ busy, busy
                for number, engine in enumerate(ENGINES):
                    if not moved >> number & 1:
                        continue
                    if busy >> number & 1:
                        self._since[number] = now + cycle
                    else:
                        self._told(engine, self._since[number], now + cycle)
        return reasons

    def close(self) -> None:
        """End before the device does."""
        self._ffi.release(self._watch)
