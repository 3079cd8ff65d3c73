# SPDX-License-Identifier: MIT
"""The device does what docs/device.md says, under both simulators and with small and odd parameters.

Each bench_cram_device_*.py is one chapter of the specification; docs/verification.md tells what is checked where.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from hw.build import Build, build
from hw.link import PAGE_BYTES
from hw.lint import lint
from hw.parameters import DeviceParameters
from hw.simulate import simulate
from hw.tools import SIMULATORS, Simulator
from tests.hw.cram_device_tb import environment
from tests.marks import VERIFY

# Icarus is some twenty times slower: fewer rounds, and one device for most chapters.
EFFORT = {"verilator": 1.0, "icarus": 0.1}

# 32 to 64 pages on a media of 10 to 16 raw pages: corners are near. Odd counts of entries, sectors; all sector sizes.
SMALL = DeviceParameters(perceived_pages=64, media_bytes=64 << 10, cache_pages=4)
TWO = DeviceParameters(perceived_pages=64, media_bytes=64 << 10, sector_bytes=128, cache_pages=2)
TINY_SECTORS = DeviceParameters(perceived_pages=64, media_bytes=40 << 10, sector_bytes=64, cache_pages=3)
LARGE_SECTORS = DeviceParameters(perceived_pages=64, media_bytes=51 << 10, sector_bytes=1024, cache_pages=5)
FEW_PAGES = DeviceParameters(perceived_pages=32, media_bytes=64 << 10, sector_bytes=512, cache_pages=3)
# With a promoted region behind the media of the others.
PROMOTED = replace(SMALL, media_bytes=SMALL.media_bytes + 3 * PAGE_BYTES, promoted_pages=3)
PROMOTED_LARGE = replace(LARGE_SECTORS, media_bytes=LARGE_SECTORS.media_bytes + 4 * PAGE_BYTES, promoted_pages=4)
PROMOTED_TINY = replace(TINY_SECTORS, media_bytes=TINY_SECTORS.media_bytes + 2 * PAGE_BYTES, promoted_pages=2)

CHAPTERS: dict[str, list[DeviceParameters]] = {
    "states": [SMALL, TINY_SECTORS, LARGE_SECTORS, FEW_PAGES],
    "bursts": [TWO, TINY_SECTORS],
    "cache": [TWO, SMALL, LARGE_SECTORS],
    "traffic": [SMALL, TWO, TINY_SECTORS, LARGE_SECTORS, FEW_PAGES, PROMOTED],
    "exhaustion": [TINY_SECTORS, SMALL, LARGE_SECTORS],
    "media": [SMALL, TINY_SECTORS, LARGE_SECTORS],
    "flips": [SMALL, TINY_SECTORS, LARGE_SECTORS],
    "signals": [LARGE_SECTORS, SMALL],
    "floods": [SMALL, TINY_SECTORS],
    "load": [SMALL, LARGE_SECTORS],
    "load_counters": [SMALL, LARGE_SECTORS],
    "promoted": [PROMOTED, PROMOTED_LARGE, PROMOTED_TINY],
}
CASES: list[tuple[Simulator, str, DeviceParameters]]
CASES = [("verilator", chapter, device) for chapter, devices in CHAPTERS.items() for device in devices]
CASES += [("icarus", chapter, devices[0]) for chapter, devices in CHAPTERS.items()]

# `make test` has one device, whose build all chapters share, and fewer rounds.
SHORT: dict[Simulator, float] = {"verilator": 0.25, "icarus": 0.05}
SHORT_CASES: list[tuple[Simulator, str]]
SHORT_CASES = [*(("verilator", chapter) for chapter in CHAPTERS), ("icarus", "cache"), ("icarus", "traffic")]


def compiled(simulator: Simulator, parameters: DeviceParameters) -> Build:
    """The device with these parameters."""
    return build("cram_device", simulator, parameters.verilog())


def label(value: object) -> str | None:
    """Media, sector bytes, cache pages, and pages of a promoted region."""
    if isinstance(value, DeviceParameters):
        region = f"-{value.promoted_pages}" if value.promoted_pages else ""
        return f"{value.media_bytes >> 10}k-{value.sector_bytes}-{value.cache_pages}{region}"
    return None


@pytest.mark.parametrize(("simulator", "chapter"), SHORT_CASES)
def test_the_small_device_in_short(simulator: Simulator, chapter: str) -> None:
    """The rules are in bench_cram_device_<chapter>.py."""
    device = PROMOTED if chapter == "promoted" else SMALL
    settings = environment(device, SHORT[simulator])
    simulate(compiled(simulator, device), f"tests.hw.bench_cram_device_{chapter}", environment=settings, timeout_s=600)


@VERIFY
@pytest.mark.parametrize(("simulator", "chapter", "parameters"), CASES, ids=label)
def test_device(simulator: Simulator, chapter: str, parameters: DeviceParameters) -> None:
    """The rules are in bench_cram_device_<chapter>.py."""
    settings = environment(parameters, EFFORT[simulator])
    module = f"tests.hw.bench_cram_device_{chapter}"
    simulate(compiled(simulator, parameters), module, environment=settings, timeout_s=600)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_lint_is_clean(simulator: Simulator) -> None:
    assert lint(simulator, "cram_device") == []
