# SPDX-License-Identifier: MIT
"""The faults that the media behind the verilated link can be given, and resets of one side (hw/bench/media_dram.v)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hw.clock import Task
from hw.codes import EventCode
from hw.link import PAGE_BYTES, BusError, Response
from hw.links.verilated import MediaFault, VerilatedLink
from hw.registers import Register
from hw.virtual_time import VirtualClock
from tests.driver.conftest import PARAMETERS
from tests.pages import noise_page

LIMIT = 500
LONG = 40_000  # ns: every page is closed, every time limit over
OTHERS = range(8, 8 + 2 * PARAMETERS.cache_pages)


class TB:
    """A ready device whose pages 0 and 1 lie on the media and not in the cache."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.link = VerilatedLink(self.clock, PARAMETERS)

    def run(self, test: Callable[[TB], Awaitable[None]]) -> None:
        async def main() -> None:
            await self.clock.sleep(LONG)
            await self.link.write_registers(Register.MEDIA_TIME_LIMIT, [LIMIT])
            for page in range(2):
                await self.link.write(page * PAGE_BYTES, noise_page(page))
            await self.evict()
            await test(self)

        self.clock.run(main())

    async def evict(self) -> None:
        await self.clock.sleep(LONG)
        for page in OTHERS:
            await self.link.read(page * PAGE_BYTES, 64)

    async def read(self, page: int) -> bytes | Response:
        try:
            return await self.link.read(page * PAGE_BYTES, PAGE_BYTES)
        except BusError as error:
            return error.response

    async def events(self) -> set[EventCode]:
        found = set()
        while (await self.link.read_registers(Register.EVENT_COUNT))[0]:
            found.add(EventCode((await self.link.read_registers(Register.EVENT_CODE))[0]))
            await self.link.write_registers(Register.EVENT_POP, [1])
        return found


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (MediaFault.BAD_READ, EventCode.MEDIA_ERROR),
        (MediaFault.MUTE_READ, EventCode.MEDIA_TIMEOUT),
        (MediaFault.DEAF, EventCode.MEDIA_TIMEOUT),
    ],
)
def test_a_page_that_the_media_does_not_give_is_refused_and_the_others_are_read(
    fault: MediaFault, code: EventCode
) -> None:
    async def test(tb: TB) -> None:
        tb.link.set_media_fault(fault)
        assert await tb.read(0) == Response.SLVERR
        assert code in await tb.events()
        tb.link.set_media_fault(MediaFault(0))
        assert await tb.read(1) == noise_page(1)

    TB().run(test)


@pytest.mark.parametrize("fault", [MediaFault.BAD_WRITE, MediaFault.MUTE_WRITE, MediaFault.DEAF])
def test_a_write_that_the_media_does_not_take_leaves_the_others_as_they_are(fault: MediaFault) -> None:
    async def test(tb: TB) -> None:
        next_sector = 2 * PAGE_BYTES  # a media of which every sector is bad has none left afterwards
        tb.link.set_media_fault(fault, next_sector if fault is MediaFault.BAD_WRITE else None)
        await tb.link.write(2 * PAGE_BYTES, noise_page(2))
        await tb.clock.sleep(LONG)
        assert await tb.events()
        tb.link.set_media_fault(MediaFault(0))
        assert await tb.read(0) == noise_page(0)
        assert await tb.read(1) == noise_page(1)
        await tb.link.write(3 * PAGE_BYTES, noise_page(3))
        await tb.evict()
        assert await tb.read(3) == noise_page(3)

    TB().run(test)


def test_a_fault_concerns_the_sector_that_it_names() -> None:
    """Sector 0 is one of the page that was stored first."""

    async def test(tb: TB) -> None:
        tb.link.set_media_fault(MediaFault.BAD_READ, 0)
        answers = [await tb.read(page) for page in range(2)]
        assert answers.count(Response.SLVERR) == 1
        assert [noise_page(0), noise_page(1)][answers.index(Response.SLVERR) ^ 1] in answers

    TB().run(test)


def test_a_delay_is_added_to_each_burst() -> None:
    """The first line of a page needs one burst."""

    async def test(tb: TB) -> None:
        took = []
        for page, delay in ((0, 0), (1, 100)):
            await tb.clock.sleep(LONG)
            tb.link.set_media_fault(MediaFault(0), delay=delay)
            start = tb.clock.now
            assert await tb.link.read(page * PAGE_BYTES, 64) == noise_page(page)[:64]
            took.append(tb.clock.now - start)
        assert took[1] == took[0] + 100

    TB().run(test)


@pytest.mark.parametrize("wait", [20, 60, 70, 90, 150, 300])
def test_answers_of_the_time_before_a_reset_of_the_device_change_nothing(wait: int) -> None:
    """A slow media answers reads and writes of before while pages are stored and read anew."""

    async def test(tb: TB) -> None:
        await tb.link.write_registers(Register.MEDIA_TIME_LIMIT, [0])
        tb.link.set_media_fault(MediaFault(0), delay=2_000)
        tasks: list[Task[Any]] = [tb.clock.spawn(tb.read(0))]
        tasks.append(tb.clock.spawn(tb.link.write(2 * PAGE_BYTES, noise_page(2))))
        await tb.clock.sleep(wait)
        await tb.link.reset_device()
        for task in tasks:
            try:
                await task
            except BusError:
                pass
        tb.link.set_media_fault(MediaFault(0))
        for page in range(4):
            await tb.link.write(page * PAGE_BYTES, noise_page(30 + page))
        await tb.evict()
        for page in range(4):
            assert await tb.read(page) == noise_page(30 + page)
        assert await tb.events() == set()

    TB().run(test)


def test_a_reset_of_the_media_loses_its_requests_and_not_its_content() -> None:
    async def test(tb: TB) -> None:
        tb.link.set_media_fault(MediaFault(0), delay=400)
        task = tb.clock.spawn(tb.read(0))
        await tb.clock.sleep(100)
        await tb.link.reset_media()
        tb.link.set_media_fault(MediaFault(0))
        assert await task == Response.SLVERR
        assert await tb.events() == {EventCode.MEDIA_TIMEOUT}
        assert await tb.read(1) == noise_page(1)

    TB().run(test)
