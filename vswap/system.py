"""One machine's swap system, wired: memory, slots, tiers, reclaim, writeback and the spaces on top."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from driver import CramDevice, DeviceLost
from hw.clock import Clock
from hw.link import PAGE_BYTES
from vswap.config import VswapConfig
from vswap.core import Core
from vswap.counters import Counters
from vswap.daemon import Daemon
from vswap.errors import InvariantViolation, SegmentationFault
from vswap.invariants import contradictions
from vswap.memcg import Memcg, MemcgLimits
from vswap.memory import Memory
from vswap.reclaim import Reclaim
from vswap.spaces import AddressSpace
from vswap.swapoff import Method, Swapoff, SwapoffFigures
from vswap.tiers.base import Tier
from vswap.tiers.cram import CramTier
from vswap.tiers.swapfile import SwapfileTier
from vswap.tiers.zero import ZeroTier
from vswap.tiers.zram import ZramTier
from vswap.tiers.zswap import ZswapTier
from vswap.writeback import Writeback


class VswapSystem:
    """A swap system on a clock.

    Life: construct, `await start()`, `create_space()` and use the spaces, `await shutdown()`.

    Attributes:
        core: the state below; for tests and reports.
        reclaim, writeback: the paths, for tests that force one.
        counters: what happened so far.
    """

    def __init__(
        self,
        clock: Clock,
        config: VswapConfig,
        *,
        device: CramDevice | None = None,
        swapfile: Path | None = None,
        backends: Mapping[str, Callable[[Memory, Counters], Tier]] | None = None,
    ) -> None:
        """`device` is needed where `config.order` names "cram", `swapfile` (a path) where it names "swapfile".
        `backends` build the tiers of other names, or replace those of the same name.

        Raises:
            ValueError: the configuration names an unknown tier, or one whose device or path is missing.
            SwapfileError: the path cannot serve as a swapfile.
        """
        self.counters = Counters()
        self._clock = clock
        self._config = config
        self._device = device
        self._swapfile = swapfile
        memory = Memory(clock, config.memory_pages, config.costs.retry)
        if len(set(config.order)) != len(config.order):
            raise ValueError(f"order {config.order}: a tier is named twice")
        build: dict[str, Callable[[Memory, Counters], Tier]] = {
            "zero": lambda _, counters: ZeroTier(clock, config.costs, counters),
            "cram": self._build_cram,
            "zswap": self._build_zswap,
            "swapfile": self._build_swapfile,
            "zram": self._build_zram,
            **(backends or {}),
        }
        tiers: list[Tier] = []
        for name in ("zero", *config.order):
            if name not in build:
                raise ValueError(f'order names "{name}", expected {", ".join(sorted(build))}')
            tiers.append(build[name](memory, self.counters))
        self.core = Core(clock, config, self.counters, memory, tiers)
        self.reclaim = Reclaim(self.core)
        self.writeback = Writeback(self.core)
        self.spaces: list[AddressSpace] = []
        self.core.tables = lambda: [space.table for space in self.spaces]
        self._daemons: list[Daemon] = []
        self._down = False

    def _build_cram(self, _: Memory, counters: Counters) -> Tier:
        if self._device is None:
            raise ValueError('order names "cram", but there is no device')
        return CramTier(self._clock, counters, self._device, trim_batch=self._config.trim_batch)

    def _build_zswap(self, memory: Memory, counters: Counters) -> Tier:
        config = self._config
        return ZswapTier(
            self._clock,
            config.costs,
            counters,
            memory,
            memory_pages=config.memory_pages,
            max_pool_percent=config.zswap_max_pool_percent,
            accept_threshold_percent=config.zswap_accept_threshold_percent,
        )

    def _build_swapfile(self, _: Memory, counters: Counters) -> Tier:
        config = self._config
        if self._swapfile is None:
            raise ValueError('order names "swapfile", but there is no path')
        pages, fsync = config.swapfile_pages, config.swapfile_fsync
        return SwapfileTier(self._clock, config.costs, counters, self._swapfile, pages=pages, fsync=fsync)

    def _build_zram(self, memory: Memory, counters: Counters) -> Tier:
        config = self._config
        pages, limit = config.zram_pages, config.zram_limit_pages
        return ZramTier(self._clock, config.costs, counters, memory, pages=pages, limit_pages=limit)

    async def start(self) -> None:
        """Set the device's watermarks and start kswapd, the zswap shrinker, the reaper and the interrupt watcher."""
        core, config = self.core, self._config
        self._spawn("kswapd", core.memory.wake_kswapd.wait, self.reclaim.background)
        if core.zswap is not None and self.writeback.can_shrink_zswap:
            self._spawn("zswap shrinker", core.zswap.wait_full, self.writeback.shrink_zswap)
        if core.cram is not None:
            await core.cram.set_watermarks(config.cram_low_percent, config.cram_recovered_percent)
            self._spawn("CRAM watermarks", core.cram.wait_watermark, core.cram.follow_watermark)
            self._spawn("CRAM writeback", core.cram.wait_pressure, self.writeback.relieve)
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

    def create_space(self, name: str, memcg: Memcg | None = None) -> AddressSpace:
        """A new, empty address space of a group, by default the root. Raises ValueError for one that was removed."""
        group = memcg or self.core.memcgs.root
        if not group.online:
            raise ValueError(f"group {group.name} has been removed")
        space = AddressSpace(self.core, self.reclaim, name, group)
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
        return self.core.order[1 + self._config.order.index(name)]

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
        if core.cram is not None:
            values["cram_pages"] = core.cram.usage().pages
            values["cram_writable"] = core.writable_pages
        for device in core.devices:
            values[f"{device.type.name.lower()}_pages"] = device.usage().pages
            if isinstance(device, ZramTier):
                values |= device.mm_stat()
        return values

    async def audit(self) -> None:
        """At quiescence: flush trims, compare with the device's own view (pages, sectors). Raises
        InvariantViolation."""
        findings = await self.core.cram.audit() if self.core.cram is not None else []
        if findings:
            raise InvariantViolation(findings)

    async def shutdown(self) -> None:
        """Exit every space, stop the tasks, give every device page and slot back, close the swapfile. Idempotent.

        With the device lost, what needs it is left out. No access may be under way.

        Raises:
            what ended a background task, other than DeviceLost, which every access has reported already.
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
            if not isinstance(self.core.failure, DeviceLost):
                await self.writeback.reap()
                for tier in self.core.order:
                    await tier.flush()
        finally:
            for tier in self.core.order:
                tier.close()
        if self.core.failure is not None and not isinstance(self.core.failure, DeviceLost):
            raise self.core.failure

    def _spawn(self, name: str, wait: Callable[[], Awaitable[object]], work: Callable[[], Awaitable[None]]) -> None:
        self._daemons.append(Daemon(self.core, name, wait, work))

    async def _reaper_wait(self) -> None:
        await self.core.reap_wanted.wait()
        await self._clock.sleep(self._config.reap_interval)
