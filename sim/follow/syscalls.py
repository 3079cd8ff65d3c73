"""The system calls that a follower watches, and what each does to the memory of a program."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field

from hw.link import PAGE_BYTES
from sim.follow import ptrace
from sim.follow.agent import CLONE_VM
from sim.follow.launch import FollowError
from sim.follow.policy import Space
from sim.follow.ptrace import Syscall

_MMAP, _MUNMAP, _BRK, MREMAP, _MADVISE = 9, 11, 12, 25, 28
_CLONE, _FORK, _VFORK, _SET_TID_ADDRESS, _CLONE3 = 56, 57, 58, 218, 435
BIRTHS = (_CLONE, _FORK, _VFORK, _CLONE3)
WATCHED = (_MMAP, _MUNMAP, _BRK, MREMAP, _MADVISE, *BIRTHS, _SET_TID_ADDRESS)
_CLONE_THREAD, _CLONE_CHILD_CLEARTID, _CLONE_CHILD_SETTID = 0x10000, 0x200000, 0x1000000
_MAP_PRIVATE, _MAP_FIXED, _MAP_ANONYMOUS, _MAP_LOCKED, _MAP_POPULATE = 0x2, 0x10, 0x20, 0x2000, 0x8000
_MAP_HUGETLB = 0x40000
_MREMAP_FIXED, _MREMAP_DONTUNMAP = 2, 4
_MADV_DONTNEED, _MADV_FREE, _MADV_DONTNEED_LOCKED = 4, 8, 24


@dataclass(slots=True)
class Task:
    """A thread of the program.

    Attributes:
        tid, process: its thread and process id.
        space: its address space; None between exec and the moment that the new one is watched.
        syscall: the watched system call it is in, as of its entry; None outside of those.
        clear_tid: where the kernel writes 0 when it ends, 0 for nowhere.
        fresh: it is in execve.
        gives_up: its system call takes memory with content away.
    """

    tid: int
    process: int
    space: Space | None
    syscall: Syscall | None = field(default=None)
    clear_tid: int = 0
    fresh: bool = False
    gives_up: bool = False


@dataclass(frozen=True, slots=True)
class Birth:
    """What a clone, clone3, fork or vfork makes.

    Attributes:
        thread: a thread of the same process.
        shares_memory: it runs in the same address space, at least at first.
        set_tid, clear_tid: where the kernel writes its thread id when it begins, and 0 when it ends; 0 for nowhere.
    """

    thread: bool = False
    shares_memory: bool = False
    set_tid: int = 0
    clear_tid: int = 0


def birth(task: Task) -> Birth:
    """What the system call that a thread is in makes."""
    if task.syscall is None:
        return Birth()
    number, args = task.syscall.number, task.syscall.args
    if number == _CLONE:
        flags, child_tid = args[0], args[3]
    elif number == _CLONE3 and task.space:
        flags, _, child_tid = task.space.read_words(args[0], 3)
    else:
        return Birth(shares_memory=number == _VFORK)
    return Birth(
        thread=bool(flags & _CLONE_THREAD),
        shares_memory=bool(flags & CLONE_VM),
        set_tid=child_tid if flags & _CLONE_CHILD_SETTID else 0,
        clear_tid=child_tid if flags & _CLONE_CHILD_CLEARTID else 0,
    )


def enter(task: Task, space: Space, call: Syscall) -> None:
    """The program is about to do a watched call: tell its space what becomes of it. Raises FollowError."""
    number, args = call.number, call.args
    task.gives_up = False
    if number == _SET_TID_ADDRESS:
        task.clear_tid = args[0]
    elif number in (_CLONE, _CLONE3):
        made = birth(task)
        if made.set_tid and not made.shares_memory:
            space.pin(task.tid, made.set_tid // PAGE_BYTES)
    elif number == _MADVISE:
        if args[2] == _MADV_FREE:  # what may be dropped at any time may be dropped now, and seen to be
            _set_argument(task.tid, 2, _MADV_DONTNEED)
        if _drops(args):
            space.dropping(*_pages(args[0], args[1]))
    elif (number == _MUNMAP or (number == _MMAP and args[3] & _MAP_FIXED)) and not args[0] % PAGE_BYTES:
        task.gives_up = space.unmapping(*_pages(args[0], args[1]))
    elif number == _BRK and args[0] and args[0] < space.program_break:
        task.gives_up = space.unmapping(*_between(args[0], space.program_break))
    elif number == MREMAP and not args[0] % PAGE_BYTES:
        if args[3] & _MREMAP_DONTUNMAP:
            raise FollowError("the program uses mremap with MREMAP_DONTUNMAP, which cannot be followed")
        source, count = _pages(args[0], args[1])
        _, target_count = _pages(0, args[2])
        space.moving(source, count)
        if 0 < target_count < count:
            task.gives_up = space.unmapping(source + target_count, count - target_count)
        if args[3] & _MREMAP_FIXED:
            task.gives_up |= space.unmapping(args[4] // PAGE_BYTES, target_count)


def leave(task: Task, space: Space, call: Syscall, result: int) -> None:
    """The program has done a watched call. Raises FollowError."""
    number, args = call.number, call.args
    if number in BIRTHS:
        space.unpin(task.tid)
    elif result < 0 or (number == _BRK and result != args[0] < space.program_break and args[0]):
        if number == _MADVISE and _drops(args) and result == -errno.ENOMEM:
            space.dropped(*_pages(args[0], args[1]))  # the range has holes; the rest was dropped
        elif task.gives_up:
            raise FollowError(
                f"a system call of the program that takes memory away failed ({os.strerror(-min(result, 0))}); "
                "what was there is gone, so it cannot go on"
            )
    elif number == _MMAP:
        flags = args[3]
        if flags & _MAP_PRIVATE and flags & _MAP_ANONYMOUS and not flags & _MAP_HUGETLB:
            space.mapped(*_pages(result, args[1]), populated=bool(flags & (_MAP_POPULATE | _MAP_LOCKED)))
    elif number == _BRK:
        if space.program_break and result > space.program_break:
            space.mapped(*_between(space.program_break, result), populated=False)
        space.program_break = result
    elif number == MREMAP:
        source, count = _pages(args[0], args[1])
        target, target_count = _pages(result, args[2])
        space.moved(source, target, count, target_count)
    elif number == _MADVISE and _drops(args):
        space.dropped(*_pages(args[0], args[1]))


def fail(tid: int, number: int) -> None:
    """Make the system call that a thread is about to do fail."""
    value = ptrace.registers(tid)
    value.orig_rax, value.rax = 0xFFFFFFFFFFFFFFFF, (1 << 64) - number
    ptrace.set_registers(tid, value)


def _set_argument(tid: int, position: int, argument: int) -> None:
    """Change an argument of the system call that a thread is about to do."""
    value = ptrace.registers(tid)
    setattr(value, ("rdi", "rsi", "rdx", "r10", "r8", "r9")[position], argument)
    ptrace.set_registers(tid, value)


def _drops(args: tuple[int, ...]) -> bool:
    """Whether madvise(2) drops what the range holds."""
    return not args[0] % PAGE_BYTES and args[2] in (_MADV_DONTNEED, _MADV_FREE, _MADV_DONTNEED_LOCKED)


def _pages(address: int, length: int) -> tuple[int, int]:
    return address // PAGE_BYTES, -(-length // PAGE_BYTES)


def _between(low: int, high: int) -> tuple[int, int]:
    first = -(-low // PAGE_BYTES)
    return first, max(0, -(-high // PAGE_BYTES) - first)
