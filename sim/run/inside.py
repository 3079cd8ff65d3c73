# SPDX-License-Identifier: MIT
"""Inside the simulator: the cocotb test that is a run. Started by sim/run/supervise.py, never by hand.

The whole stack (workload, swap system, driver, link) runs in the simulator's process, on the simulator's time.
"""

from __future__ import annotations

from pathlib import Path

import cocotb
from cocotb.handle import HierarchyObject

from hw.links.cocotb import CocotbClock, CocotbLink
from sim.run.request import Channel, Request
from sim.run.run import run
from sim.run.workload import load_traces


@cocotb.test()
async def simulation(dut: HierarchyObject) -> None:
    """Run what the request asks for and send the result."""
    request, channel = Request.from_environment(), Channel.from_environment()
    try:
        clock = CocotbClock()
        link = await CocotbLink.open(dut, clock)
        trace, *beside = load_traces(request.scenario.workload)
        result = await run(
            link,
            request.scenario,
            trace,
            Path(request.swapfile),
            name=request.name,
            sim=request.simulator,
            report=channel.progress,
            beside=beside,
            timeline=Path(request.timeline) if request.timeline is not None else None,
        )
        clock.check()
    except Exception as error:
        channel.failure(error)
        raise
    channel.result(result)
