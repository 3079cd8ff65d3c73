# SPDX-License-Identifier: MIT
"""What a device under load does at the same time (docs/device/misses.md). Times are from AR or AW to the last answer.

The media takes its time here, so that what waits for it and what does not are far apart.
"""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import Combine

from hw.link import LINE_BYTES, PAGE_BYTES
from tests.hw.cram_device_tb import DECERR, OKAY, PARAMETERS, TB, effort
from tests.hw.expect import cycle
from tests.hw.host_bursts import INCR, Burst, Bursts, random_burst
from tests.pages import compressible_page, noise_page

HOT, STORED = 0, 1  # a page that is cached, one that is not
WAITING = 8  # reads that may wait for their lines
SLOW = 200  # cycles of the media


async def device(dut: Any, stored: int = 1) -> tuple[TB, Bursts]:
    """HOT is cached, the `stored` pages behind it are on a slow media only; nothing is dirty."""
    tb = await TB.open(dut, bursts=True)
    assert tb.port is not None
    whole = [(1 << 64) - 1] * 64
    others = range(STORED + stored, STORED + stored + 2 * PARAMETERS.cache_pages)
    for page in range(STORED + stored):
        words = [int.from_bytes(line, "little") for line in lines(page)]
        assert await tb.port.write(Burst(page * PAGE_BYTES, 64, 6, INCR), words, whole) == OKAY
    await tb.idle()
    for page in (*others, HOT):
        await tb.port.read(line_of(page, 0))
    await tb.idle()
    tb.media.latency = lambda: SLOW
    return tb, tb.port


def content(page: int) -> bytes:
    """What a page holds."""
    return noise_page(page) if page % 4 == 3 else compressible_page(page)


def lines(page: int) -> list[bytes]:
    """The lines of a page."""
    return [content(page)[at : at + LINE_BYTES] for at in range(0, PAGE_BYTES, LINE_BYTES)]


def line_of(page: int, line: int) -> Burst:
    """A burst of one line."""
    return Burst(page * PAGE_BYTES + line * LINE_BYTES, 1, 6, INCR)


async def read(port: Bursts, page: int, line: int, identifier: int) -> int:
    """The cycle in which a line was there; it must be right."""
    assert await port.read(line_of(page, line), identifier) == [(lines(page)[line], OKAY)]
    return cycle()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_hit_of_another_id_does_not_wait_for_a_miss(dut: Any) -> None:
    """As many misses wait as can, and the hits behind them take as long as alone."""
    tb, port = await device(dut, WAITING)
    start = cycle()
    alone = await read(port, HOT, 5, 9) - start
    misses = [cocotb.start_soon(read(port, STORED + number, 63, number)) for number in range(WAITING)]
    await tb.cycles(2 * WAITING)
    for line in range(8):
        start = cycle()
        assert await read(port, HOT, line, 9) - start == alone
    assert not any(miss.done() for miss in misses)
    await Combine(*misses)
    assert port.overtaken >= 8  # the misses overtake each other, too


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_hit_of_the_same_id_waits_for_a_miss(dut: Any) -> None:
    _, port = await device(dut)
    miss = cocotb.start_soon(read(port, STORED, 0, 7))
    hit = cocotb.start_soon(read(port, HOT, 0, 7))
    other = cocotb.start_soon(read(port, HOT, 1, 8))
    await Combine(miss, hit, other)
    assert other.result() < miss.result() < hit.result()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_read_outside_the_pages_waits_for_a_miss_of_its_id_and_is_answered_decerr(dut: Any) -> None:
    """Whatever bit of its address is beyond the pages."""
    bits = range((PARAMETERS.perceived_pages * PAGE_BYTES - 1).bit_length(), 40)
    turns = [bits[at : at + WAITING - 1] for at in range(0, len(bits), WAITING - 1)]
    tb, port = await device(dut, len(turns))
    for number, turn in enumerate(turns):
        miss = cocotb.start_soon(read(port, STORED + number, 0, 7))
        await tb.cycles(4)
        others = [cocotb.start_soon(port.read(Burst(1 << bit, 2, 6, INCR), 7)) for bit in turn]
        await tb.cycles(4 * WAITING)
        assert not any(other.done() for other in others), f"answered before the miss: bits {turn}"
        await Combine(miss, *others)
        for other in others:
            assert other.result() == [(bytes(LINE_BYTES), DECERR)] * 2, f"bits {turn}"


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_burst_of_hits_goes_on_at_a_line_a_cycle_while_misses_wait(dut: Any) -> None:
    tb, port = await device(dut, WAITING)
    page = Burst(HOT * PAGE_BYTES, 64, 6, INCR)

    async def whole() -> int:
        start = cycle()
        assert await port.read(page, 9) == [(line, OKAY) for line in lines(HOT)]
        return cycle() - start

    alone = await whole()
    misses = [cocotb.start_soon(read(port, STORED + number, 63, number)) for number in range(WAITING)]
    await tb.cycles(2 * WAITING)
    assert await whole() == alone
    await Combine(*misses)


async def all_dirty(tb: TB, port: Bursts, pages: range) -> None:
    """Change a line of as many free pages as there are entries, the device at rest; they stay where they are put."""
    for page in pages:
        assert await port.write(line_of(page, 0), [page], [(1 << 64) - 1]) == OKAY
    await tb.idle()


def free(stored: int) -> range:
    """As many free pages as there are entries."""
    first = STORED + stored + 3 * PARAMETERS.cache_pages
    return range(first, first + PARAMETERS.cache_pages)


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_miss_finds_a_clean_entry_though_all_were_dirty(dut: Any) -> None:
    tb, port = await device(dut, 2)
    start = cycle()
    alone = await read(port, STORED, 0, 0) - start
    await all_dirty(tb, port, free(2))
    start = cycle()
    took = await read(port, STORED + 1, 0, 0) - start
    tb.dut._log.info("miss: %d cycles, with all entries dirty before: %d", alone, took)
    assert took <= alone + 20, f"{alone} cycles alone, {took} after all entries were dirty"


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def the_least_recently_used_entry_is_cleaned_and_no_other(dut: Any) -> None:
    tb, port = await device(dut)
    await all_dirty(tb, port, free(1))
    states = [await tb.page_state(page) for page in free(1)]
    assert [state.dirty for state in states] == [False, *[True] * (PARAMETERS.cache_pages - 1)]
    assert all(state.cached for state in states)


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_page_that_is_written_whole_is_closed_alone(dut: Any) -> None:
    """It is the last entry that may become dirty, and no other one is closed for it."""
    tb, port = await device(dut)
    *others, last = free(1)[: PARAMETERS.cache_pages - PARAMETERS.spare_entries]
    await all_dirty(tb, port, range(others[0], last))
    before = await tb.registers("CLOSED_ZERO", "CLOSED_SAME", "CLOSED_LZ4", "CLOSED_RAW")
    words = [int.from_bytes(line, "little") for line in lines(4)]
    tb.stall(0.5)
    assert await port.write(Burst(last * PAGE_BYTES, 64, 6, INCR), words, [(1 << 64) - 1] * 64) == OKAY
    await tb.idle()
    assert await tb.registers(*before) == before | {"CLOSED_LZ4": before["CLOSED_LZ4"] + 1}


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def hits_do_not_keep_an_entry_from_being_cleaned(dut: Any) -> None:
    tb, port = await device(dut)
    *others, last = free(1)
    await all_dirty(tb, port, range(others[0], last))

    async def flood() -> None:
        while True:
            await port.read(Burst(others[-1] * PAGE_BYTES, 64, 6, INCR), 1)

    floods = [cocotb.start_soon(flood()) for _ in range(4)]
    assert await port.write(line_of(last, 0), [1], [(1 << 64) - 1]) == OKAY
    await tb.cycles(3000)
    states = [await tb.page_state(page) for page in free(1)]
    for task in floods:
        task.cancel()
    assert sum(state.dirty for state in states) == PARAMETERS.cache_pages - 1


@cocotb.test(timeout_time=200, timeout_unit="ms")
async def reads_are_right_and_in_order_within_an_id_whatever_waits(dut: Any) -> None:
    """More reads under way than can wait, of few IDs and of any, in and out of the perceived pages."""
    tb, port = await device(dut, WAITING)
    tb.media.latency = lambda: tb.random.choice([0, 1, 40, SLOW])
    tb.stall(0.2)
    known = range(STORED + WAITING)

    async def one(burst: Burst, identifier: int) -> None:
        page = burst.address // PAGE_BYTES
        for number, (data, response) in enumerate(await port.read(burst, identifier)):
            word, lanes = burst.beat(number)
            assert response == OKAY, f"beat {number} of {burst}"
            line = content(page)[word % PAGE_BYTES :]
            assert data[lanes.start : lanes.stop] == line[lanes.start : lanes.stop], f"beat {number} of {burst}"

    for _ in range(effort(20)):
        identifiers = tb.random.choice([range(2), range(256)])
        jobs = []
        for _ in range(20):
            burst = random_burst(tb.random, tb.random.choice(known))
            jobs.append(cocotb.start_soon(one(burst, tb.random.choice(identifiers))))
        await Combine(*jobs)
        for page in tb.random.sample(range(8 + WAITING, 8 + WAITING + PARAMETERS.cache_pages), 2):
            await port.read(line_of(page, 0))
    assert port.overtaken > 0, "no read overtook another"
