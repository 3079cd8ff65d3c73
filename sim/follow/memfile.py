# SPDX-License-Identifier: MIT
"""/proc/PID/mem: a program reads and writes memory, its own or that of another followed process, as a file.

The kernel does not wait for a fault there, so a page that has left memory would be an error (EIO). A process that has
such a file open stops at all of its system calls, and what it is about to use is held while it does. So is what
process_vm_writev(2) writes to (sim/follow/transfer.py).
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from hw.link import PAGE_BYTES
from sim.follow.mappings import lines
from sim.follow.policy import Space
from sim.follow.ptrace import Syscall
from sim.follow.syscalls import Task
from sim.follow.transfer import VECTORS, Transfer, vector

_OPEN, _OPENAT, _CLOSE = 2, 257, 3
OPENS = (_OPEN, _OPENAT)
LOOKED_AT = (*OPENS, _CLOSE)  # which of them are open is another thing after these
_READ, _WRITE, _READV, _WRITEV = 0, 1, 19, 20
_PREAD, _PWRITE, _PREADV, _PWRITEV, _PREADV2, _PWRITEV2 = 17, 18, 295, 296, 327, 328
_AT_POSITION = (_READ, _WRITE, _READV, _WRITEV)
_VECTORED = (_READV, _WRITEV, _PREADV, _PWRITEV, _PREADV2, _PWRITEV2)
_USES = (*_AT_POSITION, _PREAD, _PWRITE, *_VECTORED[2:])
_HELD = 64  # pages at a time; the kernel stops at one that is not there, and says how far it came
_FD = 0xFFFFFFFF  # the kernel looks at no more of it
_NAME = b"mem"
_LINK = re.compile(r"/proc/(\d+)(?:/task/\d+)?/mem")


class MemoryFiles:
    """Who has such files open, and which pages are held for whom.

    Args:
        tasks: the threads of the program by their ids.
    """

    def __init__(self, tasks: Mapping[int, Task]) -> None:
        self._tasks = tasks
        self._users: set[int] = set()
        self._holding: dict[int, Space] = {}  # thread -> where pages are held for it
        self._transfers: dict[int, Transfer] = {}  # thread -> what it writes into another process

    def used_by(self, task: Task) -> bool:
        """Whether a thread's process may have one open: all of its calls have to stop."""
        return task.process in self._users

    @staticmethod
    def may_open(space: Space, call: Syscall) -> bool:
        """Whether a call opens a file of that name."""
        address = call.args[0 if call.number == _OPEN else 1]
        with contextlib.suppress(OSError):
            path = b""
            while b"\0" not in path and len(path) < PAGE_BYTES:
                path += space.read(address + len(path), PAGE_BYTES - (address + len(path)) % PAGE_BYTES)
            return path.partition(b"\0")[0].endswith(_NAME)
        return False

    def look(self, task: Task) -> None:
        """A thread has opened a file or closed one, or is of a new process, or of a new program."""
        if any(_LINK.fullmatch(link) for link in _links(task.tid)):
            self._users.add(task.process)
        else:
            self._users.discard(task.process)

    def enter(self, task: Task, space: Space, call: Syscall) -> None:
        """A thread of such a process is about to do a call: hold what it uses of a memory file."""
        if call.number == _CLOSE:
            task.syscall = call
        if call.number not in _USES:
            return
        link = _link(task.tid, call.args[0])
        match = _LINK.fullmatch(link)
        target = self._space(task, int(match[1])) if match else None
        if target is not None:
            with contextlib.suppress(OSError):
                start, length = _range(task.tid, space, call)
                first, last = start // PAGE_BYTES, (start + max(length, 1) - 1) // PAGE_BYTES
                target.pin(task.tid, range(first, min(last + 1, first + _HELD)))
                self._holding[task.tid] = target

    def writes(self, task: Task, space: Space, call: Syscall) -> None:
        """A thread is about to write into another process' memory: hold where it does. Raises OSError."""
        transfer = self._transfers.pop(task.tid, None)
        if transfer is not None and not transfer.goes_on(task.tid, call):
            transfer.drop(space)
            transfer = None
        target = self._space(task, call.args[0])
        transfer = transfer or (Transfer.of(task.tid, space, call) if target else None)
        if target is not None and transfer is not None:
            target.pin(task.tid, transfer.enter(task.tid, space))
            self._holding[task.tid] = target
            self._transfers[task.tid] = transfer
            task.syscall = call

    def written(self, task: Task, space: Space, result: int) -> None:
        """It has done so; maybe it has to do it again, for what is left."""
        transfer = self._transfers.get(task.tid)
        if transfer is not None and not transfer.leave(task.tid, space, result):
            del self._transfers[task.tid]

    def leave(self, task: Task) -> None:
        """It has done it, or is no more."""
        target = self._holding.pop(task.tid, None)
        if target is not None:
            target.unpin(task.tid)

    def forget(self, space: Space) -> None:
        """An address space is no more."""
        self._transfers = {tid: each for tid, each in self._transfers.items() if tid in self._tasks}
        self._holding = {tid: target for tid, target in self._holding.items() if target is not space}

    def _space(self, task: Task, number: int) -> Space | None:
        """Whose memory is meant: a number may be one of the pid namespace that the thread is in."""
        if number in self._tasks:
            return self._tasks[number].space
        return task.space if number == _innermost(task.process) else None


def _range(tid: int, space: Space, call: Syscall) -> tuple[int, int]:
    """Position and length of a read or write. Raises OSError."""
    number, (descriptor, buffer, length, position) = call.number, call.args[:4]
    if number in _VECTORED:
        length = sum(size for _, size in vector(space, buffer, min(length, VECTORS)))
    if number in _AT_POSITION:
        for line in lines(Path(f"/proc/{tid}/fdinfo/{descriptor & _FD}")):
            if line.startswith("pos:"):
                position = int(line.split()[1])
    return position, length


def _link(tid: int, descriptor: int) -> str:
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{tid}/fd/{descriptor & _FD}")  # noqa: PTH115 - may be no path
    return ""


def _links(tid: int) -> list[str]:
    try:  # of the thread: the first one of its process may have ended
        return [_link(tid, int(name)) for name in os.listdir(f"/proc/{tid}/fd")]  # noqa: PTH208
    except OSError:
        return []


def _innermost(process: int) -> int:
    """The id of a process in its own pid namespace."""
    with contextlib.suppress(OSError):
        for line in lines(Path(f"/proc/{process}/status")):
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
    return -1
