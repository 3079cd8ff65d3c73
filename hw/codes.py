"""The numbers of docs/device.md that are not register offsets: states, events, interrupt lines, mailbox codes."""

from __future__ import annotations

from enum import IntEnum


class PageState(IntEnum):
    """How a page is stored (docs/device.md, Page states)."""

    FREE = 0
    ZERO = 1
    SAME = 2
    LZ4 = 3
    RAW = 4
    POISON = 5


class EventCode(IntEnum):
    """What the event log tells: why a page became poison, or why a write was refused (docs/device.md, Events)."""

    EXHAUSTED = 1
    CRC_MISMATCH = 2
    MEDIA_ERROR = 3
    MALFORMED_BLOCK = 4
    NOT_ADMITTED = 5

    @property
    def is_loss(self) -> bool:
        """Whether the page's content is lost: it is poison."""
        return self <= EventCode.MALFORMED_BLOCK


class Interrupt(IntEnum):
    """Interrupt lines (docs/device.md, Interrupts); the value is the bit number."""

    MAILBOX = 0
    EVENT = 1
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
    """Mailbox commands (docs/device.md, Mailbox commands)."""

    IDENTIFY = 0x4000
    MEDIA_OPERATIONS = 0x4402
    GET_PAGE_STATE = 0xC001
    EXPORT_BLOCK = 0xC002
    FLUSH = 0xC003


class ReturnCode(IntEnum):
    """Mailbox return codes (CXL 3.1, table 8-37; the subset in use)."""

    SUCCESS = 0x0
    INVALID_INPUT = 0x2
    UNSUPPORTED = 0x3
    INTERNAL_ERROR = 0x4
    INVALID_PHYSICAL_ADDRESS = 0xF
    INVALID_PAYLOAD_LENGTH = 0x16
