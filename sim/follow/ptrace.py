# SPDX-License-Identifier: MIT
"""ptrace(2), as far as following a program needs it: stops, registers of x86-64, and what a stop means."""

from __future__ import annotations

import ctypes
import os
import signal
from dataclasses import dataclass
from enum import Enum, IntEnum

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)

WALL = 0x40000000
AUDIT_ARCH_X86_64 = 0xC000003E
_CODE_64 = 0x33  # the segment of 64-bit code


class Request(IntEnum):
    """Requests of <sys/ptrace.h>."""

    CONT = 7
    SINGLESTEP = 9
    GETREGS = 12
    SETREGS = 13
    SYSCALL = 24
    SETOPTIONS = 0x4200
    GETEVENTMSG = 0x4201
    SEIZE = 0x4206
    INTERRUPT = 0x4207
    LISTEN = 0x4208
    GET_SYSCALL_INFO = 0x420E


# TRACESYSGOOD, FORK, VFORK, CLONE, EXEC, EXIT, SECCOMP, EXITKILL: children and threads are followed from their first
# instruction, and nothing outlives the follower.
OPTIONS = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x40 | 0x80 | 0x100000
_SUSPEND_SECCOMP = 0x200000


class Stop(Enum):
    """Why a traced thread no longer runs."""

    SYSCALL = "syscall"
    SECCOMP = "seccomp"  # at the entry of a system call that the filter names
    BIRTH = "birth"  # fork, vfork or clone has made a child
    EXEC = "exec"
    EXITING = "exiting"
    GROUP = "group"  # job control
    SIGNAL = "signal"
    TRAP = "trap"  # nothing to deliver
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Status:
    """A decoded wait status.

    Attributes:
        stop: the reason.
        value: SIGNAL: its number. GONE: exit status as a shell gives it (128 + signal for a killed program).
    """

    stop: Stop
    value: int = 0


@dataclass(frozen=True, slots=True)
class Syscall:
    """A system call at its entry (args) or its exit (result)."""

    entry: bool
    number: int
    args: tuple[int, ...]
    result: int
    arch: int


_REGISTER_NAMES = (
    "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base "
    "ds es fs gs"
)
_REGISTER_FIELDS = [(name, ctypes.c_uint64) for name in _REGISTER_NAMES.split()]


class Registers(ctypes.Structure):
    """struct user_regs_struct of x86-64."""

    _fields_ = _REGISTER_FIELDS


class _SyscallInfo(ctypes.Structure):
    _fields_ = [
        ("op", ctypes.c_uint8),
        ("pad", ctypes.c_uint8 * 3),
        ("arch", ctypes.c_uint32),
        ("ip", ctypes.c_uint64),
        ("sp", ctypes.c_uint64),
        ("words", ctypes.c_uint64 * 8),  # entry: number, 6 arguments; exit: result
    ]


def _ptrace(request: Request, tid: int, address: int, data: object) -> None:
    if _libc.ptrace(request, tid, address, data) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def seize(tid: int) -> None:
    """Trace `tid` without stopping it, with OPTIONS."""
    _ptrace(Request.SEIZE, tid, 0, OPTIONS)


def resume(tid: int, *, deliver: int = 0, to_syscall: bool = True) -> None:
    """Let a stopped thread run, delivering a signal; with `to_syscall` it stops at the next system call."""
    _ptrace(Request.SYSCALL if to_syscall else Request.CONT, tid, 0, deliver)


def step(tid: int) -> None:
    """Let a stopped thread run one instruction; a signal is not delivered. It stops with SIGTRAP."""
    _ptrace(Request.SINGLESTEP, tid, 0, 0)


def exempt(tid: int) -> bool:
    """Let a stopped thread's system calls pass its seccomp filters; False where the kernel does not allow that."""
    try:
        _ptrace(Request.SETOPTIONS, tid, 0, OPTIONS | _SUSPEND_SECCOMP)
    except OSError:
        return False
    return True


def unexempt(tid: int) -> None:
    """Undo `exempt`."""
    _ptrace(Request.SETOPTIONS, tid, 0, OPTIONS)


def listen(tid: int) -> None:
    """Leave a thread in its job-control stop, but learn when it ends."""
    _ptrace(Request.LISTEN, tid, 0, 0)


def interrupt(tid: int) -> None:
    """Have a thread stop, with a TRAP. Raises ProcessLookupError where it is no more."""
    _ptrace(Request.INTERRUPT, tid, 0, 0)


def event_message(tid: int) -> int:
    """The number that goes with a BIRTH (child) or EXEC (former thread id) stop."""
    value = ctypes.c_ulong()
    _ptrace(Request.GETEVENTMSG, tid, 0, ctypes.addressof(value))
    return value.value


def registers(tid: int) -> Registers:
    """The registers of a stopped thread."""
    value = Registers()
    _ptrace(Request.GETREGS, tid, 0, ctypes.addressof(value))
    return value


def set_registers(tid: int, value: Registers) -> None:
    """Set the registers of a stopped thread."""
    _ptrace(Request.SETREGS, tid, 0, ctypes.addressof(value))


def is_64_bit(tid: int) -> bool:
    """Whether a stopped thread runs 64-bit code."""
    return bool(registers(tid).cs == _CODE_64)


def syscall_info(tid: int) -> Syscall:
    """The system call at which a thread has stopped."""
    info = _SyscallInfo()
    _ptrace(Request.GET_SYSCALL_INFO, tid, ctypes.sizeof(info), ctypes.addressof(info))
    words = tuple(info.words)
    if info.op in (1, 3):  # entry, or the filter's stop, which is one
        return Syscall(True, words[0], words[1:7], 0, info.arch)
    return Syscall(False, -1, (), words[0] - (words[0] >> 63 << 64), info.arch)


def wait(tid: int, *, block: bool) -> Status | None:
    """The next stop or end of `tid`; None if there is none yet and `block` is False."""
    pid, status = os.waitpid(tid, WALL | (0 if block else os.WNOHANG))
    return decode(status) if pid else None


def decode(status: int) -> Status:
    """What a wait status says (ptrace(2), "Stopped states")."""
    if os.WIFEXITED(status):
        return Status(Stop.GONE, os.WEXITSTATUS(status))
    if os.WIFSIGNALED(status):
        return Status(Stop.GONE, 128 + os.WTERMSIG(status))
    number = os.WSTOPSIG(status)
    match status >> 16:
        case 0 if number == signal.SIGTRAP | 0x80:
            return Status(Stop.SYSCALL)
        case 0:
            return Status(Stop.SIGNAL, number)
        case 1 | 2 | 3:
            return Status(Stop.BIRTH)
        case 4:
            return Status(Stop.EXEC)
        case 6:
            return Status(Stop.EXITING)
        case 7:
            return Status(Stop.SECCOMP)
        case 128 if number != signal.SIGTRAP:
            return Status(Stop.GROUP, number)
        case _:
            return Status(Stop.TRAP)
