# SPDX-License-Identifier: MIT
"""`vcram trace build` records programs of ten kinds and more, each into a trace of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from sim.cli import cli
from sim.data.programs import PROGRAMS
from sim.trace.file import Trace
from tests.sim.followed import needs_root


def test_at_least_ten_programs_are_known_and_none_twice() -> None:
    assert len({program.command[0] for program in PROGRAMS.values()}) == len(PROGRAMS) >= 10


@needs_root
def test_a_program_is_recorded_once_and_one_that_is_not_here_is_told(tmp_path: Path) -> None:
    command = ["trace", "build", str(tmp_path / "new"), "--program", "sort", "--max-events", "1500"]
    first = CliRunner().invoke(cli, command)
    assert first.exit_code == 0 and "stopped at max_events" in first.output, first.output
    trace = tmp_path / "new" / "sort.trace"
    written = trace.read_bytes()
    assert Trace.load(trace).header.program == "sort"
    again = CliRunner().invoke(cli, command)
    assert again.exit_code == 0 and "sort.trace: there already" in again.output
    assert trace.read_bytes() == written


def test_a_program_that_is_not_installed_is_told_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PROGRAMS, "jq", replace(PROGRAMS["jq"], command=("/nowhere/jq",)))
    done = CliRunner().invoke(cli, ["trace", "build", str(tmp_path), "--program", "jq"])
    assert done.exit_code == 0 and "jq: /nowhere/jq is not installed here" in done.output
