# SPDX-License-Identifier: MIT
"""What a host of CXL asks of a memory device before it uses it; run by test_mailbox.py.

The layouts are written here once more, from the specification.
"""

from __future__ import annotations

import struct
from typing import Any
from uuid import UUID

import cocotb

from hw.codes import Opcode, ReturnCode
from hw.link import PAGE_BYTES
from hw.registers import Register
from tests.hw.expect import PERIOD_NS, expect
from tests.hw.mailbox_tb import PAGES, Mailbox, begun

CEL = UUID("0da9c0b5-bf41-4b78-8f79-96b1623b3f17").bytes
DATA, POLICY, LOG, BACKGROUND = 1 << 2, 1 << 3, 1 << 4, 1 << 6
EFFECTS = {
    0x0101: LOG, 0x0103: POLICY, 0x0301: POLICY, 0x4202: POLICY, 0x4301: DATA, 0x4302: DATA, 0x4400: DATA | BACKGROUND,
    0x4402: DATA, 0xC004: DATA, 0xC005: LOG, 0xC006: POLICY,
}  # fmt: skip
UNITS = PAGES * PAGE_BYTES >> 28
EVENT = 1 << 1


async def answer(tb: Mailbox, opcode: int, data: bytes = b"") -> bytes:
    """The reply of a command that must succeed."""
    code, reply = await tb.execute(opcode, data)
    assert code == ReturnCode.SUCCESS, (hex(opcode), code)
    return reply


@cocotb.test()
async def identify_has_the_67_bytes_of_cxl(dut: Any) -> None:
    tb = await begun(dut)
    reply = await answer(tb, Opcode.IDENTIFY)
    assert len(reply) == 0x43
    firmware, total, volatile, persistent, alignment = struct.unpack_from("<16s4Q", reply)
    assert firmware.rstrip(b"\0").decode("ascii").startswith("vcram ")
    assert (total, volatile, persistent, alignment) == (UNITS, UNITS, 0, 0)
    assert struct.unpack_from("<4HI", reply, 0x30) == (16, 16, 16, 16, 0), "sizes of the logs and of label storage"
    assert int.from_bytes(reply[0x3C:0x3F], "little") == min(PAGES, 0xFFFFFF), "every page can be poison"
    assert reply[0x3F:] == bytes(4), "no limit of injected poison, no scan, no telemetry"
    assert tb.core.taken == []


@cocotb.test()
async def firmware_and_partitions_have_the_layout_of_cxl(dut: Any) -> None:
    tb = await begun(dut)
    revision = (await answer(tb, Opcode.IDENTIFY))[:16]
    assert await answer(tb, Opcode.GET_FW_INFO) == bytes([1, 1, 0]) + bytes(13) + revision + bytes(48)
    assert await answer(tb, Opcode.GET_PARTITION_INFO) == struct.pack("<4Q", UNITS, 0, 0, 0)


@cocotb.test()
async def the_command_effects_log_names_every_command_and_what_it_changes(dut: Any) -> None:
    """An opcode is in the log exactly if it is not answered as unsupported."""
    tb = await begun(dut)
    head, log_bytes = struct.unpack("<H6x", (await answer(tb, Opcode.GET_SUPPORTED_LOGS))[:8])[0], 4 * len(Opcode)
    assert head == 1
    assert (await answer(tb, Opcode.GET_SUPPORTED_LOGS))[8:] == CEL + struct.pack("<I", log_bytes)
    log = await answer(tb, Opcode.GET_LOG, CEL + struct.pack("<II", 0, log_bytes))
    entries = dict(struct.iter_unpack("<HH", log))
    assert entries == {opcode: EFFECTS.get(opcode, 0) for opcode in Opcode}
    sets = [*range(0x06), 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0xC0]
    for opcode in [high << 8 | low for high in sets for low in range(8)]:
        code, _ = await tb.execute(opcode, length=3)  # which no command takes
        right = ReturnCode.INVALID_PAYLOAD_LENGTH if opcode in entries else ReturnCode.UNSUPPORTED
        assert code == right, hex(opcode)


@cocotb.test()
async def any_part_of_the_log_can_be_read(dut: Any) -> None:
    tb = await begun(dut)
    size = 4 * len(Opcode)
    log = await answer(tb, Opcode.GET_LOG, CEL + struct.pack("<II", 0, size))
    parts = [(0, 4096), (0, 0xFFFFFFFF), (size, 0), (size, 5), (size - 1, 1), (0, 0), (1, 0x10001), (3, 0x200)]
    parts += [(tb.random.randrange(size), tb.random.randrange(size)) for _ in range(12)]
    for offset, length in parts:
        part = await answer(tb, Opcode.GET_LOG, CEL + struct.pack("<II", offset, length))
        assert part == log[offset : offset + length], (offset, length)
    for offset in (size + 1, 512, 0x10000, 0xFFFFFFFF):
        data = CEL + struct.pack("<II", offset, 4)
        assert await tb.execute(Opcode.GET_LOG, data) == (ReturnCode.INVALID_INPUT, b"")
    for bit in range(128):
        wrong = (int.from_bytes(CEL, "little") ^ 1 << bit).to_bytes(16, "little")
        data = wrong + struct.pack("<II", 0, size)
        assert await tb.execute(Opcode.GET_LOG, data) == (ReturnCode.INVALID_LOG, b""), bit
    assert (await tb.execute(Opcode.GET_LOG, bytes(24)))[0] == ReturnCode.INVALID_LOG


@cocotb.test()
async def the_time_is_zero_until_it_is_set_and_goes_on_from_there(dut: Any) -> None:
    tb = await begun(dut)

    async def time() -> int:
        return int.from_bytes(await answer(tb, Opcode.GET_TIMESTAMP), "little")

    def now() -> int:
        return int(cocotb.utils.get_sim_time("ns")) // PERIOD_NS  # cycles, each of which is one of the device's ns

    assert await time() == 0
    for start in (1 << 60, 0x0123_4567_89AB_CDEF, 1_700_000_000_000_000_000, (1 << 64) - 10, 5):
        before = now()
        assert await answer(tb, Opcode.SET_TIMESTAMP, struct.pack("<Q", start)) == b""
        after = now()
        await tb.cycles(tb.random.randrange(1, 500))
        asked = now()
        elapsed = (await time() - start) % (1 << 64)
        assert asked - after <= elapsed <= now() - before
    dut.rst_ni.value = 0
    await tb.cycles(1)
    dut.rst_ni.value = 1
    await tb.cycles(2)
    assert await time() == 0, "a reset forgets it"


@cocotb.test()
async def the_event_interrupt_policy_of_the_failure_log_is_the_enable_of_event(dut: Any) -> None:
    tb = await begun(dut)

    def policy(bits: int) -> bytes:
        return bytes(0x10 | bits >> log & 1 for log in range(4))

    assert await answer(tb, Opcode.GET_EVENT_INTERRUPT_POLICY) == policy(0)
    for bits in [*range(16), 0b1111, 0b0000, 0b0100]:
        others = tb.random.choice([0, 1 << 0, 1 << 12])
        await tb.write(Register.INTERRUPT_ENABLE, others | tb.random.choice([0, EVENT]))
        data = bytes((tb.random.getrandbits(4) << 4) | bits >> log & 1 for log in range(4))
        more = tb.random.choice([b"", b"\xff"])  # CXL 3.0 has a fifth log, which this device has not
        assert await answer(tb, Opcode.SET_EVENT_INTERRUPT_POLICY, data + more) == b""
        assert await answer(tb, Opcode.GET_EVENT_INTERRUPT_POLICY) == policy(bits)
        await tb.expect(Register.INTERRUPT_ENABLE, others | (EVENT if bits & 4 else 0))
    await tb.write(Register.INTERRUPT_ENABLE, EVENT)
    assert await answer(tb, Opcode.GET_EVENT_INTERRUPT_POLICY) == policy(0b0100)
    for place in range(4):
        for mode in (2, 3, 4, 8):
            data = bytes(mode if log == place else 0 for log in range(4))
            assert await tb.execute(Opcode.SET_EVENT_INTERRUPT_POLICY, data) == (ReturnCode.INVALID_INPUT, b"")
    assert await answer(tb, Opcode.GET_EVENT_INTERRUPT_POLICY) == policy(0b0100), "a refused policy changes nothing"
    await tb.pulse(event_valid=1, event_code=3, event_page=1)
    await tb.cycles(2)
    expect(dut.interrupt_o, EVENT)
