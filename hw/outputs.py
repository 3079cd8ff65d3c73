# SPDX-License-Identifier: MIT
"""What `build/` holds, and its size: what nobody has used for longest goes.

Builds and runs prune themselves: a build when another one is compiled, a run when another one ends. Both are safe while
other processes build and run: what is in use is locked, and what was used a while ago only is younger than it may go.
`make prune` does it now.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

BUILDS_BYTES = 1 << 30  # all builds together; one takes a few MB
RUNS_BYTES = 2 << 30  # all runs together; most of it waves
PASSED_RUNS = 20  # runs that passed which are kept
UNUSED_S = 3600.0  # a build younger than this may be in use
ENDED_S = 600.0  # likewise a run: who started it reads its log

PASSED = "passed"  # the file in a run's folder that says so
LOCK = "lock"  # the file in a run's folder that is locked while it runs

README = """\
What lies in this folder. All of it can be removed while nothing runs; `make clean` does.

hw/         compiled RTL, one folder a build: <top module>-<simulator or "library">-<hash of all that decides it>.
            compile.log says how it was made; the folder's time is that of its last use. Pruned.
sim/        runs of cocotb benches, one folder each: <test and its parameters>.<bench or case>.seed<seed>.
            simulation.log, results.xml, run.json (`python -m hw.simulate FOLDER --waves` runs it again). Pruned.
run/        runs of `vcram run` that failed, or are under way: log and swapfile
report/     reports of `vcram run`
corpus/     real pages gathered on this machine
formal/     proofs: scripts, logs, counterexamples (`make formal`)
mutation/   netlists with mutants, and what the benches said about each (`make mutation`)
coverage/   what the last `make coverage` counted
fpga/       place and route, module by module (`make fpga`)
regs/       the register map as HTML, C header, UVM model and IP-XACT (`make regs`)
linux-swap/ the guest of `make linuxswap`
cxl/        QEMU, kernel and the compiled plugin of `vcram cxl`
kerneldiff/ the kernels and the guest's program of `make kerneldiff`
experiments/  the tables of `vcram experiment`, reduced and full grids
effects/    states of the swap model whose main job runs again (docs/kerneldiff.md)
test-times.json  processor time of each test of the last `pytest` run, seconds
*.json      figures of the target of that name (`make bench`: bench.json)
"""


def describe(place: Path) -> None:
    """Write README.md, which says what is what, into the folder `place`, unless it is there."""
    path = place / "README.md"
    with suppress(OSError):  # a folder that cannot be written needs no explanation
        if not path.exists() or path.read_text() != README:
            path.write_text(README)


def prune_builds(folder: Path, most: int = BUILDS_BYTES, unused_s: float = UNUSED_S) -> list[Path]:
    """Remove the builds used longest ago until the rest takes at most `most` bytes; returns those that went.

    A build used within the last `unused_s` seconds stays. The time of its folder is that of its last use.
    """
    gone = []
    builds = [path.with_suffix("") for path in folder.glob("*.lock") if path.with_suffix("").is_dir()]
    for build in _beyond(builds, most):
        with _held(build.with_suffix(".lock")) as held:  # whoever takes it from now on finds none, and compiles it
            if held and _age_s(build) > unused_s:
                shutil.rmtree(build, ignore_errors=True)
                gone.append(build)
    return gone


def prune_runs(folder: Path, most: int = RUNS_BYTES, passed: int = PASSED_RUNS, ended_s: float = ENDED_S) -> list[Path]:
    """Remove old runs: of those that passed all but the newest `passed`, of all what takes more than `most` bytes.

    A run that is under way or has ended within the last `ended_s` seconds stays. Returns those that went.
    """
    runs = [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    good = sorted((run for run in runs if (run / PASSED).exists()), key=_age_s)
    gone = []
    for run in [*good[passed:], *_beyond([run for run in runs if run not in good[passed:]], most)]:
        with _held(run / LOCK) as held:
            if held and _age_s(run) > ended_s and _remove(run):
                gone.append(run)
    return gone


def size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # it has just gone
            total += path.lstat().st_size
    return total


def _beyond(folders: list[Path], most: int) -> list[Path]:
    """Those that do not fit into `most` bytes, if the ones used last come first."""
    total, beyond = 0, []
    for folder in sorted(folders, key=_age_s):
        total += size(folder)
        if total > most:
            beyond.append(folder)
    return beyond


def _age_s(folder: Path) -> float:
    try:
        return time.time() - folder.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def is_at(file: TextIO, path: Path) -> bool:
    """The open file is the one at this path: nobody has moved or removed it since it was opened."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    return False


def _remove(run: Path) -> bool:
    """Remove a run's folder that is locked. It leaves its name first, in one step: whoever starts a run of that name
    meanwhile makes a new folder and never sees half of the old one."""
    doomed = run.with_name(f".{run.name}.{os.getpid()}")
    try:
        run.rename(doomed)
    except OSError:  # it has just gone
        return False
    shutil.rmtree(doomed, ignore_errors=True)
    return True


@contextmanager
def _held(lock: Path) -> Iterator[bool]:
    """Whether the lock was free, or is not there: it is held meanwhile."""
    try:
        file = lock.open()  # not created: that would make its folder a new one
    except FileNotFoundError:
        yield True
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
