# SPDX-License-Identifier: MIT
"""Again: the line that runs a run once more, and the part of it that is worth a look."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import click

from sim.run.execute import Sim
from sim.run.metrics import Result
from sim.run.window import Window

_AROUND_NS = 1_000


class WindowType(click.ParamType[Window]):
    """A Window, as an option."""

    name = "window"

    def convert(self, value: object, param: click.Parameter | None, context: click.Context | None) -> Window:
        """Raises click.BadParameter."""
        try:
            return value if isinstance(value, Window) else Window.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, context)


def again_line(scenario: str, sim: Sim, settings: Sequence[str], seed: int | None, rounds: int | None) -> str:
    """The command of a run. What a simulator drives pin by pin has the same cycles in this process, where waves are."""
    words = ["vcram", "run", scenario]
    for setting in settings:
        words += ["--set", setting]
    if seed is not None:
        words += ["--seed", str(seed)]
    if rounds is not None:
        words += ["--rounds", str(rounds)]
    return shlex.join([*words, "--sim", "model"] if sim == "model" else words)


def around_mismatch(result: Result) -> Window | None:
    """The time around the access that first read something wrong."""
    if result.mismatch_ns is None:
        return None
    start, end = result.mismatch_ns
    return Window(max(0, start - _AROUND_NS), end + _AROUND_NS)
