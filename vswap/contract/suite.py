# SPDX-License-Identifier: MIT
"""How a backend is run through the checks."""

from __future__ import annotations

import shutil
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from errno import ENOSPC
from functools import partial
from pathlib import Path
from random import Random
from typing import get_args

from driver import DeviceNotFound
from hw.build import BuildError
from hw.links.in_process import InProcess, open_link
from hw.tools import ToolError
from hw.virtual_time import VirtualClock
from vswap.contract.abi import AbiError
from vswap.contract.bench import DEVICE, Factory, LinkMaker, make_bench
from vswap.contract.checks import CHECKS
from vswap.contract.limit import LIMIT_S, Killed, Prevented, Stuck, limited
from vswap.contract.pages import program_pages
from vswap.contract.registry import CHAPTERS, Check, NotApplicable


@dataclass(frozen=True)
class Outcome:
    """What one check came to.

    Attributes:
        verdict: "pass", "fail", "not applicable", or "error" where the environment did not let it come to its end.
        seed: of the failure; the same seed fails again.
        reason: why it failed, or does not apply, or what the environment lacks.
        details: the traceback, or where it was.
        seconds: that it took, with all seeds.
    """

    identifier: str
    verdict: str
    seed: int
    reason: str = ""
    details: str = ""
    seconds: float = 0.0


@dataclass
class Report:
    """The outcomes of one backend."""

    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def failed(self) -> list[str]:
        """Identifiers of the checks that failed."""
        return [outcome.identifier for outcome in self.outcomes if outcome.verdict == "fail"]

    @property
    def errors(self) -> list[str]:
        """Identifiers of the checks that the environment did not let come to their end."""
        return [outcome.identifier for outcome in self.outcomes if outcome.verdict == "error"]

    @property
    def passed(self) -> list[str]:
        """Identifiers of the checks that passed."""
        return [outcome.identifier for outcome in self.outcomes if outcome.verdict == "pass"]


ENVIRONMENT = (DeviceNotFound, BuildError, ToolError, Prevented)
"""What is raised where there is no device to run a check with, or no process."""
_ROOM = 1 << 20  # bytes

LINKS: dict[str, LinkMaker] = {kind: partial(open_link, kind) for kind in get_args(InProcess)}


def run_check(
    clause: Check,
    factory: Factory,
    seed: int,
    *,
    link: LinkMaker = LINKS["model"],
    around: Callable[[], AbstractContextManager[object]] = nullcontext,
    limit_s: float | None = LIMIT_S,
) -> Outcome:
    """Run one check with one seed: seed 0 runs ready tasks in order, any other shuffles them.

    Args:
        around: entered for the check's duration.
        limit_s: seconds that it may take, in a process of its own; None: in this process, for as long as it likes.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="contract-") as folder:
            work = partial(_outcome, clause, factory, seed, link, around, Path(folder))
            program_pages()  # found once for all processes that are forked from this one
            return work() if limit_s is None else limited(work, limit_s)
    except Stuck as stuck:
        return Outcome(clause.identifier, "fail", seed, str(stuck), stuck.stack)
    except (Killed, OSError) as error:  # the suite's own: what a check raises is in its outcome
        return Outcome(clause.identifier, "error", seed, _said(error))


def _build(link: LinkMaker) -> None:
    """Compile what the link needs: it is not the time of a check, whose process would be ended in the middle of it."""
    clock = VirtualClock()
    clock.run(link(clock, DEVICE).close())


def _outcome(
    clause: Check,
    factory: Factory,
    seed: int,
    link: LinkMaker,
    around: Callable[[], AbstractContextManager[object]],
    folder: Path,
) -> Outcome:
    """What becomes of a check in this process."""
    verdict, reason, details = "pass", "", ""
    watchers: list[Callable[[], None]] = []

    def on_step() -> None:
        for watcher in watchers:
            watcher()

    try:
        with around():
            clock = VirtualClock(seed or None)
            clock.on_step = on_step
            clock.run(_run(clause, factory, seed, clock, link, folder, watchers))
    except NotApplicable as error:
        verdict, reason = "not applicable", str(error)
    except Exception as error:
        environment = isinstance(error, ENVIRONMENT) or _is_full(error, folder)
        verdict, reason = "error" if environment else "fail", _said(error)
        details = "".join(traceback.format_exception(error))
    return Outcome(clause.identifier, verdict, seed, reason, details)


def _said(error: Exception) -> str:
    text = error.rule if isinstance(error, AbiError) else str(error)  # it is known whose suite this is
    return f"{type(error).__name__}: {text}".rstrip(": ")


def _is_full(error: Exception, folder: Path) -> bool:
    """It is for want of room on the disk that the backend's files are on, and not in the backend."""
    return isinstance(error, OSError) and error.errno == ENOSPC and shutil.disk_usage(folder).free < _ROOM


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
        rng = Random(f"{seed}.{clause.identifier}")
        await clause.body(factory, await make_bench(clock, made, folder, rng, watchers))
    finally:
        await made.close()


def chosen(only: Iterable[str]) -> list[Check]:
    """The checks of these identifiers, or all where there are none, in the order in which they are run."""
    wanted = set(only) or CHECKS.keys()
    clauses = [clause for clause in CHECKS.values() if clause.identifier in wanted]
    return sorted(clauses, key=lambda clause: CHAPTERS.index(clause.identifier.partition(".")[0]))


def run_contract(
    factory: Factory,
    *,
    seed: int = 0,
    only: Iterable[str] = (),
    link: LinkMaker = LINKS["model"],
    around: Callable[[], AbstractContextManager[object]] = nullcontext,
    stop_at_first: bool = False,
    seeds: int | None = None,
    limit_s: float | None = LIMIT_S,
    progress: Callable[[Outcome], None] = lambda _: None,
) -> Report:
    """Run a backend through the contract.

    Args:
        seed: the first seed; a check of n seeds takes the n from there on.
        only: identifiers of the checks to run, all by default.
        stop_at_first: end with the first failure.
        seeds: at most so many of each check.
        around, limit_s: see `run_check`.
        progress: called with each outcome.

    Raises:
        DeviceNotFound, hw.build.BuildError, hw.tools.ToolError: there is no device to run it with.
    """
    _build(link)
    report = Report()
    for clause in chosen(only):
        outcome, began = Outcome(clause.identifier, "pass", seed), time.monotonic()
        for number in range(min(clause.seeds, seeds or clause.seeds)):
            outcome = run_check(clause, factory, seed + number, link=link, around=around, limit_s=limit_s)
            if outcome.verdict != "pass":
                break
        outcome = replace(outcome, seconds=round(time.monotonic() - began, 3))
        report.outcomes.append(outcome)
        progress(outcome)
        if stop_at_first and outcome.verdict == "fail":
            break
    return report
