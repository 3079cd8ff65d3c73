# SPDX-License-Identifier: MIT
"""`vcram pager`: the command."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sim.base.interrupts import interruptible
from sim.base.options import OutputFile, Size
from sim.base.terminal import redraws
from sim.pager import Device, Figures, Outcome, page
from sim.scenario.scenario import Scenario, find
from vswap.base.results import write_text

_SHOWN = ("faults", "evictions", "soft_faults", "promotions", "swap_ins", "dram", "device", "zswap", "swapfile")


@click.command("pager", context_settings={"ignore_unknown_options": True})
@click.option("--limit", type=Size(), required=True, metavar="SIZE",
              help="Anonymous memory of the program that may be present: 64M, or a number of pages.")  # fmt: skip
@click.option("--device", type=click.Choice(["model", "verilated"]), default="model", show_default=True,
              help="What runs the device: the model, or the RTL as a library.")  # fmt: skip
@click.option("--scenario", default="pager", show_default=True, metavar="FILE",
              help="The machine: a file, or the name of a shipped scenario.")  # fmt: skip
@click.option("--json", "json_file", metavar="FILE", type=OutputFile(),
              help="Write the figures as JSON; - for standard output, when the program has ended.")  # fmt: skip
@click.option("--trace", metavar="FILE", type=OutputFile(stdout=False),
              help="Keep a trace of the faults, for `vcram run`.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="Show no counters while the program runs, and no table at the end.")
@click.argument("command", nargs=-1, required=True, metavar="-- CMD...", type=click.UNPROCESSED)
def pager_command(
    limit: int,
    device: Device,
    scenario: str,
    json_file: Path | None,
    trace: Path | None,
    quiet: bool,
    command: tuple[str, ...],
) -> None:
    """Run a program with its anonymous memory limited and paged through the swap system.

    What does not fit goes to the compressed-RAM device, zswap and the swapfile, as in `vcram run`, and comes back when
    the program touches it. The program is not changed. It keeps its standard streams, and the exit status is its own.
    Its children are paged with it. The pager needs userfaultfd and ptrace (root).

    \b
    Examples:
      vcram pager --limit 24M -- python3 -m test -q test_dict test_list
      vcram pager --limit 8M --device verilated -- sqlite3 :memory: < book.sql
    """
    console = Console(stderr=True)
    loaded = Scenario.load(find(scenario))
    with interruptible(), _counters(console, quiet) as live:
        outcome = page(command, loaded, limit=limit, device=device, live=live, trace=trace)
    if json_file is not None:
        write_text(json_file, outcome.figures.model_dump_json(indent=2) + "\n")
    if not quiet:
        console.print(_summary(outcome))
    if outcome.figures.lost:
        click.echo(
            f"vcram: {outcome.figures.lost} times a page could not be read back: SIGBUS for the program", err=True
        )
    for problem in outcome.problems:
        click.echo(f"vcram: {problem}", err=True)
    sys.exit(outcome.exit_status or bool(outcome.problems))


class _Counters:
    """The figures, four times a second, below what the program writes."""

    def __init__(self, live: Live | None) -> None:
        self._live = live

    def __call__(self, figures: Figures, seconds: float) -> None:
        if self._live is not None:
            values = "  ".join(f"{name.replace('_', ' ')} {getattr(figures, name):,}" for name in _SHOWN)
            line = Text(f"{seconds:6.1f} s  {values}", style="dim", no_wrap=True, overflow="crop")
            self._live.update(line, refresh=True)  # one line only: what the program writes must not be overwritten


@contextmanager
def _counters(console: Console, quiet: bool) -> Iterator[_Counters]:
    if quiet or not redraws(console):
        yield _Counters(None)
        return
    with Live(
        console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as live:
        yield _Counters(live)


def _summary(outcome: Outcome) -> Table:
    figures = outcome.figures
    table = Table(show_edge=False, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("limit, pages", f"{outcome.limit:,}")
    table.add_row("of it for device pages in sight", f"{outcome.window:,}")
    for name, value in figures:
        table.add_row(name.replace("_", " "), f"{value:,}")
    table.add_row("faults a second", f"{figures.faults / max(outcome.seconds, 1e-9):,.0f}")
    table.add_row("seconds", f"{outcome.seconds:.1f}")
    return table
