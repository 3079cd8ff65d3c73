# SPDX-License-Identifier: MIT
"""Machine: a link, the driver and the swap system of a scenario, the same whatever is behind the link."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from driver import CramDevice
from hw.link import Link
from hw.links.far import FarLink
from sim.run.own import OwnTiers
from sim.scenario.scenario import Scenario
from vswap import InvariantViolation, Memcg, VswapSystem
from vswap.tiers.cram import CramTier
from vswap.tiers.cram_pages import sectors_in_use
from vswap.tiers.swapfile import SwapfileError

_SETTLE_INTERVALS = 64  # reap intervals, or slowest steps, in which no counter moves, that background tasks get to rest
_SETTLE_MOST = 64 * _SETTLE_INTERVALS  # of them altogether: what moves for ever is not at rest


class Machine:
    """A machine in use. Make it with `await Machine.assemble(...)`, give it back with `await close()`.

    Attributes:
        link: to the device's port.
        device: its driver.
        system: the swap system, started.
        memcgs: the group of each space of the trace that has one.
    """

    def __init__(
        self,
        link: Link,
        devices: Mapping[str, CramDevice],
        system: VswapSystem,
        own: OwnTiers,
        interval_ns: int,
        locks: list[int],
    ) -> None:
        self.link = link
        self.device = devices["cram"]
        self.system = system
        self._devices = devices
        self._own = own
        self._interval_ns = interval_ns
        self._locks = locks
        self.memcgs: dict[int, Memcg] = {}

    @classmethod
    async def assemble(
        cls,
        link: Link,
        scenario: Scenario,
        swapfile: Path,
        more: Mapping[str, Link] | None = None,
        system_kind: Callable[..., VswapSystem] = VswapSystem,
    ) -> Machine:
        """Probe the device, build the swap system on it and start it.

        Args:
            link: a link to the port of a device as the scenario asks for, out of reset.
            swapfile: the file to swap to; it is locked, so that no other run uses it. "swapfile1" lies beside it.
            more: links to the devices of the other nodes, by name.
            system_kind: makes the swap system, with the arguments of VswapSystem.

        Raises:
            SwapfileError: the file is in use or cannot serve.
            SuiteError: a tier of one's own cannot be made.
            CramError: the device does not answer.
        """
        config = scenario.vswap_config()
        far = {name: FarLink(to, config.costs.cxl_link) for name, to in {"cram": link, **(more or {})}.items()}
        devices = {name: await CramDevice.probe(to) for name, to in far.items()}
        paths = {
            name: swapfile.with_name(swapfile.name + name.removeprefix("swapfile")) for name in scenario.tiers.swapfiles
        }
        own = OwnTiers(scenario, far["cram"], swapfile.parent)
        locks: list[int] = []
        try:
            locks.extend(_lock(path) for path in paths.values())  # before the files are touched
            backends = await own.makers()
            system = system_kind(link.clock, config, device=devices, swapfile=paths, backends=backends)
        except BaseException:
            own.close()
            for lock in locks:
                os.close(lock)
            raise
        slowest = max(asdict(config.costs).values())
        machine = cls(link, devices, system, own, max(config.reap_interval, slowest), locks)
        for name, section in scenario.memcg.items():
            group = system.create_memcg(name, section.limits())
            machine.memcgs |= dict.fromkeys(section.spaces, group)
        try:
            await system.start()
        except BaseException:
            await machine.close()
            raise
        return machine

    def nodes(self) -> list[tuple[str, CramTier]]:
        """The CRAM nodes by the names that figures have for them."""
        shown = self.system.machine.tiers.shown.items()
        return [(name, tier) for name, tier in shown if isinstance(tier, CramTier)]

    async def settle(self) -> list[str]:
        """Let the background tasks come to rest; then what contradicts itself, in the swap system's books and between
        them and the device's."""
        findings: list[str] = []
        counters, unmoved = self.system.counters.snapshot(), 0
        for _ in range(_SETTLE_MOST):
            await self.link.clock.sleep(self._interval_ns)
            before, counters = counters, self.system.counters.snapshot()
            unmoved = unmoved + 1 if counters == before else 0
            if unmoved == _SETTLE_INTERVALS:
                break
            try:
                self.system.invariants(quiescent=True)
                await self.system.audit()
            except InvariantViolation as error:
                findings = error.findings
            else:
                return []
        return findings

    async def close(self) -> list[str]:
        """Exit every space and shut down; what was not given back. Raises what a background task died of."""
        try:
            await self.system.shutdown()
        finally:
            self.give_up()
        return await self._leaks()

    def give_up(self) -> None:
        """Give the files back, and no more: for a machine that cannot be shut down. Idempotent."""
        self._own.close()
        while self._locks:
            os.close(self._locks.pop())

    async def _leaks(self) -> list[str]:
        machine = self.system.machine
        findings = []
        try:
            self.system.invariants(quiescent=True)
        except InvariantViolation as error:
            findings += error.findings
        if machine.slots.used:
            findings.append(f"{machine.slots.used} slots leaked")
        if machine.memory.used:
            findings.append(f"{machine.memory.used} DRAM pages leaked")
        for name, device in self._devices.items():
            in_use = await sectors_in_use(device)
            if in_use:
                findings.append(f"{in_use} media sectors of {name} leaked")
        return findings


def _lock(path: Path) -> int:
    """Hold a lock on the file, made if need be; the kernel drops it with the process."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SwapfileError(f"{path}: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(file)
        raise SwapfileError(f"{path}: in use by another run; name another file") from error
    return file
