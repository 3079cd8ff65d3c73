# SPDX-License-Identifier: MIT
"""The timeline of a run, decoded: it agrees with the run's figures, and its spans lie as the viewer needs them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace as PerfettoTrace
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import TrackEvent

from hw.codes import Opcode
from hw.engines import ENGINES
from sim.run.execute import run_in_process
from sim.run.metrics import Result
from sim.scenario.scenario import Scenario
from sim.trace.file import Trace
from tests.marks import first_in_test
from tests.sim.scenes import MAIN_DEVICE, Command, write_scenario


class Decoded:
    """A trace as it lies in its file."""

    def __init__(self, path: Path) -> None:
        packets = PerfettoTrace.FromString(path.read_bytes()).packet
        self.names = {
            packet.track_descriptor.uuid: packet.track_descriptor.name
            for packet in packets if packet.HasField("track_descriptor")
        }  # fmt: skip
        self.events = [packet for packet in packets if packet.HasField("track_event")]

    def on(self, start: str) -> Iterator[Any]:
        """The beginnings and instants on the tracks whose names begin so."""
        for packet in self.events:
            name = self.names[packet.track_event.track_uuid]
            if name.startswith(start) and packet.track_event.type != TrackEvent.TYPE_SLICE_END:
                yield packet


def details(packet: Any) -> dict[str, Any]:
    """The notes on a span."""
    return {note.name: note.int_value or note.string_value for note in packet.track_event.debug_annotations}


@pytest.fixture(scope="module", params=first_in_test(["model", "verilated"]))
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Result, Decoded]:
    """A run without and one with a timeline, and the timeline."""
    folder = tmp_path_factory.mktemp("perfetto")
    scenario = Scenario.load(write_scenario(folder, cram=MAIN_DEVICE | {"media_bytes": 1 << 20}, pages=120))
    trace = Trace.load(Path(scenario.workload.trace))

    def run(timeline: Path | None) -> Result:
        return run_in_process(
            scenario, request.param, trace, folder / "swapfile", "small", lambda _: None, timeline=timeline
        )

    plain, watched = run(None), run(folder / "run.pftrace")
    return plain, watched, Decoded(folder / "run.pftrace")


def test_a_run_has_the_same_figures_with_and_without_a_timeline(ran: tuple[Result, Result, Decoded]) -> None:
    plain, watched, _ = ran
    assert plain == watched


def test_every_fault_is_a_span_of_its_task(ran: tuple[Result, Result, Decoded]) -> None:
    _, result, trace = ran
    faults = Counter(packet.track_event.name for packet in trace.on("space "))
    assert faults == {kind: latency.count for kind, latency in result.faults.items()}
    numbers = [details(packet)["fault"] for packet in trace.on("space ")]
    assert len(set(numbers)) == len(numbers)


def test_the_transfers_are_what_the_device_counted(ran: tuple[Result, Result, Decoded]) -> None:
    _, result, trace = ran
    lines = {name: sum(details(packet)["bytes"] // 64 for packet in trace.on(f"cram: {name}"))
             for name in ("reads", "writes")}  # fmt: skip
    assert lines["reads"] == result.device.counters["lines_read"] > 0
    assert lines["writes"] == result.device.counters["lines_written"] > 0


def test_background_work_commands_and_direct_reclaim_are_there(ran: tuple[Result, Result, Decoded]) -> None:
    _, result, trace = ran
    assert list(trace.on("kswapd"))
    commands = Counter(packet.track_event.name for packet in trace.on("cram: mailbox"))
    assert commands["MEDIA_OPERATIONS"] > 0
    assert set(commands) <= {opcode.name for opcode in Opcode}
    assert sum(details(packet)["pages"] for packet in trace.on("direct reclaim")) == result.kernel["pgsteal_direct"]


def test_the_engines_worked_as_often_as_the_device_counted(ran: tuple[Result, Result, Decoded]) -> None:
    _, result, trace = ran
    times = {engine: len(list(trace.on(f"cram engine: {engine}"))) for engine in ENGINES}
    counters = result.device.counters
    assert times["compressor"] == counters["pages_closed"] > 0
    exported = sum(pages for pair, pages in result.moves.items() if pair.startswith("cram_to_"))
    assert 0 < times["decompressor"] <= counters["pages_filled"] + exported
    assert times["mailbox"] == len(list(trace.on("cram: mailbox"))) > 0
    assert times["media"] > 0


def test_a_command_of_the_mailbox_lies_in_the_time_that_the_driver_waited_for_it(
    ran: tuple[Result, Result, Decoded],
) -> None:
    trace = ran[2]
    waited = [packet.timestamp for packet in trace.on("cram: mailbox")]
    worked = [packet.timestamp for packet in trace.on("cram engine: mailbox")]
    assert all(asked <= began for asked, began in zip(waited, worked, strict=True))


def test_every_sample_is_a_value_of_each_counter(ran: tuple[Result, Result, Decoded]) -> None:
    _, result, trace = ran
    for name in result.timeline[0].pages:
        values = [(p.timestamp, p.track_event.double_counter_value) for p in trace.on(f"pages: {name}")]
        assert values == [(sample.simulated_ns, sample.pages[name]) for sample in result.timeline]


def test_the_spans_of_a_track_follow_one_another(ran: tuple[Result, Result, Decoded]) -> None:
    trace = ran[2]
    open_since: dict[int, int] = {}
    last: dict[int, int] = {}
    for packet in trace.events:
        track, kind = packet.track_event.track_uuid, packet.track_event.type
        assert packet.timestamp >= last.get(track, 0)
        last[track] = packet.timestamp
        if kind == TrackEvent.TYPE_SLICE_BEGIN:
            assert track not in open_since
            open_since[track] = packet.timestamp
        elif kind == TrackEvent.TYPE_SLICE_END:
            assert open_since.pop(track) < packet.timestamp
    assert open_since == {}


def test_closings_and_interrupts_of_the_node_are_on_tracks_of_their_own(tmp_path: Path) -> None:
    scenario, timeline, figures = write_scenario(tmp_path), tmp_path / "run.pftrace", tmp_path / "run.json"
    status, _, errors = Command(
        "run", scenario, "--sim", "model", "--timeline", timeline, "--json", figures, "--report", tmp_path / "r.html"
    ).finish()
    assert status == 0, errors
    result, trace = Result.model_validate_json(figures.read_text()), Decoded(timeline)
    closed = [packet.timestamp for packet in trace.on("cram: closed")]
    assert closed == [closing.from_ns for closing in result.closings]
    assert len(closed) == result.kernel["node_closed"] > 0
    assert sum(packet.track_event.name == "LOW" for packet in trace.on("cram: interrupts")) >= len(closed)
