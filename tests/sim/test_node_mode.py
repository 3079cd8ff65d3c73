# SPDX-License-Identifier: MIT
"""A run with the device as a memory node: what its figures, its report and its views call it."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from sim.run.execute import run_in_process
from sim.run.flows import flows
from sim.run.live import live_view
from sim.run.metrics import Result
from sim.run.report import FAULTS, figures
from sim.scenario.scenario import Scenario
from sim.trace.file import Trace
from tests.sim.scenes import write_scenario

NODE = "cram (node)"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, str]:
    """The result of a run, and what its live view has drawn."""
    folder = tmp_path_factory.mktemp("node")
    scenario = Scenario.load(write_scenario(folder, cram={"mode": "node"}, workload={"rounds": 3}))
    trace = Trace.load(Path(scenario.workload.trace))
    drawn = StringIO()
    screen = Console(file=drawn, force_terminal=True, width=120, height=40)
    with live_view(screen, "small", "model", scenario) as report:
        result = run_in_process(scenario, "model", trace, folder / "swapfile", "small", report, live=True)
    return result, drawn.getvalue()


@pytest.fixture(scope="module")
def result(ran: tuple[Result, str]) -> Result:
    return ran[0]


def test_a_run_in_node_mode_ends_well(result: Result) -> None:
    assert result.ok and result.settings["cram.mode"] == "node"
    assert result.reads_verified > 500 and result.pages_verified > 100


def test_faults_are_told_by_kind_and_none_is_a_soft_one(result: Result) -> None:
    assert "soft_fault" not in result.faults and result.soft_faults == 0
    assert result.faults["promotion"].count == result.promotions > 20
    assert result.accesses["cram"].count > 50, "reads of the device take no fault"
    assert result.faults.keys() <= FAULTS.keys()


def test_the_node_has_a_name_of_its_own_in_the_timeline_the_moves_and_the_closings(result: Result) -> None:
    assert list(result.timeline[-1].pages) == ["dram", "zero", NODE, "zswap", "swapfile"]
    assert result.timeline[-1].pages[NODE] == result.tiers["cram_pages"]
    assert result.stored[NODE] == sum(result.kernel[f"pgdemote_{by}"] for by in ("kswapd", "direct", "proactive"))
    assert result.closings and {closing.node for closing in result.closings} == {NODE}
    moved = flows(result.stored, result.moves, result.loaded, result.promotions)
    assert moved["DRAM", NODE] == result.stored[NODE] and moved[NODE, "DRAM"] == result.promotions
    assert any(source == NODE and target != "DRAM" for source, target in moved), "the node was swapped out from"
    assert not any("cram" in way for way in moved), "and there is no other CRAM"


def test_the_report_tells_of_demotions_once(result: Result) -> None:
    told = {figure.name: figure.value for figure in figures(result)}
    by = [result.kernel[f"pgdemote_{name}"] for name in ("kswapd", "direct", "proactive")]
    assert told["demoted: kswapd / direct / asked"] == " / ".join(f"{pages:,}" for pages in by)
    names = [figure.name.lower() for figure in figures(result)]
    assert len(names) == len(set(names)), "no move has two rows"
    moves = [figure.name for figure in figures(result) if figure.group == "Writeback"]
    assert not any(NODE in name for name in moves), "the row of a move is called as in swap mode"
    assert "soft faults" not in told


def test_the_live_view_shows_the_node_by_its_name(ran: tuple[Result, str]) -> None:
    assert NODE in ran[1]
