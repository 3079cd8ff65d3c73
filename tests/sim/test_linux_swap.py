# SPDX-License-Identifier: MIT
"""The parts of the guest that swaps to the device which need no guest (examples/linux-swap)."""

from __future__ import annotations

import pytest
import run

GUEST = {"hog.bad": 0, "hog.checked": 64000, "vmstat.pswpout": 50000}
DEVICE = {"disk": {"enospc": 0, "eio": 0, "einval": 0}, "end": {"resident_pages": 0}}


def test_a_run_without_a_problem_has_none() -> None:
    assert run.find_problems(GUEST, DEVICE) == []


@pytest.mark.parametrize(
    ("told", "device", "problem"),
    [
        (GUEST | {"hog.bad": 2}, DEVICE, "2 bad pages"),
        ({"vmstat.pswpout": 50000}, DEVICE, "the hog did not end"),
        (GUEST | {"vmstat.pswpout": 12}, DEVICE, "only 12 pages swapped out, at least 10,000 expected"),
        (GUEST, DEVICE | {"disk": DEVICE["disk"] | {"eio": 1}}, "1 requests refused with EIO"),
        (GUEST, DEVICE | {"end": {"resident_pages": 9999}}, "9,999 pages are left on the device after swapoff"),
    ],
)
def test_what_must_not_be_is_named(told: dict[str, int], device: dict[str, dict[str, int]], problem: str) -> None:
    assert run.find_problems(told, device) == [problem]
