# SPDX-License-Identifier: MIT
"""Memories of the verilated device, changed from outside: what is changed is what the device then works with."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import pytest

from hw.codes import PageState
from hw.link import LINE_BYTES, PAGE_BYTES, LinkError
from hw.links.verilated import VerilatedLink
from hw.parameters import DeviceParameters
from hw.virtual_time import VirtualClock
from tests.pages import noise_page

PARAMETERS = DeviceParameters(perceived_pages=64, media_bytes=256 << 10, cache_pages=4)
ENOUGH = 10_000  # ns: every page is closed
STATE = 77  # lowest bit of an entry's state


class TB:
    """A device whose memories can be seen, ready and idle."""

    def __init__(self, seed: int = 1) -> None:
        self.clock = VirtualClock()
        self.link = VerilatedLink(self.clock, PARAMETERS, seed=seed, memories=True)
        self.run(self.clock.sleep(ENOUGH))
        self.memories = self.link.memories()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.clock.run_until(work)

    def store(self, page: int, content: bytes) -> None:
        """Write a page; it is closed when this returns."""
        self.run(self.link.write(page * PAGE_BYTES, content))
        self.run(self.clock.sleep(ENOUGH))


@pytest.fixture(scope="module")
def tb() -> TB:
    return TB()


def test_each_memory_has_a_word_for_each_beat_page_sector_and_line(tb: TB) -> None:
    depths = {name: memory.depth for name, memory in tb.memories.items()}
    assert depths == {
        "media": PARAMETERS.media_bytes // LINE_BYTES,
        "page_table": PARAMETERS.perceived_pages,
        "links": PARAMETERS.media_sectors,
        "cache": PARAMETERS.cache_pages * PAGE_BYTES // LINE_BYTES,
    }
    assert tb.memories["media"].bits >= 8 * LINE_BYTES and tb.memories["cache"].bits >= 8 * LINE_BYTES


def test_a_stored_page_is_seen_in_every_memory_it_lies_in(tb: TB) -> None:
    content = noise_page(1)
    tb.store(3, content)
    entry = tb.memories["page_table"].read(3)
    assert entry >> STATE & 7 == PageState.RAW
    lines = [int.from_bytes(content[n : n + LINE_BYTES], "little") for n in range(0, PAGE_BYTES, LINE_BYTES)]
    media = data_of(tb, "media")
    sector = entry & 0xFFFFFFFF
    for n in range(PARAMETERS.raw_sectors):
        beats = PARAMETERS.sector_bytes // LINE_BYTES
        assert media[sector * beats : (sector + 1) * beats] == lines[n * beats : (n + 1) * beats]
        sector = tb.memories["links"].read(sector) & (1 << (PARAMETERS.media_sectors - 1).bit_length()) - 1
    cache = data_of(tb, "cache")
    assert any(cache[start : start + 64] == lines for start in range(0, len(cache), 64))


def data_of(tb: TB, name: str) -> list[int]:
    """The lines of a memory, without what lies above their data."""
    memory = tb.memories[name]
    return [memory.read(n) & (1 << 8 * LINE_BYTES) - 1 for n in range(memory.depth)]


@pytest.mark.parametrize("name", ["media", "page_table", "links", "cache"])
def test_bits_flipped_twice_are_as_they_were_and_others_stay(tb: TB, name: str) -> None:
    memory = tb.memories[name]
    index, bits = memory.depth - 1, (0, memory.bits // 2, memory.bits - 1)
    neighbour, before = memory.read(index - 1), memory.read(index)
    memory.flip(index, *bits)
    assert memory.read(index) == before ^ sum(1 << bit for bit in bits)
    assert memory.read(index - 1) == neighbour
    memory.flip(index, *bits)
    assert memory.read(index) == before


def test_the_device_works_with_what_was_written() -> None:
    """An entry of all zeros, check and all, taken from a page that is free: the stored page has become free."""
    tb = TB()
    page_table = tb.memories["page_table"]
    tb.store(1, bytes([1]) * PAGE_BYTES)
    free = page_table.read(5)
    tb.store(5, bytes([5]) * PAGE_BYTES)
    for page in range(8, 8 + PARAMETERS.cache_pages):
        tb.store(page, bytes([page]) * PAGE_BYTES)  # 5 is no longer in the cache
    page_table.write(5, free)
    assert tb.run(tb.link.read(5 * PAGE_BYTES, PAGE_BYTES)) == bytes(PAGE_BYTES)
    assert tb.run(tb.link.read(PAGE_BYTES, PAGE_BYTES)) == bytes([1]) * PAGE_BYTES


def test_what_is_not_there_is_refused(tb: TB) -> None:
    memory = tb.memories["links"]
    for index in (-1, memory.depth):
        with pytest.raises(IndexError, match="word"):
            memory.flip(index, 0)
    with pytest.raises(IndexError, match="bit"):
        memory.flip(0, memory.bits)
    with pytest.raises(ValueError, match="does not fit"):
        memory.write(0, 1 << memory.bits)


def test_an_ordinary_device_does_not_show_its_memories() -> None:
    link = VerilatedLink(VirtualClock(), PARAMETERS)
    with pytest.raises(LinkError, match="memories=True"):
        link.memories()


def test_both_builds_of_a_device_take_the_same_cycles() -> None:
    """What is visible changes nothing."""
    cycles = set()
    for memories in (False, True):
        clock = VirtualClock()
        link = VerilatedLink(clock, PARAMETERS, memories=memories)
        for page in range(6):
            clock.run_until(link.write(page * PAGE_BYTES, noise_page(page)))
        for page in range(6):
            assert clock.run_until(link.read(page * PAGE_BYTES, PAGE_BYTES)) == noise_page(page)
        cycles.add(link.cycles)
    assert len(cycles) == 1
