# SPDX-License-Identifier: MIT
"""Access: registers and interrupt lines of a link, with the driver's errors and time limits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from driver.errors import DeviceLost, DeviceReset, DeviceTimeout, UnexpectedResponse
from hw.clock import Clock
from hw.link import BusError, Link, LinkError

T = TypeVar("T")


class Access:
    """The registers and interrupts of one device. A call is one bulk transfer, as simulator calls are expensive."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._resets = link.resets

    def check(self) -> None:
        """Raise DeviceReset if the device has been reset meanwhile: its answers then mean nothing to this driver."""
        if self._link.resets != self._resets:
            raise DeviceReset("the device was reset")

    async def read(self, offset: int, count: int = 1) -> list[int]:
        """`count` registers from byte `offset` on. Raises DeviceLost, UnexpectedResponse."""
        self.check()
        try:
            values = await self._link.read_registers(offset, count)
        except LinkError as error:
            self.check()
            raise DeviceLost(str(error)) from error
        except BusError as error:
            self.check()
            raise UnexpectedResponse(f"register read: {error}") from error
        self.check()
        return values

    async def write(self, offset: int, values: list[int]) -> None:
        """Write registers from byte `offset` on. Raises DeviceLost, UnexpectedResponse."""
        self.check()
        try:
            await self._link.write_registers(offset, values)
        except LinkError as error:
            self.check()
            raise DeviceLost(str(error)) from error
        except BusError as error:
            self.check()
            raise UnexpectedResponse(f"register write: {error}") from error
        self.check()

    async def wait(self, mask: int, timeout_ns: int | None = None) -> int:
        """Wait for an interrupt line of `mask`; return the lines that are high. Raises DeviceLost, DeviceTimeout."""
        self.check()
        try:
            high = self._link.interrupts() & mask
            if high:
                return high
            if timeout_ns is None:
                return await self._link.wait_interrupt(mask)
            return await within(self._link.clock, timeout_ns, lambda: self._link.wait_interrupt(mask))
        except LinkError as error:
            self.check()
            raise DeviceLost(str(error)) from error


async def to_its_end(clock: Clock, work: Callable[[], Awaitable[T]]) -> T:
    """Await `work()`; it goes on to its end even if the caller is cancelled. Raises what it raises.

    It is for work that takes something out of the device, and would lose it if it stopped half-way. An error of work
    that nobody waits for any more is dropped: the next call meets it again.
    """
    finished = clock.event()
    results: list[T] = []
    errors: list[Exception] = []

    async def run() -> None:
        try:
            results.append(await work())
        except Exception as error:
            errors.append(error)
        finally:
            finished.set()

    clock.spawn(run(), "work that is not cancelled")
    await finished.wait()
    if errors:
        raise errors[0]
    return results[0]


async def within(clock: Clock, timeout_ns: int, work: Callable[[], Awaitable[T]]) -> T:
    """Await `work()` for at most `timeout_ns`; then it is cancelled and DeviceTimeout raised."""
    finished = clock.event()

    async def notify() -> T:
        try:
            return await work()
        finally:
            finished.set()

    async def alarm() -> None:
        await clock.sleep(timeout_ns)
        finished.set()

    task, timer = clock.spawn(notify(), "work with a time limit"), clock.spawn(alarm(), "time limit")
    try:
        await finished.wait()
    except BaseException:
        task.cancel()
        raise
    finally:
        timer.cancel()
    if not task.done() and timer.done():
        task.cancel()
        raise DeviceTimeout(f"no answer within {timeout_ns} ns")
    return await task
