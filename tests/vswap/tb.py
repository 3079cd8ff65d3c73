# SPDX-License-Identifier: MIT
"""TB: a small machine for tests of the swap layer: a clock, a device behind the functional link, a swap system.

A test that is a coroutine with an argument `tb` runs on it (tests/vswap/conftest.py). When it has ended, everything is
given back, and the invariants and the device's own books must agree that nothing leaked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from driver import CramDevice
from hw.links.model import ModelLink
from hw.parameters import DeviceParameters
from hw.virtual_time import VirtualClock
from vswap import AddressSpace, InvariantViolation, VswapConfig, VswapSystem
from vswap.base.backing import Backing
from vswap.contract.suite import LINKS
from vswap.mm.folio import CramFolio, Folio
from vswap.mm.pagetable import Pte, PteState
from vswap.state.machine import Machine
from vswap.tiers.cram import CramTier
from vswap.tiers.cram_pages import sectors_in_use

F = TypeVar("F", bound=Callable[..., Any])

DEVICE = DeviceParameters(perceived_pages=256, media_bytes=64 << 10, cache_pages=4)
"""256 sectors of 256 bytes: 16 raw pages fill it."""
PLAIN = {"zswap_keep_incompressible": False, "page_cluster": 0}
"""A page that does not shrink goes past zswap, and a fault brings one page, unless a test says otherwise."""


def machine(
    *, device: DeviceParameters = DEVICE, start: bool = True, rtl: bool = False, **config: Any
) -> Callable[[F], F]:
    """How the machine of a test is built: `config` overrides VswapConfig; `start=False` runs no background tasks; `rtl`
    runs the test on the verilated RTL, too."""

    def mark(test: F) -> F:
        test.machine = {"device": device, "start": start, "config": config}  # type: ignore[attr-defined]
        return pytest.mark.parametrize("way", ["model", "verilated"], indirect=True)(test) if rtl else test

    return mark


class TB:
    """See the module.

    Attributes:
        links, devices: of each CRAM node, by name; `device` is the one of "cram".
        device_gone: the test has removed a device: it cannot be asked any more.
        leaks_expected: the test has broken the books on purpose; do not look at them at the end.
    """

    def __init__(
        self,
        folder: Path,
        device: DeviceParameters,
        *,
        start: bool,
        config: dict[str, Any],
        clock: VirtualClock | None,
        link: str = "model",
    ) -> None:
        self.clock = clock or VirtualClock()
        self.config = VswapConfig(**{"memory_pages": 64, "swapfile_pages": 256, **PLAIN, **config})
        self.path = folder / "swapfile"
        self.paths = {name: folder / name for name in self.config.order if name.startswith("swapfile")}
        nodes = ["cram", *(name for name in self.config.order if name.startswith("cram") and name != "cram")]
        self.links = {name: LINKS[link](self.clock, device) for name in nodes}
        self.devices: dict[str, CramDevice] = {}
        self._start = start
        self.leaks_expected = self.device_gone = False

    def run(self, body: Callable[[], Awaitable[None]]) -> None:
        """Build the machine, run `body` on it, take it down and look for leaks."""
        self.clock.run(self._run(body))

    async def _run(self, body: Callable[[], Awaitable[None]]) -> None:
        for name, link in self.links.items():
            self.devices[name] = await CramDevice.probe(link)
        self.device = self.devices["cram"]
        self.system = VswapSystem(self.clock, self.config, device=self.devices, swapfile=self.paths)
        try:
            if self._start:
                await self.system.start()
            await body()
            if not self.leaks_expected:
                await self.settle()
                await self.system.audit()
        finally:
            await self.system.shutdown()
        if not self.leaks_expected:
            self.system.invariants(quiescent=True)
            await self.system.audit()
            assert self.machine.slots.used == self.machine.memory.used == len(self.machine.residents.folios) == 0
            for device in () if self.device_gone else self.devices.values():
                await device.settle()
                assert not await sectors_in_use(device)

    async def settle(self) -> None:
        """Let the background tasks finish, and check that all is well at rest. Where memory stays short, kswapd and
        the node's relief come back now and then, and rest in between."""
        for _ in range(50):
            await self.clock.sleep(10 * self.config.reap_interval)
            try:
                self.system.invariants(quiescent=True)
                return
            except InvariantViolation:
                self.system.invariants()
        self.system.invariants(quiescent=True)

    # What a test asks for

    @property
    def link(self) -> ModelLink:
        """The link of "cram", where it is the model with its ways to do damage."""
        link = self.links["cram"]
        assert isinstance(link, ModelLink)
        return link

    def node(self, name: str = "cram") -> CramTier:
        """A CRAM node by its name."""
        tier = self.system.tier(name)
        assert isinstance(tier, CramTier)
        return tier

    @property
    def machine(self) -> Machine:
        """The state below the system."""
        return self.system.machine

    def space(self, name: str = "task") -> AddressSpace:
        """A new address space."""
        return self.system.create_space(name)

    @staticmethod
    def pte(space: AddressSpace, vpn: int) -> Pte:
        """The PTE, which must not be none."""
        pte = space.table.get(vpn)
        assert pte is not None
        return pte

    def state(self, space: AddressSpace, vpn: int) -> str:
        """The PTE's state in words: none, softleaf, zero ro, cram ro, cram rw, dram ro, dram rw."""
        pte = space.table.get(vpn)
        if pte is None:
            return "none"
        if pte.state is PteState.SOFTLEAF:
            return "softleaf"
        return f"{pte.state.value} {'rw' if pte.writable else 'ro'}"

    def slot(self, space: AddressSpace, vpn: int) -> int:
        """The slot that the PTE names."""
        pte = self.pte(space, vpn)
        return pte.slot or (pte.folio.slot if pte.folio else 0)

    def backing(self, space: AddressSpace, vpn: int) -> Backing:
        """What backs the slot that the PTE names."""
        return self.machine.slots.backing(self.slot(space, vpn))

    def cram_folio(self, space: AddressSpace, vpn: int) -> CramFolio:
        """The CRAM folio behind the PTE."""
        folio = self.pte(space, vpn).folio or self.machine.cache.lookup(self.slot(space, vpn))
        assert isinstance(folio, CramFolio)
        return folio

    async def reclaim(self, space: AddressSpace, vpn: int) -> None:
        """Reclaim what the page is in, whoever else maps it."""
        folio = self.pte(space, vpn).dram
        self.machine.memory.remove(folio)
        await self.system.reclaim.reclaim_folio(folio, force=True)

    async def pageout(self, space: AddressSpace, vpn: int, count: int = 1) -> bool:
        """Reclaim pages (madvise PAGEOUT), wait for the writes, and let what they leave in the swap cache go. True when
        none is in DRAM any more."""
        await space.pageout(vpn, count)
        await self.machine.inflight.drain()
        for _, folio in list(self.machine.cache.items()):
            if isinstance(folio, Folio) and not (folio.mappers or folio.dead or folio.dirty):
                self.machine.memory.remove(folio)
                await self.system.reclaim.reclaim_folio(folio, force=True)
        ptes = [self.pte(space, page) for page in range(vpn, vpn + count)]
        return not any(isinstance(pte.folio or self.machine.cache.lookup(pte.slot), Folio) for pte in ptes)

    async def swapped_out(self, data: bytes, name: str = "task", vpn: int = 0) -> AddressSpace:
        """A space with one page, swapped out."""
        space = self.space(name)
        await space.write(vpn, data)
        assert await self.pageout(space, vpn)
        assert self.state(space, vpn) == "softleaf"
        return space
