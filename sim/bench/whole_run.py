# SPDX-License-Identifier: MIT
"""The main job's program once, on the RTL as a library: as it is, with the live view, with a timeline.

Each run has a process of its own, as a user's run has. In one process the second library that is loaded ran 5 % slower
than the same library did alone, which is more than what is to be measured.
"""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from io import StringIO
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

from rich.console import Console

from hw.speed import Speed
from sim.run.execute import run_in_process
from sim.run.live import live_view
from sim.run.metrics import Result
from sim.run.run import Report
from sim.scenario.scenario import DEFAULT, find
from sim.scenario.settings import load
from sim.trace.file import Trace

Seen = Literal["", "live", "timeline"]


def whole_run(seen: Seen) -> Speed:
    """One run: the pages stored and loaded by the device's count, its cycles, and the processor's seconds.

    The report is left out. Raises AssertionError: the run failed.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
        return alone.submit(_run, seen).result()


def _run(seen: Seen) -> Speed:
    scenario = load(find(DEFAULT), []).with_workload(rounds=1)
    trace = Trace.load(Path(scenario.workload.trace))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        timeline = folder / "run.pftrace" if seen == "timeline" else None

        def run(report: Report) -> Result:
            return run_in_process(
                scenario, "verilated", trace, folder / "swapfile", DEFAULT, report, timeline=timeline,
                live=seen == "live",
            )  # fmt: skip

        start = time.process_time()
        if seen == "live":
            screen = Console(file=StringIO(), force_terminal=True, width=120, height=40)
            with live_view(screen, DEFAULT, "verilated", scenario) as report:
                result = run(report)
        else:
            result = run(lambda _: None)
        seconds = time.process_time() - start
    assert result.ok, result.problems
    return Speed(result.cycles, result.stores + result.loads, seconds)
