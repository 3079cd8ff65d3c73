# SPDX-License-Identifier: MIT
"""The oracle for overlapping accesses."""

from __future__ import annotations

from tests.hw.history import History


def test_a_read_after_a_write_sees_it_alone() -> None:
    history = History("zero")
    history.end(0, history.begin(0, "a", 1), 2)
    assert history.allowed(0, 3, 4) == ["a"]
    assert history.allowed(1, 3, 4) == ["zero"]


def test_a_read_during_a_write_sees_old_or_new() -> None:
    history = History("zero")
    write = history.begin(0, "a", 1)
    assert history.allowed(0, 0.5, 3) == ["zero", "a"]
    history.end(0, write, 5)
    assert history.allowed(0, 2, 3) == ["zero", "a"]


def test_overlapping_writes_leave_either() -> None:
    history = History("zero")
    first, second = history.begin(0, "a", 1), history.begin(0, "b", 2)
    history.end(0, first, 3)
    history.end(0, second, 4)
    assert history.allowed(0, 5, 6) == ["a", "b"]


def test_a_write_that_began_after_the_read_is_not_seen() -> None:
    history = History("zero")
    history.begin(0, "a", 5)
    assert history.allowed(0, 1, 4) == ["zero"]
