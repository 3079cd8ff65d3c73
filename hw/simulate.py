# SPDX-License-Identifier: MIT
"""Simulate: cocotb tests on a build (hw/build.py).

A run leaves a folder `build/sim/<test>.<bench or case>.seed<seed>/` with `simulation.log`, `results.xml`, waves if
the build writes them, and `run.json`, which is all that `python -m hw.simulate FOLDER` needs to run it again: with
waves, another seed, one case only, under the other simulator.

The environment may name the seed (VCRAM_SEED) of all runs that are given none, and the test that starts them
(VCRAM_RUN).
"""

from __future__ import annotations

import argparse
import ast
import fcntl
import importlib.util
import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cocotb_tools.config
import find_libpython

from hw.build import Build, BuildError, build, coverage_folder
from hw.outputs import LOCK, PASSED, describe, is_at, prune_runs
from hw.places import PlaceError, build_folder
from hw.processes import run_logged
from hw.sources import ROOT
from hw.tools import SIMULATORS, ToolError

RECORD = "run.json"
LOG_LINES = 25  # of a failed case, its last ones
WAVES_TAKE = 5  # a run that records all signals may take so many times as long
_KEYS = {
    "test",
    "module",
    "case",
    "seed",
    "environment",
    "timeout_s",
    "top",
    "simulator",
    "parameters",
    "sources",
    "public",
}


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
        seed: cocotb's random seed; if not given VCRAM_SEED of the environment, or 1, so that a run repeats.
        timeout_s: limit of the simulator's time on the processor, seconds.
        results: folder of the run; one under `build/sim/` if not given, named after test, case and seed.

    Raises:
        AssertionError: names the cocotb tests that failed, where, and how to run them again; or no test ran, or the
            simulator died.
        TimeoutError: the limit was reached.
    """
    __tracebackhide__ = True  # what pytest is to show is the bench's traceback
    seed = default_seed() if seed is None else seed
    record = _record(built, test_module, testcase, environment or {}, seed, timeout_s)
    with _folder(results, _name(record)) as folder:
        (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n")
        _run(built, record, folder)
        (folder / PASSED).touch()
    if results is None:
        prune_runs(runs())
    return folder


def runs() -> Path:
    """The folder of all runs. Raises hw.places.PlaceError."""
    return build_folder() / "sim"


def default_seed() -> int:
    """The seed of what is given none: VCRAM_SEED of the environment, or 1."""
    return int(os.environ.get("VCRAM_SEED", "1"))


def _run(built: Build, record: Mapping[str, Any], folder: Path) -> None:
    """Run what `record` says in `folder`; raises as `simulate` does."""
    __tracebackhide__ = True
    module, limit_s = record["module"], record["timeout_s"]
    what = f"{module} under {built.simulator}, seed {record['seed']}"
    report, log_file = folder / "results.xml", folder / "simulation.log"
    settings = {"COCOTB_RESULTS_FILE": str(report), "COCOTB_RANDOM_SEED": str(record["seed"])}
    if record["case"] is not None:
        settings["COCOTB_TEST_FILTER"] = rf"\.{re.escape(record['case'])}(/|$)"
    argv, env = command(built, module, settings | record["environment"])
    try:
        status = run_logged(argv, folder, log_file, env=env, processor_s=limit_s)
    except subprocess.TimeoutExpired:
        late = f"{what} ran longer than {limit_s} s; log: {log_file}\nagain: {again(folder)}"
        raise TimeoutError(late) from None
    _check(report, status, what, log_file)
    counted = coverage_folder()
    if built.coverage and counted is not None:
        counted.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / "coverage.dat", counted / f"{folder.parent.name}-{folder.name}-{os.getpid()}.dat")


def _record(
    built: Build,
    module: str,
    case: str | None,
    environment: Mapping[str, str],
    seed: int,
    timeout_s: float | None,
) -> dict[str, Any]:
    """What runs it again."""
    return {
        "test": os.environ.get("VCRAM_RUN") or f"{built.top}-{built.simulator}",
        "module": module,
        "case": case,
        "seed": seed,
        "environment": dict(environment),
        "timeout_s": timeout_s,
        "top": built.top,
        "simulator": built.simulator,
        "parameters": dict(built.parameters),
        "sources": [str(path) for path in built.sources],
        "public": built.public,
    }


def _name(record: Mapping[str, Any]) -> str:
    part = record["case"] or record["module"].rpartition(".")[2]
    name = re.sub(r"[^\w.]+", "-", f"{record['test']}.{part}").replace("-.", ".")
    return name.strip("-")[:180] + f".seed{record['seed']}"


@contextmanager
def _folder(given: Path | None, name: str) -> Iterator[Path]:
    """The empty folder of a run, locked: `given`, or the one called `name`, with a number where that is in use."""
    describe(build_folder())
    folders = [given.resolve()] if given else (runs() / f"{name}{number}" for number in _numbers())
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / LOCK).open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # the same test, in another process
                continue
            if not is_at(lock, folder / LOCK):  # pruned between our look and our lock
                continue
            if given is None:
                for path in folder.iterdir():
                    if path.name != LOCK:
                        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            for left in ("results.xml", PASSED):
                (folder / left).unlink(missing_ok=True)
            yield folder
            return
    raise FileExistsError(f"{given}: a run is under way there")


def _numbers() -> Iterator[str]:
    yield ""
    yield from (f".{number}" for number in itertools.count(2))


def again(folder: Path, case: str | None = None) -> str:
    """The command that repeats a run, with waves."""
    python = os.path.relpath(sys.executable) if Path(sys.executable).is_relative_to(Path.cwd()) else sys.executable
    shown = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    argv = [python, "-m", "hw.simulate", str(shown), *(["--case", case] if case else []), "--waves"]
    return shlex.join(argv)


def _check(report: Path, status: int, what: str, log_file: Path) -> None:
    """Turn a result file into an exception unless at least one test ran and all passed."""
    __tracebackhide__ = True
    log = log_file.read_text(errors="replace").splitlines()
    if not report.exists():
        tail = "\n".join(log[-LOG_LINES:])
        raise AssertionError(
            f"{what}: the simulator ended with {status} before its tests did; log: {log_file}\n{tail}\n"
            f"again: {again(log_file.parent)}"
        )
    cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    failed = {case: problem for case in cases for problem in [*case.iter("failure"), *case.iter("error")][:1]}
    if failed:
        names = [f"{case.get('name')}: {(_said(problem) or ['failed'])[0]}" for case, problem in failed.items()]
        stories = [_story(case, problem, log, log_file) for case, problem in failed.items()]
        summary = f"{what}: {len(failed)} of {len(cases)} failed; log: {log_file}"
        raise AssertionError("\n".join([summary, *names, *stories]))
    ran = [case for case in cases if case.find("skipped") is None]
    if not ran:
        raise AssertionError(f"{what}: no test ran; log: {log_file}")
    if status != 0:
        raise AssertionError(f"{what}: the simulator ended with {status}; log: {log_file}")


def _said(problem: ElementTree.Element) -> list[str]:
    return (problem.get("message") or problem.get("error_msg") or (problem.text or "").strip()).splitlines()


def _story(case: ElementTree.Element, problem: ElementTree.Element, log: list[str], log_file: Path) -> str:
    """Of one failed case: when it failed, its traceback, the last lines of its own log, how to run it again."""
    name = case.get("name", "")
    properties = {entry.get("name"): entry.get("value") for entry in case.iter("property")}
    ended = f"{properties.get('sim_time_stop')} {properties.get('sim_time_unit')}"
    trace = (problem.text or "\n".join(_said(problem))).strip()
    own = _own_log(name, log)[-LOG_LINES:]
    return "\n".join(
        ["", f"--- {name} failed at {ended} of simulated time", trace]
        + (["", "the end of its log:", *own] if own else [])
        + ["", f"again, with waves: {again(log_file.parent, name.partition('/')[0])}"]
    )


def _own_log(name: str, log: list[str]) -> list[str]:
    """The lines of a log from where cocotb says that a case runs to where it says how it ended."""
    begun = re.compile(rf"running \S*\.{re.escape(name)} \(\d+/\d+\)$")
    ended = re.compile(rf" \S*\.{re.escape(name)} (failed|errored)")
    start = next((number for number, line in enumerate(log) if begun.search(line)), len(log))
    end = next((number for number, line in enumerate(log) if number > start and ended.search(line)), len(log))
    return log[start + 1 : end]


def main(arguments: list[str] | None = None) -> int:
    """`python -m hw.simulate FOLDER`: run again what has left a folder."""
    parser = argparse.ArgumentParser(
        prog="python -m hw.simulate",
        description="Run a bench again that has left a folder under build/sim/: as it was, or with what is said here.",
    )
    parser.add_argument("folder", type=Path, help="folder of the run, with its run.json")
    parser.add_argument("--case", help="only this cocotb test; without it all of the bench, one after the other")
    parser.add_argument("--seed", type=int, help="cocotb's random seed and that of the registers' initial values")
    parser.add_argument("--waves", action="store_true", help="record all signals: waves.vcd or waves.fst in its folder")
    parser.add_argument("--sim", choices=SIMULATORS, help="under this simulator")
    options = parser.parse_args(arguments)
    try:
        record = json.loads((options.folder / RECORD).read_text())
        if not isinstance(record, dict) or not record.keys() >= _KEYS:
            raise ValueError(f"{RECORD} lacks what a run is repeated with")
    except (OSError, ValueError) as error:
        parser.error(f"{options.folder} is no folder of a run: {error}")
    there = cases(record["module"])
    if options.case and there and options.case not in there:
        parser.error(f"--case {options.case}: no such case: {record['module']} has {', '.join(there)}")
    limit_s = record["timeout_s"] and record["timeout_s"] * (WAVES_TAKE if options.waves else 1)
    record |= {"case": options.case or record["case"]}
    record |= {"seed": record["seed"] if options.seed is None else options.seed}
    record |= {"simulator": options.sim or record["simulator"]}
    try:
        built = build(
            record["top"], record["simulator"], record["parameters"],
            sources=[Path(path) for path in record["sources"]], waves=options.waves, public=record["public"],
        )  # fmt: skip
        os.environ["VCRAM_RUN"] = record["test"]
        folder = simulate(
            built, record["module"], testcase=record["case"], environment=record["environment"], seed=record["seed"],
            timeout_s=limit_s,
        )  # fmt: skip
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (AssertionError, BuildError, PlaceError, TimeoutError, ToolError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"passed: {folder}")
    for waves in sorted(folder.glob("waves.*")):
        print(f"waves: {waves}")
    return 0


def cases(module: str) -> list[str]:
    """The cocotb tests that a module's source shows, as importing it is for the simulator; empty if it is not here."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return []
    if spec is None or spec.origin is None:
        return []
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    return [
        node.name for node in tree.body
        if isinstance(node, ast.AsyncFunctionDef) and any("cocotb" in ast.unparse(mark) for mark in node.decorator_list)
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
