# SPDX-License-Identifier: MIT
"""cocotb tests of page_scan; run by test_page_scan.py. The oracle of the checksum is zlib."""

from __future__ import annotations

import os
import random
import zlib
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from hw.link import PAGE_BYTES as PAGE
from tests.hw.expect import PERIOD_NS, expect
from tests.hw.pages import real_pages

LINE = 64
REAL_PAGES = int(os.environ["REAL_PAGES"])


class TB:
    """Clock, reset and the stream of beats. Everything is driven and sampled at the falling edge."""

    def __init__(self, dut: Any, rng: random.Random) -> None:
        self.dut = dut
        self.rng = rng

    @classmethod
    async def start(cls, dut: Any, seed: int) -> TB:
        tb = cls(dut, random.Random(seed))
        Clock(dut.clk_i, PERIOD_NS, unit="ns").start()
        dut.rst_ni.value = 0
        dut.clear_i.value = 0
        dut.valid_i.value = 1  # not taken in reset
        dut.data_i.value = 1
        for _ in range(2):
            await FallingEdge(dut.clk_i)
        dut.rst_ni.value = 1
        dut.valid_i.value = 0
        return tb

    async def scan(self, page: bytes, gaps: float = 0) -> None:
        """Show a page and compare the outputs after every cycle with what the bytes so far are."""
        dut, rng = self.dut, self.rng
        taken = 0
        dut.clear_i.value, dut.valid_i.value = 1, 0
        await FallingEdge(dut.clk_i)
        self.compare(b"")
        dut.clear_i.value = 0
        while taken < len(page):
            valid = rng.random() >= gaps
            dut.valid_i.value = valid
            beat = page[taken : taken + LINE] if valid else rng.randbytes(LINE)
            dut.data_i.value = int.from_bytes(beat, "little")
            taken += LINE * valid
            await FallingEdge(dut.clk_i)
            self.compare(page[:taken])
        dut.valid_i.value = 0

    def compare(self, seen: bytes) -> None:
        dut = self.dut
        word = (seen or bytes(8))[:8]
        expect(dut.crc_o, zlib.crc32(seen))
        expect(dut.zero_o, not any(seen))
        expect(dut.same_o, seen == word * (len(seen) // 8))
        expect(dut.word_o, int.from_bytes(word, "little"))


@cocotb.test()
async def checksum_is_that_of_zlib_on_real_pages(dut: Any) -> None:
    tb = await TB.start(dut, 1)
    for page in real_pages(tb.rng, REAL_PAGES):
        await tb.scan(page, gaps=tb.rng.choice([0, 0.3]))


@cocotb.test()
async def every_bit_of_a_beat_counts(dut: Any) -> None:
    tb = await TB.start(dut, 2)
    for bit in range(512):
        await tb.scan((1 << bit).to_bytes(LINE, "little") + bytes(LINE))


@cocotb.test()
async def knows_zero_and_same_pages(dut: Any) -> None:
    tb = await TB.start(dut, 3)
    for word in (bytes(8), b"\xff" * 8, b"\0" * 7 + b"\1", b"\1" + b"\0" * 7, tb.rng.randbytes(8)):
        await tb.scan(word * (PAGE // 8), gaps=0.3)


@cocotb.test()
async def one_different_byte_anywhere_ends_zero_and_same(dut: Any) -> None:
    tb = await TB.start(dut, 4)
    for at in [0, 7, 8, 63, 64, PAGE - 1, *tb.rng.sample(range(PAGE), 20)]:
        for word in (bytes(8), tb.rng.randbytes(8)):
            page = bytearray(word * (PAGE // 8))
            page[at] ^= 1 << tb.rng.randrange(8)
            await tb.scan(bytes(page))


@cocotb.test()
async def forgets_a_page_that_is_cleared_in_its_midst(dut: Any) -> None:
    tb = await TB.start(dut, 5)
    for lines in (1, 2, 63):
        await tb.scan(tb.rng.randbytes(lines * LINE))
        await tb.scan(bytes(PAGE))
