# SPDX-License-Identifier: MIT
"""HotPages: the nominations of hot pages, taken out of the device and kept until somebody asks for them."""

from __future__ import annotations

import struct

from driver.access import Access, to_its_end
from driver.mailbox import Mailbox
from hw.clock import Clock
from hw.codes import Interrupt, Opcode
from hw.link import PAGE_BYTES
from hw.registers import Register

_HEAD = 16  # bytes before the nominations


class HotPages:
    """The nominations of one device. What the device has given leaves its ring: it must not be lost on the way."""

    def __init__(self, access: Access, mailbox: Mailbox, clock: Clock) -> None:
        self._access = access
        self._mailbox = mailbox
        self._clock = clock
        self._pages: list[int] = []

    async def take(self) -> tuple[list[int], int]:
        """The nominations since the last call, oldest first, and how many were dropped since reset; lowers HOT.

        Raises as `Mailbox.execute` does. A caller that is cancelled leaves its nominations to the next call.
        """
        overflow = await to_its_end(self._clock, self._collect)
        pages, self._pages = self._pages, []
        return pages, overflow

    async def _collect(self) -> int:
        """Move the device's ring into `_pages`; nominations dropped since reset."""
        await self._access.write(Register.INTERRUPT_STATUS, [Interrupt.HOT.mask])  # first: one made meanwhile raises it
        reply = await self._mailbox.execute(Opcode.GET_HOT_PAGES, expected_bytes=_HEAD)
        (overflow,) = struct.unpack_from("<4xI", reply)
        self._pages += [address // PAGE_BYTES for address, _ in struct.iter_unpack("<QQ", reply[_HEAD:])]
        return int(overflow)
