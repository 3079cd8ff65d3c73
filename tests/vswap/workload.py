"""A random workload of several tasks on several spaces, checked against a shadow copy of every page.

Each task owns some pages of its space, so that what a page may hold is known exactly: one value, or during a write (and
in a child forked during one) the old and the new.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from hw.virtual_time import VirtualClock, VirtualTask
from tests.pages import SAME_PAGE, ZERO_PAGE, compressible_page, noise_page, program_pages
from tests.vswap.tb import TB
from vswap import AddressSpace, OutOfMemory, SegmentationFault, SigBus
from vswap.tiers.base import Full, IoError


class SteppedClock(VirtualClock):
    """A shuffled clock that calls `on_step` before every step of any task."""

    def __init__(self, seed: int, on_step: Callable[[], None]) -> None:
        super().__init__(seed)
        self._on_step = on_step

    def _pop_random(self) -> VirtualTask[Any]:
        self._on_step()
        return super()._pop_random()


@dataclass(frozen=True)
class Shape:
    """How much of everything.

    Attributes:
        tasks: tasks of each first space; a forked one has one.
        pages: pages of a space.
        operations: operations of each task.
        errors: tiers fail now and then, and tasks are killed.
        real: pages of a real program among the made ones.
    """

    spaces: int = 2
    tasks: int = 2
    pages: int = 24
    operations: int = 60
    errors: bool = False
    real: bool = True


Shadow = dict[int, set[bytes]]


@dataclass
class Workload:
    """See the module. `run()` ends when all tasks have ended and every page was verified.

    Attributes:
        verified: reads whose data was right; a wrong one raises.
        lost: pages that a full device took from a writable mapping; only with a budget.
    """

    tb: TB
    seed: int
    shape: Shape
    lost: int = 0
    verified: int = 0
    _shadows: dict[AddressSpace, Shadow] = field(default_factory=dict)
    _children: list[VirtualTask[None]] = field(default_factory=list)

    async def run(self) -> None:
        """Run the tasks, then read everything once more."""
        if self.shape.errors:
            self._inject_errors()
        tasks: list[VirtualTask[None]] = []
        for number in range(self.shape.spaces):
            space = self.tb.space(f"space{number}")
            self._shadows[space] = {}
            for part in range(self.shape.tasks):
                rng = Random(f"{self.seed}.{number}.{part}")
                tasks.append(self.tb.clock.spawn(self._task(space, rng, part, self.shape.tasks), f"{number}.{part}"))
        if self.shape.errors:
            self._children.append(self.tb.clock.spawn(self._killer(tasks), "killer"))
        for task in tasks:
            await self._ended(task)
        while self._children:
            await self._ended(self._children.pop())
        for space, shadow in self._shadows.items():
            for vpn in shadow if not space.table.dead else ():
                await self._read(space, vpn)

    @staticmethod
    async def _ended(task: VirtualTask[None]) -> None:
        try:
            await task
        except BaseException as error:
            if type(error).__name__ != "CancelledError":
                raise

    async def _task(self, space: AddressSpace, rng: Random, part: int, parts: int) -> None:
        own = [vpn for vpn in range(self.shape.pages) if vpn % parts == part]
        try:
            for _ in range(self.shape.operations):
                vpn = rng.choice(own)
                choice = rng.random()
                if choice < 0.40:
                    await self._read(space, vpn, line=rng.choice([None, None, rng.randrange(64)]))
                elif choice < 0.80:
                    await self._write(space, vpn, self._page(rng))
                elif choice < 0.90:
                    await space.pageout(vpn)
                elif choice < 0.93:
                    await self._unmap(space, vpn)
                elif choice < 0.95:
                    await self.tb.system.writeback.write_back_cram(2)
                elif choice < 0.98:
                    await self._fork(space, rng)
                elif choice < 0.983:
                    await space.exit()
                else:
                    await self.tb.clock.sleep(rng.randrange(50_000))
        except SegmentationFault:
            if not space.table.dead:
                raise

    # Operations

    async def _read(self, space: AddressSpace, vpn: int, line: int | None = None) -> None:
        allowed = self._allowed(space, vpn)
        try:
            data = await space.read(vpn, line=line)
        except SigBus:
            await self._bus_error(space, vpn)
            return
        except OutOfMemory:
            self._out_of_memory()
            return
        part = slice(None) if line is None else slice(64 * line, 64 * line + 64)
        fitting = {page for page in allowed if page[part] == data}
        assert fitting, f"page {vpn} of {space.name} holds what was never written there"
        self._shadows[space][vpn] = fitting
        self.verified += 1

    async def _write(self, space: AddressSpace, vpn: int, data: bytes) -> None:
        before = self._allowed(space, vpn)
        self._shadows[space][vpn] = before | {data}
        try:
            await space.write(vpn, data)
        except SigBus:
            self._shadows[space][vpn] = before
            await self._bus_error(space, vpn)
        except OutOfMemory:
            self._out_of_memory()
            self._shadows[space][vpn] = before
        else:
            self._shadows[space][vpn] = {data}

    async def _unmap(self, space: AddressSpace, vpn: int) -> None:
        self._shadows[space][vpn] = self._allowed(space, vpn) | {ZERO_PAGE}
        await space.unmap(vpn)
        self._shadows[space][vpn] = {ZERO_PAGE}

    async def _fork(self, space: AddressSpace, rng: Random) -> None:
        if len(self._shadows) >= 3 * self.shape.spaces or space.table.dead:
            return
        shadow = {vpn: set(pages) for vpn, pages in self._shadows[space].items()}
        child = await self.tb.system.fork(space, f"{space.name}.{len(self._shadows)}")
        self._shadows[child] = shadow
        self._children.append(self.tb.clock.spawn(self._task(child, Random(rng.random()), 0, 1), child.name))

    async def _bus_error(self, space: AddressSpace, vpn: int) -> None:
        """Legal after an injected error, and for a page that a full device took from a writable mapping."""
        lost = self.tb.config.writable_budget > 0 and self.tb.system.counters.cram_poisoned > 0
        assert self.shape.errors or lost, "SIGBUS without a reason"
        if lost:
            self.lost += 1
            await self._unmap(space, vpn)

    def _out_of_memory(self) -> None:
        """Legal only while stores fail, or where no swapfile takes what the other tiers refuse."""
        assert self.shape.errors or "swapfile" not in self.tb.config.order, "out of memory with room in the swapfile"

    def _allowed(self, space: AddressSpace, vpn: int) -> set[bytes]:
        return self._shadows[space].setdefault(vpn, {ZERO_PAGE})

    def _page(self, rng: Random) -> bytes:
        kind = rng.randrange(6)
        if kind == 0:
            return ZERO_PAGE
        if kind == 1:
            return SAME_PAGE
        if kind == 2:
            return noise_page(rng.getrandbits(32))
        if kind == 3 or not self.shape.real:
            return compressible_page(rng.getrandbits(32))
        return rng.choice(program_pages())

    # Trouble

    def _inject_errors(self) -> None:
        rng, core = Random(f"{self.seed}.errors"), self.tb.core

        def breaking(call: Callable[..., Any], error: Exception, rate: float) -> Callable[..., Any]:
            async def wrapped(*arguments: Any) -> Any:
                if rng.random() < rate:
                    await self.tb.clock.sleep(rng.randrange(3000))
                    raise error
                return await call(*arguments)

            return wrapped

        for tier in core.order[1:]:
            patched: Any = tier
            patched.store = breaking(tier.store, rng.choice([Full("injected"), IoError("injected")]), 0.1)
            patched.load = breaking(tier.load, IoError("injected"), 0.03)

    async def _killer(self, tasks: list[VirtualTask[None]]) -> None:
        rng = Random(f"{self.seed}.killer")
        for task in rng.sample(tasks, len(tasks) // 2):
            await self.tb.clock.sleep(rng.randrange(1_000_000))
            task.cancel()
