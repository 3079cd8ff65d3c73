# SPDX-License-Identifier: MIT
"""Damaged media: what cannot be read back is poison, with the reason in the event log, and the rest is untouched."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from driver import CramDevice, DeviceEvent, EventCode, MailboxError, PagePoisoned, PageState
from hw.codes import ReturnCode
from hw.links.model import ModelLink
from hw.links.verilated import MediaFault, VerilatedLink
from hw.lz4_block import sequences
from hw.registers import Register
from hw.virtual_time import VirtualClock
from tests.driver.cache import evict_everything
from tests.driver.conftest import PARAMETERS
from tests.pages import ZERO_PAGE, compressible_page, noise_page, program_pages

Damage = Callable[[int, int], None]


async def test_one_wrong_byte_on_the_media_is_found_by_the_crc(device: CramDevice, damage: Damage) -> None:
    await device.store(1, noise_page(1))
    await device.store(2, noise_page(2))
    await evict_everything(device)
    damage(1, 1000)
    with pytest.raises(PagePoisoned) as caught:
        await device.load(1)
    assert (caught.value.page, caught.value.cause) == (1, EventCode.CRC_MISMATCH)
    assert await device.load(2) == noise_page(2)
    assert await device.events() == [DeviceEvent(EventCode.CRC_MISMATCH, 1)]
    capacity = await device.capacity()
    assert (capacity.resident_pages, capacity.free_sectors) == (1, 240)


@pytest.mark.parametrize("content", [noise_page(1), program_pages()[5]], ids=["raw", "lz4"])
async def test_a_flipped_bit_is_corrected_and_counted(device: CramDevice, model: ModelLink, content: bytes) -> None:
    await device.store(1, content)
    await evict_everything(device)
    model.flip(1, 0)
    model.flip(1, 3)
    assert await device.load(1) == content
    assert (await device.counters()).bits_corrected == 2
    assert (await device.cxl.health()).corrected_errors == 2
    assert await device.events() == []


@pytest.mark.parametrize("bits", [2, 3])
async def test_more_flipped_bits_of_a_beat_cost_the_page_and_the_sector(
    device: CramDevice, model: ModelLink, bits: int
) -> None:
    await device.store(1, noise_page(1))
    await evict_everything(device)
    model.flip(1, 0)
    model.flip(1, 9, bits)
    with pytest.raises(PagePoisoned) as caught:
        await device.load(1)
    assert caught.value.cause == EventCode.UNCORRECTABLE
    assert await device.events() == [
        DeviceEvent(EventCode.UNCORRECTABLE, 1), DeviceEvent(EventCode.SECTOR_RETIRED, 1),
    ]  # fmt: skip
    counters = await device.counters()
    assert (counters.bits_corrected, counters.sectors_retired) == (1, 1)


async def test_a_block_that_is_not_lz4_is_malformed(device: CramDevice, damage: Damage) -> None:
    """The first token of a block says how many literals follow; all its bits flipped it says another number."""
    await device.store(1, compressible_page(1))
    await evict_everything(device)
    damage(1, 0)
    with pytest.raises(PagePoisoned) as caught:
        await device.load(1)
    assert caught.value.cause == EventCode.MALFORMED_BLOCK


async def test_an_offset_of_0_is_malformed_although_liblz4_takes_it(device: CramDevice, model: ModelLink) -> None:
    await device.store(1, compressible_page(1))
    await evict_everything(device)
    block = await device.export(1)
    assert block is not None
    first = next(sequences(block))
    at = 1 + first.literals  # the offset stands behind the token and the literals
    assert first.literals < 15 and block[at : at + 2] == bytes([first.offset, 0])
    model.damage(1, at, first.offset)
    with pytest.raises(PagePoisoned) as caught:
        await device.load(1)
    assert caught.value.cause == EventCode.MALFORMED_BLOCK


async def test_every_byte_of_a_block_counts(device: CramDevice, damage: Damage) -> None:
    content = program_pages()[5]
    await device.store(1, content)
    length = (await device.page_state(1)).length
    for offset in range(0, length, 101):
        await device.trim([1])
        await device.store(1, content)
        await evict_everything(device)
        damage(1, offset)
        with pytest.raises(PagePoisoned) as caught:
            await device.load(1)
        assert caught.value.cause in (EventCode.CRC_MISMATCH, EventCode.MALFORMED_BLOCK)


async def test_a_damaged_page_in_the_page_cache_is_still_whole(device: CramDevice, damage: Damage) -> None:
    await device.store(1, noise_page(1))
    damage(1, 5)
    assert await device.load(1) == noise_page(1)
    assert await device.events() == []


async def test_lines_written_over_a_damaged_page_are_lost_with_it(device: CramDevice, damage: Damage) -> None:
    await device.store(1, noise_page(1))
    await evict_everything(device)
    damage(1, 5)
    await device.store_line(1, 0, b"n" * 64)  # acknowledged before anybody could know
    await device.flush()
    assert await device.events() == [DeviceEvent(EventCode.CRC_MISMATCH, 1)]
    assert (await device.page_state(1)).state == PageState.POISON
    capacity = await device.capacity()
    assert (capacity.reserved_sectors, capacity.free_sectors) == (0, 256)


async def test_a_whole_page_written_over_a_damaged_one_heals_it(device: CramDevice, damage: Damage) -> None:
    await device.store(1, noise_page(1))
    await evict_everything(device)
    damage(1, 5)
    await device.store(1, noise_page(2))
    await evict_everything(device)
    assert await device.load(1) == noise_page(2)


async def test_a_store_to_damaged_poison_is_told_from_a_full_device(device: CramDevice, damage: Damage) -> None:
    await device.store(1, noise_page(1))
    await evict_everything(device)
    damage(1, 5)
    for call in (device.load(1), device.store(1, ZERO_PAGE)):
        with pytest.raises(PagePoisoned):
            await call
    await device.trim([1])
    await device.store(1, ZERO_PAGE)
    assert await device.load(1) == ZERO_PAGE


async def test_the_export_of_a_damaged_page_finds_the_damage(device: CramDevice, damage: Damage) -> None:
    await device.store(1, program_pages()[4])
    await evict_everything(device)
    damage(1, (await device.page_state(1)).length - 1)
    with pytest.raises(PagePoisoned) as caught:
        await device.export(1)
    assert caught.value.cause is not None
    assert (await device.page_state(1)).state == PageState.POISON


async def test_the_export_of_a_damaged_page_that_is_cached_closes_it_anew(device: CramDevice, damage: Damage) -> None:
    await device.store(1, program_pages()[4])
    block = await device.export(1)
    damage(1, (await device.page_state(1)).length - 1)
    assert await device.export(1) == block
    assert await device.events() == []
    await evict_everything(device)
    assert await device.load(1) == program_pages()[4]


async def test_a_media_error_on_reading_loses_the_page_alone(device: CramDevice, model: ModelLink) -> None:
    await device.store(1, noise_page(1))
    await device.store(2, noise_page(2))
    await evict_everything(device)
    model.fail_sectors({(await device.page_state(1)).first_sector})
    with pytest.raises(PagePoisoned) as caught:
        await device.load(1)
    assert caught.value.cause == EventCode.MEDIA_ERROR
    assert await device.load(2) == noise_page(2)


async def test_what_cannot_be_written_is_stored_elsewhere_and_the_bad_sectors_are_retired(
    device: CramDevice, model: ModelLink
) -> None:
    await device.store(1, noise_page(1))
    model.fail_sectors({17, 20})
    await device.store(1, noise_page(2))
    assert await device.events() == [DeviceEvent(EventCode.SECTOR_RETIRED, 1)] * 2
    capacity = await device.capacity()
    assert (capacity.free_sectors, capacity.reserved_sectors, capacity.resident_pages) == (238, 0, 1)
    assert (await device.counters()).sectors_retired == 2
    await evict_everything(device)
    assert await device.load(1) == noise_page(2)


@pytest.mark.parametrize("unreadable", [False, True])
async def test_one_bad_sector_costs_at_most_one_page(device: CramDevice, model: ModelLink, unreadable: bool) -> None:
    """Thirty pages stored one after the other; a sector that cannot be read was written while it still could be."""
    lost = []
    for page in range(30):
        model.fail_sectors(set() if unreadable else {0})
        await device.store(page, compressible_page(page))
        model.fail_sectors({0})
        await evict_everything(device)
        try:
            assert await device.load(page) == compressible_page(page)
        except PagePoisoned:
            lost.append(page)
    assert lost == [0] * unreadable
    assert (await device.counters()).sectors_retired == 1
    loss = [DeviceEvent(EventCode.MEDIA_ERROR, 0)] * unreadable
    assert await device.events() == [*loss, DeviceEvent(EventCode.SECTOR_RETIRED, 0)]


async def test_a_page_that_can_be_written_nowhere_stays_dirty_and_the_rest_goes_on(
    device: CramDevice, model: ModelLink
) -> None:
    await device.store(2, noise_page(2))
    model.fail_sectors(set(range(256)))
    await device.store(1, noise_page(1))  # acknowledged: it is closed afterwards, as soon as that can be done
    assert (await device.page_state(1)).dirty
    assert (await device.counters()).pages_poisoned == 0
    for call in (device.flush(), device.export(1)):
        with pytest.raises(MailboxError) as caught:
            await call
        assert caught.value.return_code == ReturnCode.RESOURCES_EXHAUSTED
    assert await device.load(1) == noise_page(1)
    model.fail_sectors(set())
    await device.trim([2])
    assert (await device.page_state(1)).state == PageState.RAW
    assert not (await device.page_state(1)).dirty


@pytest.mark.parametrize("cached", ["no", "clean", "dirty"])
def test_an_export_that_the_media_does_not_answer_is_refused_and_the_page_is_not_called_poison(cached: str) -> None:
    """The model's media always answers."""
    clock = VirtualClock()
    link = VerilatedLink(clock, PARAMETERS)

    async def main() -> None:
        device = await CramDevice.probe(link)
        await link.write_registers(Register.MEDIA_TIME_LIMIT, [500])
        content = compressible_page(3)
        await device.store(3, content)
        await device.settle()
        if cached == "no":
            await evict_everything(device)
        if cached == "dirty":
            await device.store_line(3, 0, b"d" * 64)
            content = b"d" * 64 + content[64:]
        link.set_media_fault(MediaFault.DEAF)
        with pytest.raises(MailboxError) as caught:
            await device.export(3)
        assert caught.value.return_code == ReturnCode.INTERNAL_ERROR
        link.set_media_fault(MediaFault(0))
        await link.reset_media()
        assert await device.export(3) is not None
        await evict_everything(device)
        assert await device.load(3) == content
        assert (await device.counters()).pages_poisoned == 0

    clock.run(main())
