# SPDX-License-Identifier: MIT
"""make bench: every way that it measures works, and a target that is missed is a line."""

from __future__ import annotations

from typing import Literal

import pytest

from sim.bench.__main__ import MEDIA_LATENCY, PARAMETERS, TARGETS, missed
from sim.bench.pages import recorded_pages
from sim.bench.simulators import simulated
from tests.marks import VERIFY


def test_a_ratio_below_its_target_is_a_line_and_a_figure_without_target_never_is() -> None:
    figures = {name: 1.0 for _, above, below, _ in TARGETS for name in (above, below)}
    figures |= {"conventional_pages_per_s": 0.01, "run_live_pages_per_s": 0.9, "run_timeline_pages_per_s": 0.1}
    assert missed(figures) == ["main job with --live over without, pages: 0.90, expected at least 0.97"]


@VERIFY
@pytest.mark.parametrize("way", ["link", "conventional"])
def test_the_device_stores_and_loads_pages_in_a_simulator(way: Literal["link", "conventional"]) -> None:
    speed = simulated(way, recorded_pages(4), PARAMETERS, MEDIA_LATENCY)
    assert speed.pages == 8 and speed.cycles > 0
