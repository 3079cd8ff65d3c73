# SPDX-License-Identifier: MIT
"""The system calls that a follower watches, and what each does to the memory of a program.

Nothing is given up at the entry of a call, since it may fail: at its exit the kernel's answer counts, and where that
does not say how far a call came, the mappings do.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path

from hw.link import PAGE_BYTES
from sim.follow import ptrace
from sim.follow.agent import CLONE_VM
from sim.follow.mappings import holes, within
from sim.follow.policy import Space
from sim.follow.ptrace import Syscall

_MMAP, _MUNMAP, _BRK, _MREMAP, _MADVISE = 9, 11, 12, 25, 28
_CLONE, _FORK, _VFORK, _SET_TID_ADDRESS, _CLONE3 = 56, 57, 58, 218, 435
BIRTHS = (_CLONE, _FORK, _VFORK, _CLONE3)
_MLOCKALL, _MUNLOCKALL, _UNSHARE = 151, 152, 272
WATCHED = (_MMAP, _MUNMAP, _BRK, _MREMAP, _MADVISE, *BIRTHS, _SET_TID_ADDRESS, _MLOCKALL, _MUNLOCKALL, _UNSHARE)
_CLONE_SIGHAND, _CLONE_THREAD, _CLONE_CHILD_CLEARTID = 0x800, 0x10000, 0x200000
_CLONE_UNTRACED, _CLONE_CHILD_SETTID = 0x800000, 0x1000000
_CLONE_ARGS_LIMIT = PAGE_BYTES  # the kernel takes no larger struct clone_args
_MAP_TYPE, _MAP_PRIVATE, _MAP_FIXED, _MAP_ANONYMOUS = 0xF, 0x2, 0x10, 0x20
_MAP_LOCKED, _MAP_POPULATE, _MAP_HUGETLB, _MAP_FIXED_NOREPLACE = 0x2000, 0x8000, 0x40000, 0x100000
_MREMAP_FIXED = 2
_MCL_FUTURE = 2
_MADV_DONTNEED, _MADV_FREE, _MADV_DONTNEED_LOCKED, _MADV_GUARD_INSTALL = 4, 8, 24, 102
_DROPS = (_MADV_DONTNEED, _MADV_FREE, _MADV_DONTNEED_LOCKED, _MADV_GUARD_INSTALL)
_SPACE_BYTES = 1 << 64


@dataclass(slots=True)
class Task:
    """A thread of the program.

    Attributes:
        tid, process: its thread and process id.
        space: its address space; None between exec and the moment that the new one is watched.
        syscall: the watched system call it is in, as of its entry; None outside of those.
        birth: what that call makes, if it is a birth.
        clear_tid: where the kernel writes 0 when it ends, 0 for nowhere.
        fresh: it is in execve.
        unlocked: ranges (first page, pages) to be locked again when its mremap is done.
        lent: address of the memory that stands in for an argument of its call, 0 for none.
    """

    tid: int
    process: int
    space: Space | None
    syscall: Syscall | None = field(default=None)
    birth: Birth | None = None
    clear_tid: int = 0
    fresh: bool = False
    unlocked: list[tuple[int, int]] = field(default_factory=list)
    lent: int = 0


@dataclass(frozen=True, slots=True)
class Birth:
    """What a clone, clone3, fork or vfork makes.

    Attributes:
        thread: a thread of the same process.
        shares_memory: it runs in the same address space, at least at first.
        untraced: it asks that nobody follows it.
        set_tid, clear_tid: where the kernel writes its thread id when it begins, and 0 when it ends; 0 for nowhere.
    """

    thread: bool = False
    shares_memory: bool = False
    untraced: bool = False
    set_tid: int = 0
    clear_tid: int = 0


def begin(task: Task, space: Space, call: Syscall) -> bool:
    """A thread is about to do a watched call. True if it changes the mappings, so that it has to wait for its turn."""
    task.syscall, task.birth = call, None
    if call.number in BIRTHS:
        task.birth = _birth(space, call)
        return not task.birth.shares_memory
    if call.number == _MADVISE:
        return call.args[2] in _DROPS
    return call.number not in (_SET_TID_ADDRESS, _UNSHARE)


def enter(task: Task, space: Space) -> None:
    """A thread does its call now: tell its space what may become of it."""
    assert task.syscall is not None
    number, args = task.syscall.number, task.syscall.args
    _give_up(space, task.syscall)
    if number == _SET_TID_ADDRESS:
        task.clear_tid = args[0]
    elif number == _UNSHARE:
        if args[0] & CLONE_VM and space.processes == 1:  # all that it is checked for, but that the agent shares it
            _set_argument(task.tid, args[0] & ~CLONE_VM | _CLONE_SIGHAND)
    elif task.birth is not None:
        if task.birth.set_tid:  # the child writes it before it can be waited for
            space.pin(task.tid, [task.birth.set_tid // PAGE_BYTES])
        if task.birth.untraced:
            _have_it_traced(task, space)
    elif number == _BRK and 0 < args[0] < space.program_break:
        space.settle(*_between(args[0], space.program_break))
    elif number == _MREMAP:
        source, count = _pages(args[0], args[1])
        _, target_count = _pages(0, args[2])
        if target_count < count:
            space.settle(source + target_count, count - target_count)
        if args[3] & _MREMAP_FIXED:
            space.settle(args[4] // PAGE_BYTES, target_count)
        if target_count > count:  # the kernel would fill what is new before it tells of the move, and wait for both
            task.unlocked = space.agent.unlock(source, count)
        space.moving(source, count)
    elif _takes(task.syscall):
        space.settle(*_pages(args[0], args[1]))


def leave(task: Task, space: Space, call: Syscall, result: int) -> None:
    """A thread has done a watched call."""
    number, args = call.number, call.args
    _give_up(space, call)
    if task.unlocked:
        for page, count in task.unlocked if result < 0 else [_pages(result, args[2])]:
            space.agent.lock(page, count)
        task.unlocked = []
    if task.birth is not None:
        space.unpin(task.tid)
        if task.birth.untraced:
            give_back_argument(call, task.tid)
        if task.lent:
            space.agent.take_back(task.lent)
            task.lent = 0
    elif number == _MADVISE:
        if args[2] in _DROPS:
            _advised(space, args, result)
    elif number == _UNSHARE:
        give_back_argument(call, task.tid)
    elif number == _BRK:
        before, space.program_break = space.program_break, result
        if before and result > before:
            space.mapped(*_between(before, result), populated=space.locks_future)
        elif before:
            space.gone(*_between(result, before))
    elif result < 0:
        for page, count in _at_stake(call):
            kept = within(space.agent.anonymous(), page, count)
            for hole in holes(page, count, kept):
                space.gone(*hole)
    elif number in (_MLOCKALL, _MUNLOCKALL):
        space.locks_future = number == _MLOCKALL and bool(args[0] & _MCL_FUTURE)
    elif number == _MUNMAP:
        space.gone(*_pages(args[0], args[1]))
    elif number == _MMAP:
        _mapped(space, args, result)
    elif number == _MREMAP:
        _moved(space, args, result)


def _birth(space: Space, call: Syscall) -> Birth:
    number, args = call.number, call.args
    if number == _CLONE:
        flags, child_tid = args[0], args[3]
    elif number == _CLONE3:
        try:
            flags, _, child_tid = struct.unpack("<3Q", space.read(args[0], 24))
        except OSError:
            return Birth()  # nor can the kernel read them
    else:
        return Birth(shares_memory=number == _VFORK)
    return Birth(
        thread=bool(flags & _CLONE_THREAD),
        shares_memory=bool(flags & CLONE_VM),
        untraced=bool(flags & _CLONE_UNTRACED),
        set_tid=child_tid if flags & _CLONE_CHILD_SETTID else 0,
        clear_tid=child_tid if flags & _CLONE_CHILD_CLEARTID else 0,
    )


def _have_it_traced(task: Task, space: Space) -> None:
    """Take CLONE_UNTRACED out of a call's flags: whoever has the program's memory has to know of all who use it."""
    assert task.syscall is not None
    args = task.syscall.args
    if task.syscall.number == _CLONE:
        _set_argument(task.tid, args[0] & ~_CLONE_UNTRACED)
    elif 24 <= args[1] <= _CLONE_ARGS_LIMIT:
        try:
            given = space.read(args[0], args[1])
        except OSError:
            return
        flags = int.from_bytes(given[:8], "little") & ~_CLONE_UNTRACED
        try:
            task.lent = space.agent.lend(flags.to_bytes(8, "little") + given[8:])
        except OSError as error:
            fail(task.tid, error.errno or 0)
        else:
            _set_argument(task.tid, task.lent)


def enter_unfollowed(task: Task, call: Syscall) -> None:
    """A thread of a program that is no longer followed does a call. The filter stays, and so its children need somebody
    who answers it: nobody is made who is not traced."""
    if call.number == _CLONE and call.args[0] & _CLONE_UNTRACED:
        task.syscall, task.birth = call, Birth(untraced=True)
        _set_argument(task.tid, call.args[0] & ~_CLONE_UNTRACED)
    elif call.number == _CLONE3:
        with (
            contextlib.suppress(OSError, OverflowError),
            Path(f"/proc/{task.tid}/mem").open("rb", buffering=0) as memory,
        ):
            if int.from_bytes(os.pread(memory.fileno(), 8, call.args[0]), "little") & _CLONE_UNTRACED:
                fail(task.tid, errno.ENOSYS)  # as before Linux 5.3


def give_back_argument(call: Syscall, tid: int) -> None:
    """Let a thread, or the child that has its registers, find the first argument of a call as it was."""
    _set_argument(tid, call.args[0])


def _advised(space: Space, args: tuple[int, ...], result: int) -> None:
    """madvise(2) has dropped what a range holds, or some of it: it goes on after a hole and stops at a mapping that
    refuses it. That it was asked for again, by the agent, shows how far it came."""
    address, length, advice = args[:3]
    if address % PAGE_BYTES or address + length > _SPACE_BYTES - PAGE_BYTES:
        return
    page, count = _pages(address, length)
    for first, pages in [(page, count)] if result == 0 else space.agent.advise(page, count, advice):
        if advice == _MADV_FREE:  # what may be dropped at any time is dropped now
            space.agent.drop(first, pages)
        space.dropped(first, pages)


def _mapped(space: Space, args: tuple[int, ...], result: int) -> None:
    flags = args[3]
    page, count = _pages(result, args[1])
    if flags & _MAP_FIXED:
        space.gone(page, count)
    if flags & _MAP_TYPE == _MAP_PRIVATE and flags & _MAP_ANONYMOUS and not flags & _MAP_HUGETLB:
        # At an address that was known before, another thread may have been faster than we are.
        touched = flags & (_MAP_POPULATE | _MAP_LOCKED | _MAP_FIXED | _MAP_FIXED_NOREPLACE)
        space.mapped(page, count, populated=bool(touched) or space.locks_future)


def _moved(space: Space, args: tuple[int, ...], result: int) -> None:
    source, count = _pages(args[0], args[1])
    target, target_count = _pages(result, args[2])
    if target_count < count:
        space.gone(source + target_count, count - target_count)
    if source != target:
        space.gone(target, target_count)
    if sum(pages for _, pages in within(space.agent.anonymous(), target, target_count)) == target_count:
        space.moved(source, target, min(count, target_count), target_count)


def _takes(call: Syscall) -> bool:
    """Whether a call takes what its first two arguments name, or what that holds."""
    number, args = call.number, call.args
    if number == _MADVISE:
        return args[2] in _DROPS
    return number == _MUNMAP or (number == _MMAP and bool(args[3] & _MAP_FIXED))


def _give_up(space: Space, call: Syscall) -> None:
    """What is mapped in a range may go, also where it is not the program's own."""
    if call.number != _MADVISE:
        for page, count in _at_stake(call):
            space.agent.given_up(page, count)


def _at_stake(call: Syscall) -> list[tuple[int, int]]:
    """The ranges that a call which failed may have taken away none the less."""
    number, args = call.number, call.args
    if _takes(call):
        ranges = [_pages(args[0], args[1])]
    elif number == _MREMAP:
        ranges = [_pages(args[0], args[1]), *([_pages(args[4], args[2])] if args[3] & _MREMAP_FIXED else [])]
    else:
        ranges = []
    return ranges


def fail(tid: int, number: int) -> None:
    """Make the system call that a thread is about to do fail; with 0, have it succeed and do nothing."""
    value = ptrace.registers(tid)
    value.orig_rax, value.rax = _SPACE_BYTES - 1, -number % _SPACE_BYTES
    ptrace.set_registers(tid, value)


def _set_argument(tid: int, argument: int) -> None:
    """Change the first argument of a system call, or the register that it was in."""
    value = ptrace.registers(tid)
    value.rdi = argument
    ptrace.set_registers(tid, value)


def _pages(address: int, length: int) -> tuple[int, int]:
    return address // PAGE_BYTES, -(-length // PAGE_BYTES)


def _between(low: int, high: int) -> tuple[int, int]:
    first = -(-low // PAGE_BYTES)
    return first, max(0, -(-high // PAGE_BYTES) - first)
