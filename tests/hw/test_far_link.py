# SPDX-License-Identifier: MIT
"""A link with a way to the device: every transfer pays one round trip, a posted write and an interrupt half of one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from hw.codes import Interrupt
from hw.link import LINE_BYTES, PAGE_BYTES, BusError, Link
from hw.links.far import FarLink
from hw.links.model import ModelLink
from hw.parameters import DeviceParameters
from hw.registers import Register
from hw.virtual_time import VirtualClock

TRIP = 130
PARAMETERS = DeviceParameters(perceived_pages=64, media_bytes=65536)


def took(access: Callable[[Link], Awaitable[object]], far: bool) -> int:
    """ns of an access to a device that is ready and has something to say, over a link with a way or without one."""
    clock = VirtualClock()
    inner = ModelLink(clock, PARAMETERS)
    link = FarLink(inner, TRIP) if far else inner

    async def main() -> int:
        await inner.write_registers(Register.INTERRUPT_ENABLE, [Interrupt.HOT.mask])
        await inner.write_registers(Register.HEAT_THRESHOLD, [1])
        await inner.write(0, bytes(range(256)) * 16)
        await inner.read(0, LINE_BYTES)
        await clock.sleep(10_000)
        start = clock.now
        await access(link)
        return clock.now - start

    return clock.run(main())


@pytest.mark.parametrize(
    ("access", "more"),
    [
        (lambda link: link.read(0, LINE_BYTES), TRIP),
        (lambda link: link.read(0, PAGE_BYTES), TRIP),
        (lambda link: link.write(0, bytes(PAGE_BYTES)), TRIP),
        (lambda link: link.read_registers(Register.MEDIA_SECTORS, 3), TRIP),
        (lambda link: link.write_registers(Register.LOW_WATERMARK, [1, 2]), TRIP / 2),
    ],
    ids=["read of a line", "read of a page", "write of a page", "read of registers", "posted write of registers"],
)
def test_an_access_takes_the_way_once(access: Callable[[Link], Awaitable[object]], more: float) -> None:
    assert took(access, far=True) - took(access, far=False) == more


def test_an_answer_that_is_an_error_takes_the_way_as_well() -> None:
    async def refused(link: Link) -> None:
        with pytest.raises(BusError):
            await link.read(PARAMETERS.perceived_pages * PAGE_BYTES, LINE_BYTES)

    assert took(refused, far=True) - took(refused, far=False) == TRIP


def test_an_interrupt_takes_half_the_way() -> None:
    async def hot(link: Link) -> None:
        await link.wait_interrupt(Interrupt.HOT.mask)

    assert took(hot, far=True) - took(hot, far=False) == TRIP / 2


def test_accesses_that_are_under_way_at_once_share_the_way() -> None:
    async def both(link: Link) -> None:
        clock = link.clock
        tasks = [clock.spawn(link.read(page * PAGE_BYTES, LINE_BYTES)) for page in range(4)]
        for task in tasks:
            await task

    assert took(both, far=True) - took(both, far=False) == TRIP
