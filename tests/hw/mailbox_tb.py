# SPDX-License-Identifier: MIT
"""TB of the mailbox behind cram_registers: a host that runs commands, and the core's side, which answers them.

What a command must give is written once more in the benches, bench_mailbox_*.py, from docs/device/mailbox.md.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import Any

import cocotb
from cocotb.triggers import Event, FallingEdge, RisingEdge

from hw.codes import Operation, PageState, ReturnCode
from hw.link import PAGE_BYTES
from hw.registers import MAILBOX_COMMAND_LOW_OPCODE, MAILBOX_STATUS_HIGH_RETURN_CODE, Register
from tests.hw.registers_tb import OKAY, TB

PAGES = int(os.environ["PERCEIVED_PAGES"])
SECTORS = int(os.environ.get("MEDIA_SECTORS", "16384"))
SECTOR_BYTES = int(os.environ.get("SECTOR_BYTES", "256"))
LONGEST = PAGE_BYTES - SECTOR_BYTES  # of LZ4 blocks: one that saves no sector is kept raw
PAYLOAD = Register.MAILBOX_PAYLOAD
MAILBOX = 1


@dataclass(frozen=True)
class Page:
    """What the core answers for a page."""

    state: int = PageState.FREE
    cached: int = 0
    dirty: int = 0
    length: int = 0
    crc: int = 0
    word: int = 0
    sector: int = 0
    cause: int = 0
    fenced: int = 0
    reason: int = 0
    block: bytes = b""
    error: int = 0


class Core:
    """The core's sequencer: one command at a time, pauses before the handshake, between beats and before the reply.

    It may show itself ready before it has replied: that there is one command at a time is the mailbox's business.
    """

    def __init__(self, tb: TB) -> None:
        self.dut = tb.dut
        self.random = tb.random
        self.pages: dict[int, Page] = {}
        self.taken: list[tuple[int, int]] = []
        self.slowness = 3
        self.imported = b""
        self.wanted = 1 << 20
        self.crc = self.length = 0
        self.may_answer = Event()
        self.may_answer.set()
        self.ready_early = True
        self.outstanding = False
        cocotb.start_soon(self._run())
        cocotb.start_soon(self._watch())

    def trimmed(self) -> list[int]:
        """Pages trimmed since the last call, in order."""
        pages = [page for op, page in self.taken if op == Operation.TRIM]
        self.taken.clear()
        return pages

    async def _pause(self) -> None:
        for _ in range(self.random.randrange(self.slowness + 1)):
            await RisingEdge(self.dut.clk_i)

    async def _run(self) -> None:
        dut = self.dut
        while True:
            dut.command_ready_i.value = 0
            await self._pause()
            dut.command_ready_i.value = 1
            while True:
                await RisingEdge(dut.clk_i)
                if dut.command_valid_o.value:
                    break
            dut.command_ready_i.value = self.ready_early and self.random.getrandbits(1)
            self.outstanding = True
            op, number = int(dut.command_op_o.value), int(dut.command_page_o.value)
            self.taken.append((op, number))
            page = self.pages.get(number, Page())
            if op == Operation.EXPORT:
                await self._send(page.block)
            if op == Operation.IMPORT:
                await self._receive()
            await self._pause()
            await self.may_answer.wait()
            # replies carry all fields, whatever the command: the mailbox picks
            for name in (
                "state",
                "cached",
                "dirty",
                "error",
                "length",
                "crc",
                "word",
                "sector",
                "cause",
                "fenced",
                "reason",
            ):
                getattr(dut, f"reply_{name}_i").value = getattr(page, name)
            dut.reply_valid_i.value = 1
            await RisingEdge(dut.clk_i)
            dut.reply_valid_i.value = 0
            self.outstanding = False

    async def _watch(self) -> None:
        while True:
            await FallingEdge(self.dut.clk_i)
            assert not (self.outstanding and self.dut.command_valid_o.value), "a command before the last one's reply"

    async def _receive(self) -> None:
        """Take a block; `wanted` bytes of it at most, as a core that has found it malformed."""
        dut = self.dut
        self.imported = b""
        while len(self.imported) < self.wanted:
            await self._pause()
            dut.import_ready_i.value = 1
            await RisingEdge(dut.clk_i)
            dut.import_ready_i.value = 0
            if dut.import_valid_o.value:
                data = int(dut.import_data_o.value).to_bytes(64, "little")
                self.imported += data[: int(dut.import_bytes_o.value)]
                if dut.import_last_o.value:
                    break
        self.crc, self.length = int(dut.import_crc_o.value), int(dut.import_length_o.value)

    async def _send(self, block: bytes) -> None:
        """A block, now and then after beats of one that was read in vain."""
        if block and self.random.random() < 0.3:
            await self._beats(self.random.randbytes(self.random.randrange(1, 4097)))
        await self._beats(block)

    async def _beats(self, block: bytes) -> None:
        dut = self.dut
        dut.block_start_i.value = 1
        await RisingEdge(dut.clk_i)
        dut.block_start_i.value = 0
        for start in range(0, len(block), 64):
            await self._pause()
            beat = block[start : start + 64]
            beat += self.random.randbytes(64 - len(beat))  # bytes behind the block are not the block's
            dut.block_data_i.value = int.from_bytes(beat, "little")
            dut.block_valid_i.value = 1
            await RisingEdge(dut.clk_i)
            dut.block_valid_i.value = 0


class Mailbox(TB):
    """TB with a core, and a host that runs commands."""

    core: Core

    async def begin(self) -> None:
        """Reset, connect, attach the core."""
        await self.start()
        self.connect()
        self.core = Core(self)

    async def ring(self, opcode: int, data: bytes = b"", length: int | None = None) -> None:
        """Write payload, command and doorbell; returns without waiting for the command."""
        if data:
            assert await self.write_bytes(PAYLOAD, data) == OKAY
        size = len(data) if length is None else length
        await self.write(Register.MAILBOX_COMMAND_HIGH, size >> 16)
        await self.write(Register.MAILBOX_COMMAND_LOW, opcode | (size & 0xFFFF) << 16)
        await self.write(Register.MAILBOX_CONTROL, 1)

    async def finish(self) -> tuple[int, bytes]:
        """Wait for the doorbell to clear; return code and reply."""
        for _ in range(20_000):
            if not await self.read(Register.MAILBOX_CONTROL):
                break
        else:
            raise AssertionError("the doorbell stays set")
        code = MAILBOX_STATUS_HIGH_RETURN_CODE.get(await self.read(Register.MAILBOX_STATUS_HIGH))
        low, high = await self.read(Register.MAILBOX_COMMAND_LOW), await self.read(Register.MAILBOX_COMMAND_HIGH)
        return code, await self.read_bytes(PAYLOAD, low >> 16 | high << 16)

    async def execute(self, opcode: int, data: bytes = b"", length: int | None = None) -> tuple[int, bytes]:
        """One whole command; it must raise its interrupt and keep its opcode in the register."""
        await self.write(Register.INTERRUPT_STATUS, MAILBOX)
        await self.ring(opcode, data, length)
        code, reply = await self.finish()
        assert await self.read(Register.INTERRUPT_STATUS) & MAILBOX
        assert MAILBOX_COMMAND_LOW_OPCODE.get(await self.read(Register.MAILBOX_COMMAND_LOW)) == opcode
        assert code == ReturnCode.SUCCESS or reply == b"", "an error has no output"
        return code, reply


def ranges(*pairs: tuple[int, int], kind: int = 1, subclass: int = 1, count: int | None = None) -> bytes:
    """Payload of Media Operations: (start DPA, bytes) pairs."""
    header = struct.pack("<BBHI", kind, subclass, 0, len(pairs) if count is None else count)
    return header + b"".join(struct.pack("<QQ", start, length) for start, length in pairs)


def pages(first: int, count: int) -> tuple[int, int]:
    """A range of whole pages."""
    return first * PAGE_BYTES, count * PAGE_BYTES


async def begun(dut: Any) -> Mailbox:
    tb = Mailbox(dut)
    await tb.begin()
    return tb
