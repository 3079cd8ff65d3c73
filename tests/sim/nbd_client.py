# SPDX-License-Identifier: MIT
"""A client of the NBD protocol that is as rude as its user wants (the protocol's document, "Fixed newstyle")."""

from __future__ import annotations

import socket
import struct
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Self

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
    BLOCK_STATUS = 7


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
        self.send(struct.pack(">I", 3))  # fixed, no zeroes
        self._negotiate()

    def _negotiate(self) -> None:
        self.send(b"IHAVEOPT" + struct.pack(">II", 1, 0))  # EXPORT_NAME ""
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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class MappingClient(NbdClient):
    """A client with structured replies, which can ask for the map; `go` ends its handshake."""

    def _negotiate(self) -> None:
        assert self._option(8) == []  # STRUCTURED_REPLY

    def contexts(self, *queries: str) -> list[str]:
        """LIST_META_CONTEXT: the contexts that there are."""
        return [reply[4:].decode() for reply in self._option(9, self._queries(queries))]

    def go(self, *queries: str) -> None:
        """SET_META_CONTEXT and GO."""
        if queries:
            assert len(self._option(10, self._queries(queries))) == len(queries)
        (info,) = [reply for reply in self._option(7, struct.pack(">IH", 0, 0)) if reply[:2] == b"\0\0"]
        (self.size,) = struct.unpack(">Q", info[2:10])

    def status(self, offset: int, length: int, *, one: bool = False, flags: int = 0) -> int | list[tuple[int, int]]:
        """BLOCK_STATUS: (bytes, flags) of each extent, or the error."""
        flags |= 8 if one else 0
        self.send(_REQUEST.pack(_REQUEST_MAGIC, flags, Command.BLOCK_STATUS, 7, offset, length))
        magic = struct.unpack(">I", self.receive(4))[0]
        if magic == _REPLY_MAGIC:  # a server may answer an error without data so
            return int(struct.unpack(">IQ", self.receive(12))[0])
        assert magic == 0x668E33EF
        done, kind, cookie, size = struct.unpack(">HHQI", self.receive(16))
        payload = self.receive(size)
        assert (done, cookie) == (1, 7)
        if kind & 0x8000:
            return int(struct.unpack(">I", payload[:4])[0])
        assert kind == 5
        return list(struct.iter_unpack(">II", payload[4:]))

    @staticmethod
    def _queries(queries: tuple[str, ...]) -> bytes:
        names = b"".join(struct.pack(">I", len(name)) + name.encode() for name in queries)
        return struct.pack(">II", 0, len(queries)) + names

    def _option(self, number: int, data: bytes = b"") -> list[bytes]:
        """Haggle; what the server says before it acknowledges."""
        self.send(b"IHAVEOPT" + struct.pack(">II", number, len(data)) + data)
        replies: list[bytes] = []
        while True:
            magic, option, kind, size = struct.unpack(">QIII", self.receive(20))
            assert (magic, option) == (0x3E889045565A9, number)
            payload = self.receive(size)
            if kind == 1:
                return replies
            assert not kind & 0x80000000, payload
            replies.append(payload)
