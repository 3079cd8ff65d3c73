# SPDX-License-Identifier: MIT
"""Starting a program so that it can be followed: under ptrace, and under a filter of system calls."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
import signal
import stat
from collections.abc import Mapping, Sequence

from sim.base.interrupts import interrupts
from sim.follow import filter as seccomp
from sim.follow import ptrace

_PR_SET_THP_DISABLE, _PR_SET_CHILD_SUBREAPER = 41, 36


class FollowError(Exception):
    """A program cannot be followed (any further); one line that says why and what to do about it."""


def find_program(argv: Sequence[str]) -> str:
    """The file that a command line runs. Raises FollowError."""
    if not argv:
        raise FollowError("no command given: ... -- CMD...")
    program = shutil.which(argv[0])
    if program:
        return program
    exists = os.sep in argv[0] and os.path.exists(argv[0])  # noqa: PTH110 - a path as the user wrote it
    reason = os.strerror(errno.EACCES) if exists else "no such command"
    raise FollowError(f"{argv[0]}: {reason}")


def check_streams() -> None:
    """Refuse to start a program whose standard streams would reach around the page tables. Raises FollowError."""
    for descriptor in range(3):
        with contextlib.suppress(OSError):
            mode = os.fstat(descriptor).st_mode
            if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT and (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
                raise FollowError(f"descriptor {descriptor} is open for direct I/O, which would lose bytes; reopen it")


def launch(argv: Sequence[str], env: Mapping[str, str] | None, code: bytes) -> int:
    """Start a program under ptrace and a filter; it has not run yet when this returns. Raises FollowError."""
    environment = dict(os.environ if env is None else env)
    go_read, go_write = os.pipe2(os.O_CLOEXEC)
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # agents whose process has ended are ours to reap
    child = os.fork()
    if not child:
        # Only what a forked child may do: no allocation to speak of, no return.
        what = argv[0]
        try:
            for number in (*interrupts(), signal.SIGCHLD, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            os.close(go_write)
            prctl(_PR_SET_THP_DISABLE, 1, 0, 0, 0)  # a huge page cannot be watched piece by piece
            if os.read(go_read, 1):
                what = "seccomp"
                seccomp.install(code)
                what = argv[0]
                os.execve(argv[0], list(argv), environment)
        except OSError as error:
            os.write(2, f"vcram: {what}: {error.strerror}\n".encode())
        finally:
            os._exit(126)
    os.close(go_read)
    try:
        ptrace.seize(child)
        os.write(go_write, b"x")
    except OSError as error:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise FollowError(f"cannot trace {argv[0]}: {error.strerror}; run as root, not under a debugger") from error
    finally:
        os.close(go_write)
    return child
