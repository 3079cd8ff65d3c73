# SPDX-License-Identifier: MIT
"""Mailbox: the command channel of the device (docs/device.md; layout of CXL 3.1, 8.2.8.4)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from driver.access import Access
from driver.errors import DeviceTimeout, MailboxError
from hw.clock import Clock, Lock
from hw.codes import Interrupt, Opcode, ReturnCode
from hw.link import PAGE_BYTES
from hw.registers import MAILBOX_CONTROL_DOORBELL, MAILBOX_PAYLOAD_BYTES, Register

RANGE_TIMEOUT_NS = 10_000  # more, for each page of a command over ranges
_RANGES = (MAILBOX_PAYLOAD_BYTES - 8) // 16  # that fit into one command
_HEAD = (Register.MAILBOX_PAYLOAD - Register.MAILBOX_CONTROL) // 4  # registers from the doorbell to the payload


class Mailbox:
    """Runs one command at a time; tasks queue for it, first come, first served.

    The MAILBOX interrupt signals completion. Only this class waits for it and acknowledges it. It must be enabled.
    """

    def __init__(self, access: Access, clock: Clock, timeout_ns: int) -> None:
        self._access = access
        self._timeout_ns = timeout_ns
        self._lock = Lock(clock)
        self._settled = False  # False: a command, of us or of a driver before us, may still be running

    async def execute(
        self, opcode: int, payload: bytes = b"", expected_bytes: int = 0, timeout_ns: int | None = None
    ) -> bytes:
        """Run one command and return its reply.

        Args:
            opcode: the command.
            payload: its input, at most 4096 bytes.
            expected_bytes: length of the reply if known; saves a register transfer.
            timeout_ns: how long to wait for the reply; by default as long as for any command.

        Raises:
            MailboxError: the device answered with a return code other than success and background started.
            DeviceTimeout: no answer in time; later calls wait for that command's end first.
            DeviceLost: the link failed.
            ValueError: the payload is longer than the mailbox.
        """
        if len(payload) > MAILBOX_PAYLOAD_BYTES:
            raise ValueError(f"payload of {len(payload)} bytes, the mailbox takes {MAILBOX_PAYLOAD_BYTES}")
        async with self._lock:
            timeout_ns = timeout_ns or self._timeout_ns
            if not self._settled:
                await self._settle(timeout_ns)
            self._settled = False
            if payload:
                await self._access.write(Register.MAILBOX_PAYLOAD, _words(payload))
            await self._access.write(
                Register.MAILBOX_COMMAND_LOW, [opcode | (len(payload) & 0xFFFF) << 16, len(payload) >> 16]
            )
            await self._access.write(Register.MAILBOX_CONTROL, [1])
            head, reply = await self._answer(_name(opcode), expected_bytes, timeout_ns)
            self._settled = True
            _, low, high, _, return_code, _, _ = head
            if return_code & 0xFFFF not in (ReturnCode.SUCCESS, ReturnCode.BACKGROUND_STARTED):
                raise MailboxError(return_code & 0xFFFF, opcode)
            length = low >> 16 | (high & 0x1F) << 16
            have = len(reply) * 4
            if have < length:
                reply += await self._access.read(Register.MAILBOX_PAYLOAD + have, (length - have + 3) // 4)
            return _bytes(reply)[:length]

    async def execute_on_pages(self, opcode: Opcode, head: tuple[int, int], pages: Sequence[int]) -> None:
        """Run a command that takes ranges of pages, in as many commands as it takes. Raises as `execute` does.

        Args:
            opcode: the command.
            head: the first two bytes of its input.
            pages: ascending, without repeats; runs of consecutive ones are a range each.
        """
        ranges = list(_coalesce(pages))
        for i in range(0, len(ranges), _RANGES):
            part = ranges[i : i + _RANGES]
            payload = bytearray(struct.pack("<BBHI", *head, 0, len(part)))
            for start, count in part:
                payload += struct.pack("<QQ", start * PAGE_BYTES, count * PAGE_BYTES)
            limit = self._timeout_ns + RANGE_TIMEOUT_NS * sum(count for _, count in part)
            await self.execute(opcode, bytes(payload), timeout_ns=limit)

    async def _settle(self, timeout_ns: int) -> None:
        """Wait for the end of a command that nobody waited for: timed out, cancelled, or of an earlier driver."""
        (control,) = await self._access.read(Register.MAILBOX_CONTROL)
        if MAILBOX_CONTROL_DOORBELL.get(control):
            await self._answer("an earlier command", 0, timeout_ns)

    async def _answer(self, command: str, expected_bytes: int, timeout_ns: int) -> tuple[list[int], list[int]]:
        """Wait for completion; the head registers (doorbell to payload), and the words of the reply read with them."""
        while True:
            try:
                await self._access.wait(Interrupt.MAILBOX.mask, timeout_ns)
            except DeviceTimeout:
                raise DeviceTimeout(f"{command} of the mailbox took over {timeout_ns} ns") from None
            # Acknowledge before looking: a completion after the look raises the line again. A line that was left over
            # from a command that timed out shows as a doorbell that is still set.
            await self._access.write(Register.INTERRUPT_STATUS, [Interrupt.MAILBOX.mask])
            registers = await self._access.read(Register.MAILBOX_CONTROL, _HEAD + (expected_bytes + 3) // 4)
            if not MAILBOX_CONTROL_DOORBELL.get(registers[0]):
                return registers[:_HEAD], registers[_HEAD:]


def _coalesce(pages: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(start, count) of each run of consecutive pages; `pages` ascending without repeats."""
    start = 0
    for i in range(1, len(pages) + 1):
        if i == len(pages) or pages[i] != pages[i - 1] + 1:
            yield pages[start], i - start
            start = i


def _words(data: bytes) -> list[int]:
    padded = data + bytes(-len(data) % 4)
    return list(struct.unpack(f"<{len(padded) // 4}I", padded))


def _bytes(words: list[int]) -> bytes:
    return struct.pack(f"<{len(words)}I", *words)


def _name(opcode: int) -> str:
    try:
        return Opcode(opcode).name
    except ValueError:
        return f"0x{opcode:x}"
