# SPDX-License-Identifier: MIT
"""The page scanner tells zero and same pages and computes zlib's CRC-32, under both simulators."""

from __future__ import annotations

from typing import Literal

import pytest

from hw.build import build
from hw.lint import lint
from hw.simulate import simulate

REAL_PAGES = {"verilator": 200, "icarus": 20}

simulators = pytest.mark.parametrize("simulator", ["verilator", "icarus"])


@simulators
def test_tells_what_a_page_is(simulator: Literal["verilator", "icarus"]) -> None:
    settings = {"REAL_PAGES": str(REAL_PAGES[simulator])}
    simulate(build("page_scan", simulator), "tests.hw.bench_page_scan", environment=settings, timeout_s=300)


@simulators
def test_lint_is_clean(simulator: Literal["verilator", "icarus"]) -> None:
    assert lint(simulator, "page_scan") == []
