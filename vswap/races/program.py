# SPDX-License-Identifier: MIT
"""Programs: a few tasks on a few pages of a tiny machine, together with everything that runs beside them."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

from driver import CramDevice
from hw.link import Link
from hw.links.model import ModelLink
from hw.parameters import DeviceParameters
from hw.virtual_time import VirtualTask
from vswap.base.config import VswapConfig
from vswap.base.errors import InvariantViolation, SegmentationFault
from vswap.contract.workload import Shape, Workload
from vswap.mm.folio import Folio
from vswap.mm.memcg import Memcg, MemcgLimits
from vswap.paths.nodes import NodeError
from vswap.paths.spaces import AddressSpace
from vswap.paths.swapoff import SwapoffFailed
from vswap.races.schedule import RaceClock, Schedule
from vswap.slots.layer import Search
from vswap.system import VswapSystem

DEVICE = DeviceParameters(perceived_pages=16, media_bytes=32 << 10, cache_pages=2)
ORDERS = (("cram", "zswap", "swapfile"), ("cram", "swapfile"), ("zswap", "swapfile"), ("zram", "swapfile"))
NODE_ORDERS = (("cram", "zswap", "swapfile"), ("cram", "swapfile"), ("cram", "zram"))
WIDE_ORDERS = (
    ("cram", "cram1", "zswap", "swapfile"),
    ("cram", "cram1", "swapfile", "swapfile1"),
    ("zswap", "swapfile", "zram", "swapfile1"),
)
LIMITED_ORDERS = (("zram", "swapfile"), ("cram", "zram"), ("zswap", "zram"), ("cram", "swapfile"))
"""With a device whose pages are charged to their group one by one, each while it is stored."""
NODE_PROGRAMS = 1_000_000_000
"""From this number on the device of a program is a memory node."""
ZRAM_PROGRAMS = 2_000_000_000
"""From this number on a program has large folios on zram, where they come back from as a whole, and little memory."""
PAGES = 3
OPERATIONS = 6
MOST_STEPS = 20_000  # a hundred times what a program takes


class Program(Workload):
    """Three tasks of one space that fork, swap out, read and write pages, and one that plays the rest of the machine:
    writeback, reaping, swapoff and swapon, the device's pressure interrupts, madvise.

    Attributes:
        links: of the CRAM nodes, by name, where one of them is to be reset and given again in the middle.
    """

    links: Mapping[str, Link] = {}
    _forked_once = False

    async def run(self) -> None:
        """See Workload."""
        space = self.system.create_space("space", _group(self.system, self.seed))
        self._shadows[space] = {}
        rng = Random(f"{self.seed}.program")
        tasks: list[VirtualTask[None]] = [
            self.clock.spawn(self._race(space, Random(rng.getrandbits(64)), part), f"task {part}")
            for part in range(PAGES)
        ]
        tasks.append(self.clock.spawn(self._rest(Random(rng.getrandbits(64))), "machine"))
        if self.links:
            tasks.append(self.clock.spawn(self._reset(Random(f"{self.seed}.reset")), "removal"))
        for task in tasks:
            await task
        while self._children:
            await self._children.pop()
        for owner, shadow in self._shadows.items():
            for vpn in shadow if not owner.table.dead else ():
                await self._read(owner, vpn)

    async def _race(self, space: AddressSpace, rng: Random, part: int) -> None:
        try:
            for _ in range(OPERATIONS):
                if self.shape.lazyfree and rng.random() < (0.05 if self.system.machine.config.mthp_orders else 0.25):
                    await self._lazyfree(space, part)
                if self.shape.fences and rng.random() < 0.3:
                    await self._fence(space, part, rng)
                if self.system.machine.config.mthp_orders:
                    choice = rng.random()
                    if choice < 0.4:
                        await space.pageout(0, 4)
                    elif choice < 0.5:
                        await self._fork_once(space, rng)
                if _limited(self.seed) and rng.random() < 0.4:
                    await space.pageout(0, PAGES)
                choice = rng.random()
                if choice < 0.35:
                    await self._write(space, part, self._page(rng))
                elif choice < 0.5:
                    await self._read(space, part)
                elif choice < 0.6:
                    await self._read_others(space, rng.randrange(PAGES))
                elif choice < 0.85:
                    await space.pageout(rng.randrange(PAGES))
                elif choice < 0.9:
                    await self._unmap(space, part)
                elif choice < 0.97:
                    await self._fork_once(space, rng)
                else:
                    await space.exit()
        except SegmentationFault:
            if not space.table.dead:
                raise

    async def _fork_once(self, space: AddressSpace, rng: Random) -> None:
        if self._forked_once or space.table.dead:
            return
        self._forked_once = True
        child = await self._forked(space, "child", range(2 * PAGES))
        if child is None:
            return
        for part in range(PAGES):
            self._children.append(
                self.clock.spawn(self._race(child, Random(rng.getrandbits(64)), part), f"child's task {part}")
            )

    async def _rest(self, rng: Random) -> None:
        writeback, machine = self.system.writeback, self.system.machine
        allocate = writeback.zswap.allocate

        async def allocate_slowly(memcg: Memcg) -> Folio:
            folio = await allocate(memcg)
            await self.clock.sleep(rng.randrange(60_000))  # as reclaim would take, which is seldom needed here
            return folio

        writeback.zswap.allocate = allocate_slowly
        for _ in range(2 * OPERATIONS):
            await self.clock.sleep(rng.randrange(12_000))
            if self.seed % 4 == 3 and rng.random() < 0.2:
                await self._switch(rng)
            choice = rng.random()
            if choice < 0.3 and machine.tiers.crams:
                await writeback.write_back_cram(2)
            elif choice < 0.6 and machine.tiers.zswap is not None:
                groups = list(machine.memory.memcgs)
                group = rng.choice(groups) if len(groups) > 1 else None
                await writeback.zswap.write_back(group, may_reclaim=choice < 0.5)
            elif choice < 0.7:
                await writeback.reap_and_trim()
            elif choice < 0.8 and machine.tiers.crams:
                node = machine.tiers.crams[int(choice * 1000) % len(machine.tiers.crams)]
                if choice < 0.75:
                    node.set_pressure(not node.under_pressure)
                else:
                    node.set_no_alloc(not node.closed)
            elif choice < 0.9:
                await self._switch(rng)
            elif machine.tiers.demotes and not self.links:
                await self._take_back()
        for node in machine.tiers.crams:
            node.set_no_alloc(False)
            node.set_pressure(False)

    async def _reset(self, rng: Random) -> None:
        """A balloon and a reset of a node, which is given again as soon as its pages have been given up."""
        name = rng.choice(list(self.links))
        nodes, link = self.system.nodes, self.links[name]
        await self.clock.sleep(rng.randrange(20_000))
        nodes.set_capacity(name, rng.randrange(DEVICE.perceived_pages))
        await self.clock.sleep(rng.randrange(40_000))
        nodes.set_capacity(name, DEVICE.perceived_pages)
        await link.reset()
        device = await CramDevice.probe(link)
        while True:
            try:
                await nodes.register(name, [range(DEVICE.perceived_pages)], 2000, device)
            except NodeError as error:
                assert error.errno == errno.EBUSY
                await self.clock.sleep(5_000)
            else:
                return

    async def _take_back(self) -> None:
        """A node is unregistered, if its pages can be moved, and given again."""
        nodes, whole = self.system.nodes, [range(DEVICE.perceived_pages)]
        assert self.device is not None
        try:
            await nodes.unregister("cram", whole)
        except NodeError as error:
            assert error.errno == errno.EBUSY
            return
        left = self.system.tier("cram").usage().pages
        assert not left, f"{left} pages are left on a node that was taken back"
        await nodes.register("cram", whole, 2000, self.device)

    async def _switch(self, rng: Random) -> None:
        tiers = self.system.machine.tiers
        name = rng.choice([name for name, tier in tiers.named.items() if tier in tiers.swap and name != "zero"])
        try:
            await self.system.swapoff(name, rng.choice(list(Search)))
        except SwapoffFailed:
            return
        if self.seed % 4 == 3:  # what was under way lands by then
            await self.clock.sleep(50_000)
        left = self.system.tier(name).usage().pages
        assert not left, f"{left} pages are left on {name} after its swapoff"
        self.system.swapon(name)


def _limited(program: int) -> bool:
    """One program in eight has a group whose memory.swap.max a page or two reach, on devices that each store is charged
    for, so that the limit is met while another store is under way. (In the others most swap is charged at once, for
    places of a swapfile.)"""
    return program % 8 == 4 and program < NODE_PROGRAMS


def _group(system: VswapSystem, program: int) -> Memcg | None:
    """The group that the program's tasks live in: every other program has one, with limits that a few pages reach."""
    rng = Random(f"{program}.group")
    if _limited(program):
        outer = system.create_memcg("outer", MemcgLimits(swap_max=rng.choice((None, 2))))
        return system.create_memcg("inner", MemcgLimits(swap_max=rng.choice((1, 2))), outer)
    if program >= ZRAM_PROGRAMS:
        return system.create_memcg("few", MemcgLimits(memory_max=rng.choice((5, 6, 8))))
    if program % 2 == 0:
        return None
    large = bool(system.machine.config.mthp_orders)
    few, swap = ((None, None, 9), (None, None, 5)) if large else ((None, 3, 5), (None, 0, 2))
    outer = system.create_memcg("outer", MemcgLimits(memory_max=rng.choice(few), swap_max=rng.choice(swap)))
    limits = MemcgLimits(
        memory_max=rng.choice(few),
        swap_max=rng.choice(swap),
        zswap_max=rng.choice((None, 0, 1)),
        zswap_writeback=rng.random() < 0.7,
    )
    return system.create_memcg("inner", limits, rng.choice((None, outer)))


def execute(program: int, schedule: Schedule, folder: Path) -> int:
    """Run a program on a schedule, with the invariants checked before every step; how many sleeps it took.

    Raises:
        what went wrong: an InvariantViolation, an AssertionError of the shadow copy, a Deadlock, an error of the layer.
    """
    rng = Random(f"{program}.machine")
    as_node = NODE_PROGRAMS <= program < ZRAM_PROGRAMS
    on_zram = program >= ZRAM_PROGRAMS
    order: tuple[str, ...] = rng.choice(NODE_ORDERS if as_node else ORDERS)
    wide = Random(f"{program}.wide")
    if wide.random() < 0.15:
        order = wide.choice(WIDE_ORDERS[:2] if as_node else WIDE_ORDERS)
    large = on_zram or program % 4 == 1
    if _limited(program):
        order = wide.choice(LIMITED_ORDERS)
    elif on_zram:
        order = rng.choice((("zram",), ("zram", "swapfile")))
    elif large and not as_node:
        order = rng.choice((("swapfile",), ("swapfile", "zswap"), order))
    clock = RaceClock(schedule)
    config = VswapConfig(
        memory_pages=16 if on_zram or not large else 24,
        order=order,
        cram_mode="node" if as_node else "swap",
        priorities={"swapfile": 1, "swapfile1": 1},
        cram_to_cram=program % 2 == 0,
        writable_budget=rng.choice((0, 0, 1, 2)),
        swapfile_pages=64,
        zram_pages=16,
        trim_batch=4,
        cram_fence=program % 3 == 2,
        reap_interval=20_000,
        mthp_orders=(2,) if large else (),
        hot_threshold=2 if program % 8 == 2 else 0,
        hot_interval=10_000,
    )

    async def main() -> None:
        links = {name: ModelLink(clock, DEVICE) for name in order if name.startswith("cram")}
        devices = {name: await CramDevice.probe(link) for name, link in links.items()}
        swapfiles = {name: folder / name for name in order if name.startswith("swapfile")}
        device = devices.get("cram")
        system = VswapSystem(clock, config, device=devices, swapfile=swapfiles)
        clock.on_step = _watch(system)
        system.machine.ptes_a_step = 1
        await system.start()
        load = Program(
            system,
            clock,
            device,
            program,
            Shape(pages=PAGES, real=False, lazyfree=program % 2 == 1, fences=program % 3 > 0),
            may_run_out=True,
        )
        if Random(f"{program}.reset").random() < 0.3:
            load.links = links
        try:
            await load.run()
            await _settle(system, clock)
        finally:
            clock.on_step = None
            await system.shutdown()
        assert not system.machine.slots.used, f"{system.machine.slots.used} slots leaked"
        assert not system.machine.memory.used, f"{system.machine.memory.used} frames leaked"

    clock.on_step = _nothing
    clock.run(main())
    return clock.sleeps


def _nothing() -> None:
    """Before there is a system to look at."""


def _watch(system: VswapSystem) -> Callable[[], None]:
    """Check the invariants, and that there is an end."""
    steps = 0

    def on_step() -> None:
        nonlocal steps
        steps += 1
        assert steps < MOST_STEPS, f"no end after {steps} steps: a livelock"
        system.invariants()

    return on_step


async def _settle(system: VswapSystem, clock: RaceClock) -> None:
    """Wait until all is at rest, and compare the books with the devices' then."""
    for _ in range(20):
        await clock.sleep(300_000)
        try:
            system.invariants(quiescent=True)
        except InvariantViolation:
            continue
        if await _compared(system):
            return
    system.invariants(quiescent=True)
    await system.audit()


async def _compared(system: VswapSystem) -> bool:
    """Audit a system at rest; False where that says nothing: to read a device takes time, and when the background moves
    a page meanwhile, a hot one, what was read is of two moments. Raises InvariantViolation."""
    crams = system.machine.tiers.crams
    held = [cram.handles() for cram in crams]
    try:
        await system.audit()
    except InvariantViolation:
        if held == [cram.handles() for cram in crams]:
            raise
        return False
    return True
