# SPDX-License-Identifier: MIT
"""Build: RTL into a simulation program, once.

A build lives in `build/hw/<top>-<simulator>-<hash>/` (hw/places.py says where `build` is); the hash covers everything
that can change it: the text of the sources that `top` reaches, the headers, parameters, flags and the tools' versions.
So nothing is compiled twice, and nothing stale is ever run. What was written on the way to the program is removed, and
builds unused for long, too (hw/outputs.py). The same call works for Verilator and Icarus:

    rtl = build("cram_bench", "verilator", {"CACHE_PAGES": 4})
    simulate(rtl, "my_bench", seed=1)

Only the signals of the top module are visible to cocotb under Verilator (ports and its own nets): making every signal
public costs most of the speed. `public=True` shows all.

With VCRAM_COVERAGE=<folder> in the environment Verilator counts which lines and toggles a run reaches, and every run
leaves a `.dat` there, for `make coverage` to read. Such builds are builds of their own, and slower.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import cocotb_tools.config

from hw.outputs import describe, prune_builds
from hw.places import build_folder
from hw.processes import locked, tree_ends_with_us
from hw.sources import RTL, closure, waivers
from hw.tools import Simulator, compiler, compiler_version, icarus, verilator

TIMESCALE = "1ns/1ps"
VERILATOR_FLAGS = [
    "-cc", "--exe", "--vpi", "--timing", "-O3", "-Wno-fatal",
    "--x-assign", "fast", "--x-initial", "unique",  # unique: filled at start from the seed, so a missing reset shows
    "--timescale", TIMESCALE, "--prefix", "Vtop", "-o", "simulation",
    "-CFLAGS", "-std=c++20",  # coroutines, for --timing
]  # fmt: skip
CXX_FLAGS = [
    *("OPT_FAST=-O2", "OPT_GLOBAL=-O2", "OPT_SLOW=-O1"),
    "CFG_CXXFLAGS_PCH_I=-include",  # the wheel was configured without it, and larger designs have precompiled headers
]
# 1024: the width of the widest port of the RTL; without a limit the memories' widest words take most of the time
COVERAGE_FLAGS = ["--coverage-line", "--coverage-toggle", "--coverage-max-width", "1024"]
ICARUS_FLAGS = ["-g2005"]

log = logging.getLogger(__name__)


class BuildError(Exception):
    """The RTL did not compile; the message holds the tool's first error and the path of the whole log."""


@dataclass(frozen=True)
class Build:
    """A compiled simulation.

    Attributes:
        top: name of the top module.
        simulator: "verilator" or "icarus".
        folder: where it lies, absolute.
        waves: whether a run records all signals (`waves.vcd` or `waves.fst` in the folder of the run).
        coverage: whether a run leaves `coverage.dat` in its folder.
        parameters, sources, public: what `build` was called with.
    """

    top: str
    simulator: Simulator
    folder: Path
    waves: bool
    coverage: bool = False
    parameters: Mapping[str, int | str] = field(default_factory=dict, hash=False)
    sources: tuple[Path, ...] = ()
    public: bool = False


def planned(
    top: str,
    simulator: Simulator,
    parameters: Mapping[str, int | str] | None = None,
    sources: Sequence[Path] | None = None,
    waves: bool = False,
    public: bool = False,
    coverage: bool | None = None,
) -> Build:
    """Where `build` of the same arguments puts what it compiles: a folder of its own for all that changes the result.

    Raises:
        ToolError: the simulator is missing or too old.
    """
    values = dict(parameters or {})
    coverage = simulator == "verilator" and (coverage_folder() is not None if coverage is None else coverage)
    files = closure(top, sources or ())
    headers = sorted(RTL.glob("*.vh"))
    if simulator == "verilator":
        tool, flags = verilator().version + compiler_version(), VERILATOR_FLAGS + CXX_FLAGS
        flags = flags + COVERAGE_FLAGS if coverage else flags
    else:
        tool, flags = icarus(), ICARUS_FLAGS
    digest = hashlib.sha256()
    for part in [top, tool, str(cocotb_tools.config.libs_dir), repr(flags), repr(sorted(values.items()))]:
        digest.update(part.encode() + b"\0")
    digest.update(f"{waves} {public}\0".encode())
    for path in [*files, *headers, *waivers()]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    folder = builds() / f"{top}-{simulator}-{digest.hexdigest()[:16]}"
    return Build(top, simulator, folder, waves, coverage, values, tuple(sources or ()), public)


def build(
    top: str,
    simulator: Simulator,
    parameters: Mapping[str, int | str] | None = None,
    sources: Sequence[Path] | None = None,
    waves: bool = False,
    public: bool = False,
    coverage: bool | None = None,
) -> Build:
    """Compile `top`, or find the compiled one. Safe to call from several processes at once.

    Args:
        top: the top module, in `hw/rtl/<top>.v` or in one of `sources`.
        simulator: "verilator" or "icarus".
        parameters: values for the top module's parameters.
        sources: further files, named after their modules (testbenches); `hw/rtl` is always searched.
        waves: record all signals when run.
        public: let cocotb see every signal under Verilator, not only the top module's. Icarus always shows all.
        coverage: count lines and toggles, under Verilator only; by default if VCRAM_COVERAGE is set.

    Raises:
        BuildError: the RTL does not compile.
        ToolError: the simulator is missing or too old.
    """
    result = planned(top, simulator, parameters, sources, waves, public, coverage)
    with compiling(result.folder) as missing:
        if missing:
            log.info("compiling %s for %s", top, simulator)
            files = closure(top, sources or ())
            if simulator == "verilator":
                _build_verilator(result, result.parameters, files, public)
            else:
                _build_icarus(result, result.parameters, files)
            keep_only(result.folder, "simulation" if simulator == "verilator" else "simulation.vvp")
    return result


@contextmanager
def compiling(folder: Path) -> Iterator[bool]:
    """Whether the build of `folder` has yet to be made: by the caller, in the body, while all others wait for it.

    Afterwards it is complete, unless the body raises. Builds unused for long are removed if one was made.
    """
    complete = folder / "complete"
    with locked(folder.with_suffix(".lock")):
        missing = not complete.exists()
        if missing:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        yield missing
        if missing:
            complete.touch()
        os.utime(folder)  # it is in use: not to be pruned soon
    if missing:
        describe(folder.parent.parent)
        prune_builds(folder.parent)


def keep_only(folder: Path, program: str) -> None:
    """Remove what was written on the way to a build's program: most of it are precompiled headers of 100 MB each."""
    for path in folder.iterdir():
        if path.name not in (program, "compile.log"):
            path.unlink()


def builds() -> Path:
    """The folder of all builds. Raises hw.places.PlaceError."""
    return build_folder() / "hw"


def _build_verilator(result: Build, parameters: Mapping[str, int | str], files: Sequence[Path], public: bool) -> None:
    tool = verilator()
    libraries = cocotb_tools.config.libs_dir
    main = cocotb_tools.config.share_dir / "lib" / "verilator" / "verilator.cpp"
    shutil.copy(main, result.folder)
    environment = verilator_environment(result.folder)
    run_tool(
        result,
        [
            str(tool.program),
            *VERILATOR_FLAGS,
            *(["--public-flat-rw"] if public else ["--public-depth", "1"]),
            *(["--trace"] if result.waves else []),
            *(COVERAGE_FLAGS if result.coverage else []),
            *("-Mdir", ".", "--no-MMD", "--top-module", result.top, f"-I{RTL}"),
            *("-LDFLAGS", shlex.join([f"-Wl,-rpath,{libraries}", f"-L{libraries}", "-lcocotbvpi_verilator"])),
            *(f"-G{name}={literal(value)}" for name, value in parameters.items()),
            main.name,
            *map(str, waivers()),
            *map(str, files),
        ],
        environment,
    )
    compile_cpp(result, VERILATOR_FLAGS, [f"VM_TRACE={int(result.waves)}", *CXX_FLAGS], environment)


def compile_cpp(result: Build, flags: Sequence[str], settings: Sequence[str], environment: Mapping[str, str]) -> None:
    """Compile what Verilator has written into the build's folder; its runtime is compiled once for many builds.

    Args:
        result: the build.
        flags: what Verilator was called with.
        settings: variables of its makefile.
        environment: that of the tools.

    Raises:
        BuildError: it does not compile.
    """
    shared = _runtime_folder(result.folder, [*flags, *settings])
    for file in shared.glob("*.o"):
        shutil.copy(file, result.folder)
    run_make(result, settings, environment)
    shared.mkdir(exist_ok=True)
    for file in result.folder.glob("verilated*.o"):
        if not (shared / file.name).exists():
            part = shared / f"{file.name}.{os.getpid()}"
            shutil.copy(file, part)
            part.replace(shared / file.name)  # never half a file, whoever else builds


def _runtime_folder(folder: Path, flags: Sequence[str]) -> Path:
    """Where the objects of Verilator's own runtime lie, compiled once for all designs built with the same switches.

    They take most of the time of a small build. `folder` holds what Verilator wrote for one design.
    """
    switches = re.findall(r"^VM_\w+ = \d$", (folder / "Vtop_classes.mk").read_text(), flags=re.MULTILINE)
    parts = [
        verilator().version,
        str(verilator().program),
        compiler_version(),
        *flags,
        *switches,
    ]
    return builds() / f"runtime-{hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}"


def _build_icarus(result: Build, parameters: Mapping[str, int | str], files: Sequence[Path]) -> None:
    command_file = result.folder / "commands.f"
    command_file.write_text(f"+timescale+{TIMESCALE}\n")
    tops = ["-s", result.top]
    extra: list[Path] = []
    if result.waves:
        dump = result.folder / "dump_waves.v"
        dump.write_text(
            "module dump_waves;\n  initial begin\n"
            f'    $dumpfile("waves.fst");\n    $dumpvars(0, {result.top});\n  end\nendmodule\n'
        )
        tops += ["-s", "dump_waves"]
        extra = [dump]
    run_tool(
        result,
        [
            *("iverilog", *ICARUS_FLAGS, "-o", str(result.folder / "simulation.vvp"), *tops),
            *("-f", str(command_file), f"-I{RTL}"),
            *(f"-P{result.top}.{name}={literal(value)}" for name, value in parameters.items()),
            *map(str, [*files, *extra]),
        ],
        dict(os.environ),
    )


def verilator_environment(folder: Path) -> dict[str, str]:
    """What Verilator and the make after it get as their environment, in a build's folder.

    make knows no names with spaces. So it works inside that folder and reaches Verilator's own files by a link there.
    """
    environment = dict(os.environ)
    if root := verilator().environment.get("VERILATOR_ROOT"):
        (folder / "verilator").symlink_to(root)
        environment["VERILATOR_ROOT"] = "verilator"
    return environment


def run_make(result: Build, settings: Sequence[str], environment: Mapping[str, str]) -> None:
    """Compile what Verilator has written. Raises BuildError."""
    # CURDIR: Verilator's rules refuse a folder with a space; none of its names comes into these, which are relative
    argv = ["make", "-s", f"-j{min(2, os.cpu_count() or 1)}", "-f", "Vtop.mk", "CURDIR=.", *settings]
    argv += [f"CXX={compiler()}", f"LINK={compiler()}", "AR=ar", f"PYTHON3={shlex.quote(sys.executable)}"]  # it guesses
    # a make around this one must not lend it its flags
    lent = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")
    run_tool(result, argv, {key: value for key, value in environment.items() if key not in lent})


def run_tool(result: Build, argv: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run one tool in a build's folder, its output to `compile.log`. What a compiler leaves that is killed is
    there, too. Raises BuildError with the line that says why."""
    path = result.folder / "compile.log"
    with path.open("ab") as output:
        output.write((shlex.join(argv) + "\n").encode())
        output.flush()
        process = subprocess.Popen(
            argv, cwd=result.folder, env={**environment, "TMPDIR": str(result.folder)}, stdout=output,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        with tree_ends_with_us(process):
            status = process.wait()
    if status != 0:
        lines = path.read_text(errors="replace").splitlines()
        # an illegal parameter may upset other lines first; the sentence about it is what helps
        said = [line for line in lines[1:] if "_must_be_" in line]
        said = said or [line for line in lines[1:] if re.search(r"%Error|\berror\b", line)] or lines[-1:]
        raise BuildError(f"{result.top} does not compile under {result.simulator}: {said[0].strip()} (log: {path})")


def literal(value: int | str) -> str:
    return str(value) if isinstance(value, int) else f'"{value}"'


def coverage_folder() -> Path | None:
    """Where runs leave what they have covered: VCRAM_COVERAGE of the environment; None: nothing is counted."""
    folder = os.environ.get("VCRAM_COVERAGE")
    return Path(folder).resolve() if folder else None
