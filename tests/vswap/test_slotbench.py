# SPDX-License-Identifier: MIT
"""Slots cost the same whatever their number; `make slotbench` prints the whole table."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from sim.bench.slotbench import LAYOUTS, NEAR, measure_apart, steps
from vswap.slots.layouts import LayoutName


@pytest.mark.parametrize(("name", "least", "most"), [("compact", 14, 16), ("descriptors", 24, 26),
                                                     ("swap-table", 18, 20)])  # fmt: skip
def test_a_slot_takes_the_bytes_of_its_layout_and_8_more_with_the_reverse_map(
    name: LayoutName, least: int, most: int
) -> None:
    figures = measure_apart(name, 10**6)
    assert least < figures.bytes_a_slot <= most
    assert least + 8 < figures.bytes_with_reverse_map <= most + 8


@pytest.mark.parametrize("name", LAYOUTS)
def test_an_operation_does_the_same_work_in_a_table_a_hundred_times_larger(name: LayoutName) -> None:
    small = steps(name, 10**4)
    assert steps(name, 10**6) == small
    assert all(len(each) == NEAR and each[0] > 0 for each in asdict(small).values())
