# SPDX-License-Identifier: MIT
"""The plug-in that nbdkit loads: hands each request of a block client to the process that owns the device.

nbdkit brings a Python interpreter of its own, so this file uses the standard library and `nbdkit` alone. It has one
end of a socket pair, whose number is the parameter `channel`; requests and answers alternate on it (nbdkit calls a
Python plug-in for one request at a time). The process at the other end imports the formats from here.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import threading
from typing import Any

API_VERSION = 2

REQUEST = struct.Struct("<B3xIQ")
"""Kind, length in bytes, offset in bytes; behind that of a WRITE its data."""
ANSWER = struct.Struct("<I")
"""0 or an errno; behind a 0 for a READ its data, for a STATUS an extent for each FREE or DATA range. READY has no
answer."""
EXTENTS = struct.Struct("<I")
"""How many extents follow."""
EXTENT = struct.Struct("<QB")
"""Bytes, and 1 where the disk holds data."""
READY, READ, WRITE, ZERO, TRIM, FLUSH, STATUS = range(7)

SECTOR_BYTES = 512
PREFERRED_BYTES = 4096
MAXIMUM_BYTES = 32 << 20  # of a read or write; nbdkit itself takes 64 MiB

_settings: dict[str, int] = {}
_channel: list[socket.socket] = []


def config(key: str, value: str) -> None:
    """Take a parameter of nbdkit's command line: `channel`, `size` (bytes)."""
    _settings[key] = int(value)


def after_fork() -> None:
    """The socket is there: say so."""
    _channel.append(socket.socket(fileno=_settings["channel"]))
    threading.Thread(target=_end_with_the_device, daemon=True).start()
    _channel[0].sendall(REQUEST.pack(READY, 0, 0))


def _end_with_the_device() -> None:
    """End nbdkit when the process at the other end has gone; by itself it would wait until each client hangs up."""
    gone = select.poll()
    gone.register(_channel[0], 0)  # nothing but the hang-up, which is always told
    gone.poll()
    os._exit(1)


def open(readonly: bool) -> int:
    """A client has come; it needs no handle."""
    return 1


def get_size(handle: int) -> int:
    """Bytes of the disk."""
    return _settings["size"]


def block_size(handle: int) -> tuple[int, int, int]:
    """Least, preferred and greatest length of a request, bytes."""
    return SECTOR_BYTES, PREFERRED_BYTES, MAXIMUM_BYTES


def is_rotational(handle: int) -> bool:
    """False: only for such a disk does Linux discard swap slots."""
    return False


def can_write(handle: int) -> bool:
    """True."""
    return True


can_trim = can_zero = can_fast_zero = can_flush = can_extents = can_write


def can_multi_conn(handle: int) -> bool:
    """True: what one connection was told is written, every other one reads."""
    return True


def can_fua(handle: int) -> int:
    """A write that was answered has reached the device; there is nothing behind it to push it to."""
    import nbdkit

    return int(nbdkit.FUA_NATIVE)


def pread(handle: int, buffer: Any, offset: int, flags: int) -> None:
    """Fill the buffer from the disk."""
    _call(READ, len(buffer), offset)
    _receive(memoryview(buffer))


def pwrite(handle: int, buffer: Any, offset: int, flags: int) -> None:
    """Write the buffer to the disk."""
    _call(WRITE, len(buffer), offset, buffer)


def zero(handle: int, count: int, offset: int, flags: int) -> None:
    """Make bytes read as zeros."""
    _call(ZERO, count, offset)


def trim(handle: int, count: int, offset: int, flags: int) -> None:
    """The client does not need these bytes any more."""
    _call(TRIM, count, offset)


def extents(handle: int, count: int, offset: int, flags: int) -> list[tuple[int, int, int]]:
    """What is where, from `offset` on: data, or free pages, which are holes and read as zeros."""
    import nbdkit

    _call(STATUS, count, offset)
    (found,) = EXTENTS.unpack(_receive(memoryview(bytearray(EXTENTS.size))))
    kinds = nbdkit.EXTENT_HOLE | nbdkit.EXTENT_ZERO, 0
    answer = []
    for length, data in EXTENT.iter_unpack(_receive(memoryview(bytearray(found * EXTENT.size)))):
        answer.append((offset, length, kinds[data]))
        offset += length
    return answer


def flush(handle: int, flags: int) -> None:
    """Give what was written its final form."""
    _call(FLUSH, 0, 0)


def _receive(buffer: memoryview) -> memoryview:
    """Fill the buffer from the channel."""
    view = buffer
    while view:
        got = _channel[0].recv_into(view)
        if not got:
            raise EOFError("the device's process has ended")
        view = view[got:]
    return buffer


def _call(kind: int, length: int, offset: int, data: Any = b"") -> None:
    """Send a request, wait for its answer; raises with nbdkit's error set where it is no success."""
    import nbdkit

    if kind in (READ, WRITE) and length > MAXIMUM_BYTES:
        nbdkit.set_error(errno.EINVAL)
        raise OSError(errno.EINVAL, "longer than block_size allows")
    channel = _channel[0]
    channel.sendall(REQUEST.pack(kind, length, offset))
    if data:
        channel.sendall(data)
    answer = channel.recv(ANSWER.size, socket.MSG_WAITALL)
    if len(answer) < ANSWER.size:
        raise EOFError("the device's process has ended")
    (error,) = ANSWER.unpack(answer)
    if error:
        nbdkit.set_error(error)
        raise OSError(error, "refused by the device")
