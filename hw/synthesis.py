# SPDX-License-Identifier: MIT
"""Run Yosys on a module of the RTL, and keep what it found until a source changes."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from hw.places import build_folder
from hw.processes import run_logged
from hw.sources import RTL, closure

LIMIT_S = 1800.0
_YOSYS = "import sys; from pyosys import libyosys; libyosys.Design().run_pass(f'script {sys.argv[1]}')"


class SynthesisError(Exception):
    """A tool or a library is missing, or refuses the RTL; one line."""


@dataclass(frozen=True)
class Target:
    """A module to synthesize with parameters; `width` is that of the compressor, None where there is none."""

    module: str
    parameters: tuple[tuple[str, int], ...] = ()
    width: int | None = None

    @property
    def label(self) -> str:
        """For progress."""
        return self.module + (f" at width {self.width}" if self.width else "")


def prepared(target: Target, room: str, commands: Sequence[str], packages: Sequence[str]) -> Path:
    """A folder of `build/<room>` that belongs to this state of the target: the sources and script.ys.

    Args:
        target: what to synthesize.
        room: which results these are.
        commands: of Yosys, after the sources are read and have their parameters.
        packages: of PyPI, whose version decides the result.

    Raises:
        SynthesisError: a package is missing.
    """
    files = closure(target.module)
    folder = build_folder() / room / f"{target.module}-{target.width or 0}-{_digest(target, commands, packages, files)}"
    place = folder / "script.ys"
    if place.exists():  # written last
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    for path in [*files, *RTL.glob("*.vh")]:  # the tools' sandbox has a /tmp of its own: by name they find all
        shutil.copy(path, folder)
    chosen = "".join(f" -set {key} {value}" for key, value in target.parameters)
    script = [
        *(f"read_verilog {path.name}" for path in files),
        *([f"chparam{chosen} {target.module}"] if chosen else []),
        *commands,
    ]
    place.write_text("\n".join(script) + "\n")
    return folder


def run_yosys(folder: Path, limit_s: float) -> bool:
    """Run the script of a prepared folder; the log is synthesis.log. False if it was stopped at the limit, in seconds.

    Raises SynthesisError.
    """
    return run_tool([sys.executable, "-c", _YOSYS, "script.ys"], folder, "synthesis.log", limit_s)


def run_tool(argv: Sequence[str], folder: Path, log: str, limit_s: float) -> bool:
    """Run a tool in `folder`; False if it was stopped at the limit, in seconds. Raises SynthesisError."""
    try:
        status = run_logged(argv, folder, folder / log, limit_s)
    except subprocess.TimeoutExpired:
        return False
    if status != 0:
        lines = (folder / log).read_text(errors="replace").splitlines()
        said = [line for line in lines if re.search(r"ERROR|[Ee]rror:", line)] or lines[-1:] or ["no word"]
        raise SynthesisError(f"{log} of {folder.name}: {said[0].strip()} (log: {folder / log})")
    return True


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns of text; the first and the last flush left, numbers between them flush right."""
    lines = [heads, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = [cell.ljust(width) if i in (0, len(heads) - 1) else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(line, widths, strict=True))]  # fmt: skip
        print("  ".join(cells).rstrip())


def _digest(target: Target, commands: Sequence[str], packages: Sequence[str], files: Sequence[Path]) -> str:
    digest = hashlib.sha256(repr((target, tuple(commands))).encode())
    for package in packages:
        try:
            digest.update(metadata.version(package).encode())
        except metadata.PackageNotFoundError:
            raise SynthesisError(
                f"{package} is missing: `make fpga` and `make asic` install requirements/fpga.txt"
            ) from None
    for path in [*files, *sorted(RTL.glob("*.vh"))]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
