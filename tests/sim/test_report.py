# SPDX-License-Identifier: MIT
"""The report: one page that says first whether all is well, with every plot drawn, without a network."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hw.links.in_process import InProcess
from hw.sources import ROOT
from sim.page import Bar, Flow, Lines, Notes, Page, Part, Section, Series, Table, render
from sim.run.execute import run_in_process
from sim.run.html import page, write_html
from sim.run.metrics import Result
from sim.scenario.scenario import Scenario
from sim.trace.file import Trace, TraceWriter, save
from tests.marks import VERIFY
from tests.sim.browser import Browser
from tests.sim.drawn import DRAWN, check_drawn, plots
from tests.sim.scenes import HEADER, MAIN_DEVICE, Command, write_scenario

UPLOT = ROOT / "sim" / "page" / "uplot"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Scenario, Result]:
    """A run in which a node is closed now and then, on the model."""
    folder = tmp_path_factory.mktemp("report")
    scenario = Scenario.load(write_scenario(folder))
    trace = Trace.load(Path(scenario.workload.trace))
    result = run_in_process(scenario, "model", trace, folder / "swapfile", "small", lambda _: None)
    assert result.ok and result.closings
    return scenario, result


@pytest.fixture(scope="module")
def text(ran: tuple[Scenario, Result]) -> str:
    scenario, result = ran
    return render(page(result, scenario, {"simulator": "model"}))


def rows(text: str) -> Iterator[list[str]]:
    """The cells of each row of the tables in a page."""
    for row in re.findall(r"(?s)<tr>(.*?)</tr>", text):
        yield re.findall(r"<td[^>]*>(.*?)</td>", row)


# What is in it


def test_the_verdict_comes_first_and_the_plots_before_the_tables_of_figures(text: str) -> None:
    body = text.partition("<body>")[2]
    parts = ('class="verdict good"', "data-plot=", "<h2>Figures</h2>", "<h2>The run</h2>")
    places = [body.index(part) for part in parts]
    assert places == sorted(places)
    assert body.index("Passed.") < body.index("data-plot=")


def test_a_run_that_failed_says_so_and_names_its_problems_before_any_plot(ran: tuple[Scenario, Result]) -> None:
    scenario, result = ran
    bad = result.model_copy(update={"mismatches": 1, "problems": ["page 3 of space 0 differs <here>"]})
    failed = render(page(bad, scenario, {}))
    assert (
        failed.index("Failed.")
        < failed.index("<li>page 3 of space 0 differs &lt;here&gt;</li>")
        < failed.index("data-plot")
    )


def test_no_figure_of_a_table_is_zero(text: str) -> None:
    figures = text.partition("<h2>Figures</h2>")[2].partition("<h2>The run</h2>")[0]
    found = [cells for cells in rows(figures) if cells]
    assert len(found) > 30
    assert [cells for cells in found if {"0", "0 / 0"} & set(cells[1:])] == []


def test_cycles_are_named_once(text: str) -> None:
    assert [cells for cells in rows(text) if "cycles" in cells[:2]] != []
    assert sum("cycles" in cells[:2] for cells in rows(text)) == 1


def test_every_setting_is_in_it_the_versions_and_the_commit_too(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path)
    report = tmp_path / "r.html"
    assert Command("run", scenario, "--sim", "model", "--report", report).finish()[0] == 0
    found = dict(cells for cells in rows(report.read_text()) if len(cells) == 2)
    assert found["memory.limit_pages"] == "16" and found["cram.media_bytes"] == "65536"
    assert "zswap.max_pool_percent" in found, "one that was left at its default"
    assert found["vcram"] and found["Python"] and found["seed"] == "0"
    assert re.match(r"[0-9a-f]{12}", found["commit"])


def test_every_closing_of_the_node_is_a_band_of_every_plot_over_time(ran: tuple[Scenario, Result], text: str) -> None:
    bands = [[closing.from_ns, closing.to_ns] for closing in ran[1].closings]
    over_time = [plot for plot in plots(text).values() if plot.get("group") == "time"]
    assert len(over_time) == 4
    assert all(plot["bands"] == bands for plot in over_time)


def test_each_tier_of_the_machine_has_its_line_and_each_kind_of_fault_too(
    ran: tuple[Scenario, Result], text: str
) -> None:
    _, result = ran
    used = {name for sample in result.timeline for name, pages in sample.pages.items() if pages}
    assert {series["name"] for series in plots(text)["Pages"]["series"]} == used >= {"dram", "cram", "swapfile"}
    assert {series["name"] for series in plots(text)["Faults"]["series"]} == set(result.faults)


def test_the_line_of_a_kind_of_fault_falls_from_all_to_none_at_its_longest(
    ran: tuple[Scenario, Result], text: str
) -> None:
    plot = plots(text)["Faults"]
    for series in plot["series"]:
        points = [(x, value) for x, value in zip(plot["x"], series["values"], strict=True) if value is not None]
        values = [value for _, value in points]
        assert values == sorted(values, reverse=True)
        assert points[-1][0] == ran[1].faults[series["name"]].histogram[-1][0]
        assert values[-1] == plot["y_range"][0]


# As a file


def test_the_page_needs_nothing_beside_it(text: str) -> None:
    assert not re.search(r"""\b(?:src|href)=|url\(|@import|\bfetch\(|XMLHttpRequest""", text)
    assert len(text) < 1_000_000


def test_what_the_page_says_is_text_and_can_end_no_element() -> None:
    nasty = "</script><b>"
    lines = Lines(nasty, nasty, x=[0, 1], series=[Series(nasty, [1, 2])])
    made = render(Page(nasty, True, nasty, [Section(nasty, [lines, Notes([nasty]), Table([nasty], [[nasty]])])]))
    assert nasty not in made
    assert plots(made)[nasty]["series"][0]["name"] == nasty


def test_the_plot_library_is_the_one_of_its_package_and_its_licence_goes_with_it(text: str) -> None:
    source = tomllib.loads((UPLOT / "SOURCE.toml").read_text())
    files = {path.name: path for path in UPLOT.iterdir() if path.name != "SOURCE.toml"}
    assert {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()} == source["sha256"]
    assert (
        files["uPlot.iife.min.js"]
        .read_text()
        .startswith(f"/*! https://github.com/leeoniya/uPlot (v{source['version']})")
    )
    assert files["LICENSE"].read_text() in text


# In a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as made:
        yield made


@pytest.fixture(scope="module")
def file(ran: tuple[Scenario, Result], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_html(ran[1], path, ran[0], {})
    return path


@VERIFY
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_every_plot_is_drawn_and_the_console_is_silent(browser: Browser, file: Path, width: int, dark: bool) -> None:
    check_drawn(browser, file, width, dark=dark)


RUNS: dict[str, tuple[InProcess, dict[str, Any]]] = {
    "RTL": ("verilated", {"cram": MAIN_DEVICE, "memory": {"limit_pages": 16}}),
    "one tier": ("model", {"tiers": {"order": ["swapfile"]}}),
    "own tier": ("model", {"tiers": {"order": ["cram", f"{ROOT}/examples/tier/file_tier.py:file_tier"]}}),
    "several nodes": ("model", {"tiers": {"order": ["cram", "cram1", "zswap", "swapfile"]}}),
    "memory for all": ("model", {"memory": {"limit_pages": 4096}}),
}


@VERIFY
@pytest.mark.parametrize("case", RUNS)
def test_the_plots_of_any_run_are_drawn(browser: Browser, tmp_path: Path, case: str) -> None:
    sim, sections = RUNS[case]
    scenario = Scenario.load(write_scenario(tmp_path, **sections))
    trace = Trace.load(Path(scenario.workload.trace))
    result = run_in_process(scenario, sim, trace, tmp_path / "swapfile", "small", lambda _: None)
    assert result.ok, result.problems
    write_html(result, tmp_path / "report.html", scenario, {})
    for width in (400, 1280):
        check_drawn(browser, tmp_path / "report.html", width)


@pytest.fixture(scope="module")
def nothing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run of a trace without an event."""
    folder = tmp_path_factory.mktemp("nothing")
    scenario = Scenario.load(write_scenario(folder))
    save(TraceWriter().finish(HEADER), Path(scenario.workload.trace))
    trace = Trace.load(Path(scenario.workload.trace))
    result = run_in_process(scenario, "model", trace, folder / "swapfile", "small", lambda _: None)
    assert result.ok and not result.faults
    write_html(result, folder / "report.html", scenario, {})
    return folder / "report.html"


def test_a_run_without_a_fault_or_an_event_has_a_report(nothing: Path) -> None:
    text = nothing.read_text()
    assert "Passed." in text and "Faults" not in plots(text)


@VERIFY
def test_the_report_of_a_run_without_an_event_is_quiet(browser: Browser, nothing: Path) -> None:
    check_drawn(browser, nothing, 400)


@VERIFY
def test_the_paper_of_the_dark_page_is_dark_and_in_print_all_are_light(browser: Browser, file: Path) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    marks = "[...document.querySelectorAll('.u-series + .u-series .u-marker')]"
    key = f"{marks}.map(mark => getComputedStyle(mark).borderTopColor)"
    browser.open(file, 1280)
    light = browser.evaluate(paper), browser.evaluate(key)
    browser.open(file, 1280, dark=True)
    dark = browser.evaluate(paper), browser.evaluate(key)
    assert dark[0] != light[0] and dark[1] != light[1]
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert (browser.evaluate(paper), browser.evaluate(key)) == light


@VERIFY
def test_the_pointer_shows_values_and_a_drag_zooms_every_plot_over_time(browser: Browser, file: Path) -> None:
    browser.open(file, 1280)
    over = [browser.evaluate(f"(r => [r.x, r.y, r.width, r.height])({_over(number)})") for number in range(2)]
    before = [browser.evaluate(_picture(number)) for number in range(2)]
    x, y, width, height = over[0]
    for kind, at in (("mouseMoved", 0.3), ("mousePressed", 0.3), ("mouseMoved", 0.5), ("mouseReleased", 0.5)):
        browser.call(
            "Input.dispatchMouseEvent", type=kind, x=x + at * width, y=y + height / 2, button="left", clickCount=1
        )
    browser.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert browser.evaluate("document.querySelector('.u-legend .u-value').textContent") not in ("", "–", "--")
    assert [browser.evaluate(_picture(number)) == before[number] for number in range(2)] == [False, False]
    assert browser.troubles == []


def _over(number: int) -> str:
    return f"document.querySelectorAll('.u-over')[{number}].getBoundingClientRect()"


def _picture(number: int) -> str:
    return f"document.querySelectorAll('canvas')[{number}].toDataURL()"


@VERIFY
def test_a_plot_with_one_value_a_flow_with_one_link_and_a_bar_of_one_part_are_drawn(
    browser: Browser, tmp_path: Path
) -> None:
    parts: list[Part] = [
        Lines("lines", "", x=[1, 2], series=[Series("a", [5, 5])], y_log=True, x_log=True),
        Flow("flow", "", [("a", "b", 1)]),
        Bar("bar", "", [("a", 1)]),
    ]
    path = tmp_path / "page.html"
    path.write_text(render(Page("few", None, "few", [Section("all", parts)])))
    browser.open(path, 400)
    assert all(count > 0 for _, count in browser.evaluate(DRAWN))
    assert browser.troubles == []
