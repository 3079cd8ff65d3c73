# SPDX-License-Identifier: MIT
"""A build is made once and is never stale."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cocotb_tools.config
import pytest

import hw.build
import hw.sources
from hw.build import Build, BuildError, build, planned
from hw.simulate import simulate
from hw.sources import ROOT
from hw.tools import SIMULATORS, Simulator, verilator
from tests.hw.probe import BENCH, SOURCES, STEP
from tests.marks import first_in_test

simulators = pytest.mark.parametrize("simulator", SIMULATORS)


@pytest.fixture(scope="module", params=first_in_test(["icarus", "verilator"]))  # afresh, with all of its runtime
def spaced(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Build]]:
    """Makes a build all of whose paths have a space in them: its own, the sources', the tools' and the libraries'."""
    folder = tmp_path_factory.mktemp("builds") / "a folder"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VCRAM_BUILD", str(folder / "the builds"))
        (folder / "cocotb libs").symlink_to(cocotb_tools.config.libs_dir)
        patch.setattr(cocotb_tools.config, "libs_dir", folder / "cocotb libs")
        if root := verilator().environment.get("VERILATOR_ROOT"):
            (folder / "the tool").symlink_to(root)
            tool = replace(verilator(), environment={"VERILATOR_ROOT": str(folder / "the tool")})
            patch.setattr(hw.build, "verilator", lambda: tool)
        sources = [Path(shutil.copy(source, folder)) for source in SOURCES]
        yield lambda: build("build_probe", request.param, {"STEP": 3}, sources=sources)


def test_the_same_build_is_made_once(spaced: Callable[[], Build]) -> None:
    first = spaced()
    made = (first.folder / "complete").stat().st_mtime_ns
    assert spaced() == first
    assert (first.folder / "complete").stat().st_mtime_ns == made


def test_a_build_in_a_path_with_a_space_runs(spaced: Callable[[], Build]) -> None:
    built = spaced()
    assert " " in str(built.folder)
    simulate(built, BENCH, testcase="ports_are_read_and_written_a_page_wide", environment=STEP)


def test_two_processes_share_one_build(tmp_path: Path) -> None:
    script = "from tests.hw.probe import probe\nprint(probe('icarus').folder)\n"
    environment = os.environ | {"VCRAM_BUILD": str(tmp_path)}
    processes = [
        subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    folders = {process.communicate(timeout=300)[0].strip() for process in processes}
    assert [process.returncode for process in processes] == [0, 0]
    (folder,) = folders
    assert (Path(folder) / "compile.log").read_text().count("iverilog") == 1


@simulators
def test_what_changes_the_result_changes_the_build(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parameters, flags and the text of any source; but not the text of a module that is not used."""
    monkeypatch.setenv("VCRAM_BUILD", str(tmp_path / "builds"))
    rtl = tmp_path / "rtl"
    rtl.mkdir()
    for module in (hw.build, hw.sources):
        monkeypatch.setattr(module, "RTL", rtl)
    (rtl / "upper.v").write_text("module upper #(parameter N = 1) (); lower u (); endmodule\n")
    (rtl / "lower.v").write_text("module lower (); endmodule\n")
    (rtl / "header.vh").write_text("// a header\n")
    (rtl / "other.v").write_text("module other (); endmodule\n")
    start = planned("upper", simulator).folder
    assert planned("upper", simulator, {"N": 2}).folder != start
    assert planned("upper", simulator, waves=True).folder != start
    assert planned("upper", simulator, public=True).folder != start
    (rtl / "other.v").write_text("module other (); wire w; endmodule\n")
    assert planned("upper", simulator).folder == start
    for name in ("upper.v", "lower.v", "header.vh"):
        text = (rtl / name).read_text()
        (rtl / name).write_text(text + "// changed\n")
        assert planned("upper", simulator).folder != start, name
        (rtl / name).write_text(text)
    assert planned("upper", simulator).folder == start


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
