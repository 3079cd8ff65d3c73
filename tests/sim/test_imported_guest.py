# SPDX-License-Identifier: MIT
"""Traces of what a guest's kernel did with a program's pages (`vcram cxl --record`).

A page that it moves to the node is taken out of DRAM in the trace, too, and the replay in node mode demotes it. One
that it brings back is promoted.

The lines are in the form in which Linux 6.12 prints its tracepoints.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from sim.bench import guest as bench
from sim.cli import cli
from sim.imported import guest
from sim.imported.seen import Access, BroughtBack, TakenOut
from sim.trace.file import Kind, Trace, TraceError
from tests.marks import VERIFY

HEAD = """\
# tracer: nop
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
            init-1       [000] .....     7.100000: tracing_mark_write: vcram node 0x290000000 268435456
            cold-9       [000] .....     7.200000: page_fault_user: address=0x500000 ip=0x401000 error_code=0x6
"""
BEGIN = "            cold-97      [000] .....     8.000000: tracing_mark_write: vcram begin 97\n"
FAULTS = """\
            cold-97      [000] .....     8.000001: page_fault_user: address=0x401000 ip=0x401000 error_code=0x14
            cold-97      [000] .....     8.000002: page_fault_user: address=0x7f0000001234 ip=0x401000 error_code=0x6
              sh-1       [000] .....     8.000003: page_fault_user: address=0x7f0000009000 ip=0x401000 error_code=0x6
            cold-97      [000] .....     8.000004: page_fault_user: address=0x7f0000002000 ip=0x401000 error_code=0x6
"""
MOVED = """\
         reclaim-98      [000] .....     8.100000: set_migration_pte: addr=7f0000001000, pte=6bfffffffdc0a000, order=0
         reclaim-98      [000] .....     8.100001: remove_migration_pte: addr=7f0000001000, pte=8000000291234867, order=0
         reclaim-98      [000] .....     8.100002: remove_migration_pte: addr=7f0000002000, pte=8000000011234867, order=0
            cold-97      [000] .....     8.200000: page_fault_user: address=0x7f0000001000 ip=0x401000 error_code=0x5
            cold-97      [000] .....     8.200001: remove_migration_pte: addr=7f0000001000, pte=8000000011235867, order=0
"""  # noqa: E501 - as the kernel prints it
TOLD = """\
            cold-97      [000] .....     8.000002: tracing_mark_write: vcram write 7f0000001000
            cold-97      [000] .....     8.300000: tracing_mark_write: vcram read 7f0000001000
"""


def seen(text: str) -> tuple[list[object], guest.Counts]:
    counts = guest.Counts()
    return list(guest.read(text.splitlines(True), "x", counts)), counts


def test_accesses_of_the_program_alone_are_its_faults_and_what_leaves_dram_is_taken_out_and_comes_back() -> None:
    """Neither fetches, nor what other processes or the program before its exec did, nor a page that stayed in DRAM."""
    found, counts = seen(HEAD + BEGIN + FAULTS + MOVED)
    assert found == [
        Access(97, 0x7F0000001, True, 8_000_002_000), Access(97, 0x7F0000002, True, 8_000_004_000),
        TakenOut(97, 0x7F0000001, 8_100_001_000), Access(97, 0x7F0000001, False, 8_200_000_000),
        BroughtBack(97, 0x7F0000001, 8_200_001_000),
    ]  # fmt: skip
    assert (counts.demoted, counts.promoted, counts.faults, counts.hint_faults) == (1, 1, 4, 1)


def test_a_program_that_tells_its_accesses_is_taken_at_its_word() -> None:
    found, counts = seen(HEAD + BEGIN + FAULTS + TOLD + MOVED)
    assert [one for one in found if isinstance(one, Access)] == [
        Access(97, 0x7F0000001, True, 8_000_002_000), Access(97, 0x7F0000001, False, 8_300_000_000),
    ]  # fmt: skip
    assert counts.faults == 4


@pytest.mark.parametrize("text", ["", HEAD, BEGIN])
def test_a_text_without_node_or_program_is_refused(text: str) -> None:
    with pytest.raises(TraceError, match="names neither node nor program; make it with vcram cxl --record FILE"):
        seen(text)


def test_the_replay_on_a_memory_node_demotes_and_promotes_what_the_kernel_did(tmp_path: Path) -> None:
    text, output = tmp_path / "guest.txt", tmp_path / "guest.trace"
    text.write_text(HEAD + BEGIN + FAULTS + MOVED)
    done = CliRunner().invoke(cli, ["trace", "import", "--guest", str(text), "-o", str(output)])
    assert done.exit_code == 0, done.output
    assert "the kernel demoted 1 pages and promoted 1; 4 faults, 1 of them hints" in done.output
    kinds = [(event.kind, event.page) for event in Trace.load(output)]
    assert kinds == [(Kind.WRITE, 0), (Kind.WRITE, 1), (Kind.PAGEOUT, 0), (Kind.READ, 0), (Kind.PROMOTE, 0)]


@VERIFY
def test_what_the_kernel_has_demoted_and_promoted_the_model_has_too() -> None:
    """By the kernel's own counters, its tracepoints, and the replay.

    A page that a write has copied to DRAM on the model is there already when the trace promotes it.
    """
    row = bench.run("cold")
    figures, replayed = row["figures"], row["replayed"]
    assert replayed["pages demoted"] == [figures["demoted"]] * 2 == [512, 512]
    promoted, copied = replayed["pages promoted"], replayed["copied to DRAM by a write"]
    assert promoted[0] == figures["promoted"] == promoted[1] + copied[1]
    assert promoted[1] > 256
