"""Follower: runs a program and all it starts, and tells whoever has its memory what becomes of it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Mapping, Sequence
from types import FrameType

from hw.link import PAGE_BYTES
from sim.follow import filter as seccomp
from sim.follow import ptrace
from sim.follow.agent import Agent
from sim.follow.filter import Rule
from sim.follow.launch import FollowError, launch
from sim.follow.policy import Policy, Refusal, Space
from sim.follow.ptrace import Stop, Syscall
from sim.follow.syscalls import BIRTHS, MREMAP, WATCHED, Task, birth, enter, fail, leave

# After Ctrl-C the program may end by itself; then it is asked to, and then made to.
_GRACE_S, _LAST_S = 0.5, 2.0
_IDLE_MS = 100


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
            task.fresh or (task.syscall is not None and task.syscall.number in (*BIRTHS, MREMAP))
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
            root = launch(argv, env, seccomp.program([*map(Rule, WATCHED), *(r.rule for r in self._refusals)]))
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
        made = birth(parent)
        process = parent.process if made.thread else tid
        child = Task(tid, process, None, clear_tid=made.clear_tid)
        status = ptrace.wait(tid, block=True)
        assert status is not None
        if status.stop is Stop.GONE:
            return
        self._tasks[tid] = child
        if process == tid:
            self._policy.process(tid)
        if parent.space and made.shares_memory:
            child.space = parent.space
            parent.space.processes += not made.thread
        elif parent.space:
            self._serve(parent.space)
            self._watch(child, parent.space)
        ptrace.resume(tid, to_syscall=False)

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
                fail(task.tid, refusal.errno)
            elif call.number in WATCHED:
                task.syscall = call
                if task.space:
                    enter(task, task.space, call)
            return
        if task.fresh:
            task.fresh = False
            self._watch(task, None)
        elif task.space and task.syscall is not None:
            leave(task, task.space, task.syscall, call.result)
        task.syscall = None

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
