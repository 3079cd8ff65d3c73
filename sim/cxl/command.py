# SPDX-License-Identifier: MIT
"""`vcram cxl`: the command."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from rich.console import Console
from rich.table import Table

from hw.link import PAGE_BYTES
from hw.parameters import ENGINE_WIDTHS, DeviceParameters
from hw.registers import Register
from sim.base.interrupts import interruptible
from sim.base.options import OutputFile, Size
from sim.base.terminal import redraws
from sim.cxl.figures import Figures, find_problems
from sim.cxl.machine import TIME_LIMIT_S, UNIT_PAGES, Machine, run_guest
from sim.run.window import Waves, Window
from vswap.base.results import is_stdout, write_text

_LIVE_S = 5.0


class CyclesType(click.ParamType[Window]):
    """A window of the device's cycles, as an option."""

    name = "cycles"

    def convert(self, value: object, param: click.Parameter | None, context: click.Context | None) -> Window:
        """Raises click.BadParameter."""
        if isinstance(value, Window):
            return value
        found = re.fullmatch(r"(\d+):(\d+)", str(value).replace("_", ""))
        if found is None or int(found[1]) > int(found[2]):
            self.fail(f"{value}: expected the first and the last cycle, 700000:720000", param, context)
        return Window(int(found[1]), int(found[2]))


DEFAULT = ("cold", "8192", "2", "1", "512")


@click.command("cxl", context_settings={"allow_interspersed_args": False})
@click.option("--media", type=Size(), default="64M", show_default=True, metavar="SIZE",
              help="Size of the device's media; the device shows 256M.")  # fmt: skip
@click.option("--width", type=click.Choice([str(width) for width in ENGINE_WIDTHS]), default="8", show_default=True,
              help="Bytes a cycle of the LZ4 engines.")  # fmt: skip
@click.option("--memory", type=click.IntRange(256, 2048), default=512, show_default=True, metavar="MB",
              help="The guest's DRAM.")  # fmt: skip
@click.option("--smp", type=click.IntRange(1, 8), default=1, show_default=True, help="The guest's processors.")
@click.option("--icount", is_flag=True, help="Time is that of the guest's instructions: two runs are equal.")
@click.option("--library", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
              help="Another device behind the interface of hw/verilated/abi.h.")  # fmt: skip
@click.option("--module", "modules", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
              metavar="FILE.ko", help="A module for the guest's kernel; may be repeated.")  # fmt: skip
@click.option("--provider/--no-provider", default=True, show_default=True,
              help="Load the module that trims free pages and stops demotion while the media runs low.")  # fmt: skip
@click.option("--hot", type=click.IntRange(1, 255), metavar="HEAT",
              help="The module promotes pages that the device nominates: those that were read so often.")  # fmt: skip
@click.option("--faults", is_flag=True,
              help="A program of the guest can have the media fail, as media does; without the module.")  # fmt: skip
@click.option("--swap", type=Size(), metavar="SIZE",
              help="A disk to swap to behind the node, with zswap in front of it.")  # fmt: skip
@click.option("--with", "packages", multiple=True, metavar="PACKAGE",
              help="A package of Debian's for the guest, with what it needs; may be repeated.")  # fmt: skip
@click.option("--reclaim", is_flag=True,
              help="The command's group is reclaimed again and again, and pages in use are promoted.")  # fmt: skip
@click.option("--record", metavar="FILE", type=OutputFile(stdout=False),
              help="Write what becomes of the command's pages; vcram trace import --guest reads it.")  # fmt: skip
@click.option("--waves", "window", metavar="FROM:TO", type=CyclesType(),
              help="Write every signal of the device in a part of the run, by its cycles.")  # fmt: skip
@click.option("--waves-file", metavar="FILE.vcd", type=OutputFile(stdout=False), default="cxl.vcd", show_default=True,
              help="Where the waves go.")  # fmt: skip
@click.option("--live", is_flag=True, help="Show what the device has counted while the guest runs.")
@click.option("--log", metavar="FILE", type=OutputFile(stdout=False),
              help="Write every access to the CXL device registers.")  # fmt: skip
@click.option("--time-limit", type=click.FloatRange(1), default=TIME_LIMIT_S, show_default=True, metavar="S",
              help="Seconds after which the guest is ended.")  # fmt: skip
@click.option("--shell", is_flag=True, help="A shell in the guest, on this terminal.")
@click.option("--json", "json_file", metavar="FILE", type=OutputFile(),
              help="Write the figures as JSON; - for standard output.")  # fmt: skip
@click.argument("command", nargs=-1, metavar="[-- CMD...]", type=click.UNPROCESSED)
def cxl_command(
    media: int,
    width: str,
    memory: int,
    smp: int,
    icount: bool,
    library: Path | None,
    modules: tuple[Path, ...],
    provider: bool,
    hot: int | None,
    faults: bool,
    swap: int | None,
    packages: tuple[str, ...],
    reclaim: bool,
    record: Path | None,
    window: Window | None,
    waves_file: Path,
    live: bool,
    log: Path | None,
    time_limit: float,
    shell: bool,
    json_file: Path | None,
    command: tuple[str, ...],
) -> None:
    """Boot Debian's Linux with the RTL as its CXL memory, and run a command there.

    The kernel's own CXL drivers find the device, make a region and a NUMA node of it, and move cold pages there. CMD, a
    script or a static program, runs in a group of its own (/sys/fs/cgroup/cold), and the exit status is its own.
    Without it a program fills memory with pages of real programs, lets them go cold and checks every byte of them.

    QEMU, kernel and busybox are fetched as Debian's packages and kept in the build folder; nothing is installed.

    \b
    Examples:
      vcram cxl
      vcram cxl --icount --json cxl.json
      vcram cxl --media 4M -- ./mine.sh
      vcram cxl -- media 1
      vcram cxl --icount -- sqlite
      vcram cxl --icount -- redis 200 2
      vcram cxl --icount -- python
      vcram cxl --with perl --reclaim -- perl -e 'print "hello\\n"'
      vcram cxl --shell
    """
    started = time.monotonic()
    quiet = is_stdout(json_file)
    try:
        parameters = DeviceParameters(perceived_pages=UNIT_PAGES, media_bytes=media * 4096, bytes_per_cycle=int(width))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--media") from error
    if wrong := [str(path) for path in modules if path.suffix != ".ko"]:
        raise click.BadParameter(f"{wrong[0]} is no FILE.ko", param_hint="--module")
    given = click.get_current_context().get_parameter_source
    if faults := faults or command[:1] == ("media",):
        if provider and given("provider") == ParameterSource.COMMANDLINE:
            raise click.BadParameter("the guest's program and the module would share a mailbox", param_hint="--faults")
        provider = False
    if hot is not None and not provider:
        raise click.BadParameter(
            f"it is the module that promotes, so not with --{'faults' if faults else 'no-provider'}", param_hint="--hot"
        )
    if shell:
        limited = given("time_limit") == ParameterSource.COMMANDLINE
        idle = {"CMD": command, "--json": json_file, "--live": live, "--reclaim": reclaim, "--record": record,
                "--time-limit": limited}  # fmt: skip
        if wrong := [name for name, value in idle.items() if value]:
            raise click.BadParameter(f"a shell takes the command's place, so not with {wrong[0]}", param_hint="--shell")
        if not sys.stdin.isatty():
            raise click.BadParameter("there is no terminal; a script can be run: -- ./mine.sh", param_hint="--shell")
    if library is not None and ParameterSource.COMMANDLINE in (given("media"), given("width")):
        raise click.BadParameter("that device has its own, so not with --media or --width", param_hint="--library")
    if window is None and given("waves_file") == ParameterSource.COMMANDLINE:
        raise click.BadParameter("say which cycles: --waves FROM:TO", param_hint="--waves-file")
    machine = Machine(
        parameters, memory, smp, icount, library, modules, provider, hot or 0, faults, (swap or 0) * PAGE_BYTES,
        packages, reclaim, record, None if window is None else Waves(window, waves_file), log, time_limit,
    )  # fmt: skip
    console = Console(stderr=quiet)
    with interruptible(), _shown(console, live and not shell) as watch:
        outcome = run_guest(machine, command or DEFAULT, lambda line: click.echo(line, err=quiet), shell, watch)
    if window is not None and not waves_file.exists():
        click.echo(f"vcram: the device was not at work in {window}: no waves", err=True)
    if shell:
        return
    seconds = time.monotonic() - started
    figures = Figures.of(outcome.kernel, outcome.qemu, outcome.told, outcome.counted, seconds)
    if json_file is not None:
        write_text(json_file, figures.model_dump_json(indent=2) + "\n")
    console.print(_table(figures))
    problems = find_problems(figures)
    for problem in problems:
        click.echo(f"vcram: {problem}", err=True)
    sys.exit(figures.status or bool(problems))


@contextmanager
def _shown(console: Console, live: bool) -> Iterator[Callable[[dict[str, Any]], None] | None]:
    """What gets the plugin's figures while the guest runs; where there is no terminal, every few seconds a line."""
    if not live:
        yield None
        return
    due = 0.0
    with console.status("the guest starts") as status:

        def show(counted: dict[str, Any]) -> None:
            nonlocal due
            words = counted["registers"]
            said = (
                f"{words[Register.RESIDENT_PAGES // 4]:,} pages resident, "
                f"ratio {words[Register.ACHIEVED_RATIO // 4] / 1000:.2f}, {counted['cycles']:,} cycles, "
                f"lines read {counted['lines_read']:,}, written {counted['lines_written']:,}, "
                f"refused {counted['reads_failed'] + counted['writes_failed']:,}"
            )
            status.update(said)
            if not redraws(console) and time.monotonic() >= due:
                console.print(said, soft_wrap=True)
                due = time.monotonic() + _LIVE_S

        yield show


def _table(figures: Figures) -> Table:
    """What the kernel counted beside what the device counted."""
    left = [(name, value) for name, value in figures.guest.items() if name not in ("ready", "end", "status")]
    right = [*figures.device.items(), *((name, value) for name, value in figures.shell.items() if _counted(value))]
    table = Table(show_edge=False, pad_edge=False)
    for title in ("the kernel", "", "the device", ""):
        table.add_column(title, justify="left" if title else "right")
    for i in range(max(len(left), len(right))):
        cells: list[str] = []
        for side in (left, right):
            name, value = side[i] if i < len(side) else ("", "")
            if isinstance(value, list):
                value = " ".join(f"{line}:{count}" for line, count in enumerate(value) if count)
            cells += [name.replace("_", " "), f"{value:,}" if isinstance(value, int) else str(value)]
        table.add_row(*cells)
    return table


def _counted(value: int | list[int]) -> bool:
    return any(value) if isinstance(value, list) else value > 0
