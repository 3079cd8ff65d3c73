# SPDX-License-Identifier: MIT
"""Several programs at once: traces beside each other, a task for each space, and time as it was recorded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hw.links.model import ModelLink
from hw.virtual_time import VirtualClock
from sim.cli import cli
from sim.run.execute import run_in_process
from sim.run.metrics import FaultRecord, Result
from sim.run.run import run
from sim.run.workload import load_traces
from sim.scenario.scenario import Scenario
from sim.trace.file import Event, Kind, Trace, TraceError, TraceWriter, save
from tests.marks import VERIFY
from tests.pages import program_pages
from tests.sim.scenes import HEADER, MAIN_DEVICE, write_scenario, write_trace

PAGES = [page for page in dict.fromkeys(program_pages()) if any(page)]
ROOMY = {"perceived_pages": 256, "media_bytes": 1 << 20}


def traced(events: Sequence[Event], contents: int, elapsed_ns: int | None = None) -> Trace:
    """A trace of events whose contents are PAGES."""
    writer = TraceWriter(passed=None if elapsed_ns is None else lambda: elapsed_ns)
    for content in PAGES[:contents]:
        writer.content(content)
    for event in events:
        writer.append(event)
    return writer.finish(HEADER)


def replay(folder: Path, *traces: Trace, **sections: Any) -> Result:
    """Replay traces beside each other, on the model."""
    scenario = Scenario.load(write_scenario(folder, pages=2, **sections))
    first, *beside = traces
    return run_in_process(scenario, "model", first, folder / "swapfile", "test", lambda _: None, beside=beside)


def writes(count: int, first: int = 0) -> list[Event]:
    """So many pages are written, each with a content of its own."""
    return [Event(0, page, Kind.WRITE, first + page) for page in range(count)]


def test_traces_beside_each_other_run_at_the_same_time_and_all_are_verified(tmp_path: Path) -> None:
    one, other = traced(writes(10), 10), traced(writes(30), 30)
    think = {"workload": {"think_ns": 10_000}}
    alone = replay(tmp_path, other, **think)
    both = replay(tmp_path, other, one, **think)
    assert both.ok, both.problems
    assert both.events == both.events_done == 40 and both.pages_verified == 40 and both.spaces == 2
    assert both.replay_ns is not None and alone.replay_ns is not None
    assert alone.replay_ns <= both.replay_ns < alone.replay_ns + 10 * 10_000, "it did not wait for the other"


def test_the_spaces_of_a_trace_beside_have_the_numbers_after_those_before(tmp_path: Path) -> None:
    forking = [*writes(3), Event(0, 1, Kind.FORK), Event(1, 0, Kind.READ, 0)]
    result = replay(tmp_path, traced(forking, 3), traced(writes(5), 5), **{"memcg.late": {"spaces": [2]}})
    assert result.ok, result.problems
    assert {fault.space for fault in result.slowest} >= {0, 2}
    assert result.memcgs["late"]["memory.current"] == 5


def test_a_fault_is_named_after_what_it_waited_for_itself_whatever_others_do(tmp_path: Path) -> None:
    """One program reads what lies on the device while the other only touches new pages."""
    reader = [*writes(40), *(Event(0, page, Kind.READ, page) for page in range(20))]
    toucher = [Event(0, page, Kind.WRITE, page) for page in range(60)]
    seen: list[FaultRecord] = []
    scenario = Scenario.load(write_scenario(tmp_path, pages=2, cram=ROOMY, workload={"verify_exits": False}))
    traces = [traced(reader, 40), traced(toucher, 60)]
    result = _watched(scenario, traces, tmp_path, seen)
    assert result.ok, result.problems
    replayed = [fault for fault in seen if fault.event is not None]
    assert {fault.kind for fault in replayed if fault.space == 1} == {"first_touch"}
    assert {"first_touch", "soft_fault"} <= {fault.kind for fault in replayed if fault.space == 0}
    assert sorted(fault.number for fault in seen) == list(range(1, result.kernel["pgfault"] + 1))
    assert sum(latency.count for latency in result.faults.values()) == result.kernel["pgfault"]


def _watched(scenario: Scenario, traces: Sequence[Trace], folder: Path, seen: list[FaultRecord]) -> Result:
    clock = VirtualClock()

    async def main() -> Result:
        return await run(
            ModelLink(clock, scenario.cram.parameters()), scenario, traces[0], folder / "swapfile", name="test",
            sim="model", report=lambda _: None, beside=traces[1:], on_fault=seen.append,
        )  # fmt: skip

    return clock.run(main())


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_each_space_may_be_a_task_of_its_own_and_reads_what_it_has_written_itself(tmp_path: Path, seed: int) -> None:
    trace = Trace.load(write_trace(tmp_path / "forks.trace"))
    one, several = (
        replay(tmp_path, trace, workload={"tasks": tasks, "seed": seed, "think_ns": 5_000}, cram=ROOMY)
        for tasks in ("trace", "space")
    )
    assert one.ok and several.ok, several.problems
    assert one.events == several.events_done and one.reads_verified == several.reads_verified
    assert one.replay_ns is not None and several.replay_ns is not None
    assert several.replay_ns < one.replay_ns, "parent and child ran at the same time"


def test_a_space_that_was_not_forked_begins_after_the_event_before_its_first(tmp_path: Path) -> None:
    """As the program that a shell starts by exec: it has no business before."""
    second = [Event(1, page, Kind.WRITE, page) for page in range(3)]
    events = [*writes(20), Event(0, 0, Kind.EXIT), *second]
    seen: list[FaultRecord] = []
    scenario = Scenario.load(write_scenario(tmp_path, pages=2, workload={"tasks": "space"}))
    result = _watched(scenario, [traced(events, 20)], tmp_path, seen)
    assert result.ok, result.problems
    first_end = max(fault.from_ns for fault in seen if fault.space == 0)
    assert all(fault.from_ns >= first_end for fault in seen if fault.space == 1)


def test_rounds_of_a_program_do_not_wait_for_those_of_another(tmp_path: Path) -> None:
    result = replay(tmp_path, traced(writes(4), 4), traced(writes(9), 9), workload={"rounds": 3, "tasks": "space"})
    assert result.ok, result.problems
    assert result.events == 39 and result.pages_verified == 3 * (4 + 9)


def test_an_error_of_one_task_ends_the_others(tmp_path: Path) -> None:
    long = [*writes(60), *(Event(0, page % 60, Kind.READ, page % 60) for page in range(2_000))]
    result = replay(
        tmp_path, traced(writes(60), 60), traced(long, 60), tiers={"order": ["swapfile"]}, swapfile={"pages": 8}
    )
    assert not result.ok and result.events_done < 200
    assert "OutOfMemory" in result.problems[-1]


def test_time_to_think_may_be_that_of_the_recording(tmp_path: Path) -> None:
    trace = traced([Event(0, 0, Kind.WRITE, 0)] * 10, 1, elapsed_ns=7_000)
    quick = replay(tmp_path, trace)
    slow = replay(tmp_path, trace, workload={"think": "recorded"})
    assert slow.simulated_ns == quick.simulated_ns + 10 * 7_000


def test_a_task_thinks_from_its_own_event_before_not_from_that_of_another(tmp_path: Path) -> None:
    """The child's event comes 6 events of 1 us after the fork, the parent's last one 6 after its own before."""
    events = [
        Event(0, 0, Kind.WRITE, 0), Event(0, 1, Kind.FORK), *[Event(0, 0, Kind.READ, 0)] * 5,
        Event(1, 0, Kind.READ, 0), *[Event(1, 0, Kind.READ, 0)] * 4, Event(0, 0, Kind.READ, 0),
    ]  # fmt: skip
    trace = traced(events, 1, elapsed_ns=1_000)
    one = replay(tmp_path, trace, workload={"think": "recorded"})
    apart = replay(tmp_path, trace, workload={"think": "recorded", "tasks": "space"})
    assert one.replay_ns is not None and apart.replay_ns is not None
    assert len(events) * 1_000 <= apart.replay_ns < one.replay_ns


def test_a_trace_without_times_has_none_to_think_by(tmp_path: Path) -> None:
    path = write_scenario(tmp_path, workload={"think": "recorded"})
    with pytest.raises(TraceError, match=r'small.trace: keeps no time, .*think is "recorded".*set think = "fixed"'):
        load_traces(Scenario.load(path).workload)


def test_a_scenario_names_the_traces_beside_its_own(tmp_path: Path) -> None:
    save(traced(writes(5), 5), tmp_path / "other.trace")
    path = write_scenario(tmp_path, workload={"beside": ["other.trace"]})
    assert Scenario.load(path).workload.beside == [str(tmp_path / "other.trace")]
    figures = tmp_path / "figures.json"
    other = tmp_path / "other.trace"
    command = ["run", str(path), "--sim", "model", "--json", str(figures), "--report", str(tmp_path / "report.html"),
               "--set", f"workload.beside={other},{other}", "--set", "workload.tasks=space"]  # fmt: skip
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0, done.output
    assert '"workload.beside": [\n      "other.trace",\n      "other.trace"\n    ]' in figures.read_text()


def test_a_trace_beside_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = write_scenario(tmp_path, workload={"beside": ["absent.trace"]})
    done = CliRunner().invoke(cli, ["run", str(path), "--sim", "model"])
    assert done.exit_code == 2 and "absent.trace: No such file" in done.output


@VERIFY
def test_several_programs_have_the_same_figures_in_a_simulator_and_on_the_library(tmp_path: Path) -> None:
    write_trace(tmp_path / "other.trace", 20, 2)
    workload = {"beside": ["other.trace"], "tasks": "space", "think_ns": 3_000}
    path = write_scenario(tmp_path, pages=24, cram=MAIN_DEVICE, workload=workload)
    seen = {}
    for sim in ("verilator", "verilated"):
        figures = tmp_path / f"{sim}.json"
        done = CliRunner().invoke(
            cli, ["run", str(path), "--sim", sim, "--json", str(figures), "--report", str(tmp_path / "report.html")]
        )
        assert done.exit_code == 0, done.output
        seen[sim] = json.loads(figures.read_text()) | {"sim": ""}
    assert seen["verilator"]["spaces"] == 4 and seen["verilator"]["soft_faults"] > 0, "two programs fork once each"
    assert seen["verilator"] == seen["verilated"]
