# SPDX-License-Identifier: MIT
"""The RTL as a shared library: `hw/bench/cram_bench.v` compiled by Verilator behind the C interface of `abi.h`.

A library is compiled once per set of parameters and lives in `build/hw/cram_bench-library-<hash>/`, under the same
rules as the simulations of `hw/build.py`: the hash covers everything that can change it. VCRAM_COVERAGE counts for it,
too: each device leaves a file when it is closed, and its state cannot be saved.
"""

from __future__ import annotations

import hashlib
import logging
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cffi import FFI

from hw.build import (
    COVERAGE_FLAGS,
    TIMESCALE,
    Build,
    builds,
    compile_cpp,
    compiling,
    coverage_folder,
    keep_only,
    run_tool,
    verilator_environment,
)
from hw.parameters import MEDIA_LATENCY, DeviceParameters
from hw.sources import ROOT, RTL, closure, waivers
from hw.tools import compiler_version, verilator

HERE = Path(__file__).resolve().parent
ABI = HERE / "abi.h"
DEVICE = HERE / "device.cpp"
BENCH = ROOT / "hw" / "bench"
BENCH_SOURCES = [BENCH / "cram_bench.v", BENCH / "host_port.v", BENCH / "media_dram.v"]
LIBRARY = "libcram.so"
MEMORIES = HERE / "memories.vlt"
WATCH = HERE / "watch.cpp"

VERILATOR_FLAGS = [
    "-cc", "--exe", "--no-timing", "-O3", "-Wno-fatal", "--no-std-package",
    "--x-assign", "fast", "--x-initial", "unique",
    "--timescale", TIMESCALE, "--prefix", "Vtop", "-o", LIBRARY,
    # one library's symbols must never be taken for another's: the same names stand for devices of other parameters
    "-CFLAGS", "-std=c++20 -fPIC -fvisibility=hidden -fno-gnu-unique", "-LDFLAGS", "-shared -Wl,-Bsymbolic",
]  # fmt: skip
CXX_FLAGS = ["OPT_FAST=-O2", "OPT_GLOBAL=-O2", "OPT_SLOW=-O1", "CFG_CXXFLAGS_PCH_I=-include"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Library:
    """A loaded library.

    Attributes:
        ffi: the means to reach memory.
        lib: the functions and constants of `abi.h`.
        identity: differs between any two libraries that differ in anything.
    """

    ffi: FFI
    lib: Any
    identity: str


def compiled(
    parameters: DeviceParameters,
    media_latency: int = MEDIA_LATENCY,
    waves: bool = False,
    memories: bool = False,
    engines: bool = False,
) -> Path:
    """The library of a device with `parameters`, compiled now if need be. Safe to call from several processes at once.

    Args:
        parameters: what the device is built with.
        media_latency: clock cycles from a media request to its first beat.
        waves: able to write waves; a library of its own, and slower.
        memories: able to show its memories and let them be changed (hw/verilated/memories.py); likewise.
        engines: able to tell when its engines are busy (hw/verilated/watch.py); likewise.

    Raises:
        hw.build.BuildError: it does not compile.
        hw.tools.ToolError: Verilator or the compiler is missing or too old.
    """
    values = parameters.verilog() | {"MEDIA_LATENCY": media_latency}
    shown = [MEMORIES] if memories else []
    if not engines:
        return compile_library("cram_bench", values, BENCH_SOURCES, DEVICE, ABI, waves, shown)
    more = [DEVICE, WATCH.with_suffix(".h")]
    return compile_library("cram_bench", values, BENCH_SOURCES, WATCH, ABI, waves, shown, more)


def compile_library(
    top: str,
    values: dict[str, int],
    sources: list[Path],
    harness: Path,
    abi: Path,
    waves: bool = False,
    settings: Sequence[Path] = (),
    included: Sequence[Path] = (),
) -> Path:
    """A shared library of `top`, compiled now if need be.

    Args:
        top: the top module, in `hw/rtl` or one of `sources`.
        values: its parameters.
        sources: files outside `hw/rtl`.
        harness: the C++ file that drives it.
        abi: the header that declares what the library offers.
        waves: compile it with what writes waves (VM_TRACE in the harness).
        settings: further files of Verilator's settings.
        included: what the harness includes beside the header.

    Raises:
        hw.build.BuildError, hw.tools.ToolError: it cannot be compiled.
    """
    files = closure(top, sources)
    texts = [*files, *sorted(RTL.glob("*.vh")), *waivers(), *settings, harness, abi, *included]
    digest = hashlib.sha256()
    tool = verilator().version + compiler_version()
    flags = [*VERILATOR_FLAGS, *(["--trace-vcd", "--trace-structs"] if waves else [])]
    flags += COVERAGE_FLAGS if coverage_folder() is not None else ["--savable"]  # Verilator cannot have both
    for part in [top, tool, repr(flags), repr(CXX_FLAGS), repr(sorted(values.items()))]:
        digest.update(part.encode() + b"\0")
    for path in texts:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    folder = builds() / f"{top}-library-{digest.hexdigest()[:16]}"
    with compiling(folder) as missing:
        if missing:
            log.info("compiling %s as a library", top)
            _compile(top, folder, values, harness, [*waivers(), *settings, *files], flags)
            keep_only(folder, LIBRARY)
    return folder / LIBRARY


def _compile(
    top: str, folder: Path, values: dict[str, int], harness: Path, files: list[Path], flags: list[str]
) -> None:
    target = Build(top, "verilator", folder, waves=False)
    environment = verilator_environment(folder)
    shutil.copy(harness, folder)
    argv = [str(verilator().program), *flags, "--top-module", top]
    argv += ["-Mdir", ".", "--no-MMD", f"-I{RTL}", "-CFLAGS", shlex.quote(f"-I{HERE}"), harness.name]
    argv += [f"-G{name}={value}" for name, value in values.items()]
    argv += map(str, files)
    run_tool(target, argv, environment)
    compile_cpp(target, flags, CXX_FLAGS, environment)


@cache
def load(parameters: DeviceParameters, waves: bool = False, memories: bool = False, engines: bool = False) -> Library:
    """The library of such a device, in this process. Arguments and errors are those of `compiled`."""
    more = [WATCH.with_suffix(".h")] if engines else []
    return open_library(compiled(parameters, waves=waves, memories=memories, engines=engines), ABI, *more)


def open_library(path: Path, *headers: Path) -> Library:
    """A library that `compile_library` has made, with what its headers declare."""
    ffi = FFI()
    for header in headers:
        ffi.cdef(header.read_text())
    return Library(ffi, ffi.dlopen(str(path)), path.parent.name)
