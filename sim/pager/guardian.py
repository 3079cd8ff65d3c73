# SPDX-License-Identifier: MIT
"""Guardian: a process that outlives the pager by as long as the program takes to die.

When the last descriptor of a userfaultfd is closed, the kernel gives the memory back to the program, and every page
that is not there reads as zeros from then on. So a second process holds the descriptors, too. When the pager ends,
however it ends, the guardian kills what is left of the program, waits until it is dead, and only then lets go.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
from collections.abc import Sequence

from sim.follow import Userfault


class Guardian:
    """The pager's end. Start it before the program, and close it when the program is dead."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = os.fork()
        if not self.pid:
            try:
                ours.close()
                _guard(theirs)
            finally:
                os._exit(0)
        theirs.close()
        self._socket = ours
        self.pidfd = os.pidfd_open(self.pid)

    def hold(self, kind: str, descriptor: int) -> None:
        """Give it a copy of a descriptor: "m" of memory (a userfaultfd), "p" of a process. Raises OSError."""
        socket.send_fds(self._socket, [kind.encode()], [descriptor])

    def process(self, pid: int) -> None:
        """Have it know of a process. Raises OSError."""
        pidfd = os.pidfd_open(pid)
        try:
            self.hold("p", pidfd)
        finally:
            os.close(pidfd)

    def gone(self) -> bool:
        """It has been killed."""
        return bool(_poller([self.pidfd]).poll(0))

    def close(self) -> None:
        """The program is dead. Idempotent."""
        if self.pidfd < 0:
            return
        self._socket.close()
        os.close(self.pidfd)
        self.pidfd = -1
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def _guard(pager: socket.socket) -> None:
    """The guardian's life."""
    os.setsid()  # Ctrl-C is not for it
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    signal.set_wakeup_fd(-1)
    os.closerange(0, pager.fileno())  # nobody waits for the end of a pipe because of it
    os.closerange(pager.fileno() + 1, os.sysconf("SC_OPEN_MAX"))
    memories: list[int] = []
    processes: list[int] = []
    while True:
        kind, descriptors, _, _ = socket.recv_fds(pager, 16, 4)
        if not kind:
            break
        (processes if kind == b"p" else memories).extend(descriptors)
        if len(processes) + len(memories) >= 256:
            processes = _alive(processes)
            # A memory whose processes are gone tells no more; it is cheap to keep, but not for ever.
            memories = _used(memories)
    _bury(processes)


def _alive(processes: Sequence[int]) -> list[int]:
    """Close the descriptors of processes that have ended; the others."""
    ended = {fd for fd, _ in _poller(processes).poll(0)}
    for fd in ended:
        os.close(fd)
    return [fd for fd in processes if fd not in ended]


def _used(memories: Sequence[int]) -> list[int]:
    """Close the userfaultfds of address spaces that are gone (a request about one says ESRCH); the others."""
    gone = {fd for fd in memories if Userfault.is_gone(fd)}
    for fd in gone:
        os.close(fd)
    return [fd for fd in memories if fd not in gone]


def _bury(processes: list[int]) -> None:
    """Kill every process and wait until the last one is dead."""
    while processes:
        for fd in processes:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(fd, signal.SIGKILL)
        _poller(processes).poll(1000)
        processes = _alive(processes)


def _poller(descriptors: Sequence[int]) -> select.poll:
    poller = select.poll()
    for fd in descriptors:
        poller.register(fd, select.POLLIN)
    return poller
