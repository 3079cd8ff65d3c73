# SPDX-License-Identifier: MIT
"""The device of a scenario in this process: the functional model, or the RTL as a library."""

from __future__ import annotations

from hw.engines import EngineLink
from hw.links.in_process import InProcess, open_link
from hw.virtual_time import VirtualClock
from sim.scenario.scenario import Scenario


def make_link(kind: InProcess, clock: VirtualClock, scenario: Scenario, engines: bool = False) -> EngineLink:
    """A link to the scenario's device; with `engines` one that can tell when they are busy.

    Raises BuildError, ToolError when its RTL does not compile here.
    """
    cram = scenario.cram
    return open_link(kind, clock, cram.parameters(), cram.media_latency, scenario.workload.seed, engines)
