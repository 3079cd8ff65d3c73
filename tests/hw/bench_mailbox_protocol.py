# SPDX-License-Identifier: MIT
"""The mailbox itself: doorbell, interrupt, and what no command may look like; run by test_mailbox.py."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cocotb

from hw.codes import Opcode, PageState, ReturnCode
from hw.link import PAGE_BYTES
from hw.registers import Register
from tests.hw.expect import expect
from tests.hw.mailbox_tb import MAILBOX, PAGES, PAYLOAD, Page, begun, pages, ranges
from tests.hw.registers_tb import OKAY, pack


@cocotb.test()
async def unknown_opcodes_are_unsupported(dut: Any) -> None:
    tb = await begun(dut)
    known = set(Opcode)
    near = {code ^ 1 << bit for code in known for bit in range(16)} - known
    for opcode in sorted({0, 0xFFFF, 0x4001, 0x0104} | set(tb.random.sample(sorted(near), 12))):
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
        Opcode.GET_CAPACITY: 0, Opcode.GET_HOT_PAGES: 0, Opcode.GET_EVENT_INTERRUPT_POLICY: 0, Opcode.GET_FW_INFO: 0,
        Opcode.GET_TIMESTAMP: 0, Opcode.SET_TIMESTAMP: 8, Opcode.GET_SUPPORTED_LOGS: 0, Opcode.GET_LOG: 24,
        Opcode.GET_PARTITION_INFO: 0,
    }  # fmt: skip
    counted = {Opcode.CLEAR_EVENT_RECORDS, Opcode.MEDIA_OPERATIONS}  # their input says how long it is
    elsewhere = {Opcode.SET_EVENT_INTERRUPT_POLICY, Opcode.SET_FENCE, Opcode.IMPORT_BLOCK}  # the last two: own benches
    assert {*right, *counted, *elsewhere} == set(Opcode)
    for length in (0, 1, 3, 6, 8, 0x10004):
        answer = await tb.execute(Opcode.SET_EVENT_INTERRUPT_POLICY, bytes(8), length=length)
        assert answer == (ReturnCode.INVALID_PAYLOAD_LENGTH, b""), length
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
            await tb.expect(Register.MAILBOX_CONTROL, 1)
            await tb.expect(Register.MAILBOX_COMMAND_LOW, Opcode.MEDIA_OPERATIONS | len(data) << 16)
            await tb.expect(Register.MAILBOX_COMMAND_HIGH, 0)
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
    await tb.expect(Register.MAILBOX_CONTROL, 0)
    tb.core.may_answer.clear()
    await tb.ring(Opcode.FLUSH)
    await tb.write(Register.MAILBOX_CONTROL, 0)
    await tb.expect(Register.MAILBOX_CONTROL, 1)
    await tb.cycles(10)
    expect(dut.idle_o, 0, "no access is under way, but a command")
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
    expect(tb.dut.interrupt_o, MAILBOX)
    await tb.expect(Register.MAILBOX_CONTROL, 0, "the doorbell is clear when the interrupt comes")
    await tb.write(Register.INTERRUPT_STATUS, MAILBOX)
    await tb.cycles(50)
    expect(tb.dut.interrupt_o, 0)


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
        await tb.expect(Register.MAILBOX_CONTROL, 0)
        await tb.expect(Register.INTERRUPT_STATUS, 0)
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
