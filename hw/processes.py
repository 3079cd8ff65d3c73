# SPDX-License-Identifier: MIT
"""Processes that end with us, and locks between those that work on the same files."""

from __future__ import annotations

import fcntl
import math
import os
import resource
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads a group of its own, with everything it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def run_logged(
    argv: Sequence[str],
    folder: Path,
    log: Path,
    limit_s: float | None = None,
    env: Mapping[str, str] | None = None,
    *,
    processor_s: float | None = None,
) -> int:
    """Run a program in `folder`, its output to the file `log`, and return its exit status.

    It leads a process group, which ends with the call, however that ends. Raises subprocess.TimeoutExpired after
    `limit_s` seconds, or when it has been on the processor for more than `processor_s` seconds: a busy machine does not
    bring that nearer.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv, env=env, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        try:
            if processor_s is not None:
                _limit_processor(process.pid, processor_s)
            status = process.wait(limit_s)
        finally:
            kill_group(process)
    if processor_s is not None and status == -signal.SIGXCPU:
        raise subprocess.TimeoutExpired(argv, processor_s)
    return status


def _limit_processor(pid: int, processor_s: float) -> None:
    """Let the kernel end a process (setrlimit(2), RLIMIT_CPU)."""
    seconds = math.ceil(processor_s)
    with suppress(ProcessLookupError):  # it has ended already
        resource.prlimit(pid, resource.RLIMIT_CPU, (seconds, seconds + 5))


@contextmanager
def tree_ends_with_us(process: subprocess.Popen[Any]) -> Iterator[None]:
    """A process, with all that it has started, is killed if it still runs when the block ends, however that ends."""
    try:
        yield
    finally:
        if process.poll() is None:
            kill_tree(process.pid)
            process.wait()


def kill_tree(root: int) -> None:
    """End a child of ours, by its process ID, with all that it has started; do nothing if it has ended.

    It stays in our group instead of leading one: a caller that interrupts us may end our group, and the tools must end
    with it. The caller waits for it afterwards.
    """
    with suppress(ProcessLookupError):
        os.kill(root, signal.SIGSTOP)  # it starts no more
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            pid, rest = int(stat.parent.name), stat.read_text().rpartition(")")[2].split()
            parents.setdefault(int(rest[1]), []).append(pid)
    doomed = [root]
    for pid in doomed:
        doomed += parents.get(pid, [])
    for pid in doomed:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file lock; the kernel drops it when the process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
