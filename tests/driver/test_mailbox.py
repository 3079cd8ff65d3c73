# SPDX-License-Identifier: MIT
"""Mailbox: every command has a defined answer, right or wrong, and tasks share it in order."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driver import CramDevice, DeviceTimeout, MailboxError, Opcode, PageState, ReturnCode
from driver.device import MAILBOX_TIMEOUT_NS
from hw.links.model import ModelLink
from hw.links.model_timing import ModelTiming
from hw.parameters import DeviceParameters
from hw.registers import Register
from hw.virtual_time import VirtualClock
from tests.driver.conftest import PARAMETERS
from tests.pages import SAME_PAGE, compressible_page, program_pages

END = PARAMETERS.perceived_pages * 4096


def media_operation(*ranges: tuple[int, int], kind: int = 1, subclass: int = 1, count: int | None = None) -> bytes:
    """Payload of Media Operations over (start DPA, length) pairs."""
    header = struct.pack("<BBHI", kind, subclass, 0, len(ranges) if count is None else count)
    return header + b"".join(struct.pack("<QQ", *pair) for pair in ranges)


async def refusal(device: CramDevice, opcode: int, payload: bytes) -> int:
    """The return code of a command that must be refused."""
    with pytest.raises(MailboxError) as caught:
        await device.command(opcode, payload)
    assert caught.value.opcode == opcode
    return caught.value.return_code


@pytest.mark.parametrize("parameters", [DeviceParameters(perceived_pages=1 << 17)])
async def test_identify_names_the_perceived_capacity(device: CramDevice) -> None:
    identity = await device.identify()
    assert (identity.capacity_units, identity.volatile_units) == (2, 2)  # 512 MiB
    assert identity.poison_list_maximum == 1 << 17
    assert identity.event_log_sizes == (16, 16, 16, 16)
    assert identity.firmware.isprintable()
    assert identity.firmware


async def test_a_count_of_0_is_the_probe_for_trim(device: CramDevice) -> None:
    assert await device.command(Opcode.MEDIA_OPERATIONS, media_operation()) == b""
    assert (await device.counters()).pages_trimmed == 0


@pytest.mark.parametrize("opcode", Opcode)
async def test_every_command_is_known(device: CramDevice, opcode: Opcode) -> None:
    try:
        await device.command(opcode)
    except MailboxError as error:
        assert error.return_code != ReturnCode.UNSUPPORTED


@pytest.mark.parametrize("opcode", [0x0000, 0x0104, 0x0500, 0x4001, 0x4303, 0x4401, 0xC0FF, 0xFFFF])
async def test_an_unknown_command_is_unsupported(device: CramDevice, opcode: int) -> None:
    assert await refusal(device, opcode, b"") == ReturnCode.UNSUPPORTED


@pytest.mark.parametrize(
    ("opcode", "payload"),
    [
        (Opcode.IDENTIFY, bytes(1)),
        (Opcode.FLUSH, bytes(4)),
        (Opcode.GET_PAGE_STATE, b""),
        (Opcode.GET_PAGE_STATE, bytes(7)),
        (Opcode.GET_PAGE_STATE, bytes(9)),
        (Opcode.EXPORT_BLOCK, bytes(16)),
        (Opcode.MEDIA_OPERATIONS, b""),
        (Opcode.MEDIA_OPERATIONS, bytes(7)),
        (Opcode.MEDIA_OPERATIONS, media_operation((0, 4096), count=2)),
        (Opcode.MEDIA_OPERATIONS, media_operation((0, 4096), count=0)),
        (Opcode.MEDIA_OPERATIONS, media_operation((0, 4096), count=0xFFFFFFFF)),
        (Opcode.MEDIA_OPERATIONS, media_operation((0, 4096)) + bytes(1)),
    ],
)
async def test_a_payload_of_the_wrong_length_is_refused(device: CramDevice, opcode: Opcode, payload: bytes) -> None:
    assert await refusal(device, opcode, payload) == ReturnCode.INVALID_PAYLOAD_LENGTH


async def test_a_payload_length_beyond_the_mailbox_is_refused(device: CramDevice) -> None:
    with pytest.raises(ValueError, match="4096"):
        await device.command(Opcode.MEDIA_OPERATIONS, bytes(4097))
    length = 1 << 16  # in the upper register alone
    await device.link.write_registers(Register.MAILBOX_COMMAND_LOW, [Opcode.FLUSH, length >> 16])
    await device.link.write_registers(Register.MAILBOX_CONTROL, [1])
    await device.link.wait_interrupt(1)
    (code,) = await device.link.read_registers(Register.MAILBOX_STATUS_HIGH)
    assert code == ReturnCode.INVALID_PAYLOAD_LENGTH


@pytest.mark.parametrize(
    ("ranges", "code"),
    [
        ([(1, 4096)], ReturnCode.INVALID_INPUT),
        ([(0, 64)], ReturnCode.INVALID_INPUT),
        ([(0, 0)], ReturnCode.INVALID_INPUT),
        ([(END, 4096)], ReturnCode.INVALID_PHYSICAL_ADDRESS),
        ([(END - 4096, 8192)], ReturnCode.INVALID_PHYSICAL_ADDRESS),
        ([(1 << 63, 1 << 63)], ReturnCode.INVALID_PHYSICAL_ADDRESS),
        ([(4096, (1 << 64) - 4096)], ReturnCode.INVALID_PHYSICAL_ADDRESS),  # start + length is 0 in 64 bit
    ],
)
async def test_a_trim_with_one_bad_range_drops_nothing(
    device: CramDevice, ranges: list[tuple[int, int]], code: ReturnCode
) -> None:
    await device.store(0, SAME_PAGE)
    assert await refusal(device, Opcode.MEDIA_OPERATIONS, media_operation((0, 4096), *ranges)) == code
    assert await device.load(0) == SAME_PAGE
    assert (await device.counters()).pages_trimmed == 0


@pytest.mark.parametrize(("kind", "subclass"), [(0, 1), (1, 0), (1, 2), (2, 1)])
async def test_a_media_operation_other_than_zero_is_unsupported(device: CramDevice, kind: int, subclass: int) -> None:
    payload = media_operation(kind=kind, subclass=subclass)
    assert await refusal(device, Opcode.MEDIA_OPERATIONS, payload) == ReturnCode.UNSUPPORTED


@pytest.mark.parametrize("opcode", [Opcode.GET_PAGE_STATE, Opcode.EXPORT_BLOCK])
async def test_an_address_outside_the_device_is_refused(device: CramDevice, opcode: Opcode) -> None:
    for address in (END, 1 << 40, (1 << 64) - 4096):
        assert await refusal(device, opcode, struct.pack("<Q", address)) == ReturnCode.INVALID_PHYSICAL_ADDRESS


async def test_a_refused_command_leaves_the_mailbox_usable_and_its_reply_empty(device: CramDevice) -> None:
    await refusal(device, 0xFFFF, bytes(100))
    (command,) = await device.link.read_registers(Register.MAILBOX_COMMAND_LOW)
    assert command == 0xFFFF
    await device.store(1, SAME_PAGE)
    assert (await device.page_state(1)).state == PageState.SAME


async def test_writes_while_the_doorbell_is_set_are_ignored(device: CramDevice) -> None:
    link = device.link
    await link.write_registers(Register.MAILBOX_PAYLOAD, [0x11111111])
    await link.write_registers(Register.MAILBOX_COMMAND_LOW, [Opcode.FLUSH, 0])
    for page in range(3):  # work for the flush, so that the doorbell stays set for long
        await device.store_line(page, 0, b"x" * 64)
    await link.write_registers(Register.MAILBOX_CONTROL, [1])
    await link.write_registers(Register.MAILBOX_PAYLOAD, [0x22222222])
    await link.write_registers(Register.MAILBOX_COMMAND_LOW, [0xFFFF])
    assert (await link.read_registers(Register.MAILBOX_CONTROL))[0] & 1
    await link.wait_interrupt(1)
    assert (await link.read_registers(Register.MAILBOX_PAYLOAD)) == [0x11111111]
    control, command = await link.read_registers(Register.MAILBOX_CONTROL, 2)
    assert (control & 1, command) == (0, Opcode.FLUSH)


async def test_the_driver_takes_over_a_mailbox_that_is_busy(device: CramDevice) -> None:
    await device.store_line(0, 0, b"x" * 64)
    await device.link.write_registers(Register.MAILBOX_COMMAND_LOW, [Opcode.FLUSH, 0])
    await device.link.write_registers(Register.MAILBOX_CONTROL, [1])
    successor = await CramDevice.probe(device.link)
    assert (await successor.page_state(0)).state == PageState.LZ4


async def test_an_interrupt_left_over_does_not_confuse_the_next_command(device: CramDevice) -> None:
    await device.link.write_registers(Register.MAILBOX_COMMAND_LOW, [Opcode.FLUSH, 0])
    await device.link.write_registers(Register.MAILBOX_CONTROL, [1])
    await device.link.wait_interrupt(1)  # and not acknowledged
    await device.store(2, compressible_page(2))
    assert (await device.page_state(2)).state == PageState.LZ4
    assert await device.export(2) is not None


async def test_tasks_that_share_the_mailbox_each_get_their_own_answer(device: CramDevice) -> None:
    contents = program_pages()[:6]
    for page, content in enumerate(contents):
        await device.store(page, content)
    alone = [await device.page_state(page) for page in range(6)]
    tasks = [device.clock.spawn(device.page_state(page % 6)) for page in range(30)]
    together = [await task for task in tasks]
    assert [(info.crc, info.length) for info in together] == [(info.crc, info.length) for info in alone] * 5


async def test_a_task_cancelled_in_the_middle_of_a_command_leaves_the_mailbox_usable(device: CramDevice) -> None:
    await device.store(1, compressible_page(1))
    for delay in range(0, 120, 3):
        task = device.clock.spawn(device.flush())
        await device.clock.sleep(delay)
        task.cancel()
        assert (await device.page_state(1)).state == PageState.LZ4


async def test_a_command_that_is_not_answered_times_out_and_the_next_waits_for_its_end(clock: VirtualClock) -> None:
    link = ModelLink(clock, PARAMETERS, ModelTiming(mailbox_command=MAILBOX_TIMEOUT_NS * 3 // 2))
    device = await CramDevice.probe(link)
    with pytest.raises(DeviceTimeout, match="FLUSH"):
        await device.flush()
    assert clock.now >= MAILBOX_TIMEOUT_NS
    with pytest.raises(DeviceTimeout):
        await device.page_state(0)  # waits for the flush, then times out itself
    assert clock.now >= MAILBOX_TIMEOUT_NS * 5 // 2


@given(pages=st.lists(st.integers(0, PARAMETERS.perceived_pages - 1), max_size=40))
def test_any_set_of_pages_is_trimmed_exactly(pages: list[int]) -> None:
    clock = VirtualClock()

    async def main() -> None:
        device = await CramDevice.probe(ModelLink(clock, PARAMETERS))
        for page in range(PARAMETERS.perceived_pages):
            await device.store(page, SAME_PAGE)
        await device.trim(pages)
        for page in range(PARAMETERS.perceived_pages):
            assert await device.load(page) == (bytes(4096) if page in pages else SAME_PAGE)
        assert (await device.counters()).pages_trimmed == len(set(pages))

    clock.run(main())
