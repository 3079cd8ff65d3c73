# SPDX-License-Identifier: MIT
"""A shared object, loaded: the table of its functions, looked over."""

from __future__ import annotations

import ctypes
from pathlib import Path

from vswap.contract.abi.layout import ABI, CALLS, STABLE_WRITES, Ops

HEADER = Path(__file__).with_name("vcram_backend.h")
_ENTRY = "vcram_backend"


class AbiError(Exception):
    """A shared object is no backend, or has broken a rule of vcram_backend.h; one line."""


def load_library(path: Path) -> Ops:
    """The functions of a shared object. Raises AbiError."""
    try:
        library = ctypes.CDLL(str(path.resolve()))
    except OSError as error:
        raise AbiError(f"cannot be loaded: {error}; it must be a shared object for this machine") from error
    try:
        entry = getattr(library, _ENTRY)
    except AttributeError:
        raise AbiError(f"it exports no {_ENTRY}(), see {HEADER}") from None
    entry.restype = ctypes.c_void_p
    table = entry()
    if table is None:
        raise AbiError(f"{_ENTRY}() returns NULL")
    head = Ops.from_address(table)
    if head.abi != ABI:
        raise AbiError(f"its ABI is {head.abi}, this is {ABI}: compile it with {HEADER}")
    required = Ops.reserve.offset
    if head.size < required:
        raise AbiError(f"its table has {head.size} bytes, at least {required} are expected: set `size`")
    ops = Ops()  # an older table is shorter, and what it lacks is NULL
    ctypes.memmove(ctypes.byref(ops), table, min(head.size, ctypes.sizeof(Ops)))
    if lacking := [name for name in CALLS if not getattr(ops, name)]:
        raise AbiError(f"it lacks {', '.join(lacking)}")
    if ops.flags & ~STABLE_WRITES:
        raise AbiError(f"it has unknown flags: {ops.flags:#x}")
    return ops
