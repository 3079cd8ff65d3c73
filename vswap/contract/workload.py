# SPDX-License-Identifier: MIT
"""A random workload of several tasks on several spaces, checked against a shadow copy of every page.

Each task owns some pages of its space, so that what a page may hold is known exactly: one value, or during a write (and
in a child forked during one) the old and the new. Pages of other tasks are read too: such a read may see whatever the
page could hold between its start and its end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from driver import CramDevice
from hw.virtual_time import VirtualClock, VirtualTask
from vswap.base.backing import BackingType
from vswap.base.errors import OutOfMemory, SegmentationFault, SigBus
from vswap.contract.pages import ZERO_PAGE, any_page
from vswap.mm.memcg import MemcgLimits
from vswap.paths.spaces import AddressSpace
from vswap.system import VswapSystem
from vswap.tiers.base import Full, IoError, QueuedTier
from vswap.tiers.lz4block import BlockTier


@dataclass(frozen=True)
class Shape:
    """How much of everything.

    Attributes:
        tasks: tasks of each first space; a forked one has one.
        pages: pages of a space.
        operations: operations of each task.
        errors: tiers fail now and then, and tasks are killed.
        real: pages of a real program among the made ones.
        lazyfree: tasks mark pages with MADV_FREE.
        fences: tasks take the right to write away and give it back (mprotect, userfaultfd, NUMA hints), pin pages for a
            device that writes to them, and merge and collapse them.
    """

    spaces: int = 2
    tasks: int = 2
    pages: int = 24
    operations: int = 60
    errors: bool = False
    real: bool = True
    lazyfree: bool = False
    fences: bool = False


class Cell:
    """What one page may hold now, and for reads by others under way, what it could hold since they began.

    Attributes:
        lazyfree: MADV_FREE was called and nothing written since: at any time it may turn to zeros.
    """

    def __init__(self, allowed: set[bytes], *, lazyfree: bool = False) -> None:
        self.allowed = allowed
        self.lazyfree = lazyfree
        self._watchers: list[set[bytes]] = []

    def may_be(self, allowed: set[bytes]) -> None:
        """From now on the page holds one of these."""
        self.allowed = allowed | {ZERO_PAGE} if self.lazyfree else allowed
        for seen in self._watchers:
            seen.update(self.allowed)

    def watch(self) -> set[bytes]:
        """A set that collects what the page may be, until `unwatch`."""
        seen = set(self.allowed)
        self._watchers.append(seen)
        return seen

    def unwatch(self, seen: set[bytes]) -> None:
        """The read has ended."""
        self._watchers = [watcher for watcher in self._watchers if watcher is not seen]


Shadow = dict[int, Cell]


@dataclass
class Workload:
    """See the module. `run()` ends when all tasks have ended and every page was verified.

    Attributes:
        limits: of the group that the tasks live in; none: the root.
        may_run_out: tasks may be out of memory, since swap devices fail or a group has next to none.
        verified: reads whose data was right; a wrong one raises.
        lost: pages that a full device took from a writable mapping; only with a budget.
    """

    system: VswapSystem
    clock: VirtualClock
    device: CramDevice | None
    seed: int
    shape: Shape
    may_run_out: bool = False
    limits: MemcgLimits | None = None
    lost: int = 0
    verified: int = 0
    _shadows: dict[AddressSpace, Shadow] = field(default_factory=dict)
    _children: list[VirtualTask[None]] = field(default_factory=list)

    async def run(self) -> None:
        """Run the tasks, then read everything once more."""
        self._vary_latency()
        if self.shape.errors:
            self._inject_errors()
        tasks: list[VirtualTask[None]] = []
        group = self.system.create_memcg("tasks", self.limits) if self.limits is not None else None
        for number in range(self.shape.spaces):
            space = self.system.create_space(f"space{number}", group)
            self._shadows[space] = {}
            for part in range(self.shape.tasks):
                rng = Random(f"{self.seed}.{number}.{part}")
                tasks.append(self.clock.spawn(self._task(space, rng, part, self.shape.tasks), f"{number}.{part}"))
        if self.shape.errors:
            self._children.append(self.clock.spawn(self._killer(tasks), "killer"))
        for task in tasks:
            await self._ended(task)
        while self._children:
            await self._ended(self._children.pop())
        for space, shadow in self._shadows.items():
            for vpn in shadow if not space.table.dead else ():
                await self._read(space, vpn)

    @property
    def exited(self) -> bool:
        """Whether every space has exited; the tasks do that now and then, and it may come before the first read."""
        return all(space.table.dead for space in self._shadows)

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
                if self.shape.lazyfree and rng.random() < 0.08:
                    await self._lazyfree(space, vpn)
                    continue
                if self.shape.fences and rng.random() < 0.25:
                    await self._fence(space, vpn, rng)
                    continue
                choice = rng.random()
                if choice < 0.15:
                    await self._read_others(space, rng.randrange(self.shape.pages))
                elif choice < 0.40:
                    await self._read(space, vpn, line=rng.choice([None, None, rng.randrange(64)]))
                elif choice < 0.80:
                    await self._write(space, vpn, self._page(rng))
                elif choice < 0.90:
                    await space.pageout(vpn)
                elif choice < 0.93:
                    await self._unmap(space, vpn)
                elif choice < 0.95:
                    await self.system.writeback.write_back_cram(2)
                elif choice < 0.98:
                    await self._fork(space, rng)
                elif choice < 0.983:
                    await space.exit()
                else:
                    await self.clock.sleep(rng.randrange(50_000))
        except SegmentationFault:
            if not space.table.dead:
                raise

    # Operations

    async def _read(self, space: AddressSpace, vpn: int, line: int | None = None) -> None:
        cell = self._cell(space, vpn)
        allowed = cell.allowed
        try:
            data = await space.read(vpn, line=line)
        except (SigBus, OutOfMemory) as error:
            await self._failed(space, vpn, error)
            return
        cell.may_be(self._verified(space, vpn, line, data, allowed))

    async def _read_others(self, space: AddressSpace, vpn: int) -> None:
        """Read a page that another task may be writing."""
        cell = self._cell(space, vpn)
        seen = cell.watch()
        try:
            data = await space.read(vpn)
            self._verified(space, vpn, None, data, seen)
        except (SigBus, OutOfMemory) as error:
            self._check_legal(error)
        finally:
            cell.unwatch(seen)

    def _verified(
        self, space: AddressSpace, vpn: int, line: int | None, data: bytes, allowed: set[bytes]
    ) -> set[bytes]:
        """Those of the `allowed` pages that `data` fits, which must be one at least."""
        part = slice(None) if line is None else slice(64 * line, 64 * line + 64)
        fitting = {page for page in allowed if page[part] == data}
        assert fitting, f"page {vpn} of {space.name} holds what was never written there"
        self.verified += 1
        return fitting

    async def _write(self, space: AddressSpace, vpn: int, data: bytes) -> None:
        cell = self._cell(space, vpn)
        before = cell.allowed
        cell.may_be(before | {data})
        try:
            await space.write(vpn, data)
        except (SigBus, OutOfMemory) as error:
            cell.may_be(before)
            await self._failed(space, vpn, error)
        else:
            cell.lazyfree = False
            cell.may_be({data})

    async def _unmap(self, space: AddressSpace, vpn: int) -> None:
        cell = self._cell(space, vpn)
        cell.may_be(cell.allowed | {ZERO_PAGE})
        await space.unmap(vpn)
        cell.lazyfree = False
        cell.may_be({ZERO_PAGE})

    async def _lazyfree(self, space: AddressSpace, vpn: int) -> None:
        cell = self._cell(space, vpn)
        cell.lazyfree = True
        cell.may_be(cell.allowed)
        await space.lazyfree(vpn)

    async def _fork(self, space: AddressSpace, rng: Random) -> None:
        if len(self._shadows) >= 3 * self.shape.spaces or space.table.dead:
            return
        child = await self._forked(space, f"{space.name}.{len(self._shadows)}", range(self.shape.pages))
        if child is None:
            return
        self._children.append(self.clock.spawn(self._task(child, Random(rng.random()), 0, 1), child.name))

    async def _forked(self, space: AddressSpace, name: str, pages: range) -> AddressSpace | None:
        """Fork: of each page the child has what it held at some time during that. None where the space has exited, or
        there was no frame for the copy of a pinned page."""
        cells = {vpn: self._cell(space, vpn) for vpn in pages}
        lazyfree = {vpn: cell.lazyfree for vpn, cell in cells.items()}
        seen = {vpn: cell.watch() for vpn, cell in cells.items()}
        try:
            child = await self.system.fork(space, name)
        except OutOfMemory as error:
            self._check_legal(error)
            return None
        finally:
            for vpn, cell in cells.items():
                cell.unwatch(seen[vpn])
        self._shadows[child] = {
            vpn: Cell(seen[vpn], lazyfree=lazyfree[vpn] or cell.lazyfree) for vpn, cell in cells.items()
        }
        if self.shape.fences:
            await child.protect(0, pages.stop, write=True)  # it may have been forked while the parent's were read-only
        return child

    async def _fence(self, space: AddressSpace, vpn: int, rng: Random) -> None:
        """One way to take the right to write away, or to write past the PTEs."""
        way = rng.choice((self._mprotect, self._userfault, self._hint, self._dma, self._merge))
        try:
            await way(space, vpn, rng)
        except (SigBus, OutOfMemory) as error:
            await self._failed(space, vpn, error)

    async def _mprotect(self, space: AddressSpace, vpn: int, rng: Random) -> None:
        await space.protect(vpn, 1, write=False)
        try:
            await self._refused(space, vpn, rng, SegmentationFault)
        finally:
            await space.protect(vpn, 1, write=True)
        await self._write(space, vpn, self._page(rng))

    async def _userfault(self, space: AddressSpace, vpn: int, rng: Random) -> None:
        await self._read(space, vpn)
        await space.write_protect(vpn, 1, on=True)
        if vpn in space.table.write_protected:  # it may have left for good: MADV_FREE, or no page was there
            await self._refused(space, vpn, rng, SigBus)
        await space.write_protect(vpn, 1, on=False)
        await self._write(space, vpn, self._page(rng))

    async def _refused(self, space: AddressSpace, vpn: int, rng: Random, error: type[Exception]) -> None:
        """A write is refused while nobody may write, and reads go on."""
        await self._read(space, vpn)
        cell, data = self._cell(space, vpn), self._page(rng)
        before = cell.allowed
        if cell.lazyfree:  # reclaim may drop the page, and the protection with it, before the write comes
            cell.may_be(before | {data})
        try:
            await space.write(vpn, data)
        except (error, OutOfMemory):
            cell.may_be(before)
            await self._read(space, vpn)
            return
        dropped = error is SigBus and vpn not in space.table.write_protected  # by reclaim, after MADV_FREE
        assert dropped, f"a write to page {vpn} of {space.name} went through while it was forbidden"
        cell.lazyfree = False
        cell.may_be({data})

    async def _hint(self, space: AddressSpace, vpn: int, rng: Random) -> None:
        await space.hint(vpn, 1)
        await self._read(space, vpn)
        await self._write(space, vpn, self._page(rng))

    async def _dma(self, space: AddressSpace, vpn: int, rng: Random) -> None:
        """A device writes to the page for a while; nobody else does."""
        cell = self._cell(space, vpn)
        pinned = await space.pin(vpn)
        cell.lazyfree = False
        try:
            for _ in range(2):
                data = self._page(rng)
                cell.may_be(cell.allowed | {data})
                pinned.write(data)
                cell.may_be({data})
                await space.pageout(vpn)
                await self.clock.sleep(rng.randrange(5_000))
                if not space.table.dead:
                    await self._read(space, vpn)
        finally:
            space.unpin(pinned)

    async def _merge(self, space: AddressSpace, vpn: int, rng: Random) -> None:
        """Two equal pages of this task become one, and are written to."""
        other = vpn + self.shape.pages
        data = self._page(rng)
        for page in (vpn, other):
            await self._write(space, page, data)
        await space.merge(vpn, space, other)
        await self._read(space, vpn)
        await self._write(space, rng.choice((vpn, other)), self._page(rng))
        await self._read(space, other)
        await self._unmap(space, other)

    async def _failed(self, space: AddressSpace, vpn: int, error: SigBus | OutOfMemory) -> None:
        """A page that was lost is dropped, so that it can be used again."""
        self._check_legal(error)
        if isinstance(error, SigBus) and self._can_lose():
            self.lost += 1
            await self._unmap(space, vpn)

    def _check_legal(self, error: SigBus | OutOfMemory) -> None:
        """SIGBUS comes after injected errors, on a store in place that a full device refused, or after a
        device was removed; a task is out of memory only while stores fail, or where no swapfile takes what the other
        tiers refuse. zram does not do: what is there is in DRAM."""
        if isinstance(error, SigBus):
            assert self.shape.errors or self._can_lose(), "SIGBUS without a reason"
        else:
            beyond = any(tier.type is not BackingType.ZRAM for tier in self.system.machine.tiers.devices)
            assert self.may_run_out or self.shape.errors or not beyond, "out of memory with room in the swapfile"

    def _can_lose(self) -> bool:
        counters = self.system.counters
        return counters.nodes_lost > 0 or (self.system.machine.config.writable_budget > 0 and counters.cram_full > 0)

    def _cell(self, space: AddressSpace, vpn: int) -> Cell:
        return self._shadows[space].setdefault(vpn, Cell({ZERO_PAGE}))

    def _page(self, rng: Random) -> bytes:
        return any_page(rng, real=self.shape.real)

    # Trouble

    def _vary_latency(self) -> None:
        """A fabric on which an access is long on its way now and then, there or back."""
        rng, device = Random(f"{self.seed}.latency"), self.device
        if device is None:
            return

        def slowing(call: Callable[..., Any]) -> Callable[..., Any]:
            async def wrapped(*arguments: Any) -> Any:
                if rng.random() < 0.1:
                    await self.clock.sleep(rng.randrange(10_000))
                result = await call(*arguments)
                if rng.random() < 0.1:
                    await self.clock.sleep(rng.randrange(10_000))
                return result

            return wrapped

        patched: Any = device
        for name in ("load", "load_line", "store"):
            setattr(patched, name, slowing(getattr(device, name)))

    def _inject_errors(self) -> None:
        rng = Random(f"{self.seed}.errors")

        def breaking(call: Callable[..., Any], error: Exception, rate: float) -> Callable[..., Any]:
            async def wrapped(*arguments: Any) -> Any:
                if rng.random() < rate:
                    await self.clock.sleep(rng.randrange(3000))
                    raise error
                return await call(*arguments)

            return wrapped

        for tier in self.system.machine.tiers.order[1:]:
            patched: Any = tier
            patched.store = breaking(tier.store, rng.choice([Full("injected"), IoError("injected")]), 0.1)
            patched.load = breaking(tier.load, IoError("injected"), 0.03)
            if isinstance(tier, QueuedTier):
                patched.write = breaking(tier.write, IoError("injected"), 0.1)
            if isinstance(tier, BlockTier):
                patched.store_block = breaking(
                    tier.store_block, rng.choice([Full("injected"), IoError("injected")]), 0.1
                )
                patched.export_block = breaking(tier.export_block, IoError("injected"), 0.03)

    async def _killer(self, tasks: list[VirtualTask[None]]) -> None:
        rng = Random(f"{self.seed}.killer")
        for task in rng.sample(tasks, len(tasks) // 2):
            await self.clock.sleep(rng.randrange(1_000_000))
            task.cancel()
