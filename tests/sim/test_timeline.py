# SPDX-License-Identifier: MIT
"""What a run records over time: samples by simulated time, closings of nodes, whole histograms, flows of pages."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.run.execute import run_in_process
from sim.run.flows import flows
from sim.run.histogram import bucket, histogram, lowest
from sim.run.metrics import Latency, Result
from sim.run.timeline import MOST_SAMPLES
from sim.scenario.scenario import Scenario
from sim.trace.file import Trace
from tests.sim.scenes import write_scenario


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("timeline")
    scenario = Scenario.load(write_scenario(folder, pages=120, workload={"rounds": 12}))
    trace = Trace.load(Path(scenario.workload.trace))
    return run_in_process(scenario, "model", trace, folder / "swapfile", "small", lambda _: None)


# Samples


def test_samples_are_at_equal_distances_of_simulated_time_and_leave_no_gap(result: Result) -> None:
    times = [sample.simulated_ns for sample in result.timeline]
    gaps = [after - before for before, after in pairwise(times)]
    interval = sorted(gaps)[len(gaps) // 2]
    longest = max(latency.max_ns for latency in [*result.faults.values(), *result.accesses.values()])
    assert all(gap <= interval + longest + 10_000 for gap in gaps), "at most one access is late"
    assert all(gap >= interval - longest - 10_000 for gap in gaps[:-1])
    assert times[0] <= interval + longest
    assert result.simulated_ns - times[-1] < 10_000, "verification at the end and before exits is part of it"


def test_there_are_never_more_samples_than_a_page_can_show(result: Result) -> None:
    assert result.simulated_ns > 100_000 * MOST_SAMPLES, "so that some were dropped"
    assert MOST_SAMPLES / 2 <= len(result.timeline) <= MOST_SAMPLES


def test_the_last_sample_is_the_end(result: Result) -> None:
    last = result.timeline[-1]
    assert last.faults == result.kernel["pgfault"]
    assert last.pages["dram"] == result.tiers["memory_used"]
    assert last.pages["cram"] == result.tiers["cram_pages"]


# Closings


def test_every_closing_is_there_with_its_beginning_and_end(result: Result) -> None:
    assert len(result.closings) == result.kernel["node_closed"] > 1
    moments = [moment for closing in result.closings for moment in (closing.from_ns, closing.to_ns)]
    assert moments == sorted(moments)
    assert moments[0] > 0
    assert moments[-1] <= result.simulated_ns
    assert {closing.node for closing in result.closings} == {"cram"}


# The slowest faults


def test_the_slowest_faults_are_kept_one_by_one(result: Result) -> None:
    durations = [fault.duration_ns for fault in result.slowest]
    assert durations == sorted(durations, reverse=True)
    assert durations[0] == max(latency.max_ns for latency in result.faults.values())
    assert result.faults[result.slowest[0].kind].max_ns == durations[0]
    assert all(0 < fault.number <= result.kernel["pgfault"] for fault in result.slowest)
    assert len({fault.number for fault in result.slowest}) == len(durations) == 10


# Histograms


@given(st.integers(0, 1 << 60))
def test_a_value_lies_in_its_bucket_and_the_bucket_is_narrow(value: int) -> None:
    high = bucket(value)
    assert lowest(high) <= value <= high
    assert bucket(high) == bucket(lowest(high)) == high
    assert high - lowest(high) <= value / 64


@given(st.dictionaries(st.integers(0, 1 << 40), st.integers(1, 1000), min_size=1))
def test_a_histogram_keeps_every_duration_and_any_percentile_to_a_64th(durations: dict[int, int]) -> None:
    latency = Latency.of(durations)
    assert sum(count for _, count in latency.histogram) == latency.count == sum(durations.values())
    assert latency.histogram == histogram(durations) == sorted(latency.histogram)
    left = -(-latency.count * 99 // 100)
    for high, count in latency.histogram:
        left -= count
        if left <= 0:
            assert lowest(high) <= latency.p99_ns <= high
            break


# Flows


def test_what_a_tier_stored_came_from_dram_unless_another_tier_gave_it() -> None:
    stored = {"cram": 9, "zswap": 7, "swapfile": 6, "zero": 2}
    moves = {"cram_to_zswap": 3, "cram_to_swapfile": 1, "zswap_to_swapfile": 2}
    assert flows(stored, moves, {}, 0) == {
        ("cram", "zswap"): 3, ("cram", "swapfile"): 1, ("zswap", "swapfile"): 2,
        ("DRAM", "zero"): 2, ("DRAM", "cram"): 9, ("DRAM", "zswap"): 4, ("DRAM", "swapfile"): 3,
    }  # fmt: skip


def test_pages_come_back_into_dram_by_swap_in_and_by_promotion() -> None:
    assert flows({}, {}, {"zram": 5, "zero": 4, "packed:mine": 1}, 3) == {
        ("zram", "DRAM"): 5, ("zero", "DRAM"): 4, ("packed:mine", "DRAM"): 1, ("cram", "DRAM"): 3,
    }  # fmt: skip


def test_the_flows_of_a_run_agree_with_the_kernels_counters(result: Result) -> None:
    moved = flows(result.stored, result.moves, result.loaded, result.promotions)
    assert all(pages > 0 for pages in moved.values())
    into: Counter[str] = Counter()
    for (_, target), pages in moved.items():
        into[target] += pages
    assert into["cram"] == result.stores
    assert into["swapfile"] == result.kernel["pswpout"] > 0
    assert into["zero"] == result.kernel["swpout_zero"]
    assert into["zswap"] == result.kernel["zswpout"]
    assert moved["swapfile", "DRAM"] == result.kernel["pswpin"]
