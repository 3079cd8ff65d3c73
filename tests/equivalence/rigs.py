# SPDX-License-Identifier: MIT
"""Rigs: one device behind each link, and the operations that all of them are put through."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import lz4.block

from driver import CramDevice, CramError, PageInfo
from hw.link import BusError, Link
from hw.virtual_time import VirtualClock
from tests.driver.inside import SimulatorClock

Operation = Callable[[CramDevice], Awaitable[Any]]


@dataclass(frozen=True)
class Outcome:
    """What an operation came to: its result, or its error in words; the time it took; the interrupt lines after it."""

    result: Any
    elapsed_ns: int
    interrupts: int


class Rig:
    """A device behind a link, probed, and a clock that stands still between two operations.

    Attributes:
        name: of the link.
        device: its driver.
    """

    def __init__(self, name: str, clock: VirtualClock | SimulatorClock, link: Link) -> None:
        self.name = name
        self.clock = clock
        self.link = link
        clock.run_until(link.reset())  # the simulator's device has lived before: all start from a reset
        self.device = clock.run_until(CramDevice.probe(link))
        self._cycles = link.cycles

    @property
    def cycles(self) -> int:
        """Clock cycles since the device was probed."""
        return self.link.cycles - self._cycles

    def run(self, operation: Operation) -> Outcome:
        """One operation, until the device is at rest again."""
        return self.clock.run_until(self._run(operation))

    async def _run(self, operation: Operation) -> Outcome:
        start = self.clock.now
        result = await attempt(operation, self.device)
        elapsed = self.clock.now - start
        await self.device.settle()
        return Outcome(result, elapsed, self.link.interrupts())

    def run_together(self, operations: list[Operation]) -> list[tuple[int, Any, int]]:
        """Operations started at once: (number, result, ns after the start) in the order in which they ended."""

        async def together() -> list[tuple[int, Any, int]]:
            ended: list[tuple[int, Any, int]] = []
            start = self.clock.now

            async def one(number: int, operation: Operation) -> None:
                result = await attempt(operation, self.device)
                ended.append((number, result, self.clock.now - start))

            for task in [self.clock.spawn(one(*numbered)) for numbered in enumerate(operations)]:
                await task
            await self.device.settle()
            return ended

        return self.clock.run_until(together())

    def close(self) -> None:
        """Give the device up; the simulator's stays for the next rig."""
        if isinstance(self.clock, VirtualClock):
            self.clock.run_until(self.link.close())
        self.clock.shut_down()


async def attempt(operation: Operation, device: CramDevice) -> Any:
    """The operation's result, or its error in words."""
    try:
        return await operation(device)
    except (CramError, BusError) as error:
        return f"{type(error).__name__}: {error}"


def comparable(result: Any) -> Any:
    """What the model and the RTL must agree on: not the compressed bytes, but what they decompress to."""
    if isinstance(result, PageInfo):
        return result.state, result.cached, result.dirty, result.crc, result.word, bool(result.length)
    return result


def block_content(block: bytes | None) -> bytes | None:
    """What an exported block decompresses to, by liblz4."""
    return None if block is None else lz4.block.decompress(block, uncompressed_size=4096)
