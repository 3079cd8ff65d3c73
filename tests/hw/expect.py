# SPDX-License-Identifier: MIT
"""What a bench wants of a signal or a register. A difference names it, the cycle, what was wanted and what came."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

from cocotb.utils import get_sim_time

PERIOD_NS = 2  # of the clock in every bench


def cycle() -> int:
    """Clock cycles since the simulation began, as a viewer of waves counts them: time over period."""
    return int(get_sim_time("ns") // PERIOD_NS)


def expect(signal: Any, wanted: int, what: str = "") -> None:
    """A signal of the device under test has a value now.

    Args:
        signal: its handle, e.g. `dut.idle_o`.
        wanted: its value; True and False are 1 and 0.
        what: the rule, in words.

    Raises:
        AssertionError: it has another value, or bits that are neither 0 nor 1.
    """
    value = signal.value
    got = int(value) if value.is_resolvable else value
    agree(signal._path, got, int(wanted), what)


def expect_all(signals: Sequence[Any], wanted: Sequence[int], what: str = "") -> None:
    """As `expect`, of several signals in one cycle."""
    for signal, value in zip(signals, wanted, strict=True):
        expect(signal, value, what)


def agree(name: str, got: Any, wanted: int, what: str = "") -> None:
    """Raise AssertionError with name, cycle and both values unless they are equal."""
    if got != wanted:
        rule = f" ({what})" if what else ""
        raise AssertionError(f"{name} in cycle {cycle()}: wanted {_shown(wanted)}, got {_shown(got)}{rule}")


def _shown(value: Any) -> str:
    if isinstance(value, IntEnum):
        return f"{value.name} ({int(value)})"
    if isinstance(value, int) and value > 9:
        return f"{value:#x}" if value > 0xFFFF_FFFF else f"{value} ({value:#x})"
    return str(value)
