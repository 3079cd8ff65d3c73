# SPDX-License-Identifier: MIT
"""Execute: a scenario on the model or the RTL in this process, or on the RTL in a simulator's."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import Literal

from hw.link import Link
from hw.links.in_process import InProcess
from hw.places import build_folder
from hw.virtual_time import VirtualClock
from sim.run.metrics import Result
from sim.run.own import load_own
from sim.run.request import Request
from sim.run.run import Report, RunError, run
from sim.run.supervise import supervise
from sim.scenario.links import make_link
from sim.scenario.scenario import Scenario
from sim.trace.file import Trace

Sim = Literal["verilated", "verilator", "icarus", "model"]


def execute(scenario: Scenario, name: str, sim: Sim, report: Report, *, timeline: Path | None = None) -> Result:
    """Run a scenario to its result; `timeline` is where a Perfetto trace of it is written.

    The run's folder, `build/run/<name>-<sim>-*`, holds the simulator's log and, unless the scenario names another, the
    swapfile. It is removed when the run passes, and stays otherwise.

    Raises:
        TraceError: the trace cannot be used.
        SuiteError: a tier of one's own cannot be made.
        RunError: there is no result; a line that says why, and where the log and the swapfile are.
        KeyboardInterrupt: interrupted; nothing that was started is left.
    """
    trace = Trace.load(Path(scenario.workload.trace))  # a bad one is told before anything is compiled
    load_own(scenario)
    runs = build_folder() / "run"
    runs.mkdir(parents=True, exist_ok=True)
    prefix = re.sub(r"[^\w.-]", "_", f"{name}-{sim}-")
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=runs))
    swapfile = Path(scenario.swapfile.path) if scenario.swapfile.path else folder / "swapfile"
    if sim == "model" or sim == "verilated":
        result = run_in_process(scenario, sim, trace, swapfile, name, report, timeline=timeline)
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


def run_in_process(
    scenario: Scenario,
    sim: InProcess,
    trace: Trace,
    swapfile: Path,
    name: str,
    report: Report,
    *,
    timeline: Path | None = None,
) -> Result:
    """Run on virtual time, on the functional model or on the RTL as a library. Raises RunError, BuildError,
    ToolError."""
    clock = VirtualClock(scenario.workload.seed)
    links: dict[str, Link] = {}
    for node in scenario.tiers.nodes:
        links[node] = make_link(sim, clock, scenario)
    link = links.pop("cram")

    async def main() -> Result:
        return await run(
            link, scenario, trace, swapfile, name=name, sim=sim, report=report, more=links, timeline=timeline
        )

    return clock.run(main())
