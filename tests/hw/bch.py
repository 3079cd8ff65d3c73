# SPDX-License-Identifier: MIT
"""Extended BCH codes, from their definition: what the RTL's constants are checked against (docs/device/integrity.md).

Polynomials over GF(2) are ints: bit i is the coefficient of x^i.
"""

from __future__ import annotations

from collections.abc import Sequence


def remainder(polynomial: int, divisor: int) -> int:
    """Of a division of polynomials over GF(2)."""
    while polynomial.bit_length() >= divisor.bit_length():
        polynomial ^= divisor << (polynomial.bit_length() - divisor.bit_length())
    return polynomial


def product(left: int, right: int) -> int:
    """Of two polynomials over GF(2)."""
    result = 0
    while right:
        if right & 1:
            result ^= left
        left <<= 1
        right >>= 1
    return result


def is_primitive(field: int) -> bool:
    """Whether x generates the whole multiplicative group modulo `field`."""
    order = (1 << (field.bit_length() - 1)) - 1
    power = 1
    for exponent in range(1, order + 1):
        power = remainder(power << 1, field)
        if power == 1:
            return exponent == order
    return False


def minimal_polynomial(field: int, exponent: int) -> int:
    """Of alpha^exponent over GF(2), alpha being a root of the primitive polynomial `field`."""
    degree = field.bit_length() - 1
    powers = [1]  # of alpha
    while len(powers) < (1 << degree) - 1:
        powers.append(remainder(powers[-1] << 1, field))
    logarithm = {power: n for n, power in enumerate(powers)}
    conjugates = sorted({exponent * 2**n % len(powers) for n in range(degree)})
    coefficients = [1]  # the product of (y - alpha^c): elements of the field, lowest first
    for conjugate in conjugates:
        shifted = [0, *coefficients]
        for place, coefficient in enumerate(coefficients):
            if coefficient:
                shifted[place] ^= powers[(logarithm[coefficient] + conjugate) % len(powers)]
        coefficients = shifted
    assert set(coefficients) <= {0, 1}
    return sum(coefficient << place for place, coefficient in enumerate(coefficients))


def generator(field: int, errors: int) -> int:
    """Of the extended BCH code that has 1, alpha, alpha^2, ... alpha^(2 errors) among its roots: 2 errors + 1
    consecutive ones, so its distance is at least 2 errors + 2 (the BCH bound)."""
    result = 0b11
    for exponent in range(1, 2 * errors, 2):
        result = product(result, minimal_polynomial(field, exponent))
    return result


def columns(polynomial: int, length: int) -> list[int]:
    """The syndrome of a flip of bit n of a word: x^n modulo the generator. Check bits come first."""
    result = [1]
    while len(result) < length:
        result.append(remainder(result[-1] << 1, polynomial))
    return result


def check_of(polynomial: int, data: int) -> int:
    """The check bits of `data`."""
    return remainder(data << (polynomial.bit_length() - 1), polynomial)


def syndrome(places: Sequence[int], column: Sequence[int]) -> int:
    """Of flips at these bits."""
    result = 0
    for place in places:
        result ^= column[place]
    return result
