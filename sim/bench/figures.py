# SPDX-License-Identifier: MIT
"""The measured tables of the documents, and the page of curves, from the records in docs/figures.

    python -m sim.bench.figures             write the documents' tables again
    python -m sim.bench.figures --record    first take what the last make hwbench, fpga, mutation, effects, faults,
                                            python -m sim.bench.modes or sim.bench.guest wrote

A table follows a line `<!-- made by python -m sim.bench.figures: NAME -->` and ends at an empty line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from hw.places import build_folder
from hw.sources import ROOT
from sim.bench import hardware_tables, stack_tables
from sim.bench.hardware_tables import SURVIVED
from sim.bench.load_page import load_page
from sim.bench.markdown import Records

RECORDS = ROOT / "docs" / "figures"
DOCUMENTS = (
    "hwbench.md", "compressor.md", "decompressor.md", "mutants.md", "kerneldiff.md", "faults.md", "vswap/node-mode.md",
    "cxl.md",
)  # fmt: skip
CURVES = RECORDS / "loaded.html"
NAMES = ("hwbench", "loaded", "engines", "asic", "fpga", "mutation", "effects", "faults", "modes", "guest")
_MADE_WITH = dict.fromkeys(("loaded", "engines", "asic"), "hwbench")  # whose target makes several records
_PARTS = {"hwbench": "widths", "loaded": "loaded", "engines": "engines", "asic": "asic"}  # of build/hwbench.json
_MARK = re.compile(r"(<!-- made by `python -m sim\.bench\.figures`: ([a-z-]+) -->\n)(.*?)(?=\n\n|\Z)", re.DOTALL)


class FiguresError(Exception):
    """A record or a document is not as it should be; one line."""


def records(folder: Path = RECORDS) -> Records:
    """Read the records. Raises FiguresError."""
    found = {}
    for name in NAMES:
        file = folder / f"{name}.json"
        try:
            found[name] = json.loads(file.read_text())
        except (OSError, ValueError) as error:
            make = _MADE_WITH.get(name, name)
            raise FiguresError(f"{file}: {error}: `make {make}`, then python -m sim.bench.figures --record") from None
    return found


TABLES: Mapping[str, Callable[[Records], str]] = {**hardware_tables.TABLES, **stack_tables.TABLES}


def updated(text: str, kept: Records) -> str:
    """A document with its tables made again. Raises FiguresError for a name that is none."""

    def make(match: re.Match[str]) -> str:
        if match[2] not in TABLES:
            raise FiguresError(f"no table {match[2]!r}: one of {', '.join(TABLES)}")
        return match[1] + TABLES[match[2]](kept)

    return _MARK.sub(make, text)


def record(results: Path, to: Path = RECORDS) -> None:
    """Take the records from the folder `results`, where they are there.

    Raises:
        FiguresError: a campaign of mutants has not judged its whole sample.
    """
    for name in NAMES:
        source = results / f"{_MADE_WITH.get(name, name)}.json"
        if not source.exists():
            continue
        rows = json.loads(source.read_text())
        if name in _PARTS:
            rows = rows[_PARTS[name]]
            if not rows:  # not measured: what is recorded stays
                continue
        if name == "mutation":
            if len(rows["mutants"]) != rows["sample"]:
                raise FiguresError(
                    f"{source}: {len(rows['mutants'])} of {rows['sample']} mutants: not a whole campaign"
                )
            rows = [{"commit": rows["commit"], "rtl": rows["rtl"]} | _short(row) for row in rows["mutants"]]
        if name == "faults":
            state = {"commit": rows["commit"], "rtl": rows["rtl"]}
            rows = [{"kind": kind} | state | row for kind, row in rows["by_kind"].items()]
        to.mkdir(exist_ok=True)
        text = ",\n".join(map(json.dumps, rows))
        (to / f"{name}.json").write_text(f"[\n{text}\n]\n")


def _short(row: Mapping[str, Any]) -> dict[str, Any]:
    """Of a mutant only what the tables say: which one it is matters of a survivor alone."""
    keys = ("module", "result", "key", "mutation") if row["result"] == SURVIVED else ("module", "result")
    return {key: row[key] for key in keys}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--record",
    "first",
    is_flag=True,
    help="Take build/{hwbench,fpga,mutation,effects,faults,modes,guest}.json as the records first.",
)
def main(first: bool) -> None:
    """Write the measured tables of the documents again, from docs/figures."""
    try:
        if first:
            record(build_folder())
        kept = records()
        for name in DOCUMENTS:
            file = ROOT / "docs" / name
            file.write_text(updated(file.read_text(), kept))
        CURVES.write_text(load_page(kept["loaded"]))
    except (FiguresError, OSError) as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
