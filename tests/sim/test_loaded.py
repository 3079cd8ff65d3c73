# SPDX-License-Identifier: MIT
"""The device under load: what the bench says of a workload, and what it must be at least."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sim.bench.load_page import load_page
from sim.bench.loaded import CURVES, IDLE, PAGES, Loaded, Workload, measure_loaded
from tests.marks import VERIFY
from tests.pages import program_pages


@pytest.fixture(scope="module")
def rows() -> dict[str, Loaded]:
    """A few accesses each."""
    workloads = [
        replace(IDLE, count=20),
        Workload("hits", pages=4, count=100),
        Workload("both", writes=1, count=40),
        replace(IDLE, name="quick media", media_latency=1, count=20),
        replace(IDLE, name="DRAM", media="DDR4-3200", count=20),
    ]  # fmt: skip
    pages = list(dict.fromkeys(program_pages()))
    return {row.workload: row for row in measure_loaded(8, pages, lambda _stage: None, workloads)}


@VERIFY
def test_a_workload_has_a_row_in_cycles_and_bytes(rows: dict[str, Loaded]) -> None:
    for row in rows.values():
        assert row.width == 8 and 0 < row.p50 <= row.p99
    assert rows["hits"].p50 <= 4, "most reads of a few pages are hits"
    assert rows["hits"].bytes_per_cycle > rows[IDLE.name].bytes_per_cycle
    assert rows["DRAM"].p50 > rows["quick media"].p50, "rows are opened and columns are waited for"
    assert rows["both"].media_bytes_per_host_byte > 1, "a line costs a page of the media"


def test_too_few_pages_are_refused() -> None:
    with pytest.raises(ValueError, match=f"expected {PAGES}"):
        measure_loaded(8, [bytes(4096)], lambda _stage: None)


def test_a_curve_is_drawn_when_all_its_points_are_measured() -> None:
    rows = [
        {"workload": workload.name, "width": 8, "p50": 300, "p99": 600, "media_bytes_per_host_byte": 20.0,
         "bytes_per_cycle": workload.reads / 100}
        for workload in CURVES["DDR4-3200"]
    ]  # fmt: skip
    assert "Latency over bandwidth: DDR4-3200" in load_page(rows)
    assert "Latency over bandwidth" not in load_page(rows[1:])
