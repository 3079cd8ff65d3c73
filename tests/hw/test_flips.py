# SPDX-License-Identifier: MIT
"""Flips in the memories of the device: what is answered OKAY is right; one is corrected and counted, more are told.

All pages are raw, written once and told apart by their content. So it is known which page a flip concerns.
"""

from __future__ import annotations

from contextlib import suppress
from random import Random

import pytest

from driver import CramDevice
from hw.codes import EventCode
from hw.link import PAGE_BYTES, BusError
from hw.links.verilated import VerilatedLink
from hw.parameters import DeviceParameters
from hw.registers import Register
from hw.virtual_time import VirtualClock
from tests.pages import noise_page

PARAMETERS = DeviceParameters(perceived_pages=64, media_bytes=256 << 10, cache_pages=4)
BEATS = PARAMETERS.sector_bytes // 64  # of a sector
PAGES = 12
OTHERS = range(PAGES, PAGES + PARAMETERS.cache_pages)  # zero pages, read to empty the cache
ENOUGH = 10_000  # ns: every page is closed
SECTOR_MASK = (1 << 10) - 1


class TB:
    """A device with PAGES stored pages, none of them in its cache, and words for what is done to it."""

    def __init__(self, seed: int) -> None:
        self.random = Random(f"flips {seed}")
        self.clock = VirtualClock()
        self.link = VerilatedLink(self.clock, PARAMETERS, seed=seed, memories=True)
        self.memories = self.link.memories()
        self.contents = {page: noise_page(100 * seed + page) for page in range(PAGES)}
        for page, content in self.contents.items():
            self.clock.run_until(self.link.write(page * PAGE_BYTES, content))
        self.wait()
        self.empty_the_cache()

    def wait(self) -> None:
        self.clock.run_until(self.clock.sleep(ENOUGH))

    def empty_the_cache(self) -> None:
        for page in OTHERS:
            assert self.load(page) == bytes(PAGE_BYTES)

    def load(self, page: int) -> bytes | None:
        """A page, or None if it is refused."""
        try:
            return self.clock.run_until(self.link.read(page * PAGE_BYTES, PAGE_BYTES))
        except BusError:
            return None

    def register(self, register: Register) -> int:
        return self.clock.run_until(self.link.read_registers(register))[0]

    def events(self) -> list[tuple[EventCode, int]]:
        """All events, which are taken out of the log."""
        events = []
        while self.register(Register.EVENT_COUNT):
            events.append((EventCode(self.register(Register.EVENT_CODE)), self.register(Register.EVENT_PAGE)))
            self.clock.run_until(self.link.write_registers(Register.EVENT_POP, [1]))
        return events

    def chain(self, page: int) -> list[int]:
        """The sectors of a page, as the memories have them."""
        sectors = [self.memories["page_table"].read(page) & SECTOR_MASK]
        while len(sectors) < PARAMETERS.raw_sectors:
            sectors.append(self.memories["links"].read(sectors[-1]) & SECTOR_MASK)
        return sectors

    def flip(self, name: str, index: int, count: int) -> None:
        """Flip so many bits of a word, anywhere in it."""
        memory = self.memories[name]
        memory.flip(index, *self.random.sample(range(self.stored_bits(name)), count))

    def stored_bits(self, name: str) -> int:
        """Data and check; the last bit of a line's word is not used."""
        return min(self.memories[name].bits, 512 + 31)

    def word_of(self, name: str, page: int) -> int:
        """A random word of a memory that the page needs when it is read from the media."""
        chain = self.chain(page)
        if name == "page_table":
            return page
        if name == "links":
            return self.random.choice(chain[:-1])  # the last has no successor
        return self.random.choice(chain) * BEATS + self.random.randrange(BEATS)


STORED = ["media", "page_table", "links"]
LOSS = {"media": EventCode.UNCORRECTABLE, "page_table": EventCode.METADATA_ERROR, "links": EventCode.METADATA_ERROR}


@pytest.mark.parametrize("name", STORED)
def test_one_flip_of_a_stored_page_is_corrected_and_counted(name: str) -> None:
    tb = TB(1)
    for page in tb.contents:
        before = tb.register(Register.BITS_CORRECTED)
        tb.flip(name, tb.word_of(name, page), 1)
        assert tb.load(page) == tb.contents[page]
        assert tb.register(Register.BITS_CORRECTED) == before + 1
    assert tb.events() == []


@pytest.mark.parametrize("flips", [2, 3])
@pytest.mark.parametrize("name", STORED)
def test_more_flips_of_a_stored_page_cost_that_page_alone(name: str, flips: int) -> None:
    tb = TB(flips)
    lost = tb.random.sample(range(PAGES), 4)
    for page in lost:
        tb.flip(name, tb.word_of(name, page), flips)
        tb.load(page)
        tb.wait()
        assert tb.load(page) is None
        events = tb.events()
        assert (LOSS[name], page) in events
        assert {code for code, _ in events} <= {LOSS[name], EventCode.SECTOR_RETIRED, EventCode.SECTORS_LOST}
    for page, content in tb.contents.items():
        assert tb.load(page) == (None if page in lost else content)
    assert tb.register(Register.BITS_CORRECTED) == 0


def cached_line(tb: TB, page: int) -> int:
    """Where a line of a page that is in the cache lies."""
    cache = tb.memories["cache"]
    line = tb.random.randrange(64)
    content = int.from_bytes(tb.contents[page][64 * line : 64 * line + 64], "little")
    (index,) = (n for n in range(line, cache.depth, 64) if cache.read(n) & (1 << 512) - 1 == content)
    return index


def test_one_flip_of_a_cached_line_is_corrected_and_counted() -> None:
    tb = TB(4)
    for page in range(PAGES):
        assert tb.load(page) == tb.contents[page]
        before = tb.register(Register.BITS_CORRECTED)
        tb.flip("cache", cached_line(tb, page), 1)
        assert tb.load(page) == tb.contents[page]
        assert tb.register(Register.BITS_CORRECTED) == before + 1
    assert tb.events() == []


@pytest.mark.parametrize("flips", [2, 3])
def test_more_flips_of_a_cached_line_are_mended_from_the_stored_copy(flips: int) -> None:
    """The access that meets them may be refused; the page is not lost."""
    tb = TB(10 + flips)
    for page in range(PAGES):
        assert tb.load(page) == tb.contents[page]
        tb.flip("cache", cached_line(tb, page), flips)
        assert tb.load(page) in (None, tb.contents[page])
        tb.wait()
        assert tb.load(page) == tb.contents[page]
        assert tb.events() == [(EventCode.CACHE_REFETCHED, page)]


@pytest.mark.parametrize("flips", [2, 3])
def test_more_flips_of_a_line_that_was_written_cost_its_page(flips: int) -> None:
    """The line has no other copy."""
    tb = TB(20 + flips)
    for page in range(3):
        line = noise_page(50 + page)[:64]
        tb.clock.run_until(tb.link.write(page * PAGE_BYTES, line))
        cache = tb.memories["cache"]
        word = int.from_bytes(line, "little")
        (index,) = (n for n in range(0, cache.depth, 64) if cache.read(n) & (1 << 512) - 1 == word)
        tb.flip("cache", index, flips)
        assert tb.load(page) is None
        tb.wait()
        assert tb.load(page) is None
        assert tb.events() == [(EventCode.CACHE_LOST, page)]
    for page in range(3, PAGES):
        assert tb.load(page) == tb.contents[page]


def test_an_entry_that_cannot_be_told_does_not_cost_a_page_that_was_written_whole() -> None:
    """The cache has all its lines: it is closed anew."""
    tb = TB(30)
    content = noise_page(77)
    for half in (0, 1):
        start = half * PAGE_BYTES // 2
        if half:
            tb.flip("page_table", 5, 2)
        work = tb.link.write(5 * PAGE_BYTES + start, content[start : start + PAGE_BYTES // 2])
        tb.clock.run_until(work)
    tb.wait()
    tb.empty_the_cache()
    assert tb.load(5) == content


@pytest.mark.parametrize("flips", [2, 3])
def test_a_close_that_meets_flips_of_a_line_that_is_stored_fills_it_again(flips: int) -> None:
    """Nothing is lost, neither what was written nor the rest."""
    tb = TB(40 + flips)
    for page in range(4):
        assert tb.load(page) == tb.contents[page]
        tb.flip("cache", cached_line(tb, page), flips)
        line = noise_page(60 + page)[:64]
        content = bytearray(tb.contents[page])
        for start in range(0, PAGE_BYTES, 64):  # another line than the flipped one
            before = int.from_bytes(content[start : start + 64], "little")
            if any(tb.memories["cache"].read(n) & (1 << 512) - 1 == before for n in range(tb.memories["cache"].depth)):
                break
        content[start : start + 64] = line
        tb.clock.run_until(tb.link.write(page * PAGE_BYTES + start, line))
        for other in OTHERS:
            tb.clock.run_until(tb.link.write(other * PAGE_BYTES, bytes(64)))  # the last of them has the page closed
        tb.wait()
        assert tb.events() == [(EventCode.CACHE_REFETCHED, page)]
        assert tb.load(page) == bytes(content)


@pytest.mark.parametrize("flips", [2, 3])
def test_more_flips_of_the_link_of_a_free_sector_cost_nothing(flips: int) -> None:
    """The free list is made anew, whichever of its links it is."""
    tb = TB(50 + flips)
    free = tb.register(Register.FREE_SECTORS)
    for _ in range(4):
        listed = [sector for page in range(4) for sector in tb.chain(page)]
        for page in range(4):
            tb.clock.run_until(tb.link.write(page * PAGE_BYTES, bytes(PAGE_BYTES)))  # their sectors become free
        tb.wait()
        assert tb.register(Register.FREE_SECTORS) == free + len(listed)
        tb.flip("links", tb.random.choice(listed), flips)
        for page in range(4):
            tb.clock.run_until(tb.link.write(page * PAGE_BYTES, tb.contents[page]))
        tb.wait()
        assert sorted(listed) == sorted(sector for page in range(4) for sector in tb.chain(page))
    tb.empty_the_cache()
    for page, content in tb.contents.items():
        assert tb.load(page) == content
    assert tb.events() == []


def test_lines_of_two_pages_that_are_lost_at_once_are_both_told_and_once_each() -> None:
    """Whatever the host and the closes do with them meanwhile."""
    tb = TB(60)
    device = tb.clock.run_until(CramDevice.probe(tb.link))
    cache = tb.memories["cache"]
    for round_ in range(8):
        pages = [2 * round_ % PAGES, (2 * round_ + 1) % PAGES]
        lines = {page: noise_page(200 + 10 * round_ + page)[:64] for page in pages}
        for page in pages:
            tb.clock.run_until(tb.link.write(page * PAGE_BYTES, lines[page]))
        for page in pages:
            word = int.from_bytes(lines[page], "little")
            (index,) = (n for n in range(0, cache.depth, 64) if cache.read(n) & (1 << 512) - 1 == word)
            tb.flip("cache", index, 2)

        async def read(page: int) -> None:
            for _ in range(4):
                with suppress(BusError):
                    await tb.link.read(page * PAGE_BYTES, 64)

        tasks = [tb.clock.spawn(read(page), f"read {page}") for page in pages * 2]
        tb.wait()
        assert all(task.done() for task in tasks)
        assert sorted(tb.events()) == [(EventCode.CACHE_LOST, page) for page in sorted(pages)]
        for page in pages:
            assert tb.load(page) is None
            tb.clock.run_until(device.trim([page]))
            tb.clock.run_until(tb.link.write(page * PAGE_BYTES, tb.contents[page]))
        tb.wait()


@pytest.mark.parametrize("place", [0, 4, 14])
def test_sectors_behind_a_link_that_cannot_be_told_are_told_once_and_counted(place: int) -> None:
    """However many they are: one fault does not fill the event log."""
    tb = TB(70)
    tb.flip("links", tb.chain(5)[place], 2)
    tb.load(5)
    tb.wait()
    assert tb.events() == [(EventCode.METADATA_ERROR, 5), (EventCode.SECTORS_LOST, 0)]
    assert tb.register(Register.SECTORS_RETIRED) == PARAMETERS.raw_sectors - 1 - place


def test_a_loss_of_the_time_before_a_trim_does_not_make_a_later_refusal_a_loss() -> None:
    """Nobody has taken the event of the loss before; what is refused now is read again and is right."""
    tb = TB(80)
    device = tb.clock.run_until(CramDevice.probe(tb.link))
    line = noise_page(90)[:64]
    tb.clock.run_until(tb.link.write(PAGE_BYTES, line))
    cache = tb.memories["cache"]
    word = int.from_bytes(line, "little")
    (index,) = (n for n in range(0, cache.depth, 64) if cache.read(n) & (1 << 512) - 1 == word)
    tb.flip("cache", index, 2)
    assert tb.load(1) is None
    tb.clock.run_until(device.trim([1]))
    tb.clock.run_until(tb.link.write(PAGE_BYTES, tb.contents[1]))
    tb.wait()
    tb.flip("cache", cached_line(tb, 1), 2)
    assert tb.clock.run_until(device.load(1)) == tb.contents[1]
    assert [event.code for event in tb.clock.run_until(device.events())] == [
        EventCode.CACHE_LOST, EventCode.CACHE_REFETCHED,
    ]  # fmt: skip


@pytest.mark.parametrize("delay", [0, 16, 32])
def test_a_page_that_is_written_whole_while_its_damaged_copy_is_read_is_stored_anew(delay: int) -> None:
    """What was answered OKAY is in the cache, all of it: the old copy is not needed."""
    tb = TB(90)
    content = noise_page(91)
    tb.clock.run_until(tb.link.write(5 * PAGE_BYTES, content[:64]))
    sector = tb.chain(5)[5]
    tb.flip("media", sector * BEATS + BEATS - 1, 2)
    tb.clock.spawn(tb.link.read(5 * PAGE_BYTES + 63 * 64, 64), "read a line that is not there")
    tb.clock.run_until(tb.clock.sleep(delay))
    tb.clock.run_until(tb.link.write(5 * PAGE_BYTES, content))
    tb.wait()
    tb.empty_the_cache()
    assert tb.load(5) == content
    assert tb.events() == [(EventCode.SECTOR_RETIRED, 5)]
    assert sector not in tb.chain(5)
