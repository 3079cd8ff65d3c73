# SPDX-License-Identifier: MIT
"""The slot table costs the same whatever its size; `make slotbench` prints the whole table."""

from __future__ import annotations

from sim.bench.slotbench import measure_apart


def test_a_slot_takes_16_bytes_and_8_more_with_the_reverse_map() -> None:
    figures = measure_apart(10**6)
    assert 8 < figures.bytes_a_slot <= 16
    assert 16 < figures.bytes_with_reverse_map <= 24


def test_operations_take_the_same_time_in_a_table_a_hundred_times_larger() -> None:
    small, large = measure_apart(10**4), measure_apart(10**6)
    for operation in ("allocate", "look_up", "free"):
        assert getattr(large, operation) < 5 * getattr(small, operation), operation
