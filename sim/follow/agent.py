# SPDX-License-Identifier: MIT
"""Agent: a helper process inside a followed program's address space.

It is made by having the program clone(CLONE_VM) itself once, right after exec or fork, and never runs an instruction of
its own except the system calls that it is told to do. So the program's own threads are never interrupted for that, its
descriptors are not shared, and the address space can still be read after the program's last thread is gone.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import resource
import signal
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from hw.link import PAGE_BYTES
from sim.follow import ptrace
from sim.follow.handover import userfault_of
from sim.follow.instruction import SYSCALL, syscall_instruction
from sim.follow.mappings import Mapping, lines, mappings, present, within
from sim.follow.ptrace import Stop
from sim.follow.userfault import SYS_USERFAULTFD, Userfault, runs, take_fd

CLONE_VM = 0x100
_SYS_MMAP, _SYS_MUNMAP, _SYS_MADVISE, _SYS_GETPID, _SYS_CLONE, _SYS_SETSID = 9, 11, 28, 39, 56, 112
_SYS_MUNLOCK, _SYS_MLOCK2, _MLOCK_ONFAULT = 150, 325, 1
_SYS_PIDFD_OPEN, _SYS_CLOSE_RANGE, _SYS_PROCESS_MADVISE = 434, 436, 440
_MADV_DONTFORK, _MADV_DONTNEED_LOCKED = 10, 24
_PROT_READ_WRITE, _MAP_SHARED_ANONYMOUS = 3, 0x21
_VECTORS = PAGE_BYTES // 16  # struct iovec that fit into a page
_USER_END = 1 << 56  # no program's memory lies beyond
_ALL_DESCRIPTORS = 0xFFFFFFFF
_LIMITS = {  # the program's limits are not for its agent
    resource.RLIMIT_AS: resource.RLIM_INFINITY,
    resource.RLIMIT_DATA: resource.RLIM_INFINITY,
    resource.RLIMIT_CPU: resource.RLIM_INFINITY,
    resource.RLIMIT_NOFILE: 64,
}
_IOVEC = struct.Struct("<QQ")


class Agent:
    """An agent in the address space of `tid`, which must be stopped where its own code has no system call under way
    (the exit of execve, or the first stop of a forked child). Raises OSError."""

    def __init__(self, tid: int) -> None:
        with Path(f"/proc/{tid}/mem").open("rb", buffering=0) as memory:
            self._syscall_address = syscall_instruction(tid, memory.fileno())
        with _unlimited(tid):
            self.pid = self._clone(tid)
        for limit, value in _LIMITS.items():
            _lift(self.pid, limit, value)
        ptrace.exempt(self.pid)  # else each call that the program's filter looks at takes a stop more
        self._memory = os.open(f"/proc/{self.pid}/mem", os.O_RDWR | os.O_CLOEXEC)
        self._pagemap = os.open(f"/proc/{self.pid}/pagemap", os.O_RDONLY | os.O_CLOEXEC)
        self._alive = True
        self._lost = False  # somebody has killed it, and `killed` has not said so yet
        self._vector = 0  # address of a page for struct iovec, in the program's memory but shared, so not one of its
        self._itself = -1  # the agent's descriptor of itself
        self.call(_SYS_CLOSE_RANGE, 0, _ALL_DESCRIPTORS, 0)  # a copy of the program's pipes would keep them open
        self.call(_SYS_SETSID)  # what is sent to a process group is not for it; the program may have left that group

    def _clone(self, tid: int) -> int:
        saved = ptrace.registers(tid)
        self._prepare(tid, saved, _SYS_CLONE, CLONE_VM)
        agent = 0
        early: list[int] = []  # signals that came too early, to be sent again
        syscall_stops = result = 0
        while syscall_stops < 2:
            ptrace.resume(tid)
            status = ptrace.wait(tid, block=True)
            assert status is not None
            if status.stop is Stop.BIRTH:
                agent = ptrace.event_message(tid)
            elif status.stop is Stop.SYSCALL:
                syscall_stops += 1
                result = ctypes.c_int64(ptrace.registers(tid).rax).value
            elif status.stop is Stop.SIGNAL:
                early.append(status.value)
            elif status.stop is Stop.GONE:
                raise ProcessLookupError(tid)
        ptrace.set_registers(tid, saved)
        for number in early:
            os.kill(tid, number)
        if not agent:
            raise OSError(-result, f"it cannot clone itself: {os.strerror(-result)}")
        ptrace.wait(agent, block=True)
        return agent

    def _prepare(self, tid: int, base: ptrace.Registers, number: int, *args: int) -> None:
        value = ptrace.Registers.from_buffer_copy(base)
        value.rip, value.rax, value.orig_rax = self._syscall_address, number, 0xFFFFFFFFFFFFFFFF
        padded = (*args, 0, 0, 0, 0, 0, 0)
        value.rdi, value.rsi, value.rdx, value.r10, value.r8, value.r9 = padded[:6]
        ptrace.set_registers(tid, value)

    def call(self, number: int, *args: int) -> int:
        """Do a system call in the agent; returns its result. Raises OSError."""
        if not self._alive:
            raise ProcessLookupError(self.pid)
        if not self._has_instruction():
            self._syscall_address = syscall_instruction(self.pid, self._memory)
        self._prepare(self.pid, ptrace.registers(self.pid), number, *args)
        done = False
        while not done:  # signals, which are not for the agent, and the program's filter may come first
            ptrace.step(self.pid)
            status = ptrace.wait(self.pid, block=True)
            assert status is not None
            if status.stop in (Stop.EXITING, Stop.GONE):
                self._bury(status.stop)
                self._lost = True
                raise ProcessLookupError(self.pid)
            after = ptrace.registers(self.pid)
            done = status.stop is not Stop.SECCOMP and after.rip == self._syscall_address + len(SYSCALL)
            if status.stop is Stop.SIGNAL and status.value == signal.SIGSEGV and not done:  # no code any more
                self._syscall_address = syscall_instruction(self.pid, self._memory)
                self._prepare(self.pid, after, number, *args)
        result = ctypes.c_int64(after.rax).value
        if result < 0:
            raise OSError(-result, os.strerror(-result))
        return result

    def _has_instruction(self) -> bool:
        with contextlib.suppress(OSError):
            return os.pread(self._memory, len(SYSCALL), self._syscall_address) == SYSCALL
        return False

    def userfault(self) -> Userfault:
        """A userfaultfd for the address space. Raises OSError."""
        flags = os.O_CLOEXEC | os.O_NONBLOCK
        try:
            descriptor = take_fd(self.pid, self.call(SYS_USERFAULTFD, flags))
        except PermissionError:
            descriptor = userfault_of(self, flags)
        self.call(_SYS_CLOSE_RANGE, 0, _ALL_DESCRIPTORS, 0)  # it may not have many
        return Userfault(descriptor)

    def drop(self, page: int, count: int) -> None:
        """Take pages out of the address space; the next access finds them missing."""
        try:
            self.call(_SYS_MADVISE, page * PAGE_BYTES, count * PAGE_BYTES, _MADV_DONTNEED_LOCKED)
        except OSError as error:
            if error.errno != errno.ENOMEM:  # not a hole, which is passed over, but a mapping that is sealed
                for first, pages in within(mappings(self.pid), page, count):
                    with contextlib.suppress(OSError):
                        self.call(_SYS_MADVISE, first * PAGE_BYTES, pages * PAGE_BYTES, _MADV_DONTNEED_LOCKED)

    def drop_all(self, pages: Iterable[int]) -> None:
        """As `drop`, for many pages at once."""
        ranges = list(runs(pages))
        if len(ranges) > 1 and self._vector >= 0 and not self._vector:
            self._prepare_vector()
        while len(ranges) > 1 and self._vector > 0:
            batch, ranges = ranges[:_VECTORS], ranges[_VECTORS:]
            vector = b"".join(_IOVEC.pack(page * PAGE_BYTES, count * PAGE_BYTES) for page, count in batch)
            length = sum(count for _, count in batch) * PAGE_BYTES
            try:
                os.pwrite(self._memory, vector, self._vector)
                done = self.call(_SYS_PROCESS_MADVISE, self._itself, self._vector, len(batch), _MADV_DONTNEED_LOCKED, 0)
            except OSError as error:
                if error.errno in (errno.EINVAL, errno.ENOSYS):  # before Linux 6.13
                    self._vector = -1
                done = 0
            if done != length:  # a hole among them
                for page, count in batch:
                    self.drop(page, count)
        for page, count in ranges:
            self.drop(page, count)

    def _prepare_vector(self) -> None:
        try:
            self._itself = self.call(_SYS_PIDFD_OPEN, self.call(_SYS_GETPID), 0)
            self._vector = self.lend(b"")
        except OSError:
            self._vector = -1  # one by one, then

    def given_up(self, page: int, count: int) -> None:
        """The program has unmapped a range, or mapped something over it: nothing of ours is there any more."""
        if page <= self._vector // PAGE_BYTES < page + count:
            self._vector = 0

    def lend(self, data: bytes) -> int:
        """Address of a new page in the program's memory that begins with `data`; it is shared, so not one of its own,
        and no child gets it. Raises OSError."""
        address = self.call(_SYS_MMAP, 0, PAGE_BYTES, _PROT_READ_WRITE, _MAP_SHARED_ANONYMOUS, -1 & (1 << 64) - 1)
        self.call(_SYS_MADVISE, address, PAGE_BYTES, _MADV_DONTFORK)
        self.write_bytes(address, data)
        return address

    def take_back(self, address: int) -> None:
        """Undo `lend`. Raises OSError."""
        self.call(_SYS_MUNMAP, address, PAGE_BYTES)

    def read(self, page: int, count: int) -> list[bytes | None]:
        """The contents of present pages; None for those that are not there."""
        try:
            data = os.pread(self._memory, count * PAGE_BYTES, page * PAGE_BYTES)
        except OSError:
            data = b""
        if len(data) < count * PAGE_BYTES:
            if count == 1:
                return [None]
            return [self.read(page + i, 1)[0] for i in range(count)]
        return [data[i : i + PAGE_BYTES] for i in range(0, len(data), PAGE_BYTES)]

    def read_bytes(self, address: int, count: int) -> bytes:
        """Bytes of present memory. Raises OSError."""
        data = os.pread(self._memory, count, address) if address < _USER_END else b""
        if len(data) < count:
            raise OSError(errno.EFAULT, os.strerror(errno.EFAULT))
        return data

    def write_bytes(self, address: int, data: bytes) -> None:
        """Change bytes of present memory. Raises OSError."""
        os.pwrite(self._memory, data, address)

    def present(self, page: int, count: int) -> list[int]:
        """Which pages of a range have a page behind them."""
        return present(self._pagemap, page, count)

    def anonymous(self, *, flags: bool = False) -> list[Mapping]:
        """The address space's private anonymous mappings; see `mappings`."""
        return [mapping for mapping in mappings(self.pid, flags=flags) if mapping.anonymous]

    def unlock(self, page: int, count: int) -> list[tuple[int, int]]:
        """Undo mlock(2) for a range; the parts of it (first page, pages) that were locked."""
        if any(line.split() == ["VmLck:", "0", "kB"] for line in lines(Path(f"/proc/{self.pid}/status"))):
            return []
        locked = within((each for each in mappings(self.pid, flags=True) if each.locked), page, count)
        for first, pages in locked:
            self.call(_SYS_MUNLOCK, first * PAGE_BYTES, pages * PAGE_BYTES)
        return locked

    def lock(self, page: int, count: int) -> None:
        """Lock a range again; a page when it is used."""
        with contextlib.suppress(OSError):  # up to the program's limit
            self.call(_SYS_MLOCK2, page * PAGE_BYTES, count * PAGE_BYTES, _MLOCK_ONFAULT)

    def advise(self, page: int, count: int, advice: int) -> list[tuple[int, int]]:
        """Give an advice as madvise(2) does, mapping by mapping in order of address until one refuses it; the parts of
        the range (first page, pages) that took it."""
        taken = []
        for first, pages in within(mappings(self.pid), page, count):
            try:
                self.call(_SYS_MADVISE, first * PAGE_BYTES, pages * PAGE_BYTES, advice)
            except OSError:
                break
            taken.append((first, pages))
        return taken

    def killed(self, last: Callable[[], None]) -> bool:
        """Whether somebody has killed it: the first process of a pid namespace does so when it ends, and waits until it
        is gone. `last` is called while the memory can still be read."""
        if not self._alive:
            lost, self._lost = self._lost, False  # one that did a call just then has no memory any more
            return lost
        status = ptrace.wait(self.pid, block=False)
        if status is None or status.stop not in (Stop.EXITING, Stop.GONE):
            return False
        if status.stop is Stop.EXITING:
            last()
        self._bury(status.stop)
        return True

    def close(self) -> None:
        """End the agent. Idempotent."""
        if self._memory < 0:
            return
        os.close(self._memory)
        os.close(self._pagemap)
        self._memory = self._pagemap = -1
        if self._alive:
            os.kill(self.pid, signal.SIGKILL)
            self._bury(None)

    def _bury(self, stop: Stop | None) -> None:
        """Let it end; its last stop was this."""
        self._alive = False
        while stop is not Stop.GONE:
            if stop is not None:
                with contextlib.suppress(ProcessLookupError):
                    ptrace.resume(self.pid)
            status = ptrace.wait(self.pid, block=True)
            assert status is not None
            stop = status.stop


@contextlib.contextmanager
def _unlimited(tid: int) -> Iterator[None]:
    """Let a stopped thread clone itself where its user may have no more processes or its filter does not like it."""
    before = _lift(tid, resource.RLIMIT_NPROC, resource.RLIM_INFINITY)
    ptrace.exempt(tid)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            ptrace.unexempt(tid)
            if before is not None:
                resource.prlimit(tid, resource.RLIMIT_NPROC, before)


def _lift(pid: int, limit: int, value: int) -> tuple[int, int] | None:
    """Raise a limit of another process, or as far as it goes without CAP_SYS_RESOURCE; what it was, if it changed."""
    try:
        before = resource.prlimit(pid, limit)
        try:
            resource.prlimit(pid, limit, (value, value))
        except PermissionError:
            resource.prlimit(pid, limit, (before[1], before[1]))
    except PermissionError:
        return None
    return before
