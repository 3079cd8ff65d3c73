"""Follower: runs a program and all it starts, and tells whoever has its memory what becomes of it."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType

from sim.follow import filter as seccomp
from sim.follow import ptrace
from sim.follow.agent import CLONE_VM, Agent
from sim.follow.filter import Rule
from sim.follow.launch import FollowError, launch
from sim.follow.policy import Policy, Refusal, Space
from sim.follow.ptrace import Stop, Syscall
from sim.follow.userfault import PAGE_BYTES

_MMAP, _MUNMAP, _BRK, _MREMAP, _MADVISE = 9, 11, 12, 25, 28
_CLONE, _FORK, _VFORK, _SET_TID_ADDRESS, _CLONE3 = 56, 57, 58, 218, 435
_BIRTHS = (_CLONE, _FORK, _VFORK, _CLONE3)
_WATCHED = (_MMAP, _MUNMAP, _BRK, _MREMAP, _MADVISE, *_BIRTHS, _SET_TID_ADDRESS)
_CLONE_VFORK, _CLONE_THREAD, _CLONE_CHILD_CLEARTID, _CLONE_CHILD_SETTID = 0x4000, 0x10000, 0x200000, 0x1000000
_MAP_PRIVATE, _MAP_FIXED, _MAP_ANONYMOUS, _MAP_LOCKED, _MAP_POPULATE = 0x2, 0x10, 0x20, 0x2000, 0x8000
_MAP_HUGETLB = 0x40000
_MREMAP_FIXED, _MREMAP_DONTUNMAP = 2, 4
_MADV_DONTNEED, _MADV_FREE, _MADV_DONTNEED_LOCKED = 4, 8, 24
_MADV_DONTFORK, _MADV_DOFORK, _MADV_WIPEONFORK, _MADV_KEEPONFORK = 10, 11, 18, 19

# After Ctrl-C the program may end by itself; then it is asked to, and then made to.
_GRACE_S, _LAST_S = 0.5, 2.0
_IDLE_MS = 100


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


class Follower:
    """Runs one program and all it starts, from the first instruction to the last end.

    Args:
        policy: has the memory.
        refusals: system calls that fail in the program.

    Attributes:
        following: False after `release`: the program runs on, unwatched.
    """

    def __init__(self, policy: Policy, refusals: Sequence[Refusal] = ()) -> None:
        self._policy = policy
        self._refusals = refusals
        self._tasks: dict[int, Task] = {}
        self._spaces: list[Space] = []
        self.following = True
        self._interrupted: float | None = None
        self._escalation = 0
        self._poll = select.poll()
        self._by_fd: dict[int, Space] = {}
        self._orphans: set[int] = set()  # have ended, and may have become our children by then

    @property
    def in_transit(self) -> bool:
        """Pages are on their way, with a fork, an exec or mremap: the spaces do not tell the whole story now."""
        return any(
            task.fresh or (task.syscall is not None and task.syscall.number in (*_BIRTHS, _MREMAP))
            for task in self._tasks.values()
        )

    def run(self, argv: Sequence[str], env: Mapping[str, str] | None) -> int:
        """Run a program to its end; returns its exit status as a shell gives it (128 + signal where one ended it).

        Must be called in the main thread. Raises FollowError, and KeyboardInterrupt where SIGINT came: the program has
        ended by then.
        """
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll.register(wake_read, select.POLLIN)
        before = {number: signal.signal(number, self._interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda number, frame: None)
        wakeup_before = signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        try:
            root = launch(argv, env, seccomp.program([*map(Rule, _WATCHED), *(r.rule for r in self._refusals)]))
            self._tasks[root] = Task(root, root, None)
            self._policy.process(root)
            return self._loop(root, wake_read)
        finally:
            self._kill()
            signal.set_wakeup_fd(wakeup_before)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(wake_read)
            os.close(wake_write)

    def release(self) -> None:
        """Let the program run on by itself. The spaces have given everything back."""
        self.following = False
        for space in self._spaces:
            self._forget(space)
        self._spaces = []
        for task in self._tasks.values():
            task.space = None

    @property
    def spaces(self) -> Sequence[Space]:
        """The address spaces in use."""
        return self._spaces

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._interrupted is None:
            self._interrupted = time.monotonic()
        else:
            self._interrupted = -1e9  # the second time means now

    def _loop(self, root: int, wake: int) -> int:
        exit_status = 0
        while self._tasks:
            ready = self._poll.poll(_IDLE_MS)
            stops = not ready
            for fd, _ in ready:
                if fd == wake:
                    stops = True
                    with contextlib.suppress(BlockingIOError):
                        os.read(wake, 4096)
                elif fd in self._by_fd:
                    self._serve(self._by_fd[fd])
            if stops:
                # A system call that changes the address space must not overtake a fault before it.
                for space in list(self._spaces):
                    self._serve(space)
                for tid in list(self._tasks):
                    status = ptrace.wait(tid, block=False) if tid in self._tasks else None
                    if status is None:
                        continue
                    if status.stop is Stop.GONE and tid == root:
                        exit_status = status.value
                    with contextlib.suppress(ProcessLookupError):  # killed while it was looked at: its end comes next
                        self._stopped(self._tasks[tid], status)
            self._policy.tick()
            self._escalate(time.monotonic())
        self._policy.tick()
        if self._interrupted is not None:
            raise KeyboardInterrupt
        return exit_status

    @staticmethod
    def _serve(space: Space) -> None:
        while faults := space.userfault.faults():
            for fault in faults:
                space.fault(fault)

    def _stopped(self, task: Task, status: ptrace.Status) -> None:
        match status.stop:
            case Stop.GONE:
                self._gone(task)
                return
            case Stop.GROUP:
                ptrace.listen(task.tid)
                return
            case Stop.BIRTH:
                self._born(task, ptrace.event_message(task.tid))
            case Stop.EXEC:
                former = ptrace.event_message(task.tid)
                if former != task.tid:
                    self._tasks.pop(former, None)
                self._leave(task)
                task.fresh = True
            case Stop.EXITING if task.space and task.clear_tid:
                task.space.pin(task.tid, task.clear_tid // PAGE_BYTES)
            case Stop.SECCOMP | Stop.SYSCALL if self.following:
                self._syscall(task, ptrace.syscall_info(task.tid))
        deliver = status.value if status.stop is Stop.SIGNAL else 0
        ptrace.resume(task.tid, deliver=deliver, to_syscall=task.fresh or task.syscall is not None)

    # --- processes and threads -------------------------------------------------------------------------------------

    def _born(self, parent: Task, tid: int) -> None:
        flags, child_tid = self._birth(parent)
        process = parent.process if flags & _CLONE_THREAD else tid
        child = Task(tid, process, None, clear_tid=child_tid if flags & _CLONE_CHILD_CLEARTID else 0)
        status = ptrace.wait(tid, block=True)
        assert status is not None
        if status.stop is Stop.GONE:
            return
        self._tasks[tid] = child
        if process == tid:
            self._policy.process(tid)
        if parent.space and flags & CLONE_VM:
            child.space = parent.space
            parent.space.processes += not flags & _CLONE_THREAD
        elif parent.space:
            self._serve(parent.space)
            self._watch(child, parent.space)
        ptrace.resume(tid, to_syscall=False)

    def _birth(self, task: Task) -> tuple[int, int]:
        """Flags and child thread id address of the clone, clone3, fork or vfork that a thread is in."""
        if task.syscall is None:
            return 0, 0
        number, args = task.syscall.number, task.syscall.args
        if number == _CLONE:
            return args[0], args[3]
        if number == _CLONE3 and task.space:
            flags, _, child_tid = task.space.read_words(args[0], 3)
            return flags, child_tid
        return (CLONE_VM | _CLONE_VFORK if number == _VFORK else 0), 0

    def _watch(self, task: Task, parent: Space | None) -> None:
        try:
            agent = Agent(task.tid)
            self._orphans.add(agent.pid)
            task.space = self._policy.space(agent, parent)
        except PermissionError as error:
            raise FollowError(f"cannot follow process {task.tid}: {error.strerror}; run as root") from error
        self._spaces.append(task.space)
        self._by_fd[task.space.userfault.fileno()] = task.space
        self._poll.register(task.space.userfault, select.POLLIN)

    def _gone(self, task: Task) -> None:
        del self._tasks[task.tid]
        if task.tid == task.process:
            self._orphans.add(task.tid)
        if task.space:
            task.space.unpin(task.tid)
        if task.tid == task.process:
            self._leave(task)

    def _leave(self, task: Task) -> None:
        space, task.space = task.space, None
        if space and self.following:
            space.processes -= 1
            if not space.processes:
                self._forget(space)
                self._spaces.remove(space)
                space.end()

    def _forget(self, space: Space) -> None:
        self._poll.unregister(space.userfault)
        del self._by_fd[space.userfault.fileno()]

    # --- system calls ----------------------------------------------------------------------------------------------

    def _syscall(self, task: Task, call: Syscall) -> None:
        if call.arch != ptrace.AUDIT_ARCH_X86_64 or call.number >= 1 << 30:
            raise FollowError("the program is a 32-bit one; only 64-bit programs can be followed")
        if call.entry:
            refusal = next((refusal for refusal in self._refusals if refusal.hits(call)), None)
            if refusal is not None:
                _fail(task.tid, refusal.errno)
            elif call.number in _WATCHED:
                task.syscall = call
                if task.space:
                    self._entry(task, task.space, call)
            return
        if task.fresh:
            task.fresh = False
            self._watch(task, None)
        elif task.space and task.syscall is not None:
            self._exit(task, task.space, task.syscall, call.result)
        task.syscall = None

    def _entry(self, task: Task, space: Space, call: Syscall) -> None:
        number, args = call.number, call.args
        task.gives_up = False
        if number == _SET_TID_ADDRESS:
            task.clear_tid = args[0]
        elif number in (_CLONE, _CLONE3):
            flags, child_tid = self._birth(task)
            if flags & _CLONE_CHILD_SETTID and not flags & CLONE_VM:
                space.pin(task.tid, child_tid // PAGE_BYTES)
        elif number == _MADVISE:
            if args[2] == _MADV_FREE:  # what may be dropped at any time may be dropped now, and seen to be
                _set_argument(task.tid, 2, _MADV_DONTNEED)
            if _drops(args):
                space.dropping(*_pages(args[0], args[1]))
        elif (number == _MUNMAP or (number == _MMAP and args[3] & _MAP_FIXED)) and not args[0] % PAGE_BYTES:
            task.gives_up = space.unmapping(*_pages(args[0], args[1]))
        elif number == _BRK and args[0] and args[0] < space.program_break:
            task.gives_up = space.unmapping(*_between(args[0], space.program_break))
        elif number == _MREMAP and not args[0] % PAGE_BYTES:
            if args[3] & _MREMAP_DONTUNMAP:
                raise FollowError("the program uses mremap with MREMAP_DONTUNMAP, which cannot be followed")
            source, count = _pages(args[0], args[1])
            _, target_count = _pages(0, args[2])
            space.moving(source, count)
            if 0 < target_count < count:
                task.gives_up = space.unmapping(source + target_count, count - target_count)
            if args[3] & _MREMAP_FIXED:
                task.gives_up |= space.unmapping(args[4] // PAGE_BYTES, target_count)

    def _exit(self, task: Task, space: Space, call: Syscall, result: int) -> None:
        number, args = call.number, call.args
        if number in _BIRTHS:
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
        elif number == _MREMAP:
            source, count = _pages(args[0], args[1])
            target, target_count = _pages(result, args[2])
            space.moved(source, target, count, target_count)
        elif number == _MADVISE and _drops(args):
            space.dropped(*_pages(args[0], args[1]))
        elif number == _MADVISE and args[2] in (_MADV_DONTFORK, _MADV_WIPEONFORK, _MADV_DOFORK, _MADV_KEEPONFORK):
            space.at_fork(*_pages(args[0], args[1]), inherit=args[2] in (_MADV_DOFORK, _MADV_KEEPONFORK))

    # --- the end ---------------------------------------------------------------------------------------------------

    def _escalate(self, now: float) -> None:
        if self._interrupted is None:
            return
        waited = now - self._interrupted
        if waited > _LAST_S:
            self._signal(signal.SIGKILL)
        elif waited > _GRACE_S and not self._escalation:
            self._escalation = 1
            self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> None:
        for process in {task.process for task in self._tasks.values()}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    def _kill(self) -> None:
        """End whatever is left, after an error. The userfaultfds are closed only when all is dead: a page that is not
        there would read as zeros from then on."""
        self._signal(signal.SIGKILL)
        for tid in sorted(self._tasks, key=lambda tid: tid == self._tasks[tid].process):  # leaders last
            with contextlib.suppress(ChildProcessError):
                while (status := ptrace.wait(tid, block=True)) and status.stop is not Stop.GONE:
                    with contextlib.suppress(ProcessLookupError):
                        ptrace.resume(tid, to_syscall=False)
        self._tasks = {}
        for space in self._spaces:
            space.abandon()
        self._spaces = []
        for pid in self._orphans:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, ptrace.WALL | os.WNOHANG)


def _fail(tid: int, number: int) -> None:
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
