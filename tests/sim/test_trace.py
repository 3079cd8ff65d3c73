# SPDX-License-Identifier: MIT
"""A trace file comes back as it was written, or not at all (docs/trace.md)."""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import stat
import struct
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.sources import ROOT
from sim.data import ORDERS_TRACE
from sim.trace.file import (
    LARGEST,
    LARGEST_CONTENTS,
    LARGEST_EVENTS,
    LONGEST,
    Event,
    Kind,
    Trace,
    TraceError,
    TraceHeader,
    TraceWriter,
    save,
)
from sim.trace.reuse import reuse
from sim.trace.scrub import machine_words

HEADER = TraceHeader(
    program="test", argv=["test", "-x"], date="2026-01-01", recorder="none", python="3.11", window=0, loss="none",
    complete=True,
)  # fmt: skip


def page(seed: int) -> bytes:
    return bytes([seed % 256]) * 2048 + hashlib.sha256(bytes([seed % 256])).digest() * 64


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    """Any program: spaces that read, write, unmap, fork and exit as they please."""
    writer = TraceWriter()
    spaces: dict[int, dict[int, int]] = {0: {}}
    made = 1
    for _ in range(draw(st.integers(0, 40))):
        if not spaces:
            break
        space = draw(st.sampled_from(sorted(spaces)))
        held = spaces[space]
        kind = draw(st.sampled_from(Kind)) if held else Kind.WRITE
        number = draw(st.sampled_from(sorted(held))) if held and kind is not Kind.WRITE else draw(st.integers(0, 9))
        match kind:
            case Kind.WRITE:
                held[number] = writer.content(page(draw(st.integers(0, 20))))
                writer.append(Event(space, number, kind, held[number]))
            case Kind.READ:
                writer.append(Event(space, number, kind, held[number]))
            case Kind.PAGEOUT | Kind.PROMOTE:
                writer.append(Event(space, number, kind))
            case Kind.UNMAP:
                del held[number]
                writer.append(Event(space, number, kind))
            case Kind.FORK:
                spaces[made] = dict(held)
                writer.append(Event(space, made, kind))
                made += 1
            case Kind.EXIT:
                del spaces[space]
                writer.append(Event(space, 0, kind))
    return writer.finish(HEADER)


def small_trace() -> Trace:
    writer = TraceWriter()
    for i in range(8):
        writer.append(Event(0, i, Kind.WRITE, writer.content(page(i))))
    writer.append(Event(0, 3, Kind.READ, 3))
    return writer.finish(HEADER)


@pytest.fixture(scope="module")
def small_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trace") / "small.trace"
    save(small_trace(), path)
    return path


@given(trace=traces())
def test_a_trace_comes_back_from_its_file_as_it_was(trace: Trace, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("trace") / "t.trace"
    assert save(trace, path) == path.stat().st_size
    loaded = Trace.load(path)
    assert loaded.header == trace.header
    assert list(loaded) == list(trace)
    assert [loaded.page(i) for i in range(loaded.header.contents)] == [bytes(row) for row in trace.contents]


def test_each_content_is_kept_once() -> None:
    writer = TraceWriter()
    assert [writer.content(page(seed)) for seed in (5, 6, 5, 5, 6)] == [0, 1, 0, 0, 1]
    assert writer.data(1) == page(6)


def test_a_file_cut_anywhere_is_refused_in_one_line(small_file: Path, tmp_path: Path) -> None:
    whole = small_file.read_bytes()
    cut = tmp_path / "cut.trace"
    for length in range(len(whole)):
        cut.write_bytes(whole[:length])
        with pytest.raises(TraceError) as error:
            Trace.load(cut)
        assert str(error.value).startswith(f"{cut}: ")
        assert "\n" not in str(error.value)


@given(position=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_a_file_with_one_wrong_byte_is_refused(small_file: Path, position: float, flip: int) -> None:
    data = bytearray(small_file.read_bytes())
    data[int(position * len(data))] ^= flip
    damaged = small_file.with_name("damaged.trace")
    damaged.write_bytes(data)
    with pytest.raises(TraceError, match=r"damaged\.trace: "):
        Trace.load(damaged)


def test_bytes_after_the_end_are_refused(small_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "long.trace"
    path.write_bytes(small_file.read_bytes() + b"x")
    with pytest.raises(TraceError, match="1 bytes after its end"):
        Trace.load(path)


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"absent\.trace: No such file"):
        Trace.load(tmp_path / "absent.trace")
    with pytest.raises(TraceError, match="Is a directory"):
        Trace.load(tmp_path)


@given(data=st.binary(max_size=200))
def test_what_is_no_trace_is_refused(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("trace") / "any"
    path.write_bytes(data)
    with pytest.raises(TraceError):
        Trace.load(path)


def sealed(header: dict[str, object], body: bytes, version: int = 1) -> bytes:
    """A file whose checksum is right, whatever is in it."""
    text = json.dumps(header).encode()
    packed = lzma.compress(body)
    data = struct.pack("<8sIIQ", b"VCRAMTRC", version, len(text), len(packed)) + text + packed
    return data + hashlib.sha256(data).digest()


@pytest.mark.parametrize(
    ("change", "body", "version", "what"),
    [
        ({}, b"", 3, "version 3"),
        ({"loss": 3}, b"", 1, "loss"),
        ({"surprise": 1}, b"", 1, "surprise"),
        ({"events": -1}, b"", 1, "events"),
        ({"contents": 1}, bytes(4095), 1, "does not match|is not the 0 events and 1 contents"),
        ({"contents": 1}, bytes(1 << 22), 1, "is not the 0 events and 1 contents"),
        ({"events": 1}, struct.pack("<HBII", 0, 9, 0, 0), 1, "unknown event kind 9"),
        ({"events": 1}, struct.pack("<HBII", 0, Kind.WRITE, 0, 0), 1, "content that the trace does not have"),
        ({"events": 1, "contents": 1}, struct.pack("<HBII", 0, Kind.READ, 0, 0) + bytes(4096), 1, "holds nothing"),
        ({"events": 1}, struct.pack("<HBII", 0, Kind.UNMAP, 7, 0), 1, "unmaps page 7"),
        ({"events": 1}, struct.pack("<HBII", 0, Kind.PAGEOUT, 7, 0), 1, "takes out page 7"),
        ({"events": 1}, struct.pack("<HBII", 0, Kind.PROMOTE, 7, 0), 1, "brings back page 7"),
        ({"events": 1}, struct.pack("<HBII", 0, Kind.FORK, 0, 0), 1, "forks into space 0"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(
    change: dict[str, object], body: bytes, version: int, what: str, tmp_path: Path
) -> None:
    path = tmp_path / "odd.trace"
    path.write_bytes(sealed(HEADER.model_dump() | change, body, version))
    with pytest.raises(TraceError, match=what):
        Trace.load(path)


def test_the_document_says_what_is_too_large() -> None:
    text = " ".join((ROOT / "docs" / "trace.md").read_text().split())
    most = f"{LARGEST >> 30} GiB, with at most {LARGEST_EVENTS:,} events and {LARGEST_CONTENTS:,} contents"
    assert f"files of at most {most}" in text


def test_a_read_of_other_content_than_was_written_is_no_trace() -> None:
    writer = TraceWriter()
    writer.append(Event(0, 1, Kind.WRITE, writer.content(page(1))))
    writer.append(Event(0, 1, Kind.READ, writer.content(page(2))))
    with pytest.raises(TraceError, match="event 1 reads content 1 from page 1 of space 0, which holds 0"):
        writer.finish(HEADER)


def test_an_unfinished_save_leaves_the_old_file(small_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = small_file.read_bytes()

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        save(small_trace(), small_file)
    assert small_file.read_bytes() == before
    assert [p.name for p in small_file.parent.glob("*.part")] == []


# --- the trace that comes with the project -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def orders() -> Trace:
    return Trace.load(ORDERS_TRACE)


def test_what_is_no_file_is_written_to_and_stays_what_it_is(small_file: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    size = save(Trace.load(small_file), pipe)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert os.read(reader, size + 1) == small_file.read_bytes()
    os.close(reader)


def test_a_link_stays_a_link(small_file: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    link, file = tmp_path / "latest", tmp_path / "folder" / "file"
    file.write_bytes(b"old")
    link.symlink_to(file)
    save(Trace.load(small_file), link)
    assert link.is_symlink()
    assert file.read_bytes() == small_file.read_bytes()
    assert [path.name for path in file.parent.iterdir()] == ["file"]


def test_the_recorded_trace_is_the_one_its_manifest_describes(orders: Trace) -> None:
    manifest = tomllib.loads(ORDERS_TRACE.with_suffix(".toml").read_text())
    assert hashlib.sha256(ORDERS_TRACE.read_bytes()).hexdigest() == manifest["sha256"]
    assert ORDERS_TRACE.stat().st_size == manifest["file_bytes"] <= 2 << 20
    for count in ("events", "contents", "pages", "spaces", "window"):
        assert getattr(orders.header, count) == manifest[count]
    assert orders.header.complete
    assert vars(reuse(orders, orders.header.pages // 4)) == manifest["reuse"]


def test_the_recorded_trace_asks_for_swapping_in_both_directions(orders: Trace) -> None:
    asked = reuse(orders, orders.header.pages // 4)
    assert asked.stores >= 3_000
    assert asked.soft_faults + asked.promotions - asked.promotions_after_soft_fault >= 3_000
    assert asked.promotions_after_soft_fault >= 1_000
    assert asked.zero_stores > 0


def test_the_recorded_trace_has_pages_of_all_sorts(orders: Trace) -> None:
    contents = orders.contents
    words = contents.view(np.uint64)
    same = (words == words[:, :1]).all(axis=1)
    assert not contents[np.flatnonzero(same)].any(axis=1).all(), "a zero page"
    assert same.sum() > 1, "a same-filled page that is not zero"
    packed = np.array([len(lzma.compress(bytes(row), preset=0)) for row in contents[~same]])
    assert (packed > 3840).sum() >= 50, "pages that do not shrink"
    assert (packed < 2048).sum() >= 1_000, "pages that do"


def test_the_recorded_trace_tells_nothing_of_the_machine(orders: Trace) -> None:
    assert machine_words(orders.contents.tobytes()) == []


def test_a_fork_and_an_exit_are_in_the_recorded_trace(orders: Trace) -> None:
    kinds = {event.kind for event in orders}
    assert kinds == set(Kind) - {Kind.PAGEOUT, Kind.PROMOTE}


def test_a_page_that_the_kernel_took_out_leaves_dram_whatever_its_limit() -> None:
    writer = TraceWriter()
    for number in range(3):
        writer.append(Event(0, number, Kind.WRITE, writer.content(page(number))))
    for event in (Event(0, 1, Kind.PAGEOUT), Event(0, 1, Kind.PAGEOUT), Event(0, 1, Kind.READ, 1)):
        writer.append(event)
    asked = reuse(writer.finish(HEADER), 8)
    assert (asked.stores, asked.soft_faults, asked.promotions) == (1, 1, 0)


def test_a_page_that_the_kernel_brought_back_is_in_dram_until_it_leaves_again() -> None:
    writer = TraceWriter()
    for number in range(2):
        writer.append(Event(0, number, Kind.WRITE, writer.content(page(number))))
    for kind in (Kind.PROMOTE, Kind.PAGEOUT, Kind.PROMOTE, Kind.PAGEOUT):
        writer.append(Event(0, 1, kind))
    asked = reuse(writer.finish(HEADER), 8)
    assert (asked.stores, asked.promotions) == (2, 0), "the first time it was there; a promotion is no write"


def test_a_trace_may_keep_time_and_one_that_does_not_is_written_as_before(tmp_path: Path) -> None:
    path, gaps = tmp_path / "timed.trace", iter([5, 1 << 40, 0])
    writer = TraceWriter(passed=lambda: next(gaps))
    for number in range(3):
        writer.append(Event(0, number, Kind.WRITE, writer.content(page(number))))
    save(writer.finish(HEADER), path)
    loaded = Trace.load(path)
    assert loaded.elapsed is not None and loaded.elapsed.tolist() == [5, LONGEST, 0]
    assert path.read_bytes()[8:12] == struct.pack("<I", 2)
    save(small_trace(), path)
    assert Trace.load(path).elapsed is None and path.read_bytes()[8:12] == struct.pack("<I", 1)
