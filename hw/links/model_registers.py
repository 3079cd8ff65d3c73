# SPDX-License-Identifier: MIT
"""Register file of the model device: what each register reads, and what a write does (docs/device/registers.md)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial

from hw.codes import Interrupt
from hw.links.model_cache import PageCache
from hw.links.model_mailbox import Mailbox
from hw.links.model_signals import Signals
from hw.links.model_store import PageStore
from hw.parameters import DeviceParameters
from hw.registers import (
    CONSTANTS,
    COUNTERS,
    EVENT_POP_POP,
    EVENT_STATUS_FAILURE,
    HOT_POP_POP,
    LOADS,
    MAILBOX_COMMAND_HIGH_LENGTH,
    MAILBOX_CONTROL_DOORBELL,
    MAILBOX_PAYLOAD_BYTES,
    MEDIA_TIME_LIMIT_RESET,
    MEMORY_DEVICE_STATUS_MAILBOX,
    MEMORY_DEVICE_STATUS_MEDIA,
    STATUS_READY,
    Counts,
    Register,
)

PAYLOAD = Register.MAILBOX_PAYLOAD
_LINES = sum(line.mask for line in Interrupt)
_WORD = 0xFFFFFFFF
_MEMORY_READY = MEMORY_DEVICE_STATUS_MEDIA.put(1) | MEMORY_DEVICE_STATUS_MAILBOX.mask


class RegisterFile:
    """Reads and writes of single registers; None or False is an unmapped offset.

    Args:
        status: the STATUS register now.
        cycles: clock cycles since reset.
        ring: called when the host sets the doorbell.
        ratio: the register ACHIEVED_RATIO.
        background: whether a background operation runs, and the register MAILBOX_BACKGROUND_LOW.
    """

    def __init__(
        self,
        parameters: DeviceParameters,
        store: PageStore,
        cache: PageCache,
        counts: Counts,
        signals: Signals,
        mailbox: Mailbox,
        status: Callable[[], int],
        cycles: Callable[[], int],
        ring: Callable[[], None],
        ratio: Callable[[], int],
        background: Callable[[], tuple[bool, int]],
    ) -> None:
        self._counts = counts
        self._signals = signals
        self._mailbox = mailbox
        self._cycles = cycles
        self._cycles_high = 0
        self._media_time_limit = MEDIA_TIME_LIMIT_RESET  # the model's media is never late
        self._ring = ring
        self._readers: dict[int, Callable[[], int]] = {
            Register.STATUS: status,
            Register.PERCEIVED_PAGES: lambda: parameters.perceived_pages,
            Register.MEDIA_SECTORS: lambda: parameters.media_sectors,
            Register.SECTOR_BYTES: lambda: parameters.sector_bytes,
            Register.CACHE_PAGES: lambda: parameters.cache_pages,
            Register.BYTES_PER_CYCLE: lambda: parameters.bytes_per_cycle,
            Register.FREE_SECTORS: lambda: store.sectors.free,
            Register.RESERVED_SECTORS: lambda: cache.reserved,
            Register.RESIDENT_PAGES: lambda: store.resident,
            Register.INTERRUPT_STATUS: lambda: signals.status,
            Register.INTERRUPT_ENABLE: lambda: signals.enable,
            Register.LOW_WATERMARK: lambda: signals.low_watermark,
            Register.RECOVERED_WATERMARK: lambda: signals.recovered_watermark,
            Register.EVENT_COUNT: lambda: len(signals.events),
            Register.EVENT_CODE: lambda: signals.events[0][0] if signals.events else 0,
            Register.EVENT_PAGE: lambda: signals.events[0][1] if signals.events else 0,
            Register.EVENT_SECTOR: lambda: signals.event_sectors[0] if signals.event_sectors else 0,
            Register.EVENT_POP: lambda: 0,
            Register.EVENT_OVERFLOW: lambda: signals.overflow & _WORD,
            Register.ACHIEVED_RATIO: ratio,
            Register.HIGH_WATERMARK: lambda: signals.high_watermark,
            Register.MEDIUM_WATERMARK: lambda: signals.medium_watermark,
            Register.CRITICAL_WATERMARK: lambda: signals.critical_watermark,
            Register.WATERMARK_HYSTERESIS: lambda: signals.hysteresis,
            Register.MEDIA_TIME_LIMIT: lambda: self._media_time_limit,
            Register.CYCLES_LOW: self._latch_cycles,
            Register.CYCLES_HIGH: lambda: self._cycles_high,
            Register.HEAT_THRESHOLD: lambda: signals.heat.threshold,
            Register.HEAT_PERIOD: lambda: signals.heat.period,
            Register.HOT_COUNT: lambda: len(signals.heat.ring),
            Register.HOT_PAGE: lambda: signals.heat.ring[0] if signals.heat.ring else 0,
            Register.HOT_POP: lambda: 0,
            Register.HOT_OVERFLOW: lambda: signals.heat.overflow & _WORD,
            **{register: partial(int, value) for register, value in CONSTANTS.items()},
            **dict.fromkeys(LOADS, lambda: 0),  # accesses come one by one here, so there is no load
            Register.EVENT_STATUS: lambda: EVENT_STATUS_FAILURE.mask if signals.events else 0,
            Register.MEMORY_DEVICE_STATUS: lambda: _MEMORY_READY if status() & STATUS_READY.mask else 0,
            Register.MAILBOX_CONTROL: lambda: int(mailbox.busy),
            Register.MAILBOX_COMMAND_LOW: lambda: mailbox.command[0],
            Register.MAILBOX_COMMAND_HIGH: lambda: mailbox.command[1],
            Register.MAILBOX_STATUS_LOW: lambda: int(background()[0]),
            Register.MAILBOX_STATUS_HIGH: lambda: mailbox.return_code,
            Register.MAILBOX_BACKGROUND_LOW: lambda: background()[1],
            Register.MAILBOX_BACKGROUND_HIGH: lambda: 0,
        }
        for register, (name, shift) in COUNTERS.items():
            self._readers.setdefault(register, self._counter(name, shift))
        self._writers: dict[int, Callable[[int], None]] = {
            Register.INTERRUPT_STATUS: signals.acknowledge,
            Register.INTERRUPT_ENABLE: lambda value: signals.set_enable(value & _LINES),
            Register.LOW_WATERMARK: lambda value: self._set_watermark("low_watermark", value),
            Register.RECOVERED_WATERMARK: lambda value: self._set_watermark("recovered_watermark", value),
            Register.EVENT_POP: self._pop_event,
            Register.HIGH_WATERMARK: lambda value: self._set_margin("high_watermark", value),
            Register.MEDIUM_WATERMARK: lambda value: self._set_margin("medium_watermark", value),
            Register.CRITICAL_WATERMARK: lambda value: self._set_margin("critical_watermark", value),
            Register.WATERMARK_HYSTERESIS: lambda value: self._set_margin("hysteresis", value),
            Register.MEDIA_TIME_LIMIT: self._set_media_time_limit,
            Register.HEAT_THRESHOLD: lambda value: setattr(signals.heat, "threshold", value & 0xFF),
            Register.HEAT_PERIOD: lambda value: setattr(signals.heat, "period", value),
            Register.HOT_POP: lambda value: signals.heat.pop() if value & HOT_POP_POP.mask else None,
            Register.MAILBOX_CONTROL: self._control,
            Register.MAILBOX_COMMAND_LOW: lambda value: self._command(0, value),
            Register.MAILBOX_COMMAND_HIGH: lambda value: self._command(1, value & MAILBOX_COMMAND_HIGH_LENGTH.mask),
        }

    def read(self, offset: int, count: int) -> list[int | None]:
        """`count` registers from `offset` on, None for the unmapped ones."""
        if offset >= PAYLOAD and offset + 4 * count <= PAYLOAD + MAILBOX_PAYLOAD_BYTES:
            return list(struct.unpack_from(f"<{count}I", self._mailbox.payload, offset - PAYLOAD))
        return [self._read_one(offset + 4 * i) for i in range(count)]

    def write(self, offset: int, value: int) -> bool:
        """Write one register; read-only ones take no notice. False if there is none."""
        if PAYLOAD <= offset < PAYLOAD + MAILBOX_PAYLOAD_BYTES:
            if not self._mailbox.busy:
                struct.pack_into("<I", self._mailbox.payload, offset - PAYLOAD, value)
            return True
        writer = self._writers.get(offset)
        if writer is not None:
            writer(value)
            return True
        return offset in self._readers

    def _read_one(self, offset: int) -> int | None:
        reader = self._readers.get(offset)
        if reader is not None:
            return reader()
        if PAYLOAD <= offset < PAYLOAD + MAILBOX_PAYLOAD_BYTES:
            return int(struct.unpack_from("<I", self._mailbox.payload, offset - PAYLOAD)[0])
        return None

    def _counter(self, name: str, shift: int) -> Callable[[], int]:
        return lambda: getattr(self._counts, name) >> shift & _WORD

    def _latch_cycles(self) -> int:
        cycles = self._cycles()
        self._cycles_high = cycles >> 32 & _WORD
        return cycles & _WORD

    def _set_watermark(self, name: str, value: int) -> None:
        setattr(self._signals, name, value)
        self._signals.watch()

    def _set_margin(self, name: str, value: int) -> None:
        self._signals.margins = True
        self._set_watermark(name, value)

    def _set_media_time_limit(self, value: int) -> None:
        self._media_time_limit = value

    def _pop_event(self, value: int) -> None:
        if value & EVENT_POP_POP.mask:
            self._signals.pop()

    def _control(self, value: int) -> None:
        if value & MAILBOX_CONTROL_DOORBELL.mask and not self._mailbox.busy:
            self._ring()

    def _command(self, index: int, value: int) -> None:
        if not self._mailbox.busy:
            self._mailbox.command[index] = value
