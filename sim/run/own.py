# SPDX-License-Identifier: MIT
"""Tiers of one's own: what a scenario's order names as PACKAGE:FACTORY, FILE.py:FACTORY or FILE.so.

The factories are those of the contract suite (docs/contract-suite.md), and get a bench that is made of the machine's
parts: so a tier that the suite has passed runs in a scenario as it is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, cast

from hw.link import Link
from hw.virtual_time import VirtualClock
from sim.scenario.scenario import Scenario
from vswap import Counters
from vswap.build import Maker, MemcgOf
from vswap.contract import AbiError, Backend, Bench, Factory, SuiteError, load_factory
from vswap.contract.bench import TroubledDevice
from vswap.contract.factory import no_tier
from vswap.mm.frames import Memory
from vswap.tiers.base import Tier


def load_own(scenario: Scenario) -> dict[str, Factory]:
    """The factories of a scenario's own tiers, by name. Raises SuiteError."""
    return {name: load_factory(name, Path(scenario.tiers.folder)) for name in scenario.tiers.own}


class OwnTiers:
    """Makes a scenario's own tiers for one machine.

    Args:
        scenario: what names them.
        link: to the machine's device. It is theirs where `order` has no "cram".
        folder: where they may have files, until `close`.
    """

    def __init__(self, scenario: Scenario, link: Link, folder: Path) -> None:
        self._scenario = scenario
        self._link = link
        self._folder = folder
        self._own: tempfile.TemporaryDirectory[str] | None = None

    async def makers(self) -> Mapping[str, Maker]:
        """For the swap system: what makes each of them. Raises SuiteError."""
        factories = load_own(self._scenario)
        if not factories:
            return {}
        self._own = tempfile.TemporaryDirectory(prefix="tiers-", dir=self._folder)
        if "cram" in self._scenario.tiers.order:
            device = cast(TroubledDevice, _Taken())
        else:
            device = cast(TroubledDevice, await TroubledDevice.probe(self._link))
            device.lost = set()
        return {name: partial(self._make, name, factory, device) for name, factory in factories.items()}

    def close(self) -> None:
        """Remove their files."""
        if self._own is not None:
            self._own.cleanup()

    def _make(
        self, name: str, factory: Factory, device: TroubledDevice, memory: Memory, counters: Counters, memcg_of: MemcgOf
    ) -> Tier:
        assert self._own is not None
        folder = Path(self._own.name) / str(self._scenario.tiers.order.index(name))
        folder.mkdir()
        bench = Bench(
            clock=cast(VirtualClock, self._link.clock),
            costs=self._scenario.vswap_config().costs,
            counters=counters,
            memory=memory,
            folder=folder,
            device=device,
            rng=Random(self._scenario.workload.seed),
            store_pages=self._scenario.tiers.own_pages,
            memcg_of=memcg_of,
        )
        try:
            made: Any = factory(bench)
        except SuiteError as error:
            raise SuiteError(f"{name}: {error}") from error
        except AbiError as error:
            raise SuiteError(f"{name}: {error.rule}") from error
        except Exception as error:
            raise SuiteError(f"{name}: the factory raised {type(error).__name__}: {error}") from error
        tier = made.tier if isinstance(made, Backend) else made
        if wrong := no_tier(tier):
            raise SuiteError(f"{name}: {wrong}")
        return cast(Tier, tier)


class _Taken:
    """In the place of the bench's device where that is the machine's own CRAM node."""

    def __getattr__(self, name: str) -> Any:
        raise SuiteError('it uses the device, which is "cram" here: leave "cram" out of order')
