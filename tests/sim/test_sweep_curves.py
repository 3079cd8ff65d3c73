# SPDX-License-Identifier: MIT
"""The curves of a sweep: a figure over every key that is varied by numbers, in the command that runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from sim.cli import cli
from sim.page import Lines, render
from sim.sweep.curves import curve
from sim.sweep.folder import read_table
from sim.sweep.page import sweep_page
from tests.sim.drawn import plots
from tests.sim.scenes import write_scenario

SIZES = "cram.media_bytes=32K,64K,128K"


def sweep(folder: Path, *arguments: str) -> Result:
    """A sweep of a small scenario."""
    scenario = str(write_scenario(folder))
    command = ["sweep", scenario, "--sim", "model", "--jobs", "1", "--over", SIZES, "-o", str(folder / "out")]
    return CliRunner().invoke(cli, [*command, *arguments])


def test_one_command_gives_the_curve_of_a_programs_faults_over_three_sizes_of_the_device(tmp_path: Path) -> None:
    result = sweep(tmp_path, "--figure", "faults.soft_fault.count", "--figure", "kernel.pgfault")
    assert result.exit_code == 0, result.output
    rows = read_table(tmp_path / "out").to_dicts()
    drawn = plots((tmp_path / "out" / "report.html").read_text())
    curves = [title for title in drawn if title.endswith(" over cram.media_bytes")]
    assert curves == [f"{name} over cram.media_bytes" for name in ("faults.soft_fault.count", "kernel.pgfault")]
    for title in curves:
        assert drawn[title]["x"] == [32 << 10, 64 << 10, 128 << 10]
        assert drawn[title]["series"][0]["values"] == [row[title.partition(" ")[0]] for row in rows]


def test_a_figure_that_no_run_has_is_one_line_and_the_table_stays(tmp_path: Path) -> None:
    result = sweep(tmp_path, "--figure", "nothing")
    assert result.exit_code != 0 and result.exception is not None
    assert "no run that passed has the figure nothing" in f"{result.output}{result.exception}"
    assert len(read_table(tmp_path / "out")) == 3


def test_a_figure_that_the_first_run_has_not_is_told_then_with_the_name_that_was_meant(tmp_path: Path) -> None:
    result = sweep(tmp_path, "--figure", "kernel.pgfaults")
    told, _, after = result.output.partition("3 of 3 runs")
    assert "the first run has no figure kernel.pgfaults; did you mean kernel.pgfault?" in told, result.output
    assert after


def test_each_combination_of_the_other_keys_is_a_line() -> None:
    rows = [{"size": size, "order": order, "faults": size * len(order)} for size in (1, 2) for order in ("a", "bb")]
    plot = curve(rows, ["size", "order"], "size", "faults")
    assert isinstance(plot, Lines)
    assert [(line.name, line.values) for line in plot.series] == [("order=a", [1, 2]), ("order=bb", [2, 4])]


def test_runs_that_failed_are_left_out() -> None:
    rows: list[dict[str, Any]] = [
        {"point": size, "status": "passed", "size": size, "faults": size, "reason": None} for size in (1, 2)
    ]
    rows.append({"point": 3, "status": "failed", "size": 3, "reason": "it broke"})
    page = sweep_page("name", {"varied": ["size"], "sim": "model", "settings": {}}, rows, ["faults"])
    assert plots(render(page))["faults over size"]["x"] == [1, 2]
