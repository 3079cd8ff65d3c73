# SPDX-License-Identifier: MIT
"""A small module to build and to simulate, for the tests of both."""

from __future__ import annotations

from pathlib import Path

from hw.build import Build, build
from hw.tools import Simulator

SOURCES = [Path(__file__).with_name(name) for name in ("build_probe.v", "build_probe_part.v")]
BENCH = "tests.hw.bench_build"
"""Its cocotb tests, some of which have to fail."""
STEP = {"STEP": "3"}
"""What they are told of its parameters."""


def probe(simulator: Simulator, public: bool = False) -> Build:
    """The module, built with STEP 3."""
    return build("build_probe", simulator, {"STEP": 3}, sources=SOURCES, public=public)
