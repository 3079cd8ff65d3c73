# SPDX-License-Identifier: MIT
"""The device in this process: the functional model, or the RTL as a library."""

from __future__ import annotations

from typing import Literal

from hw.engines import EngineLink
from hw.links.model import ModelLink
from hw.links.model_timing import ModelTiming
from hw.parameters import MEDIA_LATENCY, DeviceParameters
from hw.virtual_time import VirtualClock

InProcess = Literal["model", "verilated"]


def open_link(
    kind: InProcess,
    clock: VirtualClock,
    parameters: DeviceParameters | None = None,
    media_latency: int | None = None,
    seed: int = 1,
    engines: bool = False,
) -> EngineLink:
    """A link to a device of its own, just out of reset.

    Args:
        kind: "model", or "verilated", which compiles the RTL when it is not compiled yet (a minute).
        clock: the clock that the device lives on.
        parameters: what it is built with.
        media_latency: clock cycles from a media request to its first beat; by default that of each link.
        seed: what the RTL's registers and memories without a reset hold at first.
        engines: able to tell when the engines are busy; the RTL then is compiled as a library of its own.

    Raises:
        hw.build.BuildError, hw.tools.ToolError: the RTL cannot be compiled here.
    """
    if kind == "model":
        timing = None if media_latency is None else ModelTiming(media_access=media_latency)
        return ModelLink(clock, parameters, timing)
    from hw.links.verilated import VerilatedLink  # needs a compiler; the model must not

    latency = MEDIA_LATENCY if media_latency is None else media_latency
    return VerilatedLink(clock, parameters, seed=seed, media_latency=latency, engines=engines)
