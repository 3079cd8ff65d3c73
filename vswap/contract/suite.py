# SPDX-License-Identifier: MIT
"""How a backend is run through the checks."""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import get_args

from driver import DeviceNotFound
from hw.links.in_process import InProcess, open_link
from hw.virtual_time import VirtualClock
from vswap.base.costs import Costs
from vswap.base.counters import Counters
from vswap.contract.bench import DEVICE, MEMORY_PAGES, Bench, Factory, LinkMaker, TroubledDevice
from vswap.contract.checks import CHECKS
from vswap.contract.registry import CHAPTERS, Check, NotApplicable
from vswap.mm.frames import Memory


@dataclass(frozen=True)
class Outcome:
    """What one check came to.

    Attributes:
        verdict: "pass", "fail" or "not applicable".
        seed: of the failure; the same seed fails again.
        reason: why it failed, or does not apply.
    """

    identifier: str
    verdict: str
    seed: int
    reason: str = ""
    details: str = ""


@dataclass
class Report:
    """The outcomes of one backend."""

    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def failed(self) -> list[str]:
        """Identifiers of the checks that failed."""
        return [outcome.identifier for outcome in self.outcomes if outcome.verdict == "fail"]

    @property
    def passed(self) -> list[str]:
        """Identifiers of the checks that passed."""
        return [outcome.identifier for outcome in self.outcomes if outcome.verdict == "pass"]


LINKS: dict[str, LinkMaker] = {kind: partial(open_link, kind) for kind in get_args(InProcess)}


def run_check(
    clause: Check,
    factory: Factory,
    seed: int,
    *,
    link: LinkMaker = LINKS["model"],
    around: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Outcome:
    """Run one check with one seed: seed 0 runs ready tasks in order, any other shuffles them. `around` is entered for
    its duration."""
    verdict, reason, details = "pass", "", ""
    watchers: list[Callable[[], None]] = []

    def on_step() -> None:
        for watcher in watchers:
            watcher()

    try:
        with around(), tempfile.TemporaryDirectory(prefix="contract-") as folder:
            clock = VirtualClock(seed or None)
            clock.on_step = on_step
            clock.run(_run(clause, factory, seed, clock, link, Path(folder), watchers))
    except NotApplicable as error:
        verdict, reason = "not applicable", str(error)
    except DeviceNotFound:
        raise
    except Exception as error:
        verdict, reason = "fail", f"{type(error).__name__}: {error}".rstrip(": ")
        details = "".join(traceback.format_exception(error))
    return Outcome(clause.identifier, verdict, seed, reason, details)


async def _run(
    clause: Check,
    factory: Factory,
    seed: int,
    clock: VirtualClock,
    link: LinkMaker,
    folder: Path,
    watchers: list[Callable[[], None]],
) -> None:
    made = link(clock, DEVICE)
    try:
        device = await TroubledDevice.probe(made)
        assert isinstance(device, TroubledDevice)
        device.lost = set()
        rng = Random(f"{seed}.{clause.identifier}")
        memory = Memory(clock, MEMORY_PAGES)
        await clause.body(factory, Bench(clock, Costs(), Counters(), memory, folder, device, rng, watchers=watchers))
    finally:
        await made.close()


def run_contract(
    factory: Factory,
    *,
    seed: int = 0,
    only: Iterable[str] = (),
    link: LinkMaker = LINKS["model"],
    around: Callable[[], AbstractContextManager[object]] = nullcontext,
    stop_at_first: bool = False,
    seeds: int | None = None,
    progress: Callable[[Outcome], None] = lambda _: None,
) -> Report:
    """Run a backend through the contract.

    Args:
        seed: the first seed; a check of n seeds takes the n from there on.
        only: identifiers of the checks to run, all by default.
        stop_at_first: end with the first failure.
        seeds: at most so many of each check.
        progress: called with each outcome.
    """
    wanted = set(only)
    report = Report()
    for clause in sorted(CHECKS.values(), key=lambda clause: CHAPTERS.index(clause.identifier.partition(".")[0])):
        if wanted and clause.identifier not in wanted:
            continue
        outcome = Outcome(clause.identifier, "pass", seed)
        for number in range(min(clause.seeds, seeds or clause.seeds)):
            outcome = run_check(clause, factory, seed + number, link=link, around=around)
            if outcome.verdict != "pass":
                break
        report.outcomes.append(outcome)
        progress(outcome)
        if stop_at_first and outcome.verdict == "fail":
            break
    return report
