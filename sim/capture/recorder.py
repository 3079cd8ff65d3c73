"""Recorder: runs a program under ptrace and userfaultfd and turns what it does with its memory into a trace."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType

from sim.capture import ptrace
from sim.capture.agent import CLONE_VM, Agent
from sim.capture.ptrace import Stop, Syscall
from sim.capture.space import Space
from sim.capture.userfault import PAGE_BYTES
from sim.trace import TraceWriter

_MMAP, _MUNMAP, _BRK, _MREMAP, _MADVISE = 9, 11, 12, 25, 28
_CLONE, _FORK, _VFORK, _SET_TID_ADDRESS, _CLONE3 = 56, 57, 58, 218, 435
_BIRTHS = (_CLONE, _FORK, _VFORK, _CLONE3)
_CLONE_VFORK, _CLONE_THREAD, _CLONE_CHILD_CLEARTID, _CLONE_CHILD_SETTID = 0x4000, 0x10000, 0x200000, 0x1000000
_MAP_PRIVATE, _MAP_FIXED, _MAP_ANONYMOUS, _MAP_LOCKED, _MAP_POPULATE = 0x2, 0x10, 0x20, 0x2000, 0x8000
_MAP_HUGETLB = 0x40000
_MREMAP_DONTUNMAP = 4
_MADV_DONTNEED, _MADV_DONTNEED_LOCKED = 4, 24
_PR_SET_THP_DISABLE = 41

# After Ctrl-C the program may end by itself; then it is asked to, and then made to.
_GRACE_S, _LAST_S = 0.5, 2.0
_PROGRESS_S = 0.2


class CaptureError(Exception):
    """A program could not be recorded; one line that says why and what to do about it."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a recording is: events and pages so far, seconds since the start, and whether it still records."""

    events: int
    contents: int
    pages: int
    seconds: float
    recording: bool


@dataclass(slots=True)
class Task:
    """A thread of the program.

    Attributes:
        tid, process: its thread and process id.
        space: its address space; None between exec and the moment that the new one is watched.
        syscall: the system call it is in, as of its entry.
        clear_tid: where the kernel writes 0 when it ends, 0 for nowhere.
    """

    tid: int
    process: int
    space: Space | None
    syscall: Syscall = field(default=Syscall(True, -1, (), 0, 0))
    clear_tid: int = 0
    fresh: bool = False


class Recorder:
    """Records one program and all it starts, from the first instruction to the last end.

    Args:
        writer: takes events and contents.
        window: pages open at a time, over all address spaces each.
        max_events, max_contents: the recording stops once either is reached; the program goes on.
        progress: called a few times a second.
    """

    def __init__(
        self,
        writer: TraceWriter,
        window: int,
        max_events: int,
        max_contents: int,
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self._writer = writer
        self._window = window
        self._max_events = max_events
        self._max_contents = max_contents
        self._progress = progress
        self._tasks: dict[int, Task] = {}
        self._spaces: list[Space] = []
        self._spaces_made = 0
        self._recording = True
        self._interrupted: float | None = None
        self._escalation = 0
        self._poll = select.poll()

    @property
    def complete(self) -> bool:
        """False once a limit was reached."""
        return self._recording

    def run(self, argv: Sequence[str], env: Mapping[str, str] | None) -> int:
        """Run a program to its end; returns its exit status as a shell gives it (128 + signal where one ended it).

        Must be called in the main thread. Raises CaptureError, and KeyboardInterrupt where SIGINT came: the program has
        ended by then.
        """
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll.register(wake_read, select.POLLIN)
        before = {number: signal.signal(number, self._interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda number, frame: None)
        wakeup_before = signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        try:
            root = _launch(argv, env)
            self._tasks[root] = Task(root, root, None)
            return self._loop(root, wake_read)
        finally:
            self._kill()
            signal.set_wakeup_fd(wakeup_before)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(wake_read)
            os.close(wake_write)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._interrupted is None:
            self._interrupted = time.monotonic()
        else:
            self._interrupted = -1e9  # the second time means now

    def _loop(self, root: int, wake: int) -> int:
        exit_status = 0
        start = time.monotonic()
        last_progress = start
        while self._tasks:
            for fd, _ in self._poll.poll(100):
                if fd == wake:
                    with contextlib.suppress(BlockingIOError):
                        os.read(wake, 4096)
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
            self._enforce_limits()
            now = time.monotonic()
            self._escalate(now)
            if self._progress and now - last_progress >= _PROGRESS_S:
                last_progress = now
                self._progress(self._state(now - start))
        if self._progress:
            self._progress(self._state(time.monotonic() - start))
        if self._interrupted is not None:
            raise KeyboardInterrupt
        return exit_status

    def _state(self, seconds: float) -> Progress:
        pages = sum(space.pages for space in self._spaces)
        return Progress(len(self._writer), self._writer.contents, pages, seconds, self._recording)

    def _serve(self, space: Space) -> None:
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
            case Stop.SYSCALL if self._recording:
                self._syscall(task, ptrace.syscall_info(task.tid))
        deliver = status.value if status.stop is Stop.SIGNAL else 0
        ptrace.resume(task.tid, deliver=deliver, to_syscall=self._recording)

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
        if parent.space and flags & CLONE_VM:
            child.space = parent.space
            parent.space.processes += not flags & _CLONE_THREAD
        elif parent.space:
            self._serve(parent.space)
            self._watch(child, parent.space)
        ptrace.resume(tid, to_syscall=self._recording)

    def _birth(self, task: Task) -> tuple[int, int]:
        """Flags and child thread id address of the clone, clone3, fork or vfork that a thread is in."""
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
            task.space = Space(self._spaces_made, agent, self._writer, self._window, parent)
        except PermissionError as error:
            raise CaptureError(f"cannot record process {task.tid}: {error.strerror}; run as root") from error
        self._spaces_made += 1
        self._spaces.append(task.space)
        self._poll.register(task.space.userfault, select.POLLIN)

    def _gone(self, task: Task) -> None:
        del self._tasks[task.tid]
        if task.space:
            task.space.unpin(task.tid)
        if task.tid == task.process:
            self._leave(task)

    def _leave(self, task: Task) -> None:
        space, task.space = task.space, None
        if space and self._recording:
            space.processes -= 1
            if not space.processes:
                self._poll.unregister(space.userfault)
                self._spaces.remove(space)
                space.end()

    # --- system calls ----------------------------------------------------------------------------------------------

    def _syscall(self, task: Task, call: Syscall) -> None:
        if call.arch != ptrace.AUDIT_ARCH_X86_64:
            raise CaptureError("the program is a 32-bit one; only 64-bit programs can be recorded")
        if call.entry:
            task.syscall = call
            if task.space:
                self._entry(task, task.space, call)
            return
        if task.fresh:
            task.fresh = False
            self._watch(task, None)
        elif task.space:
            self._exit(task, task.space, task.syscall, call.result)
        task.syscall = Syscall(True, -1, (), 0, 0)

    def _entry(self, task: Task, space: Space, call: Syscall) -> None:
        number, args = call.number, call.args
        if number == _SET_TID_ADDRESS:
            task.clear_tid = args[0]
        elif number in (_CLONE, _CLONE3):
            flags, child_tid = self._birth(task)
            if flags & _CLONE_CHILD_SETTID and not flags & CLONE_VM:
                space.pin(task.tid, child_tid // PAGE_BYTES)
        elif _drops(number, args):
            space.unmapped(*_pages(args[0], args[1]))
        elif number == _BRK and args[0] and args[0] < space.program_break:
            space.unmapped(*_between(args[0], space.program_break))
        elif number == _MREMAP:
            if args[3] & _MREMAP_DONTUNMAP:
                raise CaptureError("the program uses mremap with MREMAP_DONTUNMAP, which cannot be recorded")
            space.moving(*_pages(args[0], args[1]))

    def _exit(self, task: Task, space: Space, call: Syscall, result: int) -> None:
        number, args = call.number, call.args
        if number in _BIRTHS:
            space.unpin(task.tid)
        elif result < 0:
            return
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

    # --- limits and the end ----------------------------------------------------------------------------------------

    def _enforce_limits(self) -> None:
        if not self._recording or (len(self._writer) < self._max_events and self._writer.contents < self._max_contents):
            return
        if any(task.fresh or task.syscall.number in (*_BIRTHS, _MREMAP) for task in self._tasks.values()):
            return  # pages are on their way; wait until they have arrived
        self._recording = False
        for space in self._spaces:
            self._poll.unregister(space.userfault)
            space.release()
        self._spaces = []
        for task in self._tasks.values():
            task.space = None

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
        """End whatever is left, after an error."""
        self._signal(signal.SIGKILL)
        for space in self._spaces:
            space.abandon()
        self._spaces = []
        for tid in sorted(self._tasks, key=lambda tid: tid == self._tasks[tid].process):  # leaders last
            with contextlib.suppress(ChildProcessError):
                while (status := ptrace.wait(tid, block=True)) and status.stop is not Stop.GONE:
                    with contextlib.suppress(ProcessLookupError):
                        ptrace.resume(tid, to_syscall=False)
        self._tasks = {}


def _launch(argv: Sequence[str], env: Mapping[str, str] | None) -> int:
    """Start a program under ptrace; it has not run yet when this returns. Raises CaptureError."""
    environment = dict(os.environ if env is None else env)
    go_read, go_write = os.pipe2(os.O_CLOEXEC)
    prctl = ctypes.CDLL(None).prctl
    child = os.fork()
    if not child:
        # Only what a forked child may do: no allocation to speak of, no return.
        try:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            os.close(go_write)
            prctl(_PR_SET_THP_DISABLE, 1, 0, 0, 0)  # a huge page cannot be watched piece by piece
            if os.read(go_read, 1):
                os.execve(argv[0], list(argv), environment)
        except OSError as error:
            os.write(2, f"vcram capture: {argv[0]}: {error.strerror}\n".encode())
        finally:
            os._exit(126)
    os.close(go_read)
    try:
        ptrace.seize(child)
        os.write(go_write, b"x")
    except OSError as error:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise CaptureError(f"cannot trace {argv[0]}: {error.strerror}; run as root, not under a debugger") from error
    finally:
        os.close(go_write)
    return child


def _drops(number: int, args: tuple[int, ...]) -> bool:
    """Whether a system call takes the memory at its first two arguments from the program."""
    if args[0] % PAGE_BYTES:
        return False  # it will fail
    return (
        number == _MUNMAP
        or (number == _MMAP and bool(args[3] & _MAP_FIXED))
        or (number == _MADVISE and args[2] in (_MADV_DONTNEED, _MADV_DONTNEED_LOCKED))
    )


def _pages(address: int, length: int) -> tuple[int, int]:
    return address // PAGE_BYTES, -(-length // PAGE_BYTES)


def _between(low: int, high: int) -> tuple[int, int]:
    first = -(-low // PAGE_BYTES)
    return first, max(0, -(-high // PAGE_BYTES) - first)
