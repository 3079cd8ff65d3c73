# SPDX-License-Identifier: MIT
"""Limit: runs a part of the suite in a process of its own, which can be ended whatever a backend does in it."""

from __future__ import annotations

import ctypes
import faulthandler
import multiprocessing
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from io import TextIOWrapper
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO, Any, TypeVar

T = TypeVar("T")

LIMIT_S = 60.0
"""Seconds that one run of a check may take; the longest of ours take a few."""
_SPINS = 0.1  # of the time on the processor; what waits takes next to none
_LOOK_S = 0.1  # between two looks at what the process does
_STACK_S = 1.0  # for the process to say where it is
_PR_SET_PDEATHSIG = 1
_STDOUT, _STDERR = 1, 2
_LIBC = ctypes.CDLL(None)


class Stuck(Exception):  # noqa: N818 - the condition
    """The work did not come to its end.

    Attributes:
        stack: where it was, innermost call first; empty if it could not be told.
    """

    def __init__(self, message: str, stack: str = "") -> None:
        super().__init__(message)
        self.stack = stack


class Killed(Exception):  # noqa: N818 - the condition
    """The process of the work was killed from outside."""


class Prevented(Exception):  # noqa: N818 - the condition
    """The environment did not let the work come to its end; one line that says what it lacks, and the remedy."""


def limited(work: Callable[[], T], limit_s: float) -> T:
    """What `work` returns, from a process that is forked for it.

    Raises:
        Stuck: it spins or waits for more than `limit_s` seconds, or its process has ended before it returned. The time
            in which it waits for a processor or a disk does not count: on a busy machine nobody fails for that.
        Killed: somebody killed its process, as the kernel does where memory has run out.
        OSError: there is no process to be had, or what `work` raised.
        Exception: what `work` raised.
    """
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    with tempfile.TemporaryFile("w+") as stack, ours:
        process = context.Process(target=_child, args=(work, theirs, stack, os.getpid()))
        process.start()
        theirs.close()
        try:
            if not _answers(ours, process, limit_s / 2):
                before_s = _processor_s(process)
                if not _answers(ours, process, limit_s / 2):
                    raise _stuck(process, before_s, limit_s, stack)
            returned, value = ours.recv()
        except EOFError:
            process.join()
            how = _how(process)
            if how == signal.SIGKILL.name:
                raise Killed("SIGKILL from outside, as where memory has run out") from None
            raise Stuck(f"the process of the check has ended before the check: {how}") from None
        finally:
            process.kill()
            process.join()
            process.close()
    if not returned:
        raise value
    result: T = value
    return result


def _answers(ours: Connection[Any, Any], process: BaseProcess, limit_s: float) -> bool:
    """Whether the process answers, or ends, before it has spent so many seconds: on a processor, or asleep. No clock
    tells that: seconds go by in which it waits for a processor or a disk, or in which nobody runs."""
    look_s = min(_LOOK_S, limit_s / 4)
    spent_s, used_s = 0.0, _processor_s(process)
    while spent_s < limit_s:
        if ours.poll(look_s):
            return True
        before_s, used_s = used_s, _processor_s(process)
        spent_s += look_s if _asleep(process) else used_s - before_s
    return ours.poll()


def _child(work: Callable[[], object], connection: Connection[Any, Any], stack: IO[str], parent: int) -> None:
    """Run the work; the parent ends this process, on Ctrl-C, too."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    _print_to_stderr()
    faulthandler.disable()  # of a crash the reason names the signal
    faulthandler.register(signal.SIGUSR1, stack, all_threads=False)
    try:
        answer = True, work()
    except Exception as error:
        connection.send((False, error))
    else:
        connection.send(answer)
    connection.close()
    signal.pause()  # what the backend has left behind must not run now


def _print_to_stderr() -> None:
    """Standard output may be the outcomes, for a program: what a backend prints there goes to standard error, line by
    line, as this process is ended with whatever its buffers hold."""
    with suppress(OSError):  # there is no standard error
        os.dup2(_STDERR, _STDOUT)
    _LIBC.setlinebuf(ctypes.c_void_p.in_dll(_LIBC, "stdout"))
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)


def _stuck(process: BaseProcess, before_s: float, limit_s: float, stack: IO[str]) -> Stuck:
    """Say what a process is doing that has taken too long: by the time it was on the processor in the second half."""
    assert process.pid is not None
    busy_s = _processor_s(process)
    os.kill(process.pid, signal.SIGUSR1)
    deadline = time.monotonic() + _STACK_S
    text = ""
    while not text.endswith("\n") and time.monotonic() < deadline:
        time.sleep(0.02)
        stack.seek(0)
        text = stack.read()
    does = "spins" if busy_s - before_s > _SPINS * limit_s / 2 else "waits for ever"
    return Stuck(f"it {does}: {busy_s:.1f} s of processor time in {limit_s:g} s{_place(text)}", text)


def _processor_s(process: BaseProcess) -> float:
    """Seconds of processor time that a process has used (proc_pid_stat(5))."""
    fields = _stat(process)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _asleep(process: BaseProcess) -> bool:
    """It neither runs (R) nor waits for a disk (D)."""
    return _stat(process)[0] not in "RD"


def _stat(process: BaseProcess) -> list[str]:
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()


def _place(stack: str) -> str:
    """The innermost call that is not the clock's: where the clock was called by the suite, tasks sleep in turn."""
    calls = re.findall(r'File "(.+)", line (\d+) in (.+)', stack)
    outers = [*(file for file, _, _ in calls[1:]), ""]
    for (file, line, name), outer in zip(calls, outers, strict=False):  # of no call there is one outer one too many
        if not file.endswith("virtual_time.py"):
            return f", at {file}:{line} in {name}"
        if not outer.endswith("virtual_time.py"):
            return ", in tasks that sleep and wake for ever"
    return ""


def _how(process: BaseProcess) -> str:
    """How it ended."""
    code = process.exitcode or 0
    return signal.Signals(-code).name if code < 0 else f"exit status {code}"
