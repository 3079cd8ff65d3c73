# SPDX-License-Identifier: MIT
"""Watermarks by Linux' own formula (vswap/mm/watermarks.py)."""

from __future__ import annotations

import pytest

from hw.virtual_time import VirtualClock
from vswap import VswapConfig, VswapSystem
from vswap.mm.watermarks import Watermarks


@pytest.mark.parametrize(
    ("pages", "kbytes"),
    [(1 << 8, 128), (1 << 10, 256), (1 << 18, 4_096), (1 << 20, 8_192), (1 << 22, 16_384), (1 << 32, 262_144)],
)
def test_min_free_kbytes_grows_with_the_root_of_the_memory_within_bounds(pages: int, kbytes: int) -> None:
    """1 GiB: 4 MiB; 16 GiB: 16 MiB; as calculate_min_free_kbytes says."""
    assert Watermarks.linux(pages).minimum == kbytes // 4


def test_low_and_high_are_a_quarter_of_the_minimum_apart_or_the_scale_factor() -> None:
    assert Watermarks.linux(1 << 18) == Watermarks(1_024, 1_024 + 262, 1_024 + 524)  # 10 of 10,000 are more
    assert Watermarks.linux(1 << 12) == Watermarks(128, 160, 192)
    assert Watermarks.linux(1 << 12, scale_factor=1_000).low == 128 + 409
    assert Watermarks.linux(1 << 12, min_free_kbytes=64) == Watermarks(16, 20, 24)


def test_a_memory_that_would_be_kept_free_as_a_whole_is_refused() -> None:
    with pytest.raises(ValueError, match="min_free_kbytes"):
        Watermarks.linux(48)


@pytest.mark.parametrize(
    ("keys", "marks"),
    [
        ({}, Watermarks.small(1024)),
        ({"min_free_kbytes": 0}, Watermarks.linux(1024)),
        ({"min_free_kbytes": 64, "watermark_scale_factor": 100}, Watermarks.linux(1024, 64, 100)),
    ],
)
def test_the_machine_has_those_of_its_configuration(keys: dict[str, int], marks: Watermarks) -> None:
    system = VswapSystem(VirtualClock(), VswapConfig(memory_pages=1024, order=(), **keys))  # type: ignore[arg-type]
    memory = system.machine.memory
    assert (memory.minimum, memory.low, memory.high) == (marks.minimum, marks.low, marks.high)
