"""cocotb tests of the mailbox behind cram_registers; run by test_mailbox.py.

The core's side is `Core`: it takes commands after random pauses and answers from a table of pages. What a command must
give is written here once more, from docs/device.md, Mailbox commands.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import cocotb
from cocotb.triggers import Event, RisingEdge

from driver.registers import MAILBOX_COMMAND_LOW_OPCODE, MAILBOX_STATUS_HIGH_RETURN_CODE, Register
from hw.codes import Opcode, PageState, ReturnCode
from hw.link import PAGE_BYTES
from tests.hw.registers_tb import OKAY, TB, pack

PAGES = int(os.environ["PERCEIVED_PAGES"])
PAYLOAD = Register.MAILBOX_PAYLOAD
TRIM, STATE, EXPORT, FLUSH = range(4)
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
    block: bytes = b""
    error: int = 0


class Core:
    """The core's sequencer: one command at a time, pauses before the handshake, between beats and before the reply."""

    def __init__(self, tb: TB) -> None:
        self.dut = tb.dut
        self.random = tb.random
        self.pages: dict[int, Page] = {}
        self.taken: list[tuple[int, int]] = []
        self.slowness = 3
        self.may_answer = Event()
        self.may_answer.set()
        cocotb.start_soon(self._run())

    def trimmed(self) -> list[int]:
        """Pages trimmed since the last call, in order."""
        pages = [page for op, page in self.taken if op == TRIM]
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
            dut.command_ready_i.value = 0
            op, number = int(dut.command_op_o.value), int(dut.command_page_o.value)
            self.taken.append((op, number))
            page = self.pages.get(number, Page())
            if op == EXPORT:
                await self._send(page.block)
            await self._pause()
            await self.may_answer.wait()
            # replies carry all fields, whatever the command: the mailbox picks
            for name in ("state", "cached", "dirty", "error", "length", "crc", "word", "sector"):
                getattr(dut, f"reply_{name}_i").value = getattr(page, name)
            dut.reply_valid_i.value = 1
            await RisingEdge(dut.clk_i)
            dut.reply_valid_i.value = 0

    async def _send(self, block: bytes) -> None:
        dut = self.dut
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


@cocotb.test()
async def identify_tells_firmware_and_capacity(dut: Any) -> None:
    tb = await begun(dut)
    code, reply = await tb.execute(Opcode.IDENTIFY)
    assert code == ReturnCode.SUCCESS
    firmware, units = struct.unpack("<16sQ", reply)
    assert firmware.rstrip(b"\0").decode("ascii").startswith("vcram ")
    assert units == PAGES * PAGE_BYTES >> 28
    assert tb.core.taken == []


@cocotb.test()
async def unknown_opcodes_are_unsupported(dut: Any) -> None:
    tb = await begun(dut)
    known = set(Opcode)
    near = {code ^ 1 << bit for code in known for bit in range(16)} - known
    for opcode in sorted({0, 0xFFFF, 0x4001} | set(tb.random.sample(sorted(near), 12))):
        assert await tb.execute(opcode, length=tb.random.choice([0, 8])) == (ReturnCode.UNSUPPORTED, b"")
    for length in (4097, 0x10000, 0x1FFFFF):  # what the payload cannot hold is wrong for any opcode
        assert await tb.execute(0xFFFF, length=length) == (ReturnCode.INVALID_PAYLOAD_LENGTH, b"")
    assert tb.core.taken == []


@cocotb.test()
async def a_payload_length_that_does_not_fit_is_refused(dut: Any) -> None:
    tb = await begun(dut)
    right = {Opcode.IDENTIFY: 0, Opcode.FLUSH: 0, Opcode.GET_PAGE_STATE: 8, Opcode.EXPORT_BLOCK: 8}
    lengths = [0, 1, 7, 8, 9, 16, 20, 24, 4096, 4097, 0x10000, 0x10008, 0x1FFFFF]
    for opcode, legal in right.items():
        for length in lengths:
            if length != legal:
                answer = await tb.execute(opcode, bytes(8), length=length)
                assert answer == (ReturnCode.INVALID_PAYLOAD_LENGTH, b""), f"{opcode.name} {length}"
    for length in [0, 7, 9, 23, 25, 40, 4096, 0x10018]:
        answer = await tb.execute(Opcode.MEDIA_OPERATIONS, ranges(pages(0, 1)), length=length)
        assert answer == (ReturnCode.INVALID_PAYLOAD_LENGTH, b""), length
    assert tb.core.taken == []


@cocotb.test()
async def a_trim_of_no_ranges_is_the_probe_and_does_nothing(dut: Any) -> None:
    tb = await begun(dut)
    assert await tb.execute(Opcode.MEDIA_OPERATIONS, ranges()) == (ReturnCode.SUCCESS, b"")
    assert tb.core.taken == []


@cocotb.test()
async def trim_drops_every_page_of_every_range_in_order(dut: Any) -> None:
    tb = await begun(dut)
    for count in (1, 2, 3, 4, 7):
        chosen = []
        for _ in range(count):
            first = tb.random.randrange(PAGES)
            chosen.append((first, tb.random.randrange(1, min(6, PAGES - first) + 1)))
        answer = await tb.execute(Opcode.MEDIA_OPERATIONS, ranges(*(pages(*pair) for pair in chosen)))
        assert answer == (ReturnCode.SUCCESS, b"")
        assert tb.core.trimmed() == [first + index for first, length in chosen for index in range(length)]
    tb.core.slowness = 0
    assert (await tb.execute(Opcode.MEDIA_OPERATIONS, ranges(pages(0, PAGES))))[0] == ReturnCode.SUCCESS
    assert tb.core.trimmed() == list(range(PAGES))


@cocotb.test()
async def a_trim_may_fill_the_payload_with_ranges(dut: Any) -> None:
    tb = await begun(dut)
    tb.core.slowness = 0
    chosen = [tb.random.randrange(PAGES) for _ in range(255)]
    answer = await tb.execute(Opcode.MEDIA_OPERATIONS, ranges(*(pages(page, 1) for page in chosen)))
    assert answer == (ReturnCode.SUCCESS, b"")
    assert tb.core.trimmed() == chosen


@cocotb.test()
async def one_bad_range_refuses_the_whole_trim(dut: Any) -> None:
    tb = await begun(dut)
    end = PAGES * PAGE_BYTES
    bad = {
        (1, PAGE_BYTES): ReturnCode.INVALID_INPUT,
        (0, PAGE_BYTES + 1): ReturnCode.INVALID_INPUT,
        (2048, 2048): ReturnCode.INVALID_INPUT,
        (0, 0): ReturnCode.INVALID_INPUT,
        (end, 0): ReturnCode.INVALID_INPUT,
        (end, PAGE_BYTES): ReturnCode.INVALID_PHYSICAL_ADDRESS,
        (0, end + PAGE_BYTES): ReturnCode.INVALID_PHYSICAL_ADDRESS,
        (end - PAGE_BYTES, 2 * PAGE_BYTES): ReturnCode.INVALID_PHYSICAL_ADDRESS,
        (1 << 63, PAGE_BYTES): ReturnCode.INVALID_PHYSICAL_ADDRESS,
        (PAGE_BYTES, (1 << 64) - PAGE_BYTES): ReturnCode.INVALID_PHYSICAL_ADDRESS,  # the sum wraps to 0
        ((1 << 64) - PAGE_BYTES, 2 * PAGE_BYTES): ReturnCode.INVALID_PHYSICAL_ADDRESS,
    }
    for pair, code in bad.items():
        good = [pages(tb.random.randrange(PAGES), 1) for _ in range(tb.random.randrange(4))]
        at = tb.random.randrange(len(good) + 1)
        answer = await tb.execute(Opcode.MEDIA_OPERATIONS, ranges(*good[:at], pair, *good[at:]))
        assert answer == (code, b""), f"{pair} at {at} of {len(good)}"
    assert tb.core.taken == []


@cocotb.test()
async def other_media_operations_are_unsupported(dut: Any) -> None:
    tb = await begun(dut)
    for kind, subclass in [(0, 0), (0, 1), (1, 0), (1, 2), (2, 1), (0x11, 1), (255, 255)]:
        data = ranges(pages(0, 1), kind=kind, subclass=subclass)
        assert await tb.execute(Opcode.MEDIA_OPERATIONS, data) == (ReturnCode.UNSUPPORTED, b"")
    assert tb.core.taken == []


@cocotb.test()
async def a_count_that_contradicts_the_length_is_refused(dut: Any) -> None:
    tb = await begun(dut)
    for count in [0, 1, 3, 256 + 2, 0x1000_0002, 0xFFFF_FFFF]:
        data = ranges(pages(0, 1), pages(1, 1), count=count)
        assert await tb.execute(Opcode.MEDIA_OPERATIONS, data) == (ReturnCode.INVALID_PAYLOAD_LENGTH, b""), count
    assert tb.core.taken == []


@cocotb.test()
async def page_state_shows_what_belongs_to_the_state(dut: Any) -> None:
    """CRC, length and first sector for lz4 and raw only, the word for same only, flags always."""
    tb = await begun(dut)
    for state in PageState:
        for flags in range(4):
            number = tb.random.randrange(PAGES)
            page = Page(
                state=state, cached=flags & 1, dirty=flags >> 1, length=tb.random.randrange(1, 4097),
                crc=tb.random.getrandbits(32), word=tb.random.getrandbits(64), sector=tb.random.getrandbits(32),
            )  # fmt: skip
            tb.core.pages = {number: page}
            code, reply = await tb.execute(Opcode.GET_PAGE_STATE, pack(number * PAGE_BYTES, 0))
            assert code == ReturnCode.SUCCESS
            stored = state in (PageState.LZ4, PageState.RAW)
            assert struct.unpack("<BBHIQI", reply) == (
                state, flags, page.length * stored, page.crc * stored,
                page.word * (state == PageState.SAME), page.sector * stored,
            )  # fmt: skip
            assert tb.core.taken.pop() == (STATE, number)


@cocotb.test()
async def export_gives_the_block_byte_for_byte(dut: Any) -> None:
    tb = await begun(dut)
    lengths = [1, 63, 64, 65, 127, 128, 1000, 3839, 4096, *(tb.random.randrange(1, 4097) for _ in range(4))]
    for length in lengths:
        number = tb.random.randrange(PAGES)
        block = tb.random.randbytes(length)
        tb.core.pages = {number: Page(state=PageState.LZ4, length=length, block=block)}
        answer = await tb.execute(Opcode.EXPORT_BLOCK, pack(number * PAGE_BYTES, 0))
        assert answer == (ReturnCode.SUCCESS, block), f"{length} bytes"
        assert tb.core.taken.pop() == (EXPORT, number)
    tb.core.pages = {}
    assert await tb.execute(Opcode.EXPORT_BLOCK, pack(0, 0)) == (ReturnCode.SUCCESS, b""), "not an lz4 page"


@cocotb.test()
async def an_error_of_the_core_is_an_internal_error(dut: Any) -> None:
    tb = await begun(dut)
    damaged = Page(state=PageState.POISON, length=100, block=bytes(100), error=1)
    tb.core.pages = dict.fromkeys(range(PAGES), damaged)
    for opcode, data in [
        (Opcode.EXPORT_BLOCK, pack(0, 0)),
        (Opcode.GET_PAGE_STATE, pack(0, 0)),
        (Opcode.FLUSH, b""),
        (Opcode.MEDIA_OPERATIONS, ranges(pages(0, 3))),
    ]:
        assert await tb.execute(opcode, data) == (ReturnCode.INTERNAL_ERROR, b""), opcode.name
    assert tb.core.trimmed() == [0], "a trim stops at the error"
    tb.core.pages = {}
    assert await tb.execute(Opcode.FLUSH) == (ReturnCode.SUCCESS, b""), "the next command works"


@cocotb.test()
async def a_dpa_must_be_a_perceived_page(dut: Any) -> None:
    tb = await begun(dut)
    for opcode in (Opcode.GET_PAGE_STATE, Opcode.EXPORT_BLOCK):
        for address in (1, 64, PAGE_BYTES - 1, PAGES * PAGE_BYTES + 1, (1 << 64) - 1):
            assert await tb.execute(opcode, struct.pack("<Q", address)) == (ReturnCode.INVALID_INPUT, b"")
        for address in (PAGES * PAGE_BYTES, 2 * PAGES * PAGE_BYTES, 1 << 44, 1 << 63, (1 << 64) - PAGE_BYTES):
            answer = await tb.execute(opcode, struct.pack("<Q", address))
            assert answer == (ReturnCode.INVALID_PHYSICAL_ADDRESS, b""), hex(address)
    assert tb.core.taken == []
    last = struct.pack("<Q", (PAGES - 1) * PAGE_BYTES)
    assert (await tb.execute(Opcode.GET_PAGE_STATE, last))[0] == ReturnCode.SUCCESS


@cocotb.test()
async def flush_asks_the_core_once(dut: Any) -> None:
    tb = await begun(dut)
    assert await tb.execute(Opcode.FLUSH) == (ReturnCode.SUCCESS, b"")
    assert [op for op, _ in tb.core.taken] == [FLUSH]


@cocotb.test()
async def while_the_doorbell_is_set_nothing_can_be_changed(dut: Any) -> None:
    """Payload, command and doorbell writes are ignored, payload reads are served and do not disturb the command."""
    tb = await begun(dut)
    for _ in range(4):
        chosen = [pages(tb.random.randrange(PAGES - 4), tb.random.randrange(1, 4)) for _ in range(5)]
        data = ranges(*chosen)
        tb.core.may_answer.clear()
        await tb.ring(Opcode.MEDIA_OPERATIONS, data)
        for _ in range(20):
            at = tb.random.randrange(0, len(data), 4)
            assert await tb.write_bytes(PAYLOAD + at, b"\xee" * 4) == OKAY
            await tb.write(Register.MAILBOX_COMMAND_LOW, 0xFFFF_FFFF)
            await tb.write(Register.MAILBOX_COMMAND_HIGH, 0xFFFF_FFFF)
            await tb.write(Register.MAILBOX_CONTROL, tb.random.randrange(2))
            assert await tb.read_bytes(PAYLOAD + at, 4) == data[at : at + 4]
            assert await tb.read(Register.MAILBOX_CONTROL) == 1
            assert await tb.read(Register.MAILBOX_COMMAND_LOW) == Opcode.MEDIA_OPERATIONS | len(data) << 16
            assert await tb.read(Register.MAILBOX_COMMAND_HIGH) == 0
        tb.core.may_answer.set()
        code, reply = await tb.finish()
        assert (code, reply) == (ReturnCode.SUCCESS, b"")
        assert tb.core.trimmed() == [
            page for start, length in chosen for page in range(start // PAGE_BYTES, (start + length) // PAGE_BYTES)
        ]


@cocotb.test()
async def payload_reads_do_not_disturb_the_command(dut: Any) -> None:
    """The host reads in every cycle that it can while ranges are being checked."""
    tb = await begun(dut)
    tb.core.slowness = 0
    data = ranges(*(pages(tb.random.randrange(PAGES), 1) for _ in range(40)))
    await tb.ring(Opcode.MEDIA_OPERATIONS, data)
    reads = [tb.master.init_read(PAYLOAD + tb.random.randrange(0, len(data), 4), 4) for _ in range(80)]
    for read in reads:
        await read.wait()
        assert read.data.data == data[read.data.address - PAYLOAD :][:4]
    assert (await tb.finish())[0] == ReturnCode.SUCCESS
    assert len(tb.core.trimmed()) == 40


@cocotb.test()
async def clearing_the_doorbell_is_the_devices_business(dut: Any) -> None:
    tb = await begun(dut)
    await tb.write(Register.MAILBOX_CONTROL, 0)
    assert await tb.read(Register.MAILBOX_CONTROL) == 0
    tb.core.may_answer.clear()
    await tb.ring(Opcode.FLUSH)
    await tb.write(Register.MAILBOX_CONTROL, 0)
    assert await tb.read(Register.MAILBOX_CONTROL) == 1
    await tb.cycles(10)
    assert dut.idle_o.value == 0, "no access is under way, but a command"
    tb.core.may_answer.set()
    assert (await tb.finish())[0] == ReturnCode.SUCCESS


@cocotb.test()
async def completion_raises_the_interrupt_once(dut: Any) -> None:
    tb = await begun(dut)
    await tb.write(Register.INTERRUPT_ENABLE, MAILBOX)
    await tb.ring(Opcode.FLUSH)
    for _ in range(100):
        await tb.cycles(1)
        if tb.interrupts:
            break
    assert tb.interrupts == MAILBOX
    assert await tb.read(Register.MAILBOX_CONTROL) == 0, "the doorbell is clear when the interrupt comes"
    await tb.write(Register.INTERRUPT_STATUS, MAILBOX)
    await tb.cycles(50)
    assert tb.interrupts == 0


@cocotb.test()
async def a_reset_in_the_middle_forgets_the_command(dut: Any) -> None:
    tb = await begun(dut)
    tb.core.slowness = 0
    for wait in range(0, 40, 7):
        await tb.ring(Opcode.MEDIA_OPERATIONS, ranges(pages(0, 16)))
        await tb.cycles(wait)
        dut.rst_ni.value = 0
        await tb.cycles(1)
        dut.rst_ni.value = 1
        await tb.cycles(4)
        assert await tb.read(Register.MAILBOX_CONTROL) == 0
        assert await tb.read(Register.INTERRUPT_STATUS) == 0
        tb.core.taken.clear()
        assert await tb.execute(Opcode.MEDIA_OPERATIONS, ranges(pages(3, 1))) == (ReturnCode.SUCCESS, b"")
        assert tb.core.trimmed() == [3]


@cocotb.test()
async def random_commands_with_random_stalls(dut: Any) -> None:
    """Any mix of good and bad commands, one after the other, on a bus that stalls."""
    tb = await begun(dut)
    tb.stall(0.3)
    block = tb.random.randbytes(200)
    stored = Page(state=PageState.LZ4, length=200, crc=0x1234, sector=9, block=block)
    tb.core.pages = {page: replace(stored, dirty=page & 1) for page in range(PAGES)}

    def state(page: int) -> bytes:
        return struct.pack("<BBHIQI", PageState.LZ4, (page & 1) << 1, 200, 0x1234, 0, 9)

    good: list[Callable[[int], tuple[int, bytes, bytes]]] = [
        lambda page: (Opcode.FLUSH, b"", b""),
        lambda page: (Opcode.EXPORT_BLOCK, struct.pack("<Q", page * PAGE_BYTES), block),
        lambda page: (Opcode.GET_PAGE_STATE, struct.pack("<Q", page * PAGE_BYTES), state(page)),
        lambda page: (Opcode.MEDIA_OPERATIONS, ranges(pages(page, 1)), b""),
    ]
    for _ in range(25):
        page = tb.random.randrange(PAGES)
        opcode, data, reply = tb.random.choice(good)(page)
        if tb.random.random() < 0.3:
            assert await tb.execute(opcode, data, length=len(data) + 1) == (ReturnCode.INVALID_PAYLOAD_LENGTH, b"")
        else:
            assert await tb.execute(opcode, data) == (ReturnCode.SUCCESS, reply)
