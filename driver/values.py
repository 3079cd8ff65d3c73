# SPDX-License-Identifier: MIT
"""What the driver reports: values read from the device."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar

from driver.errors import AddressOutOfRange
from hw.codes import EventCode, PageState
from hw.link import PAGE_BYTES
from hw.registers import Counters, LoadCounters

__all__ = [
    "Capacity", "Counters", "DeviceEvent", "Geometry", "Identity", "LoadCounters", "PageInfo",
    "Pressure",
]  # fmt: skip


@dataclass(frozen=True)
class Geometry:
    """What the device was built with: sizes in pages, sectors, bytes, and bytes per clock cycle of an LZ4 engine."""

    perceived_pages: int
    media_sectors: int
    sector_bytes: int
    cache_pages: int
    bytes_per_cycle: int

    @property
    def raw_sectors(self) -> int:
        """Sectors that a page stored raw takes, and that a store must find free."""
        return PAGE_BYTES // self.sector_bytes

    def check_page(self, page: int) -> None:
        """Raise AddressOutOfRange unless the device has the page."""
        if not 0 <= page < self.perceived_pages:
            raise AddressOutOfRange(f"page {page}, the device has {self.perceived_pages}")


@dataclass(frozen=True)
class PageInfo:
    """Stored form of a page (docs/device/mailbox.md, "Get Page State and Export").

    Attributes:
        state: how it is stored; an open page that was never closed is still free.
        cached: lines of the page are in the page cache.
        dirty: it holds lines that are not yet in the stored form.
        length: bytes of the LZ4 block, 4096 for raw, else 0.
        crc: CRC-32 of the 4096 uncompressed bytes (lz4, raw), else 0.
        word: the repeated 64-bit word (same), else 0.
        first_sector: head of the chain of sectors (lz4, raw), else 0.
        fenced: the host may not write the page.
    """

    state: PageState
    cached: bool
    dirty: bool
    length: int
    crc: int
    word: int
    first_sector: int
    fenced: bool = False

    @classmethod
    def of(cls, reply: bytes) -> PageInfo:
        """From the reply to Get Page State."""
        state, flags, length, crc, word, first_sector = struct.unpack("<BBHIQI", reply)
        cached, dirty, fenced = (bool(flags & bit) for bit in (1, 2, 4))
        return cls(PageState(state), cached, dirty, length, crc, word, first_sector, fenced)


@dataclass(frozen=True)
class Capacity:
    """Use of the media at one moment, in sectors of `sector_bytes`; pages that are stored in it."""

    total_sectors: int
    free_sectors: int
    reserved_sectors: int
    resident_pages: int
    sector_bytes: int

    @classmethod
    def report(cls, reply: bytes) -> tuple[Capacity, int]:
        """From the reply to Get Capacity, with the achieved ratio in per-mille that goes with it."""
        total, free, reserved, resident, sector_bytes, ratio = struct.unpack("<6I", reply)
        return cls(total, free, reserved, resident, sector_bytes), ratio

    @property
    def available_sectors(self) -> int:
        """Free sectors that are not promised to dirty pages."""
        return self.free_sectors - self.reserved_sectors

    @property
    def used_bytes(self) -> int:
        """Media bytes that hold stored pages, whole sectors."""
        return (self.total_sectors - self.free_sectors) * self.sector_bytes

    @property
    def ratio(self) -> float:
        """Bytes of the resident pages per used media byte: 1.0 with no page resident, infinite with no sector used."""
        if self.resident_pages == 0:
            return 1.0
        used = self.used_bytes
        return self.resident_pages * PAGE_BYTES / used if used else float("inf")


@dataclass(frozen=True)
class Pressure:
    """Which of the watermarks' states hold (docs/device/pressure.md, "Watermarks")."""

    high: bool
    medium: bool
    low: bool
    critical: bool


@dataclass(frozen=True)
class DeviceEvent:
    """One entry of the event log: why `page` became poison, or why a write to it was refused."""

    code: EventCode
    page: int


@dataclass(frozen=True)
class Identity:
    """Identify Memory Device.

    Attributes:
        firmware: its revision.
        capacity_units: perceived capacity in whole units of 256 MiB.
        volatile_units: what of it is volatile.
        event_log_sizes: events that the informational, warning, failure and fatal log can hold.
        poison_list_maximum: pages that can be on the poison list.
    """

    firmware: str
    capacity_units: int
    volatile_units: int
    event_log_sizes: tuple[int, int, int, int]
    poison_list_maximum: int

    BYTES: ClassVar[int] = 67

    @classmethod
    def of(cls, reply: bytes) -> Identity:
        """From the reply to Identify Memory Device."""
        firmware, total, volatile, *logs = struct.unpack_from("<16sQQ16x4H", reply)
        return cls(
            firmware.rstrip(b"\0").decode("ascii"), total, volatile, (logs[0], logs[1], logs[2], logs[3]),
            int.from_bytes(reply[0x3C:0x3F], "little"),
        )  # fmt: skip
