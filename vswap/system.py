"""One machine's swap system, wired: memory, slots, tiers, reclaim, writeback and the spaces on top."""

from __future__ import annotations

from pathlib import Path

from driver import CramDevice
from hw.clock import Clock
from vswap.config import VswapConfig
from vswap.counters import Counters
from vswap.spaces import AddressSpace


class VswapSystem:
    """A swap system on a clock.

    Life: construct, `await start()`, `create_space()` and use the spaces, `await shutdown()`.
    """

    counters: Counters

    def __init__(
        self, clock: Clock, config: VswapConfig, *, device: CramDevice | None = None, swapfile: Path | None = None
    ) -> None:
        """`device` is needed where `config.order` names "cram", `swapfile` (a path) where it names "swapfile"."""
        raise NotImplementedError

    async def start(self) -> None:
        """Set the device's watermarks and start kswapd, the zswap shrinker, the reaper and the interrupt watcher."""
        raise NotImplementedError

    def create_space(self, name: str) -> AddressSpace:
        """A new, empty address space."""
        raise NotImplementedError

    async def fork(self, space: AddressSpace, name: str) -> AddressSpace:
        """A child that shares every page of `space` copy-on-write."""
        raise NotImplementedError

    def invariants(self, *, quiescent: bool = False) -> None:
        """Raise InvariantViolation where the state contradicts itself. May be called between any two steps;
        `quiescent` adds what holds only while no access, reclaim or writeback is under way."""
        raise NotImplementedError

    async def audit(self) -> None:
        """At quiescence: flush trims, compare with the device's own view (pages, sectors). Raises InvariantViolation."""
        raise NotImplementedError

    async def shutdown(self) -> None:
        """Exit every space, stop the tasks, give every device page and slot back, close the swapfile. Idempotent."""
        raise NotImplementedError
