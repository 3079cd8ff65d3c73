# SPDX-License-Identifier: MIT
"""A device with a parameter outside its range (docs/device/ports.md) does not elaborate; the tool says why."""

from __future__ import annotations

import pytest

from hw.build import BuildError, build
from hw.lint import lint
from hw.tools import SIMULATORS, Simulator

ILLEGAL = [
    ("PERCEIVED_PAGES", 0),
    ("PERCEIVED_PAGES", 8),
    ("PERCEIVED_PAGES", 48),
    ("PERCEIVED_PAGES", 1 << 25),
    ("MEDIA_BYTES", 0),
    ("MEDIA_BYTES", (32 << 10) - 256),
    ("MEDIA_BYTES", (64 << 10) + 128),
    ("MEDIA_BYTES", 2 << 30),
    ("MEDIA_BYTES", 64 << 30),
    ("SECTOR_BYTES", 32),
    ("SECTOR_BYTES", 192),
    ("SECTOR_BYTES", 2048),
    ("CACHE_PAGES", 0),
    ("CACHE_PAGES", 1),
    ("CACHE_PAGES", 65),
    ("BYTES_PER_CYCLE", 0),
    ("BYTES_PER_CYCLE", 4),
    ("BYTES_PER_CYCLE", 16),
    ("FILL_ENGINES", 0),
    ("FILL_ENGINES", 5),
    ("PROMOTED_PAGES", 1017),  # 28 KiB would be left for the other pages
]

# The ends of every range, and what is in between without being a power of two.
LEGAL = [
    {
        "PERCEIVED_PAGES": 16,
        "MEDIA_BYTES": 32 << 10,
        "SECTOR_BYTES": 1024,
        "CACHE_PAGES": 2,
        "BYTES_PER_CYCLE": 8,
        "FILL_ENGINES": 1,
    },
    {"PERCEIVED_PAGES": 64, "MEDIA_BYTES": 40 << 10, "SECTOR_BYTES": 64, "CACHE_PAGES": 3, "FILL_ENGINES": 2},
    {"PERCEIVED_PAGES": 256, "MEDIA_BYTES": (32 << 10) + 128, "SECTOR_BYTES": 128, "CACHE_PAGES": 64},
    {"MEDIA_BYTES": 36 << 10, "PROMOTED_PAGES": 1},
    {"MEDIA_BYTES": 4 << 20, "PROMOTED_PAGES": 1000, "SECTOR_BYTES": 1024},
    {"PERCEIVED_PAGES": 1 << 24, "MEDIA_BYTES": 1 << 30, "SECTOR_BYTES": 512},
]

simulators = pytest.mark.parametrize("simulator", SIMULATORS)


@pytest.mark.parametrize(("name", "value"), ILLEGAL)
@simulators
def test_an_illegal_parameter_ends_elaboration_with_a_sentence(simulator: Simulator, name: str, value: int) -> None:
    complaints = lint(simulator, "cram_device", parameters={name: value})
    assert any(f"cram_device_{name}_must_be_" in line for line in complaints), complaints


@pytest.mark.parametrize("parameters", LEGAL, ids=str)
@simulators
def test_legal_parameters_lint_clean(simulator: Simulator, parameters: dict[str, int]) -> None:
    assert lint(simulator, "cram_device", parameters=parameters) == []


@simulators
def test_the_build_reports_the_sentence(simulator: Simulator) -> None:
    with pytest.raises(BuildError, match="cram_device_CACHE_PAGES_must_be_from_2_to_64"):
        build("cram_device", simulator, {"CACHE_PAGES": 1})
