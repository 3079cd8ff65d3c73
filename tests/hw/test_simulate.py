# SPDX-License-Identifier: MIT
"""A simulation ends as it should, whatever happens to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hw.simulate import main, runs, simulate
from hw.sources import ROOT
from hw.tools import SIMULATORS, Simulator
from tests.hw.probe import BENCH, STEP, probe

simulators = pytest.mark.parametrize("simulator", SIMULATORS)


@simulators
def test_cocotb_sees_the_top_module_only(simulator: Simulator) -> None:
    built = probe(simulator)
    simulate(built, BENCH, testcase="ports_are_read_and_written_a_page_wide", environment=STEP)
    if simulator == "verilator":
        simulate(built, BENCH, testcase="inner_signals_are_hidden", environment=STEP)


@simulators
def test_public_shows_every_signal(simulator: Simulator) -> None:
    simulate(probe(simulator, public=True), BENCH, testcase="inner_signals_are_shown", environment=STEP)


@simulators
def test_a_failing_test_is_named(simulator: Simulator) -> None:
    with pytest.raises(AssertionError, match="this_one_fails: on purpose"):
        simulate(probe(simulator), BENCH, testcase="this_one_fails")


@simulators
def test_no_test_is_a_failure(simulator: Simulator) -> None:
    with pytest.raises(AssertionError, match="no test ran"):
        simulate(probe(simulator), BENCH, testcase="no_such_test")


@simulators
def test_a_simulator_that_dies_is_a_failure(simulator: Simulator) -> None:
    with pytest.raises(AssertionError, match="the simulator ended with -6"):
        simulate(probe(simulator), BENCH, testcase="this_one_kills_the_simulator")


def gone(pid: int) -> bool:
    """The process has ended (perhaps nobody has waited for it yet)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@simulators
def test_a_timeout_ends_the_simulator(simulator: Simulator, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    with pytest.raises(TimeoutError, match="longer than 8 s"):  # the start takes one
        simulate(
            probe(simulator), BENCH, testcase="this_one_never_ends",
            environment={"PID_FILE": str(pid_file)}, timeout_s=8,
        )  # fmt: skip
    assert gone(int(pid_file.read_text()))


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@simulators
def test_no_simulator_outlives_its_caller(simulator: Simulator, signum: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C, a polite kill and a hard one. Whoever starts a program in the background may have it ignore Ctrl-C, as
    nohup and a shell do; the caller here does not, however these tests were started."""
    probe(simulator)
    pid_file = tmp_path / "pid"
    script = (
        "import signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from tests.hw.probe import BENCH, probe\n"
        "from hw.simulate import simulate\n"
        f"simulate(probe('{simulator}'), BENCH, testcase='this_one_never_ends', "
        f"environment={{'PID_FILE': {str(pid_file)!r}}})\n"
    )
    caller = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        wait_until(pid_file.exists)
        os.kill(caller.pid, signum)
        assert caller.wait(timeout=120) != 0
    finally:
        caller.kill()
    wait_until(lambda: gone(int(pid_file.read_text())))


def wait_until(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def test_a_case_that_there_is_not_is_told_with_those_there_are_and_leaves_no_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = simulate(probe("icarus"), BENCH, testcase="ports_are_read_and_written_a_page_wide", environment=STEP,
                      results=tmp_path / "run")  # fmt: skip
    before = set(runs().iterdir()) if runs().exists() else set()
    with pytest.raises(SystemExit) as ended:
        main([str(folder), "--case", "nope"])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert "--case nope: no such case" in said and "ports_are_read_and_written_a_page_wide, " in said
    assert (set(runs().iterdir()) if runs().exists() else set()) == before


def test_a_run_that_is_repeated_with_waves_says_where_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = "ports_are_read_and_written_a_page_wide"
    folder = simulate(probe("icarus"), BENCH, testcase=case, environment=STEP, results=tmp_path / "run")
    assert main([str(folder), "--case", case, "--waves"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("waves: ")]
    assert Path(line.removeprefix("waves: ")).stat().st_size > 0
