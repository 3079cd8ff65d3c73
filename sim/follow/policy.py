# SPDX-License-Identifier: MIT
"""What whoever follows a program provides: a policy, an address space each, and the system calls it refuses."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from sim.follow.agent import Agent
from sim.follow.filter import Rule
from sim.follow.ptrace import Syscall
from sim.follow.userfault import Fault, Userfault


class Space(Protocol):
    """One address space, in the hands of whoever follows the program. Ranges are (first page, pages).

    Attributes:
        processes: that use it: more than one after vfork.
        program_break: as brk(2) has it, 0 until it is known.
        locks_future: the kernel puts pages into new mappings at once (mlockall(2), MCL_FUTURE).
    """

    processes: int
    program_break: int
    locks_future: bool

    @property
    def agent(self) -> Agent:
        """The helper inside it."""

    @property
    def userfault(self) -> Userfault:
        """Where its faults come from."""

    def fault(self, fault: Fault) -> None:
        """A thread waits at a page: let it go on."""

    def pin(self, thread: int, pages: Iterable[int]) -> None:
        """Keep pages present and writable, where they are private anonymous memory: the kernel is about to use them on
        behalf of a thread that cannot wait for a fault (a thread's end, a child's birth)."""

    def unpin(self, thread: int) -> None:
        """Undo all `pin`s of a thread."""

    def mapped(self, page: int, count: int, *, populated: bool) -> None:
        """There is new private anonymous memory; `populated`: it may have pages already."""

    def settle(self, page: int, count: int) -> None:
        """A range may be about to lose what it holds: note it while it can be read."""

    def gone(self, page: int, count: int) -> None:
        """A range is no longer mapped, or something else is mapped there."""

    def dropped(self, page: int, count: int) -> None:
        """What a range held has been dropped (MADV_DONTNEED); the range stays."""

    def moving(self, page: int, count: int) -> None:
        """mremap(2) is about to move or resize a range."""

    def moved(self, source: int, target: int, count: int, target_count: int) -> None:
        """It has moved `count` pages: each stays the page it was, at another address. Where they are now is a mapping
        of `target_count` pages."""

    def read(self, address: int, count: int) -> bytes:
        """Bytes of the program's memory, read as the program would. Raises OSError where it could not."""

    def end(self) -> None:
        """No process uses the space any more; its agent can still read it."""

    def abandon(self) -> None:
        """Leave everything as it is; the program is dead."""


class Policy(Protocol):
    """What the follower asks about a program."""

    def space(self, agent: Agent, parent: Space | None) -> Space:
        """A new address space, made by exec, or by a fork just now of `parent`; it has not run yet."""

    def process(self, pid: int) -> None:
        """There is a new process; it has not run yet."""

    def tick(self) -> None:
        """Called after each round of the loop, at least ten times a second."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A system call that the program is not allowed.

    Attributes:
        rule: the call, and for which arguments.
        errno: what it gets instead: an answer that such calls have on other systems anyway; 0 for success.
        where: only where this argument has exactly this value, if given.
    """

    rule: Rule
    errno: int = errno.ENOSYS
    where: tuple[int, int] | None = None

    def hits(self, call: Syscall) -> bool:
        """Whether it is about this call."""
        if not self.rule.hits(call.number, call.args):
            return False
        return self.where is None or call.args[self.where[0]] & 0xFFFFFFFF == self.where[1]
