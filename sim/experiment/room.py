# SPDX-License-Identifier: MIT
"""Room: a machine for an experiment: a clock, a device behind the model or the RTL, a swap system, programs' pages.

No background task runs: what moves is what the experiment moves, so that counts are of that alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import lz4.block

from driver import CramDevice
from hw.links.far import FarLink
from hw.links.in_process import InProcess, open_link
from hw.parameters import MEDIA_LATENCY, DeviceParameters
from hw.virtual_time import VirtualClock
from sim.corpus import files
from sim.corpus.figures import RAW_BYTES, is_same
from sim.data import CORPUS, ORDERS_TRACE
from sim.data.programs import FOLDER as PROGRAMS
from sim.experiment.meter import MeteredLink
from sim.trace.file import Trace
from vswap import AddressSpace, VswapConfig, VswapSystem
from vswap.mm.folio import CramFolio, Folio
from vswap.mm.pagetable import Pte
from vswap.tiers.base import Tier

T = TypeVar("T")


class Room:
    """See the module. `on_machine` makes it.

    Attributes:
        clock, link, device, system: the machine's parts; link and device are those of "cram", the link to its port.
    """

    def __init__(self, clock: VirtualClock, link: MeteredLink, device: CramDevice, system: VswapSystem) -> None:
        self.clock = clock
        self.link = link
        self.device = device
        self.system = system

    async def filled(self, name: str, pages: list[bytes], tier: str) -> AddressSpace:
        """A new space whose pages lie on one tier, from page 0 on."""
        space = self.system.create_space(name)
        await self.put(space, dict(enumerate(pages)), tier)
        return space

    async def put(self, space: AddressSpace, pages: dict[int, bytes], tier: str) -> None:
        """Write pages and swap them out to the tier. Raises RuntimeError: it did not take them."""
        machine, order = self.system.machine, self.system.machine.config.order
        others: set[Tier] = {self.system.tier(name) for name in order[: order.index(tier)]} - machine.tiers.offline
        machine.tiers.offline |= others
        for vpn, data in pages.items():
            await space.write(vpn, data)
            await space.pageout(vpn)
        await self.settle()
        machine.tiers.offline -= others
        for vpn in pages:
            if not self._is_on(space.table.get(vpn), self.system.tier(tier)):
                raise RuntimeError(f"page {vpn} did not go to {tier}")

    def _is_on(self, pte: Pte | None, tier: Tier) -> bool:
        """The page of an entry lies on the tier: behind its slot or, on a memory node, mapped."""
        machine = self.system.machine
        key = machine.tiers.key(tier)
        if pte is None or not pte.slot:
            return pte is not None and isinstance(pte.folio, CramFolio) and machine.tiers.key(pte.folio.tier) == key
        return machine.slots.backing(pte.slot).tier == key

    async def reclaim(self, space: AddressSpace) -> None:
        """Swap out every page of a space that is in DRAM, whoever else maps it."""
        for pte in list(space.table.values()):
            if isinstance(pte.folio, Folio):
                self.system.machine.memory.remove(pte.folio)
                await self.system.reclaim.reclaim_folio(pte.folio, force=True)
        await self.settle()

    async def settle(self) -> None:
        """Let writes end, and take clean pages that nobody maps out of the swap cache."""
        machine = self.system.machine
        await machine.inflight.drain()
        for _, folio in list(machine.cache.items()):
            if isinstance(folio, Folio) and not (folio.mappers or folio.dead or folio.dirty):
                machine.memory.remove(folio)
                await self.system.reclaim.reclaim_folio(folio, force=True)

    def cram_folios(self) -> list[CramFolio]:
        """Every page on the device, coldest first."""
        return self.system.machine.residents.folios


def on_machine(
    body: Callable[[Room], Awaitable[T]],
    *,
    sim: InProcess = "model",
    parameters: DeviceParameters | None = None,
    media_latency: int = MEDIA_LATENCY,
    seed: int = 1,
    start: bool = False,
    **config: Any,
) -> T:
    """What `body` gives on a new machine, which is taken down after it.

    Args:
        parameters: of the device.
        media_latency: clock cycles from a media request to its first beat.
        start: run the background tasks.
        config: fields of VswapConfig.
    """
    clock = VirtualClock(seed)
    link = MeteredLink(open_link(sim, clock, parameters or DeviceParameters(), media_latency, seed))
    dials = VswapConfig(**config)

    async def main() -> T:
        device = await CramDevice.probe(FarLink(link, dials.costs.cxl_link))
        with tempfile.TemporaryDirectory(prefix="vcram-experiment-") as folder:
            system = VswapSystem(clock, dials, device=device, swapfile=Path(folder) / "swapfile")
            try:
                if start:
                    await system.start()
                return await body(Room(clock, link, device, system))
            finally:
                await system.shutdown()
                await link.close()

    return clock.run(main())


@cache
def program_pages(kind: str | None = None) -> tuple[bytes, ...]:
    """Pages of a real program of the sample corpus, or of all: those that are stored as an LZ4 block. In an order that
    says nothing."""
    entries = [entry for entry in files.load(CORPUS).entries if kind in (None, entry.kind)]
    found = [page for entry in entries for page in files.pages(CORPUS, entry) if _is_block(page)]
    Random(1).shuffle(found)
    return tuple(found)


def traces() -> dict[str, Path]:
    """The recorded programs that come with the project, by name."""
    return {file.stem: file for file in (*sorted(PROGRAMS.glob("*.trace")), ORDERS_TRACE)}


@cache
def recorded_pages(program: str) -> tuple[bytes, ...]:
    """The different pages that a recorded program had: those that are stored as an LZ4 block. In an order that says
    nothing."""
    found = [page for content in Trace.load(traces()[program]).contents if _is_block(page := content.tobytes())]
    Random(1).shuffle(found)
    return tuple(found)


def take(pages: tuple[bytes, ...], count: int) -> list[bytes]:
    """So many of them, again and again where there are not enough."""
    return [pages[number % len(pages)] for number in range(count)]


def _is_block(page: bytes) -> bool:
    return not is_same(page) and len(lz4.block.compress(page, store_size=False)) <= RAW_BYTES
