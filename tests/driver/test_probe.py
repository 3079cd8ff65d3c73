# SPDX-License-Identifier: MIT
"""Probing: the driver takes only a device that it knows, and only when that is ready."""

from __future__ import annotations

import pytest

from driver import CramDevice, DeviceLost, DeviceNotFound, DeviceTimeout, Geometry, Interrupt
from hw.clock import Clock
from hw.link import BusError, Response
from hw.links.model import ModelLink
from hw.parameters import DeviceParameters
from hw.registers import Register
from hw.virtual_time import VirtualClock


class ForgedLink(ModelLink):
    """A device of which one register reads differently, or refuses to be read."""

    def __init__(self, clock: Clock, register: Register, value: int | None) -> None:
        super().__init__(clock)
        self._forged = (register, value)

    async def read_registers(self, offset: int, count: int = 1) -> list[int]:
        values = await super().read_registers(offset, count)
        register, value = self._forged
        if offset <= register < offset + 4 * count:
            if value is None:
                raise BusError(Response.SLVERR, offset)
            values[(register - offset) // 4] = value
        return values


async def test_probe_reads_the_geometry(device: CramDevice, parameters: DeviceParameters, clock: VirtualClock) -> None:
    assert device.geometry == Geometry(
        perceived_pages=parameters.perceived_pages,
        media_sectors=parameters.media_sectors,
        sector_bytes=parameters.sector_bytes,
        cache_pages=parameters.cache_pages,
        bytes_per_cycle=parameters.bytes_per_cycle,
    )
    assert device.geometry.raw_sectors == parameters.raw_sectors
    assert device.clock is clock


async def test_probe_waits_until_the_page_table_is_cleared(link: ModelLink, clock: VirtualClock) -> None:
    assert not (await link.read_registers(Register.STATUS))[0] & 1
    device = await CramDevice.probe(link)
    assert (await link.read_registers(Register.STATUS))[0] & 1
    assert clock.now >= device.geometry.perceived_pages


async def test_probe_enables_every_interrupt(device: CramDevice) -> None:
    (enabled,) = await device.link.read_registers(Register.INTERRUPT_ENABLE)
    assert enabled == sum(line.mask for line in Interrupt)


@pytest.mark.parametrize(
    ("register", "value", "reason"),
    [
        (Register.ID, 0x12345678, "ID is 0x12345678"),
        (Register.ID, 0, "ID is 0x00000000"),
        (Register.VERSION, 0x00020000, "version is 0x00020000"),
        (Register.ID, None, "no device answers"),
    ],
)
async def test_what_is_not_the_device_is_not_taken(
    clock: VirtualClock, register: Register, value: int | None, reason: str
) -> None:
    with pytest.raises(DeviceNotFound, match=reason):
        await CramDevice.probe(ForgedLink(clock, register, value))


async def test_a_later_minor_version_is_taken(clock: VirtualClock) -> None:
    await CramDevice.probe(ForgedLink(clock, Register.VERSION, 0x00010007))


async def test_a_device_that_never_becomes_ready_is_given_up(clock: VirtualClock) -> None:
    with pytest.raises(DeviceTimeout, match="does not become ready"):
        await CramDevice.probe(ForgedLink(clock, Register.STATUS, 0))


async def test_every_call_says_that_the_device_is_lost_once_the_link_is_gone(device: CramDevice) -> None:
    waiting = device.clock.spawn(device.wait_interrupt(Interrupt.LOW))
    await device.clock.sleep(1)
    await device.link.close()
    await device.link.close()
    with pytest.raises(DeviceLost):
        await waiting
    for call in (
        device.store(0, bytes(4096)),
        device.load(0),
        device.trim([0]),
        device.flush(),
        device.counters(),
        device.events(),
        device.set_watermarks(1, 2),
        CramDevice.probe(device.link),
    ):
        with pytest.raises(DeviceLost):
            await call
