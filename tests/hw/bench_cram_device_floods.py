# SPDX-License-Identifier: MIT
"""Nothing starves: while one port is kept busy, what the other port and the mailbox ask for takes a bounded time.

The bound is the time without the flood, and what one turn of the flood may cost each line or operation.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import cocotb

from hw.link import PAGE_BYTES
from tests.hw.cram_device_tb import OKAY, PARAMETERS, TB
from tests.hw.expect import cycle
from tests.pages import compressible_page, noise_page

HOT, STORED, DIRTY = 0, 1, 2  # the page of the hits, one that is not cached, one that is to be closed
PASSES = 2  # of the stream over a page that turns out raw
TURN = 64  # cycles: one host operation without a fill, and the polling of the mailbox


@contextmanager
def flood(access: Callable[[int], Any]) -> Iterator[list[int]]:
    """Four accesses under way all the time; `access` begins the n-th one and returns its end."""
    count = [0]

    async def keep() -> None:
        while True:
            count[0] += 1
            await access(count[0]).wait()

    tasks = [cocotb.start_soon(keep()) for _ in range(4)]
    try:
        yield count
    finally:
        for task in tasks:
            task.cancel()


def read_hits(tb: TB) -> AbstractContextManager[list[int]]:
    """Reads of one cached page."""
    return flood(lambda _: tb.host.init_read(HOT * PAGE_BYTES, PAGE_BYTES))


def read_misses(tb: TB) -> AbstractContextManager[list[int]]:
    """Each read is of a free page that is not cached."""
    free = range(8, 8 + 2 * PARAMETERS.cache_pages)
    return flood(lambda n: tb.host.init_read(free[n % len(free)] * PAGE_BYTES, 64))


def write_hits(tb: TB) -> AbstractContextManager[list[int]]:
    """Writes to the lines of a dirty page that never becomes complete."""
    return flood(lambda _: tb.host.init_write(HOT * PAGE_BYTES, bytes(PAGE_BYTES - 64)))


async def took(what: Awaitable[Any]) -> int:
    """Cycles."""
    start = cycle()
    await what
    return cycle() - start


async def prepare(tb: TB) -> None:
    """HOT is cached, STORED is on the media only, DIRTY has one dirty line and is raw."""
    await tb.store(STORED, noise_page(STORED))
    await tb.store(DIRTY, noise_page(DIRTY))
    await tb.evict(STORED)
    await tb.load(DIRTY)
    await tb.store_line(DIRTY, 0, b"part")
    await tb.load(HOT)
    await tb.idle()


async def alone_and_flooded(
    tb: TB, flooding: Callable[[TB], AbstractContextManager[list[int]]], what: Callable[[TB], Awaitable[Any]]
) -> tuple[int, int]:
    """Cycles of `what` in a quiet device, and under a flood."""
    await prepare(tb)
    alone = await took(what(tb))
    await tb.reset()
    await prepare(tb)
    with flooding(tb) as count:
        await tb.cycles(500)
        assert count[0] > 4, "the flood goes on"
        flooded = await took(what(tb))
        after = count[0]
        await tb.cycles(2000)
        assert count[0] > after, "the flood goes on"
    await tb.reset()
    return alone, flooded


async def flush(tb: TB) -> None:
    """Close the dirty page."""
    await tb.flush()


async def fill_for_a_write(tb: TB) -> None:
    """A part of a line of a stored page: the page is filled."""
    assert await tb.write(STORED * PAGE_BYTES + 7, b"part") == OKAY


async def fill_for_a_read(tb: TB) -> None:
    """A stored page."""
    assert await tb.load(STORED) == noise_page(STORED)


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_flood_of_read_hits_delays_a_close_by_one_line_a_line(dut: Any) -> None:
    tb = await TB.open(dut)
    alone, flooded = await alone_and_flooded(tb, read_hits, flush)
    assert flooded <= alone + PASSES * 64 + TURN, f"{alone} cycles alone, {flooded} under a flood"


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_flood_of_write_hits_delays_a_close_by_one_operation(dut: Any) -> None:
    """The page of the flood is dirty too: the flush closes both."""
    tb = await TB.open(dut)
    alone, flooded = await alone_and_flooded(tb, write_hits, flush)
    assert flooded <= 2 * alone + TURN, f"{alone} cycles alone, {flooded} under a flood"


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_flood_of_read_misses_delays_a_command_by_one_operation(dut: Any) -> None:
    tb = await TB.open(dut)
    alone, flooded = await alone_and_flooded(tb, read_misses, lambda tb: tb.page_state(STORED))
    assert flooded <= alone + TURN, f"{alone} cycles alone, {flooded} under a flood"


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_flood_of_reads_delays_a_write_that_needs_its_page_by_one_operation(dut: Any) -> None:
    tb = await TB.open(dut)
    for flooding in (read_hits, read_misses):
        alone, flooded = await alone_and_flooded(tb, flooding, fill_for_a_write)
        assert flooded <= alone + TURN, f"{alone} cycles alone, {flooded} under a flood"


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_flood_of_write_hits_delays_a_read_that_needs_its_page_by_one_operation(dut: Any) -> None:
    tb = await TB.open(dut)
    alone, flooded = await alone_and_flooded(tb, write_hits, fill_for_a_read)
    assert flooded <= alone + TURN, f"{alone} cycles alone, {flooded} under a flood"


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_flood_of_whole_pages_delays_a_read_and_a_command_by_one_close(dut: Any) -> None:
    """Complete pages are closed before anything else, but each needs a turn before it can become complete."""

    def whole_pages(tb: TB) -> AbstractContextManager[list[int]]:
        return flood(lambda n: tb.host.init_write((8 + n % 3) * PAGE_BYTES, compressible_page(n % 3)))

    tb = await TB.open(dut)
    await tb.store(8, compressible_page(0))
    close = await took(tb.idle())
    for what in (fill_for_a_read, lambda tb: tb.page_state(STORED)):
        alone, flooded = await alone_and_flooded(tb, whole_pages, what)
        assert flooded <= alone + 2 * (close + 64 + TURN), f"{alone} cycles alone, {flooded} under a flood"
