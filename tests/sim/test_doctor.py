# SPDX-License-Identifier: MIT
"""The doctor names what is missing, what it is for and how to get it; only what `vcram run` needs makes it ill."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hw.tools import ToolError
from sim import follow
from sim.cli import cli
from sim.doctor import PARTS, Finding, Part, examine, healthy
from sim.doctor.parts import MissingError, distributions, program
from tests.sim.scenes import Command

NEEDED = {part.name for part in PARTS if part.needed}


def part(name: str) -> Part:
    (found,) = (part for part in PARTS if part.name == name)
    return found


def doctor(path: Path) -> tuple[int, dict[str, dict[str, Any]]]:
    """Its exit status and findings by name, with nothing but the programs of one folder on the path."""
    status, output, errors = Command("doctor", "--json", PATH=str(path), CXX="g++").finish()
    assert errors == ""
    return status, {finding["name"]: finding for finding in json.loads(output)}


def test_a_machine_that_runs_these_tests_has_what_a_run_needs() -> None:
    done = CliRunner().invoke(cli, ["doctor"])
    assert done.exit_code == 0, done.stdout
    assert "`vcram run` has all it needs" in done.stdout
    assert all(f"  yes  {name}: " in done.stdout for name in NEEDED)


def test_what_a_run_needs_makes_it_end_with_1_and_is_told_with_its_command(tmp_path: Path) -> None:
    status, found = doctor(tmp_path)
    assert status == 1
    assert {name for name in NEEDED if found[name]["found"] is None} == {"C++ compiler", "make"}
    assert found["make"]["problem"] == "make is not on the path"
    assert found["make"]["command"] == "apt-get install make"
    assert found["C++ compiler"]["command"] == "apt-get install g++"


def test_what_only_enables_more_does_not_make_it_ill(tmp_path: Path) -> None:
    for name in ("g++", "make"):
        there = shutil.which(name)
        assert there is not None
        (tmp_path / name).symlink_to(there)
    status, found = doctor(tmp_path)
    assert status == 0
    for name, command in {
        "Icarus Verilog": "apt-get install iverilog",
        "nbdkit": "apt-get install nbdkit nbdkit-plugin-python",
        "QEMU": "apt-get install qemu-system-x86",
        "Redis": "apt-get install redis-server redis-tools",
    }.items():
        assert (found[name]["found"], found[name]["command"], found[name]["needed"]) == (None, command, False)


def test_a_part_is_missing_when_this_process_may_not_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "available", lambda: "Operation not permitted")
    (finding,) = examine([part("page faults of programs")])
    assert finding.found is None
    assert finding.problem == "userfaultfd: Operation not permitted"


def test_no_folder_to_build_in_is_a_missing_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("VCRAM_BUILD", str(tmp_path / "file"))
    findings = examine([part("a place to build in")])
    assert not healthy(findings)
    assert "VCRAM_BUILD" in findings[0].problem and "VCRAM_BUILD" in findings[0].command


def test_a_program_that_does_not_run_counts_as_missing() -> None:
    with pytest.raises(MissingError, match="ended with 3"):
        program(sys.executable, "-c", "raise SystemExit(3)")()
    assert program(sys.executable, "-c", "print('version 5')")() == "version 5"


def test_a_package_that_is_not_installed_is_named() -> None:
    with pytest.raises(MissingError, match="no-such-package is not installed for"):
        distributions("click", "no-such-package")()
    assert distributions("click", "rich")().startswith("click ")


def refuse(error: Exception) -> Callable[[], str]:
    def look() -> str:
        raise error

    return look


@pytest.mark.parametrize("error", [MissingError("gone"), ToolError("gone"), OSError("gone")])
def test_every_way_to_be_missing_is_one_line(error: Exception) -> None:
    (finding,) = examine([replace(part("make"), look=refuse(error))])
    assert finding == Finding("make", part("make").enables, True, part("make").command, None, "gone")
