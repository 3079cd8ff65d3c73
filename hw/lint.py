"""Lint of the RTL under both simulators: `python -m hw.lint`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from hw.build import ICARUS_FLAGS, TIMESCALE, literal
from hw.sources import RTL, closure, tops, waivers
from hw.tools import SIMULATORS, Simulator, ToolError, icarus, verilator


def lint(
    simulator: Simulator,
    top: str,
    sources: Sequence[Path] | None = None,
    parameters: Mapping[str, int | str] | None = None,
) -> list[str]:
    """The warnings and errors of `top` (with `parameters`) and all below it, one a line; empty when clean.

    Verilator: `--lint-only -Wall` with the waivers of `hw/rtl/*waivers.vlt`. Icarus: `-g2005 -Wall`.
    """
    files = closure(top, sources or ())
    values = {name: literal(value) for name, value in (parameters or {}).items()}
    if simulator == "verilator":
        tool = verilator()
        argv = [str(tool.program), "--lint-only", "--timing", "-Wall", "--timescale", TIMESCALE, "--top-module", top]
        argv += [*(f"-G{name}={value}" for name, value in values.items())]
        argv += [f"-I{RTL}", *map(str, waivers()), *map(str, files)]
        answer = subprocess.run(argv, env=os.environ | tool.environment, capture_output=True, text=True)
    else:
        icarus()
        with tempfile.NamedTemporaryFile("w", suffix=".f") as commands:
            commands.write(f"+timescale+{TIMESCALE}\n")
            commands.flush()
            argv = ["iverilog", *ICARUS_FLAGS, "-Wall", "-t", "null", "-s", top, "-f", commands.name, f"-I{RTL}"]
            argv += [f"-P{top}.{name}={value}" for name, value in values.items()]
            answer = subprocess.run([*argv, *map(str, files)], capture_output=True, text=True)
    lines = [line for line in (answer.stdout + answer.stderr).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("- ")]  # Verilator's statistics
    if answer.returncode != 0 and not lines:
        lines = [f"{argv[0]} ended with {answer.returncode}"]
    return lines


def main() -> int:
    """`python -m hw.lint`: lint all RTL under both simulators; returns the number of complaints."""
    complaints = [line for top in tops() for simulator in SIMULATORS for line in lint(simulator, top)]
    for line in complaints:
        print(line, file=sys.stderr)
    return min(len(complaints), 100)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ToolError as error:
        sys.exit(str(error))
