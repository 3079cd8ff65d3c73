# SPDX-License-Identifier: MIT
"""Sweeps: a row for each point, whatever becomes of it, and a table that the same command goes on from."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from sim.cli import cli
from sim.page import Page, Section, render
from sim.run.execute import execute
from sim.scenario.scenario import Scenario, ScenarioError, find
from sim.scenario.settings import load, parse
from sim.sweep.curves import curve
from sim.sweep.engine import processes, run_tasks
from sim.sweep.folder import SweepError, open_folder, read_table
from sim.sweep.grid import Axis, parse_axis, points
from sim.sweep.page import latency_of
from sim.sweep.progress import estimate
from sim.sweep.row import Row, Task, execute_task
from tests.marks import VERIFY
from tests.sim.browser import Browser
from tests.sim.drawn import check_drawn, plots
from tests.sim.scenes import write_scenario, write_trace

CACHES = "cram.cache_pages=2,4"


def sweep(*arguments: str | Path) -> Result:
    """The command on the model, one process."""
    return CliRunner().invoke(cli, ["sweep", "--sim", "model", "--jobs", "1", *map(str, arguments)])


# Grid


def test_the_points_are_every_combination_in_the_order_of_the_grid() -> None:
    axes = [parse_axis("cram.cache_pages=4,8"), parse_axis("cram.media_bytes=512K,1M,2M")]
    grid = points(find("main"), [], axes)
    assert [point.number for point in grid] == list(range(6))
    assert [tuple(point.values.values()) for point in grid[:3]] == [(4, 512 << 10), (4, 1 << 20), (4, 2 << 20)]
    assert grid[5].scenario is not None and grid[5].scenario.cram.cache_pages == 8


def test_a_sample_is_the_same_each_time_and_keeps_the_numbers_of_the_grid() -> None:
    axes = [Axis("memory.limit_pages", tuple(map(str, range(100, 200))))]
    first, second = (points(find("main"), [], axes, 10) for _ in range(2))
    assert first == second and len(first) == 10
    assert all(point.values["memory.limit_pages"] == 100 + point.number for point in first)
    assert len(points(find("main"), [], axes, 1000)) == 100


def test_a_value_that_is_a_list_stands_in_brackets() -> None:
    axis = parse_axis('tiers.order=["cram","zswap"],["zswap"],zram')
    assert axis.values == ('["cram","zswap"]', '["zswap"]', "zram")


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["cram.cache_page=4"], "unknown key cram.cache_page; did you mean cram.cache_pages?"),
        (["cram.cache_pages"], "cram.cache_pages: expected SECTION.KEY=VALUE,VALUE"),
        (["cram.cache_pages=4,,8"], "cram.cache_pages=4,,8: expected"),
        (["cram.cache_pages=4,4"], "cram.cache_pages=4,4: a value is named twice"),
        (["cram.cache_pages=4", "cram.cache_pages=8"], "cram.cache_pages is varied twice"),
        (["cram.cache_pages=1,100"], "cram.cache_pages=1: [cram] cache_pages is 1, expected from 2 to 64"),
    ],
)
def test_an_axis_of_no_use_is_one_line(texts: list[str], said: str) -> None:
    with pytest.raises(ScenarioError) as error:
        points(find("main"), [], [parse_axis(text) for text in texts])
    assert str(error.value).startswith(said)


# Rows


def test_every_run_is_a_row_with_its_values_and_figures(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path)
    assert sweep(scenario, "--over", CACHES, "-o", tmp_path / "out").exit_code == 0
    table = read_table(tmp_path / "out")
    assert table["cram.cache_pages"].to_list() == [2, 4] and table["status"].to_list() == ["passed"] * 2
    alone = execute(load(scenario, [parse("cram.cache_pages=4")]), "alone", "model", lambda _: None)
    row = table.row(1, named=True)
    assert row["simulated_ns"] == alone.simulated_ns and row["kernel.pgfault"] == alone.kernel["pgfault"]
    assert row["faults.soft_fault.p50_ns"] == alone.faults["soft_fault"].p50_ns


def test_the_histograms_of_latencies_are_in_the_table_whole(tmp_path: Path) -> None:
    scenario, out = write_scenario(tmp_path), tmp_path / "out"
    assert sweep(scenario, "--over", CACHES, "-o", out).exit_code == 0
    result = execute(load(scenario, [parse("cram.cache_pages=2")]), "small", "model", lambda _: None)
    row = read_table(out).to_dicts()[0]
    for kind, latency in result.faults.items():
        buckets = [(bucket["to_ns"], bucket["count"]) for bucket in row[f"faults.{kind}.histogram"]]
        assert buckets == latency.histogram


def test_a_run_that_fails_is_a_row_with_its_reason_and_the_others_go_on(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path)
    traces: list[str | Path] = ["--trace", tmp_path / "small.trace", "--trace", tmp_path / "nosuch.trace"]
    result = sweep(scenario, *traces, "--over", "cram.low_percent=5,50", "-o", tmp_path / "out")
    assert result.exit_code == 1 and "4 runs, 3 failed" in result.output
    rows = read_table(tmp_path / "out").to_dicts()
    assert [row["status"] for row in rows] == ["passed", "failed", "failed", "failed"]
    assert "low_percent is 50, expected at most recovered_percent" in rows[1]["reason"]
    assert rows[2]["reason"].startswith("TraceError: ") and "nosuch.trace" in rows[2]["reason"]


def test_a_run_that_ends_badly_is_a_failed_row_with_its_figures(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path, tiers={"order": ["zswap"]})
    sweep(scenario, "--seeds", "1", "-o", tmp_path / "out")
    row = read_table(tmp_path / "out").row(0, named=True)
    assert row["status"] == "failed" and "OutOfMemory" in row["reason"] and row["events_done"] > 0


def test_seeds_and_traces_are_values_like_others(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path)
    other = write_trace(tmp_path / "other.trace", pages=30)
    traces: list[str | Path] = ["--trace", tmp_path / "small.trace", "--trace", other]
    assert sweep(scenario, *traces, "--seeds", "2", "-o", tmp_path / "out").exit_code == 0
    table = read_table(tmp_path / "out")
    assert table["workload.seed"].to_list() == [0, 1, 0, 1]
    assert table["workload.trace"].to_list()[1:3] == [str(tmp_path / "small.trace"), str(other)]


# Going on


def test_the_same_command_runs_only_what_has_no_row_yet_and_more_values_join(tmp_path: Path) -> None:
    scenario, out = write_scenario(tmp_path), tmp_path / "out"
    sweep(scenario, "--over", CACHES, "-o", out)
    first = read_table(out)
    again = sweep(scenario, "--over", "cram.cache_pages=2,4,8", "-o", out)
    assert "2 of 3 runs are in" in again.output
    table = read_table(out)
    assert table["cram.cache_pages"].to_list() == [2, 4, 8]
    assert table["seconds"].to_list()[:2] == first["seconds"].to_list(), "these were not run again"


def test_what_failed_is_run_again_on_demand(tmp_path: Path) -> None:
    scenario, out = write_scenario(tmp_path), tmp_path / "out"
    (tmp_path / "small.trace").rename(tmp_path / "away")
    assert sweep(scenario, "--over", CACHES, "-o", out).exit_code == 1
    (tmp_path / "away").rename(tmp_path / "small.trace")
    assert sweep(scenario, "--over", CACHES, "-o", out).exit_code == 1, "a failed row stays"
    assert sweep(scenario, "--over", CACHES, "-o", out, "--retry-failed").exit_code == 0


def test_another_sweep_in_the_folder_is_refused(tmp_path: Path) -> None:
    scenario, out = write_scenario(tmp_path), tmp_path / "out"
    sweep(scenario, "--over", CACHES, "-o", out)
    for changed, said in (
        (["--over", CACHES, "--set", "memory.limit_pages=20"], "another memory.limit_pages;"),
        (["--over", "cram.media_bytes=64K,128K"], "another "),
    ):
        result = sweep(scenario, *changed, "-o", out)
        assert result.exit_code == 2 and said in result.output
    write_trace(tmp_path / "small.trace", pages=61)
    result = sweep(scenario, "--over", CACHES, "-o", out)
    assert result.exit_code == 2 and "small.trace; name another folder" in result.output


def test_a_folder_without_a_row_is_for_any_sweep(tmp_path: Path) -> None:
    scenario, out = write_scenario(tmp_path), tmp_path / "out"
    with open_folder(out, {"sim": "verilated"}, ["cram.foo"], {}):
        pass  # interrupted before its first run
    assert (out / "sweep.json").exists() and not (out / "runs.parquet").exists()
    assert sweep(scenario, "--over", CACHES, "-o", out).exit_code == 0


def test_a_full_disk_is_one_line_with_the_file_and_leaves_the_table_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario, out = write_scenario(tmp_path), tmp_path / "out"
    assert sweep(scenario, "--over", CACHES, "-o", out).exit_code == 0
    kept = read_table(out)

    def full(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # without a name, as write(2) says it

    monkeypatch.setattr(Path, "write_bytes", full)
    result = sweep(scenario, "--over", "cram.cache_pages=2,4,8", "-o", out)
    assert result.exit_code == 1 and result.output.splitlines()[-1].startswith(f"vcram: {out}/")
    assert "No space left" in result.output and "Traceback" not in result.output
    assert read_table(out).equals(kept)


def test_two_sweeps_never_work_in_one_folder(tmp_path: Path) -> None:
    first, second = (open_folder(tmp_path, {}, [], {}) for _ in range(2))
    with first, pytest.raises(SweepError, match="another sweep is at work in it"), second:
        raise AssertionError("it was let in")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_sweep_goes_on_where_it_was(tmp_path: Path, number: signal.Signals) -> None:
    scenario, out = write_scenario(tmp_path, workload={"trace": "small.trace", "rounds": 5}), tmp_path / "out"
    arguments = ["sweep", str(scenario), "--sim", "model", "--jobs", "1", "--seeds", "6", "-o", str(out)]
    process = subprocess.Popen([sys.executable, "-m", "sim.cli", *arguments], stderr=subprocess.PIPE)
    while not (out / "runs.parquet").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    said = process.communicate()[1].decode()
    assert process.returncode == (130 if number is signal.SIGINT else -signal.SIGKILL)
    assert "Traceback" not in said or number is signal.SIGKILL
    kept = read_table(out)
    assert 0 < len(kept) < 6
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0 and f"{len(kept)} of 6 runs are in" in result.output
    assert read_table(out)["seconds"].to_list()[: len(kept)] == kept["seconds"].to_list()


# Workers


def _dies_at_seed_2(task: Task) -> Row:
    """A worker that one of the tasks kills."""
    if task.scenario.workload.seed == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return execute_task(task)


def test_a_task_that_kills_its_worker_is_a_failed_row_and_all_others_pass(tmp_path: Path) -> None:
    scenario = Scenario.load(write_scenario(tmp_path))
    tasks = [Task("small", "model", scenario.with_workload(seed=seed)) for seed in range(1, 6)]
    with processes(2) as workers:
        rows = dict(run_tasks(tasks, workers, _dies_at_seed_2))
    assert [rows[number]["status"] for number in range(5)] == ["passed", "failed", "passed", "passed", "passed"]
    assert "died, twice" in rows[1]["reason"]


def test_the_processes_of_a_sweep_agree_with_one_alone(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path)
    sweep(scenario, "--seeds", "3", "-o", tmp_path / "one")
    CliRunner().invoke(
        cli, ["sweep", str(scenario), "--sim", "model", "--jobs", "3", "--seeds", "3", "-o", str(tmp_path / "three")]
    )
    one, three = (read_table(tmp_path / name).drop("seconds") for name in ("one", "three"))
    assert one.equals(three)


def test_the_estimate_follows_what_the_runs_before_took() -> None:
    assert estimate(10, 20, 30) == ", about 60 s left"
    assert estimate(10, 100, 120) == ", about 20 min left"
    assert estimate(1, 100, 120) == ", about 3.3 h left"
    assert estimate(0, 5, 3) == estimate(5, 0, 3) == ""


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "runs.parquet").write_text("rows")
    with pytest.raises(SweepError, match="no table of a sweep"):
        read_table(tmp_path)
    (tmp_path / "runs.parquet").unlink()
    pl.DataFrame([{"point": 1}]).write_parquet(tmp_path / "runs.parquet")
    assert "has a table and no sweep.json" in sweep("--seeds", "1", "-o", tmp_path).output


# Comparing


def test_two_sweeps_are_compared_over_the_points_that_both_have(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path)
    sweep(scenario, "--over", CACHES, "-o", tmp_path / "a")
    sweep(scenario, "--over", "cram.cache_pages=4,8", "--set", "memory.limit_pages=24", "-o", tmp_path / "b")
    result = CliRunner().invoke(cli, ["compare", str(tmp_path / "a"), str(tmp_path / "b"), "--json", "-"])
    assert result.exit_code == 0, result.output
    compared = json.loads(result.stdout)
    assert compared["settings"] == {"memory.limit_pages": [16, 24]} and compared["points"] == 1
    tables = [read_table(tmp_path / name).filter(pl.col("cram.cache_pages") == 4) for name in ("a", "b")]
    assert compared["figures"]["kernel.pgfault"] == [table["kernel.pgfault"][0] for table in tables]


def test_two_runs_are_compared_by_their_figures(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path)
    for name, value in (("a", 16), ("b", 24)):
        arguments = ["--set", f"memory.limit_pages={value}", "--json", str(tmp_path / f"{name}.json")]
        report = ["--report", str(tmp_path / "r.html")]
        assert CliRunner().invoke(cli, ["run", str(scenario), "--sim", "model", *arguments, *report]).exit_code == 0
    result = CliRunner().invoke(cli, ["compare", *(str(tmp_path / f"{name}.json") for name in "ab")])
    assert result.exit_code == 0
    assert "memory.limit_pages" in result.output.partition("figure")[0]
    assert "kernel.pgfault" in result.output.partition("figure")[2]
    result = CliRunner().invoke(cli, ["compare", *[str(tmp_path / "a.json")] * 2])
    assert result.output.split("\n\n") == ["settings that differ: none", "figures that differ: none\n"]


def test_the_figures_of_a_run_of_before_are_compared_with_those_of_today(tmp_path: Path) -> None:
    """Lost accesses were called lost pages then, and there was no margin."""
    today, before, lost = (tmp_path / f"{name}.json" for name in ("today", "before", "lost"))
    command = ["run", str(write_scenario(tmp_path)), "--sim", "model", "--json", str(today)]
    assert CliRunner().invoke(cli, [*command, "--report", str(tmp_path / "r.html")]).exit_code == 0
    values = json.loads(today.read_text())
    del values["lost_accesses"], values["margin"]
    before.write_text(json.dumps(values | {"simulated_ns": 1}))
    lost.write_text(json.dumps(values | {"lost_pages": 3}))
    result = CliRunner().invoke(cli, ["compare", str(before), str(today)])
    assert result.exit_code == 0 and "simulated_ns" in result.output, result.output
    assert CliRunner().invoke(cli, ["compare", str(lost), str(today)]).exit_code != 0


def test_what_has_no_run_in_common_is_not_compared(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path)
    sweep(scenario, "--over", "cram.cache_pages=2", "-o", tmp_path / "a")
    sweep(scenario, "--over", "cram.cache_pages=4", "-o", tmp_path / "b")
    result = CliRunner().invoke(cli, ["compare", str(tmp_path / "a"), str(tmp_path / "b")])
    assert result.exit_code == 2 and "no run in common" in result.output
    result = CliRunner().invoke(cli, ["compare", str(scenario), str(scenario)])
    assert result.exit_code == 2 and "expected the figures of `vcram run --json`" in result.output


# Pages to look at


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sweep over two keys, one of them no number."""
    folder = tmp_path_factory.mktemp("swept")
    scenario = write_scenario(folder)
    done = sweep(scenario, "--over", CACHES, "--over", 'tiers.order=["cram","zswap","swapfile"],["cram","swapfile"]',
                 "-o", folder / "out")  # fmt: skip
    assert done.exit_code == 0, done.output
    return folder / "out"


def test_a_sweep_leaves_a_page_with_its_figures_over_the_keys_its_settings_and_the_commit(swept: Path) -> None:
    text = (swept / "report.html").read_text()
    drawn = plots(text)
    rows = read_table(swept).to_dicts()
    line = drawn["kernel.pgfault over cram.cache_pages"]
    assert line["x"] == [2, 4]
    assert [series["values"] for series in line["series"]] == [
        [row["kernel.pgfault"] for row in rows if row["tiers.order"] == order]
        for order in dict.fromkeys(row["tiers.order"] for row in rows)
    ]
    assert {"By cram.cache_pages", "By tiers.order"} <= drawn.keys()
    assert "4 runs, 0 failed" in text and 'class="verdict good"' in text
    assert "memory.limit_pages" in text and re.search(r"<td>commit</td><td>[0-9a-f]{12}", text)


def test_the_page_of_a_sweep_names_what_failed_and_is_small(tmp_path: Path) -> None:
    scenario, out = write_scenario(tmp_path), tmp_path / "out"
    assert sweep(scenario, "--over", "memory.limit_pages=16,0", "-o", out).exit_code == 1
    text = (out / "report.html").read_text()
    assert 'class="verdict bad"' in text and "point 1: " in text
    assert len(text) < 1_000_000


def test_the_latencies_on_the_page_are_those_of_all_runs_together(swept: Path) -> None:
    rows = read_table(swept).to_dicts()
    latency = latency_of(rows)
    assert latency is not None
    assert latency.count == sum(row["kernel.pgfault"] for row in rows)


def test_a_comparison_is_a_page_too(swept: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = CliRunner().invoke(cli, ["compare", str(swept), str(swept), "--figure", "kernel.", "--report", str(page)])
    assert done.exit_code == 0, done.output
    text = page.read_text()
    assert [line["name"][0] for line in plots(text)["Faults"]["series"]] == ["A", "B"]
    assert "kernel.pgfault" in text and "memory.limit_pages" in text
    assert re.search(r"<td>commit</td><td>[0-9a-f]{12}", text)


@VERIFY
@pytest.mark.parametrize("width", [400, 1280])
def test_the_plots_of_a_sweep_and_a_comparison_are_drawn(swept: Path, tmp_path: Path, width: int) -> None:
    compared = tmp_path / "compared.html"
    CliRunner().invoke(cli, ["compare", str(swept), str(swept), "--figure", "kernel.", "--report", str(compared)])
    with Browser() as browser:
        for page in (swept / "report.html", compared):
            check_drawn(browser, page, width)


@VERIFY
def test_the_pointer_on_a_curve_tells_the_whole_figure(tmp_path: Path) -> None:
    """A rounded one would be taken for what was measured."""
    rows = [{"cram.cache_pages": at, "kernel.pgfault": faults} for at, faults in ((2, 62_058), (4, 61_934))]
    curves = [curve(rows, ["cram.cache_pages"], "cram.cache_pages", "kernel.pgfault")]
    page = tmp_path / "curve.html"
    page.write_text(render(Page("a curve", None, "", [Section("it", curves)])))
    with Browser() as browser:
        browser.open(page, 1280)
        box = "(r => [r.x, r.y, r.width, r.height])(document.querySelector('.u-over').getBoundingClientRect())"
        x, y, width, height = browser.evaluate(box)
        for at, figure in ((2, "62,058"), (width - 2, "61,934")):
            browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x + at, y=y + height / 2)
            browser.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
            assert figure in browser.evaluate("document.querySelector('.u-legend').textContent")
