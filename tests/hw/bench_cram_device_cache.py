# SPDX-License-Identifier: MIT
"""The rules of the page cache (docs/device/cache.md).

Oracle for victims: `Cache`, the rules written down again for one access at a time; Get Page State tells what is cached.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cocotb

from hw.codes import PageState
from hw.link import PAGE_BYTES
from hw.registers import Register
from tests.hw.cram_device_tb import OKAY, PARAMETERS, TB, effort
from tests.hw.expect import expect
from tests.pages import SAME_PAGE, ZERO_PAGE, compressible_page, noise_page


@dataclass
class Entry:
    """What the oracle knows of a cache entry."""

    page: int | None = None
    dirty_lines: set[int] = field(default_factory=set)
    dirty: bool = False


class Cache:
    """Which pages are cached, and which of them are dirty, after a sequence of accesses."""

    def __init__(self) -> None:
        self.entries = [Entry() for _ in range(PARAMETERS.cache_pages)]
        self.recency = list(self.entries)  # most recently used first

    def access(self, page: int, line: int, write: bool) -> None:
        """One line is read or written; complete pages are closed."""
        entry = next((entry for entry in self.entries if entry.page == page), None)
        dirty = [other for other in reversed(self.recency) if other.dirty]
        if write and not (entry and entry.dirty) and dirty and self._spare() <= PARAMETERS.spare_entries:
            self.close(dirty[0])  # some entries are kept clean
        entry = entry or self._take(page)
        self._touch(entry)
        if write:
            entry.dirty = True
            entry.dirty_lines.add(line)
        if len(entry.dirty_lines) == 64:
            self.close(entry)

    def _spare(self) -> int:
        """Entries that can be taken without closing one."""
        return sum(not entry.dirty for entry in self.entries)

    def close(self, entry: Entry) -> None:
        """The entry stays, clean."""
        entry.dirty = False
        entry.dirty_lines.clear()

    def trim(self, page: int) -> None:
        """The entry of the page becomes unused."""
        for entry in self.entries:
            if entry.page == page:
                entry.page, entry.dirty, entry.dirty_lines = None, False, set()

    def flags(self) -> dict[int, bool]:
        """Cached page: dirty."""
        return {entry.page: entry.dirty for entry in self.entries if entry.page is not None}

    def _take(self, page: int) -> Entry:
        unused = [entry for entry in self.entries if entry.page is None]
        clean = [entry for entry in reversed(self.recency) if not entry.dirty]
        victim = (unused or clean or self.recency[::-1])[0]
        self.close(victim)
        victim.page = page
        return victim

    def _touch(self, entry: Entry) -> None:
        self.recency.remove(entry)
        self.recency.insert(0, entry)


async def device_flags(tb: TB, pages: range) -> dict[int, bool]:
    """Cached page: dirty, as the device tells."""
    states = {page: await tb.page_state(page) for page in pages}
    return {page: state.dirty for page, state in states.items() if state.cached}


@cocotb.test(timeout_time=300, timeout_unit="ms")
async def the_victim_is_unused_then_least_recent_clean_then_least_recent_dirty(dut: Any) -> None:
    """Random reads, partial and full writes, whole pages and trims, one at a time; the cache follows the oracle."""
    tb = await TB.open(dut)
    cache = Cache()
    pages = range(PARAMETERS.cache_pages + 3)
    for _ in range(effort(250)):
        page, line = tb.random.choice(pages), tb.random.randrange(64)
        what = tb.random.choice(["read", "read", "write", "write", "part", "page", "trim"])
        if what == "read":
            await tb.load(page, line, 1)
            cache.access(page, line, False)
        elif what == "write":
            await tb.store_line(page, line, compressible_page(line)[:64])
            cache.access(page, line, True)
        elif what == "part":
            await tb.store_line(page, line, b"part")
            cache.access(page, line, True)
        elif what == "page":
            await tb.store(page, compressible_page(page))
            for each in range(64):
                cache.access(page, each, True)
        else:
            await tb.trim((page, 1))
            cache.trim(page)
        await tb.idle()
        if tb.random.random() < 0.3:
            assert await device_flags(tb, pages) == cache.flags()
    assert await device_flags(tb, pages) == cache.flags()
    await tb.conserved()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def the_entry_of_a_trimmed_page_is_the_next_to_be_taken(dut: Any) -> None:
    tb = await TB.open(dut)
    count = PARAMETERS.cache_pages
    for page in range(count):
        await tb.load(page)
    await tb.trim((count - 1, 1))
    await tb.load(count)
    assert set(await device_flags(tb, range(count + 1))) == {*range(count - 1), count}


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def only_a_partial_write_fills_a_stored_page_and_host_lines_win(dut: Any) -> None:
    """A full line of a stored page is taken without reading the media; the fill later leaves it alone."""
    tb = await TB.open(dut)
    for content in (noise_page(3), compressible_page(3), SAME_PAGE, ZERO_PAGE[:-1] + b"\x01"):
        await tb.store(0, content)
        await tb.evict(0)
        expected = bytearray(content)
        filled = await tb.register(Register.PAGES_FILLED)
        for line in (0, 17, 63):
            await tb.store_line(0, line, bytes([line]) * 64)
            expected[line * 64 : line * 64 + 64] = bytes([line]) * 64
            assert await tb.load(0, line, 1) == bytes([line]) * 64
        await tb.expect(Register.PAGES_FILLED, filled)
        await tb.store_line(0, 17, b"over")
        expected[17 * 64 : 17 * 64 + 4] = b"over"
        await tb.expect(Register.PAGES_FILLED, filled)  # the line is there
        await tb.store_line(0, 18, b"part")
        await tb.idle()  # the line is answered before the fill ends
        expected[18 * 64 : 18 * 64 + 4] = b"part"
        await tb.expect(Register.PAGES_FILLED, filled + 1)
        assert await tb.load(0) == bytes(expected)
        await tb.flush()
        await tb.expect(Register.PAGES_FILLED, filled + 1)
        await tb.evict(0)
        assert await tb.load(0) == bytes(expected)
    await tb.conserved()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def closing_fills_what_the_host_left_out(dut: Any) -> None:
    tb = await TB.open(dut)
    content = bytearray(noise_page(4))
    await tb.store(0, bytes(content))
    await tb.evict(0)
    filled = await tb.register(Register.PAGES_FILLED)
    await tb.store_line(0, 30, bytes(64))
    content[30 * 64 : 31 * 64] = bytes(64)
    await tb.flush()
    await tb.expect(Register.PAGES_FILLED, filled + 1)
    assert (await tb.page_state(0)).cached
    assert await tb.load(0) == content
    await tb.evict(0)
    assert await tb.load(0) == content
    await tb.conserved()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_partial_write_to_a_free_page_leaves_zeros_around(dut: Any) -> None:
    """Also when the cache entry held another page before."""
    tb = await TB.open(dut)
    for page in range(2 * PARAMETERS.cache_pages):
        await tb.store(page, noise_page(page)) if page % 2 else await tb.load(page)
    page = PARAMETERS.perceived_pages - 1
    await tb.write(page * PAGE_BYTES + 130, b"xyz")
    expected = bytearray(PAGE_BYTES)
    expected[130:133] = b"xyz"
    assert await tb.load(page) == expected
    await tb.flush()
    assert await tb.load(page) == expected
    await tb.evict(page)
    assert await tb.load(page) == expected
    await tb.conserved()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_complete_page_is_closed_at_once_and_an_incomplete_one_is_not(dut: Any) -> None:
    tb = await TB.open(dut)
    content = compressible_page(5)
    await tb.store(0, content[:-64])
    await tb.idle()
    assert await tb.registers("PAGES_CLOSED", "RESERVED_SECTORS") == {
        "PAGES_CLOSED": 0, "RESERVED_SECTORS": PARAMETERS.raw_sectors,
    }  # fmt: skip
    await tb.store_line(0, 63, content[-64:])
    await tb.idle()
    assert await tb.registers("PAGES_CLOSED", "RESERVED_SECTORS") == {"PAGES_CLOSED": 1, "RESERVED_SECTORS": 0}
    info = await tb.page_state(0)
    assert (info.state, info.cached, info.dirty) == (PageState.LZ4, True, False)


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_page_being_closed_is_read_without_waiting_and_written_after(dut: Any) -> None:
    """The media does not answer, so the close hangs: reads go through, a write waits and then lands."""
    tb = await TB.open(dut)
    content = noise_page(6)
    tb.slave.write_if.b_channel.pause = True
    await tb.store(0, content)
    await tb.cycles(2000)
    expect(dut.idle_o, 0)
    assert await tb.within(500, tb.load(0)) == content
    late = cocotb.start_soon(tb.store_line(0, 8, b"late" * 16))
    await tb.cycles(500)
    assert not late.done()
    assert await tb.within(500, tb.load(0)) == content
    tb.slave.write_if.b_channel.pause = False
    await late
    expected = content[: 8 * 64] + b"late" * 16 + content[9 * 64 :]
    assert await tb.load(0) == expected
    await tb.flush()
    await tb.evict(0)
    assert await tb.load(0) == expected
    await tb.conserved()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_write_to_an_incomplete_page_waits_until_its_close_is_done(dut: Any) -> None:
    """Otherwise the line would count as stored without being so."""
    tb = await TB.open(dut)
    content = noise_page(16)[:-64] + bytes(64)
    await tb.store(0, content[:-64])
    tb.slave.write_if.b_channel.pause = True
    flush = cocotb.start_soon(tb.flush())
    await tb.cycles(2000)
    late = cocotb.start_soon(tb.store_line(0, 8, b"late" * 16))
    await tb.cycles(500)
    assert not late.done() and not flush.done()
    assert await tb.within(500, tb.load(0, 0, 63)) == content[:-64]
    tb.slave.write_if.b_channel.pause = False
    await late
    await flush
    await tb.flush()
    await tb.evict(0)
    assert await tb.load(0) == content[: 8 * 64] + b"late" * 16 + content[9 * 64 :]
    await tb.conserved()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_line_of_a_fill_is_answered_as_soon_as_it_is_there(dut: Any) -> None:
    """The media stops after the first sectors of a raw page: the first line comes, the last does not."""
    tb = await TB.open(dut)
    content = noise_page(9)
    await tb.store(0, content)
    await tb.evict(0)
    tb.media.read_sectors.clear()
    tb.media.latency = lambda: 20_000 if len(tb.media.read_sectors) > 2 else 0
    first = cocotb.start_soon(tb.load(0, 0, 1))
    assert await tb.within(2000, first) == content[:64]  # type: ignore[arg-type]
    last = cocotb.start_soon(tb.load(0, 63, 1))
    await tb.cycles(5000)
    assert not last.done()
    tb.media.latency = None
    assert await last == content[-64:]
    await tb.conserved()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def trimming_a_dirty_page_gives_its_reservation_back_and_its_lines_are_gone(dut: Any) -> None:
    tb = await TB.open(dut)
    await tb.store(1, noise_page(1))
    await tb.idle()
    free = await tb.register(Register.FREE_SECTORS)
    await tb.store_line(1, 3, bytes(64))
    await tb.store_line(2, 3, b"\x01" * 64)
    dirty = min(2, PARAMETERS.cache_pages - PARAMETERS.spare_entries)
    await tb.expect(Register.RESERVED_SECTORS, dirty * PARAMETERS.raw_sectors)
    await tb.trim((1, 2))
    assert await tb.registers("RESERVED_SECTORS", "FREE_SECTORS", "RESIDENT_PAGES") == {
        "RESERVED_SECTORS": 0, "FREE_SECTORS": free + PARAMETERS.raw_sectors, "RESIDENT_PAGES": 0,
    }  # fmt: skip
    for page in (1, 2):
        assert await tb.load(page) == ZERO_PAGE
    assert await tb.write(PAGE_BYTES, b"a") == OKAY
    assert await tb.load(1) == b"a" + ZERO_PAGE[1:]
    await tb.conserved()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def mailbox_commands_are_served_while_both_ports_miss_all_the_time(dut: Any) -> None:
    """Neither port nor the mailbox starves the others."""
    tb = await TB.open(dut)
    span = 2 * PARAMETERS.cache_pages + 1
    running = True

    async def misses(write: bool) -> None:
        page = 0
        while running:
            page = (page + 1) % span
            address = (page + (span if write else 0)) * PAGE_BYTES
            job = [tb.host.init_write(address, bytes(64)) if write else tb.host.init_read(address, 64)]
            page = (page + 1) % span
            address = (page + (span if write else 0)) * PAGE_BYTES
            job.append(tb.host.init_write(address, bytes(64)) if write else tb.host.init_read(address, 64))
            for event in job:
                await event.wait()

    jobs = [cocotb.start_soon(misses(True)), cocotb.start_soon(misses(False))]
    await tb.cycles(2000)
    for _ in range(3):
        await tb.within(50_000, tb.page_state(0))
    running = False
    for job in jobs:
        await job
    await tb.conserved()
