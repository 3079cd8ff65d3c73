# SPDX-License-Identifier: MIT
"""Workers of a pool end with the program that started them, having cleaned up, whatever way it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAM = """
import subprocess, sys, tempfile, time
from pathlib import Path
from hw.workers import WorkerPool

def busy(folder):
    with tempfile.TemporaryDirectory(dir=folder) as mine:
        child = subprocess.Popen(["sleep", "1000"])
        try:
            (Path(folder) / f"at-work-{child.pid}").touch()
            time.sleep(1000)
        finally:
            child.kill()

try:
    with WorkerPool(2) as pool:
        list(pool.map(busy, [sys.argv[1]] * 8))
except KeyboardInterrupt:
    sys.exit(130)
"""
LIMIT_S = 60


def in_session(leader: int) -> list[str]:
    """State and command of the processes of a session that have not ended."""
    listed = subprocess.run(["ps", "-o", "stat=,args=", "--sid", str(leader)], capture_output=True, text=True).stdout
    return [line for line in listed.splitlines() if not line.startswith("Z")]


def wait_for(what: str, condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < limit, f"not within {LIMIT_S} s: {what}"
        time.sleep(0.05)


@pytest.mark.parametrize("to_all", [True, False], ids=["whole group, as Ctrl-C", "program alone"])
def test_an_interrupt_ends_workers_their_programs_and_their_folders(tmp_path: Path, to_all: bool) -> None:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)], start_new_session=True)
    wait_for("both workers are at work", lambda: len(list(tmp_path.glob("at-work-*"))) == 2)
    if to_all:
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(signal.SIGINT)
    assert process.wait(LIMIT_S) == 130
    assert in_session(process.pid) == []
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []
    assert len(list(tmp_path.glob("at-work-*"))) == 2, "a worker that was told to end took the next task"


def test_workers_die_with_a_program_that_is_killed(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)], start_new_session=True)
    wait_for("both workers are at work", lambda: len(list(tmp_path.glob("at-work-*"))) == 2)
    process.kill()
    process.wait()
    try:
        wait_for("the workers are gone", lambda: all("sleep" in line for line in in_session(process.pid)))
    finally:
        for file in tmp_path.glob("at-work-*"):
            os.kill(int(file.name.rpartition("-")[2]), signal.SIGKILL)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["-m", "vswap.races", "--count", "100000"], "races: interrupted; nothing is left running"),
        (["-m", "tests.campaigns.faults", "--count", "10000"], "faults: interrupted; nothing is left running"),
    ],
    ids=["races", "faults"],
)
def test_a_search_that_is_told_to_end_leaves_nothing(tmp_path: Path, command: list[str], words: str) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, *command], stderr=subprocess.PIPE, text=True, start_new_session=True, env=environment
    )
    wait_for("its workers have begun", lambda: len(in_session(process.pid)) > 2)
    process.terminate()
    _, said = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 130
    assert said.splitlines()[-1] == words
    assert in_session(process.pid) == []
