# SPDX-License-Identifier: MIT
"""The robust mutexes that a thread holds: when it ends, the kernel goes through its list of them, marks each as left by
its owner and wakes those who wait for it (get_robust_list(2)).

It does so on behalf of a thread that cannot wait for a fault any more. A page that is not there ends the walk.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable

from hw.link import PAGE_BYTES

_SYS_GET_ROBUST_LIST = 274
_HEAD = struct.Struct("<QqQ")  # first entry, offset of the futex from an entry, entry that is being taken or left
_ENTRIES = 2048  # the kernel goes no further
_FUTEX_BYTES = 4

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def pages(tid: int, read: Callable[[int, int], bytes]) -> set[int]:
    """The pages that the kernel uses for the list of a thread when it ends.

    Args:
        read: gives bytes of the thread's memory (address, count); raises OSError.
    """
    address = ctypes.c_uint64()
    length = ctypes.c_size_t()
    if _libc.syscall(_SYS_GET_ROBUST_LIST, tid, ctypes.byref(address), ctypes.byref(length)) or not address.value:
        return set()
    head = address.value
    found = _span(head, _HEAD.size)
    try:
        entry, offset, pending = _HEAD.unpack(read(head, _HEAD.size))
        if pending:
            found |= _entry(pending & ~1, offset)
        for _ in range(_ENTRIES):
            entry &= ~1  # the lowest bit marks an inheriting one
            if entry == head:
                break
            found |= _entry(entry, offset)
            (entry,) = struct.unpack("<Q", read(entry, 8))
    except OSError:
        pass  # nor can the kernel go on from here
    return found


def _entry(address: int, offset: int) -> set[int]:
    return _span(address, 8) | _span(address + offset, _FUTEX_BYTES)


def _span(address: int, length: int) -> set[int]:
    return {address // PAGE_BYTES, (address + length - 1) // PAGE_BYTES}
