# SPDX-License-Identifier: MIT
"""Collapse: contents that stop to compress at a chosen moment."""

from __future__ import annotations

from random import Random

from hw.link import PAGE_BYTES


class Collapse:
    """From a moment on, what is written is random bytes, which nothing compresses.

    Args:
        after: as many steps are done before; None for never.
        random: where the bytes are from.
    """

    def __init__(self, after: int | None, random: Random) -> None:
        self._after = after
        self._random = random

    def reached(self, step: int) -> bool:
        """Whether the step of this number, from 0, is one of those."""
        return self._after is not None and step >= self._after

    def page(self) -> bytes:
        """A page of such bytes, another one each time."""
        return self._random.randbytes(PAGE_BYTES)
