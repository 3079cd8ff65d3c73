# SPDX-License-Identifier: MIT
"""Codes of the device. Generated from hw/regs/codes.toml and cram.rdl by `make regs`; do not edit."""

from __future__ import annotations

from enum import IntEnum


class PageState(IntEnum):
    """How a page is stored (docs/device/pages.md)."""

    FREE = 0
    ZERO = 1
    SAME = 2
    LZ4 = 3
    RAW = 4
    POISON = 5

    @property
    def resident(self) -> bool:
        """Whether the page is stored: it counts in RESIDENT_PAGES, and closing it into this state in `counter`."""
        return bool(0b11110 >> self & 1)

    @property
    def on_media(self) -> bool:
        """Whether the page's bytes lie on the media, in a chain of sectors."""
        return bool(0b11000 >> self & 1)

    @property
    def keeps_word(self) -> bool:
        """Whether the page table keeps a 64-bit word of the page."""
        return bool(0b100 >> self & 1)

    @property
    def counter(self) -> str:
        """Name of the counter of pages closed into this state, if it is resident."""
        return f"closed_{self.name.lower()}"


class Operation(IntEnum):
    """What the mailbox can ask the sequencer to do with a page."""

    TRIM = 0
    STATE = 1
    EXPORT = 2
    FLUSH = 3
    INJECT = 4
    CLEAR = 5
    FENCE = 6
    UNFENCE = 7
    IMPORT = 8


class Reason(IntEnum):
    """Why the sequencer refused an operation."""

    INTERNAL = 0
    INPUT = 1
    EXHAUSTED = 2


class PoisonSource(IntEnum):
    """Why a page is on the poison list (CXL 3.1, 8.2.9.9.4.1, media error record, bits 2:0)."""

    INTERNAL = 2
    INJECTED = 3


class EventLog(IntEnum):
    """Event logs (CXL 3.1, 8.2.9.2.2). The device's events are in FAILURE; the others are empty."""

    INFORMATIONAL = 0
    WARNING = 1
    FAILURE = 2
    FATAL = 3


class CommandEffect(IntEnum):
    """What a command changes: a bit of its entry in the Command Effects Log (CXL 3.1, 8.2.9.5.2.1)."""

    IMMEDIATE_DATA_CHANGE = 2
    IMMEDIATE_POLICY_CHANGE = 3
    IMMEDIATE_LOG_CHANGE = 4
    BACKGROUND_OPERATION = 6


class EventCode(IntEnum):
    """What the event log tells: why a page became poison, or why something was refused (docs/device/events.md)."""

    EXHAUSTED = 1
    CRC_MISMATCH = 2
    MEDIA_ERROR = 3
    MALFORMED_BLOCK = 4
    NOT_ADMITTED = 5
    POISON_INJECTED = 6
    FENCED = 7
    IMPORT_REFUSED = 8
    MEDIA_TIMEOUT = 9
    UNCORRECTABLE = 11
    METADATA_ERROR = 12
    CACHE_LOST = 13
    CACHE_REFETCHED = 14
    SECTORS_LOST = 15
    SECTOR_RETIRED = 10

    @property
    def is_loss(self) -> bool:
        """Whether the page's content is lost: it is poison."""
        return bool(0b11100001011100 >> self & 1)

    @property
    def is_media_error(self) -> bool:
        """Whether the media, or what lay on it, has caused it."""
        return bool(0b100000011100 >> self & 1)


class Opcode(IntEnum):
    """Mailbox commands (docs/device/mailbox.md)."""

    GET_EVENT_RECORDS = 0x0100
    CLEAR_EVENT_RECORDS = 0x0101
    GET_EVENT_INTERRUPT_POLICY = 0x0102
    SET_EVENT_INTERRUPT_POLICY = 0x0103
    GET_FW_INFO = 0x0200
    GET_TIMESTAMP = 0x0300
    SET_TIMESTAMP = 0x0301
    GET_SUPPORTED_LOGS = 0x0400
    GET_LOG = 0x0401
    IDENTIFY = 0x4000
    GET_PARTITION_INFO = 0x4100
    GET_HEALTH_INFO = 0x4200
    GET_ALERT_CONFIGURATION = 0x4201
    SET_ALERT_CONFIGURATION = 0x4202
    GET_POISON_LIST = 0x4300
    INJECT_POISON = 0x4301
    CLEAR_POISON = 0x4302
    SANITIZE = 0x4400
    MEDIA_OPERATIONS = 0x4402
    GET_CAPACITY = 0xC000
    GET_PAGE_STATE = 0xC001
    EXPORT_BLOCK = 0xC002
    FLUSH = 0xC003
    IMPORT_BLOCK = 0xC004
    GET_HOT_PAGES = 0xC005
    SET_FENCE = 0xC006


class ReturnCode(IntEnum):
    """Mailbox return codes (CXL 3.1, table 8-37; the subset in use)."""

    SUCCESS = 0x0000
    BACKGROUND_STARTED = 0x0001
    INVALID_INPUT = 0x0002
    UNSUPPORTED = 0x0003
    INTERNAL_ERROR = 0x0004
    BUSY = 0x0006
    INVALID_HANDLE = 0x000E
    INVALID_PHYSICAL_ADDRESS = 0x000F
    INVALID_PAYLOAD_LENGTH = 0x0016
    INVALID_LOG = 0x0017
    RESOURCES_EXHAUSTED = 0x001D


class Interrupt(IntEnum):
    """Interrupt lines (docs/device/events.md); the value is the bit number."""

    MAILBOX = 0
    EVENT = 1
    HOT = 2
    HIGH = 10
    MEDIUM = 11
    LOW = 12
    RECOVERED = 13
    CRITICAL = 14

    @property
    def mask(self) -> int:
        """The line as a bit mask."""
        return 1 << self.value
