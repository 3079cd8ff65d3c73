# SPDX-License-Identifier: MIT
"""userfaultfd(2), as far as following a program needs it: see ioctl_userfaultfd(2) for the structures."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from hw.link import PAGE_BYTES

SYS_USERFAULTFD = 323
SYS_PIDFD_GETFD = 438

_API, _REGISTER, _WAKE, _COPY, _WRITEPROTECT = 0xC018AA3F, 0xC020AA00, 0x8010AA02, 0xC028AA03, 0xC018AA06
_POISON = 0xC020AA08
_FEATURES = 1 << 0 | 1 << 2  # write protection; a moved page stays registered, and so does what it is merged with
_MODE_MISSING_WP = 1 | 2
_EVENT_PAGEFAULT = 0x12
_COPY_ARGUMENT = struct.Struct("<QQQQq")
_MESSAGE = struct.Struct("<BxxxxxxxQQQ")  # event, flags, address, thread

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class Fault(NamedTuple):
    """A thread waits at a page.

    Attributes:
        page: virtual page number.
        write: it writes; else it only reads.
        protected: the page is there, but write-protected; else it is missing.
    """

    page: int
    write: bool
    protected: bool


class Userfault:
    """A userfaultfd of some process, held by us. Calls about ranges that are no longer mapped do nothing."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._source = ctypes.create_string_buffer(PAGE_BYTES)
        self._source_address = ctypes.addressof(self._source)
        self._copy = bytearray(_COPY_ARGUMENT.size)
        fcntl.ioctl(fd, _API, bytearray(struct.pack("<QQQ", 0xAA, _FEATURES, 0)))
        self._waiting: list[Fault] = []  # were read while something else was done

    def fileno(self) -> int:
        """The descriptor, for poll."""
        return self._fd

    def close(self) -> None:
        """Give every range back to the kernel and wake all who wait."""
        os.close(self._fd)

    @staticmethod
    def is_gone(fd: int) -> bool:
        """Whether the address space of a userfaultfd is no more."""
        try:
            fcntl.ioctl(fd, _WAKE, bytearray(struct.pack("<QQ", 0, PAGE_BYTES)))
        except OSError as error:
            return error.errno == errno.ESRCH
        return False

    def faults(self) -> list[Fault]:
        """The faults that came since the last call; does not wait."""
        faults, self._waiting = self._waiting, []
        return faults or self._read()

    def _read(self) -> list[Fault]:
        """As `faults`. A thread that moves memory goes on when it has been read that it does."""
        try:
            data = os.read(self._fd, 64 * _MESSAGE.size)
        except BlockingIOError:
            return []
        return [
            Fault(address // PAGE_BYTES, bool(flags & 1), bool(flags & 2))
            for event, flags, address, _ in _MESSAGE.iter_unpack(data)
            if event == _EVENT_PAGEFAULT
        ]

    def register(self, page: int, count: int) -> bool:
        """Have faults of these pages reported; False where the kernel does not do that (they stay as they were)."""
        return self._ioctl(_REGISTER, struct.pack("<QQQQ", *_range(page, count), _MODE_MISSING_WP, 0))

    def place(self, page: int, data: bytes, *, protected: bool) -> bool:
        """Put a page where one was missing, and wake those who wait. False where there is a page, or no mapping."""
        self._source.raw = data
        mode = 2 if protected else 0
        _COPY_ARGUMENT.pack_into(self._copy, 0, page * PAGE_BYTES, self._source_address, PAGE_BYTES, mode, 0)
        if self._ioctl(_COPY, self._copy):
            return True
        self.wake(page)
        return False

    def poison(self, page: int) -> bool:
        """Have accesses to a missing page end in SIGBUS; False where the kernel cannot (before 6.6)."""
        done = self._ioctl(_POISON, struct.pack("<QQQq", *_range(page, 1), 0, 0))
        self.wake(page)
        return done

    def protect(self, page: int, count: int, on: bool) -> None:
        """Write-protect present pages, or lift that and wake those who wait."""
        if not self._ioctl(_WRITEPROTECT, struct.pack("<QQQ", *_range(page, count), int(on))) and not on:
            self.wake(page)

    def wake(self, page: int) -> None:
        """Let those who wait at a page try again."""
        self._ioctl(_WAKE, struct.pack("<QQ", *_range(page, 1)))

    def _ioctl(self, request: int, argument: bytes | bytearray) -> bool:
        while True:
            try:
                fcntl.ioctl(self._fd, request, argument)
            except OSError as error:
                if error.errno == errno.EAGAIN:  # memory is being moved
                    self._waiting += self._read()
                    continue
                if error.errno in (errno.EEXIST, errno.ENOENT, errno.EINVAL, errno.ESRCH, errno.EBUSY):
                    return False
                raise
            return True


def available() -> str | None:
    """None if this process may watch other processes' page faults, the kernel's included; else the reason why not."""
    fd = _libc.syscall(SYS_USERFAULTFD, os.O_CLOEXEC | os.O_NONBLOCK)
    if fd < 0:
        return os.strerror(ctypes.get_errno())
    os.close(fd)
    return None


def take_fd(pid: int, fd: int) -> int:
    """Our own copy of another process' descriptor. Raises OSError."""
    pidfd = os.pidfd_open(pid)
    try:
        copy = int(_libc.syscall(SYS_PIDFD_GETFD, pidfd, fd, 0))
        if copy < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return copy
    finally:
        os.close(pidfd)


def runs(pages: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Ranges (first, count) of consecutive pages."""
    first, count = 0, 0
    for page in sorted(pages):
        if count and page == first + count:
            count += 1
            continue
        if count:
            yield first, count
        first, count = page, 1
    if count:
        yield first, count


def _range(page: int, count: int) -> tuple[int, int]:
    return page * PAGE_BYTES, count * PAGE_BYTES
