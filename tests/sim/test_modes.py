# SPDX-License-Identifier: MIT
"""The bench of both modes: which ways it runs, and what it keeps of one."""

from __future__ import annotations

import pytest

from sim.bench.figures import records
from sim.bench.modes import WAYS, Way
from sim.bench.stack_tables import MODE_FIGURES


@pytest.mark.parametrize(
    ("words", "count"),
    [
        ("", 12),
        ("model", 6),
        ("xswap", 4),
        ("verilated xswap", 2),
        ("node model direct virtual", 2),
        ("model node swap", 6),
    ],
)
def test_words_name_ways(words: str, count: int) -> None:
    named = [way for way in WAYS if way.named(words.split())]
    assert len(named) == count
    assert all(way.sim == "model" for way in named if "model" in words)


def test_each_way_is_recorded_and_has_ended_well() -> None:
    rows = records()["modes"]
    assert all(row["ok"] and not row["mismatches"] and not row["lost_pages"] for row in rows)
    assert [Way(row["sim"], row["mode"], row["layer"]) for row in rows] == WAYS
    for row in rows:
        node, demoted = row["mode"] == "node", MODE_FIGURES["pages demoted"](row)
        assert (demoted > 1000) == node and (row["kernel"]["soft_faults"] == 0) == node


def test_both_links_give_the_same_pages_in_each_mode() -> None:
    for row in records()["modes"]:
        assert row["compared"] == records()["modes"][0]["compared"]
