"""Mailbox of the model device: its registers and commands (docs/device.md, Mailbox commands)."""

from __future__ import annotations

import struct

from hw.codes import EventCode, Opcode, PageState, ReturnCode
from hw.link import PAGE_BYTES
from hw.links.model_cache import PageCache
from hw.links.model_store import PageLost, PageStore
from hw.links.model_timing import ModelTiming
from hw.parameters import DeviceParameters

PAYLOAD_BYTES = 4096
CAPABILITIES = 12 | 1 << 6  # payload of 2^12 bytes, interrupt
FIRMWARE = b"vcram 1.0.0"
_CAPACITY_UNIT = 256 << 20
_ZERO_CLASS, _ZERO_SUBCLASS = 1, 1


class Refused(Exception):  # noqa: N818 - the name of the condition
    """A command is answered with `code` and no output."""

    def __init__(self, code: ReturnCode) -> None:
        super().__init__(code.name)
        self.code = code


class Mailbox:
    """One command at a time. `start` executes it at once; what the host sees changes with `finish`.

    Attributes:
        busy: the doorbell.
        command: opcode and payload length as the host wrote them (registers COMMAND_LOW, COMMAND_HIGH).
        payload: the payload registers.
        return_code: of the last command.
    """

    def __init__(self, parameters: DeviceParameters, timing: ModelTiming, store: PageStore, cache: PageCache) -> None:
        self.busy = False
        self.command = [0, 0]
        self.payload = bytearray(PAYLOAD_BYTES)
        self.return_code = 0
        self._pages = parameters.perceived_pages
        self._timing = timing
        self._store = store
        self._cache = cache
        self._reply = b""
        self._reply_code = ReturnCode.SUCCESS

    def start(self) -> int:
        """Execute the command in the registers; the cycles it takes."""
        self.busy = True
        cache = self._cache
        cache.elapsed = self._timing.mailbox_command
        length = self.command[0] >> 16 | (self.command[1] & 0x1F) << 16
        try:
            if length > PAYLOAD_BYTES:
                raise Refused(ReturnCode.INVALID_PAYLOAD_LENGTH)
            self._reply = self._execute(self.command[0] & 0xFFFF, bytes(self.payload[:length]))
            self._reply_code = ReturnCode.SUCCESS
        except Refused as refused:
            self._reply, self._reply_code = b"", refused.code
        return cache.elapsed

    def finish(self) -> None:
        """Show the reply and clear the doorbell."""
        length = len(self._reply)
        self.payload[:length] = self._reply
        self.command = [self.command[0] & 0xFFFF | (length & 0xFFFF) << 16, length >> 16]
        self.return_code = self._reply_code
        self.busy = False

    def _execute(self, opcode: int, data: bytes) -> bytes:
        if opcode == Opcode.IDENTIFY:
            _expect(len(data) == 0)
            return struct.pack("<16sQ", FIRMWARE, self._pages * PAGE_BYTES // _CAPACITY_UNIT)
        if opcode == Opcode.MEDIA_OPERATIONS:
            return self._trim(data)
        if opcode == Opcode.GET_PAGE_STATE:
            return self._page_state(data)
        if opcode == Opcode.EXPORT_BLOCK:
            return self._export(data)
        if opcode == Opcode.FLUSH:
            _expect(len(data) == 0)
            self._cache.flush()
            return b""
        raise Refused(ReturnCode.UNSUPPORTED)

    def _trim(self, data: bytes) -> bytes:
        _expect(len(data) >= 8)
        kind, subclass, _, count = struct.unpack_from("<BBHI", data)
        if (kind, subclass) != (_ZERO_CLASS, _ZERO_SUBCLASS):
            raise Refused(ReturnCode.UNSUPPORTED)
        _expect(len(data) == 8 + 16 * count)
        ranges = list(struct.iter_unpack("<QQ", data[8:]))
        for start, length in ranges:
            if start % PAGE_BYTES or length % PAGE_BYTES or length == 0:
                raise Refused(ReturnCode.INVALID_INPUT)
            if start + length > self._pages * PAGE_BYTES:
                raise Refused(ReturnCode.INVALID_PHYSICAL_ADDRESS)
        for start, length in ranges:
            for page in range(start // PAGE_BYTES, (start + length) // PAGE_BYTES):
                self._cache.trim(page)
        return b""

    def _page_state(self, data: bytes) -> bytes:
        page = self._page(data)
        stored = self._store.entry(page)
        cached, dirty = self._cache.flags(page)
        first_sector = stored.chain[0] if stored.chain else 0
        word = int.from_bytes(stored.word, "little")
        return struct.pack(
            "<BBHIQI", stored.state, cached | dirty << 1, stored.length, stored.crc, word, first_sector
        )  # fmt: skip

    def _export(self, data: bytes) -> bytes:
        page = self._page(data)
        self._cache.close(page)
        stored = self._store.entry(page)
        if stored.state == PageState.POISON:
            raise Refused(ReturnCode.INTERNAL_ERROR)
        if stored.state != PageState.LZ4:
            return b""
        try:
            self._store.get(page)
        except PageLost as lost:
            self._cache.poison(page, EventCode(lost.code))
            raise Refused(ReturnCode.INTERNAL_ERROR) from None
        return stored.content

    def _page(self, data: bytes) -> int:
        _expect(len(data) == 8)
        address = int.from_bytes(data, "little")
        if address % PAGE_BYTES:
            raise Refused(ReturnCode.INVALID_INPUT)
        if address >= self._pages * PAGE_BYTES:
            raise Refused(ReturnCode.INVALID_PHYSICAL_ADDRESS)
        return address // PAGE_BYTES


def _expect(length_is_right: bool) -> None:
    if not length_is_right:
        raise Refused(ReturnCode.INVALID_PAYLOAD_LENGTH)
