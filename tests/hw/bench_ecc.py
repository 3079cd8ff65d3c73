# SPDX-License-Identifier: MIT
"""ecc_check: one flipped bit is corrected, more are told, a word of another place is told. Oracle: bch.py."""

from __future__ import annotations

import os
import random
from itertools import combinations
from typing import Any

import cocotb
from cocotb.triggers import Timer

from tests.hw.bch import check_of
from tests.hw.expect import expect

DATA_BITS, BOUND_BITS, CHECK_BITS, GENERATOR, TOLD = map(int, os.environ["CODE"].split())
STORED_BITS = CHECK_BITS + DATA_BITS


class TB:
    """A word, what it is bound to, and how the two were changed: bit n of `flips` as bch.columns counts them."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.random = random.Random(cocotb.RANDOM_SEED)
        self.draw()

    def draw(self) -> None:
        """Another word."""
        self.data, self.bound = self.random.getrandbits(DATA_BITS), self.random.getrandbits(BOUND_BITS)

    async def show(self, *flips: int, valid: bool = True) -> None:
        """What the cell makes of the word after these flips."""
        word = check_of(GENERATOR, self.bound << DATA_BITS | self.data) | self.data << CHECK_BITS
        word |= self.bound << STORED_BITS
        for flip in flips:
            word ^= 1 << flip
        self.shown = word >> CHECK_BITS & (1 << DATA_BITS) - 1
        dut = self.dut
        dut.valid_i.value = valid
        dut.check_i.value = word & (1 << CHECK_BITS) - 1
        dut.data_i.value = self.shown
        dut.bound_i.value = word >> STORED_BITS
        await Timer(1, "ns")
        dut.syndrome_i.value = int(dut.syndrome_o.value)
        await Timer(1, "ns")

    def says(self, corrected: bool, error: bool) -> None:
        """Its answer, and that of nothing that is not an error the data is wrong."""
        found = int(self.dut.found_o.value)
        assert (found != 0) == corrected, f"found in parts {found:#b}"
        assert (found == 0 and int(self.dut.syndrome_i.value) != 0) == error
        flip = int(self.dut.flip_o.value)
        part = (flip.bit_length() - 1) // 16 if flip else -(-DATA_BITS // 16)  # the last one is the check
        assert found in (0, 1 << part), "which part it is"
        if not error:
            expect(self.dut.flip_o, self.shown ^ self.data, "the data is what was stored")


@cocotb.test()
async def a_word_without_flips_is_right(dut: Any) -> None:
    tb = TB(dut)
    for _ in range(50):
        await tb.show()
        expect(dut.syndrome_o, 0)
        tb.says(corrected=False, error=False)
        tb.draw()


@cocotb.test()
async def every_single_flip_of_a_stored_bit_is_corrected(dut: Any) -> None:
    tb = TB(dut)
    for bit in range(STORED_BITS):
        await tb.show(bit)
        tb.says(corrected=True, error=False)
        tb.draw()


@cocotb.test()
async def a_word_bound_to_another_place_is_an_error(dut: Any) -> None:
    """One bit of the place, and with it flips of the word, as far as the code tells."""
    tb = TB(dut)
    for bit in range(STORED_BITS, STORED_BITS + BOUND_BITS):
        for flips in range(TOLD):
            await tb.show(bit, *tb.random.sample(range(STORED_BITS), flips))
            tb.says(corrected=False, error=True)
            tb.draw()


@cocotb.test()
async def two_flips_are_an_error(dut: Any) -> None:
    """All pairs of bits of short words; of long words those within the check, of neighbours, and drawn ones."""
    tb = TB(dut)
    pairs = list(combinations(range(STORED_BITS), 2))
    if len(pairs) > 6000:
        near = [pair for pair in pairs if pair[1] < CHECK_BITS or pair[1] == pair[0] + 1]
        pairs = near + tb.random.sample(pairs, 400)
    for pair in pairs:
        await tb.show(*pair)
        tb.says(corrected=False, error=True)


@cocotb.test()
async def more_flips_are_an_error_as_far_as_the_code_tells(dut: Any) -> None:
    tb = TB(dut)
    for flips in range(3, TOLD + 1):
        for _ in range(200):
            await tb.show(*tb.random.sample(range(STORED_BITS), flips))
            tb.says(corrected=False, error=True)
            tb.draw()


@cocotb.test()
async def nothing_is_said_of_what_is_not_valid(dut: Any) -> None:
    tb = TB(dut)
    for flips in range(3):
        await tb.show(*range(flips), valid=False)
        expect(dut.syndrome_o, 0)
        expect(dut.found_o, 0)
