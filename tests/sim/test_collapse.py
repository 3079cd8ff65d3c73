# SPDX-License-Identifier: MIT
"""Contents that stop to compress at a chosen moment, and what is lost by it: accesses, and pages."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from sim.run.collapse import Collapse
from sim.run.metrics import Result
from sim.run.report import figures, verdict
from sim.trace.file import Event, Kind
from tests.sim.test_tasks import PAGES, replay, traced

WRITES = [Event(0, page % 40, Kind.WRITE, page % len(PAGES[:60])) for page in range(200)]


def rewritten(folder: Path, percent: int | None, **cram: int) -> Result:
    """40 pages of a program are written again and again; from `percent` of that on with random bytes."""
    workload = {} if percent is None else {"collapse_at_percent": percent}
    device = {"perceived_pages": 256, "media_bytes": 512 << 10} | cram
    return replay(folder, traced(WRITES, 60), workload=workload, cram=device)


def test_the_collapse_is_reached_at_its_step_and_never_without_one() -> None:
    assert [Collapse(2, Random(1)).reached(step) for step in range(4)] == [False, False, True, True]
    assert not any(Collapse(None, Random(1)).reached(step) for step in range(4))


def test_what_is_written_after_the_collapse_is_stored_raw_and_still_compared(tmp_path: Path) -> None:
    never, late, soon = (rewritten(tmp_path, percent) for percent in (None, 50, 0))
    for result in (never, late, soon):
        assert result.ok and result.pages_verified == 40, result.problems
    raw = [result.device.counters["closed_raw"] for result in (never, late, soon)]
    assert raw[0] < raw[1] < raw[2] == soon.stores


def test_the_same_scenario_collapses_into_the_same_bytes(tmp_path: Path) -> None:
    assert rewritten(tmp_path, 50).to_json() == rewritten(tmp_path, 50).to_json()


@pytest.mark.parametrize("budget", [0, 40])
def test_stores_that_a_full_device_refuses_are_lost_accesses_not_lost_pages_nor_mismatches(
    tmp_path: Path, budget: int
) -> None:
    result = rewritten(tmp_path, 50, media_bytes=80 << 10, writable_budget=budget, cache_pages=4)
    assert result.mismatches == 0 and result.lost_pages == 0
    assert (result.lost_accesses > 0) == (budget > 0) != result.ok
    said = f"{result.lost_accesses:,} lost accesses"
    assert (said in verdict(result)) == (budget > 0)


def test_what_was_lost_shows_in_the_margin_and_without_writable_pages_there_is_none_to_lose(tmp_path: Path) -> None:
    none = rewritten(tmp_path, 50, media_bytes=80 << 10, writable_budget=0, cache_pages=4)
    tight = rewritten(tmp_path, 50, media_bytes=80 << 10, writable_budget=40, cache_pages=4)
    roomy = rewritten(tmp_path, 50, writable_budget=40)
    raw_sectors = 4096 // none.device.sector_bytes
    assert none.margin.from_loss is None and none.margin.worst_case == 0
    assert tight.lost_accesses and tight.margin.from_loss is not None and tight.margin.from_loss < 0
    assert roomy.ok and roomy.margin.from_loss is not None and roomy.margin.from_loss > 0
    assert 0 < roomy.margin.worst_case <= 40 * raw_sectors
    assert tight.margin.lowest_free <= min(tight.device.free_sectors, tight.device.media_sectors // 2)
    shown = {figure.name: figure.value for figure in figures(tight)}
    assert shown["distance from loss"] == f"{tight.margin.from_loss} sectors"
    assert shown["fewest free sectors"] == f"{tight.margin.lowest_free:,} of {tight.device.media_sectors:,}"
