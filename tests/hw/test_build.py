"""A build is made once, is never stale, and a simulation ends as it should, whatever happens to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

import hw.build
from hw.build import ROOT, SIMULATORS, Build, BuildError, Simulator, build, closure, lint, simulate, tops

HERE = Path(__file__).parent
SOURCES = [HERE / "build_probe.v", HERE / "build_probe_part.v"]
BENCH = "tests.hw.bench_build"
STEP = {"STEP": "3"}

simulators = pytest.mark.parametrize("simulator", SIMULATORS)


def probe(simulator: Simulator, public: bool = False) -> Build:
    return build("build_probe", simulator, {"STEP": 3}, sources=SOURCES, public=public)


# ---- building


@simulators
def test_the_same_build_is_made_once(simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hw.build, "BUILDS", tmp_path)
    first = probe(simulator)
    made = (first.folder / "complete").stat().st_mtime_ns
    assert probe(simulator) == first
    assert (first.folder / "complete").stat().st_mtime_ns == made


def test_two_processes_share_one_build(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, hw.build\n"
        "hw.build.BUILDS = pathlib.Path(sys.argv[1])\n"
        "from tests.hw.test_build import probe\n"
        "print(probe('icarus').folder)\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    folders = {process.communicate(timeout=60)[0].strip() for process in processes}
    assert [process.returncode for process in processes] == [0, 0]
    (folder,) = folders
    assert (Path(folder) / "compile.log").read_text().count("iverilog") == 1


@simulators
def test_what_changes_the_result_changes_the_build(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parameters, flags and the text of any source; but not the text of a module that is not used."""
    monkeypatch.setattr(hw.build, "BUILDS", tmp_path / "builds")
    monkeypatch.setattr(hw.build, "_build_verilator", lambda *_: None)  # only the name of the folder matters here
    monkeypatch.setattr(hw.build, "_build_icarus", lambda *_: None)
    rtl = tmp_path / "rtl"
    rtl.mkdir()
    monkeypatch.setattr(hw.build, "RTL", rtl)
    (rtl / "upper.v").write_text("module upper #(parameter N = 1) (); lower u (); endmodule\n")
    (rtl / "lower.v").write_text("module lower (); endmodule\n")
    (rtl / "header.vh").write_text("// a header\n")
    (rtl / "other.v").write_text("module other (); endmodule\n")
    start = build("upper", simulator).folder
    assert build("upper", simulator, {"N": 2}).folder != start
    assert build("upper", simulator, waves=True).folder != start
    assert build("upper", simulator, public=True).folder != start
    (rtl / "other.v").write_text("module other (); wire w; endmodule\n")
    assert build("upper", simulator).folder == start
    for name in ("upper.v", "lower.v", "header.vh"):
        text = (rtl / name).read_text()
        (rtl / name).write_text(text + "// changed\n")
        assert build("upper", simulator).folder != start, name
        (rtl / name).write_text(text)
    assert build("upper", simulator).folder == start


@simulators
def test_a_compile_error_names_its_place_and_the_log(simulator: Simulator, tmp_path: Path) -> None:
    broken = tmp_path / "broken.v"
    broken.write_text("module broken (input wire a_i);\n  assign nowhere.b = a_i;\nendmodule\n")
    for _ in range(2):  # a failed build is not taken for a complete one
        with pytest.raises(BuildError, match=r"broken\.v:2.*log: ") as caught:
            build("broken", simulator, sources=[broken])
    assert "\n" not in str(caught.value)


def test_an_unknown_top_is_named() -> None:
    with pytest.raises(FileNotFoundError, match="no_such_module"):
        build("no_such_module", "icarus")


# ---- simulating


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
    with pytest.raises(TimeoutError, match="longer than 2 s"):
        simulate(
            probe(simulator), BENCH, testcase="this_one_never_ends",
            environment={"PID_FILE": str(pid_file)}, timeout_s=2,
        )  # fmt: skip
    assert gone(int(pid_file.read_text()))


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@simulators
def test_no_simulator_outlives_its_caller(simulator: Simulator, signum: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C, a polite kill and a hard one."""
    probe(simulator)
    pid_file = tmp_path / "pid"
    script = (
        "from tests.hw.test_build import BENCH, probe\n"
        "from hw.build import simulate\n"
        f"simulate(probe('{simulator}'), BENCH, testcase='this_one_never_ends', "
        f"environment={{'PID_FILE': {str(pid_file)!r}}})\n"
    )
    caller = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        wait_until(pid_file.exists)
        os.kill(caller.pid, signum)
        assert caller.wait(timeout=20) != 0
    finally:
        caller.kill()
    wait_until(lambda: gone(int(pid_file.read_text())))


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


# ---- lint


@simulators
def test_all_rtl_is_lint_clean(simulator: Simulator) -> None:
    """`verilator --lint-only -Wall` with the waivers of hw/rtl/*waivers.vlt, `iverilog -g2005 -Wall`."""
    names = tops()
    covered = {path for top in names for path in closure(top)}
    assert covered == set(hw.build.RTL.glob("*.v"))
    assert [line for top in names for line in lint(simulator, top)] == []


@simulators
def test_lint_complains(simulator: Simulator, tmp_path: Path) -> None:
    sloppy = tmp_path / "sloppy.v"
    sloppy.write_text("module sloppy (input wire [7:0] a_i, output wire [3:0] b_o);\n  assign b_o = c;\nendmodule\n")
    assert lint(simulator, "sloppy", [sloppy]) != []


def test_every_waiver_has_a_reason() -> None:
    lines = [line for path in hw.build.RTL.glob("*waivers.vlt") for line in path.read_text().splitlines()]
    for before, line in pairwise(lines):
        if line.startswith("lint_off"):
            assert before.startswith(("// ", "lint_off")), line
