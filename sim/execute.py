"""Execute: a scenario on the model in this process, or on the RTL in a simulator's."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import Literal

from hw.build import ROOT
from hw.links.model import ModelLink
from hw.virtual_time import VirtualClock
from sim.metrics import Result
from sim.request import Request
from sim.run import Report, run
from sim.scenario import Scenario
from sim.supervise import supervise
from sim.trace import Trace

Sim = Literal["verilator", "icarus", "model"]
RUNS = ROOT / "build" / "run"


def execute(scenario: Scenario, name: str, sim: Sim, report: Report) -> Result:
    """Run a scenario to its result.

    The run's folder, `build/run/<name>-<sim>-*`, holds the simulator's log and, unless the scenario names another, the
    swapfile. It is removed when the run passes, and stays otherwise.

    Raises:
        TraceError: the trace cannot be used.
        RunError: there is no result; a line that says why, and where the log and the swapfile are.
        KeyboardInterrupt: interrupted; nothing that was started is left.
    """
    trace = Trace.load(Path(scenario.workload.trace))  # a bad one is told before anything is compiled
    RUNS.mkdir(parents=True, exist_ok=True)
    prefix = re.sub(r"[^\w.-]", "_", f"{name}-{sim}-")
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=RUNS))
    swapfile = Path(scenario.swapfile.path) if scenario.swapfile.path else folder / "swapfile"
    if sim == "model":
        result = run_model(scenario, trace, swapfile, name, report)
    else:
        result = supervise(Request(scenario=scenario, name=name, simulator=sim, swapfile=str(swapfile)), folder, report)
    if result.ok:
        shutil.rmtree(folder)
    return result


def run_model(scenario: Scenario, trace: Trace, swapfile: Path, name: str, report: Report) -> Result:
    """Run on the functional model. Raises RunError."""
    clock = VirtualClock(scenario.workload.seed)

    async def main() -> Result:
        link = ModelLink(clock, scenario.cram.parameters(), scenario.model_timing())
        return await run(link, scenario, trace, swapfile, name=name, sim="model", report=report)

    return clock.run(main())
