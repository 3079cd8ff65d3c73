# SPDX-License-Identifier: MIT
"""Follower: runs a program and all it starts, and tells whoever has its memory what becomes of it."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import time
from collections.abc import Mapping, Sequence
from types import FrameType

from hw.link import PAGE_BYTES
from sim.base.interrupts import interrupts
from sim.follow import filter as seccomp
from sim.follow import ptrace, robust
from sim.follow.agent import Agent
from sim.follow.filter import Rule
from sim.follow.launch import FollowError, launch
from sim.follow.memfile import LOOKED_AT, OPENS, MemoryFiles
from sim.follow.policy import Policy, Space
from sim.follow.ptrace import Stop, Syscall
from sim.follow.refusals import REFUSALS
from sim.follow.syscalls import WATCHED, Birth, Task, begin, enter, enter_unfollowed, fail, give_back_argument, leave
from sim.follow.transfer import PROCESS_VM_WRITEV
from sim.follow.turns import Turns

# After Ctrl-C the program may end by itself; then it is asked to, and then made to.
_GRACE_S, _LAST_S = 0.5, 2.0
_IDLE_MS = 100
_BURY_S = 0.001
_ALL_PAGES = 1 << 52


class Follower:
    """Runs one program and all it starts, from the first instruction to the last end.

    Args:
        policy: has the memory.

    Attributes:
        following: False after `release`: the program runs on, unwatched.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._tasks: dict[int, Task] = {}
        self._spaces: list[Space] = []
        self._turns = Turns()
        self._memory = MemoryFiles(self._tasks)
        self.following = True
        self._interrupted: float | None = None
        self._escalation = 0
        self._poll = select.poll()
        self._by_fd: dict[int, Space] = {}
        self._orphans: set[int] = set()  # have ended, and may have become our children by then

    @property
    def in_transit(self) -> bool:
        """A fork, an exec or a change of mappings is under way: the spaces do not tell the whole story now."""
        return any(task.fresh or task.syscall is not None for task in self._tasks.values())

    def run(self, argv: Sequence[str], env: Mapping[str, str] | None) -> int:
        """Run a program to its end; returns its exit status as a shell gives it (128 + signal where one ended it).

        Must be called in the main thread. Raises FollowError, and KeyboardInterrupt where SIGINT came: the program has
        ended by then.
        """
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll.register(wake_read, select.POLLIN)
        before = {number: signal.signal(number, self._interrupt) for number in interrupts()}
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda number, frame: None)
        wakeup_before = signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        try:
            root = launch(
                argv,
                env,
                seccomp.program([*map(Rule, (*WATCHED, *OPENS, PROCESS_VM_WRITEV)), *(r.rule for r in REFUSALS)]),
            )
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
                    status = _status(tid) if tid in self._tasks else None
                    if status is None:
                        continue
                    if status.stop is Stop.GONE and tid == root:
                        exit_status = status.value
                    try:
                        self._stopped(self._tasks[tid], status)
                    except ProcessLookupError:  # killed while it was looked at: its end comes next
                        _let_go(tid)
                for space in list(self._spaces):
                    self._look_after(space)
            self._policy.tick()
            self._escalate(time.monotonic())
        self._policy.tick()
        if self._interrupted is not None:
            raise KeyboardInterrupt
        return exit_status

    @staticmethod
    def _serve(space: Space) -> None:
        with contextlib.suppress(
            ProcessLookupError
        ):  # its agent was killed: `_look_after` ends all who share the memory
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
                    self._next(self._tasks.pop(former, None))
                self._next(task)
                self._leave(task)
                task.fresh, task.lent = True, 0
            case Stop.EXITING if task.space:
                used = robust.pages(task.tid, task.space.read)
                task.space.pin(task.tid, used | ({task.clear_tid // PAGE_BYTES} if task.clear_tid else set()))
            case Stop.SECCOMP if ptrace.event_message(task.tid) != seccomp.MARK:
                fail(task.tid, errno.ENOSYS)  # its own filter asks for a tracer, and it has none
            case Stop.SECCOMP | Stop.SYSCALL if self.following:
                if not self._syscall(task, status.stop):
                    return
            case Stop.SECCOMP:
                enter_unfollowed(task, ptrace.syscall_info(task.tid))
            case Stop.SYSCALL if task.syscall:
                give_back_argument(task.syscall, task.tid)
                task.syscall = None
        deliver = status.value if status.stop is Stop.SIGNAL else 0
        ptrace.resume(task.tid, deliver=deliver, to_syscall=self._stops_again(task))

    def _stops_again(self, task: Task) -> bool:
        """Whether a thread that goes on has to stop at the next entry or exit of a system call."""
        return task.fresh or task.syscall is not None or (self.following and self._memory.used_by(task))

    def _next(self, task: Task | None) -> None:
        """A thread no longer changes mappings: whoever waits for that goes on."""
        following = self._turns.give_back(task) if task else None
        if following and following.space:
            with contextlib.suppress(ProcessLookupError):  # killed while it waited: its end comes next
                enter(following, following.space)
                ptrace.resume(following.tid)

    # --- processes and threads -------------------------------------------------------------------------------------

    def _born(self, parent: Task, tid: int) -> None:
        made = parent.birth or Birth()
        process = parent.process if made.thread else tid
        child = Task(tid, process, None, clear_tid=made.clear_tid)
        status = ptrace.wait(tid, block=True)
        assert status is not None
        if status.stop is Stop.GONE:
            return
        if made.untraced and parent.syscall:
            give_back_argument(parent.syscall, tid)
        self._tasks[tid] = child
        if process == tid:
            self._policy.process(tid)
        if parent.space and made.shares_memory:
            child.space = parent.space
            parent.space.processes += not made.thread
        elif parent.space:
            self._serve(parent.space)
            self._watch(child, parent.space)
        if process == tid and self._memory.used_by(parent):
            self._memory.look(child)
        ptrace.resume(tid, to_syscall=self._stops_again(child))

    def _watch(self, task: Task, parent: Space | None) -> None:
        try:
            agent = Agent(task.tid)
            self._orphans.add(agent.pid)
            task.space = self._policy.space(agent, parent)
        except ProcessLookupError:
            raise
        except OSError as error:
            hint = "; run as root" if isinstance(error, PermissionError) else ""
            raise FollowError(f"cannot follow process {task.tid}: {error.strerror}{hint}") from error
        self._spaces.append(task.space)
        self._by_fd[task.space.userfault.fileno()] = task.space
        self._poll.register(task.space.userfault, select.POLLIN)

    def _look_after(self, space: Space) -> None:
        """Who kills the agent kills all who share the memory, since nobody can have it any more."""
        if space.agent.killed(lambda: space.settle(0, _ALL_PAGES)):
            for process in {task.process for task in self._tasks.values() if task.space is space}:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)

    def _gone(self, task: Task) -> None:
        del self._tasks[task.tid]
        self._memory.leave(task)
        self._next(task)
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
                self._memory.forget(space)
                self._forget(space)
                self._spaces.remove(space)
                space.end()

    def _forget(self, space: Space) -> None:
        self._poll.unregister(space.userfault)
        del self._by_fd[space.userfault.fileno()]

    # --- system calls ----------------------------------------------------------------------------------------------

    def _syscall(self, task: Task, stop: Stop) -> bool:
        """A thread enters or leaves a system call. False if it has to wait there."""
        call = ptrace.syscall_info(task.tid)
        if not call.entry:
            self._left(task, call.result)
        elif stop is Stop.SECCOMP:
            return self._entered(task, call)
        elif task.space:
            self._memory.enter(task, task.space, call)
        return True

    def _entered(self, task: Task, call: Syscall) -> bool:
        if call.arch != ptrace.AUDIT_ARCH_X86_64 or call.number >= 1 << 30:
            if not ptrace.is_64_bit(task.tid):
                raise FollowError("the program is a 32-bit one; only 64-bit programs can be followed")
            fail(task.tid, errno.ENOSYS)  # as on a kernel that has no calls of other kinds
            return True
        refusal = next((refusal for refusal in REFUSALS if refusal.hits(call)), None)
        if refusal is not None:
            fail(task.tid, refusal.errno)
        elif task.space and call.number in OPENS:
            task.syscall = call if self._memory.may_open(task.space, call) else None
        elif task.space and call.number == PROCESS_VM_WRITEV:
            try:
                self._memory.writes(task, task.space, call)
            except OSError as error:
                fail(task.tid, error.errno or errno.ENOMEM)
        elif task.space and call.number in WATCHED:
            if begin(task, task.space, call) and not self._turns.take(task.space, task):
                return False
            enter(task, task.space)
        return True

    def _left(self, task: Task, result: int) -> None:
        call, task.syscall = task.syscall, None
        self._memory.leave(task)
        if task.fresh:
            task.fresh = False
            self._watch(task, None)
            self._memory.look(task)
        elif call is not None and call.number in LOOKED_AT:
            self._memory.look(task)
            if self._memory.used_by(task):
                for other in self._tasks.values():
                    if other.process == task.process and other is not task:
                        with contextlib.suppress(ProcessLookupError):
                            ptrace.interrupt(other.tid)
        elif call is not None and call.number == PROCESS_VM_WRITEV:
            if task.space:
                self._memory.written(task, task.space, result)
        elif call is not None:
            if task.space:
                leave(task, task.space, call, result)
            self._next(task)

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
        waiting = set(self._tasks)
        while waiting:
            for tid in list(waiting):
                status = _status(tid)
                if status is not None and status.stop is Stop.GONE:
                    waiting.discard(tid)
                    continue
                with contextlib.suppress(ProcessLookupError):
                    if status is not None and status.stop is Stop.BIRTH:  # nobody knows of it yet
                        born = ptrace.event_message(tid)
                        waiting.add(born)
                        os.kill(born, signal.SIGKILL)
                _let_go(tid)
            for space in self._spaces:
                space.agent.killed(lambda: None)
            time.sleep(_BURY_S)
        self._tasks = {}
        for space in self._spaces:
            space.abandon()
        self._spaces = []
        for pid in self._orphans:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, ptrace.WALL | os.WNOHANG)


def _status(tid: int) -> ptrace.Status | None:
    """What has become of a thread, if anything. Whoever looked at it last, such as an agent that began in it, may have
    met its end."""
    try:
        return ptrace.wait(tid, block=False)
    except ChildProcessError:
        return ptrace.Status(Stop.GONE, 128 + signal.SIGKILL)


def _let_go(tid: int) -> None:
    """Let a thread that was killed go on to its end, if it stands: also at a stop that was told of before, since
    SIGKILL does not end the last one (ptrace(2), PTRACE_EVENT_EXIT)."""
    with contextlib.suppress(ProcessLookupError):
        ptrace.resume(tid, to_syscall=False)
