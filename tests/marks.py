# SPDX-License-Identifier: MIT
"""Which tests are in `make test` and which in `make verify`: those marked `verify`. So every test is in one of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

VERIFY = pytest.mark.verify


def first_in_test(cases: Iterable[Any], count: int = 1) -> list[Any]:
    """Cases for `parametrize`: the first `count` are in `make test`, the others in `make verify`."""
    return [case if number < count else to_verify(case) for number, case in enumerate(cases)]


def to_verify(case: Any) -> Any:
    """A case for `parametrize` that is in `make verify`: one value, or a tuple of one for each argument."""
    values = case if isinstance(case, tuple) else (case,)
    return pytest.param(*values, marks=VERIFY)
