# SPDX-License-Identifier: MIT
"""Program: one trace under replay, by one task or by one for each of its spaces."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

import numpy as np

from hw.clock import Clock, Task
from hw.link import LINE_BYTES, LINES_PER_PAGE
from sim.run.accesses import Accesses
from sim.run.collapse import Collapse
from sim.run.tally import Tally
from sim.scenario.sections import WorkloadSection
from sim.trace.file import Event, Kind, Trace
from vswap import AddressSpace, Memcg, SigBus, VswapSystem
from vswap.base.backing import Backing
from vswap.mm.pagetable import Pte, PteState

_LINE_STEP = 37  # from one read's line to the next one's; odd, so that all 64 have their turn

Held = int | bytes
"""What a page holds: a content of the trace, or the bytes that were written after the collapse."""


class Around(Protocol):
    """What programs have in common, and tell of their progress."""

    clock: Clock
    system: VswapSystem
    accesses: Accesses
    tally: Tally
    memcgs: Mapping[int, Memcg]

    @property
    def failed(self) -> bool:
        """A task has ended in an error; the others end as well."""

    async def look(self) -> None:
        """Between two accesses."""

    def step(self) -> None:
        """An event has been replayed."""

    def spawn(self, task: Callable[[], Coroutine[Any, Any, None]], name: str) -> Task[None]:
        """Start a task whose error is kept."""


class Program:
    """See the module.

    Args:
        around: what is around it.
        trace: what to replay.
        workload: how.
        first_space: number of the trace's space 0 among those of all programs.
    """

    def __init__(self, around: Around, trace: Trace, workload: WorkloadSection, first_space: int) -> None:
        self._around = around
        self._trace = trace
        self._workload = workload
        self._first_space = first_space
        self._events = list(trace)
        self._spaces: dict[int, AddressSpace] = {}
        self._shadow: dict[int, dict[int, Held]] = {}  # space -> page -> what it holds
        self._plan = _plan(self._events) if workload.tasks == "space" else None
        percent = workload.collapse_at_percent
        after = None if percent is None else self.total * percent // 100
        self._collapse = Collapse(after, Random(f"collapse {workload.seed} {first_space}"))
        times = None
        if workload.think == "recorded" and trace.elapsed is not None:
            times = np.cumsum(trace.elapsed, dtype=np.int64).tolist()
        self._times: list[int] | None = times

    @property
    def total(self) -> int:
        """Events, in all rounds."""
        return self._workload.rounds * len(self._events)

    @property
    def pages(self) -> int:
        """Pages that are left to verify."""
        return sum(map(len, self._shadow.values()))

    async def run(self) -> None:
        """Replay every event. Raises OutOfMemory, DeviceLost and what else ends a machine."""
        for round_ in range(self._workload.rounds):
            before = round_ * len(self._events)
            if round_:
                for space in sorted(self._spaces):
                    await self._exit(space, before)
            if self._plan is None:
                await self._replay_all(range(len(self._events)), before, -1)
            else:
                await self._replay_spaces(self._plan, before)

    async def verify(self) -> AsyncIterator[None]:
        """Read back every page of every space that is left, and compare. Raises as `run` does."""
        for space in sorted(self._shadow):
            async for _ in self._verify_space(space, None):
                yield

    # Tasks

    async def _replay_all(self, numbers: range | list[int], before: int, started: int) -> None:
        """The events of one task.

        Args:
            numbers: of the events in the trace, in order.
            before: events of earlier rounds.
            started: the event after which the task began; -1 for the start of the trace.
        """
        last = started
        for number in numbers:
            if self._around.failed:
                return
            think = self._think(last, number)
            if think:
                await self._around.clock.sleep(think)
            await self._replay(self._events[number], before + number)
            last = number
            self._around.step()

    async def _replay_spaces(self, plan: _Plan, before: int) -> None:
        """A task for each space; a space begins when it was forked, or after the event before its first."""
        tasks: list[Task[None]] = []

        def start(space: int, after: int) -> None:
            tasks.append(self._around.spawn(lambda: replay(space, after), f"space {self._first_space + space}"))

        async def replay(space: int, after: int) -> None:
            last = after
            for number in plan.events[space]:
                await self._replay_all([number], before, last)
                last = number
                for begun in plan.begins.get(number, ()):
                    start(begun, number)

        for space in plan.begins.get(-1, ()):
            start(space, -1)
        for task in tasks:  # which grow in number meanwhile
            await task

    def _think(self, last: int, number: int) -> int:
        """ns that a task computes between two events of its own."""
        if self._times is None:
            return self._workload.think_ns
        return self._times[number] - (self._times[last] if last >= 0 else 0)

    # Events

    async def _replay(self, event: Event, at: int) -> None:
        """An event, which is the one of this number in all rounds."""
        space = self._space(event.space)
        shadow = self._shadow[event.space]
        match event.kind:
            case Kind.WRITE:
                held = self._collapse.page() if self._collapse.reached(at) else event.content
                if await self._write(event.space, event.page, self._bytes(held), at):
                    shadow[event.page] = held
            case Kind.READ:
                line = at * _LINE_STEP % LINES_PER_PAGE if self._workload.line_reads else None
                self._around.tally.reads_verified += 1
                await self._read(event.space, event.page, at, line)
            case Kind.FORK:
                name = f"space {self._first_space + event.page}"
                self._spaces[event.page] = await self._around.system.fork(space, name)
                self._shadow[event.page] = dict(shadow)
            case Kind.UNMAP:
                shadow.pop(event.page, None)
                await space.unmap(event.page)
            case Kind.PAGEOUT:
                await space.pageout(event.page)
            case Kind.PROMOTE:
                await space.promote(event.page)
            case Kind.EXIT:
                await self._exit(event.space, at)

    async def _exit(self, number: int, at: int) -> None:
        if self._workload.verify_exits:
            async for _ in self._verify_space(number, at):
                pass
        await self._spaces[number].exit()
        del self._spaces[number], self._shadow[number]

    def _space(self, number: int) -> AddressSpace:
        if number not in self._spaces:
            among_all = self._first_space + number
            group = self._around.memcgs.get(among_all)
            self._spaces[number] = self._around.system.create_space(f"space {among_all}", group)
            self._shadow[number] = {}
        return self._spaces[number]

    async def _write(self, number: int, page: int, data: bytes, at: int) -> bool:
        """Write a page; False if it was refused: the page holds what it held."""
        space, accesses, written = self._spaces[number], self._around.accesses, False
        try:
            await accesses.timed(space, self._first_space + number, page, at, space.write(page, data))
            written = True
        except SigBus as error:
            self._around.tally.lost_accesses += 1
            self._around.tally.find(str(error))
        await self._around.look()
        return written

    async def _read(self, number: int, page: int, at: int | None, line: int | None = None) -> None:
        """Read a page, or one line of it, and compare."""
        clock, tally, space = self._around.clock, self._around.tally, self._spaces[number]
        among_all = self._first_space + number
        data, start, place = None, clock.now, self._place(space, page)
        try:
            data = await self._around.accesses.timed(space, among_all, page, at, space.read(page, line))
        except SigBus as error:
            tally.lost_accesses += 1
            tally.lost.add((among_all, page))
            tally.find(str(error))
        end = clock.now
        await self._around.look()
        held = self._shadow[number].get(page)
        if data is None or held is None:  # lost, or a page whose only write was refused
            return
        expected, first = self._bytes(held), 0
        if line is not None:
            first = line * LINE_BYTES
            expected = expected[first : first + LINE_BYTES]
        if data != expected:
            tally.mismatches += 1
            tally.mismatch_ns = tally.mismatch_ns or (start, end)
            where = next(i for i in range(len(expected)) if data[i : i + 1] != expected[i : i + 1])
            tally.find(
                f"page {page} of space {among_all} differs at event {self.total if at is None else at}, {start:,} ns: "
                f"byte {first + where} is {data[where : where + 1].hex() or 'missing'}, the trace says "
                f"{expected[where : where + 1].hex()}; it was {place.said(self._around.system)}"
            )

    async def _verify_space(self, number: int, at: int | None) -> AsyncIterator[None]:
        for page in sorted(self._shadow[number]):
            await self._read(number, page, at)
            self._around.tally.pages_verified += 1
            yield

    def _bytes(self, held: Held) -> bytes:
        return held if isinstance(held, bytes) else self._trace.page(held)

    def _place(self, space: AddressSpace, page: int) -> _Place:
        pte = space.table.get(page)
        slots = self._around.system.machine.slots
        return _Place(pte, slots.backing(pte.slot) if pte is not None and pte.slot else None)


def spaces_of(trace: Trace) -> int:
    """How many numbers its spaces take: one more than the largest."""
    forked = trace.events["page"][trace.events["kind"] == Kind.FORK]
    numbers = np.concatenate([trace.events["space"], forked])
    return int(numbers.max()) + 1 if len(numbers) else 1


@dataclass(frozen=True)
class _Plan:
    """What each space does, and when it begins.

    Attributes:
        events: of each space, by their numbers in the trace.
        begins: the spaces that begin once this event is replayed; -1: at the start.
    """

    events: dict[int, list[int]]
    begins: dict[int, list[int]]


def _plan(events: list[Event]) -> _Plan:
    plan = _Plan({}, {})
    forked = {event.page: number for number, event in enumerate(events) if event.kind is Kind.FORK}
    for number, event in enumerate(events):
        if event.space not in plan.events:
            plan.events[event.space] = []
            plan.begins.setdefault(forked.get(event.space, number - 1), []).append(event.space)
        plan.events[event.space].append(number)
    return plan


@dataclass(frozen=True)
class _Place:
    """Where a page was before an access: what its PTE said, and what was behind its slot."""

    pte: Pte | None
    backing: Backing | None

    def said(self, system: VswapSystem) -> str:
        """In words: the device page and the tier, where it had one."""
        tiers = system.machine.tiers
        if self.pte is not None and self.pte.state is PteState.CRAM:
            return f"mapped on page {self.pte.cram.page} of {tiers.name(tiers.key(self.pte.cram.tier))}"
        if self.backing is not None and self.backing.tier in tiers:
            return f"on page {self.backing.handle} of {tiers.name(self.backing.tier)}"
        return "in DRAM" if self.pte is not None else "nowhere"
