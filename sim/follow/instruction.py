# SPDX-License-Identifier: MIT
"""Where a system call can be made in a program that must not be changed: at an instruction of its own code.

The vdso has one, but a program may give it up, move it or lock it. Whatever program does system calls has others.
"""

from __future__ import annotations

import contextlib
import os

from hw.link import PAGE_BYTES
from sim.follow.mappings import Mapping, mappings

SYSCALL = b"\x0f\x05"
_PIECE = 1 << 20  # bytes looked at at a time


def syscall_instruction(pid: int, memory: int) -> int:
    """The address of a system call instruction that `pid` can run. Raises OSError, also where there is none.

    Args:
        memory: descriptor of its /proc/PID/mem.
    """
    code = [each for each in mappings(pid) if each.executable and (each.name == "[vdso]" or each.name.startswith("/"))]
    for mapping in sorted(code, key=lambda each: each.name != "[vdso]"):
        address = _first(mapping, memory)
        if address is not None:
            return address
    raise ProcessLookupError(pid) if not code else OSError(0, "it has no code that does system calls")


def _first(mapping: Mapping, memory: int) -> int | None:
    start, end = mapping.page * PAGE_BYTES, (mapping.page + mapping.count) * PAGE_BYTES
    with contextlib.suppress(OSError):
        while start < end:
            data = os.pread(memory, min(_PIECE, end - start), start)
            if not data:
                break
            at = data.find(SYSCALL)
            if at >= 0:
                return start + at
            start += len(data)
    return None
