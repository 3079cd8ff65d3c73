# SPDX-License-Identifier: MIT
"""A userfaultfd for the memory of a program that may not have one itself: it has given up root, or is root of a user
namespace only.

Whoever holds /dev/userfaultfd (Linux 6.1) open may make one, for the memory of the process that asks. So the agent is
sent our descriptor of it, over a socket that it makes and that we take one end of.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from sim.follow.userfault import take_fd

DEVICE = Path("/dev/userfaultfd")
_SYS_IOCTL, _SYS_RECVMSG, _SYS_SOCKETPAIR = 16, 47, 53
_NEW = 0xAA00  # USERFAULTFD_IOC_NEW
_MSG_CMSG_CLOEXEC = 0x40000000
_SOCKETS, _HEADER, _VECTOR, _BYTE, _CONTROL = 0, 64, 128, 192, 256  # offsets in the page that is lent
_CONTROL_BYTES = 64
_MESSAGE = struct.Struct("<QQQQQQQ")  # struct msghdr: name, its length, vector, its length, control, its length, flags
_DESCRIPTOR = struct.Struct("<QiiI")  # struct cmsghdr and one descriptor


class Helper(Protocol):
    """What is needed of an agent."""

    pid: int

    def call(self, number: int, *args: int) -> int:
        """Do a system call; its result. Raises OSError."""

    def lend(self, data: bytes) -> int:
        """Address of a new page that begins with `data`. Raises OSError."""

    def take_back(self, address: int) -> None:
        """Undo `lend`. Raises OSError."""

    def read_bytes(self, address: int, count: int) -> bytes:
        """Bytes of present memory. Raises OSError."""

    def write_bytes(self, address: int, data: bytes) -> None:
        """Change bytes of present memory. Raises OSError."""


def userfault_of(agent: Helper, flags: int) -> int:
    """Our descriptor of a new userfaultfd for an agent's memory. Raises OSError."""
    page = agent.lend(b"")
    try:
        device = _send(agent, page)
        return take_fd(agent.pid, agent.call(_SYS_IOCTL, device, _NEW, flags))
    finally:
        agent.take_back(page)


def _send(agent: Helper, page: int) -> int:
    """Send the agent the device; its descriptor there."""
    agent.call(_SYS_SOCKETPAIR, socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, 0, page + _SOCKETS)
    ours, theirs = struct.unpack("<ii", agent.read_bytes(page + _SOCKETS, 8))
    with socket.socket(fileno=take_fd(agent.pid, ours)) as end, _opened(DEVICE) as device:
        socket.send_fds(end, [b"x"], [device])
    agent.write_bytes(page + _VECTOR, struct.pack("<QQ", page + _BYTE, 1))
    header = _MESSAGE.pack(0, 0, page + _VECTOR, 1, page + _CONTROL, _CONTROL_BYTES, 0)
    agent.write_bytes(page + _HEADER, header)
    agent.call(_SYS_RECVMSG, theirs, page + _HEADER, _MSG_CMSG_CLOEXEC)
    _, _, _, descriptor = _DESCRIPTOR.unpack(agent.read_bytes(page + _CONTROL, _DESCRIPTOR.size))
    return int(descriptor)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
