# SPDX-License-Identifier: MIT
"""Registers of the device. Generated from hw/regs/cram.rdl by `make regs`; do not edit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum


class Register(IntEnum):
    """Byte offsets of the registers and of the mailbox payload."""

    ID = 0x0000
    VERSION = 0x0004
    STATUS = 0x0008
    PERCEIVED_PAGES = 0x0010
    MEDIA_SECTORS = 0x0014
    SECTOR_BYTES = 0x0018
    CACHE_PAGES = 0x001C
    BYTES_PER_CYCLE = 0x0020
    FREE_SECTORS = 0x0024
    RESERVED_SECTORS = 0x0028
    RESIDENT_PAGES = 0x002C
    INTERRUPT_STATUS = 0x0030
    INTERRUPT_ENABLE = 0x0034
    LOW_WATERMARK = 0x0038
    RECOVERED_WATERMARK = 0x003C
    EVENT_COUNT = 0x0040
    EVENT_CODE = 0x0044
    EVENT_PAGE = 0x0048
    EVENT_POP = 0x004C
    EVENT_OVERFLOW = 0x0050
    ACHIEVED_RATIO = 0x0054
    HIGH_WATERMARK = 0x0058
    MEDIUM_WATERMARK = 0x005C
    CRITICAL_WATERMARK = 0x0060
    WATERMARK_HYSTERESIS = 0x0064
    MEDIA_TIME_LIMIT = 0x0068
    EVENT_SECTOR = 0x006C
    CYCLES_LOW = 0x0080
    CYCLES_HIGH = 0x0084
    PAGES_CLOSED = 0x0088
    CLOSED_ZERO = 0x008C
    CLOSED_SAME = 0x0090
    CLOSED_LZ4 = 0x0094
    CLOSED_RAW = 0x0098
    PAGES_FILLED = 0x009C
    PAGES_OPENED = 0x00A0
    PAGES_TRIMMED = 0x00A4
    PAGES_POISONED = 0x00A8
    LINES_READ = 0x00AC
    LINES_WRITTEN = 0x00B0
    BLOCK_BYTES_LOW = 0x00B4
    BLOCK_BYTES_HIGH = 0x00B8
    LINES_NOT_ADMITTED = 0x00BC
    LINES_FENCED = 0x00C0
    PAGES_IMPORTED = 0x00C4
    MEDIA_TIMEOUTS = 0x00C8
    SECTORS_RETIRED = 0x00CC
    LINES_REFUSED = 0x00D0
    BITS_CORRECTED = 0x00D4
    HEAT_THRESHOLD = 0x0100
    HEAT_PERIOD = 0x0104
    HOT_COUNT = 0x0108
    HOT_PAGE = 0x010C
    HOT_POP = 0x0110
    HOT_OVERFLOW = 0x0114
    READS_AT_HAND = 0x0180
    READS_ASIDE = 0x0184
    OPENED_FREE = 0x0188
    OPENED_ZERO = 0x018C
    OPENED_SAME = 0x0190
    OPENED_LZ4 = 0x0194
    OPENED_RAW = 0x0198
    STALLS_WRITE = 0x019C
    STALLS_ENTRY = 0x01A0
    STALLS_FILLER = 0x01A4
    STALLS_ROOM = 0x01A8
    CLOSING = 0x01AC
    FILLING_1 = 0x01B0
    FILLING_2 = 0x01B4
    FILLING_3 = 0x01B8
    FILLING_4 = 0x01BC
    MEDIA_READ_BEATS = 0x01C0
    MEDIA_WRITE_BEATS = 0x01C4
    MEDIA_STALLS = 0x01C8
    READS_WITHIN_8 = 0x01CC
    READS_WITHIN_16 = 0x01D0
    READS_WITHIN_32 = 0x01D4
    READS_WITHIN_64 = 0x01D8
    READS_WITHIN_128 = 0x01DC
    READS_WITHIN_256 = 0x01E0
    READS_WITHIN_512 = 0x01E4
    READS_WITHIN_1024 = 0x01E8
    READS_WITHIN_2048 = 0x01EC
    READS_LATER = 0x01F0
    CXL_ARRAY = 0x1000
    CXL_ARRAY_COUNT = 0x1004
    CXL_STATUS = 0x1010
    CXL_STATUS_OFFSET = 0x1014
    CXL_STATUS_LENGTH = 0x1018
    CXL_MAILBOX = 0x1020
    CXL_MAILBOX_OFFSET = 0x1024
    CXL_MAILBOX_LENGTH = 0x1028
    CXL_MEMORY = 0x1030
    CXL_MEMORY_OFFSET = 0x1034
    CXL_MEMORY_LENGTH = 0x1038
    EVENT_STATUS = 0x1080
    MEMORY_DEVICE_STATUS = 0x1088
    MAILBOX_CAPABILITIES = 0x1FE0
    MAILBOX_CONTROL = 0x1FE4
    MAILBOX_COMMAND_LOW = 0x1FE8
    MAILBOX_COMMAND_HIGH = 0x1FEC
    MAILBOX_STATUS_LOW = 0x1FF0
    MAILBOX_STATUS_HIGH = 0x1FF4
    MAILBOX_BACKGROUND_LOW = 0x1FF8
    MAILBOX_BACKGROUND_HIGH = 0x1FFC
    MAILBOX_PAYLOAD = 0x2000


@dataclass(frozen=True)
class Field:
    """Bits of a 32-bit register."""

    register: Register
    lsb: int
    width: int

    @property
    def mask(self) -> int:
        """The field's bits."""
        return ((1 << self.width) - 1) << self.lsb

    def get(self, word: int) -> int:
        """The field's value in a register's value."""
        return (word & self.mask) >> self.lsb

    def put(self, value: int) -> int:
        """A register's value with only this field. Raises ValueError when it does not fit."""
        if value < 0 or value >> self.width:
            raise ValueError(f"{value:#x} does not fit {self.width} bits")
        return value << self.lsb


# Values that never change
ID_VALUE = 0x4352414D
VERSION_VALUE = 0x00010000
CXL_ARRAY_VALUE = 0x00010000
CXL_ARRAY_COUNT_VALUE = 0x00000003
CXL_STATUS_VALUE = 0x00020001
CXL_STATUS_OFFSET_VALUE = 0x00000080
CXL_STATUS_LENGTH_VALUE = 0x00000008
CXL_MAILBOX_VALUE = 0x00010002
CXL_MAILBOX_OFFSET_VALUE = 0x00000FE0
CXL_MAILBOX_LENGTH_VALUE = 0x00001020
CXL_MEMORY_VALUE = 0x00014000
CXL_MEMORY_OFFSET_VALUE = 0x00000088
CXL_MEMORY_LENGTH_VALUE = 0x00000008
MAILBOX_CAPABILITIES_VALUE = 0x0000006C
CONSTANTS: dict[Register, int] = {
    Register.ID: ID_VALUE,
    Register.VERSION: VERSION_VALUE,
    Register.CXL_ARRAY: CXL_ARRAY_VALUE,
    Register.CXL_ARRAY_COUNT: CXL_ARRAY_COUNT_VALUE,
    Register.CXL_STATUS: CXL_STATUS_VALUE,
    Register.CXL_STATUS_OFFSET: CXL_STATUS_OFFSET_VALUE,
    Register.CXL_STATUS_LENGTH: CXL_STATUS_LENGTH_VALUE,
    Register.CXL_MAILBOX: CXL_MAILBOX_VALUE,
    Register.CXL_MAILBOX_OFFSET: CXL_MAILBOX_OFFSET_VALUE,
    Register.CXL_MAILBOX_LENGTH: CXL_MAILBOX_LENGTH_VALUE,
    Register.CXL_MEMORY: CXL_MEMORY_VALUE,
    Register.CXL_MEMORY_OFFSET: CXL_MEMORY_OFFSET_VALUE,
    Register.CXL_MEMORY_LENGTH: CXL_MEMORY_LENGTH_VALUE,
    Register.MAILBOX_CAPABILITIES: MAILBOX_CAPABILITIES_VALUE,
}

# Values after reset that are not 0, of registers that are written
MEDIA_TIME_LIMIT_RESET = 0x00010000

# Fields that are not the whole register
STATUS_READY = Field(Register.STATUS, lsb=0, width=1)
STATUS_IDLE = Field(Register.STATUS, lsb=1, width=1)
STATUS_LOW = Field(Register.STATUS, lsb=2, width=1)
STATUS_HIGH = Field(Register.STATUS, lsb=3, width=1)
STATUS_MEDIUM = Field(Register.STATUS, lsb=4, width=1)
STATUS_CRITICAL = Field(Register.STATUS, lsb=5, width=1)
INTERRUPT_STATUS_MAILBOX = Field(Register.INTERRUPT_STATUS, lsb=0, width=1)
INTERRUPT_STATUS_EVENT = Field(Register.INTERRUPT_STATUS, lsb=1, width=1)
INTERRUPT_STATUS_HOT = Field(Register.INTERRUPT_STATUS, lsb=2, width=1)
INTERRUPT_STATUS_HIGH = Field(Register.INTERRUPT_STATUS, lsb=10, width=1)
INTERRUPT_STATUS_MEDIUM = Field(Register.INTERRUPT_STATUS, lsb=11, width=1)
INTERRUPT_STATUS_LOW = Field(Register.INTERRUPT_STATUS, lsb=12, width=1)
INTERRUPT_STATUS_RECOVERED = Field(Register.INTERRUPT_STATUS, lsb=13, width=1)
INTERRUPT_STATUS_CRITICAL = Field(Register.INTERRUPT_STATUS, lsb=14, width=1)
INTERRUPT_ENABLE_MAILBOX = Field(Register.INTERRUPT_ENABLE, lsb=0, width=1)
INTERRUPT_ENABLE_EVENT = Field(Register.INTERRUPT_ENABLE, lsb=1, width=1)
INTERRUPT_ENABLE_HOT = Field(Register.INTERRUPT_ENABLE, lsb=2, width=1)
INTERRUPT_ENABLE_HIGH = Field(Register.INTERRUPT_ENABLE, lsb=10, width=1)
INTERRUPT_ENABLE_MEDIUM = Field(Register.INTERRUPT_ENABLE, lsb=11, width=1)
INTERRUPT_ENABLE_LOW = Field(Register.INTERRUPT_ENABLE, lsb=12, width=1)
INTERRUPT_ENABLE_RECOVERED = Field(Register.INTERRUPT_ENABLE, lsb=13, width=1)
INTERRUPT_ENABLE_CRITICAL = Field(Register.INTERRUPT_ENABLE, lsb=14, width=1)
EVENT_POP_POP = Field(Register.EVENT_POP, lsb=0, width=1)
HOT_POP_POP = Field(Register.HOT_POP, lsb=0, width=1)
CXL_ARRAY_IDENTIFIER = Field(Register.CXL_ARRAY, lsb=0, width=16)
CXL_ARRAY_VERSION = Field(Register.CXL_ARRAY, lsb=16, width=8)
CXL_STATUS_IDENTIFIER = Field(Register.CXL_STATUS, lsb=0, width=16)
CXL_STATUS_VERSION = Field(Register.CXL_STATUS, lsb=16, width=8)
CXL_MAILBOX_IDENTIFIER = Field(Register.CXL_MAILBOX, lsb=0, width=16)
CXL_MAILBOX_VERSION = Field(Register.CXL_MAILBOX, lsb=16, width=8)
CXL_MEMORY_IDENTIFIER = Field(Register.CXL_MEMORY, lsb=0, width=16)
CXL_MEMORY_VERSION = Field(Register.CXL_MEMORY, lsb=16, width=8)
EVENT_STATUS_FAILURE = Field(Register.EVENT_STATUS, lsb=2, width=1)
MEMORY_DEVICE_STATUS_MEDIA = Field(Register.MEMORY_DEVICE_STATUS, lsb=2, width=2)
MEMORY_DEVICE_STATUS_MAILBOX = Field(Register.MEMORY_DEVICE_STATUS, lsb=4, width=1)
MAILBOX_CAPABILITIES_PAYLOAD_SIZE = Field(Register.MAILBOX_CAPABILITIES, lsb=0, width=5)
MAILBOX_CAPABILITIES_INTERRUPT = Field(Register.MAILBOX_CAPABILITIES, lsb=5, width=1)
MAILBOX_CAPABILITIES_BACKGROUND_INTERRUPT = Field(Register.MAILBOX_CAPABILITIES, lsb=6, width=1)
MAILBOX_CONTROL_DOORBELL = Field(Register.MAILBOX_CONTROL, lsb=0, width=1)
MAILBOX_COMMAND_LOW_OPCODE = Field(Register.MAILBOX_COMMAND_LOW, lsb=0, width=16)
MAILBOX_COMMAND_LOW_LENGTH = Field(Register.MAILBOX_COMMAND_LOW, lsb=16, width=16)
MAILBOX_COMMAND_HIGH_LENGTH = Field(Register.MAILBOX_COMMAND_HIGH, lsb=0, width=5)
MAILBOX_STATUS_LOW_BACKGROUND = Field(Register.MAILBOX_STATUS_LOW, lsb=0, width=1)
MAILBOX_STATUS_HIGH_RETURN_CODE = Field(Register.MAILBOX_STATUS_HIGH, lsb=0, width=16)
MAILBOX_BACKGROUND_LOW_OPCODE = Field(Register.MAILBOX_BACKGROUND_LOW, lsb=0, width=16)
MAILBOX_BACKGROUND_LOW_PERCENTAGE = Field(Register.MAILBOX_BACKGROUND_LOW, lsb=16, width=7)
MAILBOX_BACKGROUND_HIGH_RETURN_CODE = Field(Register.MAILBOX_BACKGROUND_HIGH, lsb=0, width=16)

MAILBOX_PAYLOAD_BYTES = 4096


@dataclass(frozen=True)
class Counters:
    """Counters since reset (docs/device/registers.md). Those of pages and lines wrap at 32 bit."""

    cycles: int = 0
    pages_closed: int = 0
    closed_zero: int = 0
    closed_same: int = 0
    closed_lz4: int = 0
    closed_raw: int = 0
    pages_filled: int = 0
    pages_opened: int = 0
    pages_trimmed: int = 0
    pages_poisoned: int = 0
    lines_read: int = 0
    lines_written: int = 0
    block_bytes: int = 0
    lines_not_admitted: int = 0
    lines_fenced: int = 0
    pages_imported: int = 0
    media_timeouts: int = 0
    sectors_retired: int = 0
    lines_refused: int = 0
    bits_corrected: int = 0

    @classmethod
    def of(cls, words: Sequence[int]) -> Counters:
        """From as many registers as there are COUNTERS, read from FIRST_COUNTER on."""
        values = dict.fromkeys((name for name, _ in COUNTERS.values()), 0)
        for word, (name, shift) in zip(words, COUNTERS.values(), strict=True):
            values[name] |= word << shift
        return cls(**values)


@dataclass(slots=True)
class Counts:
    """The same to count in, in Python's integers."""

    cycles: int = 0
    pages_closed: int = 0
    closed_zero: int = 0
    closed_same: int = 0
    closed_lz4: int = 0
    closed_raw: int = 0
    pages_filled: int = 0
    pages_opened: int = 0
    pages_trimmed: int = 0
    pages_poisoned: int = 0
    lines_read: int = 0
    lines_written: int = 0
    block_bytes: int = 0
    lines_not_admitted: int = 0
    lines_fenced: int = 0
    pages_imported: int = 0
    media_timeouts: int = 0
    sectors_retired: int = 0
    lines_refused: int = 0
    bits_corrected: int = 0


COUNTERS: dict[Register, tuple[str, int]] = {
    Register.CYCLES_LOW: ("cycles", 0),
    Register.CYCLES_HIGH: ("cycles", 32),
    Register.PAGES_CLOSED: ("pages_closed", 0),
    Register.CLOSED_ZERO: ("closed_zero", 0),
    Register.CLOSED_SAME: ("closed_same", 0),
    Register.CLOSED_LZ4: ("closed_lz4", 0),
    Register.CLOSED_RAW: ("closed_raw", 0),
    Register.PAGES_FILLED: ("pages_filled", 0),
    Register.PAGES_OPENED: ("pages_opened", 0),
    Register.PAGES_TRIMMED: ("pages_trimmed", 0),
    Register.PAGES_POISONED: ("pages_poisoned", 0),
    Register.LINES_READ: ("lines_read", 0),
    Register.LINES_WRITTEN: ("lines_written", 0),
    Register.BLOCK_BYTES_LOW: ("block_bytes", 0),
    Register.BLOCK_BYTES_HIGH: ("block_bytes", 32),
    Register.LINES_NOT_ADMITTED: ("lines_not_admitted", 0),
    Register.LINES_FENCED: ("lines_fenced", 0),
    Register.PAGES_IMPORTED: ("pages_imported", 0),
    Register.MEDIA_TIMEOUTS: ("media_timeouts", 0),
    Register.SECTORS_RETIRED: ("sectors_retired", 0),
    Register.LINES_REFUSED: ("lines_refused", 0),
    Register.BITS_CORRECTED: ("bits_corrected", 0),
}
"""The counters' registers, one behind the other: the count that each shows, and from which bit of it on."""

PULSES = (
    Register.CLOSED_ZERO,
    Register.CLOSED_SAME,
    Register.CLOSED_LZ4,
    Register.CLOSED_RAW,
    Register.PAGES_FILLED,
    Register.PAGES_OPENED,
    Register.PAGES_TRIMMED,
    Register.PAGES_POISONED,
    Register.LINES_READ,
    Register.LINES_WRITTEN,
    Register.LINES_NOT_ADMITTED,
    Register.LINES_FENCED,
    Register.PAGES_IMPORTED,
    Register.MEDIA_TIMEOUTS,
    Register.SECTORS_RETIRED,
    Register.LINES_REFUSED,
    Register.BITS_CORRECTED,
)
"""The counters that count pulses of a signal of their own; the RTL numbers the signals in this order."""

FIRST_COUNTER = Register.CYCLES_LOW


@dataclass(frozen=True)
class LoadCounters:
    """What the device did under load, since reset (docs/device/load.md). All wrap at 32 bit; the model's are 0."""

    reads_at_hand: int
    reads_aside: int
    opened_free: int
    opened_zero: int
    opened_same: int
    opened_lz4: int
    opened_raw: int
    stalls_write: int
    stalls_entry: int
    stalls_filler: int
    stalls_room: int
    closing: int
    filling_1: int
    filling_2: int
    filling_3: int
    filling_4: int
    media_read_beats: int
    media_write_beats: int
    media_stalls: int
    reads_within_8: int
    reads_within_16: int
    reads_within_32: int
    reads_within_64: int
    reads_within_128: int
    reads_within_256: int
    reads_within_512: int
    reads_within_1024: int
    reads_within_2048: int
    reads_later: int


LOADS = (
    Register.READS_AT_HAND,
    Register.READS_ASIDE,
    Register.OPENED_FREE,
    Register.OPENED_ZERO,
    Register.OPENED_SAME,
    Register.OPENED_LZ4,
    Register.OPENED_RAW,
    Register.STALLS_WRITE,
    Register.STALLS_ENTRY,
    Register.STALLS_FILLER,
    Register.STALLS_ROOM,
    Register.CLOSING,
    Register.FILLING_1,
    Register.FILLING_2,
    Register.FILLING_3,
    Register.FILLING_4,
    Register.MEDIA_READ_BEATS,
    Register.MEDIA_WRITE_BEATS,
    Register.MEDIA_STALLS,
    Register.READS_WITHIN_8,
    Register.READS_WITHIN_16,
    Register.READS_WITHIN_32,
    Register.READS_WITHIN_64,
    Register.READS_WITHIN_128,
    Register.READS_WITHIN_256,
    Register.READS_WITHIN_512,
    Register.READS_WITHIN_1024,
    Register.READS_WITHIN_2048,
    Register.READS_LATER,
)
"""Their registers, in this order and one behind the other."""
