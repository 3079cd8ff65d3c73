# SPDX-License-Identifier: MIT
"""The curves of a sweep: a figure over every key that is varied by numbers, in the command that runs it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sim.cli import cli
from sim.sweep.curves import curves
from sim.sweep.folder import SweepError, read_table
from tests.sim.scenes import write_scenario

SIZES = "cram.media_bytes=32K,64K,128K"


def sweep(folder: Path, *arguments: str) -> Result:
    """A sweep of a small scenario that is drawn into curves.html."""
    scenario = str(write_scenario(folder))
    command = ["sweep", scenario, "--sim", "model", "--jobs", "1", "-o", str(folder / "out")]
    return CliRunner().invoke(cli, [*command, "--html", str(folder / "curves.html"), *arguments])


def plots(page: str) -> list[dict[str, Any]]:
    """What a page draws."""
    found = re.search(r"\[\{\"title\".*?\}\](?=<|;|\s)", page)
    assert found is not None
    made: list[dict[str, Any]] = json.loads(found[0])
    return made


def test_one_command_gives_the_curve_of_a_programs_faults_over_three_sizes_of_the_device(tmp_path: Path) -> None:
    result = sweep(tmp_path, "--over", SIZES, "--figure", "kernel.pgfault")
    assert result.exit_code == 0, result.output
    rows = read_table(tmp_path / "out").to_dicts()
    (plot,) = plots((tmp_path / "curves.html").read_text())
    assert plot["x"] == [32 << 10, 64 << 10, 128 << 10]
    assert plot["series"][0]["values"] == [row["kernel.pgfault"] for row in rows]


def test_each_combination_of_the_other_keys_is_a_line() -> None:
    rows = [
        {"status": "passed", "size": size, "order": order, "faults": size * len(order)}
        for size in (1, 2)
        for order in ("a", "bb")
    ]
    (plot,) = plots(curves(rows, ["size", "order"], ["faults"], "title"))
    assert [(line["name"], line["values"]) for line in plot["series"]] == [("order=a", [1, 2]), ("order=bb", [2, 4])]


def test_runs_that_failed_are_left_out() -> None:
    rows = [{"status": "passed", "size": size, "faults": size} for size in (1, 2)]
    (plot,) = plots(curves([*rows, {"status": "failed", "size": 3}], ["size"], ["faults"], "title"))
    assert plot["x"] == [1, 2]


@pytest.mark.parametrize(
    ("varied", "figure", "said"), [("size", "nothing", "has the figure nothing"), ("order", "faults", "no curve")]
)
def test_what_cannot_be_drawn_is_said(varied: str, figure: str, said: str) -> None:
    rows = [{"status": "passed", "size": 1, "order": order, "faults": 1} for order in ("a", "b")]
    with pytest.raises(SweepError, match=said):
        curves(rows, [varied], [figure], "title")
