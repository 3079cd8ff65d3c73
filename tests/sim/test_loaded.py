# SPDX-License-Identifier: MIT
"""The device under load: what the bench says of a workload, and what it must be at least."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sim.bench.loaded import IDLE, PAGES, Loaded, Workload, measure_loaded
from tests.marks import VERIFY
from tests.pages import program_pages


@pytest.fixture(scope="module")
def rows() -> dict[str, Loaded]:
    """A few accesses each."""
    workloads = [
        replace(IDLE, count=20),
        Workload("hits", pages=4, count=100),
        Workload("both", writes=1, count=40),
    ]  # fmt: skip
    pages = list(dict.fromkeys(program_pages()))
    return {row.workload: row for row in measure_loaded(8, pages, lambda _stage: None, workloads)}


@VERIFY
def test_a_workload_has_a_row_in_cycles_and_bytes(rows: dict[str, Loaded]) -> None:
    for row in rows.values():
        assert row.width == 8 and 0 < row.p50 <= row.p99
    assert rows["hits"].p50 <= 4, "most reads of a few pages are hits"
    assert rows["hits"].bytes_per_cycle > rows[IDLE.name].bytes_per_cycle
    assert rows["both"].media_bytes_per_host_byte > 1, "a line costs a page of the media"


def test_too_few_pages_are_refused() -> None:
    with pytest.raises(ValueError, match=f"expected {PAGES}"):
        measure_loaded(8, [bytes(4096)], lambda _stage: None)
