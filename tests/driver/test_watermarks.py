# SPDX-License-Identifier: MIT
"""Watermarks: LOW is raised once below the first mark, RECOVERED once at the second, and not in between."""

from __future__ import annotations

import pytest

from driver import CramDevice, Interrupt
from hw.registers import STATUS_LOW, Register
from tests.pages import noise_page

# The device has 256 sectors; a raw page takes 16.
LOW, RECOVERED = 100, 150


async def is_low(device: CramDevice) -> bool:
    return bool(STATUS_LOW.get((await device.link.read_registers(Register.STATUS))[0]))


def lines(device: CramDevice) -> set[Interrupt]:
    return {line for line in (Interrupt.LOW, Interrupt.RECOVERED) if device.link.interrupts() & line.mask}


async def use(device: CramDevice, pages: range) -> None:
    for page in pages:
        await device.store(page, noise_page(page))


async def test_low_is_raised_when_free_sectors_fall_below_the_mark(device: CramDevice) -> None:
    await device.set_watermarks(LOW, RECOVERED)
    await use(device, range(9))  # 112 free
    assert lines(device) == set()
    waiting = device.clock.spawn(device.wait_interrupt(Interrupt.LOW, Interrupt.RECOVERED))
    await use(device, range(9, 10))  # 96 free
    assert await waiting == {Interrupt.LOW}
    assert await is_low(device)


async def test_recovered_is_raised_at_the_second_mark_and_not_before(device: CramDevice) -> None:
    await device.set_watermarks(LOW, RECOVERED)
    await use(device, range(10))
    await device.acknowledge(Interrupt.LOW)
    await device.trim([0, 1, 2])  # 144 free: above LOW, below RECOVERED
    assert lines(device) == set()
    assert await is_low(device)
    await device.trim([3])  # 160 free
    assert lines(device) == {Interrupt.RECOVERED}
    assert not await is_low(device)


async def test_a_line_stays_high_until_it_is_acknowledged_and_rises_again_only_for_a_new_cause(
    device: CramDevice,
) -> None:
    await device.set_watermarks(LOW, RECOVERED)
    await use(device, range(10))
    assert lines(device) == {Interrupt.LOW}
    await device.acknowledge(Interrupt.LOW)
    await use(device, range(10, 12))  # still low
    assert lines(device) == set()
    await device.trim(range(12))
    await use(device, range(10))
    assert lines(device) == {Interrupt.LOW, Interrupt.RECOVERED}
    assert await device.wait_interrupt(Interrupt.LOW, Interrupt.RECOVERED) == {Interrupt.LOW, Interrupt.RECOVERED}


async def test_marks_of_0_never_raise_anything(device: CramDevice) -> None:
    await use(device, range(16))
    assert await device.free_sectors() == 0
    await device.trim(range(16))
    assert lines(device) == set()


async def test_a_mark_set_above_what_is_free_is_seen_at_once(device: CramDevice) -> None:
    await use(device, range(10))
    await device.set_watermarks(LOW, RECOVERED)
    assert lines(device) == {Interrupt.LOW}


async def test_marks_in_the_wrong_order_do_not_swing(device: CramDevice) -> None:
    """Written past the driver, which refuses them: the low state is left where both marks are reached."""
    await device.link.write_registers(Register.LOW_WATERMARK, [RECOVERED, LOW])
    await use(device, range(7))  # 144 free: above the second mark, below the first
    await device.acknowledge(Interrupt.LOW)
    await use(device, range(7, 9))
    await device.trim([7, 8])
    assert lines(device) == set()
    assert await is_low(device)
    await device.trim([6])  # 160 free
    assert lines(device) == {Interrupt.RECOVERED}
    assert not await is_low(device)


@pytest.mark.parametrize(("low", "recovered"), [(-1, 5), (10, 9), (0, 257)])
async def test_marks_that_make_no_sense_are_refused(device: CramDevice, low: int, recovered: int) -> None:
    with pytest.raises(ValueError, match=r"0 <= low <= recovered <= 256"):
        await device.set_watermarks(low, recovered)
