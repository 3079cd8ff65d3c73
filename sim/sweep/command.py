# SPDX-License-Identifier: MIT
"""`vcram sweep`: one scenario with many settings, a row of a table for each run."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import click
from rich.console import Console

from sim.base.interrupts import interruptible
from sim.page import render
from sim.run.execute import Sim
from sim.scenario.scenario import DEFAULT, ScenarioError, find
from sim.scenario.settings import load, parse
from sim.sweep.cluster import cluster
from sim.sweep.device import KEYS, device_points, measure_task
from sim.sweep.engine import Workers, processes, run_tasks
from sim.sweep.folder import REPORT, TABLE, digest, open_folder, read_asked
from sim.sweep.grid import TRACE, Axis, Point, parse_axis, points, seeds
from sim.sweep.page import not_told, sweep_page
from sim.sweep.progress import sweep_progress
from sim.sweep.row import Task, execute_task, failed, whole
from vswap.base.results import write_text


@click.command("sweep")
@click.argument("scenario", default=DEFAULT, metavar="[SCENARIO]")
@click.option("--over", multiple=True, metavar="SECTION.KEY=V,V,...",
              help="Values that a key takes; each combination is a run. May be repeated.")  # fmt: skip
@click.option("--set", "settings", multiple=True, metavar="SECTION.KEY=VALUE", help="A key's value in every run.")
@click.option("--trace", "traces", multiple=True, metavar="FILE", type=click.Path(path_type=Path),
              help="Trace to replay; with several, each is one more value.")  # fmt: skip
@click.option("--seeds", "seed_count", type=click.IntRange(1), metavar="N", help="Seeds, from the scenario's on.")
@click.option("--sample", type=click.IntRange(1), metavar="N",
              help="Run so many points of the grid, drawn at random: the same ones each time.")  # fmt: skip
@click.option("--sim", type=click.Choice(["verilated", "verilator", "icarus", "model"]), default="verilated",
              show_default=True, help="What runs the device, as for `vcram run`.")  # fmt: skip
@click.option("-o", "--output", required=True, metavar="FOLDER", type=click.Path(file_okay=False, path_type=Path),
              help=f"Where {TABLE} and {REPORT} go. A sweep that was interrupted goes on from the table.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, show_default="one a processor",
              metavar="N", help="Runs at a time, each in a process.")  # fmt: skip
@click.option("--scheduler", metavar="ADDRESS", help="Run on the Dask cluster of this scheduler (extra: dask).")
@click.option("--retry-failed", is_flag=True, help="Run the points again that failed before.")
@click.option("--device", is_flag=True, help="Measure the device alone: --over takes its cram keys and load=PERCENT.")
@click.option("--figure", "figures", multiple=True, metavar="NAME",
              help=f"A column to draw in {REPORT}, instead of the usual ones. May be repeated.")  # fmt: skip
def sweep_command(
    scenario: str,
    over: tuple[str, ...],
    settings: tuple[str, ...],
    traces: tuple[Path, ...],
    seed_count: int | None,
    sample: int | None,
    sim: Sim,
    output: Path,
    jobs: int,
    scheduler: str | None,
    retry_failed: bool,
    device: bool,
    figures: tuple[str, ...],
) -> None:
    """Run a scenario with every combination of some keys' values.

    SCENARIO is as for `vcram run`. Each run is a row of a Parquet table: the keys' values, whether it passed and why
    not, and every figure under its name in `vcram run --json` (faults.soft_fault.p50_ns). A run that fails is a row.

    Interrupt it at any time: the same command goes on where it was. More values, traces or seeds in a later command
    add to the table.

    \b
    Examples:
      vcram sweep --over cram.media_bytes=512K,1M,2M -o sizes
      vcram sweep my.toml --over cram.cache_pages=4,8,16 --over memory.limit_pages=400,600 --seeds 5 -o out
      vcram sweep --trace a.trace --trace b.trace --over 'tiers.order=["cram","swapfile"],["zswap","swapfile"]' -o out
      vcram sweep --device --over cram.cache_pages=4,8,16 --over cram.media_latency=20,100 --over load=0,100 -o out

    Exit status: 0 if every run passed; 1 if one failed; otherwise as `vcram run`.
    """
    path, fixed = find(scenario), [parse(text) for text in settings]
    axes = [parse_axis(text) for text in over]
    if device and (traces or sim in ("verilator", "icarus")):
        raise ScenarioError("--device replays no trace, and runs on verilated or model")
    base = load(path, [*fixed, *([parse(f"{TRACE}={traces[0]}")] if traces else [])])
    if traces:
        axes.insert(0, Axis(TRACE, tuple(map(str, traces))))
    if seed_count is not None:
        axes.append(seeds(base, seed_count))
    if not axes and not device:
        raise ScenarioError("nothing is varied: name a key with --over, several traces, or --seeds")
    grid = (device_points if device else points)(path, fixed, axes, sample)
    console = Console(stderr=True)
    varied = list(grid[0].values)
    asked = {
        "sim": sim,
        "device": device,
        "settings": {
            key: value for key, value in base.settings().items() if key not in varied and (key in KEYS or not device)
        },
    }
    where: AbstractContextManager[Workers] = cluster(scheduler) if scheduler else processes(jobs)
    with interruptible(), open_folder(output, asked, varied, {} if device else _digests(grid)) as folder:
        before, failures = len(grid), 0
        grid = [point for point in grid if not folder.has(point, again_if_failed=retry_failed)]
        before -= len(grid)
        if before:
            console.print(f"{before:,} of {before + len(grid):,} runs are in {output / TABLE} already", highlight=False)
        for point in grid:
            if point.scenario is None:
                folder.add(whole(point, failed(point.reason)))
                failures += 1
        ready = [(point, point.scenario) for point in grid if point.scenario is not None]
        tasks = [Task(f"{path.stem}-{point.number}", sim, each, point.load) for point, each in ready]
        with where as workers, sweep_progress(console, before + len(grid), before + failures) as step:
            looked = False
            for number, row in run_tasks(tasks, workers, measure_task if device else execute_task):
                folder.add(whole(ready[number][0], row))
                step(row["status"] == "failed")
                if not looked and row["status"] != "failed":
                    looked = True
                    for line in not_told(row, figures):
                        console.print(line, highlight=False, markup=False)
        rows = sorted(folder.rows.values(), key=lambda row: int(row["point"]))
    bad = [row for row in rows if row["status"] == "failed"]
    report = output / REPORT
    write_text(report, render(sweep_page(path.stem, read_asked(output), rows, figures)))
    click.echo(f"{output / TABLE}: {len(rows):,} runs, {len(bad):,} failed; report: {report}", err=True)
    for row in bad[:3]:
        click.echo(f"  point {row['point']}: {row['reason']}", err=True)
    if bad:
        sys.exit(1)


def _digests(grid: list[Point]) -> dict[str, str]:
    """The traces' contents: a table is of the same traces throughout."""
    workloads = [point.scenario.workload for point in grid if point.scenario is not None]
    files = {file for workload in workloads for file in (workload.trace, *workload.beside)}
    return {file: digest(Path(file)) for file in sorted(files) if Path(file).is_file()}
