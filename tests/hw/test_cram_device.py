"""The device does what docs/device.md says, under both simulators and with small and odd parameters.

Each bench_cram_device_*.py is one chapter of the specification. docs/verification.md tells what is checked where.
"""

from __future__ import annotations

from dataclasses import asdict

import pytest

from hw.build import SIMULATORS, Build, Simulator, build, lint, simulate
from hw.parameters import DeviceParameters
from tests.hw.cram_device_tb import environment

# Icarus is some thirty times slower.
EFFORT = {"verilator": 1.0, "icarus": 0.1}

# 64 pages on a media of 16 raw pages: corners are near.
SMALL = DeviceParameters(perceived_pages=64, media_bytes=64 << 10, cache_pages=4, bytes_per_cycle=16)
TWO = DeviceParameters(perceived_pages=64, media_bytes=64 << 10, cache_pages=2, bytes_per_cycle=16)
TINY_SECTORS = DeviceParameters(
    perceived_pages=64, media_bytes=40 << 10, sector_bytes=64, cache_pages=3, bytes_per_cycle=4
)
LARGE_SECTORS = DeviceParameters(
    perceived_pages=128, media_bytes=99 << 10, sector_bytes=1024, cache_pages=5, bytes_per_cycle=8
)
NARROW = DeviceParameters(perceived_pages=32, media_bytes=64 << 10, sector_bytes=512, cache_pages=3, bytes_per_cycle=1)

CASES = [
    ("states", SMALL), ("states", TINY_SECTORS), ("states", LARGE_SECTORS), ("states", NARROW),
    ("bursts", TWO), ("bursts", TINY_SECTORS),
    ("cache", SMALL), ("cache", TWO), ("cache", LARGE_SECTORS),
    ("traffic", SMALL), ("traffic", TWO), ("traffic", TINY_SECTORS), ("traffic", LARGE_SECTORS), ("traffic", NARROW),
    ("exhaustion", SMALL), ("exhaustion", TINY_SECTORS), ("exhaustion", LARGE_SECTORS),
    ("media", SMALL), ("media", TINY_SECTORS), ("media", LARGE_SECTORS),
    ("signals", SMALL), ("signals", LARGE_SECTORS),
]  # fmt: skip


def compiled(simulator: Simulator, parameters: DeviceParameters) -> Build:
    """The device with these parameters."""
    return build("cram_device", simulator, {name.upper(): value for name, value in asdict(parameters).items()})


def label(value: object) -> str | None:
    if isinstance(value, DeviceParameters):
        return f"{value.media_bytes >> 10}k-{value.sector_bytes}-{value.cache_pages}-{value.bytes_per_cycle}"
    return None


@pytest.mark.parametrize(("bench", "parameters"), CASES, ids=label)
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_device(simulator: Simulator, bench: str, parameters: DeviceParameters) -> None:
    """The rules are in bench_cram_device_<bench>.py."""
    settings = environment(parameters, EFFORT[simulator])
    module = f"tests.hw.bench_cram_device_{bench}"
    simulate(compiled(simulator, parameters), module, environment=settings, timeout_s=600)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_lint_is_clean(simulator: Simulator) -> None:
    assert lint(simulator, "cram_device") == []
