# SPDX-License-Identifier: MIT
"""The heat tracker follows docs/device/hot-pages.md, under both simulators."""

from __future__ import annotations

import pytest

from hw.build import build
from hw.lint import lint
from hw.simulate import simulate
from hw.tools import SIMULATORS, Simulator


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_heat_tracker(simulator: Simulator) -> None:
    """The rules are in bench_heat_tracker.py, those of large counts in bench_heat_tracker_overflow.py."""
    rtl = build("heat_tracker", simulator, {"PAGES": 64, "PAGE_BITS": 6})
    for bench in ("bench_heat_tracker", "bench_heat_tracker_overflow"):
        simulate(rtl, f"tests.hw.{bench}", environment={"PAGES": "64"}, timeout_s=120)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_lint_is_clean(simulator: Simulator) -> None:
    assert lint(simulator, "heat_tracker") == []
