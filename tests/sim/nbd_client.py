# SPDX-License-Identifier: MIT
"""A client of the NBD protocol that is as rude as its user wants (the protocol's document, "Fixed newstyle")."""

from __future__ import annotations

import socket
import struct
from enum import IntEnum
from pathlib import Path
from types import TracebackType

_REQUEST = struct.Struct(">IHHQQI")
_REPLY = struct.Struct(">IIQ")
_REQUEST_MAGIC, _REPLY_MAGIC = 0x25609513, 0x67446698


class Command(IntEnum):
    """Kinds of request."""

    READ = 0
    WRITE = 1
    DISCONNECT = 2
    FLUSH = 3
    TRIM = 4
    WRITE_ZEROES = 6


class NbdClient:
    """A connection, past its handshake.

    Attributes:
        size: bytes of the disk.
    """

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(300)
        self._socket.connect(str(path))
        assert self.receive(16) == b"NBDMAGICIHAVEOPT"
        self.receive(2)
        self.send(struct.pack(">I", 3) + b"IHAVEOPT" + struct.pack(">II", 1, 0))  # fixed, no zeroes; EXPORT_NAME ""
        self.size, _ = struct.unpack(">QH", self.receive(10))

    def request(self, command: int, offset: int = 0, length: int = 0, data: bytes = b"") -> tuple[int, bytes]:
        """Send a request and take its answer: the error (0: none), and what was read."""
        self.send(self.header(command, offset, length) + data)
        magic, error, cookie = _REPLY.unpack(self.receive(_REPLY.size))
        assert (magic, cookie) == (_REPLY_MAGIC, 7)
        return error, self.receive(length) if command == Command.READ and not error else b""

    def read(self, offset: int, length: int) -> bytes:
        """Read; there must be no error."""
        error, data = self.request(Command.READ, offset, length)
        assert error == 0
        return data

    def write(self, offset: int, data: bytes) -> int:
        """Write; the error."""
        return self.request(Command.WRITE, offset, len(data), data)[0]

    @staticmethod
    def header(command: int, offset: int, length: int) -> bytes:
        """A request without its data."""
        return _REQUEST.pack(_REQUEST_MAGIC, 0, command, 7, offset, length)

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._socket.sendall(data)

    def receive(self, length: int) -> bytes:
        """Exactly so many bytes. Raises EOFError when the server hangs up."""
        data = b""
        while len(data) < length:
            part = self._socket.recv(length - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def close(self) -> None:
        """Hang up, in the middle of whatever it is."""
        self._socket.close()

    def __enter__(self) -> NbdClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
