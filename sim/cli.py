# SPDX-License-Identifier: MIT
"""vcram: the command line."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from importlib import metadata
from pathlib import Path
from typing import IO, Any

import click
from rich.console import Console

from driver import CramError
from hw.places import results_folder
from sim.base.interrupts import Interrupted, interruptible
from sim.base.options import OutputFile, Seconds
from sim.base.statuses import BAD_INPUT, FAILED, INTERRUPTED, NO_DEVICE
from sim.base.terminal import redraws
from sim.base.versions import versions
from sim.capture import DEFAULT_WINDOW, Begin, CaptureError, capture
from sim.capture import Progress as Recording
from sim.contract.command import contract_command
from sim.corpus.command import corpus_group
from sim.corpus.corpus import CorpusError
from sim.costs.command import costs_group
from sim.cxl import CxlError
from sim.cxl.command import cxl_command
from sim.doctor.command import doctor_command
from sim.experiment.command import experiment_command
from sim.experiment.record import RecordError
from sim.guest import GuestError
from sim.imported.command import show_suggestion, trace_group
from sim.nbd import NbdError
from sim.nbd.command import nbd_command
from sim.pager import PagerError
from sim.pager.command import pager_command
from sim.run.again import WindowType, again_line, around_mismatch
from sim.run.execute import Sim, execute, run_folder
from sim.run.html import write_html
from sim.run.live import live_view
from sim.run.progress import progress_bar
from sim.run.report import print_table, verdict
from sim.run.run import RunError
from sim.run.window import Waves, Window
from sim.scenario.scenario import DEFAULT, Scenario, ScenarioError, choices, find, keys, shipped
from sim.scenario.schema import scenario_schema
from sim.scenario.settings import load, parse
from sim.sweep.command import sweep_command
from sim.sweep.compare import compare_command
from sim.sweep.folder import SweepError
from sim.trace.file import DEFAULT_MAX_CONTENTS, DEFAULT_MAX_EVENTS, TraceError
from sim.trace.suggest import suggest
from vswap import VswapError
from vswap.base.results import is_stdout, printing_aside, write_text
from vswap.contract import ENVIRONMENT, AbiError, SuiteError

_BAD_INPUT = (ScenarioError, TraceError, SuiteError, SweepError, RecordError)
_FAILURES = (
    RunError, CaptureError, PagerError, NbdError, CorpusError, CxlError, GuestError, VswapError, CramError, AbiError,
    OSError,
)  # fmt: skip


class _Failure(click.ClickException):
    """An error that was foreseen: one line, no traceback."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"vcram: {' '.join(self.message.split())}", file=file, err=True)


class _Program(click.Group):
    """The program: turns what its commands raise into a line and an exit status."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (*_BAD_INPUT, *ENVIRONMENT, *_FAILURES) as error:
            if ctx.params["debug"]:
                traceback.print_exception(error)
            raise _Failure(_said(error), _status(error)) from error
        except KeyboardInterrupt as error:
            how = f" by {error.name}" if isinstance(error, Interrupted) else ""
            raise _Failure(f"interrupted{how}; nothing is left running", INTERRUPTED) from error


def _said(error: Exception) -> str:
    """The line that tells of an error; one of the system names its file first, as all others do."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _status(error: Exception) -> int:
    """The exit status that tells of an error."""
    if isinstance(error, _BAD_INPUT):
        return BAD_INPUT
    return NO_DEVICE if isinstance(error, ENVIRONMENT) else FAILED


_RUN_HELP = f"""Run a scenario and verify every page of it.

    SCENARIO is a file or the name of a shipped scenario (see `vcram scenarios`); without it the main job runs:
    "{DEFAULT}".

    A recorded program's pages and accesses are replayed on a simulated machine with little memory. What does not fit
    into DRAM goes to the compressed-RAM device, to zswap and to a swapfile. Every page that comes back is compared with
    the recording, byte for byte. At the end every page is compared.

    The device is its RTL. `--sim verilated` (default) runs it as a library in this process, the fastest way;
    `verilator` and `icarus` (slow) run it in a simulator, driven through cocotb, with the same cycles and with room for
    a testbench. `model` is a functional model in Python, which needs no compiler. The first run compiles the RTL, which
    takes a minute or two.

    Exit status: 0 if every page came back right and the books agree; 1 if not, or if there is no result; 2 for bad
    input; 3 if the RTL cannot be compiled here; 130 if interrupted.

    \b
    Examples:
      vcram run
      vcram run --sim model --json -
      vcram run --sim verilator --rounds 1
      vcram run my.toml --report my.html
      vcram run --set cram.media_bytes=2M --set zswap.max_pool_percent=10
    """


@click.group(cls=_Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(metadata.version("vcram"), prog_name="vcram")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(debug: bool) -> None:
    """A compressed-RAM device as RTL, run under the virtual swap stack that will use it."""


@cli.command("run", help=_RUN_HELP)
@click.argument("scenario", default=DEFAULT, metavar="[SCENARIO]")
@click.option("--sim", type=click.Choice(["verilated", "verilator", "icarus", "model"]), default="verilated",
              show_default=True, help="What runs the device: the RTL in this process, or driven pin by pin in a "
              "simulator, or a model.")  # fmt: skip
@click.option("--json", "json_file", metavar="FILE", type=OutputFile(),
              help="Write the figures as JSON; - for standard output.")  # fmt: skip
@click.option("--report", "report_file", metavar="FILE", type=OutputFile(stdout=False),
              help="Where the report goes (HTML).  [default: SCENARIO-SIM.html in the current folder; in a "
              "checkout, in its build/report]")  # fmt: skip
@click.option("--timeline", metavar="FILE", type=OutputFile(stdout=False),
              help="Write a Perfetto trace of the run; ui.perfetto.dev opens it.")  # fmt: skip
@click.option("--live", is_flag=True, help="Show tiers, faults, the device's load and closings while it runs.")
@click.option("--waves", "window", metavar="FROM:TO", type=WindowType(),
              help="Write every signal of the device in a part of the run: by simulated time (120us:140us), or from "
              "one fault to another (f812:f815). With --sim verilated.")  # fmt: skip
@click.option("--waves-file", metavar="FILE", type=OutputFile(stdout=False),
              help="Where the waves go, .vcd or .fst; views for GTKWave and Surfer beside it.  [default: beside the "
              "report, SCENARIO-FROM-TO.fst; .vcd without vcd2fst]")  # fmt: skip
@click.option("--set", "settings", multiple=True, metavar="SECTION.KEY=VALUE",
              help="Set any key of the scenario; may be repeated. `vcram scenarios --keys` lists them.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Use this seed, not the scenario's.")
@click.option("--rounds", type=click.IntRange(1), help="How often the program runs, instead of the scenario's number.")
def run_command(
    scenario: str,
    sim: Sim,
    json_file: Path | None,
    report_file: Path | None,
    timeline: Path | None,
    live: bool,
    window: Window | None,
    waves_file: Path | None,
    settings: tuple[str, ...],
    seed: int | None,
    rounds: int | None,
) -> None:
    path = find(scenario)
    loaded = load(path, [parse(text) for text in settings])
    if seed is not None:
        loaded = loaded.with_workload(seed=seed)
    if rounds is not None:
        loaded = loaded.with_workload(rounds=rounds)
    target = _report_target(report_file, f"{path.stem}-{sim}.html")
    again = again_line(scenario, sim, settings, seed, rounds)
    waves = None
    if window is not None:
        if sim != "verilated":
            raise click.BadParameter("with --sim verilated only", param_hint="--waves")
        name = f"{path.stem}-{window}".replace(":", "-")
        waves = Waves(window, waves_file or results_folder("report") / f"{name}.fst")
    started = time.monotonic()
    screen = Console(stderr=True)
    shown = live_view(screen, path.stem, sim, loaded) if live else progress_bar(screen, sim)
    with interruptible(), printing_aside(json_file), shown as report:
        folder = run_folder(path.stem, sim)
        result = execute(
            loaded, path.stem, sim, report, folder=folder, timeline=timeline, waves=waves,
            live=live and redraws(screen),
        )  # fmt: skip
    seconds = time.monotonic() - started
    output = Console(stderr=is_stdout(json_file))
    print_table(result, output)
    notes = {
        "scenario": f"{path}: {loaded.title}",
        **({"set": " ".join(settings)} if settings else {}),
        "simulator": sim,
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "wall clock": f"{seconds:.1f} s, compiling included",
    }
    write_html(result, target, loaded, notes | versions(), again=again if sim != "model" else None)
    if json_file is not None:
        write_text(json_file, result.to_json())
    output.print(f"\n{verdict(result)}", highlight=False, markup=False, soft_wrap=True)
    output.print(f"{seconds:.1f} s; report: {target}", highlight=False, markup=False, soft_wrap=True)
    if waves is not None:
        written = ", ".join(map(str, waves.files)) or f"none: the device did nothing in {waves.window}"
        output.print(f"waves: {written}", highlight=False, markup=False, soft_wrap=True)
    if not result.ok:
        output.print(f"the run's folder: {folder}", highlight=False, markup=False, soft_wrap=True)
        around = around_mismatch(result) if sim != "model" else None
        output.print(f"again: {again}{f' --waves {around}' if around else ''}", highlight=False, markup=False,
                     soft_wrap=True)  # fmt: skip
        sys.exit(FAILED)


def _report_target(named: Path | None, name: str) -> Path:
    """Where the report of a run goes: found out before the run, which may take minutes."""
    target = named or results_folder("report") / name
    there = next(folder for folder in target.absolute().parents if folder.exists())
    if not os.access(there, os.W_OK):
        raise click.BadParameter(f"{there} cannot be written: name another file", param_hint="--report")
    return target


@cli.command("scenarios")
@click.option("--keys", "show_keys", is_flag=True, help="List every key that a scenario may have.")
@click.option("--schema", "show_schema", is_flag=True, help="Write the JSON Schema of a scenario, for editors.")
def scenarios_command(show_keys: bool, show_schema: bool) -> None:
    """List the scenarios that come with the program."""
    if show_schema:
        click.echo(json.dumps(scenario_schema(), indent=2))
        return
    if show_keys:
        section, words = None, choices()
        for table, key, default, meaning in keys():
            if table != section:
                section = table
                click.echo(f"[{table}]" if table else "(outside the sections)")
            values = f" [{' | '.join(words[table, key])}]" if (table, key) in words else ""
            click.echo(f"  {key:<28} {default:<28} {meaning}{values}")
        return
    for name, path in shipped().items():
        click.echo(f"{name:<12} {Scenario.load(path).title}  ({path})")


@cli.command("capture", context_settings={"ignore_unknown_options": True})
@click.option("-o", "--output", required=True, metavar="FILE", type=OutputFile(stdout=False), help="Trace to write.")
@click.option("--window", type=int, default=DEFAULT_WINDOW, show_default=True,
              help="Pages open at a time in each address space; with fewer, more accesses show.")  # fmt: skip
@click.option("--max-events", type=click.IntRange(1), default=DEFAULT_MAX_EVENTS, show_default=True,
              help="Stop recording at this many events; the program goes on.")  # fmt: skip
@click.option("--max-contents", type=click.IntRange(1), default=DEFAULT_MAX_CONTENTS, show_default=True,
              help="Stop recording at this many distinct page contents.")  # fmt: skip
@click.option("--after", "after_s", type=Seconds(), metavar="S",
              help="Begin to record so many seconds after the program; it runs freely before.")  # fmt: skip
@click.option("--on-signal", type=click.Choice(["SIGUSR1", "SIGUSR2"]),
              help="Begin to record when this command gets the signal.")  # fmt: skip
@click.option("--suggest", "show_limits", is_flag=True, help="Say which DRAM limits make sense for the trace.")
@click.argument("command", nargs=-1, required=True, metavar="-- CMD...", type=click.UNPROCESSED)
def capture_command(
    output: Path,
    window: int,
    max_events: int,
    max_contents: int,
    after_s: float | None,
    on_signal: str | None,
    show_limits: bool,
    command: tuple[str, ...],
) -> None:
    """Record a program's anonymous pages and its accesses to them as a trace.

    The program keeps its standard streams and its environment, and the exit status is its own. Recording needs
    userfaultfd (root).

    Without --after and --on-signal it begins with the program's first instruction; with both, whichever comes first.
    What a program has by then shows as one write a page. `vcram trace stat` tells what is in a trace.

    \b
    Examples:
      vcram capture -o sort.trace -- sort -n numbers.txt
      vcram capture -o server.trace --on-signal SIGUSR1 --max-events 1000000 --suggest -- redis-server
    """
    begin = Begin(after_s, signal.Signals[on_signal] if on_signal else None)
    if on_signal:
        click.echo(f"recording begins at {on_signal}: kill -{on_signal.removeprefix('SIG')} {os.getpid()}", err=True)
    line = _RecordingLine()
    try:
        with interruptible():
            result = capture(
                command, output, window=window, max_events=max_events, max_contents=max_contents, begin=begin,
                progress=line,
            )  # fmt: skip
    finally:
        line.end()
    header = result.trace.header
    whole = "" if header.complete else " (the recording stopped before the program did)"
    if result.limit is not None:
        flag, what = f"--{result.limit.replace('_', '-')}", result.limit.removeprefix("max_")
        met = max_events if result.limit == "max_events" else max_contents
        whole = f" (the recording stopped at its limit of {met:,} {what} before the program did; {flag} N raises it)"
    click.echo(f"{output}: {header.events:,} events, {header.pages:,} pages, {header.contents:,} contents, "
               f"{result.file_bytes:,} bytes{whole}", err=True)  # fmt: skip
    if show_limits:
        show_suggestion(suggest(result.trace))
    sys.exit(INTERRUPTED if result.interrupted else result.exit_status)


cli.add_command(contract_command)
cli.add_command(corpus_group)
cli.add_command(costs_group)
cli.add_command(cxl_command)
cli.add_command(nbd_command)
cli.add_command(doctor_command)
cli.add_command(pager_command)
cli.add_command(sweep_command)
cli.add_command(compare_command)
cli.add_command(experiment_command)
cli.add_command(trace_group)


class _RecordingLine:
    """How far a recording is: one line on a terminal, nothing elsewhere, as the program has the screen."""

    def __init__(self) -> None:
        self._shown = False

    def __call__(self, progress: Recording) -> None:
        if sys.stderr.isatty():
            state = "recording" if progress.recording else "limit reached, running on"
            state = state if progress.begun else "not recording yet"
            click.echo(f"\r{state}: {progress.events:,} events, {progress.pages:,} pages  ", nl=False, err=True)
            self._shown = True

    def end(self) -> None:
        """Leave the line."""
        if self._shown:
            click.echo(err=True)


def main() -> None:
    """The program `vcram`."""
    cli.main(prog_name="vcram")


if __name__ == "__main__":
    main()
