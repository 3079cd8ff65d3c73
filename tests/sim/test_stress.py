# SPDX-License-Identifier: MIT
"""stress-ng's memory stressors end under the pager as they do alone; make pager runs all of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.campaigns.stress import DOCUMENT, REASONS, STRESSORS, compare, recorded, unexplained, updated
from tests.marks import VERIFY
from tests.sim.followed import needs_root


@VERIFY
@needs_root
@pytest.mark.parametrize("stressor", ["brk", "madvise", "malloc", "mmap", "mremap", "vm", "vm-rw"])
def test_a_stressor_ends_as_it_does_alone(stressor: str) -> None:
    row = compare(stressor, seconds=1)
    assert not unexplained([row]), row
    assert row.paged.figures["faults"] > 100


def test_the_record_has_every_stressor_and_no_difference_without_a_reason() -> None:
    rows = recorded()
    assert [row.stressor for row in rows] == list(STRESSORS)
    assert not unexplained(rows)


def test_the_table_is_that_of_the_record() -> None:
    """`python -m tests.campaigns.stress --record` brings it up to date."""
    text = DOCUMENT.read_text()
    assert updated(text, recorded()) == text


def test_a_difference_without_a_reason_shows() -> None:
    rows = recorded()
    row = next(row for row in rows if row.stressor not in REASONS)
    other = replace(row, paged=replace(row.paged, status=2))
    assert unexplained([other]) == [row.stressor]
    assert updated(DOCUMENT.read_text(), [other, *rows[1:]]) != DOCUMENT.read_text()
