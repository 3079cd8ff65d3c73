"""The device of a scenario in this process: the functional model, or the RTL as a library."""

from __future__ import annotations

from typing import Literal

from hw.link import Link
from hw.links.model import ModelLink
from hw.virtual_time import VirtualClock
from sim.scenario.scenario import Scenario

InProcess = Literal["model", "verilated"]


def make_link(sim: InProcess, clock: VirtualClock, scenario: Scenario) -> Link:
    """A link to the scenario's device. Raises BuildError, ToolError when its RTL does not compile here."""
    parameters = scenario.cram.parameters()
    if sim == "model":
        return ModelLink(clock, parameters, scenario.model_timing())
    from hw.links.verilated import VerilatedLink  # needs a compiler; the model must not

    return VerilatedLink(clock, parameters, media_latency=scenario.cram.media_latency)
