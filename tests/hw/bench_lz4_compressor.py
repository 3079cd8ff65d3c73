# SPDX-License-Identifier: MIT
"""cocotb tests of lz4_compressor; run by test_lz4_compressor.py. The oracle is liblz4 (the `lz4` package).

Settings come from the environment: EFFORT, the factor on the number of pages; PAGES, optionally, a file of 4096-byte
pages that `shrinks_real_pages_as_liblz4_does` takes instead of this process's own.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cocotb
import lz4.block
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from hw.link import PAGE_BYTES as PAGE
from hw.lz4_block import sequences
from tests.hw import compressor_model
from tests.hw.expect import PERIOD_NS, expect
from tests.hw.pages import heap_pages, real_pages, text_pages

LINE = 64
LARGEST_BLOCK = PAGE + PAGE // 255 + 16
EFFORT = float(os.environ["EFFORT"])

PAGE_NUMBERS = 256  # rows of a bank of the hash table

MINIMUM_RATIO = 0.97  # of liblz4's, over all pages
MINIMUM_RATIO_OF_A_KIND = 0.90
MINIMUM_BYTES_PER_CYCLE = 5.5  # of a kind; the average over programs is higher


# ---- pages


def kinds_of_pages() -> dict[str, list[bytes]]:
    """All pages at hand by kind: heap and text, or those of the file that PAGES names."""
    if "PAGES" not in os.environ:
        return {"heap": heap_pages(), "text": text_pages()}
    file = Path(os.environ["PAGES"])
    data = file.read_bytes()
    return {file.stem: [data[i : i + PAGE] for i in range(0, len(data) - PAGE + 1, PAGE)]}


def count(pages: int) -> int:
    return max(2, round(pages * EFFORT))


def some(rng: random.Random, pages: list[bytes]) -> list[bytes]:
    """As many of `pages` as the effort allows, in their order."""
    chosen = rng.sample(range(len(pages)), count(len(pages)))
    return [pages[i] for i in sorted(chosen)]


def repeated(pattern: bytes, length: int = PAGE) -> bytes:
    return (pattern * (length // len(pattern) + 1))[:length]


# ---- blocks


def check_block(page: bytes, block: bytes) -> None:
    """The block is one that liblz4 decodes to `page`, and it keeps the end-of-block rules of the LZ4 block format."""
    try:
        assert lz4.block.decompress(block, uncompressed_size=PAGE) == page, "decoded to another page"
        assert len(block) <= LARGEST_BLOCK, f"{len(block)} bytes"
        position = 0
        for found in sequences(block):
            position += found.literals
            assert position <= PAGE - 12 or not found.match, f"a match starts at {position}"
            position += found.match
            assert position <= PAGE - 5 or not found.match, f"a match ends at {position}"
    except (AssertionError, lz4.block.LZ4BlockError) as error:
        Path("failed.page").write_bytes(page)
        Path("failed.lz4").write_bytes(block)
        raise AssertionError(f"{error}; page and block: {Path('failed.*').absolute()}") from error


# ---- the bench


@dataclass(frozen=True)
class Answer:
    """What came out for one page: the block, and cycles from its first beat in to its last beat out."""

    block: bytes
    cycles: int


class TB:
    """Clock, reset and both ends of the stream. Everything is driven and sampled at the falling edge."""

    def __init__(self, dut: Any, rng: random.Random) -> None:
        self.dut = dut
        self.rng = rng

    @classmethod
    async def start(cls, dut: Any, seed: int) -> TB:
        tb = cls(dut, random.Random(seed))
        Clock(dut.clk_i, PERIOD_NS, unit="ns").start()
        dut.rst_ni.value = 0
        dut.clear_i.value = 0
        dut.page_valid_i.value = 0
        dut.block_ready_i.value = 0
        for _ in range(2):
            await FallingEdge(dut.clk_i)
        dut.rst_ni.value = 1
        for _ in range(1025):
            await FallingEdge(dut.clk_i)
            if int(dut.page_ready_o.value):
                return tb
        raise AssertionError("page_ready_o stays low after reset")

    async def clear(self) -> None:
        """One cycle of `clear_i`, whatever happens on the streams; the next cycle is ready for a page."""
        dut = self.dut
        dut.clear_i.value = 1
        dut.page_valid_i.value = self.rng.getrandbits(1)
        dut.block_ready_i.value = self.rng.getrandbits(1)
        await FallingEdge(dut.clk_i)
        dut.clear_i.value = 0
        dut.page_valid_i.value = 0
        dut.block_ready_i.value = 0
        expect(dut.page_ready_o, 1, "page_ready_o low after clear_i")
        expect(dut.block_valid_o, 0, "block_valid_o after clear_i")

    async def compress(self, page: bytes, gaps: float = 0, stalls: float = 0, cycles: int | None = None) -> Answer:
        """Send a page, take its block; give up after `cycles` cycles.

        `gaps` and `stalls` are the probabilities of a cycle without an offer or without readiness.
        """
        dut, rng = self.dut, self.rng
        limit = cycles if cycles is not None else int(3 * PAGE / (1 - max(gaps, stalls)))
        block = bytearray()
        sent, first, cycle = 0, 0, 0
        offered = stalled = False
        held = (0, 0, False)
        dut.block_ready_i.value = 1
        while True:
            # what the edge before has left
            page_ready = int(dut.page_ready_o.value)
            valid = int(dut.block_valid_o.value)
            assert valid or not stalled, "block_valid_o fell before block_ready_i"
            if cycle == limit:
                assert cycles is not None, f"hangs: {sent} beats in, {len(block)} bytes out"
                break

            # what the next edge will see; an offer once made stays
            if sent < PAGE // LINE and not offered and (not gaps or rng.random() >= gaps):
                offered = True
                dut.page_data_i.value = int.from_bytes(page[sent * LINE : sent * LINE + LINE], "little")
                dut.page_valid_i.value = 1
            ready = not stalls or rng.random() >= stalls
            if stalls:
                dut.block_ready_i.value = ready
            ends = False
            if valid:
                beat = (int(dut.block_data_o.value), int(dut.block_bytes_o.value), bool(dut.block_last_o.value))
                assert not stalled or beat == held, "a stalled beat changed"
                held = beat
                if ready:
                    data, size, ends = beat
                    assert 1 <= size <= LINE and (ends or size == LINE), f"{size} bytes in a beat, last {ends}"
                    assert data >> (8 * size) == 0, "bytes beyond block_bytes_o"
                    block += data.to_bytes(LINE, "little")[:size]
            stalled = bool(valid) and not ready
            if offered and page_ready:
                first = first if sent else cycle
                sent += 1
                offered = False
            await FallingEdge(dut.clk_i)
            if not offered:
                dut.page_valid_i.value = 0
            cycle += 1
            if ends:
                assert sent == PAGE // LINE, f"the block ended after {sent} page beats"
                expect(dut.page_ready_o, 1, "not ready for the next page")
                break
        dut.page_valid_i.value = 0
        dut.block_ready_i.value = 0
        return Answer(bytes(block), cycle - first)

    async def check(self, page: bytes, gaps: float = 0, stalls: float = 0) -> Answer:
        answer = await self.compress(page, gaps, stalls)
        check_block(page, answer.block)
        assert answer.block == compressor_model.compress(page), "not the block of the model"
        return answer


def random_flow(rng: random.Random) -> dict[str, float]:
    """Gaps and stalls of a page: none, some, many, on either side."""
    return {"gaps": rng.choice([0, 0, 0.3, 0.8]), "stalls": rng.choice([0, 0, 0.3, 0.8])}


# ---- the rules


@cocotb.test()
async def compresses_real_pages_under_any_flow(dut: Any) -> None:
    tb = await TB.start(dut, 1)
    for page in real_pages(tb.rng, count(60)):
        await tb.check(page, **random_flow(tb.rng))


@cocotb.test()
async def compresses_pages_of_one_byte_to_almost_nothing(dut: Any) -> None:
    tb = await TB.start(dut, 2)
    for byte in (0, 0xFF, 0x41):
        answer = await tb.check(bytes([byte]) * PAGE)
        assert len(answer.block) <= LINE


@cocotb.test()
async def yields_a_complete_block_for_noise(dut: Any) -> None:
    tb = await TB.start(dut, 3)
    for _ in range(count(10)):
        answer = await tb.check(tb.rng.randbytes(PAGE), **random_flow(tb.rng))
        assert len(answer.block) >= PAGE - 32


@cocotb.test()
async def compresses_every_short_period(dut: Any) -> None:
    tb = await TB.start(dut, 4)
    periods = range(1, 65)
    for period in some(tb.rng, [bytes([period]) for period in periods]):
        page = repeated(tb.rng.randbytes(period[0]))
        answer = await tb.check(page, **random_flow(tb.rng))
        assert len(answer.block) <= 2 * period[0] + 64


@cocotb.test()
async def finds_a_match_at_the_largest_distance(dut: Any) -> None:
    """The first bytes come again where the last match may start. The table is lossy: not in every page."""
    tb = await TB.start(dut, 5)
    found = 0
    for length in (4, 5, 7) * 4:
        start = tb.rng.randbytes(length)
        answer = await tb.check(start + bytes(PAGE - 12 - length) + start + tb.rng.randbytes(12 - length))
        found += (length, PAGE - 12) in [(each.match, each.offset) for each in sequences(answer.block)]
    assert found >= 6


@cocotb.test()
async def ends_every_block_by_the_rules(dut: Any) -> None:
    """Matches that would run into the last twelve and the last five bytes, from every phase of the windows."""
    tb = await TB.start(dut, 6)
    pages = []
    for tail in range(1, 41):
        noise = tb.rng.randbytes(PAGE - tail)
        start = tb.rng.randrange(PAGE - tail - 64)
        pages.append(noise + noise[start : start + tail])  # a match up to the end of the page
        pages.append(noise + bytes(tail))  # a run up to it
    for page in some(tb.rng, pages):
        await tb.check(page)


@cocotb.test()
async def counts_lengths_around_every_extension_byte(dut: Any) -> None:
    tb = await TB.start(dut, 7)
    lengths = [15, 16, 19, 20]
    for extra in (255, 510, 765, 1020, 2040, 3825):
        lengths += [15 + extra + delta for delta in (-1, 0, 1, 4)]
    for bit in range(8):  # one bit short of a whole byte
        lengths += [15 + (255 ^ 1 << bit) + delta for delta in (-1, 0, 4)]
    pages = []
    for length in lengths:
        noise = tb.rng.randbytes(PAGE)
        pages.append(noise[:length] + bytes(PAGE - length))  # literals, then a run
        pages.append(noise[:8] + bytes(length) + noise[8 : PAGE - length])  # a run, then literals
        if length <= 1800:  # a long match that is not a run
            pages.append((noise[:2000] + noise[100 : 100 + length] + noise[2000:])[:PAGE])
    for page in some(tb.rng, pages):
        await tb.check(page, **random_flow(tb.rng))


@cocotb.test()
async def ends_in_a_full_beat_or_in_one_byte(dut: Any) -> None:
    """Each byte more of noise behind a run is one more byte of the block."""
    tb = await TB.start(dut, 13)
    noise = tb.rng.randbytes(PAGE)

    def page(tail: int) -> bytes:
        return noise[:600] + bytes(PAGE - 600 - tail) + noise[PAGE - tail :]

    size = len((await tb.check(page(300))).block)
    for rest in (0, 1):
        answer = await tb.check(page(300 + (rest - size) % LINE))
        assert len(answer.block) % LINE == rest


@cocotb.test()
async def compresses_mixtures_of_runs_copies_and_noise(dut: Any) -> None:
    """Short pieces of every kind, so that matches start and end at every phase of the windows."""
    tb = await TB.start(dut, 8)
    for _ in range(count(60)):
        longest = tb.rng.choice([6, 20, 100])
        alphabet = tb.rng.choice([2, 4, 16, 256])
        page = bytearray()
        while len(page) < PAGE:
            length = tb.rng.randint(1, longest)
            kind = tb.rng.randrange(3)
            if kind == 0 or not page:
                page += bytes(tb.rng.randrange(alphabet) for _ in range(length))
            elif kind == 1:
                page += bytes([tb.rng.randrange(alphabet)]) * length
            else:
                offset = tb.rng.randint(1, min(len(page), tb.rng.choice([8, 64, PAGE])))
                page += repeated(bytes(page[-offset:]), length)
        await tb.check(bytes(page[:PAGE]), **random_flow(tb.rng))


@cocotb.test()
async def long_matches_wait_until_the_block_is_taken(dut: Any) -> None:
    """More sequences than there is room for, the last ones of 128 bytes and more, and a block that hardly moves."""
    tb = await TB.start(dut, 15)
    for _ in range(count(3)):
        source = tb.rng.randbytes(256)
        page = source
        for at in range(0, 240, 6):
            page += tb.rng.randbytes(5) + source[at : at + 12]
        while len(page) < PAGE - 256:
            length = tb.rng.randrange(128, 240)
            page += tb.rng.randbytes(4) + source[-length:]
        await tb.check(page + tb.rng.randbytes(PAGE - len(page)), stalls=0.99)


@cocotb.test()
async def yields_the_same_block_whatever_the_flow(dut: Any) -> None:
    tb = await TB.start(dut, 9)
    for page in real_pages(tb.rng, count(6)):
        blocks = [(await tb.check(page, gaps, stalls)).block for gaps in (0, 0.5, 0.9) for stalls in (0, 0.5, 0.9)]
        assert len(set(blocks)) == 1


@cocotb.test()
async def forgets_a_page_when_cleared(dut: Any) -> None:
    """Cleared in any cycle, and then right for the next page: nothing of the abandoned one is in its block."""
    tb = await TB.start(dut, 10)
    for page in real_pages(tb.rng, count(40)):
        expected = (await tb.check(page)).block
        other = bytes(byte ^ 1 for byte in page) if tb.rng.getrandbits(1) else page[64:] + page[:64]
        for _ in range(tb.rng.randint(1, 2)):
            await tb.compress(other, **random_flow(tb.rng), cycles=tb.rng.randrange(600))
            await tb.clear()
        assert (await tb.check(page, **random_flow(tb.rng))).block == expected


@cocotb.test()
async def never_matches_a_page_of_the_past(dut: Any) -> None:
    """Page numbers in the hash table repeat: the same page under the same number must look new again."""
    tb = await TB.start(dut, 11)
    page = tb.rng.randbytes(PAGE)
    expected = (await tb.check(page)).block
    dut.page_data_i.value = 0
    for _ in range(PAGE_NUMBERS - 1):
        dut.page_valid_i.value = 1
        await FallingEdge(dut.clk_i)
        dut.page_valid_i.value = 0
        await tb.clear()
        dut.page_valid_i.value = 0
    assert (await tb.check(page)).block == expected


@cocotb.test()
async def clears_do_not_keep_a_page_of_the_past(dut: Any) -> None:
    """With the first beat of each page, and in each cycle in which the table is made ready after a reset."""
    tb = await TB.start(dut, 14)
    page = tb.rng.randbytes(PAGE)
    expected = (await tb.check(page)).block
    dut.page_data_i.value = 0
    dut.clear_i.value = 1
    dut.page_valid_i.value = 1
    for _ in range(PAGE_NUMBERS - 1):
        await FallingEdge(dut.clk_i)
    dut.page_valid_i.value = 0
    dut.clear_i.value = 0
    assert (await tb.check(page)).block == expected

    dut.clear_i.value = 1
    dut.rst_ni.value = 0
    await FallingEdge(dut.clk_i)
    dut.rst_ni.value = 1
    while not int(dut.page_ready_o.value):
        await FallingEdge(dut.clk_i)
    dut.clear_i.value = 0
    assert (await tb.check(page)).block == expected


@cocotb.test()
async def shrinks_real_pages_as_liblz4_does(dut: Any) -> None:
    """Ratio against liblz4's default mode, and bytes a cycle from the first beat in to the last beat out."""
    tb = await TB.start(dut, 12)
    sum_ours = sum_theirs = 0
    for kind, pages in kinds_of_pages().items():
        chosen = tb.rng.sample(pages, min(len(pages), max(30, count(150))))  # fewer would measure the choice
        answers = [await tb.check(page) for page in chosen]
        ours = sum(min(PAGE, len(answer.block)) for answer in answers)
        theirs = sum(min(PAGE, len(lz4.block.compress(page, store_size=False))) for page in chosen)
        rate = len(chosen) * PAGE / sum(answer.cycles for answer in answers)
        cocotb.log.info(
            f"figures: {len(chosen)} {kind} pages: {len(chosen) * PAGE / ours:.2f} to 1, "
            f"{theirs / ours:.3f} of liblz4, {rate:.2f} bytes/cycle"
        )
        assert theirs / ours >= MINIMUM_RATIO_OF_A_KIND
        assert rate >= MINIMUM_BYTES_PER_CYCLE
        sum_ours, sum_theirs = sum_ours + ours, sum_theirs + theirs
    assert sum_theirs / sum_ours >= MINIMUM_RATIO
