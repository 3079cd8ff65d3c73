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
from vswap.invariants import contradictions
from vswap.mm.frames import Memory
from vswap.mm.memcg import Memcg, MemcgLimits
from vswap.mm.pagetable import PageTable
from vswap.paths.daemon import Daemon
from vswap.paths.evacuate import HotPages, converge, give_up
from vswap.paths.nodes import Nodes
from vswap.paths.reclaim import Reclaim
from vswap.paths.spaces import AddressSpace
from vswap.paths.swapoff import Method, Swapoff, SwapoffFigures
from vswap.paths.writeback import Writeback
from vswap.slots.table import HIGHEST_ORDER
from vswap.state.core import Core
from vswap.tiers.base import Tier
from vswap.tiers.cram import CramTier
from vswap.tiers.swapfile import SwapfileTier
from vswap.tiers.tierset import TierSet
from vswap.tiers.zero import ZeroTier
from vswap.tiers.zram import ZramTier
from vswap.tiers.zswap import ZswapTier


class VswapSystem:
    """A swap system on a clock.

    Life: construct, `await start()`, `create_space()` and use the spaces, `await shutdown()`.

    Attributes:
        core: the state below; for tests and reports.
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
        backends: Mapping[str, Callable[[Memory, Counters], Tier]] | None = None,
    ) -> None:
        """`device` is needed where `config.order` names "cram", `swapfile` (a path) where it names "swapfile"; where
        there are more of a kind, one by each name. `backends` build the tiers of other names, or replace those of the
        same name.

        Raises:
            ValueError: the configuration names an unknown tier, or one whose device or path is missing.
            SwapfileError: the path cannot serve as a swapfile.
        """
        self.counters = Counters()
        self._clock = clock
        self._config = config
        self._device = device if isinstance(device, Mapping) else {"cram": device} if device is not None else {}
        self._swapfile = swapfile if isinstance(swapfile, Mapping) else {"swapfile": swapfile} if swapfile else {}
        memory = Memory(clock, config.memory_pages, config.costs.retry)
        if not set(config.mthp_orders) <= set(range(2, HIGHEST_ORDER + 1)):
            raise ValueError(f"mthp_orders {config.mthp_orders}, expected orders from 2 to {HIGHEST_ORDER}")
        if len(set(config.order)) != len(config.order):
            raise ValueError(f"order {config.order}: a tier is named twice")
        tiers = {name: self._build(name, memory, backends or {}) for name in ("zero", *config.order)}
        self.core = Core(
            clock,
            config,
            self.counters,
            memory,
            TierSet(tiers, distances=config.distances, priorities=config.priorities),
        )
        self.reclaim = Reclaim(self.core)
        self.writeback = Writeback(self.core)
        self.hot = HotPages(self.core, config.hot_budget, config.hot_interval)
        self.spaces: list[AddressSpace] = []
        self.core.tables = lambda: [space.table for space in self.spaces]
        self.nodes = Nodes(self.core, self.core.tables, self.hot)
        self._daemons: list[Daemon] = []
        self._down = False

    def _build(self, name: str, memory: Memory, backends: Mapping[str, Callable[[Memory, Counters], Tier]]) -> Tier:
        clock, config, counters = self._clock, self._config, self.counters
        if name in backends:
            return backends[name](memory, counters)
        match name.rstrip("0123456789"):
            case "zero":
                return ZeroTier(clock, config.costs, counters)
            case "cram":
                if name not in self._device:
                    raise ValueError(f'order names "{name}", but there is no device')
                return CramTier(clock, counters, self._device[name], trim_batch=config.trim_batch)
            case "zswap" if name == "zswap":
                return ZswapTier(
                    clock,
                    config.costs,
                    counters,
                    memory,
                    memory_pages=config.memory_pages,
                    max_pool_percent=config.zswap_max_pool_percent,
                    accept_threshold_percent=config.zswap_accept_threshold_percent,
                    keep_incompressible=config.zswap_keep_incompressible,
                )
            case "swapfile":
                if name not in self._swapfile:
                    raise ValueError(f'order names "{name}", but there is no path')
                pages, fsync = config.swapfile_pages, config.swapfile_fsync
                return SwapfileTier(clock, config.costs, counters, self._swapfile[name], pages=pages, fsync=fsync)
            case "zram":
                pages, limit = config.zram_pages, config.zram_limit_pages
                return ZramTier(clock, config.costs, counters, memory, pages=pages, limit_pages=limit)
        known = sorted({"cram", "swapfile", "zram", "zswap", *backends})
        raise ValueError(f'order names "{name}", expected {", ".join(known)}, or one of these with a number')

    async def start(self) -> None:
        """Set the device's watermarks and start kswapd, the zswap shrinker, the reaper and the interrupt watcher."""
        core, config = self.core, self._config
        self._spawn("kswapd", core.memory.wake_kswapd.wait, self.reclaim.background)
        if core.zswap is not None and self.writeback.can_shrink_zswap:
            self._spawn("zswap shrinker", core.zswap.wait_full, self.writeback.shrink_zswap)
        for name, cram in core.tiers.named.items():
            if not isinstance(cram, CramTier):
                continue
            await cram.set_watermarks(config.cram_low_percent, config.cram_recovered_percent)
            self._spawn("removal", cram.wait_gone, partial(give_up, core, cram))
            self._spawn("balloon", cram.resize_wanted.wait, partial(converge, core, cram))
            if config.cram_ratio_interval:
                self._spawn("ratio", self._ratio_wait, partial(self._report_ratio, name, cram))
            if config.hot_threshold:
                await cram.track_hot_pages(config.hot_threshold, config.hot_period)
                self._spawn("hot pages", cram.wait_hot, partial(self.hot.round, cram))
            self._spawn("CRAM watermarks", cram.wait_watermark, cram.follow_watermark)
            self._spawn("CRAM writeback", cram.wait_pressure, partial(self.writeback.relieve, cram))
        if core.crams:
            self._spawn("reaper", self._reaper_wait, self.writeback.reap_and_trim)

    def create_memcg(self, name: str, limits: MemcgLimits, parent: Memcg | None = None) -> Memcg:
        """A new memory control group under `parent`, by default the root. Raises ValueError."""
        return self.core.memcgs.create(name, limits, parent)

    def remove_memcg(self, memcg: Memcg) -> None:
        """Take a group offline. What is charged to it stays so until it is freed; pages that come back are charged to
        who brings them in, and its zswap entries are its parent's to write back. Raises ValueError while spaces are in
        it."""
        if any(space.memcg is memcg and not space.table.dead for space in self.spaces):
            raise ValueError(f"group {memcg.name} has address spaces in it")
        self.core.memcgs.remove(memcg)
        if self.core.zswap is not None:
            self.core.zswap.reparent(memcg)

    def create_space(
        self, name: str, memcg: Memcg | None = None, table: Callable[[str, Memcg], PageTable] = PageTable
    ) -> AddressSpace:
        """A new, empty address space of a group, by default the root; `table` makes its page table. Raises ValueError
        for a group that was removed."""
        group = memcg or self.core.memcgs.root
        if not group.online:
            raise ValueError(f"group {group.name} has been removed")
        space = AddressSpace(self.core, self.reclaim, table(name, group))
        self.spaces.append(space)
        return space

    async def fork(self, space: AddressSpace, name: str) -> AddressSpace:
        """A child in the same group that shares every page of `space` copy-on-write: nothing is charged. Raises
        SegmentationFault when `space` has exited."""
        if space.table.dead:
            raise SegmentationFault(f"{space.name} has exited")
        child = self.create_space(name, space.memcg)
        await space.fork_into(child)
        return child

    async def remove_space(self, space: AddressSpace) -> None:
        """Exit a space and forget it, for systems in which spaces come and go."""
        await space.exit()
        self.spaces.remove(space)

    async def swapoff(self, name: str, method: Method = Method.SLOTS) -> SwapoffFigures:
        """Empty the tier called `name` ("cram", "zswap", "swapfile", ...) while tasks run; it takes nothing any more.

        Raises:
            SwapoffFailed: it is in use again, and nothing is lost.
            ValueError: there is no such tier, or it cannot be switched off in this way.
        """
        return await Swapoff(self.core, self.core.tables, self.tier(name), method).run()

    def swapon(self, name: str) -> None:
        """Use a tier again that was switched off. Raises ValueError."""
        self.core.offline.discard(self.tier(name))

    def tier(self, name: str) -> Tier:
        """The tier that the configuration calls `name`. Raises ValueError."""
        if name not in self._config.order:
            raise ValueError(f'no tier "{name}", there are {", ".join(self._config.order)}')
        return self.core.tiers.named[name]

    def invariants(self, *, quiescent: bool = False) -> None:
        """Raise InvariantViolation where the state contradicts itself. May be called between any two steps;
        `quiescent` adds what holds only while no access, reclaim or writeback is under way."""
        findings = self.findings(quiescent=quiescent)
        if findings:
            raise InvariantViolation(findings)

    def findings(self, *, quiescent: bool = False) -> list[str]:
        """A sentence for each contradiction that `invariants` would raise for."""
        return contradictions(self.core, [space.table for space in self.spaces], quiescent=quiescent)

    def gauges(self) -> dict[str, int]:
        """What is in use now: zswap's figures under its debugfs names (pool_total_size in bytes), the rest in pages."""
        core = self.core
        values = {
            "memory_used": core.memory.used,
            "slots_used": core.slots.used,
            "alloc_reject": core.slots.alloc_reject,
        }
        if core.zswap is not None:
            values["stored_pages"] = core.zswap.usage().pages
            values["pool_total_size"] = core.zswap.pool_pages * PAGE_BYTES
            values["same_filled_pages"] = core.zswap.same_filled_pages
        if core.crams:
            values["cram_pages"] = sum(cram.usage().pages for cram in core.crams)
            values["cram_writable"] = core.writable_pages
        for name, tier in core.tiers.named.items():
            if tier in core.devices:
                values[f"{name}_pages"] = tier.usage().pages
            if isinstance(tier, ZramTier):
                suffix = name.removeprefix("zram")
                values |= {key + suffix: value for key, value in tier.mm_stat().items()}
        return values

    async def audit(self) -> None:
        """At quiescence: flush trims, compare with the device's own view (pages, sectors). Raises
        InvariantViolation."""
        findings = [finding for cram in self.core.crams for finding in await cram.audit()]
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
            self.core.stopping = True
            for daemon in self._daemons:
                await daemon.stop()
            await self.writeback.reap()
            for tier in self.core.order:
                await tier.flush()
        finally:
            for tier in self.core.order:
                tier.close()
        if self.core.failure is not None:
            raise self.core.failure

    def _spawn(self, name: str, wait: Callable[[], Awaitable[object]], work: Callable[[], Awaitable[None]]) -> None:
        self._daemons.append(Daemon(self.core, name, wait, work))

    async def _ratio_wait(self) -> None:
        await self._clock.sleep(self._config.cram_ratio_interval)

    async def _report_ratio(self, name: str, cram: CramTier) -> None:
        """Tell the node what ratio its device achieves."""
        ratio = await cram.achieved_ratio()
        if ratio is not None and cram.gone is None:
            self.nodes.set_compression_ratio(name, ratio)

    async def _reaper_wait(self) -> None:
        await self.core.reap_wanted.wait()
        await self._clock.sleep(self._config.reap_interval)
