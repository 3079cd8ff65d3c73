# SPDX-License-Identifier: MIT
"""Mailbox commands and closes that meet damage: whatever can still be told is kept (docs/device/integrity.md)."""

from __future__ import annotations

import pytest

from driver import CramDevice, MailboxError, PageState
from hw.codes import EventCode, ReturnCode
from hw.link import PAGE_BYTES
from hw.links.verilated import MediaFault
from hw.registers import Register
from tests.hw.test_flips import PAGES, PARAMETERS, TB
from tests.pages import compressible_page, noise_page

PAGE, OTHER = 3, 4


def probed(seed: int) -> tuple[TB, CramDevice]:
    tb = TB(seed)
    return tb, tb.clock.run_until(CramDevice.probe(tb.link))


def test_a_command_on_a_page_whose_entry_cannot_be_told_stores_it_anew_from_the_cache() -> None:
    tb, device = probed(100)
    tb.clock.run_until(device.trim([OTHER]))  # there is room
    assert tb.load(PAGE) == tb.contents[PAGE]
    tb.flip("page_table", PAGE, 2)
    assert tb.clock.run_until(device.page_state(PAGE)).state == PageState.RAW
    tb.empty_the_cache()
    assert tb.load(PAGE) == tb.contents[PAGE]


def test_without_a_copy_in_the_cache_the_page_is_poison_and_told() -> None:
    tb, device = probed(101)
    tb.flip("page_table", PAGE, 2)
    assert tb.clock.run_until(device.page_state(PAGE)).state == PageState.POISON
    assert (EventCode.METADATA_ERROR, PAGE) in tb.events()
    assert tb.load(PAGE) is None and tb.load(OTHER) == tb.contents[OTHER]


def test_without_room_for_the_copy_the_command_is_refused_and_the_page_is_read_on() -> None:
    tb, device = probed(102)
    for page in range(PAGES, PARAMETERS.perceived_pages):  # the media has room for all of them, and no more
        tb.clock.run_until(device.store(page, noise_page(500 + page)))
    tb.clock.run_until(device.flush())
    assert tb.register(Register.FREE_SECTORS) == 0
    assert tb.load(PAGE) == tb.contents[PAGE]
    tb.flip("page_table", PAGE, 2)
    with pytest.raises(MailboxError) as caught:
        tb.clock.run_until(device.page_state(PAGE))
    assert caught.value.return_code == ReturnCode.RESOURCES_EXHAUSTED
    assert tb.load(PAGE) == tb.contents[PAGE]


def test_a_close_of_some_lines_of_a_page_whose_entry_cannot_be_told_makes_it_poison() -> None:
    """The other lines are nowhere any more."""
    tb, device = probed(103)
    tb.clock.run_until(tb.link.write(PAGE * PAGE_BYTES, noise_page(1)[:64]))
    tb.flip("page_table", PAGE, 2)
    tb.clock.run_until(device.flush())
    tb.empty_the_cache()
    assert (EventCode.METADATA_ERROR, PAGE) in tb.events()
    assert tb.load(PAGE) is None and tb.load(OTHER) == tb.contents[OTHER]


def test_a_close_that_meets_flips_of_a_line_that_was_written_makes_the_page_poison() -> None:
    tb, device = probed(104)
    content = noise_page(7)
    tb.clock.run_until(tb.link.write(PAGE * PAGE_BYTES, content))
    cache = tb.memories["cache"]
    word = int.from_bytes(content[:64], "little")
    (index,) = (n for n in range(cache.depth) if cache.read(n) & (1 << 512) - 1 == word)
    tb.flip("cache", index, 2)
    tb.clock.run_until(device.flush())
    tb.empty_the_cache()
    assert (EventCode.CACHE_LOST, PAGE) in tb.events()
    assert tb.load(PAGE) is None and tb.load(OTHER) == tb.contents[OTHER]


def exported(seed: int) -> tuple[TB, CramDevice]:
    """A page that is stored as an LZ4 block, and all of it in the cache."""
    tb, device = probed(seed)
    tb.contents[PAGE] = compressible_page(1)
    tb.clock.run_until(device.store(PAGE, tb.contents[PAGE]))
    tb.clock.run_until(device.flush())
    tb.empty_the_cache()
    assert tb.load(PAGE) == tb.contents[PAGE]
    return tb, device


def test_an_export_whose_second_copy_cannot_be_read_either_fails_and_costs_nothing() -> None:
    tb, device = exported(105)
    tb.link.set_media_fault(MediaFault.BAD_READ)
    with pytest.raises(MailboxError):
        tb.clock.run_until(device.export(PAGE))
    tb.link.set_media_fault(MediaFault(0))
    assert tb.load(PAGE) == tb.contents[PAGE]


@pytest.mark.parametrize("fault", [MediaFault.MUTE_READ, MediaFault.MUTE_WRITE])
def test_an_export_or_import_that_the_media_does_not_answer_fails_and_the_page_stays(fault: MediaFault) -> None:
    tb, device = exported(106)
    block = tb.clock.run_until(device.export(PAGE))
    assert block is not None
    crc = tb.clock.run_until(device.page_state(PAGE)).crc
    tb.empty_the_cache()
    tb.clock.run_until(tb.link.write_registers(Register.MEDIA_TIME_LIMIT, [1_000]))
    tb.link.set_media_fault(fault)
    work = device.export(PAGE) if fault is MediaFault.MUTE_READ else device.import_block(OTHER, block, crc)
    with pytest.raises(MailboxError) as caught:
        tb.clock.run_until(work)
    assert caught.value.return_code == ReturnCode.INTERNAL_ERROR
    tb.link.set_media_fault(MediaFault(0))
    tb.wait()
    assert tb.load(PAGE) == tb.contents[PAGE] and tb.load(OTHER) == tb.contents[OTHER]
