# SPDX-License-Identifier: MIT
"""What Linux' driver of CXL memory asks of a device before it uses it: raw commands, lengths and fields.

Its table of commands has the sizes of replies; a device that answers another size is refused.
"""

from __future__ import annotations

import struct
from uuid import UUID

import pytest

from driver import CramDevice, EventCode, Interrupt, MailboxError, Opcode, ReturnCode
from driver.cxl import Partition
from hw.codes import CommandEffect
from hw.parameters import DeviceParameters
from hw.registers import Register
from tests.driver.conftest import PARAMETERS
from tests.pages import compressible_page

CEL = UUID("0da9c0b5-bf41-4b78-8f79-96b1623b3f17")
POISON_OF_A_PAGE = struct.pack("<QQ", 0, 64)
SIZES = {
    (0x0100, b"\2"): 32,
    (0x0102, b""): 4,
    (0x0103, bytes([0, 0, 1, 0])): 0,
    (0x0200, b""): 0x50,
    (0x0300, b""): 8,
    (0x0301, bytes(8)): 0,
    (0x0400, b""): 8 + 20,
    (0x4000, b""): 0x43,
    (0x4100, b""): 0x20,
    (0x4200, b""): 0x12,
    (0x4201, b""): 0x10,
    (0x4202, bytes(12)): 0,
    (0x4300, POISON_OF_A_PAGE): 32,
}
"""Length of the reply to a command with this input."""


async def test_every_reply_has_the_length_that_linux_expects(device: CramDevice) -> None:
    assert {asked: len(await device.command(*asked)) for asked in SIZES} == SIZES


async def test_a_host_finds_every_command_as_linux_does(device: CramDevice) -> None:
    """Get Supported Logs, then the Command Effects Log in parts; what it names is there, and nothing else."""
    (count,) = struct.unpack_from("<H", await device.command(0x0400))
    entries = (await device.command(0x0400))[8:]
    assert (count, UUID(bytes=entries[:16])) == (1, CEL)
    (size,) = struct.unpack("<I", entries[16:])
    log = b""
    for offset in range(0, size, 30):
        log += await device.command(0x0401, CEL.bytes + struct.pack("<II", offset, min(30, size - offset)))
    assert len(log) == size
    assert {opcode for opcode, _ in struct.iter_unpack("<HH", log)} == set(Opcode)


async def test_the_command_effects_are_named(device: CramDevice) -> None:
    assert await device.cxl.logs() == {CEL: 4 * len(Opcode)}
    effects = await device.cxl.command_effects()
    assert effects.keys() == set(Opcode)
    assert effects[Opcode.SANITIZE] == {CommandEffect.IMMEDIATE_DATA_CHANGE, CommandEffect.BACKGROUND_OPERATION}
    assert effects[Opcode.GET_POISON_LIST] == set()


async def test_a_log_that_there_is_not_is_refused(device: CramDevice) -> None:
    for name in (UUID(int=0), UUID(bytes=CEL.bytes[::-1])):
        with pytest.raises(MailboxError) as caught:
            await device.cxl.log(name)
        assert caught.value.return_code == ReturnCode.INVALID_LOG


@pytest.mark.parametrize("parameters", [DeviceParameters(perceived_pages=1 << 18)])
async def test_all_capacity_is_volatile(device: CramDevice) -> None:
    assert await device.cxl.partition() == Partition(4, 0)
    total, volatile, persistent, alignment = struct.unpack_from("<4Q", await device.command(0x4000), 16)
    assert (total, volatile, persistent, alignment) == (4, 4, 0, 0)


async def test_every_page_can_be_poison_and_there_is_no_limit_of_injection(device: CramDevice) -> None:
    reply = await device.command(0x4000)
    assert int.from_bytes(reply[0x3C:0x3F], "little") == PARAMETERS.perceived_pages
    assert reply[0x3F:0x41] == bytes(2)


async def test_the_time_goes_on_from_what_was_set(device: CramDevice) -> None:
    """By a nanosecond a cycle of the device's clock; a verilated device that rests runs none."""
    assert await device.cxl.timestamp() == 0
    start = 1_700_000_000_000_000_000
    before = device.link.cycles
    await device.cxl.set_timestamp(start)
    after = device.link.cycles
    for page in range(4):
        await device.store(page, compressible_page(page))
    asked = device.link.cycles
    elapsed = await device.cxl.timestamp() - start
    assert 0 < asked - after <= elapsed <= device.link.cycles - before
    with pytest.raises(ValueError, match="64 bits"):
        await device.cxl.set_timestamp(1 << 64)


async def test_a_host_that_gives_every_log_an_interrupt_gets_it(device: CramDevice) -> None:
    """As Linux does: it reads the policy back and gives up unless each log has the interrupt that it asked for."""
    await device.link.write_registers(Register.INTERRUPT_ENABLE, [Interrupt.MAILBOX.mask])
    assert await device.command(0x0102) == bytes([0x10] * 4)
    await device.command(0x0103, bytes([1] * 4))
    assert [setting & 3 for setting in await device.command(0x0102)] == [1] * 4
    await device.cxl.inject_poison(1)
    assert await device.wait_interrupt(Interrupt.EVENT) == {Interrupt.EVENT}
    ((record,), _) = await device.cxl.event_records()
    assert (record.code, record.page) == (EventCode.POISON_INJECTED, 1)
    await device.cxl.clear_event_records([record.handle])
    await device.command(0x0103, bytes(4))
    assert not device.link.interrupts() & Interrupt.EVENT.mask


async def test_a_poison_list_that_linux_reads_goes_on_until_it_is_complete(device: CramDevice) -> None:
    """It asks for the same range again while the device says that there is more."""
    pages = device.geometry.perceived_pages
    for page in range(pages):
        await device.cxl.inject_poison(page)
    found = []
    more = True
    while more:
        reply = await device.command(0x4300, struct.pack("<QQ", 0, 64 * pages))
        (more,) = struct.unpack_from("<?", reply)
        found += [address // 4096 for address, _ in struct.iter_unpack("<Q8s", reply[32:])]
    assert found == list(range(pages))


async def test_a_poison_list_of_one_line_names_its_page(device: CramDevice) -> None:
    await device.cxl.inject_poison(2)
    for line, there in [(127, False), (128, True), (160, True), (191, True), (192, False)]:
        reply = await device.command(0x4300, struct.pack("<QQ", line * 64, 1))
        assert (len(reply) > 32) == there, line


async def test_there_is_no_poison_behind_the_last_page(device: CramDevice) -> None:
    """Linux has listed the region, and asks for the rest, which is nothing; only this answer is an end for it."""
    end = device.geometry.perceived_pages * 4096
    for start, units, code in [
        (end, 0, ReturnCode.INVALID_PHYSICAL_ADDRESS),
        (end, 1, ReturnCode.INVALID_PHYSICAL_ADDRESS),
        (end + 4096, 0, ReturnCode.INVALID_PHYSICAL_ADDRESS),
        (end - 64, 0, ReturnCode.INVALID_INPUT),
        (0, 0, ReturnCode.INVALID_INPUT),
        (end + 1, 0, ReturnCode.INVALID_INPUT),
    ]:
        with pytest.raises(MailboxError) as caught:
            await device.command(0x4300, struct.pack("<QQ", start, units))
        assert caught.value.return_code == code, (start, units)


@pytest.mark.parametrize("opcode", [0x0001, 0x0002, 0x0005, 0x0500, 0x4101, 0x4303])
async def test_what_is_not_in_the_log_is_unsupported(device: CramDevice, opcode: int) -> None:
    with pytest.raises(MailboxError) as caught:
        await device.command(opcode)
    assert caught.value.return_code == ReturnCode.UNSUPPORTED
