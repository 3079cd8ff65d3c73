# SPDX-License-Identifier: MIT
"""ModelLink: a functional device in Python behind the Link interface. No simulator and no compiler are needed.

It follows docs/device.md in every state, error, event, interrupt and counter; its LZ4 blocks are those of the `lz4`
package, so their lengths differ from the RTL's, and its times are rough (hw/links/model_timing.py).

    ModelLink --- RegisterFile --- Mailbox
        |                            |
        +--------- PageCache --------+        Signals: events, interrupts, watermarks
                       |                      Counts: counters
                   PageStore

An access takes effect at once, in the order of the calls, and its task then sleeps as long as the device would need:
the device is one server whose queue is the instant until which it is busy.
"""

from __future__ import annotations

from hw.clock import Clock
from hw.codes import EventCode, Interrupt, Opcode
from hw.engines import ENGINES, EngineListener
from hw.link import LINE_BYTES, PAGE_BYTES, BusError, LinkError, Response, check_lines, check_registers
from hw.links.model_cache import PageCache, PageRefused
from hw.links.model_mailbox import Mailbox
from hw.links.model_registers import RegisterFile
from hw.links.model_signals import Signals
from hw.links.model_store import PageStore
from hw.links.model_timing import ModelTiming
from hw.parameters import DeviceParameters
from hw.registers import (
    STATUS_CRITICAL,
    STATUS_HIGH,
    STATUS_IDLE,
    STATUS_LOW,
    STATUS_MEDIUM,
    STATUS_READY,
    Counts,
)  # fmt: skip

_WORD = 0xFFFFFFFF


class ModelLink:
    """A link to a device of its own, just out of reset; implements hw.link.Link.

    Args:
        clock: the clock that the device lives on.
        parameters: what it is built with.
        timing: its latencies.

    Raises:
        ValueError: the parameters ask for a promoted region, which the model has not (docs/device/promotion.md).
    """

    def __init__(
        self, clock: Clock, parameters: DeviceParameters | None = None, timing: ModelTiming | None = None
    ) -> None:
        self.clock = clock
        self.parameters = parameters or DeviceParameters()
        if self.parameters.promoted_pages:
            raise ValueError(f"promoted_pages is {self.parameters.promoted_pages}, expected 0: the model has no region")
        self.timing = timing or ModelTiming()
        self._clock_ns = self.timing.clock_ns
        self._started = clock.now
        self._perceived_bytes = self.parameters.perceived_pages * PAGE_BYTES
        self._risen = clock.event()
        self._closed = False
        self._told: EngineListener | None = None
        self._engines: dict[str, int] = {}  # ns that each was busy; empty: nobody watches
        self._began = clock.now  # the operation under way
        self.resets = 0
        self._build()

    def _build(self) -> None:
        """The device as it comes out of reset."""
        parameters, timing = self.parameters, self.timing
        self._reset_at = self.clock.now
        self._ready_at = self._reset_at + parameters.perceived_pages * self._clock_ns
        self._busy_until = self._ready_at
        self._registers_busy_until = self._reset_at
        self._signals = Signals(self._wake)
        counts = Counts()
        signals = self._signals

        def retired(page: int, sector: int) -> None:
            counts.sectors_retired += 1
            signals.retired += 1
            signals.log(EventCode.SECTOR_RETIRED, page, sector)

        def corrected() -> None:
            counts.bits_corrected += 1
            signals.corrected += 1

        self._store = PageStore(parameters, retired, corrected)
        self._cache = PageCache(parameters, timing, self._store, counts, self._signals)
        self._cache.told = self._tell if self._engines else None
        self._sanitized = (0, 0)  # start and end of the background operation, ns
        self._mailbox = Mailbox(
            parameters, timing, self._store, self._cache, self._signals, self._ratio, self._sanitize,
            lambda: self.clock.now - self._reset_at,
        )  # fmt: skip
        self._registers = RegisterFile(
            parameters, self._store, self._cache, counts, self._signals, self._mailbox,
            self._status, self._cycles_since_reset, self._ring, self._ratio, self._background,
        )  # fmt: skip

    # hw.link.Link

    @property
    def cycles(self) -> int:
        """Device clock cycles run so far."""
        return (self.clock.now - self._started) // self._clock_ns

    async def read(self, address: int, length: int) -> bytes:
        """Read whole lines inside one page. Raises BusError, LinkError, ValueError."""
        page, first = self._locate(address, length)
        now = self.clock.now
        start = self._busy_until if self._busy_until > now else now
        if address >= self._perceived_bytes:
            await self._refuse(Response.DECERR, address, start + self.timing.line_hit * self._clock_ns)
        cache, self._began = self._cache, start
        try:
            data = cache.read(page, first, length // LINE_BYTES)
        except PageRefused:
            self._busy_until = start + cache.elapsed * self._clock_ns
            await self._refuse(Response.SLVERR, address, start + cache.answered * self._clock_ns)
        self._busy_until = start + cache.elapsed * self._clock_ns
        await self.clock.sleep(start + cache.answered * self._clock_ns - now)
        return data

    async def write(self, address: int, data: bytes) -> None:
        """Write whole lines inside one page. Raises BusError, LinkError, ValueError."""
        page, first = self._locate(address, len(data))
        now = self.clock.now
        start = self._busy_until if self._busy_until > now else now
        if address >= self._perceived_bytes:
            await self._refuse(Response.DECERR, address, start + self.timing.line_hit * self._clock_ns)
        cache, self._began = self._cache, start
        try:
            cache.write(page, first, data)
        except PageRefused:
            self._busy_until = start + cache.elapsed * self._clock_ns
            await self._refuse(Response.SLVERR, address, start + cache.answered * self._clock_ns)
        self._busy_until = start + cache.elapsed * self._clock_ns
        await self.clock.sleep(start + cache.answered * self._clock_ns - now)

    async def read_registers(self, offset: int, count: int = 1) -> list[int]:
        """Read consecutive 32-bit registers. Raises BusError if one is unmapped, LinkError, ValueError."""
        self._check_open()
        check_registers(offset, count)
        values = self._registers.read(offset, count)
        await self._register_time(count)
        known = [value for value in values if value is not None]
        if len(known) < count:
            raise BusError(Response.SLVERR, offset)
        return known

    async def write_registers(self, offset: int, values: list[int]) -> None:
        """Write consecutive 32-bit registers. Raises BusError if one is unmapped, LinkError, ValueError."""
        self._check_open()
        check_registers(offset, len(values))
        mapped = [self._registers.write(offset + 4 * i, value & 0xFFFFFFFF) for i, value in enumerate(values)]
        await self._register_time(len(values))
        if not all(mapped):
            raise BusError(Response.SLVERR, offset)

    def interrupts(self) -> int:
        """The interrupt lines now, as a mask of 16 bits."""
        return self._signals.lines

    async def wait_interrupt(self, mask: int) -> int:
        """Wait until a line in `mask` is high; returns the lines of `mask` that are high. Raises LinkError."""
        resets = self.resets
        while True:
            self._check_open()
            if self.resets != resets:
                raise LinkError("the device was reset")
            high = self._signals.lines & mask
            if high:
                return high
            await self._risen.wait()

    async def reset(self) -> None:
        """Forget everything, as `rst_ni` does; commands under way are never answered."""
        self._check_open()
        self.resets += 1
        self._build()
        self._wake()
        await self.clock.sleep(self._clock_ns)

    async def close(self) -> None:
        """Release the device; every later access raises LinkError."""
        self._closed = True
        self._wake()

    # Beyond hw.link.Link

    def watch_engines(self, told: EngineListener | None, every: int = 1) -> None:
        """See EngineLink; all times are exact, and told ahead: operations take effect at once."""
        self._told = told
        self._engines = dict.fromkeys(ENGINES, 0)
        self._cache.told = self._tell

    def engines_busy(self) -> dict[str, int]:
        """See EngineLink."""
        return dict(self._engines)

    def _tell(self, engine: str, start: int, end: int) -> None:
        """An engine is busy, in cycles since the operation under way began."""
        self._engines[engine] += (end - start) * self._clock_ns
        if self._told is not None:
            self._told(engine, self._began + start * self._clock_ns, self._began + end * self._clock_ns)

    # Faults, for tests

    def damage(self, page: int, offset: int, mask: int = 0xFF) -> None:
        """Flip bits of one byte of a stored lz4 or raw page before the check of its beat was made; else KeyError."""
        self._store.damage(page, offset, mask)

    def flip(self, page: int, beat: int, bits: int = 1) -> None:
        """Flip bits of one 64-byte beat of what the media holds for a stored lz4 or raw page; else KeyError."""
        self._store.flip(page, beat, bits)

    def fail_sectors(self, sectors: set[int]) -> None:
        """From now on the media answers accesses to these sectors, and only these, with an error."""
        self._store.fail_sectors(sectors)

    # Inside

    def _locate(self, address: int, length: int) -> tuple[int, int]:
        """(page, first line) of an access."""
        self._check_open()
        check_lines(address, length)
        return address // PAGE_BYTES, address % PAGE_BYTES // LINE_BYTES

    async def _refuse(self, response: Response, address: int, until: int) -> None:
        await self.clock.sleep(until - self.clock.now)
        raise BusError(response, address)

    def _check_open(self) -> None:
        if self._closed:
            raise LinkError("the link is closed")

    async def _register_time(self, count: int) -> None:
        now = self.clock.now
        start = max(now, self._registers_busy_until)
        self._registers_busy_until = start + count * self.timing.register_access * self._clock_ns
        await self.clock.sleep(self._registers_busy_until - now)

    def _wake(self) -> None:
        """Wake the tasks that wait for an interrupt."""
        risen, self._risen = self._risen, self.clock.event()
        risen.set()

    def _status(self) -> int:
        now = self.clock.now
        status = STATUS_READY.mask if now >= self._ready_at else 0
        if now >= self._busy_until and not self._mailbox.busy and not self._background()[0]:
            status |= STATUS_IDLE.mask
        signals = self._signals
        states = {
            STATUS_LOW: signals.low, STATUS_HIGH: signals.high,
            STATUS_MEDIUM: signals.medium, STATUS_CRITICAL: signals.critical,
        }  # fmt: skip
        return status | sum(field.mask for field, held in states.items() if held)

    def _cycles_since_reset(self) -> int:
        return (self.clock.now - self._reset_at) // self._clock_ns

    def _ratio(self) -> int:
        """ACHIEVED_RATIO: per-mille, rounded down; all ones when it does not fit."""
        store, parameters = self._store, self.parameters
        if store.resident == 0:
            return 1000
        used = parameters.media_sectors - store.sectors.free
        return min(_WORD, store.resident * parameters.raw_sectors * 1000 // used) if used else _WORD

    def _sanitize(self) -> bool:
        """Trim every page, at once, and look busy with it as long as the device would be; False if already so."""
        if self._background()[0]:
            return False
        for page in range(self.parameters.perceived_pages):
            self._cache.trim(page)
        self._cache.elapsed = self.timing.mailbox_command
        start = max(self.clock.now, self._busy_until)
        self._sanitized = start, start + self.parameters.perceived_pages * self.timing.sanitize_page * self._clock_ns
        self.clock.spawn(self._finish_sanitize(self._mailbox), "model background operation")
        return True

    async def _finish_sanitize(self, mailbox: Mailbox) -> None:
        await self.clock.sleep(self._sanitized[1] - self.clock.now)
        if mailbox is self._mailbox:  # else a reset came in between
            self._signals.raise_line(Interrupt.MAILBOX)

    def _background(self) -> tuple[bool, int]:
        """Whether the background operation runs, and MAILBOX_BACKGROUND_LOW."""
        start, end = self._sanitized
        if end == 0:
            return False, 0
        percent = min(100, max(0, self.clock.now - start) * 100 // (end - start))
        return self.clock.now < end, Opcode.SANITIZE | percent << 16

    def _ring(self) -> None:
        """The doorbell: the command takes its turn after the accesses before it, and is answered later."""
        start = self._began = max(self.clock.now, self._busy_until)
        rung = self.clock.now
        self._busy_until = start + self._mailbox.start() * self._clock_ns
        if self._engines:
            self._tell("mailbox", (rung - start) // self._clock_ns, (self._busy_until - start) // self._clock_ns)
        self.clock.spawn(self._answer(self._mailbox, self._busy_until), "model mailbox")

    async def _answer(self, mailbox: Mailbox, until: int) -> None:
        await self.clock.sleep(until - self.clock.now)
        if mailbox is self._mailbox:  # else a reset came in between
            mailbox.finish()
            self._signals.raise_line(Interrupt.MAILBOX)
