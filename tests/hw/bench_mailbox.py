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
from uuid import UUID

import cocotb
from cocotb.triggers import Event, FallingEdge, RisingEdge

from driver.registers import MAILBOX_COMMAND_LOW_OPCODE, MAILBOX_STATUS_HIGH_RETURN_CODE, Register
from hw.codes import Opcode, PageState, ReturnCode
from hw.link import PAGE_BYTES
from tests.hw.registers_tb import OKAY, TB, pack

PAGES = int(os.environ["PERCEIVED_PAGES"])
SECTORS = int(os.environ.get("MEDIA_SECTORS", "16384"))
PAYLOAD = Register.MAILBOX_PAYLOAD
TRIM, STATE, EXPORT, FLUSH, INJECT, CLEAR, FENCE, UNFENCE, IMPORT = range(9)
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
            dut.command_ready_i.value = self.ready_early and self.random.getrandbits(1)
            self.outstanding = True
            op, number = int(dut.command_op_o.value), int(dut.command_page_o.value)
            self.taken.append((op, number))
            page = self.pages.get(number, Page())
            if op == EXPORT:
                await self._send(page.block)
            if op == IMPORT:
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
    for opcode in sorted({0, 0xFFFF, 0x4001, 0x0102} | set(tb.random.sample(sorted(near), 12))):
        assert await tb.execute(opcode, length=tb.random.choice([0, 8])) == (ReturnCode.UNSUPPORTED, b"")
    for length in (4097, 0x10000, 0x1FFFFF):  # what the payload cannot hold is wrong for any opcode
        assert await tb.execute(0xFFFF, length=length) == (ReturnCode.INVALID_PAYLOAD_LENGTH, b"")
    assert tb.core.taken == []


@cocotb.test()
async def a_payload_length_that_does_not_fit_is_refused(dut: Any) -> None:
    tb = await begun(dut)
    right = {
        Opcode.IDENTIFY: 0, Opcode.FLUSH: 0, Opcode.GET_PAGE_STATE: 8, Opcode.EXPORT_BLOCK: 8, Opcode.SANITIZE: 0,
        Opcode.GET_HEALTH_INFO: 0, Opcode.GET_ALERT_CONFIGURATION: 0, Opcode.SET_ALERT_CONFIGURATION: 12,
        Opcode.GET_POISON_LIST: 16, Opcode.INJECT_POISON: 8, Opcode.CLEAR_POISON: 72, Opcode.GET_EVENT_RECORDS: 1,
        Opcode.GET_CAPACITY: 0, Opcode.GET_HOT_PAGES: 0,
    }  # fmt: skip
    lengths = [0, 1, 7, 8, 9, 12, 16, 20, 24, 72, 73, 4096, 4097, 0x10000, 0x10008, 0x1FFFFF]
    for opcode, legal in right.items():
        for length in lengths:
            if length != legal:
                answer = await tb.execute(opcode, bytes(8), length=length)
                assert answer == (ReturnCode.INVALID_PAYLOAD_LENGTH, b""), f"{opcode.name} {length}"
    for length in [0, 5, 7, 9, 4096]:
        answer = await tb.execute(Opcode.CLEAR_EVENT_RECORDS, pack(2, 0), length=length)
        assert answer == (ReturnCode.INVALID_PAYLOAD_LENGTH, b""), length
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
    for kind, subclass in [(0, 1), (1, 0), (1, 2), (2, 1), (0x11, 1), (255, 255)]:
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
        for flags in range(8):
            number = tb.random.randrange(PAGES)
            page = Page(
                state=state, cached=flags & 1, dirty=flags >> 1 & 1, fenced=flags >> 2,
                length=tb.random.randrange(1, 4097), crc=tb.random.getrandbits(32),
                word=tb.random.getrandbits(64), sector=tb.random.getrandbits(32),
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
async def import_hands_the_block_over_while_the_host_reads_the_payload(dut: Any) -> None:
    tb = await begun(dut)
    for length in [1, 63, 64, 65, 128, 1000, 3840, *(tb.random.randrange(1, 3841) for _ in range(6))]:
        page, crc, block = tb.random.randrange(PAGES), tb.random.getrandbits(32), tb.random.randbytes(length)
        tb.core.slowness = tb.random.choice([0, 3])
        tb.core.wanted = tb.random.choice([1 << 20, 1 << 20, 64])
        head = struct.pack("<QI", page * PAGE_BYTES, crc) + tb.random.randbytes(52)
        await tb.ring(Opcode.IMPORT_BLOCK, head + block)
        reads = [tb.master.init_read(PAYLOAD + 4 * tb.random.randrange(16), 4) for _ in range(40)]
        for read in reads:
            await read.wait()
            assert read.data.data == head[read.data.address - PAYLOAD :][:4]
        assert await tb.finish() == (ReturnCode.SUCCESS, b"")
        assert tb.core.imported == block[: tb.core.wanted]
        assert (tb.core.crc, tb.core.length) == (crc, length)
        assert tb.core.taken.pop() == (IMPORT, page)
    reasons = [ReturnCode.INTERNAL_ERROR, ReturnCode.INVALID_INPUT, ReturnCode.RESOURCES_EXHAUSTED]
    for reason, code in enumerate(reasons):
        tb.core.pages = {5: Page(error=1, reason=reason)}
        answer = await tb.execute(Opcode.IMPORT_BLOCK, struct.pack("<QI", 5 * PAGE_BYTES, 0) + bytes(53))
        assert answer == (code, b"")
    for length in (0, 8, 64, 64 + 4096 - 255, 4096):
        answer = await tb.execute(Opcode.IMPORT_BLOCK, bytes(64), length=length)
        assert answer == (ReturnCode.INVALID_PAYLOAD_LENGTH, b""), length


@cocotb.test()
async def fences_are_set_and_cleared_on_ranges(dut: Any) -> None:
    tb = await begun(dut)
    for fence in (1, 0, 1):
        chosen = [(first, tb.random.randrange(1, 4)) for first in (tb.random.randrange(PAGES - 4) for _ in range(3))]
        data = ranges(*(pages(*pair) for pair in chosen), kind=fence, subclass=0)
        assert await tb.execute(Opcode.SET_FENCE, data) == (ReturnCode.SUCCESS, b"")
        op = FENCE if fence else UNFENCE
        assert tb.core.taken == [(op, first + n) for first, count in chosen for n in range(count)]
        tb.core.taken.clear()
    assert await tb.execute(Opcode.SET_FENCE, ranges(kind=1, subclass=0)) == (ReturnCode.SUCCESS, b"")
    for kind, subclass in [(2, 0), (3, 0), (128, 0), (1, 1), (0, 1)]:
        data = ranges(pages(0, 1), kind=kind, subclass=subclass)
        assert await tb.execute(Opcode.SET_FENCE, data) == (ReturnCode.INVALID_INPUT, b"")
    for pair, code in [((0, 64), ReturnCode.INVALID_INPUT), (pages(PAGES, 1), ReturnCode.INVALID_PHYSICAL_ADDRESS)]:
        data = ranges(pages(0, 1), pair, kind=1, subclass=0)
        assert await tb.execute(Opcode.SET_FENCE, data) == (code, b"")
    for length in (0, 7, 12, 23, 25):
        answer = await tb.execute(Opcode.SET_FENCE, ranges(pages(0, 1), kind=1, subclass=0), length=length)
        assert answer == (ReturnCode.INVALID_PAYLOAD_LENGTH, b""), length
    assert tb.core.taken == []


@cocotb.test()
async def discovery_lists_the_media_operations(dut: Any) -> None:
    tb = await begun(dut)
    both = bytes([0, 0, 1, 1])
    for first, wanted, listed in [(0, 2, both), (0, 0xFFFF, both), (0, 1, both[:2]), (1, 1, both[2:]), (1, 9, both[2:]),
                                  (0, 0, b""), (2, 1, b""), (0x100, 2, b"")]:  # fmt: skip
        data = struct.pack("<BBHIHH", 0, 0, 0, 0, first, wanted)
        reply = struct.pack("<QHH", PAGE_BYTES, 2, len(listed) // 2) + listed
        assert await tb.execute(Opcode.MEDIA_OPERATIONS, data) == (ReturnCode.SUCCESS, reply)
    data = struct.pack("<BBHIHH", 0, 0, 0, 1, 0, 2)
    assert await tb.execute(Opcode.MEDIA_OPERATIONS, data) == (ReturnCode.INVALID_INPUT, b"")
    for length in (8, 11, 13, 24):
        answer = await tb.execute(Opcode.MEDIA_OPERATIONS, bytes(24), length=length)
        assert answer == (ReturnCode.INVALID_PAYLOAD_LENGTH, b"")
    assert tb.core.taken == []


@cocotb.test()
async def the_poison_list_goes_on_where_it_was_cut_off(dut: Any) -> None:
    """All pages but a few are poison; a reply holds 254."""
    tb = await begun(dut)
    tb.core.slowness = 0
    poison = {page: tb.random.choice([1, 2, 3, 4, 6]) for page in range(PAGES) if page % 7}
    tb.core.pages = {page: Page(state=PageState.POISON, cause=cause) for page, cause in poison.items()}
    source = {1: 7, 2: 2, 3: 2, 4: 2, 6: 3}

    async def listed(first: int, count: int) -> tuple[bool, list[tuple[int, int]]]:
        data = struct.pack("<QQ", first * PAGE_BYTES, count * PAGE_BYTES // 64)
        code, reply = await tb.execute(Opcode.GET_POISON_LIST, data)
        assert code == ReturnCode.SUCCESS
        more, overflow, records = struct.unpack_from("<BxQH", reply)
        assert (overflow, reply[12:32]) == (0, bytes(20))
        assert len(reply) == 32 + 16 * records
        found = []
        for address, length, reserved in struct.iter_unpack("<QII", reply[32:]):
            assert (length, reserved) == (64, 0)
            found.append((address // PAGE_BYTES, address % PAGE_BYTES))
        return bool(more), found

    def expected(first: int, count: int) -> list[tuple[int, int]]:
        return [(page, source[poison[page]]) for page in range(first, first + count) if page in poison]

    for _ in range(4):
        first = tb.random.randrange(PAGES)
        count = tb.random.randrange(1, min(PAGES - first, 200) + 1)
        assert await listed(first, count) == (False, expected(first, count))
    everything: list[tuple[int, int]] = []
    more = True
    while more:
        more, part = await listed(0, PAGES)
        assert len(part) == 254 or not more
        everything += part
    assert everything == expected(0, PAGES)
    if PAGES > 300:
        assert (await listed(0, PAGES))[0]
        assert await listed(0, 100) == (False, expected(0, 100)), "another range starts anew"
        assert (await listed(0, PAGES))[1][0] == expected(0, PAGES)[0]
    for start, units, code in [
        (64, 64, ReturnCode.INVALID_INPUT), (0, 63, ReturnCode.INVALID_INPUT), (0, 0, ReturnCode.INVALID_INPUT),
        (PAGES * PAGE_BYTES, 64, ReturnCode.INVALID_PHYSICAL_ADDRESS),
        (0, 64 * PAGES + 64, ReturnCode.INVALID_PHYSICAL_ADDRESS),
        (0, (1 << 58) + 64, ReturnCode.INVALID_PHYSICAL_ADDRESS), (0, 1 << 63, ReturnCode.INVALID_PHYSICAL_ADDRESS),
    ]:  # fmt: skip
        answer = await tb.execute(Opcode.GET_POISON_LIST, struct.pack("<QQ", start, units))
        assert answer == (code, b""), (start, units)


@cocotb.test()
async def poison_is_injected_and_cleared_by_line_address(dut: Any) -> None:
    tb = await begun(dut)
    for opcode, op, rest in [(Opcode.INJECT_POISON, INJECT, b""), (Opcode.CLEAR_POISON, CLEAR, bytes(64))]:
        page = tb.random.randrange(PAGES)
        for line in (0, 5, 63):
            address = struct.pack("<Q", page * PAGE_BYTES + 64 * line)
            assert await tb.execute(opcode, address + rest) == (ReturnCode.SUCCESS, b"")
            assert tb.core.taken.pop() == (op, page)
        assert await tb.execute(opcode, struct.pack("<Q", 32) + rest) == (ReturnCode.INVALID_INPUT, b"")
        outside = struct.pack("<Q", PAGES * PAGE_BYTES)
        assert await tb.execute(opcode, outside + rest) == (ReturnCode.INVALID_PHYSICAL_ADDRESS, b"")
    for bit in (0, 63, 64, 300, 511):
        data = bytes(8) + (1 << bit).to_bytes(64, "little")
        assert await tb.execute(Opcode.CLEAR_POISON, data) == (ReturnCode.INVALID_INPUT, b""), "only zeros"
    assert tb.core.taken == []


@cocotb.test()
async def event_records_have_the_layout_of_cxl_and_are_cleared_oldest_first(dut: Any) -> None:
    tb = await begun(dut)
    log: list[tuple[int, int]] = []  # of (code, page)
    popped = lost = 0

    def record(code: int, page: int, handle: int) -> bytes:
        loss, media = code in (1, 2, 3, 4, 6), 2 <= code <= 4
        head = UUID("fbcd0a77-c260-417f-85a9-088b1621eba6").bytes + struct.pack("<I", 128 | 2 << 8)
        head += struct.pack("<HHQ", handle, 0, 0) + bytes(16)
        body = struct.pack("<QBBBH", page << 12 | 1, loss, 0 if media else 2, 0 if media else 4 if code == 6 else 2, 8)
        return head + body + bytes(5) + bytes([code]) + bytes(61)

    def handle(index: int) -> int:
        return 0x8000 | popped + index & 0x7FFF

    for _ in range(14):
        for _ in range(tb.random.randrange(12)):
            event = (tb.random.randrange(1, 9), tb.random.getrandbits(24))
            await tb.pulse(event_valid=1, event_code=event[0], event_page=event[1])
            if len(log) < 16:
                log.append(event)
            else:
                lost += 1
        code, reply = await tb.execute(Opcode.GET_EVENT_RECORDS, b"\2")
        assert code == ReturnCode.SUCCESS
        header = struct.pack("<BBHQQH10x", lost != 0, 0, lost, 0, 0, len(log))
        assert reply == header + b"".join(record(*event, handle(n)) for n, event in enumerate(log))
        for other in (0, 1, 3):
            assert await tb.execute(Opcode.GET_EVENT_RECORDS, bytes([other])) == (ReturnCode.SUCCESS, bytes(32))
        count = tb.random.randrange(len(log) + 1)
        if count > 1:
            for wrong in ([handle(1)], [handle(0), handle(0)], [handle(1), handle(0)], [0], [handle(len(log))]):
                data = struct.pack(f"<BBB3x{len(wrong)}H", 2, 0, len(wrong), *wrong)
                assert await tb.execute(Opcode.CLEAR_EVENT_RECORDS, data) == (ReturnCode.INVALID_HANDLE, b"")
        data = struct.pack(f"<BBB3x{count}H", 2, 0, count, *map(handle, range(count)))
        assert await tb.execute(Opcode.CLEAR_EVENT_RECORDS, data) == (ReturnCode.SUCCESS, b"")
        del log[:count]
        popped += count
        if count:
            lost = 0
        assert await tb.read(Register.EVENT_COUNT) == len(log)
        if log and tb.random.random() < 0.5:  # the register drops events, too
            await tb.write(Register.EVENT_POP, 1)
            del log[0]
            popped += 1
        everything = struct.pack("<BBB3x", 2, 1, 0)
        if lost:
            assert await tb.execute(Opcode.CLEAR_EVENT_RECORDS, everything) == (ReturnCode.SUCCESS, b"")
            popped += len(log)
            log, lost = [], 0
        else:
            assert await tb.execute(Opcode.CLEAR_EVENT_RECORDS, everything) == (ReturnCode.INVALID_INPUT, b"")
    for data, code in [
        (bytes([4]), ReturnCode.INVALID_LOG), (bytes([255]), ReturnCode.INVALID_LOG),
    ]:  # fmt: skip
        assert await tb.execute(Opcode.GET_EVENT_RECORDS, data) == (code, b"")
    for data, code in [
        (struct.pack("<BBB3x", 4, 0, 0), ReturnCode.INVALID_LOG),
        (struct.pack("<BBB3x", 2, 2, 0), ReturnCode.INVALID_INPUT),
        (struct.pack("<BBB3xH", 2, 1, 1, handle(0)), ReturnCode.INVALID_INPUT),
        (struct.pack("<BBB3xH", 1, 0, 1, handle(0)), ReturnCode.INVALID_HANDLE),
        (struct.pack("<BBB3x", 1, 0, 0), ReturnCode.SUCCESS),
    ]:
        assert await tb.execute(Opcode.CLEAR_EVENT_RECORDS, data) == (code, b"")


@cocotb.test()
async def health_and_alerts_have_the_layout_of_cxl(dut: Any) -> None:
    tb = await begun(dut)

    async def health() -> bytes:
        code, reply = await tb.execute(Opcode.GET_HEALTH_INFO)
        assert code == ReturnCode.SUCCESS
        return reply

    assert await health() == struct.pack("<BBBBHIII", 0, 0, 0, 0xFF, 0x7FFF, 0, 0, 0)
    await tb.write(Register.LOW_WATERMARK, 5)  # nothing is free
    assert (await health())[0] == 1 << 1
    await tb.write(Register.CRITICAL_WATERMARK, 5)
    assert (await health())[0] == 1 << 1 | 1 << 3

    def alerts(valid: int, threshold: int) -> bytes:
        return struct.pack("<BBBB6H", valid, 8, 100, 0, 0x7FFF, 0x8000, 0, 0, threshold, 0)

    assert await tb.execute(Opcode.GET_ALERT_CONFIGURATION) == (ReturnCode.SUCCESS, alerts(0, 0))

    async def set_alerts(valid: int, enable: int, threshold: int) -> int:
        data = struct.pack("<BBBB4H", valid, enable, 9, 0, 1, 2, threshold, 3)
        return (await tb.execute(Opcode.SET_ALERT_CONFIGURATION, data))[0]

    assert await set_alerts(8, 8, 0x1234) == ReturnCode.SUCCESS
    assert await tb.execute(Opcode.GET_ALERT_CONFIGURATION) == (ReturnCode.SUCCESS, alerts(8, 0x1234))
    assert await set_alerts(0, 8, 1) == ReturnCode.SUCCESS, "nothing is valid, nothing changes"
    for other in (1, 2, 4, 16, 32, 64, 128):
        assert await set_alerts(8 | other, 8, 1) == ReturnCode.INVALID_INPUT
    assert await tb.execute(Opcode.GET_ALERT_CONFIGURATION) == (ReturnCode.SUCCESS, alerts(8, 0x1234))
    assert await set_alerts(8, 0xF7, 7) == ReturnCode.SUCCESS
    assert await tb.execute(Opcode.GET_ALERT_CONFIGURATION) == (ReturnCode.SUCCESS, alerts(0, 7))
    for threshold in (0xFFFF, *(tb.random.getrandbits(16) for _ in range(8)), 0):
        assert await set_alerts(8, 8, threshold) == ReturnCode.SUCCESS
        assert await tb.execute(Opcode.GET_ALERT_CONFIGURATION) == (ReturnCode.SUCCESS, alerts(8, threshold))


@cocotb.test()
async def capacity_is_read_in_one_command(dut: Any) -> None:
    tb = await begun(dut)
    for _ in range(5):
        free, reserved, resident = tb.random.randrange(SECTORS), tb.random.getrandbits(10), tb.random.randrange(1, 4096)
        dut.free_sectors_i.value, dut.reserved_sectors_i.value, dut.resident_pages_i.value = free, reserved, resident
        ratio = resident * 16 * 1000 // (SECTORS - free)
        reply = struct.pack("<6I", SECTORS, free, reserved, resident, 256, ratio)
        reading = cocotb.start_soon(tb.read(Register.ACHIEVED_RATIO))  # both use the one divider
        assert await tb.execute(Opcode.GET_CAPACITY) == (ReturnCode.SUCCESS, reply)
        assert await reading == ratio


@cocotb.test()
async def hot_pages_leave_the_ring_in_order(dut: Any) -> None:
    """As many as are in it when the command is taken; one that is nominated meanwhile stays for the next."""
    tb = await begun(dut)
    ring: list[int] = []

    def show() -> None:
        dut.hot_count_i.value = len(ring)
        dut.hot_page_i.value = ring[0] if ring else 0

    async def tracker() -> None:
        while True:
            await RisingEdge(dut.clk_i)
            if dut.hot_pop_o.value == 1:
                ring.pop(0)
                show()

    cocotb.start_soon(tracker())
    for count in (0, 1, 5, 64, 63):
        ring += [tb.random.getrandbits(32) for _ in range(count - len(ring))]
        overflow = tb.random.getrandbits(32)
        dut.hot_overflow_i.value = overflow
        show()
        nominated = list(ring)
        meanwhile = count in (5, 63)
        if meanwhile:
            await tb.ring(Opcode.GET_HOT_PAGES)
            while len(ring) == count:
                await RisingEdge(dut.clk_i)
            ring.append(tb.random.getrandbits(32))
            show()
            code, reply = await tb.finish()
        else:
            code, reply = await tb.execute(Opcode.GET_HOT_PAGES)
        expected = struct.pack("<IIQ", count, overflow, 0)
        expected += b"".join(struct.pack("<QQ", page * PAGE_BYTES, 0) for page in nominated)
        assert (code, reply) == (ReturnCode.SUCCESS, expected)
        assert len(ring) == meanwhile
    assert (await tb.execute(Opcode.GET_HOT_PAGES, b"x"))[0] == ReturnCode.INVALID_PAYLOAD_LENGTH
    assert len(ring) == 1


@cocotb.test()
async def sanitize_trims_every_page_behind_the_commands(dut: Any) -> None:
    """Other commands go on meanwhile; a second one is refused; the end is told by registers and interrupt."""
    tb = await begun(dut)
    await tb.write(Register.INTERRUPT_ENABLE, MAILBOX)
    assert await tb.read(Register.MAILBOX_BACKGROUND_LOW) == 0
    for _ in range(2):
        assert await tb.execute(Opcode.SANITIZE) == (ReturnCode.BACKGROUND_STARTED, b"")
        await tb.write(Register.INTERRUPT_STATUS, MAILBOX)
        seen = []
        while await tb.read(Register.MAILBOX_STATUS_LOW) & 1:
            low = await tb.read(Register.MAILBOX_BACKGROUND_LOW)
            assert low & 0xFFFF == Opcode.SANITIZE
            seen.append(low >> 16)
            assert dut.idle_o.value == 0
            choice = tb.random.randrange(3)
            if choice == 0 and await tb.read(Register.MAILBOX_STATUS_LOW) & 1:
                answer = await tb.execute(Opcode.SANITIZE)
                assert answer[0] == ReturnCode.BUSY or not await tb.read(Register.MAILBOX_STATUS_LOW) & 1
                if answer[0] != ReturnCode.BUSY:
                    break
            elif choice == 1:
                page = tb.random.randrange(PAGES)
                tb.core.pages = {page: Page(state=PageState.ZERO)}
                code, reply = await tb.execute(Opcode.GET_PAGE_STATE, struct.pack("<Q", page * PAGE_BYTES))
                assert (code, reply[0]) == (ReturnCode.SUCCESS, PageState.ZERO)
        while await tb.read(Register.MAILBOX_STATUS_LOW) & 1:
            pass
        assert seen == sorted(seen)
        assert await tb.read(Register.MAILBOX_BACKGROUND_LOW) == Opcode.SANITIZE | 100 << 16
        assert await tb.read(Register.MAILBOX_BACKGROUND_HIGH) == ReturnCode.SUCCESS
        assert tb.interrupts == MAILBOX
        await tb.write(Register.INTERRUPT_STATUS, MAILBOX)
        assert tb.core.trimmed()[:PAGES] == list(range(PAGES))


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
    tb.core.ready_early = False  # nobody tells the core of the reset
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
