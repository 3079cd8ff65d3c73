# SPDX-License-Identifier: MIT
"""Every event meets every page state at every fullness of the media, on model and RTL, and comes to the same."""

from __future__ import annotations

import random
from typing import Any

from driver import CramDevice
from hw.link import Link
from hw.links.model import ModelLink
from hw.links.verilated import VerilatedLink
from hw.virtual_time import VirtualClock
from tests.campaigns.coverage.cross import Bin, Cross
from tests.driver.conftest import PARAMETERS
from tests.equivalence.page_events import Monitor, Stage, page_cross


def outcomes(link: Link, clock: VirtualClock, cross: Cross) -> dict[Bin, Any]:
    """What every legal combination came to, in a random order: each follows upon another."""

    async def run() -> dict[Bin, Any]:
        device = await CramDevice.probe(link)
        monitor, stage = Monitor(device, cross), Stage(device)
        found: dict[Bin, Any] = {}
        for state, event, fullness in random.Random(1).sample(cross.legal, len(cross.legal)):
            await stage.set(state, event, fullness)
            await device.events()
            found[state, event, fullness] = await monitor.happen(event)
        await link.close()
        return found

    return clock.run(run())


def test_every_combination_is_met_and_the_model_and_the_rtl_agree() -> None:
    found, crosses = [], []
    for kind in (ModelLink, VerilatedLink):
        clock, cross = VirtualClock(), page_cross()
        found.append(outcomes(kind(clock, PARAMETERS), clock, cross))
        crosses.append(cross)
        assert cross.missing == []
    model, rtl = found
    for combination in model:
        assert rtl[combination] == model[combination], " x ".join(combination)
    assert crosses[0].counts == crosses[1].counts
