# SPDX-License-Identifier: MIT
"""Perfetto: a run's spans and samples as a trace that Perfetto's viewer opens (ui.perfetto.dev reads it locally).

All of it is on one clock, the simulated one. Spans of a track that overlap are put on further tracks of the same name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TracePacket, TrackEvent

from sim.run.metrics import Closing, Sample
from sim.run.spans import Span
from vswap.base.results import naming

_SEQUENCE = 1


def write_trace(path: Path, spans: Sequence[Span], samples: Sequence[Sample], closings: Sequence[Closing]) -> None:
    """Write a trace. Raises OSError."""
    closed = [Span(f"{one.node}: closed to new pages", "closed", one.from_ns, one.to_ns) for one in closings]
    builder = _Builder()
    for track, lanes in _lanes([*spans, *closed]).items():
        for lane in lanes:
            builder.spans(track, lane)
    for name, values in _counters(samples):
        builder.counter(name, values)
    path.parent.mkdir(parents=True, exist_ok=True)
    with naming(path):
        path.write_bytes(builder.trace.SerializeToString())


def _lanes(spans: Iterable[Span]) -> dict[str, list[list[Span]]]:
    """The spans of each track in lanes on which none overlaps the one before."""
    tracks: dict[str, list[list[Span]]] = {}
    for span in sorted(spans, key=lambda span: (span.track, span.from_ns, span.to_ns)):
        lanes = tracks.setdefault(span.track, [])
        lane = next((lane for lane in lanes if lane[-1].to_ns <= span.from_ns), None)
        if lane is None:
            lane = []
            lanes.append(lane)
        lane.append(span)
    return tracks


def _counters(samples: Sequence[Sample]) -> Iterator[tuple[str, list[tuple[int, float]]]]:
    """(name, moments with values) of everything that was sampled."""
    for name in samples[0].pages if samples else ():
        yield f"pages: {name}", [(sample.simulated_ns, sample.pages[name]) for sample in samples]
    yield "media in use, %", [(sample.simulated_ns, sample.media_used_percent) for sample in samples]
    yield "ratio", [(sample.simulated_ns, sample.ratio) for sample in samples if sample.ratio is not None]


class _Builder:
    """A trace in the making: a track after the other."""

    def __init__(self) -> None:
        self.trace = Trace()
        self._track = 0

    def spans(self, name: str, spans: Sequence[Span]) -> None:
        """A track of spans, in order and without overlap."""
        track = self._describe(name)
        for span in spans:
            instant = span.from_ns == span.to_ns
            packet = self._event(
                track, span.from_ns, TrackEvent.TYPE_INSTANT if instant else TrackEvent.TYPE_SLICE_BEGIN
            )
            packet.track_event.name = span.name
            for key, value in span.details.items():
                note = packet.track_event.debug_annotations.add()
                note.name = key
                if isinstance(value, int):
                    note.int_value = value
                else:
                    note.string_value = value
            if not instant:
                self._event(track, span.to_ns, TrackEvent.TYPE_SLICE_END)

    def counter(self, name: str, values: Iterable[tuple[int, float]]) -> None:
        """A track of values."""
        track = self._describe(name, counter=True)
        for moment, value in values:
            self._event(track, moment, TrackEvent.TYPE_COUNTER).track_event.double_counter_value = value

    def _describe(self, name: str, *, counter: bool = False) -> int:
        self._track += 1
        descriptor = self.trace.packet.add().track_descriptor
        descriptor.uuid = self._track
        descriptor.name = name
        if counter:
            descriptor.counter.SetInParent()
        return self._track

    def _event(self, track: int, moment: int, kind: TrackEvent.Type.ValueType) -> TracePacket:
        packet = self.trace.packet.add()
        packet.timestamp = moment
        packet.trusted_packet_sequence_id = _SEQUENCE
        packet.track_event.type = kind
        packet.track_event.track_uuid = track
        return packet
