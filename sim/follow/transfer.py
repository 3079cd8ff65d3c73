# SPDX-License-Identifier: MIT
"""Transfer: process_vm_writev(2) into memory that is followed, piece by piece.

The kernel looks up the pages that it writes to first, and may then wait for pages of the caller; so they are held while
it does. No more than a few can be held, and so a large call is made into several: each piece is given to the kernel
with a vector of its own, and at its exit the thread is set back to do the call again, its arguments as they were.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from hw.link import PAGE_BYTES
from sim.follow import ptrace
from sim.follow.policy import Space
from sim.follow.ptrace import Syscall

PROCESS_VM_WRITEV = 311
VECTORS = 1024  # the kernel takes no more
_PIECE_PAGES = 64
_PIECE_VECTORS = 100  # of either side: both fit into a page
_LONGEST = 0x7FFFF000  # what a call transfers at most
_NO_CALL = (1 << 64) - 1
_SYSCALL_BYTES = 2
_IOVEC = struct.Struct("<QQ")

Vector = list[tuple[int, int]]


def vector(space: Space, address: int, count: int) -> Vector:
    """(address, length) of each part of a struct iovec[]. Raises OSError."""
    return list(_IOVEC.iter_unpack(space.read(address, _IOVEC.size * count))) if count else []


@dataclass(slots=True)
class Transfer:
    """One call of a thread.

    Attributes:
        args: the arguments that the program gave.
        here, there: what is still to be read from and written to.
        done: bytes that were transferred so far.
    """

    args: tuple[int, ...]
    here: Vector
    there: Vector
    done: int = 0
    _stack: int = 0
    _piece: int = 0
    _lent: int = field(default=0)

    @classmethod
    def of(cls, tid: int, space: Space, call: Syscall) -> Transfer | None:
        """The transfer of a call that is about to be done; None where the kernel will refuse it, or do nothing."""
        _, here, here_count, there, there_count, flags = call.args
        if flags or max(here_count, there_count) > VECTORS:
            return None
        try:
            sides = vector(space, here, here_count), vector(space, there, there_count)
        except OSError:
            return None
        if any(length >> 63 for side in sides for _, length in side):
            return None
        total = min(_LONGEST, *(sum(length for _, length in side) for side in sides))
        if not total:
            return None
        return cls(call.args, _first(sides[0], total), _first(sides[1], total), _stack=ptrace.registers(tid).rsp)

    def goes_on(self, tid: int, call: Syscall) -> bool:
        """Whether a call is this one, set back; not so if a signal's handler has left it."""
        return call.args == self.args and ptrace.registers(tid).rsp == self._stack

    def enter(self, tid: int, space: Space) -> list[int]:
        """Give the kernel the next piece; the pages that it writes to. Raises OSError."""
        there, pages = [], list[int]()
        for address, length in self.there[:_PIECE_VECTORS]:
            room = (_PIECE_PAGES - len(pages)) * PAGE_BYTES - address % PAGE_BYTES
            if room <= 0:
                break
            there.append((address, min(length, room)))
            pages.extend(range(address // PAGE_BYTES, -(-(address + there[-1][1]) // PAGE_BYTES)))
            if length > room:
                break
        here = _first(self.here, sum(length for _, length in there))[:_PIECE_VECTORS]
        self._piece = sum(length for _, length in here)
        there = _first(there, self._piece)
        if (here, there) != (self.here, self.there) or self.done:
            data = b"".join(_IOVEC.pack(*part) for part in (*here, *there))
            if self._lent:
                space.agent.write_bytes(self._lent, data)
            else:
                self._lent = space.agent.lend(data)
            value = ptrace.registers(tid)
            value.rsi, value.rdx = self._lent, len(here)
            value.r10, value.r8 = self._lent + _IOVEC.size * len(here), len(there)
            ptrace.set_registers(tid, value)
        return pages

    def leave(self, tid: int, space: Space, result: int) -> bool:
        """The kernel has done a piece. True if the thread has to do the call again, for the next one."""
        if not self._lent:
            return False
        self.done += max(result, 0)
        self.here, self.there = _after(self.here, result), _after(self.there, result)
        again = result == self._piece and bool(self.there)
        value = ptrace.registers(tid)
        _, value.rsi, value.rdx, value.r10, value.r8, _ = self.args
        if again:
            value.rip -= _SYSCALL_BYTES
            value.rax, value.orig_rax = PROCESS_VM_WRITEV, _NO_CALL
        else:
            value.rax = self.done or result % (1 << 64)
        ptrace.set_registers(tid, value)
        if not again:
            self.drop(space)
        return again

    def drop(self, space: Space) -> None:
        """The call is not gone on with."""
        if self._lent:
            space.agent.take_back(self._lent)
            self._lent = 0


def _first(parts: Sequence[tuple[int, int]], count: int) -> Vector:
    """The first bytes of a vector; parts of no length are left out."""
    taken = []
    for address, length in parts:
        if length and count:
            taken.append((address, min(length, count)))
            count -= taken[-1][1]
    return taken


def _after(parts: Sequence[tuple[int, int]], count: int) -> Vector:
    """What is left of a vector without its first bytes."""
    left = []
    for address, length in parts:
        cut = min(length, max(count, 0))
        count -= cut
        if length > cut:
            left.append((address + cut, length - cut))
    return left
