# SPDX-License-Identifier: MIT
"""The live view: what is on the screen at two widths, and nothing of it where there is no terminal."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from hw.engines import ENGINES
from sim.run.execute import run_in_process
from sim.run.live import Screen
from sim.run.metrics import Progress
from sim.scenario.scenario import Scenario
from sim.trace.file import Trace
from tests.sim.scenes import Command, write_scenario


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Scenario, list[Progress]]:
    """A run on the model, as it reported itself."""
    folder = tmp_path_factory.mktemp("live")
    scenario = Scenario.load(write_scenario(folder))
    seen: list[Progress] = []
    trace = Trace.load(Path(scenario.workload.trace))
    assert run_in_process(scenario, "model", trace, folder / "swapfile", "small", seen.append, live=True).ok
    return scenario, seen


def drawn(scenario: Scenario, seen: list[Progress], width: int, sim: str = "verilated") -> list[str]:
    """The lines of the screen after these reports."""
    screen = Screen("small", sim, scenario)
    for progress in seen:
        screen.take(progress)
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(screen.draw(width))
    return capture.get().splitlines()


@pytest.mark.parametrize("width", [80, 200])
def test_the_screen_shows_tiers_media_faults_and_closings_and_fits(
    ran: tuple[Scenario, list[Progress]], width: int
) -> None:
    scenario, seen = ran
    lines = drawn(scenario, seen, width)
    text = "\n".join(lines)
    last = seen[-1].view
    assert last is not None and last.p99_ns is not None
    for tier, pages in last.pages.items():
        assert any(line.lstrip().startswith(tier) and f"{pages:,}" in line for line in lines), tier
    assert f"{seen[-1].faults:,}, p99 {last.p99_ns:,} ns" in text
    assert "closed to new pages" in text
    assert "busy" in text
    assert max(map(len, lines)) <= width
    assert len(lines) <= 24, "it fits on a terminal of the usual height"


@pytest.mark.parametrize("width", [80, 200])
def test_the_load_of_each_engine_is_shown(ran: tuple[Scenario, list[Progress]], width: int) -> None:
    line = next(line for line in drawn(*ran, width) if "compressor" in line)
    shares = [float(share) for share in re.findall(r"([\d.]+) %", line.partition("compressor")[2])]
    assert all(engine in line for engine in ENGINES)
    assert len(shares) == len(ENGINES) and all(0 <= share <= 100 for share in shares)


def test_the_load_is_the_share_of_the_time_since_the_view_before(ran: tuple[Scenario, list[Progress]]) -> None:
    scenario, seen = ran
    last = seen[-1]
    assert last.view is not None
    later = last.view.model_copy(
        update={
            "simulated_ns": last.view.simulated_ns + 1_000,
            "engines": last.view.engines | {"media": last.view.engines["media"] + 250},
        }
    )
    text = "\n".join(drawn(scenario, [last, last.model_copy(update={"view": later})], 80))
    assert re.search(r"media \S? *25 %", text) and re.search(r"compressor +0.0 %", text)


def test_wide_terminals_have_two_parts_side_by_side(ran: tuple[Scenario, list[Progress]]) -> None:
    assert len(drawn(*ran, 200)) < len(drawn(*ran, 80))


def test_the_models_clock_that_never_stops_says_nothing_of_a_load(ran: tuple[Scenario, list[Progress]]) -> None:
    assert "busy" not in "\n".join(drawn(*ran, 80, sim="model"))


def test_of_a_long_name_of_a_tier_the_end_is_shown(ran: tuple[Scenario, list[Progress]]) -> None:
    last = ran[1][-1]
    assert last.view is not None
    view = last.view.model_copy(update={"pages": {"examples/tier/file_tier.py:file_tier": 7}})
    lines = drawn(ran[0], [last.model_copy(update={"view": view})], 80)
    assert any(line.startswith("…y:file_tier ") and " 7 " in line for line in lines)


def test_before_the_machine_is_there_the_screen_says_what_is_under_way(ran: tuple[Scenario, list[Progress]]) -> None:
    assert "compile for verilated" in drawn(ran[0], [Progress(phase="compile", done=0, total=1)], 80)[0]


def test_where_there_is_no_terminal_there_are_lines_and_the_figures_are_the_same(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path)
    for name, more in (("plain", ()), ("live", ("--live",))):
        figures, report = tmp_path / f"{name}.json", tmp_path / "r.html"
        status, _, errors = Command(
            "run", scenario, "--sim", "model", "--json", figures, "--report", report, *more
        ).finish()
        assert status == 0
        assert "replay the trace: " in errors and "\x1b" not in errors
    assert (tmp_path / "plain.json").read_bytes() == (tmp_path / "live.json").read_bytes()


def on_a_terminal(folder: Path, term: str) -> str:
    """What a live run writes to a terminal of this kind."""
    scenario = write_scenario(folder)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "sim.cli", "run", str(scenario), "--sim", "model", "--live", "--report",
               str(folder / "r.html")]  # fmt: skip
    environment = os.environ | {"TERM": term, "COLUMNS": "80", "LINES": "40"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                more = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not more:
                break
            shown += more
    os.close(ours)
    assert process.returncode == 0
    return shown.decode()


def test_a_terminal_that_cannot_redraw_gets_lines(tmp_path: Path) -> None:
    text = on_a_terminal(tmp_path, "dumb")
    assert "replay the trace: " in text and "\x1b" not in text


def test_on_a_terminal_it_is_drawn_and_the_table_comes_after_it(tmp_path: Path) -> None:
    text = on_a_terminal(tmp_path, "xterm")
    assert 0 < text.index("p99") < text.index("0 mismatches")
