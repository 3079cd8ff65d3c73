# SPDX-License-Identifier: MIT
"""The writer of sectors, under both simulators."""

from __future__ import annotations

import pytest

from hw.build import build
from hw.simulate import simulate
from hw.tools import SIMULATORS, Simulator
from tests.marks import first_in_test


@pytest.mark.parametrize("sector_bytes", first_in_test([256, 64, 1024]))
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_media_writer(simulator: Simulator, sector_bytes: int) -> None:
    """The rules are in bench_media_writer.py."""
    parameters = {"SECTOR_BYTES": sector_bytes, "SECTOR_BITS": 14}
    rtl = build("media_writer", simulator, parameters)
    settings = {key: str(value) for key, value in parameters.items()}
    simulate(rtl, "tests.hw.bench_media_writer", environment=settings, timeout_s=120)
