# SPDX-License-Identifier: MIT
"""What Linux' drivers of CXL do with the device registers, access by access, from the probe to an event.

linux_probe.txt is what `vcram cxl --log FILE -- poison 1` wrote on a device of 256 MiB: Debian's 6.12 walks the
capabilities, asks what the mailbox can do, identifies the device, sets clock and interrupts, reads the four event logs;
then somebody injects poison, it gets the record, clears it, and lists the poison. A line is r or w, the offset in the
block, bytes, value.
"""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

import pytest

from driver import CramDevice, Opcode
from hw.link import BusError, Link
from hw.links.model import ModelLink
from hw.links.verilated import VerilatedLink
from hw.parameters import DeviceParameters
from hw.registers import MAILBOX_CONTROL_DOORBELL, Register
from hw.virtual_time import VirtualClock
from tests.marks import VERIFY

RECORDING = Path(__file__).with_name("linux_probe.txt")
BLOCK = int(Register.CXL_ARRAY)
PAYLOAD = int(Register.MAILBOX_PAYLOAD)
PROBE = [
    Opcode.GET_SUPPORTED_LOGS, Opcode.GET_LOG, Opcode.SET_TIMESTAMP, Opcode.IDENTIFY,
    Opcode.GET_EVENT_INTERRUPT_POLICY, Opcode.SET_EVENT_INTERRUPT_POLICY,
]  # fmt: skip


def accesses() -> list[tuple[str, int, int, int]]:
    lines = [line.split() for line in RECORDING.read_text().splitlines()]
    return [(kind, BLOCK + int(offset, 16), int(size), int(value, 16)) for kind, offset, size, value in lines]


async def read(link: Link, address: int, size: int) -> int:
    """As the plugin reads: a half of a register of 64 bit that does not exist is 0."""
    first = address // 4 * 4
    data = b""
    for offset in range(first, address + size, 4):
        try:
            (word,) = await link.read_registers(offset)
        except BusError:
            word = 0
        data += word.to_bytes(4, "little")
    return int.from_bytes(data[address - first : address - first + size], "little")


async def write(link: Link, address: int, size: int, value: int) -> None:
    """As the plugin writes: whole registers, what is beside a narrow one read before."""
    first = address // 4 * 4
    beside = await read(link, first, (address - first + size + 3) // 4 * 4)
    mask = ((1 << 8 * size) - 1) << 8 * (address - first)
    data = beside & ~mask | value << 8 * (address - first)
    for offset in range(first, address + size, 4):
        await link.write_registers(offset, [data >> 8 * (offset - first) & 0xFFFFFFFF])


async def replay(link: Link, recording: list[tuple[str, int, int, int]], passed_over: Container[int] = ()) -> None:
    """Do the same, and expect the same answers, except at some addresses in the reply to Identify."""
    await link.write_registers(Register.INTERRUPT_ENABLE, [0])  # as after a reset: the guest had no driver of ours
    await link.write_registers(Register.INTERRUPT_STATUS, [0xFFFFFFFF])
    command = 0
    for number, (kind, address, size, value) in enumerate(recording, 1):
        if kind == "w":
            await write(link, address, size, value)
            if address == Register.MAILBOX_COMMAND_LOW:
                command = value & 0xFFFF
            while await read(link, Register.MAILBOX_CONTROL, 4) & MAILBOX_CONTROL_DOORBELL.mask:
                pass
        elif command != Opcode.IDENTIFY or address not in passed_over:
            assert await read(link, address, size) == value, f"line {number}: {size} bytes at {address:#06x}"


async def test_every_access_of_linux_gets_the_answer_that_it_got(device: CramDevice) -> None:
    """On the usual small device, as far as its size does not matter: all but the capacity and the pages of poison."""
    recording = accesses()
    injection = ("w", Register.MAILBOX_COMMAND_LOW, Opcode.INJECT_POISON)
    end = next(i for i, line in enumerate(recording) if (*line[:2], line[3] & 0xFFFF) == injection)
    sizes = {*range(PAYLOAD + 0x10, PAYLOAD + 0x28), *range(PAYLOAD + 0x3C, PAYLOAD + 0x40)}
    await replay(device.link, recording[:end], sizes)


@VERIFY
@pytest.mark.parametrize("make", [ModelLink, VerilatedLink])
def test_the_whole_recording_on_a_device_of_its_size(make: type[ModelLink] | type[VerilatedLink]) -> None:
    clock = VirtualClock()
    link = make(clock, DeviceParameters(perceived_pages=65536, media_bytes=64 << 10))
    clock.run_until(clock.sleep(100_000))  # its reset
    clock.run_until(replay(link, accesses()))
    clock.shut_down()


def test_the_recording_has_all_that_linux_asks_for() -> None:
    asked = [Opcode(value & 0xFFFF) for kind, address, _, value in accesses()
             if (kind, address) == ("w", Register.MAILBOX_COMMAND_LOW)]  # fmt: skip
    assert asked[:4] == PROBE[:4]
    assert set(PROBE) < set(asked)
    assert asked.count(Opcode.GET_EVENT_RECORDS) >= 5
    assert {Opcode.INJECT_POISON, Opcode.CLEAR_EVENT_RECORDS, Opcode.GET_POISON_LIST} < set(asked)
