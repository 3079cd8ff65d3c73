# SPDX-License-Identifier: MIT
"""`vcram costs`: what the software steps cost, as stated and as this machine has it."""

from __future__ import annotations

import platform
import re
import tomllib
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from sim.base.interrupts import interruptible
from sim.base.options import OutputFile
from sim.costs.measure import Measured, measure
from sim.scenario.scenario import DEFAULT, Scenario, find
from vswap.base.costs import Costs
from vswap.base.results import is_stdout, write_text


@click.group("costs")
def costs_group() -> None:
    """What the software steps of a swap system cost in simulated time, and what they cost here.

    A scenario's [costs] are ns of each step. `vcram scenarios --keys` lists them with their defaults and sources.
    """


@costs_group.command("measure")
@click.argument("scenario", default=DEFAULT)
@click.option("-o", "--output", type=OutputFile(), default="measured.toml", show_default=True, metavar="FILE",
              help="Write the scenario into this file; - is standard output.")  # fmt: skip
@click.option("--disk", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="FOLDER",
              help="Measure reads and writes of 4 KiB in this folder, too: the disk that is to swap.")  # fmt: skip
def costs_measure(scenario: str, output: Path, disk: Path | None) -> None:
    """Measure what this machine can measure, and write SCENARIO with these [costs].

    \b
    Measured without privileges, in some 20 seconds: a minor fault, zeroing, copying and testing a page, the PTE of a
    fork, a TLB shootdown across all processors, compressing and decompressing a page that no cache has with each of
    zswap's compressors, as libraries (that for LZO searches longer than Linux' own); with --disk, the swapfile. The
    rest stays as SCENARIO, or the default, has it.

    \b
    Examples:
      vcram costs measure -o here.toml && vcram run here.toml --sim model
      vcram costs measure my.toml --disk /var/tmp -o -

    Let the machine be idle meanwhile. SCENARIO is a .toml file or the name of a shipped one (vcram scenarios).
    """
    path = find(scenario)
    known = Scenario.load(path)
    with Console(stderr=True).status("") as status, interruptible():
        found = list(measure(disk, lambda what: status.update(f"measuring {what}")))
    write_text(output, with_costs(path, known, found))
    console = Console(stderr=is_stdout(output))
    console.print(_table(known, found))
    if not is_stdout(output):
        console.print(f"\nvcram run {output}", highlight=False, markup=False, soft_wrap=True)


def with_costs(path: Path, scenario: Scenario, found: Sequence[Measured]) -> str:
    """The text of a scenario's file with the measured costs, for a file elsewhere. The scenario's own costs stay where
    nothing was measured."""
    text = re.sub(r"(?m)^\[costs\][^\n]*\n(?:(?!\[)[^\n]*\n?)*", "", path.read_text(encoding="utf-8"))
    text = _with_absolute_paths(text, path)
    measured = {each.name: each for each in found if each.ns is not None}
    lines = [f"# measured on {_processor()}, Linux {platform.release()}", "[costs]"]
    for cost in fields(Costs):
        if cost.name in measured:
            lines.append(f"{cost.name} = {measured[cost.name].ns}  # {measured[cost.name].how}")
        elif cost.name in scenario.costs:
            lines.append(f"{cost.name} = {scenario.costs[cost.name]}")
    result = text.rstrip("\n") + "\n\n" + "\n".join(lines) + "\n"
    tomllib.loads(result)
    return result


def _with_absolute_paths(text: str, path: Path) -> str:
    """Paths in the file start at its folder: make them start at the root. So that of tiers of one's own is stated."""

    def absolute(found: re.Match[str]) -> str:
        return f'{found[1]}"{(path.parent / found[3]).resolve()}"'

    text = re.sub(r"""(?m)^((?:trace|path|folder)\s*=\s*)(["'])(.*?)\2""", absolute, text)
    if not re.search(r"(?m)^folder\s*=", text):
        text = re.sub(r"(?m)^\[tiers\].*$", lambda found: f'{found[0]}\nfolder = "{path.parent.resolve()}"', text)
    return text


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _table(scenario: Scenario, found: Sequence[Measured]) -> Table:
    table = Table(show_edge=False, pad_edge=False)
    for column, justify in (("step", "left"), ("here, ns", "right"), ("before, ns", "right"), ("how", "left")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    before = scenario.vswap_config().costs
    for each in found:
        here = f"{each.ns:,}" if each.ns is not None else "-"
        table.add_row(each.name, here, f"{getattr(before, each.name):,}", each.how)
    return table
