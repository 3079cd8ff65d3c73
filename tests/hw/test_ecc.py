# SPDX-License-Identifier: MIT
"""The codes of the device's memories: their polynomials from their definition, their distance, and the cells."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations
from random import Random

import numpy
import pytest

from hw.build import build
from hw.ecc import LINE_BITS, LINE_GENERATOR, line_check
from hw.simulate import simulate
from hw.sources import RTL
from hw.tools import SIMULATORS, Simulator
from tests.hw.bch import check_of, columns, generator, is_primitive, syndrome
from tests.marks import VERIFY, first_in_test


@dataclass(frozen=True)
class Code:
    """A code of the device, and what it is meant to be.

    Attributes:
        header: the file of hw/rtl with its constants, which begin with `prefix`.
        field: primitive polynomial of GF(2^m).
        errors: t of the BCH code that is extended by a parity.
        bits: the longest word that the RTL makes of it: check, data, and what it is bound to.
    """

    header: str
    prefix: str
    field: int
    errors: int
    bits: int

    @property
    def distance(self) -> int:
        return 2 * self.errors + 2

    @property
    def generator(self) -> int:
        return generator(self.field, self.errors)

    @property
    def check_bits(self) -> int:
        return self.generator.bit_length() - 1


LINE_BOUND_BITS = 30  # 24 of the page, 6 of the line
LINES = Code("ecc_lines.vh", "LINE", 0x409, 3, 31 + LINE_BITS + LINE_BOUND_BITS)
WORDS = Code("ecc_words.vh", "WORD", 0x89, 2, 127)
CODES = pytest.mark.parametrize("code", [LINES, WORDS], ids=lambda code: code.prefix)


@CODES
def test_the_constants_of_the_rtl_are_those_of_the_code(code: Code) -> None:
    text = (RTL / code.header).read_text()
    bits = re.search(rf"{code.prefix}_CHECK_BITS = (\d+);", text)
    polynomial = re.search(rf"{code.prefix}_POLYNOMIAL = \d+'h(\w+);", text)
    assert bits and polynomial
    assert int(bits[1]) == code.check_bits
    assert int(polynomial[1], 16) | 1 << code.check_bits == code.generator
    assert is_primitive(code.field)
    assert code.bits <= (1 << code.field.bit_length() - 1) - 1, "no longer than the cyclic code"


@CODES
def test_no_one_to_four_flips_are_silent_and_none_but_one_looks_like_one(code: Code) -> None:
    """Exhaustive. The syndrome of an odd number of flips is odd, of an even number even; and no two pairs share one."""
    column = columns(code.generator, code.bits)
    assert all(value.bit_count() % 2 == 1 for value in column), "x + 1 divides the generator"
    assert len(set(column)) == code.bits
    pairs = [syndrome(pair, column) for pair in combinations(range(code.bits), 2)]
    assert len(set(pairs)) == len(pairs) and 0 not in pairs


@VERIFY
def test_no_six_flips_of_a_line_are_silent() -> None:
    """Exhaustive: no two triples of bits have the same syndrome; with the pairs, any six columns are independent."""
    column = numpy.array(columns(LINES.generator, LINES.bits), dtype=numpy.uint32)
    parts = [
        (column[n] ^ column[n + 1 :, None] ^ column[None, n + 1 :])[numpy.triu_indices(len(column) - n - 1, 1)]
        for n in range(len(column) - 2)
    ]
    triples = numpy.sort(numpy.concatenate(parts))
    assert len(triples) == LINES.bits * (LINES.bits - 1) * (LINES.bits - 2) // 6
    assert not (triples[1:] == triples[:-1]).any()


@CODES
def test_a_word_read_from_any_other_place_is_never_silent(code: Code) -> None:
    """What is bound lies together and is shorter than the check: a cyclic code tells every burst of that length."""
    bound = LINE_BOUND_BITS if code is LINES else 14
    column = columns(code.generator, code.bits)[-bound:]
    basis: dict[int, int] = {}
    for value in column:
        rest = value
        while rest.bit_length() in basis:
            rest ^= basis[rest.bit_length()]
        assert rest, "the columns are independent: no sum of them is zero"
        basis[rest.bit_length()] = rest


def settings(data_bits: int, bound_bits: int, code: Code) -> str:
    """What bench_ecc.py is told of the code: with how many flips beyond one a word has to be told."""
    return f"{data_bits} {bound_bits} {code.check_bits} {code.generator} {code.distance - 2}"


@pytest.mark.parametrize(
    ("data_bits", "bound_bits", "code"),
    first_in_test([(14, 14, WORDS), (81, 24, WORDS), (LINE_BITS, LINE_BOUND_BITS, LINES)], 2),
)
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_the_cell(simulator: Simulator, data_bits: int, bound_bits: int, code: Code) -> None:
    """The rules are in bench_ecc.py."""
    polynomial = code.generator ^ 1 << code.check_bits
    parameters = {
        "DATA_BITS": data_bits, "BOUND_BITS": bound_bits, "CHECK_BITS": code.check_bits, "POLYNOMIAL": polynomial,
    }  # fmt: skip
    rtl = build("ecc_check", simulator, parameters)
    environment = {"CODE": settings(data_bits, bound_bits, code)}
    simulate(rtl, "tests.hw.bench_ecc", environment=environment, timeout_s=300)


def test_the_check_of_python_is_the_code_over_data_page_and_index() -> None:
    assert LINES.generator == LINE_GENERATOR
    source = Random(1)
    for _ in range(50):
        page, index, data = source.getrandbits(24), source.getrandbits(6), source.randbytes(64)
        word = (page << 6 | index) << 512 | int.from_bytes(data, "little")
        assert line_check(page, index, data) == check_of(LINE_GENERATOR, word)
        assert line_check(page ^ 1, index, data) != line_check(page, index, data) != line_check(page, index ^ 1, data)
