"""Simulate: cocotb tests on a build (hw/build.py)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import cocotb_tools.config
import find_libpython

from hw.build import Build, coverage_folder
from hw.places import build_folder
from hw.processes import run_logged
from hw.sources import ROOT
from hw.tools import ToolError


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
        runs = build_folder() / "sim"
        runs.mkdir(parents=True, exist_ok=True)
        results = Path(tempfile.mkdtemp(prefix=f"{built.top}-{built.simulator}-", dir=runs))
    results = results.resolve()
    results.mkdir(parents=True, exist_ok=True)
    report = results / "results.xml"
    report.unlink(missing_ok=True)
    settings = {"COCOTB_RESULTS_FILE": str(report), "COCOTB_RANDOM_SEED": str(1 if seed is None else seed)}
    if testcase is not None:
        settings["COCOTB_TEST_FILTER"] = rf"\.{re.escape(testcase)}(/|$)"
    argv, env = command(built, test_module, settings | dict(environment or {}))
    log_file = results / "simulation.log"
    try:
        status = run_logged(argv, results, log_file, timeout_s, env)
    except subprocess.TimeoutExpired:
        limit = f"{test_module} ran longer than {timeout_s} s under {built.simulator}; log: {log_file}"
        raise TimeoutError(limit) from None
    _check(report, status, f"{test_module} under {built.simulator}", log_file)
    folder = coverage_folder()
    if built.coverage and folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.move(results / "coverage.dat", folder / f"{results.parent.name}-{results.name}.dat")
    return results


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
