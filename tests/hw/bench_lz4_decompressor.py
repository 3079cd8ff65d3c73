# SPDX-License-Identifier: MIT
"""cocotb tests of lz4_decompressor; run by test_lz4_decompressor.py. The oracle is liblz4 (the `lz4` package).

The setting comes from the environment: EFFORT, the factor on the number of blocks.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import cocotb
import lz4.block
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, Timer

from hw.link import PAGE_BYTES as PAGE
from hw.lz4_block import has_zero_offset, sequence
from tests.hw.expect import PERIOD_NS, expect
from tests.hw.pages import heap_pages, real_pages, text_pages

T = TypeVar("T")

LINE = 64
STEP = 16  # bytes that it appends at once
EFFORT = float(os.environ["EFFORT"])

MODES: list[dict[str, Any]] = [
    {"mode": "default"},
    *({"mode": "fast", "acceleration": acceleration} for acceleration in (1, 4, 16, 64)),
    *({"mode": "high_compression", "compression": level} for level in (1, 4, 9, 12)),
]

MINIMUM_BYTES_PER_CYCLE = 9.0


# ---- the oracle


def liblz4(block: bytes) -> bytes | None:
    """The page that liblz4 decodes `block` to, None where it does not accept it as a block of one whole page."""
    try:
        page: bytes = lz4.block.decompress(block, uncompressed_size=PAGE)
    except lz4.block.LZ4BlockError:
        return None
    return page if len(page) == PAGE else None


def expected(block: bytes) -> bytes | None:
    """What the device must answer: liblz4's verdict, but offset 0, whose result is undefined there, is an error."""
    page = liblz4(block)
    return None if page is None or has_zero_offset(block) else page


# ---- blocks


def assemble(rng: random.Random, choose: Callable[[int], tuple[int, int, int]]) -> bytes:
    """A well-formed block of one page from sequences (literals, match, offset) chosen for the position they begin at.

    Offsets are brought into the page; the last sequence takes what no other fits into.
    """
    block, position = b"", 0
    while True:
        literals, match, offset = choose(position)
        if position == 0 and literals == 0:
            literals = 1
        if position + literals > PAGE - 12 or position + literals + match > PAGE - 5:
            return block + sequence(rng.randbytes(PAGE - position))
        offset = max(1, min(offset, position + literals))
        block += sequence(rng.randbytes(literals), match, offset)
        position += literals + match


def repeat(literals: int, match: int, offset: int) -> Callable[[int], tuple[int, int, int]]:
    return lambda _: (literals, match, offset)


def count(blocks: int) -> int:
    return max(2, round(blocks * EFFORT))


def sample(rng: random.Random, items: Sequence[T], most: int) -> list[T]:
    """All items, or at most `most` of them, chosen at random, times EFFORT."""
    return rng.sample(items, min(len(items), count(most)))


def dump(block: bytes) -> Path:
    """Keep a block that failed, in the folder of the run."""
    path = Path("failed.lz4").resolve()
    path.write_bytes(block)
    return path


# ---- the bench


@dataclass
class Answer:
    """What came out for one block: the lines, how it ended, and when (cycles from the first beat taken)."""

    lines: list[bytes] = field(default_factory=list)
    error: bool = False
    first_line: int = 0
    last_line: int = 0

    @property
    def page(self) -> bytes | None:
        return None if self.error else b"".join(self.lines)


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
        dut.block_valid_i.value = 0
        dut.page_ready_i.value = 0
        for _ in range(2):
            await FallingEdge(dut.clk_i)
        dut.rst_ni.value = 1
        await FallingEdge(dut.clk_i)
        return tb

    async def clear(self) -> None:
        """One cycle of `clear_i`, with a beat offered that must not be taken."""
        dut = self.dut
        dut.clear_i.value = 1
        dut.page_ready_i.value = self.rng.getrandbits(1)
        dut.block_valid_i.value = self.rng.getrandbits(1)
        await FallingEdge(dut.clk_i)
        expect(dut.error_o, 0, "error_o after clear_i")
        expect(dut.page_valid_o, 0, "page_valid_o after clear_i")
        dut.clear_i.value = 0
        dut.page_ready_i.value = 0
        dut.block_valid_i.value = 0
        await Timer(PERIOD_NS * 1000 // 4, "ps")  # block_ready_o depends on clear_i; the next edge is half a period off

    async def decode(self, block: bytes, gaps: float = 0, stalls: float = 0, cycles: int | None = None) -> Answer:
        """Send a block, take what comes.

        Ends with the last page beat, with an error and all input taken, or after `cycles` cycles. `gaps` and `stalls`
        are the probabilities of a cycle without an offer or without readiness.
        """
        dut, rng = self.dut, self.rng
        beats = [block[i : i + LINE] for i in range(0, len(block), LINE)]
        answer = Answer()
        limit = cycles if cycles is not None else int((3 * PAGE + len(block) + 200) / (1 - max(gaps, stalls)) * 2)
        sent, first_beat, cycle = 0, 0, 0
        offered = pending = False
        while True:
            # what the edge before has left
            block_ready = int(dut.block_ready_o.value)
            page_valid = int(dut.page_valid_o.value)
            error = int(dut.error_o.value)
            assert page_valid or not pending, "page_valid_o fell before page_ready_i"
            assert not (page_valid and error), "a page beat beside error_o"
            assert error or not answer.error, "error_o fell without clear_i"
            assert not (block_ready and sent == len(beats)), "ready for the next block before this one has ended"
            answer.error = bool(error)
            if error and sent == len(beats):
                break
            if cycle == limit:
                assert cycles is not None, f"hangs: {sent} of {len(beats)} beats in, {len(answer.lines)} lines out"
                break

            # what the next edge will see; an offer once made stays
            if sent < len(beats) and not offered and rng.random() >= gaps:
                offered, last = True, sent == len(beats) - 1
                beat = beats[sent]
                dut.block_data_i.value = int.from_bytes(beat + rng.randbytes(LINE - len(beat)), "little")
                dut.block_last_i.value = last
                dut.block_bytes_i.value = len(beat) if last else rng.getrandbits(7)
            dut.block_valid_i.value = offered
            page_ready = rng.random() >= stalls
            dut.page_ready_i.value = page_ready
            ends = False
            if page_valid:
                if not pending:
                    line = int(dut.page_data_o.value).to_bytes(LINE, "little")
                if page_ready:
                    assert line == int(dut.page_data_o.value).to_bytes(LINE, "little"), "page_data_o changed"
                    answer.lines.append(line)
                    ends = bool(int(dut.page_last_o.value))
                    assert ends == (len(answer.lines) == PAGE // LINE), f"page_last_o in beat {len(answer.lines)}"
                    answer.first_line = answer.first_line or cycle - first_beat
                    answer.last_line = cycle - first_beat
            pending = bool(page_valid) and not page_ready
            if offered and block_ready:
                first_beat = first_beat if sent else cycle
                sent += 1
                offered = False
            await FallingEdge(dut.clk_i)
            cycle += 1
            if ends:
                assert sent == len(beats), "the page ended before its block"
                break
        dut.block_valid_i.value = 0
        dut.page_ready_i.value = 0
        return answer

    async def check(self, block: bytes, gaps: float = 0, stalls: float = 0) -> Answer:
        """Decode and compare with liblz4; after an error clear."""
        answer = await self.decode(block, gaps, stalls)
        page = expected(block)
        if answer.page != page:
            verdict = "rejected" if answer.error else f"accepted, {len(answer.lines)} lines"
            raise AssertionError(f"{verdict}; liblz4 says {page is not None}; block: {dump(block)}")
        if answer.error:
            await self.clear()
        return answer


def random_flow(rng: random.Random) -> dict[str, float]:
    """Gaps and stalls of a block: none, some, many, on either side."""
    return {"gaps": rng.choice([0, 0, 0.3, 0.8]), "stalls": rng.choice([0, 0, 0.3, 0.8])}


# ---- well-formed blocks


@cocotb.test()
async def reads_what_every_mode_of_the_library_writes(dut: Any) -> None:
    tb = await TB.start(dut, 1)
    for page in real_pages(tb.rng, count(60)):
        for mode in sample(tb.rng, MODES, len(MODES)):
            await tb.check(lz4.block.compress(page, store_size=False, **mode), **random_flow(tb.rng))


@cocotb.test()
async def reads_corner_case_pages(dut: Any) -> None:
    tb = await TB.start(dut, 2)
    pages = [bytes(PAGE), b"\xa5" * PAGE, tb.rng.randbytes(PAGE), bytes(PAGE - 1) + b"x", b"x" + bytes(PAGE - 1)]
    pages += [(tb.rng.randbytes(period) * PAGE)[:PAGE] for period in sample(tb.rng, range(1, 65), 64)]
    for page in pages:
        for mode in tb.rng.sample(MODES, 2):
            await tb.check(lz4.block.compress(page, store_size=False, **mode))


@cocotb.test()
async def repeats_patterns_shorter_than_the_copy(dut: Any) -> None:
    """Offsets 1 .. 20 with every small literal and match length, at every alignment."""
    tb = await TB.start(dut, 3)
    rng = tb.rng
    shapes = [(run, match, offset) for run in range(20) for match in range(4, 24) for offset in range(1, 21)]
    shapes = sample(rng, shapes, 8000)

    def choose(_: int) -> tuple[int, int, int]:
        return shapes.pop() if shapes else (20, 4, 1)

    while shapes:
        await tb.check(assemble(rng, choose), **random_flow(rng))


@cocotb.test()
async def finds_bytes_wherever_they_are_just_then(dut: Any) -> None:
    """Offsets around the step, the line and the page: literals of the same step, registers, memory."""
    tb = await TB.start(dut, 4)
    rng = tb.rng
    marks = [STEP, 2 * STEP, 3 * STEP, 4 * STEP, 5 * STEP, 128, 192, 256, PAGE // 2]

    def choose(position: int) -> tuple[int, int, int]:
        offset = rng.choice([*marks, position, position]) + rng.randrange(-20, 21)
        return rng.choice([0, 0, 1, rng.randrange(40)]), rng.choice([4, 5, rng.randrange(4, 90)]), offset

    for _ in range(count(120)):
        await tb.check(assemble(rng, choose), **random_flow(rng))


@cocotb.test()
async def copies_from_what_the_sequence_before_has_just_written(dut: Any) -> None:
    """Short sequences, two of which may run in one step: offsets within both of them, and just beyond."""
    tb = await TB.start(dut, 13)
    rng = tb.rng
    before = 0

    def choose(position: int) -> tuple[int, int, int]:
        nonlocal before
        literals, match = rng.randrange(15), rng.choice([4, 5, rng.randrange(4, 19), rng.randrange(4, 80)])
        offset = rng.randrange(1, literals + before + rng.choice([2, 20]))
        before = literals + match
        return literals, match, offset

    for _ in range(count(100)):
        await tb.check(assemble(rng, choose), **random_flow(rng))


@cocotb.test()
async def takes_runs_and_matches_around_the_limits_of_a_step(dut: Any) -> None:
    """Literals and matches of about the size that one step, or the first half of one, can take."""
    tb = await TB.start(dut, 14)
    rng = tb.rng

    def choose(position: int) -> tuple[int, int, int]:
        literals = rng.choice([0, 13, 14, 15, 27, 28, 29, STEP, rng.randrange(60)])
        match = rng.choice([4, 18, 19, 20, 34, 35, 47, 48, 49, 50, 63, 64, 65, 112, 273, 274, rng.randrange(4, 300)])
        return literals, match, rng.choice([rng.randrange(1, 20), rng.randrange(12, 70), rng.randrange(1, PAGE)])

    for _ in range(count(100)):
        await tb.check(assemble(rng, choose), **random_flow(rng))


@cocotb.test()
async def counts_lengths_around_every_extension_byte(dut: Any) -> None:
    tb = await TB.start(dut, 5)
    rng = tb.rng
    lengths = [base + 255 * more + delta for base in (15, 19) for more in range(5) for delta in (-1, 0, 1)]
    shapes = [shape for length in lengths for shape in ((length, 4), (1, length), (length, length))]
    for literals, match in sample(rng, shapes, 200):
        offset = rng.choice([1, 2, 3, 5, 7, 64, 1000])
        await tb.check(assemble(rng, repeat(literals, match, offset)))
    await tb.check(sequence(rng.randbytes(PAGE)))
    for run in sample(rng, range(1, 300), 50):
        await tb.check(sequence(rng.randbytes(run), PAGE - 5 - run, 1 + run // 2) + sequence(b"final"))


# ---- malformed blocks


@cocotb.test()
async def ends_a_page_as_liblz4_does(dut: Any) -> None:
    """The rules for the last bytes of a block, with the exception that liblz4's shortcut makes."""
    tb = await TB.start(dut, 6)
    rng = tb.rng
    shapes = [
        (start, literals, match, offset)
        for start in range(PAGE - 60, PAGE + 1)
        for literals in range(17)
        for match in range(4, 22)
        for offset in (1, 7, 8, 9, 100)
        if start + literals + match <= PAGE + 2
    ]
    exceptions = [shape for shape in shapes if PAGE - 5 < sum(shape[:3]) <= PAGE and shape[0] <= PAGE - 31]
    accepted = 0
    for start, literals, match, offset in [
        *sample(rng, shapes, 600),
        *sample(rng, exceptions, 300),
    ]:
        block = sequence(rng.randbytes(20), start - 20, 1) + sequence(rng.randbytes(literals), match, offset)
        block += sequence(rng.randbytes(max(0, PAGE - start - literals - match)))
        accepted += not (await tb.check(block)).error
    assert accepted > 0


@cocotb.test()
async def judges_damaged_blocks_as_liblz4_does(dut: Any) -> None:
    """Bytes changed, cut off, inserted and appended; a good block decodes after each."""
    tb = await TB.start(dut, 7)
    rng = tb.rng
    pages = real_pages(rng, 40)
    good = [lz4.block.compress(page, store_size=False, **rng.choice(MODES)) for page in pages]
    rejected, tries = 0, 0
    while rejected < count(150):
        tries += 1
        assert tries <= 4 * count(150), "damage that liblz4 rejects is common, or nothing is tested here"
        block = bytearray(rng.choice(good))
        match rng.randrange(5):
            case 0:
                for _ in range(rng.choice([1, 1, 4])):
                    block[rng.randrange(len(block))] = rng.choice([0, 255, rng.randrange(256)])
            case 1:
                del block[rng.randrange(1, len(block)) :]
            case 2:
                block += rng.randbytes(rng.choice([1, 2, 5, 64, 200]))
            case 3:
                at = rng.randrange(len(block))
                block[at:at] = rng.choice([b"\xff", rng.randbytes(3), b"\xff" * 5000])
            case _:
                at = rng.randrange(len(block))
                del block[at : at + rng.choice([1, 2, 30])]
        answer = await tb.check(bytes(block) or b"\0", **random_flow(rng))
        if answer.error:
            rejected += 1
            await tb.check(rng.choice(good))


@cocotb.test()
async def survives_noise(dut: Any) -> None:
    tb = await TB.start(dut, 8)
    for _ in range(count(200)):
        await tb.check(tb.rng.randbytes(tb.rng.choice([1, 2, 3, 10, 64, 65, 500])), **random_flow(tb.rng))
    for block in (b"\xff" * 6000, b"\x0f" + b"\xff" * 6000, b"\x1fa\x01\x00" + b"\xff" * 6000, bytes(100)):
        await tb.check(block)


@cocotb.test()
async def names_every_kind_of_fault(dut: Any) -> None:
    tb = await TB.start(dut, 9)
    tail = sequence(bytes(96))
    faults = {
        "offset 0": sequence(bytes(20), 3980, 0) + tail,
        "offset before the page": sequence(bytes(20), 3980, 21) + tail,
        "offset far before the page": sequence(bytes(20), 3980, 65535) + tail,
        "match beyond the page": sequence(bytes(20), 4077, 1) + sequence(b""),
        "literals beyond the page": sequence(bytes(20), 3980, 1) + sequence(bytes(97)),
        "literal length that is right modulo 8192": b"\xf0" + b"\xff" * 48 + b"\x21" + bytes(PAGE),
        "page short": sequence(bytes(20), 3980, 1) + sequence(bytes(95)),
        "trailing byte": sequence(bytes(20), 3980, 1) + tail + b"\0",
        "no last sequence": sequence(bytes(20), 4076, 1),
        "match in the last five bytes": sequence(bytes(20), 4072, 1) + sequence(bytes(4)),
        "match from the last twelve bytes": sequence(bytes(4085), 4, 1) + sequence(bytes(7)),
        "token only": b"\x10",
        "no length byte": b"\xf0",
        "no offset": sequence(bytes(20), 4, 1)[:-2],
        "half an offset": sequence(bytes(20), 4, 1)[:-1],
        "no match length": sequence(bytes(20), 3980, 1)[:-1],
    }
    for name, block in faults.items():
        answer = await tb.check(block)
        assert answer.error, name


@cocotb.test()
async def delivers_every_line_before_a_fault(dut: Any) -> None:
    """The faulty sequence begins at any byte of a line; lines that are complete before it come out."""
    tb = await TB.start(dut, 15)
    rng = tb.rng
    for position in sample(rng, range(70, 330), 260):
        first = rng.randrange(4, min(60, position - 20))
        literals = rng.choice([0, rng.randrange(15)])
        start = sequence(rng.randbytes(position - first - literals), first, rng.randrange(1, 9))
        faulty = sequence(b"", 20, rng.choice([0, 60000])) + sequence(bytes(2000))
        filler = sequence(rng.randbytes(literals), 4, 1)
        flow = random_flow(rng)
        answer = await tb.decode(start + (filler if literals else b"") + faulty, flow["gaps"], flow["stalls"])
        assert answer.error
        assert len(answer.lines) == (position + (4 if literals else 0)) // LINE
        await tb.clear()


# ---- control


@cocotb.test()
async def forgets_a_block_when_cleared(dut: Any) -> None:
    """clear_i at any moment; the next block decodes."""
    tb = await TB.start(dut, 10)
    rng = tb.rng
    blocks = [lz4.block.compress(page, store_size=False) for page in real_pages(rng, 20)]
    for _ in range(count(100)):
        damaged = rng.randbytes(100) if rng.random() < 0.2 else rng.choice(blocks)
        cycles = rng.choice([rng.randrange(20), rng.randrange(400)])
        await tb.decode(damaged, **random_flow(rng), cycles=cycles)
        await tb.clear()
        await tb.check(rng.choice(blocks))


@cocotb.test()
async def offers_the_last_line_only_when_the_block_has_ended(dut: Any) -> None:
    """All 4096 bytes are there, but the block goes on: the consumer must not have seen 64 beats."""
    tb = await TB.start(dut, 11)
    rng = tb.rng
    start = sequence(rng.randbytes(20), PAGE - 32 - 20, 7)
    after_literals = start + sequence(rng.randbytes(32 + 1))
    after_match = start + sequence(rng.randbytes(14), 18, 8) + sequence(b"x")
    for block in (after_literals, after_match):
        answer = await tb.check(block, gaps=0.5)
        assert answer.error
        assert len(answer.lines) == PAGE // LINE - 1


@cocotb.test()
async def is_as_fast_as_promised(dut: Any) -> None:
    """Bytes a cycle over real pages that shrink, and cycles from the first beat to the first line."""
    tb = await TB.start(dut, 12)
    for kind, pages in (("heap", heap_pages()), ("text", text_pages())):
        blocks = [lz4.block.compress(page, store_size=False) for page in tb.rng.sample(pages, max(10, count(100)))]
        answers = [await tb.check(block) for block in blocks if len(block) <= PAGE - 256]
        rate = len(answers) * PAGE / sum(answer.last_line for answer in answers)
        first = sorted(answer.first_line for answer in answers)
        cocotb.log.info(
            f"{len(answers)} {kind} pages: {rate:.2f} bytes/cycle, "
            f"first line after {first[0]} (least), {first[len(first) // 2]} (median), {first[-1]} (most) cycles"
        )
        assert rate >= MINIMUM_BYTES_PER_CYCLE
