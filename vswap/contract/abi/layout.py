# SPDX-License-Identifier: MIT
"""The structures and numbers of vcram_backend.h, which says what they mean."""

from __future__ import annotations

import ctypes
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_int64, c_uint8, c_uint32, c_uint64, c_void_p
from enum import IntEnum
from typing import Any

ABI = 1
MAX_HANDLE = (1 << 36) - 1
UNBOUNDED = NEVER = (1 << 64) - 1
STABLE_WRITES = 1


class Op(IntEnum):
    """enum vcram_op."""

    STORE = 1
    LOAD = 2
    WRITE = 3
    FLUSH = 4


class Request(ctypes.Structure):
    """struct vcram_request."""

    _fields_ = [("op", c_uint32), ("zero", c_uint32), ("cookie", c_uint64), ("handle", c_uint64), ("slot", c_uint64),
                ("page", POINTER(c_uint8))]  # fmt: skip


class Completion(ctypes.Structure):
    """struct vcram_completion."""

    _fields_ = [("cookie", c_uint64), ("result", c_int64), ("handle", c_uint64)]


class Room(ctypes.Structure):
    """struct vcram_usage."""

    _fields_ = [("pages", c_uint64), ("capacity", c_uint64)]


class Owner(ctypes.Structure):
    """struct vcram_owner."""

    _fields_ = [("handle", c_uint64), ("slot", c_uint64)]


class Config(ctypes.Structure):
    """struct vcram_config."""

    _fields_ = [("pages", c_uint64), ("folder", c_char_p)]


_U32, _U64, _BACKEND = c_uint32, c_uint64, c_void_p
_HEAD: list[tuple[str, Any]] = [("abi", _U32), ("size", _U32), ("flags", _U32), ("zero", _U32), ("name", c_char_p)]
CALLS: dict[str, Any] = {
    "create": CFUNCTYPE(c_int, POINTER(Config), POINTER(_BACKEND)),
    "destroy": CFUNCTYPE(None, _BACKEND),
    "submit": CFUNCTYPE(_U32, _BACKEND, _U64, POINTER(Request), _U32),
    "poll": CFUNCTYPE(_U32, _BACKEND, _U64, POINTER(Completion), _U32, POINTER(_U64)),
    "free": CFUNCTYPE(c_int, _BACKEND, _U64),
    "reown": CFUNCTYPE(c_int, _BACKEND, _U64, _U64),
    "usage": CFUNCTYPE(None, _BACKEND, POINTER(Room)),
    "handles": CFUNCTYPE(_U64, _BACKEND, POINTER(Owner), _U64),
}
"""What every backend has."""
OPTIONAL: dict[str, Any] = {
    "reserve": CFUNCTYPE(c_int, _BACKEND, _U64, _U32, POINTER(_U64)),
    "damage": CFUNCTYPE(None, _BACKEND, _U64),
    "break_writes": CFUNCTYPE(None, _BACKEND, c_int),
}


class Ops(ctypes.Structure):
    """struct vcram_backend_ops, and the file that it is from."""

    file: str
    _fields_ = [*_HEAD, *CALLS.items(), *OPTIONAL.items()]
