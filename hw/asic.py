# SPDX-License-Identifier: MIT
"""Gate equivalents and critical path of the engines in a standard-cell library: Yosys and abc.

`python -m hw.asic` maps both engines to the cells of OSU's 0.18 um library, which Debian has in its package
qflow-tech-osu018, prints a table and writes build/asic.json: a list of rows with the keys of `Row`. Another Liberty
file, of a library that you have, is named with `--liberty`. A result is kept until a source or the library changes.

Nothing is placed: no wire has a delay or takes area. Memories of up to 16 words become registers. Larger ones, which a
memory compiler would make, are left out and counted in bits.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hw.fpga import ENGINES
from hw.places import results_folder
from hw.synthesis import LIMIT_S, SynthesisError, Target, prepared, print_table, run_yosys

LIBERTY = Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib")
PACKAGE = "qflow-tech-osu018"
GATE = "NAND2X1"  # the smallest NAND of two inputs: its area is the unit
_REGISTER_WORDS = 16
_TARGET_PS = 1000  # faster than the library can: the mapper sizes gates until no path gets shorter
# The mapper's own steps but for `dch`, a search for other structures that takes hours for an engine; then buffers,
# sizes, and the path that is left.
_MAPPING = (
    "+strash;&get,-n;&fraig,-x;&put;scorr;dc2;strash;&get,-n;&nf,{D};&put;buffer,-c;topo;upsize,{D};dnsize,{D};stime,-p"
)


@dataclass(frozen=True)
class Row:
    """What a module takes and how fast it is.

    Attributes:
        module, width: what was synthesized.
        library: name of the Liberty file.
        gate_equivalents: area of all cells in NAND2X1, flip-flops included, memories of more than 16 words not.
        flip_flops: how many.
        memory_bits: in the memories that are left out.
        critical_path_ns: the slowest logic between two registers; a flip-flop's own delay and setup, and those of the
            memories that are left out, are not in it.
        note: which step did not end, or nothing.
    """

    module: str
    width: int | None
    library: str
    gate_equivalents: int | None = None
    flip_flops: int | None = None
    memory_bits: int | None = None
    critical_path_ns: float | None = None
    note: str = ""


def synthesize(target: Target, liberty: Path = LIBERTY, limit_s: float = LIMIT_S) -> Row:
    """The row of a target, from an earlier run if nothing has changed.

    Args:
        target: what to synthesize.
        liberty: the library's file.
        limit_s: wall-clock limit, seconds.

    Raises:
        SynthesisError: a tool or the library is missing, or Yosys ends with an error.
    """
    gate = gate_area(liberty)
    commands = [
        f"# {hashlib.sha256(liberty.read_bytes()).hexdigest()}",  # its folder is for this library alone
        f"synth -flatten -top {target.module} -run begin:fine",
        "opt -fast -full",
        f"memory_map t:$mem_v2 r:SIZE<={_REGISTER_WORDS} %i",
        "opt -undriven -fine",
        "techmap",
        "opt -fast",
        f"dfflibmap -liberty {liberty}",
        "opt -fast",
        f"abc -liberty {liberty} -D {_TARGET_PS} -script {_MAPPING}",
        "opt_clean",
        "dump -o memories.txt t:$mem_v2",
        f"tee -o stat.part stat -json -liberty {liberty}",
    ]
    folder = prepared(target, "asic", commands, ("pyosys",))
    if not (folder / "stat.json").exists():
        if not run_yosys(folder, limit_s):
            return Row(target.module, target.width, liberty.name, note=f"Yosys did not end within {limit_s:.0f} s")
        (folder / "stat.part").replace(folder / "stat.json")
    design = json.loads((folder / "stat.json").read_text())["design"]
    cells = design["num_cells_by_type"]
    return Row(
        target.module,
        target.width,
        liberty.name,
        gate_equivalents=round(design["area"] / gate),
        flip_flops=sum(count for name, count in cells.items() if name.startswith("DFF")),
        memory_bits=memory_bits((folder / "memories.txt").read_text()),
        critical_path_ns=critical_path_ns((folder / "synthesis.log").read_text(errors="replace")),
    )


def gate_area(liberty: Path) -> float:
    """Area of the library's NAND2X1, in its own unit. Raises SynthesisError: there is no such file, or no such cell."""
    try:
        text = liberty.read_text(errors="replace")
    except OSError as error:
        raise SynthesisError(f"{liberty}: {error.strerror}: install Debian's {PACKAGE}, or give --liberty") from None
    found = re.search(rf"cell\s*\(\s*\"?{GATE}\"?\s*\)\s*{{.*?\barea\s*:\s*([0-9.]+)", text, re.DOTALL)
    if not found:
        raise SynthesisError(f"{liberty}: no cell {GATE} with an area, the unit of gate equivalents: another library")
    return float(found[1])


def memory_bits(dump: str) -> int:
    """Bits of all memories in what Yosys' `dump` writes of them."""
    sizes, widths = (re.findall(rf"parameter (?:signed )?\\{key} (\d+)", dump) for key in ("SIZE", "WIDTH"))
    return sum(int(size) * int(width) for size, width in zip(sizes, widths, strict=True))


def critical_path_ns(log: str) -> float | None:
    """The delay that abc's last `stime` tells, ns; None if there is no logic."""
    delays = re.findall(r"Delay =\s*([0-9.]+) ps", log)
    return round(float(delays[-1]) / 1000, 3) if delays else None


def print_rows(rows: Sequence[Row]) -> None:
    """A table, one line a module."""
    heads = ("module", "width", "gate equivalents", "FFs", "memory bits", "critical path, ns", "")
    lines = []
    for row in rows:
        values: tuple[Any, ...] = (row.gate_equivalents, row.flip_flops, row.memory_bits, row.critical_path_ns)
        cells = ["-" if value is None else f"{value:,}" for value in values]
        lines.append((row.module, str(row.width or ""), *cells, row.note))
    print_table(heads, lines)


def result() -> Path:
    """Where the rows are."""
    return results_folder() / "asic.json"


def main() -> int:
    """Map the engines, showing each as it is done."""
    parser = argparse.ArgumentParser(
        prog="python -m hw.asic",
        description='Gate equivalents and critical path of both engines; docs/hwbench.md, "Standard cells".',
    )
    parser.add_argument("--liberty", type=Path, default=LIBERTY, help=f"the library's file (%(default)s, of {PACKAGE})")
    parser.add_argument("--limit", type=float, default=LIMIT_S, metavar="S", help="seconds for a module (%(default)s)")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    rows = []
    try:
        for number, target in enumerate(ENGINES, 1):
            print(f"[{number}/{len(ENGINES)}] {target.label} ...", end="", file=sys.stderr, flush=True)
            start = time.monotonic()
            row = synthesize(target, arguments.liberty.absolute(), arguments.limit)
            rows.append(row)
            print(f" {time.monotonic() - start:.0f} s {row.note}", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print("\nasic: interrupted; nothing is left running", file=sys.stderr)
        return 130
    result().parent.mkdir(parents=True, exist_ok=True)
    result().write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    print_rows(rows)
    print(f"rows: {result()}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SynthesisError as error:
        sys.exit(f"asic: {error}")
