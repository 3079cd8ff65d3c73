# SPDX-License-Identifier: MIT
"""The device of a scenario in this process: the functional model, or the RTL as a library."""

from __future__ import annotations

from hw.link import Link
from hw.links.in_process import InProcess, open_link
from hw.virtual_time import VirtualClock
from sim.scenario.scenario import Scenario


def make_link(kind: InProcess, clock: VirtualClock, scenario: Scenario) -> Link:
    """A link to the scenario's device. Raises BuildError, ToolError when its RTL does not compile here."""
    cram = scenario.cram
    return open_link(kind, clock, cram.parameters(), cram.media_latency, scenario.workload.seed)
