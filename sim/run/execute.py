# SPDX-License-Identifier: MIT
"""Execute: a scenario on the model or the RTL in this process, or on the RTL in a simulator's."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hw.engines import EngineLink
from hw.links.in_process import InProcess
from hw.places import build_folder
from hw.virtual_time import VirtualClock
from sim.run.metrics import Result
from sim.run.own import load_own
from sim.run.request import Request
from sim.run.run import Report, RunError, run
from sim.run.supervise import supervise
from sim.run.window import Waves
from sim.run.workload import load_traces
from sim.scenario.links import make_link
from sim.scenario.scenario import Scenario
from sim.trace.file import Trace

if TYPE_CHECKING:
    from sim.run.waves import WavesLink

Sim = Literal["verilated", "verilator", "icarus", "model"]


def execute(
    scenario: Scenario,
    name: str,
    sim: Sim,
    report: Report,
    *,
    folder: Path | None = None,
    timeline: Path | None = None,
    waves: Waves | None = None,
    live: bool = False,
) -> Result:
    """Run a scenario to its result.

    Args:
        scenario, name, sim: what, its name, and on what.
        report: told of the progress.
        folder: of the run, made by `run_folder`; by default a new one. It holds the simulator's log and, unless the
            scenario names another, the swapfile. It is removed when the run passes, and stays otherwise.
        timeline: where to write a Perfetto trace.
        waves: what waves to write; with "verilated" only.
        live: report how busy the device's engines are; with "model" and "verilated".

    Raises:
        TraceError: the trace cannot be used.
        SuiteError: a tier of one's own cannot be made.
        RunError: there is no result; a line that says why, and where the log and the swapfile are.
        KeyboardInterrupt: interrupted; nothing that was started is left.
    """
    trace, *beside = load_traces(scenario.workload)  # a bad one is told before anything is compiled
    load_own(scenario)
    folder = folder or run_folder(name, sim)
    swapfile = Path(scenario.swapfile.path) if scenario.swapfile.path else folder / "swapfile"
    if sim == "model" or sim == "verilated":
        result = run_in_process(
            scenario, sim, trace, swapfile, name, report, beside=beside, timeline=timeline, waves=waves, live=live
        )
    elif len(scenario.tiers.nodes) > 1:
        raise RunError(
            f"{sim} simulates one device, the scenario has {len(scenario.tiers.nodes)}; use model or verilated"
        )
    else:
        request = Request(
            scenario=scenario, name=name, simulator=sim, swapfile=str(swapfile),
            timeline=str(timeline.absolute()) if timeline is not None else None,
        )  # fmt: skip
        result = supervise(request, folder, report)
    if result.ok:
        shutil.rmtree(folder)
    return result


def run_folder(name: str, sim: Sim) -> Path:
    """A new folder for a run, `build/run/<name>-<sim>-*`. Raises OSError."""
    runs = build_folder() / "run"
    runs.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=re.sub(r"[^\w.-]", "_", f"{name}-{sim}-"), dir=runs))


def run_in_process(
    scenario: Scenario,
    sim: InProcess,
    trace: Trace,
    swapfile: Path,
    name: str,
    report: Report,
    *,
    beside: Sequence[Trace] = (),
    timeline: Path | None = None,
    waves: Waves | None = None,
    live: bool = False,
) -> Result:
    """Run on virtual time, on the functional model or on the RTL as a library. Raises RunError, BuildError,
    ToolError."""
    clock = VirtualClock(scenario.workload.schedule)
    engines = live or timeline is not None
    links: dict[str, EngineLink] = {}
    watched = None if waves is None else _watched(clock, scenario, waves, engines)
    for node in scenario.tiers.nodes:
        links[node] = watched if watched and node == "cram" else make_link(sim, clock, scenario, engines)

    async def main() -> Result:
        return await run(
            links["cram"], scenario, trace, swapfile, name=name, sim=sim, report=report, beside=beside,
            more={node: link for node, link in links.items() if node != "cram"}, timeline=timeline,
            on_fault=watched.fault if watched is not None else None, engines=links if engines else None,
        )  # fmt: skip

    result = clock.run(main())
    if waves is not None and watched is not None:
        waves.files = watched.finish()
    return result


def _watched(clock: VirtualClock, scenario: Scenario, waves: Waves, engines: bool) -> WavesLink:
    """A link to the first node's device that writes waves. Raises BuildError, ToolError."""
    from sim.run.waves import WavesLink  # needs a compiler; the model must not

    waves.file.parent.mkdir(parents=True, exist_ok=True)
    cram = scenario.cram
    link = WavesLink(
        clock, cram.parameters(), seed=scenario.workload.seed, media_latency=cram.media_latency, waves=True,
        engines=engines,
    )  # fmt: skip
    link.watch(waves.window, waves.file)
    return link
