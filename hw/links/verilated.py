# SPDX-License-Identifier: MIT
"""The verilated link: the RTL as a library in this process, on the clock's virtual time. One cycle is 1 ns.

The bus handshakes happen in HDL (`hw/bench/host_port.v`) and the cycles in C++ (`hw/verilated/device.cpp`); Python is
entered only when something completed, and only ever while the device stands still:

    task --- transfer ---> channel, starts at clock.now; the task waits
    VirtualClock: no task is ready --- advance(next wake-up) ---> RTL, cycle by cycle, up to the first completion
    task <--- completion --- clock.now is then the end of the completing cycle

So a cycle that starts at t sees what tasks did up to t, and tasks see its outcome at t + 1. While the device has
nothing to do its clock stands still, as in `hw/bench/cram_tb.v`, and time passes at no cost.
"""

from __future__ import annotations

from enum import IntFlag
from pathlib import Path
from struct import Struct
from zlib import crc32

from hw.clock import Lock
from hw.engines import EngineListener
from hw.link import LINE_BYTES, PAGE_BYTES, BusError, LinkError, Response, check_lines, check_registers
from hw.parameters import MEDIA_LATENCY, DeviceParameters
from hw.verilated.library import load
from hw.verilated.memories import Memory, find_memories
from hw.verilated.watch import EngineWatch
from hw.virtual_time import VirtualClock, VirtualEvent

TIMEOUT_NS = 10_000_000  # no transfer takes 10 ms of simulated time unless the device hangs
WORDS = PAGE_BYTES // 4
HEAD_WORDS = 16  # a short transfer has data ports of its own
_NO_LIMIT = 1 << 62
_WORD = 0xFFFF_FFFF
_EVERYWHERE = (1 << 40) - 1
_ERRORS = (Response.SLVERR, Response.DECERR)
_HEAD = [Struct(f"<{words}I") for words in range(HEAD_WORDS + 1)]


class MediaFault(IntFlag):
    """What the media can do wrong (hw/bench/media_dram.v)."""

    BAD_READ = 1
    BAD_WRITE = 2
    MUTE_READ = 4
    MUTE_WRITE = 8
    DEAF = 16


class VerilatedLink:
    """A link to a device of its own, just out of reset; implements hw.link.Link and hw.virtual_time.TimeSource.

    Args:
        clock: the clock that the device lives on. The device's power-on reset (ten cycles) lies before `clock.now`.
        parameters: what it is built with. The first device of a kind compiles its library, which takes a minute.
        seed: what registers and memories without a reset hold at first.
        timeout_ns: a transfer that takes longer raises LinkError.
        media_latency: clock cycles from a media request to its first beat; a dial, which compiles nothing.
        waves: able to write waves (`start_waves`); a library of its own, and slower.
        memories: able to show its memories (`memories`); likewise.
        engines: able to tell when its engines are busy (`watch_engines`); likewise.

    Raises:
        hw.build.BuildError, hw.tools.ToolError: the library cannot be compiled.
    """

    def __init__(
        self,
        clock: VirtualClock,
        parameters: DeviceParameters | None = None,
        seed: int = 1,
        timeout_ns: int = TIMEOUT_NS,
        media_latency: int = MEDIA_LATENCY,
        waves: bool = False,
        memories: bool = False,
        engines: bool = False,
    ) -> None:
        self.clock = clock
        self.parameters = parameters or DeviceParameters()
        self._library = library = load(self.parameters, waves, memories, engines)
        self._watches_engines = engines
        self._watch: EngineWatch | None = None
        ffi, self._lib = library.ffi, library.lib
        self._ffi, self._identity = ffi, library.identity.encode()
        self._device = ffi.gc(self._lib.cram_create(seed), self._lib.cram_destroy)
        self._release = ffi.release
        device = self._device
        self._write_data = ffi.buffer(device.write_data, PAGE_BYTES)
        self._read_data = ffi.buffer(device.read_data, PAGE_BYTES)
        self._head_in = ffi.buffer(device.register_head_in, HEAD_WORDS * 4)
        self._head_out = ffi.buffer(device.register_head_out, HEAD_WORDS * 4)
        self._registers_in = ffi.buffer(device.register_data_in, PAGE_BYTES)
        self._registers_out = ffi.buffer(device.register_data_out, PAGE_BYTES)
        self._write = _Channel(clock, "write", timeout_ns)
        self._read = _Channel(clock, "read", timeout_ns)
        self._registers = _Channel(clock, "register access", timeout_ns)
        self._channels = (
            (self._lib.CRAM_WRITE_DONE, self._write),
            (self._lib.CRAM_READ_DONE, self._read),
            (self._lib.CRAM_REGISTERS_DONE, self._registers),
        )
        self._interrupt_waiters: list[tuple[int, VirtualEvent]] = []
        self._cycles = 0  # at the close
        self._closed = False
        self.resets = 0
        self._slower = media_latency - MEDIA_LATENCY  # than what the library was compiled with
        self.set_media_fault(MediaFault(0))
        clock.attach(self)

    @property
    def cycles(self) -> int:
        """Device clock cycles run so far."""
        return self._cycles if self._closed else int(self._device.cycles)

    async def read(self, address: int, length: int) -> bytes:
        """Read whole lines inside one page. Raises BusError, LinkError, ValueError."""
        self._check_open()
        check_lines(address, length)
        channel, resets = self._read, self.resets
        async with channel:
            self._check_same(resets)
            self._lib.cram_start_read(self._device, address, length // LINE_BYTES)
            await channel.completion()
            if self._device.read_response in _ERRORS:
                raise BusError(Response(self._device.read_response), address)
            return bytes(self._read_data[:length])

    async def write(self, address: int, data: bytes) -> None:
        """Write whole lines inside one page. Raises BusError, LinkError, ValueError."""
        length = len(data)
        self._check_open()
        check_lines(address, length)
        channel, resets = self._write, self.resets
        async with channel:
            self._check_same(resets)
            self._write_data[:length] = data
            self._lib.cram_start_write(self._device, address, length // LINE_BYTES)
            await channel.completion()
            if self._device.write_response in _ERRORS:
                raise BusError(Response(self._device.write_response), address)

    async def read_registers(self, offset: int, count: int = 1) -> list[int]:
        """Read consecutive 32-bit registers. Raises BusError if one is unmapped, LinkError, ValueError."""
        self._check_open()
        check_registers(offset, count)
        values: list[int] = []
        resets = self.resets
        async with self._registers:
            for start in range(0, count, WORDS):
                words = min(WORDS, count - start)
                self._check_same(resets)
                await self._register_transfer(offset + 4 * start, words, write=False)
                data = self._head_out if words <= HEAD_WORDS else self._registers_out
                values += _words(words).unpack(data[: 4 * words])
        return values

    async def write_registers(self, offset: int, values: list[int]) -> None:
        """Write consecutive 32-bit registers. Raises BusError if one is unmapped, LinkError, ValueError."""
        self._check_open()
        check_registers(offset, len(values))
        resets = self.resets
        async with self._registers:
            for start in range(0, len(values), WORDS):
                self._check_same(resets)
                words = [value & 0xFFFFFFFF for value in values[start : start + WORDS]]
                data = self._head_in if len(words) <= HEAD_WORDS else self._registers_in
                data[: 4 * len(words)] = _words(len(words)).pack(*words)
                await self._register_transfer(offset + 4 * start, len(words), write=True)

    async def _register_transfer(self, offset: int, words: int, write: bool) -> None:
        self._lib.cram_start_registers(self._device, write, offset, words)
        await self._registers.completion()
        if self._device.register_response in _ERRORS:
            raise BusError(Response(self._device.register_response), offset)

    def interrupts(self) -> int:
        """The interrupt lines now, as a mask of 16 bits. Raises LinkError."""
        self._check_open()
        return int(self._device.interrupts)

    async def wait_interrupt(self, mask: int) -> int:
        """Wait until a line in `mask` is high; returns the lines of `mask` that are high. Raises LinkError."""
        resets = self.resets
        while True:
            if self.resets != resets:
                raise LinkError("the device was reset")
            high = self.interrupts() & mask
            if high:
                return high
            waiter = mask, self.clock.event()
            self._interrupt_waiters.append(waiter)
            self._watch_interrupts()
            try:
                await waiter[1].wait()
            except BaseException:
                if waiter in self._interrupt_waiters:
                    self._interrupt_waiters.remove(waiter)
                    self._watch_interrupts()
                raise

    def _watch_interrupts(self) -> None:
        """Let the device stop when a line rises that a task waits for."""
        if self._closed:
            return
        watched = 0
        for mask, _ in self._interrupt_waiters:
            watched |= mask
        self._device.interrupt_mask = watched & 0xFFFF

    async def reset(self) -> None:
        """Pulse the reset for four cycles; transfers under way end with SLVERR. Raises LinkError."""
        await self._pulse_reset(0)

    async def _pulse_reset(self, media: int) -> None:
        self._check_open()
        self.resets += 1
        self._wake_waiters()
        self._lib.cram_set_reset(self._device, 0, media)
        await self.clock.sleep(4)
        self._check_open()
        self._lib.cram_set_reset(self._device, 1, 1)
        await self.clock.sleep(1)

    # Beyond hw.link.Link

    async def reset_device(self) -> None:
        """As `reset`, but the media goes on with what it was doing."""
        await self._pulse_reset(1)

    async def reset_media(self) -> None:
        """Pulse the reset of the media alone: it forgets its requests, not its content. Raises LinkError."""
        self._check_open()
        self._lib.cram_set_reset(self._device, 1, 0)
        await self.clock.sleep(4)
        self._check_open()
        self._lib.cram_set_reset(self._device, 1, 1)
        await self.clock.sleep(1)

    def set_media_fault(self, kinds: MediaFault, address: int | None = None, delay: int = 0) -> None:
        """Let the media misbehave from now on.

        Args:
            kinds: how; `MediaFault(0)` ends it.
            address: of the sector whose bursts it concerns, bytes; None: every burst.
            delay: cycles by which the media is slower than its latency, for every burst.
        """
        self._check_open()
        added = (self._slower + delay) & _WORD  # the media's time wraps at 32 bits
        self._lib.cram_set_fault(self._device, kinds, _EVERYWHERE if address is None else address, added)

    def memories(self) -> dict[str, Memory]:
        """The memories that hold pages, by their names in hw.verilated.memories. They end with the link.

        Raises:
            LinkError: the link was not made with `memories=True`.
        """
        self._check_open()
        try:
            return find_memories(self._ffi, self._lib, self._device)
        except LookupError as error:
            raise LinkError(f"{error}: the link needs memories=True") from None

    def watch_engines(self, told: EngineListener | None, every: int = 1) -> None:
        """See EngineLink: the link needs `engines=True`."""
        self._check_open()
        if not self._watches_engines:
            raise LinkError("the library does not show the engines: the link needs engines=True")
        self._watch = EngineWatch(self._library, self._device, told, every)

    def engines_busy(self) -> dict[str, int]:
        """See EngineLink."""
        self._check_open()
        return {} if self._watch is None else self._watch.busy_cycles()

    def save(self) -> bytes:
        """The device and its media as they are, for `restore`. Only between transfers.

        Raises:
            LinkError: a transfer is under way.
        """
        self._check_resting()
        length = self._ffi.new("uint64_t *")
        start = self._lib.cram_save(self._device, length)
        state = bytes(self._ffi.buffer(start, length[0]))
        return b"%s %08x\n" % (self._identity, crc32(state)) + state

    def restore(self, state: bytes) -> None:
        """Go on from a state that `save` returned, of this device or one built alike.

        `cycles` goes back, `clock.now` does not.

        Raises:
            LinkError: a transfer is under way.
            ValueError: not a state, or one of another build.
        """
        self._check_resting()
        header, _, content = state.partition(b"\n")
        if header != b"%s %08x" % (self._identity, crc32(content)):
            raise ValueError("not a state of this build of the device")
        self._lib.cram_restore(self._device, self._ffi.from_buffer(content), len(content))

    def start_waves(self, path: Path) -> None:
        """Write what every signal does from now on to a VCD file, 1 cycle = 1 ns since power-on.

        Raises:
            LinkError: the link was not made with `waves=True`, or the file cannot be written.
        """
        self._check_open()
        if self._lib.cram_waves_start(self._device, str(path).encode()):
            raise LinkError(f"{path}: cannot write waves here; the link needs waves=True, the path a folder")

    def stop_waves(self) -> None:
        """Finish the file; do nothing if none is being written."""
        self._check_open()
        self._lib.cram_waves_stop(self._device)

    async def close(self) -> None:
        """Release the device; every access, also one under way, raises LinkError. Idempotent."""
        if self._closed:
            return
        self._cycles = self.cycles
        self._closed = True
        self.clock.detach(self)
        for _, channel in self._channels:
            channel.fail("the link is closed")
        self._wake_waiters()
        self._write_data = self._read_data = self._head_in = self._head_out = None
        self._registers_in = self._registers_out = None
        if self._watch is not None:
            self._watch.close()
        self._release(self._device)

    @property
    def busy(self) -> bool:
        """True while the device's clock runs."""
        return bool(self._device.busy)

    def advance(self, until: int | None) -> int:
        """Run the device from `clock.now` until a task is ready, it is idle, or it is `until`; returns the time."""
        now = self.clock.now
        end = _NO_LIMIT if until is None else until
        for _, channel in self._channels:
            if channel.deadline is not None and channel.deadline < end:
                end = channel.deadline
        device = self._device
        if self._watch is None:
            reasons = self._lib.cram_advance(device, end - now)
        else:
            reasons = self._watch.advance(now, end - now)
        now += int(device.advanced)
        if reasons:
            for done, channel in self._channels:
                if reasons & done:
                    channel.finish()
            if reasons & self._lib.CRAM_INTERRUPT:
                self._wake_interrupted(int(device.interrupts))
        if now == end:
            for _, channel in self._channels:
                channel.expire(now)
        return now

    def _wake_waiters(self) -> None:
        """Let the tasks that wait for an interrupt look again."""
        for _, event in self._interrupt_waiters:
            event.set()
        self._interrupt_waiters.clear()

    def _wake_interrupted(self, lines: int) -> None:
        for waiter in list(self._interrupt_waiters):
            mask, event = waiter
            if mask & lines:
                self._interrupt_waiters.remove(waiter)
                event.set()
        self._watch_interrupts()

    def _check_resting(self) -> None:
        self._check_open()
        for _, channel in self._channels:
            if channel.on_bus:
                raise LinkError("a transfer is under way")

    def _check_same(self, resets: int) -> None:
        """Raise LinkError if the device was reset while a transfer, meant for the old one, waited for its turn."""
        self._check_open()
        if self.resets != resets:
            raise LinkError("the device was reset")

    def _check_open(self) -> None:
        if self._closed:
            raise LinkError("the link is closed")


class _Channel:
    """One channel of the host port: a transfer at a time, in the order of the calls.

    A task that is cancelled or has lost patience leaves its transfer on the bus; the next one waits for its end.
    """

    def __init__(self, clock: VirtualClock, name: str, timeout_ns: int) -> None:
        self.on_bus = False  # a transfer has been started and has not ended
        self.deadline: int | None = None  # for the end of the transfer under way, ns; None: nobody waits
        self._clock = clock
        self._name = name
        self._timeout_ns = timeout_ns
        self._lock = Lock(clock)
        self._over = clock.event()
        self._failure: str | None = None

    async def __aenter__(self) -> None:
        if not self._lock.try_acquire():
            await self._lock.acquire()
        if self.on_bus:
            try:
                await self._end()
            except BaseException:
                self._lock.release()
                raise

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()

    async def completion(self) -> None:
        """Wait for the end of the transfer that has just been started. Raises LinkError if there is none."""
        self.on_bus = True
        await self._end()

    async def _end(self) -> None:
        self._failure = None
        self.deadline = self._clock.now + self._timeout_ns
        self._over.clear()
        await self._over.wait()
        if self._failure is not None:
            raise LinkError(f"{self._name}: {self._failure}")

    def finish(self) -> None:
        """The transfer is over."""
        self.on_bus = False
        self.deadline = None
        self._over.set()

    def fail(self, failure: str) -> None:
        """Wait no longer."""
        if self.deadline is not None:
            self.deadline = None
            self._failure = failure
            self._over.set()

    def expire(self, now: int) -> None:
        """Fail the transfer if it is late."""
        if self.deadline is not None and now >= self.deadline:
            self.fail(f"no answer within {self._timeout_ns} ns")


def _words(count: int) -> Struct:
    return _HEAD[count] if count <= HEAD_WORDS else Struct(f"<{count}I")
