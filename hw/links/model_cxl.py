# SPDX-License-Identifier: MIT
"""CXL's own layouts, as the model device's mailbox reads and writes them (CXL 3.1, 8.2.9; docs/device.md).

Little endian throughout. The functions only pack; what a command does is in model_mailbox.py.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from uuid import UUID

from hw.codes import EventCode, PoisonSource
from hw.link import LINE_BYTES, PAGE_BYTES

GENERAL_MEDIA_EVENT = UUID("fbcd0a77-c260-417f-85a9-088b1621eba6")
CORRECTED_ERRORS_ALERT = 1 << 3  # of the alerts: corrected volatile memory errors, the one that can be programmed
FIRST_HANDLE = 0x8000  # bit 15 is always set, so that no handle is 0
_NO_TEMPERATURE, _NO_LIFE_USED = 0x7FFF, 0xFF
_LIFE_USED_CRITICAL, _COLDEST = 100, 0x8000
_FAILURE = 2  # severity


def health(worn: bool, degraded: bool, less_capacity: bool, warned: bool, corrected: int) -> bytes:
    """Get Health Info (8.2.9.9.3.1), 18 bytes.

    `worn`: sectors are retired. `warned`: corrected errors passed their alert's threshold.
    """
    status = worn | degraded << 1 | less_capacity << 3
    return struct.pack("<BBBBHIII", status, 0, warned << 4, _NO_LIFE_USED, _NO_TEMPERATURE, 0, corrected, 0)


def alert_configuration(enabled: bool, threshold: int) -> bytes:
    """Get Alert Configuration (8.2.9.9.3.2), 16 bytes."""
    valid = CORRECTED_ERRORS_ALERT if enabled else 0
    head = struct.pack("<BBBB", valid, CORRECTED_ERRORS_ALERT, _LIFE_USED_CRITICAL, 0)
    return head + struct.pack("<6H", _NO_TEMPERATURE, _COLDEST, 0, 0, threshold, 0)


def poison_list(pages: Iterable[tuple[int, EventCode]], more: bool) -> bytes:
    """Get Poison List (8.2.9.9.4.1): a header of 32 bytes, 16 bytes a page."""
    records = b"".join(
        struct.pack("<QII", page * PAGE_BYTES | poison_source(cause), PAGE_BYTES // LINE_BYTES, 0)
        for page, cause in pages
    )
    return struct.pack("<BxQH20x", more, 0, len(records) // 16) + records


def poison_source(cause: EventCode) -> PoisonSource:
    """The error source of a media error record."""
    if cause is EventCode.POISON_INJECTED:
        return PoisonSource.INJECTED
    return PoisonSource.INTERNAL


def event_records(events: Iterable[tuple[EventCode, int]], first_handle: int, lost: int) -> bytes:
    """Get Event Records (8.2.9.2.2): a header of 32 bytes, 128 bytes an event."""
    records = [
        _event_record(code, page, FIRST_HANDLE | (first_handle + index) & 0x7FFF)
        for index, (code, page) in enumerate(events)
    ]
    return struct.pack("<BxHQQH10x", lost != 0, min(lost, 0xFFFF), 0, 0, len(records)) + b"".join(records)


def _event_record(code: EventCode, page: int, handle: int) -> bytes:
    """A General Media Event Record (8.2.9.2.1.1); our event code is the first byte of the component identifier."""
    media = code.is_media_error
    memory_event = 0 if media else 2  # media ECC error, data path error
    transaction = 0 if media else 4 if code is EventCode.POISON_INJECTED else 2  # unknown, inject poison, host write
    head = GENERAL_MEDIA_EVENT.bytes + struct.pack("<B3sHHQ16x", 128, bytes([_FAILURE, 0, 0]), handle, 0, 0)
    body = struct.pack("<QBBBH", page * PAGE_BYTES | 1, code.is_loss, memory_event, transaction, 1 << 3)
    return head + body + bytes(5) + bytes([code]) + bytes(61)
