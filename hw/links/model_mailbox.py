# SPDX-License-Identifier: MIT
"""Mailbox of the model device: its registers and commands (docs/device/mailbox.md)."""

from __future__ import annotations

import struct
from collections.abc import Callable

from hw.codes import EventCode, EventLog, Opcode, PageState, ReturnCode
from hw.link import LINE_BYTES, PAGE_BYTES
from hw.links import model_cxl
from hw.links.model_cache import PageCache, PageRefused
from hw.links.model_settings import HostSettings
from hw.links.model_signals import Signals
from hw.links.model_store import NotStored, PageLost, PageStore
from hw.links.model_timing import ModelTiming
from hw.parameters import DeviceParameters
from hw.registers import MAILBOX_PAYLOAD_BYTES
from hw.replies import COMMAND_EFFECTS_LOG, constant_replies

_CAPACITY_UNIT = 256 << 20
_DISCOVERY, _ZERO = (0, 0), (1, 1)  # class and subclass of Media Operations
_IMPORT_HEAD = 64  # bytes before the block to import
_MAXIMUM_POISON_PAGES = (1 << 24) - 1  # that Identify can tell
_MAXIMUM_POISON_RECORDS = (MAILBOX_PAYLOAD_BYTES - 32) // 16


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

    Args:
        ratio: the register ACHIEVED_RATIO.
        sanitize: starts the background operation; False if one is running.
        nanoseconds: time since reset.
    """

    def __init__(
        self,
        parameters: DeviceParameters,
        timing: ModelTiming,
        store: PageStore,
        cache: PageCache,
        signals: Signals,
        ratio: Callable[[], int],
        sanitize: Callable[[], bool],
        nanoseconds: Callable[[], int],
    ) -> None:
        self.busy = False
        self.command = [0, 0]
        self.payload = bytearray(MAILBOX_PAYLOAD_BYTES)
        self.return_code = 0
        self._pages = parameters.perceived_pages
        self._timing = timing
        self._store = store
        self._cache = cache
        self._signals = signals
        self._parameters = parameters
        self._ratio = ratio
        self._sanitize = sanitize
        self._settings = HostSettings(signals, nanoseconds)
        self._constants = constant_replies(
            self._pages * PAGE_BYTES // _CAPACITY_UNIT, min(self._pages, _MAXIMUM_POISON_PAGES)
        )
        self._listed: tuple[range, int] | None = None  # of a poison list that was cut off: its pages, the next one
        self._reply = b""
        self._reply_code = ReturnCode.SUCCESS
        self._commands: dict[int, Callable[[bytes], bytes]] = {
            Opcode.GET_EVENT_RECORDS: self._get_events,
            Opcode.CLEAR_EVENT_RECORDS: self._clear_events,
            Opcode.GET_EVENT_INTERRUPT_POLICY: self._get_policy,
            Opcode.SET_EVENT_INTERRUPT_POLICY: self._set_policy,
            Opcode.GET_TIMESTAMP: self._get_time,
            Opcode.SET_TIMESTAMP: self._set_time,
            Opcode.GET_LOG: self._get_log,
            Opcode.GET_HEALTH_INFO: self._health,
            Opcode.GET_ALERT_CONFIGURATION: self._get_alerts,
            Opcode.SET_ALERT_CONFIGURATION: self._set_alerts,
            Opcode.GET_POISON_LIST: self._poison_list,
            Opcode.INJECT_POISON: self._inject_poison,
            Opcode.CLEAR_POISON: self._clear_poison,
            Opcode.SANITIZE: self._start_sanitize,
            Opcode.MEDIA_OPERATIONS: self._media_operations,
            Opcode.GET_CAPACITY: self._capacity,
            Opcode.GET_PAGE_STATE: self._page_state,
            Opcode.EXPORT_BLOCK: self._export,
            Opcode.FLUSH: self._flush,
            Opcode.IMPORT_BLOCK: self._import,
            Opcode.GET_HOT_PAGES: self._hot_pages,
            Opcode.SET_FENCE: self._set_fence,
        }

    def start(self) -> int:
        """Execute the command in the registers; the cycles it takes."""
        self.busy = True
        cache = self._cache
        cache.elapsed = self._timing.mailbox_command
        length = self.command[0] >> 16 | (self.command[1] & 0x1F) << 16
        try:
            if length > MAILBOX_PAYLOAD_BYTES:
                raise Refused(ReturnCode.INVALID_PAYLOAD_LENGTH)
            self._reply = self._execute(self.command[0] & 0xFFFF, bytes(self.payload[:length]))
            self._reply_code = ReturnCode.SUCCESS
        except Refused as refused:
            self._reply, self._reply_code = b"", refused.code
        except NotStored as failed:
            full = failed.code is EventCode.EXHAUSTED
            self._reply_code = ReturnCode.RESOURCES_EXHAUSTED if full else ReturnCode.INTERNAL_ERROR
            self._reply = b""
        return cache.elapsed

    def _execute(self, opcode: int, data: bytes) -> bytes:
        if (command := self._commands.get(opcode)) is not None:
            return command(data)
        if opcode not in self._constants:
            raise Refused(ReturnCode.UNSUPPORTED)
        _expect(len(data) == 0)
        return self._constants[Opcode(opcode)]

    def finish(self) -> None:
        """Show the reply and clear the doorbell."""
        length = len(self._reply)
        self.payload[:length] = self._reply
        self.command = [self.command[0] & 0xFFFF | (length & 0xFFFF) << 16, length >> 16]
        self.return_code = self._reply_code
        self.busy = False

    # CXL's commands

    def _health(self, data: bytes) -> bytes:
        _expect(len(data) == 0)
        corrected, retired = self._signals.corrected, self._signals.retired
        settings = self._settings
        warned = settings.alert_enabled and corrected > settings.alert_threshold
        return model_cxl.health(retired != 0, self._signals.low, self._signals.critical, warned, corrected)

    def _get_alerts(self, data: bytes) -> bytes:
        _expect(len(data) == 0)
        return model_cxl.alert_configuration(self._settings.alert_enabled, self._settings.alert_threshold)

    def _set_alerts(self, data: bytes) -> bytes:
        _expect(len(data) == 12)
        return _set(self._settings.set_alerts, data)

    def _get_policy(self, data: bytes) -> bytes:
        _expect(len(data) == 0)
        return self._settings.policy()

    def _set_policy(self, data: bytes) -> bytes:
        _expect(len(data) in (4, 5))
        return _set(self._settings.set_policy, data)

    def _get_time(self, data: bytes) -> bytes:
        _expect(len(data) == 0)
        return struct.pack("<Q", self._settings.time())

    def _set_time(self, data: bytes) -> bytes:
        _expect(len(data) == 8)
        return _set(self._settings.set_time, data)

    def _get_log(self, data: bytes) -> bytes:
        _expect(len(data) == 24)
        log = self._constants[Opcode.GET_LOG]
        offset, length = struct.unpack_from("<II", data, 16)
        if data[:16] != COMMAND_EFFECTS_LOG.bytes:
            raise Refused(ReturnCode.INVALID_LOG)
        if offset > len(log):
            raise Refused(ReturnCode.INVALID_INPUT)
        return log[offset : offset + length]

    def _get_events(self, data: bytes) -> bytes:
        _expect(len(data) == 1)
        signals = self._signals
        if data[0] not in list(EventLog):
            raise Refused(ReturnCode.INVALID_LOG)
        if data[0] != EventLog.FAILURE:
            return model_cxl.event_records([], 0, 0)
        return model_cxl.event_records(signals.events, signals.popped, signals.lost)

    def _clear_events(self, data: bytes) -> bytes:
        _expect(len(data) >= 6)
        signals = self._signals
        log, flags, count = struct.unpack_from("<BBB", data)
        if log not in list(EventLog):
            raise Refused(ReturnCode.INVALID_LOG)
        _expect(len(data) == 6 + 2 * count)
        if flags & ~1 or (flags and (log != EventLog.FAILURE or not signals.lost or count)):
            raise Refused(ReturnCode.INVALID_INPUT)
        if flags:
            count = len(signals.events)
        elif count == 0:
            return b""
        else:
            oldest = [model_cxl.FIRST_HANDLE | (signals.popped + n) & 0x7FFF for n in range(len(signals.events))]
            handles = list(struct.unpack_from(f"<{count}H", data, 6))
            if log != EventLog.FAILURE or handles != oldest[:count]:
                raise Refused(ReturnCode.INVALID_HANDLE)
        for _ in range(count):
            signals.pop()
        signals.lost = 0
        return b""

    def _poison_list(self, data: bytes) -> bytes:
        _expect(len(data) == 16)
        start, units = struct.unpack("<QQ", data)
        behind = start >= self._pages * PAGE_BYTES  # Linux asks for no lines there
        if start % LINE_BYTES or (units == 0 and not behind):
            raise Refused(ReturnCode.INVALID_INPUT)
        if units >> 57 or behind:
            raise Refused(ReturnCode.INVALID_PHYSICAL_ADDRESS)
        first, end = start // PAGE_BYTES, -(-(start + units * LINE_BYTES) // PAGE_BYTES)  # pages that it touches
        pages = self._range(first * PAGE_BYTES, (end - first) * PAGE_BYTES)
        first = self._listed[1] if self._listed and self._listed[0] == pages else pages.start
        found: list[tuple[int, EventCode]] = []
        self._listed = None
        for page in range(first, pages.stop):
            stored = self._store.entry(page)
            if stored.state != PageState.POISON:
                continue
            if len(found) == _MAXIMUM_POISON_RECORDS:
                self._listed = pages, page
                break
            found.append((page, stored.cause))
        return model_cxl.poison_list(found, self._listed is not None)

    def _inject_poison(self, data: bytes) -> bytes:
        page = self._page(data, LINE_BYTES)
        if self._store.entry(page).state != PageState.POISON:
            self._cache.poison(page, EventCode.POISON_INJECTED)
        return b""

    def _clear_poison(self, data: bytes) -> bytes:
        _expect(len(data) == 8 + LINE_BYTES)
        page = self._page(data[:8], LINE_BYTES)
        if any(data[8:]):
            raise Refused(ReturnCode.INVALID_INPUT)
        if self._store.entry(page).state == PageState.POISON:
            self._store.free(page)
        return b""

    def _start_sanitize(self, data: bytes) -> bytes:
        _expect(len(data) == 0)
        raise Refused(ReturnCode.BACKGROUND_STARTED if self._sanitize() else ReturnCode.BUSY)

    def _media_operations(self, data: bytes) -> bytes:
        _expect(len(data) >= 8)
        kind, subclass, _, count = struct.unpack_from("<BBHI", data)
        if (kind, subclass) == _DISCOVERY:
            return self._discover(data, count)
        if (kind, subclass) != _ZERO:
            raise Refused(ReturnCode.UNSUPPORTED)
        for page in self._ranges(data, count):
            self._cache.trim(page)
        return b""

    def _discover(self, data: bytes, count: int) -> bytes:
        _expect(len(data) == 12)
        if count:
            raise Refused(ReturnCode.INVALID_INPUT)
        first, wanted = struct.unpack_from("<HH", data, 8)
        listed = [_DISCOVERY, _ZERO][first : first + wanted]
        return struct.pack("<QHH", PAGE_BYTES, 2, len(listed)) + b"".join(map(bytes, listed))

    def _ranges(self, data: bytes, count: int) -> list[int]:
        """The pages of `count` ranges behind a header of 8 bytes, in their order; all are checked first."""
        _expect(len(data) == 8 + 16 * count)
        ranges = [self._range(start, length) for start, length in struct.iter_unpack("<QQ", data[8:])]
        return [page for pages in ranges for page in pages]

    def _range(self, start: int, length: int) -> range:
        """The pages of a range in bytes."""
        if start % PAGE_BYTES or length % PAGE_BYTES or length == 0:
            raise Refused(ReturnCode.INVALID_INPUT)
        if start + length > self._pages * PAGE_BYTES:
            raise Refused(ReturnCode.INVALID_PHYSICAL_ADDRESS)
        return range(start // PAGE_BYTES, (start + length) // PAGE_BYTES)

    # The device's own commands

    def _capacity(self, data: bytes) -> bytes:
        _expect(len(data) == 0)
        parameters, sectors = self._parameters, self._store.sectors
        return struct.pack(
            "<6I", parameters.media_sectors, sectors.free, self._cache.reserved, self._store.resident,
            parameters.sector_bytes, self._ratio(),
        )  # fmt: skip

    def _hot_pages(self, data: bytes) -> bytes:
        _expect(len(data) == 0)
        heat = self._signals.heat
        reply = struct.pack("<IIQ", len(heat.ring), heat.overflow & 0xFFFFFFFF, 0)
        reply += b"".join(struct.pack("<QQ", page * PAGE_BYTES, 0) for page in heat.ring)
        heat.ring.clear()
        return reply

    def _set_fence(self, data: bytes) -> bytes:
        _expect(len(data) >= 8)
        fence, reserved, count = struct.unpack_from("<BBxxI", data)
        if fence > 1 or reserved:
            raise Refused(ReturnCode.INVALID_INPUT)
        fenced = self._store.fenced
        for page in self._ranges(data, count):
            if not fence:
                fenced.discard(page)
                continue
            self._cache.close(page)
            if self._store.entry(page).state != PageState.POISON:
                fenced.add(page)
        return b""

    def _flush(self, data: bytes) -> bytes:
        _expect(len(data) == 0)
        self._cache.flush()
        return b""

    def _page_state(self, data: bytes) -> bytes:
        page = self._page(data)
        stored = self._store.entry(page)
        cached, dirty = self._cache.flags(page)
        flags = cached | dirty << 1 | (page in self._store.fenced) << 2
        first_sector = stored.chain[0] if stored.chain else 0
        word = int.from_bytes(stored.word, "little")
        return struct.pack(
            "<BBHIQI", stored.state, flags, stored.length, stored.crc, word, first_sector
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
            if self._renew(page, lost.code):
                return self._export(data)
            self._cache.poison(page, EventCode(lost.code))
            raise Refused(ReturnCode.INTERNAL_ERROR) from None
        return stored.content

    def _renew(self, page: int, cause: EventCode) -> bool:
        """Store a page anew from the cache, as its stored copy cannot be read; False if it is not cached."""
        try:
            return self._cache.renew(page, cause)
        except PageRefused:
            raise Refused(ReturnCode.RESOURCES_EXHAUSTED) from None

    def _import(self, data: bytes) -> bytes:
        _expect(_IMPORT_HEAD < len(data) <= _IMPORT_HEAD + PAGE_BYTES - self._parameters.sector_bytes)
        page = self._page(data[:8])
        (crc,) = struct.unpack_from("<I", data, 8)
        while True:  # closing others to make room may change what is known of the page
            state = self._store.entry(page).state
            if state == PageState.POISON:
                raise Refused(ReturnCode.INTERNAL_ERROR)
            if page in self._store.fenced:
                raise Refused(ReturnCode.INVALID_INPUT)
            if self._signals.critical and state == PageState.FREE:
                raise Refused(ReturnCode.RESOURCES_EXHAUSTED)
            try:
                if self._cache.make_room():
                    break
            except PageRefused:
                raise Refused(ReturnCode.RESOURCES_EXHAUSTED) from None
        try:
            self._cache.import_block(page, data[_IMPORT_HEAD:], crc)
        except PageLost:
            raise Refused(ReturnCode.INVALID_INPUT) from None
        return b""

    def _page(self, data: bytes, alignment: int = PAGE_BYTES) -> int:
        _expect(len(data) == 8)
        address = int.from_bytes(data, "little")
        if address % alignment:
            raise Refused(ReturnCode.INVALID_INPUT)
        if address >= self._pages * PAGE_BYTES:
            raise Refused(ReturnCode.INVALID_PHYSICAL_ADDRESS)
        return address // PAGE_BYTES


def _expect(length_is_right: bool) -> None:
    if not length_is_right:
        raise Refused(ReturnCode.INVALID_PAYLOAD_LENGTH)


def _set(setting: Callable[[bytes], None], data: bytes) -> bytes:
    try:
        setting(data)
    except ValueError:
        raise Refused(ReturnCode.INVALID_INPUT) from None
    return b""
