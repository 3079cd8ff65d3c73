# SPDX-License-Identifier: MIT
"""Runs from end to end, as a user starts them: on the RTL under both simulators and on the model, and what happens when
one is stopped or killed."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from hw.link import PAGE_BYTES
from sim.scenario.scenario import Scenario, find
from tests.marks import VERIFY, first_in_test
from tests.sim.scenes import MAIN_DEVICE, Command, wait, write_scenario

SWAPFILE_PAGES = 512


def run(*arguments: object) -> tuple[int, str, str]:
    return Command("run", *arguments).finish()


def figures(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text())
    return values


def check_main(values: dict[str, Any]) -> None:
    """What the main job must show."""
    assert values["mismatches"] == 0
    assert values["problems"] == []
    assert values["events_done"] == values["events"] > 10_000
    assert values["stores"] >= 2_000
    assert values["loads"] >= 2_000
    assert values["cycles"] > 0
    for name in ("soft_faults", "promotions"):
        assert values[name] > 0, name
    for name in ("cram_to_zswap", "cram_to_swapfile", "zswap_to_swapfile"):
        assert values["writebacks"][name] > 0, name
    for name in ("zswpin", "zswpout", "pswpin", "pswpout", "swpin_zero", "swpout_zero", "node_closed"):
        assert values["kernel"][name] > 0, name


def test_a_group_of_a_scenario_keeps_its_limits_and_its_figures_are_in_the_result(tmp_path: Path) -> None:
    group = {"spaces": [0], "memory_max": 8, "swap_max": 200, "zswap_writeback": True}
    sections: dict[str, Any] = {"memory": {"limit_pages": 64}, "memcg.small": group}
    path = write_scenario(tmp_path, **sections)
    status, _, errors = run(path, "--sim", "model", "--json", tmp_path / "out.json", "--report", tmp_path / "out.html")
    assert status == 0, errors
    small = figures(tmp_path / "out.json")["memcgs"]["small"]
    assert 0 < small["memory.current"] <= 8 and 0 < small["memory.swap.current"] <= 200 and small["events.max"]


# The main job


@pytest.mark.parametrize("sim", first_in_test(["model", "verilated", "verilator"]))
def test_the_main_job_uses_every_tier_and_every_page_comes_back(tmp_path: Path, sim: str) -> None:
    files = ["--json", tmp_path / "main.json", "--report", tmp_path / "main.html"]
    status, output, errors = run("--sim", sim, "--rounds", 1, *files)
    assert status == 0, errors
    check_main(figures(tmp_path / "main.json"))
    assert "0 mismatches" in output
    report = (tmp_path / "main.html").read_text()
    assert "passed" in report
    assert "src=" not in report and "href=" not in report, "it needs nothing beside it"


@VERIFY
def test_the_same_scenario_and_seed_give_the_same_bytes(tmp_path: Path) -> None:
    common = ["--sim", "model", "--rounds", "2", "--report", tmp_path / "r.html"]
    for number in (1, 2):
        assert run(*common, "--json", tmp_path / f"{number}.json")[0] == 0
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "2.json").read_bytes()
    assert run(*common, "--seed", "7", "--json", tmp_path / "7.json")[0] == 0
    assert figures(tmp_path / "7.json")["seed"] == 7


def test_a_small_scenario_gives_the_same_bytes_again_on_the_rtl(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path, cram=MAIN_DEVICE)
    for number in (1, 2):
        status, _, errors = run(scenario, "--json", tmp_path / f"{number}.json", "--report", tmp_path / "r.html")
        assert status == 0, errors
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "2.json").read_bytes()


@VERIFY
def test_icarus_verilator_and_the_library_agree_on_every_figure_and_every_nanosecond(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path, pages=24, cram=MAIN_DEVICE)
    seen = {}
    for sim in ("verilator", "icarus", "verilated"):
        output = tmp_path / f"{sim}.json"
        status, _, errors = run(scenario, "--sim", sim, "--json", output, "--report", tmp_path / "r.html")
        assert status == 0, errors
        seen[sim] = figures(output) | {"sim": ""}
    assert seen["icarus"]["stores"] > 0 and seen["icarus"]["loads"] > 0
    assert seen["icarus"] == seen["verilator"] == seen["verilated"]


# Stopped and killed


@pytest.fixture
def swapping(tmp_path: Path) -> Path:
    """The main job's trace on a machine that swaps to a file of its own first, and to the device for a long while."""
    return write_scenario(
        tmp_path,
        workload={"trace": Scenario.load(find("main")).workload.trace},
        memory={"limit_pages": 200},
        cram=MAIN_DEVICE,
        tiers={"order": ["swapfile", "cram"]},
        swapfile={"path": "swapfile", "pages": SWAPFILE_PAGES},
    )


def start(scenario: Path) -> tuple[Command, int]:
    """A run under Verilator that has swapped pages out, and the process id of its simulator."""
    command = Command("run", scenario, "--sim", "verilator")
    simulator = command.wait_for("/simulation ")
    swapfile = scenario.parent / "swapfile"
    wait(lambda: [1] if swapfile.exists() and swapfile.stat().st_blocks * 512 > 50 * PAGE_BYTES else [], 60)
    return command, simulator


def check_swapfile(path: Path) -> None:
    """It is there, whole, carries its signature, and holds pages."""
    data = path.read_bytes()
    assert len(data) == PAGE_BYTES * (SWAPFILE_PAGES + 1)
    assert data[PAGE_BYTES - 10 : PAGE_BYTES] == b"SWAPSPACE2"
    assert any(data[PAGE_BYTES:])


@VERIFY
def test_a_killed_simulator_is_one_line_and_leaves_the_swapfile_alone(swapping: Path, tmp_path: Path) -> None:
    command, simulator = start(swapping)
    os.kill(simulator, signal.SIGSTOP)
    before = (tmp_path / "swapfile").read_bytes()
    os.kill(simulator, signal.SIGKILL)
    status, _, errors = command.finish()
    assert status == 1
    (line,) = [line for line in errors.splitlines() if line.startswith("vcram: ")]
    assert line.startswith("vcram: the verilator simulation was killed by SIGKILL after ")
    assert f"the swapfile is left as it was: {tmp_path / 'swapfile'}" in line
    assert Path(line.partition("log: ")[2].partition(";")[0]).is_file()
    assert "Traceback" not in errors
    assert (tmp_path / "swapfile").read_bytes() == before
    check_swapfile(tmp_path / "swapfile")
    assert command.left_behind() == []


@VERIFY
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_one_line_and_leaves_no_simulator(
    swapping: Path, tmp_path: Path, number: signal.Signals
) -> None:
    command, _ = start(swapping)
    command.interrupt(number)
    status, _, errors = command.finish()
    assert status == 130
    assert errors.splitlines()[-1] == f"vcram: interrupted by {number.name}; nothing is left running"
    assert "Traceback" not in errors
    assert command.left_behind() == []
    check_swapfile(tmp_path / "swapfile")


def test_an_interrupt_while_the_rtl_compiles_leaves_no_compiler(tmp_path: Path) -> None:
    other = write_scenario(tmp_path, cram={"cache_pages": 13})  # nobody has compiled this one
    command = Command("run", other)
    command.wait_for("cc1plus")
    command.interrupt(signal.SIGTERM)
    status, _, errors = command.finish()
    assert status == 130
    assert errors.splitlines()[-1] == "vcram: interrupted by SIGTERM; nothing is left running"
    assert command.left_behind() == []


@pytest.mark.parametrize("sim", ["verilated", "verilator"])
def test_rtl_that_does_not_compile_is_one_line_with_the_log(tmp_path: Path, sim: str) -> None:
    compiler = tmp_path / "g++"
    compiler.write_text('#!/bin/sh\n[ "$1" = --version ] && echo broken 1.0 && exit\necho "error: no" >&2; exit 1\n')
    compiler.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    status, output, errors = Command("run", write_scenario(tmp_path), "--sim", sim, PATH=path).finish()
    assert status == (3 if sim == "verilated" else 1)  # a simulator compiles in a process of its own
    assert output == ""
    line = errors.splitlines()[-1]
    assert line.startswith("vcram: ")
    assert "does not compile under verilator: error: no" in line
    assert Path(line.partition("log: ")[2].rstrip(")")).is_file()
    assert "Traceback" not in errors


@VERIFY
def test_a_simulator_does_not_outlive_a_command_that_was_killed(swapping: Path) -> None:
    command, _ = start(swapping)
    command.interrupt(signal.SIGKILL)
    command.finish()
    assert command.left_behind() == []


@pytest.mark.parametrize("sim", ["verilated", "model"])
def test_a_run_in_this_process_is_interrupted_in_one_line_too(sim: str) -> None:
    command = Command("run", "--sim", sim)
    command.read_until("replay the trace: ")
    command.interrupt(signal.SIGINT)
    status, _, errors = command.finish()
    assert (status, errors.splitlines()[-1]) == (130, "vcram: interrupted by SIGINT; nothing is left running")
