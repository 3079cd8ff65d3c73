# SPDX-License-Identifier: MIT
"""One machine's swap system, wired: memory, slots, tiers, reclaim, writeback and the spaces on top."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path

from driver import CramDevice
from hw.clock import Clock
from hw.link import PAGE_BYTES
from vswap.base.config import VswapConfig
from vswap.base.counters import Counters
from vswap.base.errors import InvariantViolation, SegmentationFault
from vswap.build import Maker, Media, build
from vswap.invariants import contradictions
from vswap.mm.frames import MAX_RECLAIM_RETRIES
from vswap.mm.memcg import Memcg, MemcgLimits
from vswap.mm.pagetable import PageTable
from vswap.paths.daemon import Daemon
from vswap.paths.evacuate import give_up
from vswap.paths.hot import HotPages
from vswap.paths.nodes import Nodes
from vswap.paths.reclaim import Reclaim
from vswap.paths.spaces import AddressSpace
from vswap.paths.swapoff import Swapoff, SwapoffFigures
from vswap.paths.withdraw import Withdrawal
from vswap.paths.writeback import Writeback
from vswap.slots.layer import Search
from vswap.state.metadata import metadata
from vswap.tiers.base import Tier
from vswap.tiers.cram import CramTier
from vswap.tiers.cram_watch import DeviceWatch
from vswap.tiers.zram import ZramTier


class VswapSystem:
    """A swap system on a clock.

    Life: construct, `await start()`, `create_space()` and use the spaces, `await shutdown()`.

    Attributes:
        machine: the state below; for tests and reports.
        reclaim, writeback, hot: the paths, for tests that force one.
        nodes: what providers of CRAM nodes call.
        counters: what happened so far.
    """

    def __init__(
        self,
        clock: Clock,
        config: VswapConfig,
        *,
        device: CramDevice | Mapping[str, CramDevice] | None = None,
        swapfile: Path | Mapping[str, Path] | None = None,
        backends: Mapping[str, Maker] | None = None,
    ) -> None:
        """`device` is needed where `config.order` names "cram", `swapfile` (a path) where it names "swapfile"; where
        there are more of a kind, one by each name. `backends` build the tiers of other names, or replace those of the
        same name.

        Raises:
            ValueError: the configuration names an unknown tier, or one whose device or path is missing.
            SwapfileError: the path cannot serve as a swapfile.
        """
        self.counters = Counters()
        media = Media(
            device if isinstance(device, Mapping) else {"cram": device} if device is not None else {},
            swapfile if isinstance(swapfile, Mapping) else {"swapfile": swapfile} if swapfile else {},
            backends or {},
        )
        self.machine = build(clock, config, self.counters, media)
        self.writeback = Writeback(self.machine)
        self.reclaim = self.make_reclaim()
        self.writeback.swap_in_again = self._swap_in_again
        self.writeback.zswap.allocate = self.reclaim.allocate
        self.hot = HotPages(self.machine, config.hot_budget, config.hot_interval)
        self.nodes = Nodes(self.machine, self.reclaim, self.hot)
        self.spaces: list[AddressSpace] = []
        self._daemons: list[Daemon] = []
        self._down = False
        self._started = 0  # spaces, so that they run on the processors in turn

    def make_reclaim(self) -> Reclaim:
        """The reclaim of this machine; for systems that watch it."""
        return Reclaim(self.machine, self.writeback)

    async def start(self) -> None:
        """Set the device's watermarks and start kswapd, the zswap shrinker, the reaper and the interrupt watcher."""
        machine, config = self.machine, self.machine.config
        self.spawn("kswapd", machine.memory.wake_kswapd.wait, self.reclaim.background)
        if machine.tiers.zswap is not None and self.writeback.zswap.later:
            self.spawn("zswap shrinker", machine.tiers.zswap.wait_full, self.writeback.zswap.shrink)
        for name, cram in machine.tiers.named.items():
            if isinstance(cram, ZramTier) and config.zram_idle_interval:
                self.spawn("zram upkeep", partial(machine.clock.sleep, config.zram_idle_interval), cram.upkeep)
            if not isinstance(cram, CramTier):
                continue
            watch = DeviceWatch(cram)
            await cram.set_watermarks(
                config.cram_low_percent, config.cram_recovered_percent, config.cram_critical_percent
            )
            self.spawn("removal", watch.wait_gone, partial(give_up, machine, cram))
            withdrawal = Withdrawal(machine, self.reclaim, self.writeback, cram)
            self.spawn("balloon", cram.resize_wanted.wait, withdrawal.follow)
            if config.cram_ratio_interval:
                self.spawn("ratio", self._ratio_wait, partial(self._report_ratio, name, cram, watch))
            if config.hot_threshold:
                await cram.track_hot_pages(config.hot_threshold, config.hot_period)
                self.spawn("hot pages", watch.wait_hot, partial(self.hot.round, cram))
            self.spawn("CRAM watermarks", watch.wait_watermark, watch.follow_watermark)
            self.spawn("CRAM writeback", watch.wait_pressure, partial(self.writeback.relieve, cram))
        if machine.tiers.crams:
            if machine.tiers.demotes:
                self.spawn("promotion", self.hot.wanted.wait, self.hot.drain)
            self.spawn("reaper", self._reaper_wait, self.writeback.reap_and_trim)

    def create_memcg(self, name: str, limits: MemcgLimits, parent: Memcg | None = None) -> Memcg:
        """A new memory control group under `parent`, by default the root. Raises ValueError."""
        return self.machine.memory.memcgs.create(name, limits, parent)

    async def limit_memcg(self, memcg: Memcg, limits: MemcgLimits) -> None:
        """Give a group other limits. Memory past a lower memory.max is reclaimed before this returns, as far as it can
        be (memory_max_write); an `oom` event says where it cannot. Swap past a lower memory.swap.max stays."""
        memcg.limit(limits)
        failures = 0
        while limits.memory_max is not None and memcg.memory > limits.memory_max:
            if failures == MAX_RECLAIM_RETRIES:
                memcg.meet("oom")
                return
            if not await self.reclaim.direct(memcg):
                failures += 1
                await self.reclaim.throttle(failures)

    def remove_memcg(self, memcg: Memcg) -> None:
        """Take a group offline. What is charged to it stays so until it is freed; pages that come back are charged to
        who brings them in, and its zswap entries are its parent's to write back. Raises ValueError while spaces are in
        it."""
        if any(space.memcg is memcg and not space.table.dead for space in self.spaces):
            raise ValueError(f"group {memcg.name} has address spaces in it")
        self.machine.memory.memcgs.remove(memcg)
        if self.machine.tiers.zswap is not None:
            self.machine.tiers.zswap.reparent(memcg)

    def create_space(
        self, name: str, memcg: Memcg | None = None, table: Callable[[str, Memcg], PageTable] = PageTable
    ) -> AddressSpace:
        """A new, empty address space of a group, by default the root; `table` makes its page table. Raises ValueError
        for a group that was removed."""
        group = memcg or self.machine.memory.memcgs.root
        if not group.online:
            raise ValueError(f"group {group.name} has been removed")
        space = AddressSpace(self.machine, self.reclaim, table(name, group))
        space.table.cpu = self._started % self.machine.config.cpus
        self._started += 1
        self.spaces.append(space)
        self.machine.tables.append(space.table)
        return space

    async def fork(self, space: AddressSpace, name: str) -> AddressSpace:
        """A child in the same group that shares every page of `space` copy-on-write: nothing is charged. Raises
        SegmentationFault when `space` has exited."""
        if space.table.dead:
            raise SegmentationFault(f"{space.name} has exited")
        child = self.create_space(name, space.memcg)
        try:
            await space.fork_into(child)
        except BaseException:
            await self.remove_space(child)
            raise
        return child

    async def remove_space(self, space: AddressSpace) -> None:
        """Exit a space and forget it, for systems in which spaces come and go."""
        await space.exit()
        self.spaces.remove(space)
        self.machine.tables.remove(space.table)

    async def swapoff(self, name: str, search: Search = Search.SLOTS) -> SwapoffFigures:
        """Empty the tier called `name` ("cram", "zswap", "swapfile", ...) while tasks run; it takes nothing any more.

        Raises:
            SwapoffFailed: it is in use again, and nothing is lost.
            ValueError: there is no such tier, or it cannot be switched off in this way.
        """
        if self.machine.tiers.demotes and isinstance(self.tier(name), CramTier):
            raise ValueError(f"{name} is a memory node, not swap: it is taken back by unregister")
        return await Swapoff(self.machine, self.reclaim, self.tier(name), search).run()

    def swapon(self, name: str) -> None:
        """Use a tier again that was switched off. Raises ValueError."""
        self.machine.tiers.offline.discard(self.tier(name))

    def tier(self, name: str) -> Tier:
        """The tier that the configuration calls `name`. Raises ValueError."""
        if name not in self.machine.config.order:
            raise ValueError(f'no tier "{name}", there are {", ".join(self.machine.config.order)}')
        return self.machine.tiers.named[name]

    def invariants(self, *, quiescent: bool = False) -> None:
        """Raise InvariantViolation where the state contradicts itself. May be called between any two steps;
        `quiescent` adds what holds only while no access, reclaim or writeback is under way."""
        findings = self.findings(quiescent=quiescent)
        if findings:
            raise InvariantViolation(findings)

    def findings(self, *, quiescent: bool = False) -> list[str]:
        """A sentence for each contradiction that `invariants` would raise for."""
        return contradictions(self.machine, quiescent=quiescent)

    def gauges(self) -> dict[str, int]:
        """What is in use now: zswap's figures under its debugfs names (pool_total_size in bytes), what swapped pages
        cost beside their data (bytes), the rest in pages."""
        machine = self.machine
        values = {
            "memory_used": machine.memory.used,
            "slots_used": machine.slots.used,
            "alloc_reject": machine.slots.alloc_reject,
            **metadata(machine),
            "nr_writeback": machine.inflight.pages,
        }
        if machine.tiers.zswap is not None:
            values["stored_pages"] = machine.tiers.zswap.usage().pages
            values["pool_total_size"] = machine.tiers.zswap.pool_pages * PAGE_BYTES
            values["same_filled_pages"] = machine.tiers.zswap.same_filled_pages
            values["stored_incompressible_pages"] = machine.tiers.zswap.stored_incompressible_pages
        if machine.tiers.crams:
            values["cram_pages"] = sum(cram.usage().pages for cram in machine.tiers.crams)
            values["cram_writable"] = machine.residents.writable
        for name, tier in machine.tiers.named.items():
            if tier in machine.tiers.devices:
                values[f"{name}_pages"] = tier.usage().pages
            if isinstance(tier, ZramTier):
                suffix = name.removeprefix("zram")
                values |= {key + suffix: value for key, value in {**tier.mm_stat(), **tier.bd_stat()}.items()}
        return values

    async def audit(self) -> None:
        """At quiescence: flush trims, compare with the device's own view (pages, sectors). Raises
        InvariantViolation."""
        findings = [finding for cram in self.machine.tiers.crams for finding in await cram.audit()]
        if findings:
            raise InvariantViolation(findings)

    async def shutdown(self) -> None:
        """Exit every space, stop the tasks, give every device page and slot back, close the swapfile. Idempotent.

        No access may be under way.

        Raises:
            what ended a background task.
        """
        if self._down:
            return
        self._down = True
        try:
            for space in self.spaces:
                await space.exit()
            self.machine.stopping = True
            for daemon in self._daemons:
                await daemon.stop()
            await self.machine.inflight.drain()
            await self.writeback.reap()
            for tier in self.machine.tiers.order:
                await tier.flush()
        finally:
            for tier in self.machine.tiers.order:
                tier.close()
        if self.machine.failure is not None:
            raise self.machine.failure

    def spawn(self, name: str, wait: Callable[[], Awaitable[object]], work: Callable[[], Awaitable[None]]) -> None:
        """Run background work until the shutdown (Daemon)."""
        self._daemons.append(Daemon(self.machine, name, wait, work))

    async def _swap_in_again(self, cram: CramTier, count: int) -> int:
        return await Swapoff(self.machine, self.reclaim, cram, Search.PAGE_TABLES).swap_in(count)

    async def _ratio_wait(self) -> None:
        await self.machine.clock.sleep(self.machine.config.cram_ratio_interval)

    async def _report_ratio(self, name: str, cram: CramTier, watch: DeviceWatch) -> None:
        """Tell the node what ratio its device achieves."""
        ratio = await watch.achieved_ratio()
        if ratio is not None and cram.gone is None:
            self.nodes.set_compression_ratio(name, ratio)

    async def _reaper_wait(self) -> None:
        await self.machine.reap_wanted.wait()
        await self.machine.clock.sleep(self.machine.config.reap_interval)
