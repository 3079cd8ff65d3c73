# SPDX-License-Identifier: MIT
"""A script on the model: vswap with direct slots, which is what stock kernels have, and with virtual ones."""

from __future__ import annotations

import errno
import os
import tempfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from hw.virtual_time import VirtualClock
from tests.campaigns.kerneldiff.contents import content, touched
from tests.campaigns.kerneldiff.kernel import NUMA_STAT, RECLAIM_STAT, VMSTAT, ZSWAP_FILES
from tests.campaigns.kerneldiff.script import MOST_SWAP_PAGES, Script, Step
from tests.campaigns.kerneldiff.seen import Seen, number_slots
from vswap import AddressSpace, MemcgLimits, OutOfMemory, SigBus, VswapConfig, VswapSystem
from vswap.mm.folio import Folio
from vswap.mm.frames import MAX_RECLAIM_RETRIES
from vswap.mm.lru import SWAP_CLUSTER_MAX
from vswap.mm.pagetable import PteState
from vswap.mm.vma import END
from vswap.slots.layer import Search
from vswap.state.memcg_stat import numa_stat
from vswap.tiers.zram import ZramTier

MEMORY_PAGES = 1 << 16
PROFILES: dict[str, Literal["6.1", "6.12"]] = {"6.1": "6.1", "6.12": "6.12"}
LAYERS: tuple[Literal["direct", "virtual"], ...] = ("direct", "virtual")
LRUS: dict[str, Literal["classic", "mglru"]] = {"classic": "classic", "mglru": "mglru"}
TIERS = {"zram": "zram", "disk": "swapfile"}
REST_NS = 100_000_000
"""Whatever was begun has ended after so long without a task."""
_LIMITS = {"memory.max": "memory_max", "memory.swap.max": "swap_max", "memory.zswap.max": "zswap_max"}
_GROUP_STAT = ("zswpin", "zswpout", "workingset_refault_anon")
_EVENTS = {"memcg.events.oom": "oom", "memcg.swap.events.max": "swap.max", "memcg.swap.events.fail": "swap.fail"}


class ModelRun:
    """One script on a model machine."""

    def __init__(self, system: VswapSystem, script: Script, counted: Mapping[int, int]) -> None:
        self._system = system
        self._counted = counted
        self._number = 0
        self._device = script.setting("swap")
        self._group = system.create_memcg("script", MemcgLimits())
        self._tasks: dict[int, AddressSpace] = {0: system.create_space("0", self._group)}
        self._tasks[0].table.vmas.unmap(0, END)
        self._touches = 0
        self._forks = script.forks
        self._reclaims = script.reclaims
        self._had_zswap = script.setting("zswap") == "on"

    async def step(self, step: Step) -> Seen:
        """Do one step; what is seen then."""
        self._number += 1
        counters = self._system.counters
        faults, major = counters.pgfault, counters.pgmajfault
        result: dict[str, str | int] = {}
        crc = 0
        if step.task is None:
            result["error"] = await self._on_machine(step)
        else:
            error = "ok"
            try:
                crc = await self._on_task(step, self._tasks[step.task])
            except SigBus:
                error = "EIO"
            except OutOfMemory:
                error = "ECHILD"
                await self._system.remove_space(self._tasks.pop(step.task))  # the kernel has killed it
            major = counters.pgmajfault - major
            result = {"error": error, "minor": counters.pgfault - faults - major, "major": major, "crc": crc}
            if error == "ECHILD":  # nobody can ask a killed task
                result = {"error": error, "minor": 0, "major": 0, "crc": 0}
        await self._rest()
        return Seen(result, self._pages(), self._counters())

    # Inside

    async def _rest(self) -> None:
        """As the guest waits: no worker has anything to do, and no request of a disk is under way."""
        await self._system.machine.clock.sleep(REST_NS)
        await self._system.machine.inflight.drain()

    async def _on_machine(self, step: Step) -> str:
        system, error = self._system, "ok"
        match step.op:
            case "settle":
                await self._settle()
            case "swapoff":
                await self._swapoff()
            case "swapon":
                system.swapon(TIERS[self._device])
            case "zswap":
                zswap = system.machine.tiers.zswap
                assert zswap is not None, "a script that switches zswap on has it in its settings"
                if step.arguments[0] == "on":
                    system.machine.tiers.offline.discard(zswap)
                else:
                    system.machine.tiers.offline.add(zswap)
            case "tune":
                self._tune(step.arguments[0], step.number(1))
            case "zram":
                await self._zram(step.arguments[0])
            case "reclaim":
                error = await self._reclaim(step.number(0))
            case "limit":
                change: dict[str, Any] = {_LIMITS[step.arguments[0]]: step.number(1)}
                await system.limit_memcg(self._group, replace(self._group.limits, **change))
        return error

    async def _reclaim(self, pages: int) -> str:
        """What a write to memory.reclaim of the group comes to, errors by their text. It begins with statistics that
        are up to date (the guest reads cpu.stat), which does not change how many changes are counted."""
        memory, freed, retries = self._system.machine.memory, 0, MAX_RECLAIM_RETRIES
        memory.flush(self._group)
        known = self._counted.get(self._number, 0)
        if self._system.machine.config.profile == "6.1":
            memory.updates = known
        elif known:
            self._system.machine.clock.spawn(self._timer(known), "flush_memcg_stats_dwork")
        while freed < pages:
            lacking = pages - freed
            batch = lacking if self._system.machine.config.profile == "6.1" else lacking // 4  # since 6.8
            more = await self._system.reclaim.shrink(max(batch, SWAP_CLUSTER_MAX), self._group, fresh=False)
            if not more and not retries:
                return os.strerror(errno.EAGAIN)
            if not more:
                await self._system.reclaim.throttle(MAX_RECLAIM_RETRIES + 1 - retries)
            retries -= not more
            freed += more
        return "ok"

    async def _timer(self, after: int) -> None:
        """The kernel's timer brings the statistics up to date, `after` ns from now."""
        await self._system.machine.clock.sleep(after)
        self._system.machine.memory.flush(self._group)

    async def _zram(self, work: str) -> None:
        zram = self._system.tier("zram")
        assert isinstance(zram, ZramTier)
        match work:
            case "idle":
                zram.mark_idle()
            case "write-idle":
                await zram.write_back("idle")
            case "write-huge":
                await zram.write_back("huge")
            case "write-huge_idle":
                await zram.write_back("huge_idle")

    def _tune(self, dial: str, value: int) -> None:
        zswap = self._system.machine.tiers.zswap
        assert zswap is not None, "a script that tunes zswap has it in its settings"
        if dial == "zswap.max_pool_percent":
            zswap.limit(MEMORY_PAGES, value)
        else:
            self._group.limits = replace(self._group.limits, zswap_writeback=bool(value))

    async def _swapoff(self) -> None:
        """Switch the device off, and empty the zswap in front of it: with virtual slots that takes another call, since
        there zswap is no part of the device."""
        system = self._system
        await system.swapoff(TIERS[self._device], Search.PAGE_TABLES)
        zswap = system.machine.tiers.zswap
        if zswap is not None and zswap not in system.machine.tiers.offline and zswap.usage().pages:
            await system.swapoff("zswap", Search.PAGE_TABLES)
            system.swapon("zswap")

    async def _settle(self) -> None:
        """Folios that nobody maps leave the swap cache."""
        for _, folio in list(self._system.machine.cache.items()):
            if isinstance(folio, Folio) and not folio.mappers and not folio.dead:
                self._system.machine.memory.remove(folio)
                await self._system.reclaim.reclaim_folio(folio, force=True)

    async def _on_task(self, step: Step, space: AddressSpace) -> int:
        match step.op:
            case "fork":
                child = step.number(0)
                self._tasks[child] = await self._system.fork(space, step.arguments[0])
            case "exit":
                assert step.task is not None
                await self._system.remove_space(self._tasks.pop(step.task))
            case "read":
                crc = 0
                for vpn in step.pages:
                    crc = zlib.crc32(await space.read(vpn), crc)
                    await self._rest()
                return crc
            case "write":
                for number, vpn in enumerate(step.pages):
                    await space.write(vpn, content(step.arguments[2], step.number(3) + number))
                    await self._rest()
            case "touch":
                self._touches += 1
                for vpn in step.pages:
                    pte = space.table.get(vpn)
                    if pte is None or not pte.allows(write=True):
                        pte = await space.fault(vpn, write=True)
                    await space.write(vpn, touched(pte.dram.pages[pte.index], self._touches))
                    await self._rest()
            case "map":
                await space.map(step.number(0), step.number(1))
            case "dontneed":
                await space.unmap(step.number(0), step.number(1))
            case "unmap":
                await space.munmap(step.number(0), step.number(1))
            case "pageout":
                await space.pageout(step.number(0), step.number(1))
            case "free":
                await space.lazyfree(step.number(0), step.number(1))
            case "cold":
                await space.cold(step.number(0), step.number(1))
            case "protect":
                for write in (False, True):
                    await space.protect(step.number(0), step.number(1), write=write)
            case "mremap":
                await space.move(step.number(0), step.number(1), step.number(2))
                await space.munmap(step.number(0), step.number(1))
        return 0

    def _pages(self) -> dict[tuple[int, int], str]:
        return number_slots(
            self._page(task, vpn) for task, space in self._tasks.items() for vpn, _ in space.table.items()
        )

    def _page(self, task: int, vpn: int) -> tuple[tuple[int, int], str, object]:
        pte = self._tasks[task].table.get(vpn)
        assert pte is not None
        if pte.state is PteState.SOFTLEAF:
            cached = self._system.machine.cache.lookup(pte.slot) is not None
            return (task, vpn), "Sc" if cached else "S", pte.slot
        if pte.state is PteState.ZERO:
            return (task, vpn), "Pz", None
        folio = pte.dram
        state = "P"
        state += "x" if folio.mapped(pte.index) == 1 else ""
        state += "c" if folio.slot else ""
        state += "L" if folio.order else ""
        state += "f" if folio.lazyfree else ""
        return (task, vpn), state, None

    def _counters(self) -> dict[str, int]:
        events, gauges, group = self._system.counters, self._system.gauges(), self._group
        values = {f"vmstat.{name}": getattr(events, name) for name in VMSTAT}
        if self._had_zswap:
            values |= {f"zswap.{name}": gauges[name] if name in gauges else getattr(events, name)
                       for name in ZSWAP_FILES}  # fmt: skip
        if self._device == "zram":
            zram = self._system.tier("zram")
            assert isinstance(zram, ZramTier)
            values |= {f"zram.{name}": value for name, value in {**zram.mm_stat(), **zram.bd_stat()}.items()}
        values |= {f"memcg.{name}": group.stat[name] for name in _GROUP_STAT}
        values |= {f"memcg.{name}": group.stat[name] for name in RECLAIM_STAT if self._reclaims}
        if self._reclaims:
            values["memcg.active_anon"] = self._system.machine.memory.lruvec(group).active_pages
        values["memcg.swap.current"] = group.swap
        if not self._forks:
            kinds = numa_stat(self._system.machine, group)
            values |= {f"memcg.numa_stat.{kind}.N0": kinds[kind]["N0"] for kind in NUMA_STAT}
        values["memcg.zswapped"] = gauges.get("stored_pages", 0)
        values |= {name: group.events[event] for name, event in _EVENTS.items()}
        return values


def run(
    profile: str,
    script: Script,
    observe: Callable[[Seen], None],
    layer: Literal["direct", "virtual"] = "direct",
    counted: Mapping[int, int] = MappingProxyType({}),
) -> None:
    """Do all steps of a script, and tell what is seen after each. `counted`, by the number of a step that reclaims: how
    many changes of the group's statistics are counted when it begins (6.1; 0), or after how many ns from there a timer
    brings them up to date (6.12; never). Raises what breaks the model."""
    clock = VirtualClock()
    tier = TIERS[script.setting("swap")]
    mthp = int(script.setting("mthp"))
    config = VswapConfig(
        profile=PROFILES[profile],
        memory_pages=MEMORY_PAGES,
        order=("zswap", tier) if script.setting("zswap") == "on" else (tier,),
        layer=layer,
        zswap_shrinker=script.setting("shrinker") == "on",
        page_cluster=int(script.setting("page-cluster")),
        lru=LRUS[script.setting("lru")],
        mthp_orders=(mthp,) if mthp else (),
        swapfile_pages=script.swap_pages - 1,
        zram_pages=script.swap_pages - 1,
        zram_backing_pages=MOST_SWAP_PAGES if script.setting("backing") == "on" else 0,
    )

    async def body(folder: str) -> None:
        system = VswapSystem(clock, config, swapfile=Path(folder) / "swapfile" if tier == "swapfile" else None)
        await system.start()
        try:
            running = ModelRun(system, script, counted)
            for step in script.steps:
                observe(await running.step(step))
                system.invariants()
        finally:
            await system.shutdown()

    with tempfile.TemporaryDirectory(prefix="vcram-kerneldiff-") as folder:
        clock.run(body(folder))
