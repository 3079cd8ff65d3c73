# SPDX-License-Identifier: MIT
"""Arguments: what a caller may give a handle, made the same for every device behind it."""

from __future__ import annotations

import operator
from typing import SupportsIndex

Bytes = bytes | bytearray | memoryview
"""Anything that has the buffer protocol will do."""


def number(value: SupportsIndex) -> int:
    """A page or a line: any integer, NumPy's included, as an int. Raises TypeError for a float or anything else."""
    return operator.index(value)


def content(data: Bytes) -> bytes:
    """The bytes of any bytes-like object. Raises TypeError for anything else."""
    return memoryview(data).tobytes()
