# SPDX-License-Identifier: MIT
"""Workload: replays traces on a machine and compares every byte that comes back with the traces' own copies.

A trace is one sequence of events. One task replays it as one: its next access starts when the one before has ended. Or
each space of it is a task of its own, and then only the order within a space is that of the recording. Traces beside
each other are replayed at the same time in any case. What else runs are the swap system's background tasks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hw.clock import Clock, Task
from sim.run.accesses import Accesses
from sim.run.metrics import FaultRecord, Progress
from sim.run.program import Program, spaces_of
from sim.run.tally import Tally
from sim.scenario.sections import WorkloadSection
from sim.trace.file import Trace, TraceError
from vswap import Memcg, VswapSystem

REPORTS = 200  # progress reports over a phase


def load_traces(workload: WorkloadSection) -> list[Trace]:
    """The traces of a scenario: its own, then those beside it. Raises TraceError: one cannot be used."""
    files = [Path(name) for name in (workload.trace, *workload.beside)]
    traces = [Trace.load(file) for file in files]
    for file, trace in zip(files, traces, strict=True):
        if workload.think == "recorded" and trace.elapsed is None:
            raise TraceError(
                f'{file}: keeps no time, and [workload] think is "recorded"; record it with this version, or set '
                f'think = "fixed"'
            )
    return traces


class Replay:
    """One replay of some traces.

    Args:
        system: a started swap system.
        clock: its clock.
        traces: what to replay, all at the same time. The spaces of each have the numbers after those of the one before.
        workload: how they are replayed.
        memcgs: the group of a space by its number; the others are in the root.
        observe: told about REPORTS times a phase, at its end, and after each sample.
        sample: awaited between two accesses as soon as it is due; gives when it is due next, ns.
        on_fault: told of each fault at its end; None for nobody.

    Attributes:
        tally: what it has seen so far.
    """

    def __init__(
        self,
        system: VswapSystem,
        clock: Clock,
        traces: Sequence[Trace],
        workload: WorkloadSection,
        *,
        memcgs: Mapping[int, Memcg] = MappingProxyType({}),
        observe: Callable[[Progress], None],
        sample: Callable[[], Awaitable[int]],
        on_fault: Callable[[FaultRecord], None] | None = None,
    ) -> None:
        self.tally = Tally()
        self.system = system
        self.clock = clock
        self.memcgs = memcgs
        self.accesses = Accesses(clock, system, self.tally, on_fault)
        self._observe = observe
        self._sample = sample
        self._due: int | None = clock.now  # None: one is being taken
        self._failure: Exception | None = None
        self._programs: list[Program] = []
        spaces = 0
        for trace in traces:
            self._programs.append(Program(self, trace, workload, spaces))
            spaces += spaces_of(trace)
        self.total = sum(program.total for program in self._programs)
        self._at = "replay", 0, self.total  # phase, done, total
        self._step = max(1, self.total // REPORTS)

    @property
    def failed(self) -> bool:
        """A task has ended in an error; the others end as well."""
        return self._failure is not None

    async def events(self) -> None:
        """Replay every event. Raises OutOfMemory, DeviceLost and what else ends a machine."""
        if len(self._programs) == 1:
            await self._kept(self._programs[0].run())
        else:
            named = [(program.run, f"trace {number}") for number, program in enumerate(self._programs)]
            for task in [self.spawn(run, name) for run, name in named]:
                await task
        if self._failure is not None:
            raise self._failure

    async def verify(self) -> None:
        """Read back every page of every space that is left. Raises as `events` does."""
        total = sum(program.pages for program in self._programs)
        step = max(1, total // REPORTS)
        done = 0
        for program in self._programs:
            async for _ in program.verify():
                done += 1
                self._at = "verify", done, total
                if done % step == 0 or done == total:
                    self._observe(self._progress())
        self.tally.finished = True

    # Around programs

    async def look(self) -> None:
        """Take a sample if one is due."""
        if self._due is not None and self.clock.now >= self._due:
            self._due = None
            self._due = await self._sample()
            self._observe(self._progress())

    def step(self) -> None:
        """An event has been replayed."""
        self.tally.done += 1
        self._at = "replay", self.tally.done, self.total
        if self.tally.done % self._step == 0 or self.tally.done == self.total:
            self._observe(self._progress())

    def spawn(self, task: Callable[[], Coroutine[Any, Any, None]], name: str) -> Task[None]:
        """Start a task; an error of it ends the replay."""
        return self.clock.spawn(self._kept(task()), name)

    async def _kept(self, task: Coroutine[Any, Any, None]) -> None:
        try:
            await task
        except Exception as error:
            self._failure = self._failure or error

    def _progress(self) -> Progress:
        phase, done, total = self._at
        return Progress(
            phase=phase,
            done=done,
            total=total,
            faults=self.system.counters.pgfault,
            mismatches=self.tally.mismatches + self.tally.lost_accesses,
        )
