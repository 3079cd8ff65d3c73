# SPDX-License-Identifier: MIT
"""Mailbox commands that report something, and the layouts of their replies; run by test_mailbox.py."""

from __future__ import annotations

import struct
from typing import Any
from uuid import UUID

import cocotb
from cocotb.triggers import RisingEdge

from hw.codes import Opcode, Operation, PageState, ReturnCode
from hw.link import PAGE_BYTES
from hw.registers import Register
from tests.hw.mailbox_tb import PAGES, SECTOR_BYTES, SECTORS, Page, begun
from tests.hw.registers_tb import pack


@cocotb.test()
async def page_state_shows_what_belongs_to_the_state(dut: Any) -> None:
    """CRC, length and first sector for pages on the media only, the word for those that keep one, flags always."""
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
            stored = state.on_media
            assert struct.unpack("<BBHIQI", reply) == (
                state, flags, page.length * stored, page.crc * stored,
                page.word * state.keeps_word, page.sector * stored,
            )  # fmt: skip
            assert tb.core.taken.pop() == (Operation.STATE, number)


@cocotb.test()
async def the_poison_list_goes_on_where_it_was_cut_off(dut: Any) -> None:
    """All pages but a few are poison; a reply holds 254."""
    tb = await begun(dut)
    tb.core.slowness = 0
    poison = {page: tb.random.choice([2, 3, 4, 6]) for page in range(PAGES) if page % 7}
    tb.core.pages = {page: Page(state=PageState.POISON, cause=cause) for page, cause in poison.items()}
    source = {2: 2, 3: 2, 4: 2, 6: 3}

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
        (32, 64, ReturnCode.INVALID_INPUT), (1, 64, ReturnCode.INVALID_INPUT), (0, 0, ReturnCode.INVALID_INPUT),
        (64, 0, ReturnCode.INVALID_INPUT), ((PAGES - 1) * PAGE_BYTES + 64, 64, ReturnCode.INVALID_PHYSICAL_ADDRESS),
        (PAGE_BYTES - 64, (1 << 57) - 1, ReturnCode.INVALID_PHYSICAL_ADDRESS),
        (PAGE_BYTES - 64, (1 << 57), ReturnCode.INVALID_PHYSICAL_ADDRESS),
        (0, (1 << 58) - 1, ReturnCode.INVALID_PHYSICAL_ADDRESS),
        (PAGES * PAGE_BYTES, 64, ReturnCode.INVALID_PHYSICAL_ADDRESS),
        (0, 64 * PAGES + 64, ReturnCode.INVALID_PHYSICAL_ADDRESS),
        (0, (1 << 58) + 64, ReturnCode.INVALID_PHYSICAL_ADDRESS), (0, 1 << 63, ReturnCode.INVALID_PHYSICAL_ADDRESS),
    ]:  # fmt: skip
        answer = await tb.execute(Opcode.GET_POISON_LIST, struct.pack("<QQ", start, units))
        assert answer == (code, b""), (start, units)


@cocotb.test()
async def a_poison_list_of_some_lines_names_the_pages_that_they_touch(dut: Any) -> None:
    tb = await begun(dut)
    tb.core.slowness = 0
    poison = set(range(0, PAGES, 2))
    tb.core.pages = {page: Page(state=PageState.POISON, cause=6) for page in poison}
    lines = PAGE_BYTES // 64
    some = [(0, 1), (lines - 1, 1), (lines - 1, 2), (lines, lines), (1, lines), (PAGES * lines - 1, 1)]
    some += [(tb.random.randrange(8 * lines), tb.random.randrange(1, 4 * lines)) for _ in range(12)]
    for first, count in some:
        code, reply = await tb.execute(Opcode.GET_POISON_LIST, struct.pack("<QQ", first * 64, count))
        touched = range(first // lines, (first + count - 1) // lines + 1)
        found = [address // PAGE_BYTES for address, _, _ in struct.iter_unpack("<QII", reply[32:])]
        assert (code, found) == (ReturnCode.SUCCESS, sorted(poison & set(touched))), (first, count)


@cocotb.test()
async def event_records_have_the_layout_of_cxl_and_are_cleared_oldest_first(dut: Any) -> None:
    tb = await begun(dut)
    log: list[tuple[int, int]] = []  # of (code, page)
    popped = lost = 0

    def record(code: int, page: int, handle: int) -> bytes:
        loss, media = code in (2, 3, 4, 6), 2 <= code <= 4
        head = UUID("fbcd0a77-c260-417f-85a9-088b1621eba6").bytes + struct.pack("<I", 128 | 2 << 8)
        head += struct.pack("<HHQ", handle, 0, 0) + bytes(16)
        body = struct.pack("<QBBBH", page << 12 | 1, loss, 0 if media else 2, 0 if media else 4 if code == 6 else 2, 8)
        return head + body + bytes(5) + bytes([code]) + bytes(61)

    def handle(index: int) -> int:
        return 0x8000 | popped + index & 0x7FFF

    for _ in range(14):
        for _ in range(tb.random.randrange(12)):
            event = (tb.random.randrange(1, 11), tb.random.getrandbits(24))
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
        await tb.expect(Register.EVENT_COUNT, len(log))
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
        ratio = resident * (PAGE_BYTES // SECTOR_BYTES) * 1000 // (SECTORS - free)
        reply = struct.pack("<6I", SECTORS, free, reserved, resident, SECTOR_BYTES, ratio)
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
