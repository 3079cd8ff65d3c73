# SPDX-License-Identifier: MIT
"""The cocotb link: the RTL in a simulator, driven through the nets of `hw/bench/cram_tb.v`.

Transfers that end in the same cycle end in the order write, read, registers, and interrupts are seen after them,
whatever order the simulator has for its callbacks: so a run is the same in every simulator and over the verilated link.

The bus handshakes happen in HDL (`hw/bench/host_port.v`); Python names a transfer and sleeps until it is over. So a
page costs a handful of simulator calls, not thousands. Works under Verilator and Icarus alike, inside a cocotb test.
"""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from pathlib import Path
from typing import Any, Generic, TypeVar

import cocotb
from cocotb.handle import HierarchyObject, ValueObjectBase
from cocotb.task import Task as CocotbTask
from cocotb.triggers import Event, First, NullTrigger, ReadWrite, RisingEdge, Timer, ValueChange
from cocotb.utils import get_sim_time

from hw.clock import Lock
from hw.link import LINE_BYTES, PAGE_BYTES, BusError, LinkError, Response, check_lines, check_registers

T = TypeVar("T")

BENCH_SOURCES = sorted((Path(__file__).parents[1] / "bench").glob("*.v"))
"""What `hw.build.build("cram_tb", ...)` needs besides the RTL."""

TIMEOUT_NS = 10_000_000  # no transfer takes 10 ms of simulated time unless the device hangs
WORDS = PAGE_BYTES // 4
HEAD_WORDS = 16  # a short transfer has a data port of its own


class CocotbClock:
    """Simulated time and tasks on cocotb's scheduler; implements hw.clock.Clock.

    An exception in a task goes to the task that awaits it; `check` raises those that nobody has awaited.
    """

    def __init__(self) -> None:
        self._failed: list[_Shell[Any]] = []
        self._origin_ns: int | None = None

    @property
    def now(self) -> int:
        """Simulated time since the first link was opened, ns."""
        return self._elapsed_ns() - (self._origin_ns or 0)

    def begin(self) -> None:
        """Time starts now, after the device's power-on reset; once."""
        if self._origin_ns is None:
            self._origin_ns = self._elapsed_ns()

    @staticmethod
    def _elapsed_ns() -> int:
        return int(get_sim_time("step")) // 1000  # cram_tb is built with a precision of 1 ps

    async def sleep(self, ns: int) -> None:
        """Let `ns` nanoseconds pass; 0 only lets other ready tasks run."""
        await (Timer(ns, "ns") if ns > 0 else NullTrigger())

    def spawn(self, coroutine: Coroutine[Any, Any, T], name: str = "") -> _Shell[T]:
        """Start a task."""
        return _Shell(coroutine, name, self._failed)

    def event(self) -> Event:
        """A new event, not set."""
        return Event()

    def check(self) -> None:
        """Raise the first exception of a task that nobody has awaited."""
        for shell in self._failed:
            if shell.error is not None and not shell.awaited:
                raise shell.error


class _Shell(Generic[T]):
    """A task whose exception is kept for its awaiter: cocotb would end the test where nobody awaits it yet."""

    def __init__(self, coroutine: Coroutine[Any, Any, T], name: str, failed: list[_Shell[Any]]) -> None:
        self.error: BaseException | None = None
        self.awaited = False
        self._result: list[T] = []
        self._failed = failed
        self._task: CocotbTask[None] = cocotb.start_soon(self._run(coroutine))

    async def _run(self, coroutine: Coroutine[Any, Any, T]) -> None:
        try:
            self._result.append(await coroutine)
        except Exception as error:
            self.error = error
            self._failed.append(self)

    def __await__(self) -> Generator[Any, Any, T]:
        self.awaited = True
        yield from self._task.__await__()
        if self.error is not None:
            raise self.error
        return self._result[0]

    def done(self) -> bool:
        return self._task.done()

    def cancel(self) -> None:
        self._task.cancel()


class CocotbLink:
    """A link to the device in `cram_tb`; implements hw.link.Link. Make it with `await CocotbLink.open(dut)`."""

    def __init__(self, dut: HierarchyObject, clock: CocotbClock) -> None:
        self.clock = clock
        # every look-up of a handle costs a call into the simulator: once is enough
        self._reset_n = _net(dut, "rst_n")
        self._media_reset_n = _net(dut, "media_rst_n")
        self._interrupt = _net(dut, "interrupt")
        self._cycles = _net(dut, "cycles")
        self._write = _Channel(dut, "write", clock, [])
        self._write_address = _net(dut, "write_address")
        self._write_beats = _net(dut, "write_beats")
        self._write_data = _net(dut, "write_data")
        self._read = _Channel(dut, "read", clock, [self._write])
        self._read_address = _net(dut, "read_address")
        self._read_beats = _net(dut, "read_beats")
        self._read_data = _net(dut, "read_data")
        self._register = _Channel(dut, "register", clock, [self._write, self._read])
        self._channels = [self._write, self._read, self._register]
        self._register_write = _net(dut, "register_write")
        self._register_address = _net(dut, "register_address")
        self._register_words = _net(dut, "register_words")
        self._register_head_in = _net(dut, "register_head_in")
        self._register_head_out = _net(dut, "register_head_out")
        self._register_in = _net(dut, "register_in")
        self._register_out = _net(dut, "register_out")
        self._closing = Event()
        self.resets = 0

    @classmethod
    async def open(cls, dut: HierarchyObject, clock: CocotbClock | None = None) -> CocotbLink:
        """A link to the device, out of its power-on reset."""
        link = cls(dut, clock or CocotbClock())
        await Timer(1, "ns")  # the bench's initial values
        if not link._reset_n.value:
            await RisingEdge(link._reset_n)
        for channel in link._channels:
            channel.attach()
        link.clock.begin()
        return link

    @property
    def cycles(self) -> int:
        """Device clock cycles run so far."""
        return int(self._cycles.value)

    async def read(self, address: int, length: int) -> bytes:
        """Read whole lines inside one page. Raises BusError, LinkError, ValueError."""
        self._check_open()
        check_lines(address, length)
        resets = self.resets
        async with self._read:
            self._check_same(resets)
            self._read_address.value = address
            self._read_beats.value = length // LINE_BYTES
            await self._read.transfer(address)
            return _bytes(self._read_data)[:length]

    async def write(self, address: int, data: bytes) -> None:
        """Write whole lines inside one page. Raises BusError, LinkError, ValueError."""
        self._check_open()
        check_lines(address, len(data))
        resets = self.resets
        async with self._write:
            self._check_same(resets)
            self._write_address.value = address
            self._write_beats.value = len(data) // LINE_BYTES
            self._write_data.value = int.from_bytes(data, "little")
            await self._write.transfer(address)

    async def read_registers(self, offset: int, count: int = 1) -> list[int]:
        """Read consecutive 32-bit registers. Raises BusError if one is unmapped, LinkError, ValueError."""
        self._check_open()
        check_registers(offset, count)
        values: list[int] = []
        resets = self.resets
        async with self._register:
            for start in range(0, count, WORDS):
                words = min(WORDS, count - start)
                self._check_same(resets)
                await self._register_transfer(offset + 4 * start, words, write=False)
                raw = _bytes(self._register_head_out if words <= HEAD_WORDS else self._register_out)
                values += [int.from_bytes(raw[4 * i : 4 * i + 4], "little") for i in range(words)]
        return values

    async def write_registers(self, offset: int, values: list[int]) -> None:
        """Write consecutive 32-bit registers. Raises BusError if one is unmapped, LinkError, ValueError."""
        self._check_open()
        check_registers(offset, len(values))
        resets = self.resets
        async with self._register:
            for start in range(0, len(values), WORDS):
                words = values[start : start + WORDS]
                self._check_same(resets)
                data = self._register_head_in if len(words) <= HEAD_WORDS else self._register_in
                data.value = sum((value & 0xFFFFFFFF) << (32 * i) for i, value in enumerate(words))
                await self._register_transfer(offset + 4 * start, len(words), write=True)

    async def _register_transfer(self, offset: int, words: int, write: bool) -> None:
        self._register_write.value = int(write)
        self._register_address.value = offset
        self._register_words.value = words
        await self._register.transfer(offset)

    def interrupts(self) -> int:
        """The interrupt lines now, as a mask of 16 bits."""
        return int(self._interrupt.value)

    async def wait_interrupt(self, mask: int) -> int:
        """Wait until a line in `mask` is high; returns the lines of `mask` that are high. Raises LinkError."""
        resets = self.resets
        while True:
            self._check_open()
            if self.resets != resets:
                raise LinkError("the device was reset")
            high = self.interrupts() & mask
            if high:
                return high
            await First(ValueChange(self._interrupt), ValueChange(self._reset_n), self._closing.wait())
            await _let_end(self._channels)

    async def reset(self) -> None:
        """Pulse the reset for four cycles; transfers under way end with SLVERR."""
        self._check_open()
        self.resets += 1
        self._reset_n.value = self._media_reset_n.value = 0
        await Timer(4, "ns")
        self._reset_n.value = self._media_reset_n.value = 1
        await Timer(1, "ns")

    async def close(self) -> None:
        """Release the device; every later access raises LinkError."""
        self._closing.set()

    def _check_same(self, resets: int) -> None:
        """Raise LinkError if the device was reset while a transfer, meant for the old one, waited for its turn."""
        self._check_open()
        if self.resets != resets:
            raise LinkError("the device was reset")

    def _check_open(self) -> None:
        if self._closing.is_set():
            raise LinkError("the link is closed")


class _Channel:
    """One toggle handshake of host_port: a transfer at a time, in the order of the calls."""

    def __init__(self, dut: HierarchyObject, name: str, clock: CocotbClock, first: list[_Channel]) -> None:
        self._first = first  # channels whose transfers end first where both end at once
        self._waiting = False  # somebody waits for the transfer on the bus
        self._lock = Lock(clock)
        self._name = name
        self._request = _net(dut, f"{name}_request")
        self._done = _net(dut, f"{name}_done")
        self._response = _net(dut, f"{name}_response")
        self._toggle = 0
        self._pending = False  # a transfer whose task was cancelled may still be on the bus

    def attach(self) -> None:
        """Take the handshake over as an earlier link to the same device left it."""
        self._toggle = int(self._request.value)
        self._pending = int(self._done.value) != self._toggle

    async def __aenter__(self) -> None:
        await self._lock.acquire()
        try:
            if self._pending and int(self._done.value) != self._toggle:
                await ValueChange(self._done)
        except BaseException:
            self._lock.release()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()

    async def transfer(self, address: int) -> None:
        """Start, wait for the end, raise BusError on an error response, LinkError if the device does not answer."""
        self._toggle ^= 1
        self._pending = True
        self._request.value = self._toggle
        end, limit = ValueChange(self._done), Timer(TIMEOUT_NS, "ns")
        self._waiting = True
        try:
            if await First(end, limit) is limit:
                raise LinkError(f"no answer to the {self._name} at 0x{address:x} within {TIMEOUT_NS} ns")
            await _let_end(self._first)
        finally:
            self._waiting = False
        self._pending = False
        response = Response(int(self._response.value))
        if response in (Response.SLVERR, Response.DECERR):
            raise BusError(response, address)

    def ending(self) -> bool:
        """The transfer is over, and the task that waits for it has yet to see that."""
        return self._waiting and int(self._done.value) == self._toggle


async def _let_end(channels: list[_Channel]) -> None:
    """Let the tasks go first that wait for transfers which are over."""
    if any(channel.ending() for channel in channels):
        await ReadWrite()  # by now the simulator has told everybody what changed
    while any(channel.ending() for channel in channels):
        await NullTrigger()


def _net(dut: HierarchyObject, name: str) -> Any:
    """The handle of a net; which class of handle it is depends on the simulator."""
    handle = dut[name]
    assert isinstance(handle, ValueObjectBase), name
    return handle


def _bytes(handle: Any) -> bytes:
    data: bytes = handle.value.to_bytes(byteorder="little")
    return data
