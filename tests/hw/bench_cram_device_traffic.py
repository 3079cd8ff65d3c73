# SPDX-License-Identifier: MIT
"""Random traffic on all ports at once: nothing is lost, mixed up, leaked or kept waiting for ever.

Oracle: `History` for overlapping accesses of whole lines. The media holds few raw pages, so that exhaustion, eviction
and trims meet all the time; a write that finds no room is refused, and no page is ever lost. The seed is
cocotb's, printed in the log.
"""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.utils import get_sim_time

from hw.codes import EventCode, PageState
from hw.link import LINE_BYTES, PAGE_BYTES
from hw.registers import Register
from tests.hw.cram_device_tb import OKAY, PARAMETERS, SLVERR, TB, effort
from tests.hw.history import History
from tests.pages import SAME_PAGE, ZERO_PAGE, compressible_page, noise_page, program_pages


def now() -> float:
    """Simulated time, ns."""
    return float(get_sim_time("ns"))


class Traffic:
    """Three tasks on one device: a writer, a reader and a trimmer."""

    def __init__(self, tb: TB, pages: range) -> None:
        self.tb, self.pages = tb, pages
        self.history = History(bytes(LINE_BYTES))
        self.refused = 0
        self.trimming: set[int] = set()
        self.done = False

    async def write(self, page: int, line: int, data: bytes) -> None:
        """Whole lines. SLVERR says that some line found no room: each was written or not."""
        pieces = [data[at : at + LINE_BYTES] for at in range(0, len(data), LINE_BYTES)]
        begun = [self.history.begin((page, line + n), piece, now()) for n, piece in enumerate(pieces)]
        response = await self.tb.write(page * PAGE_BYTES + line * LINE_BYTES, data)
        for n, operation in enumerate(begun):
            operation.certain = response == OKAY
            self.history.end((page, line + n), operation, now())
        if response != OKAY:
            assert response == SLVERR
            self.refused += 1

    async def read(self, page: int, line: int, lines: int) -> None:
        """Every line is one that it may be."""
        start = now()
        data, response = await self.tb.read(page * PAGE_BYTES + line * LINE_BYTES, lines * LINE_BYTES)
        allowed = [self.history.allowed((page, line + n), start, now()) for n in range(lines)]
        assert response == OKAY, f"page {page} is lost"
        for n, values in enumerate(allowed):
            found = data[n * LINE_BYTES : (n + 1) * LINE_BYTES]
            assert found in values, f"page {page} line {line + n}: {found.hex()}"

    async def trim(self, page: int) -> None:
        """All lines become zeros."""
        begun = [self.history.begin((page, n), bytes(LINE_BYTES), now()) for n in range(64)]
        await self.tb.trim((page, 1))
        for n, operation in enumerate(begun):
            self.history.end((page, n), operation, now())

    async def writer(self, count: int) -> None:
        """Pages of all kinds, whole and in parts."""
        source = self.tb.random
        for _ in range(count):
            page = source.choice(self.pages)
            kind = source.choice(["zero", "same", "small", "small", "program", "program", "noise"])
            content = {
                "zero": ZERO_PAGE, "same": SAME_PAGE, "small": compressible_page(source.getrandbits(30)),
                "program": source.choice(program_pages()), "noise": noise_page(source.getrandbits(30)),
            }[kind]  # fmt: skip
            line = source.choice([0, source.randrange(64)])
            lines = source.choice([64 - line, 1, source.randint(1, 64 - line)])
            await self.write(page, line, content[line * LINE_BYTES : (line + lines) * LINE_BYTES])
        self.done = True

    async def reader(self) -> None:
        """Lines and pages, until the writer is done."""
        source = self.tb.random
        while not self.done:
            line = source.choice([0, source.randrange(64)])
            lines = source.choice([1, 64 - line, source.randint(1, 64 - line)])
            await self.read(source.choice(self.pages), line, lines)

    async def trimmer(self) -> None:
        """Trims, and what else the mailbox offers, until the writer is done."""
        source = self.tb.random
        while not self.done:
            page = source.choice(self.pages)
            what = source.choice(["trim", "trim", "trim", "state", "export", "flush"])
            if what == "trim":
                await self.trim(page)
            elif what == "state":
                await self.tb.page_state(page)
            elif what == "export":
                await self.tb.export(page)
            else:
                await self.tb.flush()
            await self.tb.cycles(source.choice([0, 100, 3000]))


async def run(dut: Any, pages: int, count: int, stall: float = 0.0) -> None:
    """Traffic on so many pages, all over the device; then silence, then every rule that holds always."""
    tb = await TB.open(dut)
    if stall:
        tb.stall(stall)
        tb.media.latency = lambda: tb.random.choice([0, 1, 10, 60])
    traffic = Traffic(tb, range(0, PARAMETERS.perceived_pages, PARAMETERS.perceived_pages // pages)[:pages])
    jobs = [traffic.writer(effort(count)), traffic.reader(), traffic.trimmer()]
    for job in [cocotb.start_soon(job) for job in jobs]:
        await job
    await tb.flush()
    await tb.idle()
    found = await tb.check_chains(traffic.pages)
    assert all(info.state != PageState.POISON for info in found.values())
    resident = sum(info.state.resident for info in found.values())
    await tb.expect(Register.RESIDENT_PAGES, resident)
    events = await tb.events()
    assert all(code == EventCode.EXHAUSTED and page in traffic.pages for code, page in events)
    assert len(events) + await tb.register(Register.EVENT_OVERFLOW) == traffic.refused
    await tb.expect(Register.PAGES_POISONED, 0)
    for page in traffic.pages:
        await traffic.read(page, 0, 64)
    await tb.conserved()
    for page in traffic.pages:
        assert await tb.load(page, 0, 1) == bytes(LINE_BYTES)


@cocotb.test(timeout_time=1000, timeout_unit="ms")
async def on_few_pages(dut: Any) -> None:
    """Every access meets another on the same page."""
    await run(dut, 3, 120)


@cocotb.test(timeout_time=1000, timeout_unit="ms")
async def on_more_pages_than_the_media_holds(dut: Any) -> None:
    await run(dut, min(48, PARAMETERS.perceived_pages), 120)


@cocotb.test(timeout_time=1000, timeout_unit="ms")
async def with_gaps_and_back_pressure_everywhere(dut: Any) -> None:
    await run(dut, 8, 50, stall=0.3)


@cocotb.test(timeout_time=1000, timeout_unit="ms")
async def reading_and_writing_different_pages_at_full_speed(dut: Any) -> None:
    """Two streams, more than one access outstanding in each, through as few entries as there are."""
    tb = await TB.open(dut)
    pages = 2 * PARAMETERS.cache_pages
    contents = {page: compressible_page(page) for page in range(2 * pages)}
    for page in range(pages):
        await tb.store(page, contents[page])
    reads = [tb.host.init_read(page * PAGE_BYTES, PAGE_BYTES) for page in range(pages)]
    writes = [tb.host.init_write(page * PAGE_BYTES, contents[page]) for page in range(pages, 2 * pages)]
    for event in [*reads, *writes]:
        await tb.within(100_000, event.wait())
    assert [bytes(event.data.data) for event in reads] == [contents[page] for page in range(pages)]
    for page in range(2 * pages):
        assert await tb.load(page) == contents[page]
    await tb.conserved()
