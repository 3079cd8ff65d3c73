# SPDX-License-Identifier: MIT
"""machine: the backend inside a whole swap system, with random programs on top.

The backend is the first tier, a swapfile comes after it. Every page is compared with a shadow copy, and the state is
checked for contradictions (docs/vswap/invariants.md) every few steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from driver import CramDevice
from hw.link import PAGE_BYTES
from vswap.base.backing import BackingType
from vswap.base.config import VswapConfig
from vswap.base.counters import Counters
from vswap.build import MemcgOf
from vswap.contract.bench import Bench, Factory, build
from vswap.contract.checks.tools import expect
from vswap.contract.registry import check
from vswap.contract.workload import Shape, Workload
from vswap.mm.frames import Memory
from vswap.mm.memcg import MemcgLimits
from vswap.system import VswapSystem
from vswap.tiers.base import IoError, QueuedTier, Tier

_SMALL: dict[str, Any] = {"memory_pages": 24, "swapfile_pages": 1000, "reap_interval": 100_000}
CROWD = Shape(spaces=2, tasks=4, pages=4, operations=60)
PRESSURE = Shape(spaces=2, tasks=2, pages=30, operations=80)
TROUBLE = Shape(spaces=2, tasks=2, pages=20, operations=60, errors=True)


async def _run(
    factory: Factory,
    bench: Bench,
    shape: Shape,
    every: int,
    limits: MemcgLimits | None = None,
    *,
    slow_writes: bool = False,
    may_run_out: bool = False,
    at_each: Callable[[VswapSystem], None] = lambda _: None,
    **config: Any,
) -> VswapSystem:
    def make(memory: Memory, counters: Counters, memcg_of: MemcgOf) -> Tier:
        part = replace(bench, counters=counters, memory=memory, store_pages=1000, memcg_of=memcg_of)
        return build(factory, part).tier

    kind = build(factory, bench).tier.type  # of each type there is one tier, and the zero tier is always first
    order = {BackingType.ZERO: ("swapfile",), BackingType.SWAPFILE: ("backend",)}.get(kind, ("backend", "swapfile"))
    system = VswapSystem(
        bench.clock,
        VswapConfig(order=order, **{**_SMALL, **config}),
        swapfile=bench.folder / "swapfile",
        backends={"zero" if kind is BackingType.ZERO else "backend": make},
    )
    if slow_writes:
        for each in system.machine.tiers.order:
            _slow_writes(each, bench)
    steps = 0

    def on_step() -> None:
        nonlocal steps
        steps += 1
        at_each(system)
        if steps % every == 0:
            system.invariants()

    device: CramDevice = bench.device
    seed = bench.rng.getrandbits(30)
    workload = Workload(system, bench.clock, device, seed, shape, limits=limits, may_run_out=slow_writes or may_run_out)
    try:
        await system.start()
        bench.watch(on_step)
        await workload.run()
        for _ in range(50):
            await bench.clock.sleep(2_000_000)
            if not system.findings(quiescent=True):
                break
        system.invariants(quiescent=True)
    finally:
        bench.watch(None)
        await system.shutdown()
    expect(workload.verified > 0 or workload.exited, "nothing was read")
    machine = system.machine
    expect(machine.slots.used == 0, f"{machine.slots.used} slots leaked")
    expect(machine.memory.used == 0, f"{machine.memory.used} frames leaked")
    return system


def _slow_writes(tier: Tier, bench: Bench) -> None:
    """Writes take up to 200 us more, so that they overtake one another, and one in ten of a queued device fails."""
    patched: Any = tier
    name = "write" if isinstance(tier, QueuedTier) else "store"
    call = getattr(tier, name)

    async def slow(*arguments: Any) -> Any:
        result = await call(*arguments)
        if name == "write":  # a store gives its handle to whoever waits for it, at once
            await bench.clock.sleep(bench.rng.randrange(200_000))
            if bench.rng.random() < 0.1:
                raise IoError("injected at the end")
        return result

    async def late(*arguments: Any) -> Any:
        await bench.clock.sleep(bench.rng.randrange(200_000))
        return await call(*arguments)

    setattr(patched, name, slow if name == "write" else late)


@check("machine.crowd", "Faults, forks, unmaps and reclaim of many tasks on few pages lose no write and no reference.",
       seeds=4)  # fmt: skip
async def crowd(factory: Factory, bench: Bench) -> None:
    await _run(factory, bench, CROWD, 5)


@check("machine.pressure", "Under memory pressure every page finds its way to a tier and back; no slot loses count.",
       seeds=4)  # fmt: skip
async def pressure(factory: Factory, bench: Bench) -> None:
    await _run(factory, bench, PRESSURE, 20, zswap_max_pool_percent=15)


@check("machine.trouble", "With failing stores, loads and killed tasks, only a task that lost a page sees an error.",
       seeds=4)  # fmt: skip
async def trouble(factory: Factory, bench: Bench) -> None:
    await _run(factory, bench, TROUBLE, 10)


@check(
    "machine.writeback",
    "Writes of the whole machine that end late, in any order or with an error cost no page; nobody reads a page from a "
    "device that memory has.",
    seeds=4,
)
async def writeback(factory: Factory, bench: Bench) -> None:
    await _run(factory, bench, PRESSURE, 5, slow_writes=True)


@check("machine.budget", "Never are more device pages writable than the budget says.", seeds=4)
async def budget(factory: Factory, bench: Bench) -> None:
    system = await _run(factory, bench, CROWD, 2, writable_budget=1)
    if system.machine.tiers.order[1].type is not BackingType.CRAM:
        expect(system.counters.made_writable == 0, "a page was made writable on a backend that is no memory")


@check("machine.fences", "Each way to write is held: a read-only page on a device is written to by nobody.", seeds=4)
async def fences(factory: Factory, bench: Bench) -> None:
    await _run(factory, bench, replace(CROWD, fences=True), 2, writable_budget=1)


@check("machine.large", "Large folios go out and come back as a whole or page by page, and MADV_FREE loses no write.",
       seeds=3)  # fmt: skip
async def large(factory: Factory, bench: Bench) -> None:
    await _run(factory, bench, replace(PRESSURE, lazyfree=True), 10, memory_pages=32, mthp_orders=(2, 3))


@check("machine.group", "Each page of a group is charged once, to it alone, and to nobody when it is gone.", seeds=3)
async def group(factory: Factory, bench: Bench) -> None:
    limits = MemcgLimits(memory_max=16, swap_max=200, zswap_max=2)
    system = await _run(factory, bench, replace(PRESSURE, lazyfree=True), 5, limits, memory_pages=32)
    groups = system.machine.memory.memcgs
    charged = [(group.name, group.memory, group.swap) for group in groups if group.memory or group.swap]
    expect(not charged, f"charges are left: {charged}")


@check("machine.limit", "A group of 8 pages holds no more than 8, wherever they lie: in DRAM, on devices, compressed.",
       seeds=3)  # fmt: skip
async def limit(factory: Factory, bench: Bench) -> None:
    limits = MemcgLimits(memory_max=8)
    # what is compressed is memory, too, and nothing has to leave zswap for a group: so it may have none left
    await _run(factory, bench, PRESSURE, 5, limits, may_run_out=True, at_each=_within_limit)


def _within_limit(system: VswapSystem) -> None:
    """Counted where the pages are, and not by the group's own account. All pages are those of the one group."""
    machine = system.machine
    dram = sum(len(folio.pages) for folio in machine.memory.folios if folio.memcg is not None)
    device = sum(len(node.handles()) for node in machine.tiers.crams)
    zswap = machine.tiers.zswap.charges().total() if machine.tiers.zswap is not None else 0
    held = dram + device + -(-zswap // PAGE_BYTES)
    expect(held <= 8, f"a group of 8 pages holds {held}: {dram} in DRAM, {device} on devices, {zswap} bytes compressed")
