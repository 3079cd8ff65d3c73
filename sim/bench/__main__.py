# SPDX-License-Identifier: MIT
"""`make bench`: measure, print a table, write build/bench.json (docs/bench.md)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from hw.parameters import DeviceParameters
from hw.places import results_folder
from hw.speed import Speed
from sim.base.options import OutputFile
from sim.bench.in_process import liblz4, model, stack, task_switches_per_s
from sim.bench.library import bare, linked
from sim.bench.pages import recorded_pages
from sim.bench.simulators import simulated
from sim.bench.whole_run import whole_run
from vswap.base.results import is_stdout, write_json

PARAMETERS = DeviceParameters()
MEDIA_LATENCY = 2  # cycles; what cocotbext-axi's memory takes, so that all have the same media

TARGETS = (  # what, dividend, divisor, at least (0: told, no target)
    ("link over bare loop, cycles", "link_cycles_per_s", "bare_cycles_per_s", 0.80),
    ("whole stack over bare loop, cycles", "stack_cycles_per_s", "bare_cycles_per_s", 0.50),
    ("whole stack over conventional testbench, pages", "stack_pages_per_s", "conventional_pages_per_s", 20.0),
    ("model over liblz4 alone, pages", "model_pages_per_s", "lz4_pages_per_s", 0.50),
    ("main job with --live over without, pages", "run_live_pages_per_s", "run_pages_per_s", 0.97),
    ("main job with --timeline over without, pages", "run_timeline_pages_per_s", "run_pages_per_s", 0.0),
)


def measure(count: int, repeats: int, show: Callable[[str], None]) -> dict[str, Speed]:
    """Every speed on the same pages; of those that take seconds, the best of `repeats`, taken in turn."""
    pages = recorded_pages(count)
    quick: dict[str, Callable[[], Speed]] = {
        "bare": lambda: bare(pages, 3, PARAMETERS, MEDIA_LATENCY),
        "link": lambda: linked(pages, 3, PARAMETERS, MEDIA_LATENCY),
        "stack": lambda: stack(pages, 2, PARAMETERS, MEDIA_LATENCY),
        "model": lambda: model(pages, 20, PARAMETERS),
        "lz4": lambda: liblz4(pages, 20),
        "run": lambda: whole_run(""),
        "run_live": lambda: whole_run("live"),
        "run_timeline": lambda: whole_run("timeline"),
    }
    best: dict[str, Speed] = {}
    for repeat in range(repeats):
        for name, run in quick.items():
            show(f"{name}, {repeat + 1} of {repeats}")
            speed = run()
            if name not in best or speed.pages_per_s > best[name].pages_per_s:
                best[name] = speed
    show("cocotb link")
    best["cocotb"] = simulated("link", pages, PARAMETERS, MEDIA_LATENCY)
    show("conventional testbench")
    best["conventional"] = simulated("conventional", pages, PARAMETERS, MEDIA_LATENCY)
    return best


def as_json(speeds: dict[str, Speed], switches: float) -> dict[str, float]:
    """Figures by name: pages/s of everything, cycles/s of what has cycles, switches/s of the clock."""
    figures = {f"{name}_pages_per_s": speed.pages_per_s for name, speed in speeds.items()}
    figures |= {f"{name}_cycles_per_s": speed.cycles_per_s for name, speed in speeds.items() if name != "lz4"}
    figures["task_switches_per_s"] = switches
    return {name: round(value, 1) for name, value in sorted(figures.items())}


def missed(figures: dict[str, float]) -> list[str]:
    """The targets that were not met, one line each."""
    return [
        f"{what}: {figures[above] / figures[below]:.2f}, expected at least {least}"
        for what, above, below, least in TARGETS
        if figures[above] < least * figures[below]
    ]


def print_tables(speeds: dict[str, Speed], figures: dict[str, float], console: Console) -> None:
    """What was measured, and the ratios that matter."""
    table = Table(title="pages stored and loaded, per second of processor time", title_justify="left", show_edge=False)
    for column in ("what runs", "pages/s", "cycles/s", "cycles a page"):
        table.add_column(column, justify="left" if column == "what runs" else "right")
    names = {
        "bare": "bare C++ loop over the compiled RTL",
        "link": "verilated link, below the driver",
        "stack": "whole stack, from fault to media",
        "cocotb": "cocotb link, Verilator",
        "conventional": "cocotbext-axi on the pins, Verilator",
        "model": "functional model",
        "lz4": "bare loop over lz4.block",
        "run": "main job, one round",
        "run_live": "the same with --live",
        "run_timeline": "the same with --timeline",
    }
    for name, title in names.items():
        speed = speeds[name]
        cycles = ("", "") if name == "lz4" else (f"{speed.cycles_per_s:,.0f}", f"{speed.cycles / speed.pages:,.0f}")
        table.add_row(title, f"{speed.pages_per_s:,.0f}", *cycles)
    console.print(table)
    console.print(f"\nvirtual clock: {figures['task_switches_per_s']:,.0f} task switches/s")
    for what, above, below, least in TARGETS:
        target = f" (at least {least})" if least else ""
        console.print(f"{what}: {figures[above] / figures[below]:.3f}{target}", highlight=False)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--pages", "count", type=click.IntRange(1, 1000), default=256, show_default=True,
              help="Distinct pages of the shipped trace to use.")  # fmt: skip
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True, help="Keep the best of this many.")
@click.option("--output", type=OutputFile(), metavar="FILE",
              default=lambda: results_folder() / "bench.json",
              help="Where the figures go; - for standard output.  [default: build/bench.json]")  # fmt: skip
def main(count: int, repeats: int, output: Path) -> None:
    """Measure every way to run the device on the same pages, in one go. Exit status 1 if a target is missed.

    Takes four minutes once the RTL is compiled. Times are processor time, so that other work on the machine disturbs
    the ratios little.
    """
    columns = (SpinnerColumn(), TextColumn("measuring {task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("")
        speeds = measure(count, repeats, lambda what: progress.update(task, description=what))
        progress.update(task, description="task switches")
        figures = as_json(speeds, max(task_switches_per_s() for _ in range(repeats)))
    write_json(output, figures)
    print_tables(speeds, figures, Console(stderr=is_stdout(output)))
    click.echo(f"written: {output}", err=is_stdout(output))
    lines = missed(figures)
    for line in lines:
        click.echo(f"missed: {line}", err=True)
    if lines:
        sys.exit(1)


if __name__ == "__main__":
    main()
