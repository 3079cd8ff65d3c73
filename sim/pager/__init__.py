# SPDX-License-Identifier: MIT
"""Pager: runs a real program with its anonymous memory limited and paged through the swap system (docs/pager.md)."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from driver import CramError
from hw.link import Link, LinkError
from hw.links.in_process import InProcess as Device
from hw.virtual_time import VirtualClock
from sim.follow import FollowError, available, check_streams, find_program
from sim.pager.figures import Figures
from sim.pager.log import Recording
from sim.pager.pager import MINIMUM_PAGES, Pager, PagerError
from sim.run.machine import Machine
from sim.scenario.links import make_link
from sim.scenario.scenario import Scenario
from sim.trace.file import TraceHeader, TraceWriter, save
from vswap.tiers.swapfile import SwapfileError

__all__ = ["Device", "Figures", "Outcome", "PagerError", "page"]


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes:
        exit_status: the program's, as a shell gives it.
        figures: what was counted.
        limit, window: pages.
        seconds: wall clock.
        simulated_ns: time on the machine's clock.
        problems: contradictions in the books of the swap system, and between them and the device's.
    """

    exit_status: int
    figures: Figures
    limit: int
    window: int
    seconds: float
    simulated_ns: int
    problems: list[str]


def page(
    argv: Sequence[str],
    scenario: Scenario,
    *,
    limit: int,
    device: Device = "model",
    env: Mapping[str, str] | None = None,
    live: Callable[[Figures, float], None] | None = None,
    trace: Path | None = None,
    make: Callable[[VirtualClock, Scenario], Link] | None = None,
) -> Outcome:
    """Run a program with at most `limit` pages of its private anonymous memory in DRAM.

    Must be called in the main thread. The program keeps this process' standard streams and, unless `env` is given, its
    environment.

    Args:
        argv: program (looked up in PATH) and arguments.
        scenario: the machine; its workload and its memory limit are not used.
        limit: pages, at least 256. A quarter of them is for device pages that the program sees.
        device: what runs the device.
        live: called a few times a second with the figures and the seconds since the start.
        trace: file to keep a trace in, for `vcram run` (docs/trace.md).
        make: makes a link in the place of `device`'s.

    Raises:
        PagerError: what cannot work, before the program runs; or why it was ended.
        BuildError, ToolError: the RTL does not compile here.
        KeyboardInterrupt: interrupted; the program and all it started are dead.
    """
    program = _check(argv, scenario, limit)
    window = limit // 4
    scenario = scenario.with_limit(limit - window)
    clock = VirtualClock()
    link = make(clock, scenario) if make else make_link(device, clock, scenario)
    with tempfile.TemporaryDirectory(prefix="vcram-pager-") as folder:
        swapfile = Path(scenario.swapfile.path) if scenario.swapfile.path else Path(folder) / "swapfile"
        try:
            machine = clock.run_until(Machine.assemble(link, scenario, swapfile))
        except (SwapfileError, CramError, LinkError) as error:
            raise PagerError(str(error)) from error
        _unname(Path(folder))
        recording = Recording(TraceWriter()) if trace else None
        pager = Pager(machine, clock, window, live, recording)
        status = pager.run([program, *argv[1:]], env)
        figures, seconds, simulated = pager.figures(), pager.seconds, clock.now
        try:
            problems = clock.run_until(machine.settle())
            problems += clock.run_until(machine.close())
            clock.run_until(link.close())
        except (CramError, LinkError) as error:
            raise PagerError(f"the program has ended with {status}, but the device is gone: {error}") from error
        clock.shut_down()
    if trace is not None and recording is not None:
        _save(trace, recording, [program, *argv[1:]], limit)
    return Outcome(status, figures, limit, window, seconds, simulated, problems)


def _unname(folder: Path) -> None:
    """Take the names of open files away: of those nothing is left, however this process ends."""
    for path in folder.iterdir():
        if path.is_file():
            path.unlink()
    with contextlib.suppress(OSError):  # a tier of the scenario's own has files there
        folder.rmdir()


def _save(path: Path, recording: Recording, argv: Sequence[str], limit: int) -> None:
    header = TraceHeader.recorded_now(
        argv,
        "vcram pager",
        window=limit,
        loss="Faults of a paged program only (docs/pager.md, Traces): of a page that is present nothing shows but the "
        "first write; which pages are present was the swap system's choice at this limit.",
        complete=recording.complete,
    )
    try:
        save(recording.writer.finish(header), path)
    except OSError as error:
        raise PagerError(f"{path}: {error.strerror}") from error


def _check(argv: Sequence[str], scenario: Scenario, limit: int) -> str:
    if (refusal := available()) is not None:
        raise PagerError(f"cannot take page faults of a program (userfaultfd: {refusal}); run as root")
    if limit < MINIMUM_PAGES:
        raise PagerError(f"limit of {limit} pages is too small, expected at least {MINIMUM_PAGES} (1M)")
    if scenario.cram.writable_budget:
        raise PagerError(
            f"[cram] writable_budget is {scenario.cram.writable_budget}, expected 0: the stores of a real program "
            "cannot be followed into the device"
        )
    if scenario.cram.mode == "node":
        raise PagerError(
            '[cram] mode is "node", expected "swap": a real program cannot be stopped for a migration of its pages'
        )
    if scenario.vswap_config().mthp_orders:
        raise PagerError("large folios are not possible here: a real program's pages come one by one")
    try:
        check_streams()
        return find_program(argv)
    except FollowError as error:
        raise PagerError(str(error)) from error
