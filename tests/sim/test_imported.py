# SPDX-License-Identifier: MIT
"""Traces of what perf and DAMON have seen: their text is read as it is, and what is drawn is said.

The lines of perf were printed by perf 6.1 of a small program on Linux 6.18. The regions are made up, in the form that
the source of damo 3.4.3 prints (`--raw_form`); the older form and the tracepoint's are those of LKML and of the
kernel's print format.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sim.cli import cli
from sim.corpus import files
from sim.data import CORPUS
from sim.imported import damon, perf
from sim.imported.seen import Access, Exited, Forked
from sim.trace.file import Kind, Trace

TRACEPOINTS = """\
       perf-exec     0/0     [000]     0.000000: PERF_RECORD_COMM: perf-exec:2157/2157
         python3  2157/2157  [001] 49167.290919: PERF_RECORD_COMM exec: python3:2157/2157
         python3  2157/2157  [000] 49167.292291: exceptions:page_fault_user: address=0x7fe49b6e7b70 ip=0x7fe49b6e7b70 error_code=0x14
         python3  2157/2157  [000] 49167.302296: exceptions:page_fault_user: address=0x7fe49b700e06 ip=0x7fe49b6e87ad error_code=0x6
         python3  2157/2157  [000] 49167.302299: exceptions:page_fault_user: address=0x7fe49b6ffa80 ip=0x7fe49b6e87c9 error_code=0x4
         python3  2157/2157  [001] 49167.311699: PERF_RECORD_FORK(2159:2159):(2157:2157)
         python3  2157/2157  [001] 49167.311700: PERF_RECORD_FORK(2157:2160):(2157:2157)
         python3  2159/2159  [001] 49167.312001: exceptions:page_fault_user: address=0x7fe49b700000 ip=0x7fe49b6e87ad error_code=0x7
         python3  2159/2159  [001] 49167.312128: PERF_RECORD_EXIT(2159:2159):(2157:2157)
         python3  2157/2157  [001] 49167.319397: exceptions:page_fault_user: address=0x7fe49b700e06 ip=0x7fe49b6e87ad error_code=0x4
"""  # noqa: E501 - as perf prints it
COUNTED = """\
         python3  1288/1288  49056.378982: page-faults:           a84278
     Web Content  1288/1290  49056.383721: major-faults:u:     7faa83f81070
         python3  1288 49056.383733: page-faults:     7faa83f81070 [unknown] (//anon)           539710 PyFunction_New (/usr/bin/python3.11)
            sort 27986 48050.435159:          1 page-faults:  ffffffff81752b6a
"""  # noqa: E501
PERF_TRACE = """\
     0.000 ( 0.000 ms): python3/2177 minfault [elf_load+0x28a] => 0xa84278 (?k)
     0.083 ( 0.000 ms): python3/2177 minfault [_start+0x0] => /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2@0x1ab70 (d.)
    10.459 ( 0.000 ms): python3/2177 minfault [0xfb640] => //anon@0x7f3b5cee0024 (d.)
    10.472 ( 0.000 ms): python3/2177 majfault [PyType_GenericAlloc+0x1d0] => [heap]@0x562aa0cae408 (d.)
"""  # noqa: E501
RAW = """\
base_time_absolute: 8 m 59.809 s
data source: kdamond 0

monitoring_start:                0 ns
monitoring_end:            100.000 ms
monitoring_duration:       100.000 ms
target_id: 0
nr_regions: 3
# start_addr     end_addr        length  nr_accesses   age
000000400000-000000410000 (  64.000 KiB)          20     3
000000410000-000000510000 (   1.000 MiB)           0     9
7f3b5cee0000-7f3b5cf44000 ( 400.000 KiB)          10     0

monitoring_start:          100.000 ms
monitoring_end:            200.000 ms
monitoring_duration:       100.000 ms
target_id: 0
nr_regions: 1
# start_addr     end_addr        length  nr_accesses   age
000000400000-000000410000 (  64.000 KiB)          20     4

"""
OLDER = """\
monitoring_start:             2.224 s
monitoring_end:               2.329 s
monitoring_duration:       104.336 ms
target_id: 0
nr_regions: 2
005fb37b2000-005fb37b4000(   8.000 KiB): 0
007661c59000-007661c5b000(   8.000 KiB): 20
"""
AGGREGATED = """\
   kdamond.0 14045 [003] 95867.255600: damon:damon_aggregated: target_id=1 nr_regions=2 4194304-4259840: 20 3
   kdamond.0 14045 [003] 95867.255601: damon:damon_aggregated: target_id=1 nr_regions=2 4259840-5308416: 0 9
   kdamond.0 14045 [003] 95867.355600: damon:damon_aggregated: target_id=1 nr_regions=1 4194304-4259840: 20 4
"""


def imported(folder: Path, option: str, text: str, *more: str) -> tuple[Result, Path]:
    file, output = folder / "seen.txt", folder / "imported.trace"
    file.write_text(text)
    return CliRunner().invoke(cli, ["trace", "import", option, str(file), "-o", str(output), *more]), output


def test_faults_of_the_tracepoint_are_reads_and_writes_of_data_and_forks_and_ends_show() -> None:
    us = 49_167_000_000
    assert list(perf.read(TRACEPOINTS.splitlines(True), "x")) == [
        Exited(2157, (us + 290_919) * 1000),
        Access(2157, 0x7FE49B700, True, (us + 302_296) * 1000),
        Access(2157, 0x7FE49B6FF, False, (us + 302_299) * 1000),
        Forked(2157, 2159, (us + 311_699) * 1000),
        Access(2159, 0x7FE49B700, True, (us + 312_001) * 1000),
        Exited(2159, (us + 312_128) * 1000),
        Access(2157, 0x7FE49B700, False, (us + 319_397) * 1000),
    ]


def test_counted_faults_do_not_say_what_they_were_and_the_kernels_own_pages_are_left_out() -> None:
    seen = list(perf.read(COUNTED.splitlines(True), "x"))
    assert [(one.space, one.page, one.write) for one in seen if isinstance(one, Access)] == [
        (1288, 0xA84, None), (1288, 0x7FAA83F81, None), (1288, 0x7FAA83F81, None),
    ]  # fmt: skip


def test_perf_trace_tells_anonymous_memory_from_files() -> None:
    assert list(perf.read(PERF_TRACE.splitlines(True), "x")) == [
        Access(2177, 0x7F3B5CEE0, None, 10_459_000), Access(2177, 0x562AA0CAE, None, 10_472_000),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        "    sort 27986 48050.435221:          1 page-faults:      7f65cac2ab70 _start+0x0 (/usr/lib/ld.so.2)",
        "    sort 27986 48050.435221:          1 page-faults: ",
        "  python3  2157/2157  [000] 49167.292291: exceptions:page_fault_user:",
    ],
)
def test_a_fault_without_its_address_is_refused_with_the_line_and_the_remedy(line: str, tmp_path: Path) -> None:
    done, output = imported(tmp_path, "--perf", COUNTED + line + "\n")
    assert done.exit_code == 2 and "seen.txt, line 5: a fault without" in done.output
    assert "perf script --show-task-events -F comm,pid,tid,time,event," in done.output
    assert not output.exists()


def test_a_trace_of_faults_has_their_order_their_time_and_contents_of_the_corpus(tmp_path: Path) -> None:
    done, output = imported(tmp_path, "--perf", TRACEPOINTS, "--kind", "perl", "--program", "prog")
    assert done.exit_code == 0, done.output
    trace = Trace.load(output)
    assert [(event.space, event.kind, event.page) for event in trace] == [
        (0, Kind.WRITE, 0), (0, Kind.WRITE, 1), (0, Kind.FORK, 1), (1, Kind.WRITE, 0), (1, Kind.EXIT, 0),
        (0, Kind.READ, 0),
    ]  # fmt: skip
    assert trace.elapsed is not None
    assert trace.elapsed.tolist()[1:] == [3_000, 9_400_000, 302_000, 127_000, 7_269_000]
    entry = next(entry for entry in files.load(CORPUS).entries if entry.kind == "perl")
    known = set(files.pages(CORPUS, entry))
    assert {trace.page(content) for content in range(trace.header.contents)} <= known
    assert trace.header.argv == ["prog"] and trace.header.recorder.startswith("imported from perf")
    assert "Contents are not the program's: each write draws a page of the corpus corpus (perl)" in trace.header.loss


def test_of_accesses_that_are_not_told_apart_a_share_is_taken_for_writes(tmp_path: Path) -> None:
    again = "".join(f" sort 7/7 {second}.5: page-faults: 7faa83f81070\n" for second in range(401))
    kinds = {}
    for percent in ("0", "30", "100"):
        _, output = imported(tmp_path, "--perf", again, "--write-percent", percent)
        kinds[percent] = [event.kind for event in Trace.load(output)].count(Kind.WRITE)
    assert kinds["0"] == 1 and kinds["100"] == 401 and 80 < kinds["30"] < 160


def test_pages_of_a_region_are_accessed_at_its_rate_within_its_interval() -> None:
    seen = list(damon.read(RAW.splitlines(True), "x"))
    first = [one for one in seen if one.time_ns < 100_000_000]
    hot = [one.page for one in first if one.page < 0x500]
    assert sorted(hot) == list(range(0x400, 0x410)), "found accessed at every look: every page"
    warm = [one.page for one in first if one.page > 0x500]
    assert len(set(warm)) == len(warm) and 20 < len(warm) < 80, "about half of 100 pages"
    assert sorted(one.page for one in seen if one.time_ns >= 100_000_000) == list(range(0x400, 0x410))
    assert [one.time_ns for one in seen] == sorted(one.time_ns for one in seen)
    assert all(one.write is None for one in seen)


@pytest.mark.parametrize("text", [OLDER, AGGREGATED])
def test_the_older_form_and_the_tracepoint_say_the_same(text: str) -> None:
    expected = [0x7661C59, 0x7661C5A] if text is OLDER else 2 * list(range(0x400, 0x410))
    assert sorted(one.page for one in damon.read(text.splitlines(True), "x")) == sorted(expected)


def test_what_is_drawn_is_the_same_each_time_and_another_with_another_seed(tmp_path: Path) -> None:
    traces = []
    for seed in ("1", "1", "2"):
        done, output = imported(tmp_path, "--damon", RAW, "--seed", seed)
        assert done.exit_code == 0, done.output
        traces.append(list(Trace.load(output)))
    assert traces[0] == traces[1] != traces[2]


@pytest.mark.parametrize(
    ("option", "text", "said"),
    [
        ("--perf", "nothing of the kind\n", "no accesses in it; make it with perf script"),
        ("--damon", "nothing of the kind\n", "no accesses in it; make it with damo report access --raw_form"),
        ("--damon", OLDER.replace("): 20", "): 21"), "found accessed 21 times, expected at most 20"),
        ("--damon", OLDER.replace("2.224 s", "soon"), "'soon' is no time, expected one as 104.599 ms"),
        ("--damon", "\n".join(OLDER.splitlines()[4:]), "line 2: a region without monitoring_start before it"),
    ],
)
def test_text_that_cannot_be_imported_is_refused_in_a_line(option: str, text: str, said: str, tmp_path: Path) -> None:
    done, output = imported(tmp_path, option, text)
    assert done.exit_code == 2 and said in done.output and not output.exists(), done.output


def test_a_limit_ends_the_trace_and_is_named_with_its_flag(tmp_path: Path) -> None:
    done, output = imported(tmp_path, "--damon", RAW, "--max-events", "10")
    assert done.exit_code == 0 and "ended at a limit; --max-events N raises it" in done.output
    header = Trace.load(output).header
    assert header.events == 10 and not header.complete


def test_one_text_is_imported_at_a_time_from_a_corpus_that_has_the_kind(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["trace", "import", "-o", str(tmp_path / "x.trace")])
    assert done.exit_code == 2 and "--perf FILE, --damon FILE or --guest FILE" in done.output
    done, _ = imported(tmp_path, "--perf", COUNTED, "--kind", "cobol")
    assert done.exit_code == 1 and "has no pages of cobol, expected one of python-objects" in done.output


def test_an_imported_trace_runs_and_is_described(tmp_path: Path) -> None:
    _, output = imported(tmp_path, "--damon", RAW)
    done = CliRunner().invoke(cli, ["trace", "stat", str(output)])
    assert done.exit_code == 0 and "imported from DAMON" in done.output and "<- suggested" in done.output
    scenario = tmp_path / "imported.toml"
    scenario.write_text(
        '[workload]\ntrace = "imported.trace"\nthink = "recorded"\n[memory]\nlimit_pages = 20\n'
        "[cram]\nperceived_pages = 256\nmedia_bytes = 262144\n"
    )
    command = ["run", str(scenario), "--sim", "model", "--report", str(tmp_path / "report.html")]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0 and "0 mismatches" in done.output, done.output
