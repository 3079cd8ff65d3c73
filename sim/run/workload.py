# SPDX-License-Identifier: MIT
"""Workload: replays a trace on a machine and compares every byte that comes back with the trace's own copy.

The trace is one sequence of events, and so is the replay: the program's next access starts when the one before has
ended. What runs beside it are the swap system's background tasks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

from hw.clock import Clock
from hw.link import LINE_BYTES, LINES_PER_PAGE
from sim.run.metrics import FaultRecord, Progress
from sim.trace.file import Event, Kind, Trace
from vswap import AddressSpace, Memcg, SigBus, VswapSystem
from vswap import Counters as SwapCounters
from vswap.base.backing import Backing, BackingType
from vswap.mm.pagetable import Pte, PteState

_NAMED_OTHERWISE = (BackingType.ZERO, BackingType.CRAM)
"""Tiers whose faults have other names: "zero", "soft_fault", "promotion", "writable"."""
REPORTS = 200  # progress reports over a phase
_NAMED = 10  # mismatches that are described; all are counted
_LINE_STEP = 37  # from one read's line to the next one's; odd, so that all 64 have their turn
_SLOWEST = 10  # faults that are kept one by one

_FAULTS = (  # a fault that read no tier is named after the first of these counters that it moved
    ("zero", "swpin_zero"),
    ("promotion", "promotions"),
    ("writable", "made_writable"),
    ("soft_fault", "soft_faults"),
    ("copy_on_write", "cow"),
    ("swap_cache", "swap_cache_hits"),
)


@dataclass
class Tally:
    """What a replay has seen.

    Attributes:
        done: events replayed.
        finished: all were replayed, and all pages read back at the end.
        reads_verified: READ events whose bytes were compared.
        pages_verified: pages read back and compared when their space ended, or at the end of the trace.
        mismatches: comparisons that failed.
        lost_pages: accesses that ended in SIGBUS: the page's content was gone, and the stack said so.
        findings: the first of both in words.
        faults, accesses: kind -> how often each duration in ns was seen, of accesses with and without a fault. So a run
            of any length needs memory for distinct durations only.
        mismatch_ns: when the access began and ended that first found a mismatch.
        slowest: the faults that took longest, the longest first.
    """

    done: int = 0
    finished: bool = False
    reads_verified: int = 0
    pages_verified: int = 0
    mismatches: int = 0
    lost_pages: int = 0
    findings: list[str] = field(default_factory=list)
    faults: dict[str, Counter[int]] = field(default_factory=dict)
    accesses: dict[str, Counter[int]] = field(default_factory=dict)
    mismatch_ns: tuple[int, int] | None = None
    slowest: list[FaultRecord] = field(default_factory=list)

    def slow(self, duration: int) -> bool:
        """Whether a fault that took so long, ns, is one of the slowest so far."""
        return len(self.slowest) < _SLOWEST or duration > self.slowest[-1].duration_ns

    def keep(self, fault: FaultRecord) -> None:
        """Count a fault among the slowest."""
        self.slowest = sorted([*self.slowest, fault], key=lambda one: -one.duration_ns)[:_SLOWEST]


class Replay:
    """One replay of a trace.

    Args:
        system: a started swap system.
        clock: its clock.
        trace: what to replay.
        rounds: how often. Between two rounds every space that is left exits; those of the last one stay.
        think_ns: simulated time between two events.
        verify_exits: read back every page of a space before it exits, too.
        line_reads: a read of the trace takes one line of its page; at the end pages are read back whole all the same.
        memcgs: the group of a space by its number; the others are in the root.
        observe: told about REPORTS times a phase, at its end, and after each sample.
        sample: awaited between two accesses as soon as it is due; gives when it is due next, ns.
        on_fault: told of each fault at its end; None for nobody.
    """

    def __init__(
        self,
        system: VswapSystem,
        clock: Clock,
        trace: Trace,
        *,
        rounds: int = 1,
        think_ns: int,
        verify_exits: bool,
        line_reads: bool = False,
        memcgs: Mapping[int, Memcg] = MappingProxyType({}),
        observe: Callable[[Progress], None],
        sample: Callable[[], Awaitable[int]],
        on_fault: Callable[[FaultRecord], None] | None = None,
    ) -> None:
        self.tally = Tally()
        self._system = system
        self._clock = clock
        self._trace = trace
        self._rounds = rounds
        self._think_ns = think_ns
        self._verify_exits = verify_exits
        self._line_reads = line_reads
        self._memcgs = memcgs
        self._observe = observe
        self._tiers = [
            name for name, tier in reversed(system.machine.tiers.named.items()) if tier.type not in _NAMED_OTHERWISE
        ]
        self._sample = sample
        self._due = clock.now
        self._at = "replay", 0, rounds * len(trace.events)  # phase, done, total
        self._on_fault = on_fault
        self._spaces: dict[int, AddressSpace] = {}
        self._shadow: dict[int, dict[int, int]] = {}  # space -> page -> content

    async def events(self) -> None:
        """Replay every event. Raises OutOfMemory, DeviceLost and what else ends a machine."""
        total = self._rounds * len(self._trace.events)
        step = max(1, total // REPORTS)
        for round_ in range(self._rounds):
            if round_:
                for number in sorted(self._spaces):
                    await self._exit(number)
            for event in self._trace:
                if self._think_ns:
                    await self._clock.sleep(self._think_ns)
                await self._replay(event)
                self.tally.done += 1
                self._at = "replay", self.tally.done, total
                if self.tally.done % step == 0 or self.tally.done == total:
                    self._observe(self._progress())

    async def verify(self) -> None:
        """Read back every page of every space that is left. Raises as `events` does."""
        total = sum(map(len, self._shadow.values()))
        step = max(1, total // REPORTS)
        done = 0
        for space in sorted(self._shadow):
            async for _ in self._verify_space(space):
                done += 1
                self._at = "verify", done, total
                if done % step == 0 or done == total:
                    self._observe(self._progress())
        self.tally.finished = True

    # Events

    async def _replay(self, event: Event) -> None:
        space = self._space(event.space)
        shadow = self._shadow[event.space]
        match event.kind:
            case Kind.WRITE:
                shadow[event.page] = event.content
                await self._write(event, space)
            case Kind.READ:
                self.tally.reads_verified += 1
                line = self.tally.done * _LINE_STEP % LINES_PER_PAGE if self._line_reads else None
                await self._read(event.space, event.page, event.content, line)
            case Kind.FORK:
                self._spaces[event.page] = await self._system.fork(space, f"space {event.page}")
                self._shadow[event.page] = dict(shadow)
            case Kind.UNMAP:
                del shadow[event.page]
                await space.unmap(event.page)
            case Kind.EXIT:
                await self._exit(event.space)

    async def _exit(self, number: int) -> None:
        if self._verify_exits:
            async for _ in self._verify_space(number):
                pass
        await self._spaces[number].exit()
        del self._spaces[number], self._shadow[number]

    def _space(self, number: int) -> AddressSpace:
        if number not in self._spaces:
            self._spaces[number] = self._system.create_space(f"space {number}", self._memcgs.get(number))
            self._shadow[number] = {}
        return self._spaces[number]

    async def _write(self, event: Event, space: AddressSpace) -> None:
        with self._timed(event.space, event.page):
            try:
                await space.write(event.page, self._trace.page(event.content))
            except SigBus as error:
                self._lost(error)
        await self._look()

    async def _read(self, number: int, page: int, content: int, line: int | None = None) -> None:
        """Read a page, or one line of it, and compare."""
        space = self._spaces[number]
        data, start, place = None, self._clock.now, self._place(number, page)
        with self._timed(number, page):
            try:
                data = await space.read(page, line)
            except SigBus as error:
                self._lost(error)
        end = self._clock.now
        await self._look()
        if data is None:
            return
        expected, first = self._trace.page(content), 0
        if line is not None:
            first = line * LINE_BYTES
            expected = expected[first : first + LINE_BYTES]
        if data != expected:
            self.tally.mismatches += 1
            self.tally.mismatch_ns = self.tally.mismatch_ns or (start, end)
            at = next(i for i in range(len(expected)) if data[i : i + 1] != expected[i : i + 1])
            self._find(
                f"page {page} of space {number} differs at event {self.tally.done}, {start:,} ns: byte {first + at} is "
                f"{data[at : at + 1].hex() or 'missing'}, the trace says {expected[at : at + 1].hex()}; "
                f"it was {place.said(self._system)}"
            )

    async def _verify_space(self, number: int) -> AsyncIterator[None]:
        for page, content in sorted(self._shadow[number].items()):
            await self._read(number, page, content)
            self.tally.pages_verified += 1
            yield

    # Figures

    def _timed(self, number: int, page: int) -> _Timed:
        ended = partial(self._ended, number, page)
        return _Timed(self._clock, self._system.counters, self._tiers, self._spaces[number], page, ended)

    def _ended(self, number: int, page: int, kind: str, fault: int | None, start: int, duration: int) -> None:
        """An access has ended; `fault`: the number of its fault."""
        if fault is None:
            self.tally.accesses.setdefault(kind, Counter())[duration] += 1
            return
        self.tally.faults.setdefault(kind, Counter())[duration] += 1
        slow = self.tally.slow(duration)
        if slow or self._on_fault is not None:
            event = self.tally.done if self.tally.done < self._rounds * len(self._trace.events) else None
            record = FaultRecord(
                number=fault, kind=kind, space=number, page=page, event=event, from_ns=start, duration_ns=duration
            )
            if slow:
                self.tally.keep(record)
            if self._on_fault is not None:
                self._on_fault(record)

    def _place(self, number: int, page: int) -> _Place:
        pte = self._spaces[number].table.get(page)
        slots = self._system.machine.slots
        return _Place(pte, slots.backing(pte.slot) if pte is not None and pte.slot else None)

    async def _look(self) -> None:
        """Take a sample if one is due."""
        if self._clock.now >= self._due:
            self._due = await self._sample()
            self._observe(self._progress())

    def _lost(self, error: SigBus) -> None:
        self.tally.lost_pages += 1
        self._find(str(error))

    def _find(self, finding: str) -> None:
        if len(self.tally.findings) < _NAMED:
            self.tally.findings.append(finding)

    def _progress(self) -> Progress:
        phase, done, total = self._at
        return Progress(
            phase=phase,
            done=done,
            total=total,
            faults=self._system.counters.pgfault,
            mismatches=self.tally.mismatches + self.tally.lost_pages,
        )


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


class _Timed:
    """Times one access and names its kind, for `ended`: after the last of the tiers that it read, or by what it moved.
    The counters of faults move for this access alone, since background tasks do not fault."""

    def __init__(
        self,
        clock: Clock,
        counters: SwapCounters,
        tiers: list[str],
        space: AddressSpace,
        page: int,
        ended: Callable[[str, int | None, int, int], None],
    ) -> None:
        self._clock = clock
        self._counters = counters
        self._names = [*tiers, *(name for name, _ in _FAULTS)]
        self._tiers = tiers
        self._ended = ended
        self._pte = space.table.get(page)

    def __enter__(self) -> None:
        self._start = self._clock.now
        self._before = self._marks()

    def __exit__(self, *_: object) -> None:
        duration = self._clock.now - self._start
        pgfault, *before = self._before
        now_pgfault, *now = self._marks()
        if now_pgfault == pgfault:
            kind = self._pte.state.value if self._pte is not None else "none"
            self._ended(kind, None, self._start, duration)
            return
        moved = (name for name, a, b in zip(self._names, before, now, strict=True) if a != b)
        rest = "first_touch" if self._pte is None else "write_protect"
        self._ended(next(moved, rest), now_pgfault, self._start, duration)

    def _marks(self) -> list[int]:
        counters = self._counters
        loaded = [counters.loaded.get(name, 0) for name in self._tiers]
        return [counters.pgfault, *loaded, *(getattr(counters, name) for _, name in _FAULTS)]
