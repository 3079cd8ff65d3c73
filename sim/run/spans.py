# SPDX-License-Identifier: MIT
"""Spans: what a machine does and when, for a timeline: faults, background work, transfers, commands, interrupts.

The machine is watched from outside, by a link and a swap system that stand in for its own. It does not run otherwise
for that: nothing here takes simulated time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from hw.clock import Clock
from hw.codes import Interrupt, Opcode
from hw.link import Link
from hw.links.through import ThroughLink
from hw.registers import MAILBOX_CONTROL_DOORBELL, Register
from sim.run.metrics import FaultRecord
from vswap import Memcg, VswapSystem
from vswap.paths.reclaim import Reclaim


@dataclass(frozen=True)
class Span:
    """Something that took time, or an instant: from_ns and to_ns are the same then.

    Attributes:
        track: who did it: "space 0", "kswapd", "cram: reads".
        name: what it was.
        details: more, by name.
    """

    track: str
    name: str
    from_ns: int
    to_ns: int
    details: dict[str, int | str] = field(default_factory=dict)


class Recorder:
    """Keeps spans in the order of their ends."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def fault(self, fault: FaultRecord) -> None:
        """A task's fault has ended."""
        details: dict[str, int | str] = {"fault": fault.number, "page": fault.page}
        if fault.event is not None:
            details["event"] = fault.event
        end = fault.from_ns + fault.duration_ns
        self.spans.append(Span(f"space {fault.space}", fault.kind, fault.from_ns, end, details))

    def add(self, track: str, name: str, from_ns: int, to_ns: int, **details: int | str) -> None:
        """Something has ended."""
        self.spans.append(Span(track, name, from_ns, to_ns, details))


class WatchedLink(ThroughLink):
    """A link whose transfers, mailbox commands and interrupts are recorded; implements hw.link.Link.

    A channel serves its transfers in the order of the calls, so one that waited for its turn begins where the one
    before has ended.
    """

    def __init__(self, inner: Link, recorder: Recorder, node: str) -> None:
        super().__init__(inner)
        self._recorder = recorder
        self._node = node
        self._free: dict[str, int] = {}  # channel -> when its last transfer ended
        self._command: tuple[str, int] | None = None  # under way: its name, and when it was rung in
        self._opcode = 0

    async def read(self, address: int, length: int) -> bytes:
        """See Link."""
        start = self.clock.now
        try:
            return await super().read(address, length)
        finally:
            self._transfer("reads", "read", start, address=hex(address), bytes=length)

    async def write(self, address: int, data: bytes) -> None:
        """See Link."""
        start = self.clock.now
        try:
            await super().write(address, data)
        finally:
            self._transfer("writes", "write", start, address=hex(address), bytes=len(data))

    async def read_registers(self, offset: int, count: int = 1) -> list[int]:
        """See Link."""
        start = self.clock.now
        values = await super().read_registers(offset, count)
        self._transfer("registers", "read registers", start, offset=hex(offset), registers=count)
        if offset == Register.MAILBOX_CONTROL and self._command and not MAILBOX_CONTROL_DOORBELL.get(values[0]):
            name, rung = self._command
            self._command = None
            self._recorder.add(f"{self._node}: mailbox", name, rung, self.clock.now)
        return values

    async def write_registers(self, offset: int, values: list[int]) -> None:
        """See Link."""
        start = self.clock.now
        await super().write_registers(offset, values)
        self._transfer("registers", "write registers", start, offset=hex(offset), registers=len(values))
        if offset == Register.MAILBOX_COMMAND_LOW:
            self._opcode = values[0] & 0xFFFF
        elif offset == Register.MAILBOX_CONTROL and MAILBOX_CONTROL_DOORBELL.get(values[0]):
            self._command = _opcode_name(self._opcode), start

    async def wait_interrupt(self, mask: int) -> int:
        """See Link."""
        high = await super().wait_interrupt(mask)
        for line in Interrupt:
            if high & line.mask:
                self._recorder.add(f"{self._node}: interrupts", line.name, self.clock.now, self.clock.now)
        return high

    async def reset(self) -> None:
        """See Link."""
        self._command = None
        await super().reset()

    def _transfer(self, channel: str, name: str, start: int, **details: int | str) -> None:
        end = self.clock.now
        self._recorder.add(f"{self._node}: {channel}", name, max(start, self._free.get(channel, 0)), end, **details)
        self._free[channel] = end


class WatchedSystem(VswapSystem):
    """A swap system whose background work and direct reclaim are recorded."""

    def __init__(self, recorder: Recorder, clock: Clock, *arguments: Any, **more: Any) -> None:
        self._recorder = recorder
        self._clock = clock
        super().__init__(clock, *arguments, **more)

    def make_reclaim(self) -> Reclaim:
        """See VswapSystem."""
        return _WatchedReclaim(self, self._recorder)

    def spawn(self, name: str, wait: Callable[[], Awaitable[object]], work: Callable[[], Awaitable[None]]) -> None:
        """See VswapSystem."""

        async def recorded() -> None:
            start = self._clock.now
            await work()
            if self._clock.now > start:
                self._recorder.add(name, name, start, self._clock.now)

        super().spawn(name, wait, recorded)


class _WatchedReclaim(Reclaim):
    def __init__(self, system: VswapSystem, recorder: Recorder) -> None:
        super().__init__(system.machine, system.writeback)
        self._recorder = recorder

    async def direct(self, memcg: Memcg) -> int:
        start = self.machine.clock.now
        freed = await super().direct(memcg)
        self._recorder.add("direct reclaim", "direct reclaim", start, self.machine.clock.now, pages=freed)
        return freed


def _opcode_name(opcode: int) -> str:
    try:
        return Opcode(opcode).name
    except ValueError:
        return f"0x{opcode:x}"
