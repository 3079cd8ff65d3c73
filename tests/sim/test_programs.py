# SPDX-License-Identifier: MIT
"""Programs that do odd things to their memory do under the pager and under the recorder what they do alone.

Each scene of tests/sim/programs ends with 0 where all is right, alone as well.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from hw.sources import ROOT
from sim import cli
from sim.capture import capture
from sim.pager import command as pager_command
from sim.pager import page
from sim.scenario.scenario import Scenario, find
from sim.trace.file import Trace
from tests.sim.followed import needs_root
from tests.sim.scenes import Command

pytestmark = needs_root

PROGRAMS = Path(__file__).parent / "programs"
LIMIT = 512  # pages; `push_out` of pages.h writes twice as many
WINDOW = 64


MEASURE = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""
"""Runs a command and prints the most memory it had, KiB: in a small process, since a child begins with its parent's."""


def scenes() -> list[tuple[str, str]]:
    """(program, scene) of all programs."""
    return [
        (source.stem, name)
        for source in sorted(PROGRAMS.glob("*.c"))
        for name in re.findall(r'^ +\{"(\w+)", \w+\},$', source.read_text(), re.MULTILINE)
    ]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    folder = tmp_path_factory.mktemp("programs")

    def build(name: str) -> str:
        binary = folder / name
        if not binary.exists():
            command = ["gcc", "-O1", "-Wall", "-Werror", "-pthread", "-o", str(binary), str(PROGRAMS / f"{name}.c")]
            subprocess.run(command, check=True)
        return str(binary)

    return build


def paged(argv: list[str]) -> int:
    outcome = page(argv, Scenario.load(find("pager")), limit=LIMIT)
    assert outcome.problems == []
    assert outcome.figures.lost == 0
    return outcome.exit_status


def recorded(argv: list[str], folder: Path) -> int:
    result = capture(argv, folder / "program.trace", window=WINDOW)
    Trace.load(folder / "program.trace")  # follows every page through the events
    return result.exit_status


def follow(how: str, argv: list[str], folder: Path) -> int:
    """The exit status of a program under the pager, under the recorder, or of one that is not followed."""
    if how == "alone":
        return subprocess.run(argv, check=False, timeout=60).returncode
    return paged(argv) if how == "pager" else recorded(argv, folder)


@pytest.mark.parametrize("how", ["alone", "pager", "recorder"])
@pytest.mark.parametrize(("program", "scene"), scenes())
def test_it_ends_as_it_does_alone(
    program: str, scene: str, how: str, built: Callable[[str], str], tmp_path: Path
) -> None:
    assert follow(how, [built(program), scene], tmp_path) == 0


@pytest.mark.parametrize("scene", ["clone_call", "registers_stay"])
def test_children_that_ask_not_to_be_traced_use_memory_after_the_recordings_end(
    scene: str, built: Callable[[str], str], tmp_path: Path
) -> None:
    result = capture([built("untraced"), scene], tmp_path / "program.trace", window=WINDOW, max_events=500)
    assert result.exit_status == 0
    assert not result.trace.header.complete


@pytest.mark.parametrize("command", [["pager", "--quiet", "--limit", "2M"], ["capture", "-o", "T"]])
def test_a_reservation_costs_nothing_by_its_size(
    command: list[str], built: Callable[[str], str], tmp_path: Path
) -> None:
    argv = [sys.executable, "-m", "sim.cli", *command, "--", built("reserve"), "little_of_16_tib"]
    start = time.monotonic()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE, *argv], cwd=tmp_path, env=environment, capture_output=True
    )
    assert measured.returncode == 0, measured.stderr.decode()
    assert int(measured.stdout.split()[-1]) < 400 << 10  # KiB; a bit for each of its pages would take 512 MiB
    assert time.monotonic() - start < 60


@pytest.mark.parametrize("command", [["pager", "--limit", "2M"], ["capture", "-o", "T"]])
@pytest.mark.parametrize("script", ["sleep 60", "trap '' INT TERM; while :; do sleep 1; done"])
def test_sigterm_ends_it_with_a_pid_namespace_in_it(command: list[str], script: str, tmp_path: Path) -> None:
    output = [str(tmp_path / word) if word == "T" else word for word in command]
    run = Command(*output, "--", "unshare", "--pid", "--fork", "sh", "-c", f"echo up; {script}")
    assert run.process.stdout is not None
    assert run.process.stdout.readline() == "up\n"
    run.interrupt(signal.SIGTERM)
    status, _, errors = run.finish(timeout_s=60)
    assert status == 130, errors
    assert not run.left_behind()


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("command", [["pager", "--quiet", "--limit", "2M"], ["capture", "-o", "T"]])
def test_a_hangup_ends_it_and_nothing_is_left_unless_it_is_ignored(
    command: list[str], ignored: bool, tmp_path: Path
) -> None:
    output = [str(tmp_path / word) if word == "T" else word for word in command]
    folder = tmp_path / "temporary"
    folder.mkdir()
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)  # as nohup(1) does
    script = "kill -HUP $PPID; " + ("exit 7" if ignored else "sleep 60")
    run = Command(*output, "--", "sh", "-c", script, TMPDIR=str(folder))
    signal.signal(signal.SIGHUP, before)
    status, _, errors = run.finish(timeout_s=60)
    assert status == (7 if ignored else 130), errors
    assert not run.left_behind()
    assert not any(folder.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_before_the_program_runs_is_one_line(number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        os.kill(os.getpid(), number)

    monkeypatch.setattr(pager_command, "page", interrupted)
    monkeypatch.setattr(cli, "capture", interrupted)
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    for argv in (["pager", "--limit", "2M", "--", "true"], ["capture", "-o", "T", "--", "true"]):
        result = CliRunner().invoke(cli.cli, argv)
        assert result.exit_code == 130
        assert result.stderr == f"vcram: interrupted by {number.name}; nothing is left running\n"
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("command", [["pager", "--limit", "2M"], ["capture", "-o", "T"]])
def test_a_descriptor_for_direct_io_is_refused_before_anything_runs(command: list[str], tmp_path: Path) -> None:
    output = [str(tmp_path / word) if word == "T" else word for word in command]
    descriptor = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT | os.O_DIRECT)
    argv = [sys.executable, "-m", "sim.cli", *output, "--", "echo", "up"]
    done = subprocess.run(argv, cwd=ROOT, stdout=descriptor, stderr=subprocess.PIPE, text=True, check=False)
    os.close(descriptor)
    assert done.returncode != 0
    assert done.stderr == "vcram: descriptor 1 is open for direct I/O, which would lose bytes; reopen it\n"
    assert not (tmp_path / "out").read_bytes()
