"""Register file of the model device: offsets, access types, side effects (docs/device/registers.md).

The offsets are written here once more instead of being taken from the generated ones, so that a fault in the generator
shows as a difference between the device and its driver.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from hw.codes import Interrupt
from hw.links.model_cache import PageCache
from hw.links.model_mailbox import CAPABILITIES, PAYLOAD_BYTES, Mailbox
from hw.links.model_signals import Counts, Signals
from hw.links.model_store import PageStore
from hw.parameters import DeviceParameters

DEVICE_ID = 0x4352414D
VERSION = 0x00010000
PAYLOAD = 0x2000
_COUNTS = 0x088  # PAGES_CLOSED, then the counters in the order of Counts
_LINES = sum(line.mask for line in Interrupt)
_WORD = 0xFFFFFFFF


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
        self._ring = ring
        self._readers: dict[int, Callable[[], int]] = {
            0x000: lambda: DEVICE_ID,
            0x004: lambda: VERSION,
            0x008: status,
            0x010: lambda: parameters.perceived_pages,
            0x014: lambda: parameters.media_sectors,
            0x018: lambda: parameters.sector_bytes,
            0x01C: lambda: parameters.cache_pages,
            0x020: lambda: parameters.bytes_per_cycle,
            0x024: lambda: store.sectors.free,
            0x028: lambda: cache.reserved,
            0x02C: lambda: store.resident,
            0x030: lambda: signals.status,
            0x034: lambda: signals.enable,
            0x038: lambda: signals.low_watermark,
            0x03C: lambda: signals.recovered_watermark,
            0x040: lambda: len(signals.events),
            0x044: lambda: signals.events[0][0] if signals.events else 0,
            0x048: lambda: signals.events[0][1] if signals.events else 0,
            0x04C: lambda: 0,
            0x050: lambda: signals.overflow & _WORD,
            0x054: ratio,
            0x058: lambda: signals.high_watermark,
            0x05C: lambda: signals.medium_watermark,
            0x060: lambda: signals.critical_watermark,
            0x064: lambda: signals.hysteresis,
            0x080: self._latch_cycles,
            0x084: lambda: self._cycles_high,
            0x0B4: lambda: counts.block_bytes & _WORD,
            0x0B8: lambda: counts.block_bytes >> 32 & _WORD,
            0x0BC: lambda: counts.lines_not_admitted & _WORD,
            0x0C0: lambda: counts.lines_fenced & _WORD,
            0x0C4: lambda: counts.pages_imported & _WORD,
            0x100: lambda: signals.heat.threshold,
            0x104: lambda: signals.heat.period,
            0x108: lambda: len(signals.heat.ring),
            0x10C: lambda: signals.heat.ring[0] if signals.heat.ring else 0,
            0x110: lambda: 0,
            0x114: lambda: signals.heat.overflow & _WORD,
            0x1FE0: lambda: CAPABILITIES,
            0x1FE4: lambda: int(mailbox.busy),
            0x1FE8: lambda: mailbox.command[0],
            0x1FEC: lambda: mailbox.command[1],
            0x1FF0: lambda: int(background()[0]),
            0x1FF4: lambda: mailbox.return_code,
            0x1FF8: lambda: background()[1],
            0x1FFC: lambda: 0,
        }
        for index, offset in enumerate(range(_COUNTS, 0x0B4, 4)):
            self._readers[offset] = lambda index=index: counts.registers()[index]  # type: ignore[misc]
        self._writers: dict[int, Callable[[int], None]] = {
            0x030: signals.acknowledge,
            0x034: lambda value: signals.set_enable(value & _LINES),
            0x038: lambda value: self._set_watermark("low_watermark", value, store),
            0x03C: lambda value: self._set_watermark("recovered_watermark", value, store),
            0x04C: self._pop_event,
            0x058: lambda value: self._set_margin("high_watermark", value, store),
            0x05C: lambda value: self._set_margin("medium_watermark", value, store),
            0x060: lambda value: self._set_margin("critical_watermark", value, store),
            0x064: lambda value: self._set_margin("hysteresis", value, store),
            0x100: lambda value: setattr(signals.heat, "threshold", value & 0xFF),
            0x104: lambda value: setattr(signals.heat, "period", value),
            0x110: lambda value: signals.heat.pop() if value & 1 else None,
            0x1FE4: self._control,
            0x1FE8: lambda value: self._command(0, value),
            0x1FEC: lambda value: self._command(1, value & 0x1F),
        }

    def read(self, offset: int, count: int) -> list[int | None]:
        """`count` registers from `offset` on, None for the unmapped ones."""
        if offset >= PAYLOAD and offset + 4 * count <= PAYLOAD + PAYLOAD_BYTES:
            return list(struct.unpack_from(f"<{count}I", self._mailbox.payload, offset - PAYLOAD))
        return [self._read_one(offset + 4 * i) for i in range(count)]

    def write(self, offset: int, value: int) -> bool:
        """Write one register; read-only ones take no notice. False if there is none."""
        if PAYLOAD <= offset < PAYLOAD + PAYLOAD_BYTES:
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
        if PAYLOAD <= offset < PAYLOAD + PAYLOAD_BYTES:
            return int(struct.unpack_from("<I", self._mailbox.payload, offset - PAYLOAD)[0])
        return None

    def _latch_cycles(self) -> int:
        cycles = self._cycles()
        self._cycles_high = cycles >> 32 & _WORD
        return cycles & _WORD

    def _set_watermark(self, name: str, value: int, store: PageStore) -> None:
        setattr(self._signals, name, value)
        self._signals.watch(store.sectors.free)

    def _set_margin(self, name: str, value: int, store: PageStore) -> None:
        self._signals.margins = True
        self._set_watermark(name, value, store)

    def _pop_event(self, value: int) -> None:
        if value & 1:
            self._signals.pop()

    def _control(self, value: int) -> None:
        if value & 1 and not self._mailbox.busy:
            self._ring()

    def _command(self, index: int, value: int) -> None:
        if not self._mailbox.busy:
            self._mailbox.command[index] = value
