"""The numbers of docs/device.md that are not register offsets: states, events, interrupt lines, mailbox codes."""

from __future__ import annotations

from enum import IntEnum


class PageState(IntEnum):
    """How a page is stored (docs/device/pages.md, "Page states")."""

    FREE = 0
    ZERO = 1
    SAME = 2
    LZ4 = 3
    RAW = 4
    POISON = 5


class EventCode(IntEnum):
    """What the event log tells: why a page became poison, or why a write was refused (docs/device/events.md)."""

    EXHAUSTED = 1
    CRC_MISMATCH = 2
    MEDIA_ERROR = 3
    MALFORMED_BLOCK = 4
    NOT_ADMITTED = 5
    POISON_INJECTED = 6
    FENCED = 7
    IMPORT_REFUSED = 8

    @property
    def is_loss(self) -> bool:
        """Whether the page's content is lost: it is poison."""
        return self <= EventCode.MALFORMED_BLOCK or self is EventCode.POISON_INJECTED


class Interrupt(IntEnum):
    """Interrupt lines (docs/device/events.md, "Interrupts"); the value is the bit number."""

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


class Opcode(IntEnum):
    """Mailbox commands (docs/device/mailbox.md)."""

    GET_EVENT_RECORDS = 0x0100
    CLEAR_EVENT_RECORDS = 0x0101
    IDENTIFY = 0x4000
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

    SUCCESS = 0x0
    BACKGROUND_STARTED = 0x1
    INVALID_INPUT = 0x2
    UNSUPPORTED = 0x3
    INTERNAL_ERROR = 0x4
    BUSY = 0x6
    INVALID_HANDLE = 0xE
    INVALID_PHYSICAL_ADDRESS = 0xF
    INVALID_PAYLOAD_LENGTH = 0x16
    INVALID_LOG = 0x17
    RESOURCES_EXHAUSTED = 0x1D


class PoisonSource(IntEnum):
    """Why a page is on the poison list (CXL 3.1, 8.2.9.9.4.1, media error record, bits 2:0; the subset in use)."""

    INTERNAL = 2
    INJECTED = 3
    EXHAUSTED = 7  # vendor specific


class EventLog(IntEnum):
    """Event logs (CXL 3.1, 8.2.9.2.2). The device's events are in FAILURE; the others are empty."""

    INFORMATIONAL = 0
    WARNING = 1
    FAILURE = 2
    FATAL = 3
