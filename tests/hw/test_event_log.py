# SPDX-License-Identifier: MIT
"""The event log follows docs/device/events.md, "Events", under both simulators."""

from __future__ import annotations

import pytest

from hw.build import build
from hw.simulate import simulate
from hw.tools import SIMULATORS, Simulator


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_event_log(simulator: Simulator) -> None:
    """The rules are in bench_event_log.py."""
    simulate(build("event_log", simulator), "tests.hw.bench_event_log", timeout_s=120)
