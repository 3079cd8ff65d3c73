# SPDX-License-Identifier: MIT
"""The seccomp filter of a followed program: which of its system calls stop for the follower; all others run at full
speed (seccomp(2), "Filters"; linux/filter.h)."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sim.follow.ptrace import AUDIT_ARCH_X86_64

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _SECCOMP_MODE_FILTER = 22, 38, 2
_RET_TRACE, _RET_ALLOW = 0x7FF00000, 0x7FFF0000
MARK = 0x7663
"""Number that comes with a stop of this filter; one of the program's own that asks for a tracer gives another."""
_LOAD_WORD, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH, _ARGS = 0, 4, 16  # offsets in struct seccomp_data
_X32 = 0x40000000  # system calls of the x32 ABI are numbered from here on


@dataclass(frozen=True, slots=True)
class Rule:
    """A system call that stops.

    Attributes:
        number: which.
        argument: only where this argument (0..5; its low 32 bits) is as follows; None for always.
        mask: it has a bit of this set.
        equal: it is this; then there is no mask.
    """

    number: int
    argument: int | None = None
    mask: int = 0
    equal: int | None = None

    def hits(self, number: int, args: Sequence[int]) -> bool:
        """Whether a call is one of these."""
        if number != self.number or self.argument is None:
            return number == self.number
        value = args[self.argument] & 0xFFFFFFFF
        return bool(value & self.mask) if self.equal is None else value == self.equal


def program(rules: Iterable[Rule]) -> bytes:
    """The filter's instructions: `rules` and every call of another architecture stop."""
    plain = sorted({rule.number for rule in rules if rule.argument is None})
    by_argument = [rule for rule in rules if rule.argument is not None and rule.number not in plain]
    code: list[tuple[int, int, int, int]] = [
        (_LOAD_WORD, 0, 0, _ARCH),
        (_JUMP_EQUAL, 1, 0, AUDIT_ARCH_X86_64),
        (_RETURN, 0, 0, _RET_TRACE | MARK),
        (_LOAD_WORD, 0, 0, _NUMBER),
        (_JUMP_GREATER_EQUAL, 0, 1, _X32),
        (_RETURN, 0, 0, _RET_TRACE | MARK),
    ]
    for number in plain:
        code += [(_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, _RET_TRACE | MARK)]
    for rule in by_argument:
        assert rule.argument is not None
        code += [
            (_JUMP_EQUAL, 0, 4, rule.number),
            (_LOAD_WORD, 0, 0, _ARGS + 8 * rule.argument),
            (_JUMP_SET, 0, 1, rule.mask) if rule.equal is None else (_JUMP_EQUAL, 0, 1, rule.equal),
            (_RETURN, 0, 0, _RET_TRACE | MARK),
            (_LOAD_WORD, 0, 0, _NUMBER),
        ]
    code.append((_RETURN, 0, 0, _RET_ALLOW))
    return b"".join(struct.pack("<HBBI", *step) for step in code)


def install(code: bytes) -> None:
    """Put a filter on the calling thread and all that come from it. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(code)
    description = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(code) // 8, ctypes.addressof(buffer)))
    for _ in range(2):
        if not libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, description, 0, 0):
            return
        number = ctypes.get_errno()
        if number != errno.EACCES:
            break
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)  # what the kernel asks of those who are not privileged
    raise OSError(number, os.strerror(number))
