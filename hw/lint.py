# SPDX-License-Identifier: MIT
"""Lint of the Verilog: `python -m hw.lint [FOLDER ...]`, of `hw` and of these folders.

The RTL under both simulators, as they warn of different things. All Verilog with slang, which holds it to the standard
where simulators are lenient (a name used before its declaration, a keyword as a name), and against the project's own
dialect (`hw.style`).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hw import style
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


def slang(top: str, files: Sequence[Path], checker: bool = False) -> list[str]:
    """The warnings and errors of slang about `top`, elaborated from `files`, one a line; empty when clean.

    It reads Verilog-2005; a `checker` of a proof has SystemVerilog's assertions and leaves outputs unconnected.

    Raises:
        ToolError: slang is missing, or does not take the files.
    """
    try:
        from pyslang import TextDiagnosticClient
        from pyslang.driver import Driver
    except ImportError:
        raise ToolError("pyslang not found: run `make setup`") from None
    driver, said = Driver(), TextDiagnosticClient()
    driver.addStandardArgs()
    argv = ["slang", "--std", "1800-2017" if checker else "1364-2005", "--timescale", TIMESCALE, "--top", top]
    argv += ["-DFORMAL", "-Wno-unconnected-output-port"] if checker else []
    argv += [f"-I{RTL}", *map(str, files)]
    if not driver.parseCommandLine(" ".join(f'"{word}"' for word in argv)) or not driver.processOptions():
        raise ToolError(f"slang does not take {' '.join(argv)}")
    driver.diagEngine.clearClients()  # or it prints
    driver.diagEngine.addClient(said)
    driver.parseAllSources()
    compilation = driver.createCompilation()
    driver.reportCompilation(compilation, True)
    driver.runAnalysis(compilation)
    return [line for line in said.getString().splitlines() if re.search(r": (warning|error|fatal error): ", line)]


def elaborations(others: Sequence[Path] = ()) -> Iterator[tuple[str, list[Path], bool]]:
    """What slang has to look at so that it sees all Verilog: top module, its files, whether it is a proof's checker."""
    for top in tops():
        yield top, closure(top), False
    for path in style.sources(others):
        if path.parent == RTL:
            continue
        if path.stem.startswith("free_"):  # in the place of the module that it names
            yield path.stem.removeprefix("free_"), [path], True
        elif path.parent.name == "formal":
            yield path.stem, closure(path.stem, [path]), True
        else:
            yield path.stem, closure(path.stem, sorted(path.parent.glob("*.v"))), False


def main(others: Sequence[Path] = ()) -> int:
    """Lint all Verilog of `hw` and of these folders; returns the number of complaints."""
    complaints = [str(finding) for path in style.sources(others) for finding in style.check(path)]
    complaints += [line for top, files, checker in elaborations(others) for line in slang(top, files, checker)]
    complaints += [line for top in tops() for simulator in SIMULATORS for line in lint(simulator, top)]
    for line in dict.fromkeys(complaints):
        print(line, file=sys.stderr)
    return min(len(complaints), 100)


if __name__ == "__main__":
    try:
        sys.exit(main([Path(folder).resolve() for folder in sys.argv[1:]]))
    except ToolError as error:
        sys.exit(str(error))
