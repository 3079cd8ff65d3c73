# SPDX-License-Identifier: MIT
"""Link: everything a host can do to a device, whatever runs the device behind it.

The rules are in docs/device.md. Every implementation lives in `hw/links/`. A link moves bytes and reports bus
responses; what they mean is for the driver to say.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Protocol

from hw.clock import Clock

PAGE_BYTES = 4096
LINE_BYTES = 64
LINES_PER_PAGE = PAGE_BYTES // LINE_BYTES
ZERO_PAGE = bytes(PAGE_BYTES)


class Response(IntEnum):
    """AXI response codes (AMBA AXI, A3.4.4)."""

    OKAY = 0
    EXOKAY = 1
    SLVERR = 2
    DECERR = 3


class LinkError(Exception):
    """The link itself failed: the device or its simulator is gone."""


class BusError(Exception):
    """A bus access was answered with an error response.

    Attributes:
        response: the worst response of the transfer.
        address: first byte address of the transfer (DPA, or register offset).
    """

    def __init__(self, response: Response, address: int) -> None:
        super().__init__(f"{response.name} at 0x{address:x}")
        self.response = response
        self.address = address


def check_lines(address: int, length: int) -> None:
    """Raise ValueError unless so many bytes at an address are whole lines inside one page."""
    offset = address % PAGE_BYTES
    if address < 0 or address % LINE_BYTES or length <= 0 or length % LINE_BYTES or offset + length > PAGE_BYTES:
        raise ValueError(f"{length} bytes at 0x{address:x} are not whole lines inside one page")


def check_registers(offset: int, count: int) -> None:
    """Raise ValueError unless an offset is one of 32-bit registers, and there is at least one to access."""
    if offset < 0 or offset % 4 or count < 1:
        raise ValueError(f"{count} registers at 0x{offset:x}: expected a multiple of 4 and at least one")


class Link(Protocol):
    """A host's access to one device.

    Reads, writes and register accesses may be issued by several tasks at once; each channel serves them in the order of
    the calls. All addresses and lengths are in bytes. Every access raises LinkError once the link is closed, and
    ValueError for what `check_lines` and `check_registers` refuse.
    """

    @property
    def clock(self) -> Clock:
        """The clock on which this link's device lives."""

    @property
    def cycles(self) -> int:
        """Device clock cycles run so far."""

    @property
    def resets(self) -> int:
        """Resets so far. A host's port sees its link go down. Code that keeps state of the device looks at it."""

    async def read(self, address: int, length: int) -> bytes:
        """Read `length` bytes (a multiple of 64, inside one page, 64-byte aligned). Raises BusError, LinkError."""

    async def write(self, address: int, data: bytes) -> None:
        """Write whole lines (a multiple of 64 bytes, inside one page, aligned). Returns after the write response.
        Raises BusError, LinkError."""

    async def read_registers(self, offset: int, count: int = 1) -> list[int]:
        """Read `count` consecutive 32-bit registers. Raises BusError, LinkError."""

    async def write_registers(self, offset: int, values: list[int]) -> None:
        """Write consecutive 32-bit registers. Raises BusError, LinkError."""

    def interrupts(self) -> int:
        """The interrupt lines now, as a mask of 16 bits."""

    async def wait_interrupt(self, mask: int) -> int:
        """Wait until a line in `mask` is high; returns the lines of `mask` that are high. Raises LinkError, also when
        the device is reset meanwhile."""

    async def reset(self) -> None:
        """Pulse the reset; returns once the device has taken it (STATUS.ready is the driver's to poll)."""

    async def close(self) -> None:
        """Release the device. Idempotent."""
