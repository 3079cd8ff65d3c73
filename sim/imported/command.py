# SPDX-License-Identifier: MIT
"""`vcram trace`: what is in a trace, and traces of what another tool has seen."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from random import Random

import click
from rich.console import Console

from sim.base.interrupts import interruptible
from sim.base.options import OutputFile
from sim.data import CORPUS
from sim.data.programs import PROGRAMS, record
from sim.imported import damon, guest, perf
from sim.imported.build import Builder
from sim.imported.contents import Contents
from sim.trace.file import DEFAULT_MAX_CONTENTS, DEFAULT_MAX_EVENTS, Trace, TraceError, TraceHeader, save
from sim.trace.suggest import Suggestion, suggest

_LOSS = (
    "Contents are not the program's: each write draws a page of the corpus {corpus} ({kinds}), seed {seed}. A page's "
    "first access is a write. Of later ones that the tool does not tell apart, {write_percent} % are writes. {more}"
)
_PERF = (
    "Accesses are page faults: others do not show, nor what the program gave back. perf script has pages of files "
    "among them; perf trace has none of these, and threads for processes."
)
_DAMON = (
    "Accesses are drawn: each page of a region with the rate at which DAMON found the region accessed, {samples} looks "
    "an aggregation interval, in an order drawn at random."
)
_GUEST = (
    "Accesses are those that the program told, or its page faults: others do not show, nor what the program gave back. "
    "Pages that the kernel moved to the node are taken out of DRAM; what it moved back is not in the trace."
)
_BUILD_EVENTS = 500_000


@click.group("trace")
def trace_group() -> None:
    """Describe traces, and import what other tools have seen of a program's memory."""


@trace_group.command("stat")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def trace_stat(file: Path) -> None:
    """Say what is in a trace, and which DRAM limits make sense for it.

    The table is the program's working set as a curve: for each limit, the pages that would leave DRAM, and the share of
    the accesses that would need one of them, by reclaim of what was used least recently. The marked limit is the
    smallest at which that is a fifth or less: a scenario's memory.limit_pages far below it has the machine do little
    else, and one far above it shows nothing.
    """
    trace = Trace.load(file)
    header = trace.header
    seconds = "" if trace.elapsed is None else f", {trace.elapsed.sum(dtype='int64') / 1e9:,.3f} s"
    whole = "" if header.complete else ", not whole"
    click.echo(f"{' '.join(header.argv)}: {header.events:,} events, {header.pages:,} pages, {header.spaces:,} spaces, "
               f"{header.contents:,} contents{seconds}{whole}")  # fmt: skip
    click.echo(f"{header.recorder}, {header.date}. {header.loss}\n")
    show_suggestion(suggest(trace), err=False)


def show_suggestion(found: Suggestion, *, err: bool = True) -> None:
    """The table of limits, the suggested one marked."""
    click.echo("limit_pages   pages that leave   accesses to a page that has left", err=err)
    for asked in found.at:
        mark = "  <- suggested" if asked.limit == found.limit_pages else ""
        click.echo(f"{asked.limit:>11,} {asked.stores:>18,} {found.share(asked):>33.1%}{mark}", err=err)


@trace_group.command("build")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--program", "names", multiple=True, metavar="NAME", type=click.Choice(sorted(PROGRAMS)),
              help="Only this program; may be repeated.")  # fmt: skip
@click.option("--max-events", type=click.IntRange(1), default=_BUILD_EVENTS, show_default=True,
              help="Stop recording a program at this many events.")  # fmt: skip
def trace_build(folder: Path, names: tuple[str, ...], max_events: int) -> None:
    """Record programs of different kinds into FOLDER, a trace for each: those that this machine has.

    They work on made input, the same each time: awk, bash, g++, gcc's cc1, jq, node, perl, python, sort, sqlite, tcl,
    xz (Debian: mawk, bash, g++, jq, nodejs, perl, python3, coreutils, sqlite3, tcl, xz-utils). A trace that is there
    already stays: an interrupted command goes on. Recording needs userfaultfd (root); all take some minutes.

    \b
    Examples:
      vcram trace build traces
      vcram sweep --trace traces/xz.trace --trace traces/node.trace --over cram.media_bytes=1M,4M -o out
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or sorted(PROGRAMS):
        program, output = PROGRAMS[name], folder / f"{name}.trace"
        if output.exists():
            click.echo(f"{output}: there already", err=True)
            continue
        if not Path(program.command[0]).exists():
            click.echo(f"{name}: {program.command[0]} is not installed here", err=True)
            continue
        with Console(stderr=True).status(f"recording {name}"):
            result = record(program, output, max_events)
        if result.interrupted:
            output.unlink()
            raise KeyboardInterrupt
        header = result.trace.header
        click.echo(f"{output}: {header.events:,} events, {header.pages:,} pages, {result.file_bytes:,} bytes"
                   f"{'' if header.complete else f', stopped at {result.limit}'}", err=True)  # fmt: skip


@trace_group.command("import")
@click.option("--perf", "perf_file", metavar="FILE", type=click.Path(path_type=Path, allow_dash=True),
              help="Text of perf script or perf trace -F all; - for standard input.")  # fmt: skip
@click.option("--damon", "damon_file", metavar="FILE", type=click.Path(path_type=Path, allow_dash=True),
              help="Text of damo report access --raw_form, or of perf script of damon:damon_aggregated.")  # fmt: skip
@click.option("--guest", "guest_file", metavar="FILE", type=click.Path(path_type=Path, allow_dash=True),
              help="Text of vcram cxl --record.")  # fmt: skip
@click.option("-o", "--output", required=True, metavar="FILE", type=OutputFile(stdout=False), help="Trace to write.")
@click.option("--corpus", type=click.Path(path_type=Path, file_okay=False), default=CORPUS,
              show_default="the sample that comes with the program", metavar="FOLDER",
              help="Where contents are drawn from; `vcram corpus build` makes one.")  # fmt: skip
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only this program's pages; may be repeated.")
@click.option("--program", default="imported", show_default=True, metavar="NAME", help="What the trace is called.")
@click.option("--write-percent", type=click.IntRange(0, 100), default=0, show_default=True, metavar="N",
              help="Of later accesses to a page of which the text does not say, so many are writes.")  # fmt: skip
@click.option("--samples", type=click.IntRange(1), default=damon.SAMPLES, show_default=True, metavar="N",
              help="With --damon: looks in an aggregation interval.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of all that is drawn.")
@click.option("--max-events", type=click.IntRange(1), default=DEFAULT_MAX_EVENTS, show_default=True,
              help="End the trace at this many events.")  # fmt: skip
@click.option("--max-contents", type=click.IntRange(1), default=DEFAULT_MAX_CONTENTS, show_default=True,
              help="End the trace at this many distinct page contents.")  # fmt: skip
def trace_import(
    perf_file: Path | None,
    damon_file: Path | None,
    guest_file: Path | None,
    output: Path,
    corpus: Path,
    kinds: tuple[str, ...],
    program: str,
    write_percent: int,
    samples: int,
    seed: int,
    max_events: int,
    max_contents: int,
) -> None:
    """Make a trace of accesses that perf, DAMON or the guest of vcram cxl has seen on a running kernel.

    None tells what pages held: contents are drawn from a corpus, and the trace says so. docs/trace.md says what else
    such a trace does not show.

    \b
    Examples:
      perf record -e exceptions:page_fault_user -o faults.data -- CMD
      perf script --show-task-events -F comm,pid,tid,time,event,trace -i faults.data > faults.txt
      vcram trace import --perf faults.txt -o faults.trace
      perf trace -F all --no-syscalls -o faults.txt -- CMD
      vcram trace import --perf faults.txt --write-percent 30 -o faults.trace
      damo record -o damon.data PID; damo report access --raw_form --input_file damon.data > regions.txt
      vcram trace import --damon regions.txt --corpus my-corpus --kind database -o regions.trace
      vcram cxl --record guest.txt; vcram trace import --guest guest.txt -o guest.trace
    """
    named = [file for file in (perf_file, damon_file, guest_file) if file is not None]
    if len(named) != 1:
        raise click.UsageError("name one text to import: --perf FILE, --damon FILE or --guest FILE")
    file = named[0]
    counts = guest.Counts()
    contents = Contents(corpus, kinds, Random(f"contents {seed}"))
    builder = Builder(contents, max_events, max_contents, write_percent, Random(f"writes {seed}"))
    with interruptible(), Console(stderr=True).status(f"reading {file}"):
        lines = _lines(file)
        if perf_file:
            tool, more, advice, seen = "perf", _PERF, perf.ADVICE, perf.read(lines, str(file))
        elif damon_file:
            tool, more, advice = "DAMON", _DAMON.format(samples=samples), damon.ADVICE
            seen = damon.read(lines, str(file), samples=samples, seed=seed)
        else:
            tool, more, advice, seen = "a guest", _GUEST, guest.ADVICE, guest.read(lines, str(file), counts)
        builder.add(seen)
        if not len(builder.writer):
            raise TraceError(f"{file}: no accesses in it; make it with {advice}")
        header = TraceHeader.recorded_now(
            [program],
            f"imported from {tool}",
            window=0,
            loss=_LOSS.format(
                corpus=corpus.name, kinds=", ".join(contents.kinds), seed=seed, write_percent=write_percent, more=more
            ),
            complete=builder.limit is None,
        )
        trace = builder.writer.finish(header)
        size = save(trace, output)
    header = trace.header
    met = ""
    if builder.limit is not None:
        met = f" (ended at a limit; --{builder.limit.replace('_', '-')} N raises it)"
    click.echo(f"{output}: {header.events:,} events, {header.pages:,} pages, {header.spaces:,} spaces, contents drawn "
               f"from {corpus}, {size:,} bytes{met}", err=True)  # fmt: skip
    if guest_file:
        click.echo(f"the kernel demoted {counts.demoted:,} pages and promoted {counts.promoted:,}; "
                   f"{counts.faults:,} faults, {counts.hint_faults:,} of them hints", err=True)  # fmt: skip


def _lines(file: Path) -> Iterable[str]:
    """The lines of a text. Raises TraceError."""
    try:
        if str(file) == "-":
            yield from sys.stdin
            return
        with file.open(encoding="utf-8", errors="replace") as text:
            yield from text
    except OSError as error:
        raise TraceError(f"{file}: {error.strerror}") from error
