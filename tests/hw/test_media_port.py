# SPDX-License-Identifier: MIT
"""The media port alone, under both simulators."""

from __future__ import annotations

import pytest

from hw.build import build
from hw.simulate import simulate
from hw.tools import SIMULATORS, Simulator


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_media_port(simulator: Simulator) -> None:
    """The rules are in bench_media_port.py."""
    simulate(build("media_port", simulator, {"EPOCHS": 4}), "tests.hw.bench_media_port", timeout_s=120)
