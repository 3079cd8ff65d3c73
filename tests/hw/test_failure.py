# SPDX-License-Identifier: MIT
"""A bench that fails tells what to know at once, and how to run it again."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from hw.simulate import simulate
from hw.sources import ROOT
from hw.tools import Simulator
from tests.cpu_time import used_s
from tests.hw.probe import probe
from tests.marks import first_in_test

FAILING = "one_that_wants_too_much"
WAVES = {"icarus": "waves.fst", "verilator": "waves.vcd"}
# under Verilator waves take a build of their own
simulators = pytest.mark.parametrize("simulator", first_in_test(["icarus", "verilator"]))


def failure(simulator: Simulator, seed: int) -> str:
    """What is said when one case of three fails."""
    with pytest.raises(AssertionError) as caught:
        simulate(probe(simulator), "tests.hw.bench_failure", seed=seed)
    return str(caught.value)


def folder_of(message: str) -> Path:
    return Path(message.splitlines()[0].partition("log: ")[2]).parent


@simulators
def test_a_failure_names_signal_cycle_wanted_and_got_first(simulator: Simulator) -> None:
    lines = failure(simulator, 5).splitlines()
    assert lines[0].startswith(f"tests.hw.bench_failure under {simulator}, seed 5: 1 of 3 failed; log: ")
    assert lines[1] == f"{FAILING}: build_probe.sum_o in cycle 6: wanted 9, got 7 (four and five)"


@simulators
def test_a_failure_shows_its_own_traceback_and_its_own_log(simulator: Simulator) -> None:
    message = failure(simulator, 5)
    assert 'expect(dut.sum_o, 9, "four and five")' in message
    assert "this is said by the case that fails, with seed 5" in message
    assert "said by the other case" not in message


@simulators
def test_its_last_line_runs_it_again_with_its_seed_and_with_waves(simulator: Simulator) -> None:
    command = failure(simulator, 5).splitlines()[-1].removeprefix("again, with waves: ")
    answer = subprocess.run(shlex.split(command), cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 1
    assert "seed 5: 1 of 1 failed" in answer.stderr
    assert "with seed 5" in answer.stderr
    assert (folder_of(answer.stderr) / WAVES[simulator]).stat().st_size > 0


@pytest.mark.parametrize(("options", "seed"), [(["--seed", "9"], 9), ([], 5)])
def test_a_run_is_repeated_as_it_was_or_with_another_seed(options: list[str], seed: int) -> None:
    folder = folder_of(failure("icarus", 5))
    again = [sys.executable, "-m", "hw.simulate", str(folder), "--case", FAILING, *options]
    answer = subprocess.run(again, cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 1
    assert f"with seed {seed}" in answer.stderr


def test_a_run_is_repeated_under_the_other_simulator() -> None:
    folder = folder_of(failure("icarus", 5))
    again = [sys.executable, "-m", "hw.simulate", str(folder), "--case", "one_that_passes", "--sim", "verilator"]
    answer = subprocess.run(again, cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert (
        json.loads((Path(answer.stdout.strip().partition(": ")[2]) / "run.json").read_text())["simulator"]
        == "verilator"
    )


def test_what_is_no_folder_of_a_run_is_told(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "hw.simulate", str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )
    assert answer.returncode == 2
    assert f"{tmp_path} is no folder of a run" in answer.stderr


def test_a_run_is_named_after_test_case_and_seed() -> None:
    run = simulate(probe("icarus"), "tests.hw.bench_failure", testcase="one_that_passes", seed=3)
    assert run.name == "test_a_run_is_named_after_test_case_and_seed.one_that_passes.seed3"


def test_pytest_gives_its_seed_to_every_simulation() -> None:
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/hw/test_failure.py"]
    argv += ["-k", "unseeded", "--rtl-seed", "77", "-o", "python_functions=unseeded_*"]
    answer = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 1
    assert "with seed 77" in answer.stdout
    assert "--waves" in answer.stdout


def unseeded_run() -> None:
    """For the test above."""
    simulate(probe("icarus"), "tests.hw.bench_failure")


def test_processor_time_counts_what_a_test_has_started() -> None:
    before = used_s()
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.3: pass"], check=True)
    assert used_s() - before > 0.3
