# SPDX-License-Identifier: MIT
"""A shared object, loaded: the table of its functions, looked over."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

from vswap.contract.abi.layout import ABI, CALLS, STABLE_WRITES, Ops

HEADER = Path(__file__).with_name("vcram_backend.h")
_ENTRY = "vcram_backend"


class AbiError(Exception):
    """A shared object is no backend, or has broken a rule of vcram_backend.h; one line.

    Attributes:
        rule: what it did, in words.
    """

    def __init__(self, file: str, rule: str, now: int | None = None) -> None:
        """`file`: the shared object. `now`: when it happened, simulated ns; None: before there was a clock."""
        super().__init__(file, rule, now)
        self.rule = rule
        self._said = f"{file}: {rule}" if now is None else f"{file}: at {now} ns: {rule}"

    def __str__(self) -> str:
        return self._said


def errno_text(result: int) -> str:
    """What a result of a function means, in words."""
    return os.strerror(-result) if -result in errno.errorcode else "no negative errno value"


def load_library(path: Path) -> Ops:
    """The functions of a shared object. Raises AbiError."""
    file = str(path)
    try:
        library = ctypes.CDLL(str(path.resolve()))
    except OSError as error:
        raise AbiError(file, f"cannot be loaded: {error}; it must be a shared object for this machine") from error
    try:
        entry = getattr(library, _ENTRY)
    except AttributeError:
        raise AbiError(file, f"it exports no {_ENTRY}(), see {HEADER}") from None
    entry.restype = ctypes.c_void_p
    table = entry()
    if table is None:
        raise AbiError(file, f"{_ENTRY}() returns NULL")
    head = Ops.from_address(table)
    if head.abi != ABI:
        raise AbiError(file, f"its ABI is {head.abi}, this is {ABI}: compile it with {HEADER}")
    required = Ops.reserve.offset
    if head.size < required:
        raise AbiError(file, f"its table has {head.size} bytes, at least {required} are expected: set `size`")
    ops = Ops()  # an older table is shorter, and what it lacks is NULL
    ctypes.memmove(ctypes.byref(ops), table, min(head.size, ctypes.sizeof(Ops)))
    ops.file = file
    if lacking := [name for name in CALLS if not getattr(ops, name)]:
        raise AbiError(file, f"it lacks {', '.join(lacking)}")
    if ops.flags & ~STABLE_WRITES:
        raise AbiError(file, f"it has unknown flags: {ops.flags:#x}")
    return ops
