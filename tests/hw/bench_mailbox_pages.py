# SPDX-License-Identifier: MIT
"""Mailbox commands that act on pages: trims, fences, blocks, poison, sanitize; run by test_mailbox.py."""

from __future__ import annotations

import struct
from typing import Any

import cocotb

from hw.codes import Opcode, Operation, PageState, Reason, ReturnCode
from hw.link import PAGE_BYTES
from hw.registers import Register
from tests.hw.expect import expect
from tests.hw.mailbox_tb import LONGEST, MAILBOX, PAGES, PAYLOAD, Page, begun, pages, ranges
from tests.hw.registers_tb import pack


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
async def export_gives_the_block_byte_for_byte(dut: Any) -> None:
    tb = await begun(dut)
    lengths = [1, 63, 64, 65, 127, 128, 1000, 3839, 4096, *(tb.random.randrange(1, 4097) for _ in range(4))]
    for length in lengths:
        number = tb.random.randrange(PAGES)
        block = tb.random.randbytes(length)
        tb.core.pages = {number: Page(state=PageState.LZ4, length=length, block=block)}
        answer = await tb.execute(Opcode.EXPORT_BLOCK, pack(number * PAGE_BYTES, 0))
        assert answer == (ReturnCode.SUCCESS, block), f"{length} bytes"
        assert tb.core.taken.pop() == (Operation.EXPORT, number)
    tb.core.pages = {}
    assert await tb.execute(Opcode.EXPORT_BLOCK, pack(0, 0)) == (ReturnCode.SUCCESS, b""), "not an lz4 page"


@cocotb.test()
async def import_hands_the_block_over_while_the_host_reads_the_payload(dut: Any) -> None:
    tb = await begun(dut)
    for length in [1, 63, 64, 65, 128, 1000, LONGEST, *(tb.random.randrange(1, LONGEST + 1) for _ in range(6))]:
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
        assert tb.core.taken.pop() == (Operation.IMPORT, page)
    answers = {
        Reason.INTERNAL: ReturnCode.INTERNAL_ERROR,
        Reason.INPUT: ReturnCode.INVALID_INPUT,
        Reason.EXHAUSTED: ReturnCode.RESOURCES_EXHAUSTED,
    }
    for reason in Reason:
        code = answers[reason]
        tb.core.pages = {5: Page(error=1, reason=reason)}
        answer = await tb.execute(Opcode.IMPORT_BLOCK, struct.pack("<QI", 5 * PAGE_BYTES, 0) + bytes(53))
        assert answer == (code, b"")
    for length in (0, 8, 64, 64 + LONGEST + 1, 4096):
        answer = await tb.execute(Opcode.IMPORT_BLOCK, bytes(64), length=length)
        assert answer == (ReturnCode.INVALID_PAYLOAD_LENGTH, b""), length


@cocotb.test()
async def fences_are_set_and_cleared_on_ranges(dut: Any) -> None:
    tb = await begun(dut)
    for fence in (1, 0, 1):
        chosen = [(first, tb.random.randrange(1, 4)) for first in (tb.random.randrange(PAGES - 4) for _ in range(3))]
        data = ranges(*(pages(*pair) for pair in chosen), kind=fence, subclass=0)
        assert await tb.execute(Opcode.SET_FENCE, data) == (ReturnCode.SUCCESS, b"")
        op = Operation.FENCE if fence else Operation.UNFENCE
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
async def poison_is_injected_and_cleared_by_line_address(dut: Any) -> None:
    tb = await begun(dut)
    for opcode, op, rest in [
        (Opcode.INJECT_POISON, Operation.INJECT, b""),
        (Opcode.CLEAR_POISON, Operation.CLEAR, bytes(64)),
    ]:
        page = tb.random.randrange(PAGES)
        for line in (0, 5, 63):
            address = struct.pack("<Q", page * PAGE_BYTES + 64 * line)
            assert await tb.execute(opcode, address + rest) == (ReturnCode.SUCCESS, b"")
            assert tb.core.taken.pop() == (op, page)
        assert await tb.execute(opcode, struct.pack("<Q", 32) + rest) == (ReturnCode.INVALID_INPUT, b"")
        outside = struct.pack("<Q", PAGES * PAGE_BYTES)
        assert await tb.execute(opcode, outside + rest) == (ReturnCode.INVALID_PHYSICAL_ADDRESS, b"")
    assert tb.core.taken == []


@cocotb.test()
async def poison_is_cleared_with_zeros_alone(dut: Any) -> None:
    """Any one of the 512 bits that is not zero refuses the command."""
    tb = await begun(dut)
    await tb.write_bytes(PAYLOAD, bytes(72))
    for bit in range(512):
        word = PAYLOAD + 8 + bit // 32 * 4
        await tb.write(word, 1 << bit % 32)
        assert await tb.execute(Opcode.CLEAR_POISON, length=72) == (ReturnCode.INVALID_INPUT, b""), f"bit {bit}"
        await tb.write(word, 0)
    assert tb.core.taken == []
    assert await tb.execute(Opcode.CLEAR_POISON, length=72) == (ReturnCode.SUCCESS, b"")


@cocotb.test()
async def sanitize_trims_every_page_behind_the_commands(dut: Any) -> None:
    """Other commands go on meanwhile; a second one is refused; the end is told by registers and interrupt."""
    tb = await begun(dut)
    await tb.write(Register.INTERRUPT_ENABLE, MAILBOX)
    await tb.expect(Register.MAILBOX_BACKGROUND_LOW, 0)
    for _ in range(2):
        assert await tb.execute(Opcode.SANITIZE) == (ReturnCode.BACKGROUND_STARTED, b"")
        await tb.write(Register.INTERRUPT_STATUS, MAILBOX)
        seen = []
        while await tb.read(Register.MAILBOX_STATUS_LOW) & 1:
            low = await tb.read(Register.MAILBOX_BACKGROUND_LOW)
            assert low & 0xFFFF == Opcode.SANITIZE
            seen.append(low >> 16)
            expect(dut.idle_o, 0)
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
        await tb.expect(Register.MAILBOX_BACKGROUND_LOW, Opcode.SANITIZE | 100 << 16)
        await tb.expect(Register.MAILBOX_BACKGROUND_HIGH, ReturnCode.SUCCESS)
        expect(tb.dut.interrupt_o, MAILBOX)
        await tb.write(Register.INTERRUPT_STATUS, MAILBOX)
        assert tb.core.trimmed()[:PAGES] == list(range(PAGES))


@cocotb.test()
async def flush_asks_the_core_once(dut: Any) -> None:
    tb = await begun(dut)
    assert await tb.execute(Opcode.FLUSH) == (ReturnCode.SUCCESS, b"")
    assert [op for op, _ in tb.core.taken] == [Operation.FLUSH]
