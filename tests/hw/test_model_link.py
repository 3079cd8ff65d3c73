# SPDX-License-Identifier: MIT
"""The model device, seen through its Link: registers, page cache, allocation, and a machine that tries everything."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from driver import CramDevice, DeviceFull, PageState
from hw.link import PAGE_BYTES, BusError, Link, Response
from hw.links.model import ModelLink
from hw.links.model_timing import ModelTiming
from hw.parameters import DeviceParameters
from hw.registers import MAILBOX_CAPABILITIES_VALUE, MAILBOX_PAYLOAD_BYTES, MEDIA_TIME_LIMIT_RESET, Register
from hw.virtual_time import VirtualClock
from tests.pages import SAME_PAGE, ZERO_PAGE, compressible_page, noise_page, program_pages

SMALL = DeviceParameters(perceived_pages=64, media_bytes=64 << 10, cache_pages=4)
WRITABLE = {
    Register.INTERRUPT_ENABLE: 0x7C07,
    Register.LOW_WATERMARK: 0xFFFFFFFF,
    Register.RECOVERED_WATERMARK: 0xFFFFFFFF,
    Register.HIGH_WATERMARK: 0xFFFFFFFF,
    Register.MEDIUM_WATERMARK: 0xFFFFFFFF,
    Register.CRITICAL_WATERMARK: 0xFFFFFFFF,
    Register.WATERMARK_HYSTERESIS: 0xFFFFFFFF,
    Register.MEDIA_TIME_LIMIT: 0xFFFFFFFF,
    Register.HEAT_THRESHOLD: 0xFF,
    Register.HEAT_PERIOD: 0xFFFFFFFF,
    Register.MAILBOX_COMMAND_LOW: 0xFFFFFFFF,
    Register.MAILBOX_COMMAND_HIGH: 0x1F,
}
"""Registers that keep what is written, and the bits that they keep."""
AT_FIRST = {Register.MEDIA_TIME_LIMIT: MEDIA_TIME_LIMIT_RESET}
"""Those of them that are not 0 after a reset."""
LIVE = {Register.STATUS, Register.CYCLES_LOW}
SIDE_EFFECTS = {
    Register.INTERRUPT_STATUS,
    Register.EVENT_POP,
    Register.HOT_POP,
    Register.MAILBOX_CONTROL,
    Register.MAILBOX_PAYLOAD,
}


class TB:
    """A device just out of reset, ready, and its clock; `run` runs a coroutine over both to its end."""

    def __init__(self, parameters: DeviceParameters = SMALL, seed: int | None = None) -> None:
        self.clock = VirtualClock(seed)
        self.link = ModelLink(self.clock, parameters)
        self.parameters = parameters

    def run(self, test: Callable[[Link], Coroutine[Any, Any, None]]) -> None:
        async def main() -> None:
            await self.clock.sleep(self.parameters.perceived_pages)
            await test(self.link)

        self.clock.run(main())


async def read_one(link: Link, register: int) -> int:
    (value,) = await link.read_registers(register)
    return value


# Registers


@pytest.mark.parametrize("register", Register)
def test_every_register_of_the_map_is_there_and_keeps_what_it_should(register: Register) -> None:
    async def test(link: Link) -> None:
        before = await read_one(link, register)
        if register in SIDE_EFFECTS:
            return
        await link.write_registers(register, [0xFFFFFFFF])
        after = await read_one(link, register)
        if register in WRITABLE:
            assert (before, after) == (AT_FIRST.get(register, 0), WRITABLE[register])
        elif register not in LIVE:
            assert after == before

    TB().run(test)


def test_what_is_not_in_the_map_reads_as_an_error_and_takes_no_write() -> None:
    mapped = {*Register, *range(Register.MAILBOX_PAYLOAD, Register.MAILBOX_PAYLOAD + MAILBOX_PAYLOAD_BYTES, 4)}

    async def test(link: Link) -> None:
        for offset in range(0, 0x4000, 4):
            if offset in mapped:
                continue
            for access in (link.read_registers(offset), link.write_registers(offset, [1])):
                with pytest.raises(BusError) as caught:
                    await access
                assert (caught.value.response, caught.value.address) == (Response.SLVERR, offset)

    TB().run(test)


def test_reset_values() -> None:
    async def test(link: Link) -> None:
        assert await link.read_registers(Register.ID, 3) == [0x4352414D, 0x00010000, 0b011]
        assert await link.read_registers(Register.PERCEIVED_PAGES, 5) == [64, 256, 256, 4, 8]
        assert await link.read_registers(Register.FREE_SECTORS, 3) == [256, 0, 0]
        assert await link.read_registers(Register.INTERRUPT_STATUS, 4) == [0, 0, 0, 0]
        assert await link.read_registers(Register.EVENT_COUNT, 3) == [0, 0, 0]
        assert await read_one(link, Register.EVENT_OVERFLOW) == 0
        assert await link.read_registers(Register.PAGES_CLOSED, 13) == [0] * 13
        assert await read_one(link, Register.MAILBOX_CAPABILITIES) == MAILBOX_CAPABILITIES_VALUE
        assert await link.read_registers(Register.MAILBOX_CONTROL, 7) == [0] * 7

    TB().run(test)


def test_the_payload_keeps_every_word() -> None:
    words = [i * 0x01010101 & 0xFFFFFFFF for i in range(1024)]

    async def test(link: Link) -> None:
        await link.write_registers(Register.MAILBOX_PAYLOAD, words)
        assert await link.read_registers(Register.MAILBOX_PAYLOAD, 1024) == words
        assert await link.read_registers(Register.MAILBOX_PAYLOAD + 40, 3) == words[10:13]
        assert (await link.read_registers(Register.MAILBOX_BACKGROUND_HIGH, 3))[1:] == words[:2]

    TB().run(test)


def test_cycles_count_the_clock_and_the_low_half_latches_the_high_half() -> None:
    async def test(link: Link) -> None:
        await link.clock.sleep((5 << 32) - link.clock.now)
        low, high = await link.read_registers(Register.CYCLES_LOW, 2)
        assert (high, low) == (5, 0)
        await link.clock.sleep(1 << 32)
        assert await read_one(link, Register.CYCLES_HIGH) == 5
        assert link.cycles == link.clock.now

    TB().run(test)


def test_interrupt_status_is_cleared_by_ones_alone() -> None:
    async def test(link: Link) -> None:
        await link.write_registers(Register.MAILBOX_COMMAND_LOW, [0xC003, 0])
        await link.write_registers(Register.MAILBOX_CONTROL, [1])
        await link.clock.sleep(1000)
        assert await read_one(link, Register.INTERRUPT_STATUS) == 1
        assert link.interrupts() == 0  # not enabled
        await link.write_registers(Register.INTERRUPT_ENABLE, [0xFFFF])
        assert link.interrupts() == 1
        assert await link.wait_interrupt(0xFFFF) == 1
        await link.write_registers(Register.INTERRUPT_STATUS, [0xFFFE])
        assert link.interrupts() == 1
        await link.write_registers(Register.INTERRUPT_STATUS, [1])
        assert link.interrupts() == 0

    TB().run(test)


# Bus


@pytest.mark.parametrize(("address", "length"), [(0, 0), (0, 63), (32, 64), (4096 - 64, 128), (-64, 64), (0, 8192)])
def test_what_is_not_whole_lines_inside_one_page_is_refused(address: int, length: int) -> None:
    async def test(link: Link) -> None:
        with pytest.raises(ValueError, match="whole lines"):
            await link.read(address, length)
        with pytest.raises(ValueError, match="whole lines"):
            await link.write(address, bytes(length))

    TB().run(test)


def test_an_access_outside_the_perceived_pages_is_a_decode_error() -> None:
    async def test(link: Link) -> None:
        for access in (link.read(64 * 4096, 64), link.write(64 * 4096, bytes(4096))):
            with pytest.raises(BusError) as caught:
                await access
            assert (caught.value.response, caught.value.address) == (Response.DECERR, 64 * 4096)
        assert await link.read(64 * 4096 - 64, 64) == bytes(64)

    TB().run(test)


def test_accesses_are_served_in_the_order_of_the_calls() -> None:
    async def test(link: Link) -> None:
        served: list[int] = []

        async def write(number: int) -> None:
            await link.write(0, noise_page(number))
            served.append(number)

        tasks = [link.clock.spawn(write(number)) for number in range(10)]
        for task in tasks:
            await task
        assert served == list(range(10))
        assert await link.read(0, 4096) == noise_page(9)

    TB().run(test)


def test_an_access_before_the_device_is_ready_waits() -> None:
    clock = VirtualClock()
    link = ModelLink(clock, SMALL)

    async def main() -> None:
        assert await link.read(0, 64) == bytes(64)
        assert clock.now > SMALL.perceived_pages

    clock.run(main())


def test_a_slower_clock_makes_everything_slower() -> None:
    times = []
    for clock_ns in (1, 4):
        clock = VirtualClock()
        link = ModelLink(clock, SMALL, ModelTiming(clock_ns=clock_ns))
        clock.run(link.write(0, program_pages()[0]))
        times.append(clock.now)
        assert link.cycles * clock_ns == clock.now
    assert times[1] == 4 * times[0]


def test_a_line_of_a_page_that_is_filled_is_answered_before_the_page_is_whole() -> None:
    async def main(device: CramDevice) -> None:
        times = []
        for line in (0, 31, 63):
            await device.store(0, program_pages()[3])
            for page in range(1, 5):
                await device.load(page)
            start = device.clock.now
            await device.load_line(0, line)
            times.append(device.clock.now - start)
        assert times[0] < times[1] < times[2]

    run_device(main)


def test_reset_forgets_everything() -> None:
    async def test(link: Link) -> None:
        await link.write(0, noise_page(1))
        await link.write(4096, b"d" * 64)
        await link.write_registers(Register.INTERRUPT_ENABLE, [1, 7, 9])
        await link.write_registers(Register.MAILBOX_COMMAND_LOW, [0xC003, 0])
        await link.write_registers(Register.MAILBOX_CONTROL, [1])  # under way when the reset comes
        await link.reset()
        assert await read_one(link, Register.STATUS) & 1 == 0
        await link.clock.sleep(10_000)
        assert await read_one(link, Register.STATUS) & 1 == 1
        assert await link.read_registers(Register.FREE_SECTORS, 3) == [256, 0, 0]
        assert await link.read_registers(Register.INTERRUPT_STATUS, 4) == [0, 0, 0, 0]
        assert await link.read_registers(Register.PAGES_CLOSED, 13) == [0] * 13
        assert await link.read_registers(Register.MAILBOX_CONTROL, 3) == [0, 0, 0]
        assert await link.read(0, 4096) == ZERO_PAGE

    TB().run(test)


# Page cache


def test_the_victim_is_the_least_recently_used_clean_page_before_any_dirty_one() -> None:
    async def main(device: CramDevice) -> None:
        async def cached() -> set[int]:
            return {page for page in range(16) if (await device.page_state(page)).cached}

        await device.store_line(0, 0, b"d" * 64)
        for page in (1, 2, 3):
            await device.load(page)
        assert await cached() == {0, 1, 2, 3}
        await device.load_line(1, 0)  # now 2 is the oldest clean one
        await device.load(4)
        assert await cached() == {0, 1, 3, 4}
        for page in (5, 6, 7):
            await device.load(page)
        assert await cached() == {0, 5, 6, 7}  # the dirty one has outlived all
        for page in (5, 6):
            await device.store_line(page, 0, b"d" * 64)
        assert (await device.counters()).pages_closed == 0
        await device.store_line(7, 0, b"d" * 64)  # all are dirty: the oldest is cleaned
        assert not (await device.page_state(0)).dirty
        await device.load(8)
        assert await cached() == {5, 6, 7, 8}
        assert (await device.counters()).pages_closed == 1
        assert (await device.page_state(0)).state == PageState.LZ4

    run_device(main)


def test_opens_and_fills_are_counted() -> None:
    async def main(device: CramDevice) -> None:
        async def opened_and_filled() -> tuple[int, int]:
            counters = await device.counters()
            return counters.pages_opened, counters.pages_filled

        await device.store(0, SAME_PAGE)
        assert await opened_and_filled() == (1, 0)
        await device.load(0)
        assert await opened_and_filled() == (1, 0)  # it stayed cached
        for page in range(1, 5):
            await device.load(page)
        assert await opened_and_filled() == (5, 0)  # free pages have no stored form
        await device.load_line(0, 3)
        assert await opened_and_filled() == (6, 1)
        for page in range(1, 5):
            await device.load(page)
        await device.store_line(0, 0, bytes(64))
        await device.load_line(0, 0)  # the line is there
        assert await opened_and_filled() == (11, 1)
        await device.load_line(0, 1)
        assert await opened_and_filled() == (11, 2)

    run_device(main)


def test_a_write_over_a_partly_dirty_page_closes_it_when_its_last_missing_line_comes() -> None:
    """Lines 32 .. 63 are dirty; a whole-page write completes the page at line 31 and dirties it again from 32 on."""

    async def main(device: CramDevice) -> None:
        old, new = noise_page(1), noise_page(2)
        await device.link.write(32 * 64, old[32 * 64 :])
        await device.store(0, new)
        info = await device.page_state(0)
        assert ((await device.counters()).pages_closed, info.dirty) == (1, True)
        assert await device.load(0) == new
        await device.flush()
        assert (await device.counters()).pages_closed == 2
        for page in range(1, 5):
            await device.load(page)
        assert await device.load(0) == new

    run_device(main)


# Sectors


def test_sectors_freed_last_are_used_first_and_fresh_ones_after_them() -> None:
    async def main(device: CramDevice) -> None:
        async def first_sector(page: int) -> int:
            return (await device.page_state(page)).first_sector

        await device.store(0, noise_page(0))
        await device.store(1, noise_page(1))
        assert [await first_sector(page) for page in (0, 1)] == [0, 16]
        await device.trim([0])
        await device.store(2, noise_page(2))
        assert await first_sector(2) == 15  # the end of the freed chain
        await device.store(3, noise_page(3))
        assert await first_sector(3) == 32
        await device.store(3, noise_page(4))  # the new sectors are taken before the old ones are free
        assert await first_sector(3) == 48

    run_device(main)


def run_device(main: Callable[[CramDevice], Coroutine[Any, Any, None]]) -> None:
    """Run a test over a small device, probed."""
    clock = VirtualClock()

    async def probed() -> None:
        await main(await CramDevice.probe(ModelLink(clock, SMALL)))

    clock.run(probed())


# A machine that tries everything, against a plain dict of pages

PAGES = st.integers(0, 23)
CONTENTS = st.one_of(
    st.sampled_from([ZERO_PAGE, SAME_PAGE, *program_pages()[:40]]),
    st.integers(0, 50).map(noise_page),
    st.integers(0, 50).map(compressible_page),
)


class AgainstADict(RuleBasedStateMachine):
    """Any sequence of driver calls leaves the device as a dict of pages would be, and its books balanced.

    `pages` holds what must come back (absent: zeros). A write without room changes nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualClock()
        self.pages: dict[int, bytes] = {}

    @initialize(sector_bytes=st.sampled_from([64, 256, 1024]), cache_pages=st.sampled_from([2, 4]))
    def start(self, sector_bytes: int, cache_pages: int) -> None:
        parameters = DeviceParameters(
            perceived_pages=32, media_bytes=32 << 10, sector_bytes=sector_bytes, cache_pages=cache_pages
        )
        self.link = ModelLink(self.clock, parameters)
        self.device: CramDevice = self.clock.run_until(CramDevice.probe(self.link))

    def teardown(self) -> None:
        self.clock.shut_down()

    @rule(page=PAGES, content=CONTENTS)
    def store(self, page: int, content: bytes) -> None:
        self.write(page, 0, content)

    @rule(page=PAGES, first=st.integers(0, 63), count=st.integers(1, 64), content=CONTENTS)
    def store_lines(self, page: int, first: int, count: int, content: bytes) -> None:
        self.write(page, first, content[first * 64 : (first + count) * 64])

    def write(self, page: int, first: int, data: bytes) -> None:
        whole = len(data) == PAGE_BYTES
        try:
            if whole:
                self.clock.run_until(self.device.store(page, data))
            else:
                self.clock.run_until(self.link.write(page * 4096 + first * 64, data))
        except (DeviceFull, BusError) as error:
            assert isinstance(error, DeviceFull if whole else BusError), (
                "the driver gives its errors types, a bus does not"
            )
            assert page == (error.page if isinstance(error, DeviceFull) else error.address // PAGE_BYTES)
            return
        old = self.pages.get(page, ZERO_PAGE)
        self.pages[page] = old[: first * 64] + data + old[first * 64 + len(data) :]

    @rule(page=PAGES)
    def load(self, page: int) -> None:
        assert self.clock.run_until(self.device.load(page)) == self.pages.get(page, ZERO_PAGE)

    @rule(page=PAGES, line=st.integers(0, 63))
    def load_line(self, page: int, line: int) -> None:
        expected = self.pages.get(page, ZERO_PAGE)[line * 64 : line * 64 + 64]
        assert self.clock.run_until(self.device.load_line(page, line)) == expected

    @rule(pages=st.lists(PAGES, max_size=6))
    def trim(self, pages: list[int]) -> None:
        self.clock.run_until(self.device.trim(pages))
        for page in pages:
            self.pages.pop(page, None)

    @rule()
    def flush(self) -> None:
        self.clock.run_until(self.device.flush())
        assert self.clock.run_until(self.device.capacity()).reserved_sectors == 0

    @invariant()
    def books_balance(self) -> None:
        """No sector is lost or used twice; every reservation belongs to a dirty page; no page is poison."""
        device = self.device
        states = {page: self.clock.run_until(device.page_state(page)) for page in range(24)}
        capacity = self.clock.run_until(device.capacity())
        used = sum(-(-info.length // capacity.sector_bytes) for info in states.values())
        assert used == capacity.total_sectors - capacity.free_sectors
        dirty = sum(info.dirty for info in states.values())
        assert capacity.reserved_sectors == dirty * device.geometry.raw_sectors
        assert capacity.available_sectors >= 0
        assert sum(info.cached for info in states.values()) <= device.geometry.cache_pages
        assert not [page for page, info in states.items() if info.state == PageState.POISON]
        resident = sum(info.state.resident for info in states.values())
        assert resident == capacity.resident_pages
        heads = [info.first_sector for info in states.values() if info.length]
        assert len(heads) == len(set(heads))


AgainstADict.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAgainstADict = AgainstADict.TestCase


def test_the_model_has_no_promoted_region_and_says_so() -> None:
    with pytest.raises(ValueError, match="promoted_pages is 2, expected 0"):
        ModelLink(VirtualClock(), DeviceParameters(promoted_pages=2))
