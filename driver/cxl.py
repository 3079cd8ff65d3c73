# SPDX-License-Identifier: MIT
"""CxlCommands: the mailbox commands that CXL defines and the driver itself does not need (CXL 3.1, 8.2.9)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from driver.access import Access
from driver.errors import DeviceTimeout
from driver.mailbox import Mailbox
from driver.values import Geometry
from hw.clock import Clock
from hw.codes import CommandEffect, EventCode, EventLog, Opcode, PoisonSource
from hw.link import LINE_BYTES, PAGE_BYTES
from hw.registers import (
    MAILBOX_BACKGROUND_LOW_OPCODE,
    MAILBOX_BACKGROUND_LOW_PERCENTAGE,
    MAILBOX_PAYLOAD_BYTES,
    MAILBOX_STATUS_LOW_BACKGROUND,
    Register,
)
from hw.replies import COMMAND_EFFECTS_LOG

SANITIZE_TIMEOUT_NS = 10_000  # for each page
_POLL_NS = 1_000
_CORRECTED_ERRORS = 1 << 3  # of the alerts
_RECORD_BYTES = 128
_POISON_HEAD = 32
_POISON_PAGES = (MAILBOX_PAYLOAD_BYTES - _POISON_HEAD) // 16  # that one reply has room for


@dataclass(frozen=True)
class Health:
    """Get Health Info.

    Attributes:
        maintenance_needed: sectors are retired.
        performance_degraded: the low state holds.
        capacity_degraded: the critical state holds.
        corrected_errors_warning: more errors were corrected than the alert's threshold.
        corrected_errors: errors of the media that were corrected.
    """

    maintenance_needed: bool
    performance_degraded: bool
    capacity_degraded: bool
    corrected_errors_warning: bool
    corrected_errors: int


@dataclass(frozen=True)
class Partition:
    """Get Partition Info: the capacity that is volatile and persistent, in units of 256 MiB."""

    volatile_units: int
    persistent_units: int


@dataclass(frozen=True)
class EventRecord:
    """One record of Get Event Records.

    Attributes:
        handle: its name for `clear_event_records`.
        code: what happened.
        page: the page that it happened to.
        uncorrectable: the page's content is lost.
    """

    handle: int
    code: EventCode
    page: int
    uncorrectable: bool


@dataclass(frozen=True)
class Background:
    """The background operation: the one that runs, or the last one; `opcode` 0 before the first."""

    running: bool
    opcode: int
    percent: int


class CxlCommands:
    """CXL's commands of one device; `CramDevice.cxl`.

    Every call may raise DeviceLost, DeviceTimeout and MailboxError.

    Args:
        forget: called with the pages that are no longer poison, None for all.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        access: Access,
        clock: Clock,
        geometry: Geometry,
        forget: Callable[[Iterable[int] | None], None],
    ) -> None:
        self._mailbox = mailbox
        self._access = access
        self._clock = clock
        self._geometry = geometry
        self._forget = forget

    async def health(self) -> Health:
        """Get Health Info."""
        reply = await self._mailbox.execute(Opcode.GET_HEALTH_INFO, expected_bytes=18)
        status, additional, corrected = struct.unpack("<BxBxxxxxxxI4x", reply)
        return Health(bool(status & 1), bool(status & 2), bool(status & 8), bool(additional & 16), corrected)

    async def corrected_errors_alert(self) -> int | None:
        """Get Alert Configuration: the threshold of the alert on corrected errors, None if it is off."""
        reply = await self._mailbox.execute(Opcode.GET_ALERT_CONFIGURATION, expected_bytes=16)
        valid, threshold = struct.unpack("<B11xH2x", reply)
        return threshold if valid & _CORRECTED_ERRORS else None

    async def set_corrected_errors_alert(self, threshold: int | None) -> None:
        """Set Alert Configuration: warn when more than `threshold` (0 .. 65535) errors were corrected; None: never."""
        if threshold is not None and not 0 <= threshold <= 0xFFFF:
            raise ValueError(f"threshold {threshold}, expected 0 to 65535")
        enable = 0 if threshold is None else _CORRECTED_ERRORS
        payload = struct.pack("<BB6xH2x", _CORRECTED_ERRORS, enable, threshold or 0)
        await self._mailbox.execute(Opcode.SET_ALERT_CONFIGURATION, payload)

    async def poison_list(self, first: int = 0, count: int | None = None) -> dict[int, PoisonSource]:
        """Get Poison List: the poison pages of a range and why they are poison.

        It asks for no more pages at a time than one reply has room for. A list that is cut off goes on in the device,
        which cannot tell one reader from another; these never are.
        """
        end = self._geometry.perceived_pages if count is None else first + count
        found: dict[int, PoisonSource] = {}
        for start in range(first, end, _POISON_PAGES):
            pages = min(_POISON_PAGES, end - start)
            payload = struct.pack("<QQ", start * PAGE_BYTES, pages * PAGE_BYTES // LINE_BYTES)
            reply = await self._mailbox.execute(Opcode.GET_POISON_LIST, payload)
            for address, _ in struct.iter_unpack("<Q8s", reply[_POISON_HEAD:]):
                found[address // PAGE_BYTES] = PoisonSource(address & 7)
        return found

    async def inject_poison(self, page: int) -> None:
        """Inject Poison: the page's content is lost; logged as POISON_INJECTED. Raises AddressOutOfRange."""
        await self._mailbox.execute(Opcode.INJECT_POISON, self._address(page))

    async def clear_poison(self, page: int) -> None:
        """Clear Poison: a page that is poison becomes free and reads as zeros. Raises AddressOutOfRange."""
        await self._mailbox.execute(Opcode.CLEAR_POISON, self._address(page) + bytes(LINE_BYTES))
        self._forget([page])

    async def event_records(self, log: EventLog = EventLog.FAILURE) -> tuple[list[EventRecord], int]:
        """Get Event Records: the events of a log, oldest first, and how many were lost since some were cleared.

        It is the log that `CramDevice.events` takes events from: use one of the two.
        """
        reply = await self._mailbox.execute(Opcode.GET_EVENT_RECORDS, bytes([log]))
        lost, count = struct.unpack_from("<xxH16xH", reply)
        records = [_record(reply[32 + _RECORD_BYTES * n : 160 + _RECORD_BYTES * n]) for n in range(count)]
        return records, lost

    async def clear_event_records(self, handles: Sequence[int], log: EventLog = EventLog.FAILURE) -> None:
        """Clear Event Records: drop the oldest events, named by their handles in order."""
        payload = struct.pack(f"<BBB3x{len(handles)}H", log, 0, len(handles), *handles)
        await self._mailbox.execute(Opcode.CLEAR_EVENT_RECORDS, payload)

    async def clear_all_events(self) -> None:
        """Clear Event Records with its flag for all events, which the device takes only after an overflow."""
        await self._mailbox.execute(Opcode.CLEAR_EVENT_RECORDS, struct.pack("<BBB3x", EventLog.FAILURE, 1, 0))

    async def partition(self) -> Partition:
        """Get Partition Info."""
        reply = await self._mailbox.execute(Opcode.GET_PARTITION_INFO, expected_bytes=32)
        return Partition(*struct.unpack_from("<QQ", reply))

    async def logs(self) -> dict[UUID, int]:
        """Get Supported Logs: the size of every log in bytes."""
        reply = await self._mailbox.execute(Opcode.GET_SUPPORTED_LOGS)
        return {UUID(bytes=name): size for name, size in struct.iter_unpack("<16sI", reply[8:])}

    async def log(self, name: UUID) -> bytes:
        """Get Log, as often as it takes. Raises MailboxError for a log that there is not."""
        size = (await self.logs()).get(name, MAILBOX_PAYLOAD_BYTES)
        parts = [
            await self._mailbox.execute(
                Opcode.GET_LOG, name.bytes + struct.pack("<II", start, min(MAILBOX_PAYLOAD_BYTES, size - start))
            )
            for start in range(0, size, MAILBOX_PAYLOAD_BYTES)
        ]
        return b"".join(parts)

    async def command_effects(self) -> dict[int, set[CommandEffect]]:
        """The Command Effects Log: every opcode that the device knows, and what the command changes."""
        log = await self.log(COMMAND_EFFECTS_LOG)
        return {
            opcode: {effect for effect in CommandEffect if effects >> effect & 1}
            for opcode, effects in struct.iter_unpack("<HH", log)
        }

    async def timestamp(self) -> int:
        """Get Timestamp: nanoseconds since 1970; 0 if it was not set since reset."""
        reply = await self._mailbox.execute(Opcode.GET_TIMESTAMP, expected_bytes=8)
        return int.from_bytes(reply, "little")

    async def set_timestamp(self, nanoseconds: int) -> None:
        """Set Timestamp: the time goes on from there."""
        if not 0 <= nanoseconds < 1 << 64:
            raise ValueError(f"timestamp {nanoseconds}, expected 64 bits")
        await self._mailbox.execute(Opcode.SET_TIMESTAMP, struct.pack("<Q", nanoseconds))

    async def media_operations(self) -> list[tuple[int, int]]:
        """Media Operations, discovery: class and subclass of every operation."""
        payload = struct.pack("<BBHIHH", 0, 0, 0, 0, 0, 0xFFFF)
        reply = await self._mailbox.execute(Opcode.MEDIA_OPERATIONS, payload)
        _, _, count = struct.unpack_from("<QHH", reply)
        return [(reply[12 + 2 * n], reply[13 + 2 * n]) for n in range(count)]

    async def sanitize(self) -> None:
        """Sanitize: trim every page in the background, and wait for its end. What is written meanwhile may be lost."""
        await self._mailbox.execute(Opcode.SANITIZE)
        patience = SANITIZE_TIMEOUT_NS * self._geometry.perceived_pages
        limit = self._clock.now + patience
        while (await self.background()).running:
            if self._clock.now > limit:
                raise DeviceTimeout(f"the background operation took over {patience} ns")
            await self._clock.sleep(_POLL_NS)
        self._forget(None)

    async def background(self) -> Background:
        """How far the background operation is; one register transfer."""
        status, _, low, _ = await self._access.read(Register.MAILBOX_STATUS_LOW, 4)
        return Background(
            bool(MAILBOX_STATUS_LOW_BACKGROUND.get(status)),
            MAILBOX_BACKGROUND_LOW_OPCODE.get(low),
            MAILBOX_BACKGROUND_LOW_PERCENTAGE.get(low),
        )

    def _address(self, page: int) -> bytes:
        self._geometry.check_page(page)
        return struct.pack("<Q", page * PAGE_BYTES)


def _record(data: bytes) -> EventRecord:
    (handle,) = struct.unpack_from("<H", data, 0x14)
    address, descriptor = struct.unpack_from("<QB", data, 0x30)
    return EventRecord(handle, EventCode(data[0x42]), address // PAGE_BYTES, bool(descriptor & 1))
