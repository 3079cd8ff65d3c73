# SPDX-License-Identifier: MIT
"""`vcram experiment`: measure, conclude, and hold the verdict against the recorded one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
from rich.console import Console

from hw.places import results_folder
from sim.base.interrupts import interruptible
from sim.experiment import answers
from sim.experiment.catalogue import EXPERIMENTS
from sim.experiment.experiment import Experiment, Rows, Verdict
from sim.experiment.record import differences, figures, keep, page, recorded, write_table
from sim.experiment.task import ExperimentTask, run_point
from sim.sweep.engine import processes, run_tasks
from sim.sweep.folder import SweepError, open_folder
from sim.sweep.grid import Point
from sim.sweep.progress import sweep_progress
from sim.sweep.row import whole
from vswap.base.results import write_text


@click.command("experiment")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "every", is_flag=True, help="All experiments.")
@click.option("--full", is_flag=True, help="The full grid; by default a reduced one, which comes to the same verdict.")
@click.option("--record", is_flag=True, help="With --full: keep the tables in docs/answers, and write docs/answers.md.")
@click.option("-o", "--output", metavar="FOLDER", type=click.Path(file_okay=False, path_type=Path),
              help="Where tables and plots go; what was interrupted goes on.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, show_default="one a processor",
              metavar="N", help="Points measured at a time, each in a process.")  # fmt: skip
def experiment_command(
    names: tuple[str, ...], every: bool, full: bool, record: bool, output: Path | None, jobs: int
) -> None:
    """Answer an open question: a table, plots, and a verdict with its limits.

    Without a NAME the experiments are listed. FOLDER/NAME-reduced.csv is the table, FOLDER/NAME-reduced.html shows it.
    The verdict is compared with the one of the recorded full grid, which docs/answers.md is made of.

    Exit status: 0 if every verdict is as recorded; 1 if one is not, or a point failed; otherwise as `vcram run`.
    """
    if unknown := [name for name in names if name not in EXPERIMENTS]:
        raise click.UsageError(f"no experiment {unknown[0]}, expected one of {', '.join(EXPERIMENTS)}")
    if record and not full:
        raise click.UsageError("--record keeps the full grid only: add --full")
    chosen = [EXPERIMENTS[name] for name in (EXPERIMENTS if every else names)]
    if not chosen:
        for experiment in EXPERIMENTS.values():
            click.echo(f"{experiment.name:8} {experiment.question}")
        return
    folder = output or results_folder("experiments")
    same = True
    for experiment in chosen:
        table = measure(experiment, full, folder, jobs)
        verdict = experiment.conclude(table)
        _show(experiment, verdict)
        if record:
            keep(experiment, table)
        else:
            said = differences(verdict, experiment.conclude(recorded(experiment)))
            same = same and not said
            click.echo("\n".join(said) if said else "findings: as recorded")
    if record:
        answers.write()
    if not same:
        sys.exit(1)


def measure(experiment: Experiment, full: bool, folder: Path, jobs: int) -> Rows:
    """The table of an experiment, which goes on where it was interrupted; also as CSV, and its plots as HTML, in
    `folder`. Raises SweepError: a point failed."""
    name = f"{experiment.name}-{'full' if full else 'reduced'}"
    points = [Point(number, dict(values), None) for number, values in enumerate(experiment.grid(full))]
    varied = list(dict.fromkeys(key for point in points for key in point.values))
    console = Console(stderr=True)
    console.print(f"{name}: {len(points):,} points", highlight=False)
    before = _processor_s()
    with interruptible(), open_folder(folder / name, {"experiment": experiment.name}, varied, {}) as kept:
        left = [point for point in points if not kept.has(point, again_if_failed=True)]
        tasks = [ExperimentTask(experiment.name, point.values) for point in left]
        with processes(jobs) as workers, sweep_progress(console, len(points), len(points) - len(left)) as step:
            for number, row in run_tasks(tasks, workers, run_point):
                kept.add(whole(left[number], row))
                step(row["status"] == "failed")
        rows = [kept.rows[kept.key(point.values)] for point in points]
    console.print(
        f"{name}: {len(left):,} measured, {_processor_s() - before:,.0f} s of processor time", highlight=False
    )
    if failed := [row for row in rows if row["status"] == "failed"]:
        raise SweepError(f"{folder / name}: {len(failed)} points failed, the first: {failed[0]['reason']}")
    table = figures(rows)
    write_table(table, folder / f"{name}.csv")
    write_text(folder / f"{name}.html", page([(experiment, table)], f"Experiment: {name}"))
    click.echo(f"{folder / name}.csv, .html", err=True)
    return table


def _processor_s() -> float:
    """What this process and those that it has waited for have used, compilers included."""
    return sum(os.times()[:4])


def _show(experiment: Experiment, verdict: Verdict) -> None:
    click.echo(f"\n{experiment.name}: {experiment.question}")
    for sentence in verdict.sentences:
        click.echo(f"  {sentence}")
    click.echo("  What may not be concluded:")
    for limit in verdict.limits:
        click.echo(f"  - {limit}")
    for about, finding in verdict.findings.items():
        click.echo(f"  {about}: {finding}")
