# SPDX-License-Identifier: MIT
"""Terminal: whether what has been written can be drawn anew."""

from __future__ import annotations

from rich.console import Console


def redraws(console: Console) -> bool:
    """True for a terminal that moves its cursor; a file, a pipe and TERM=dumb get lines instead."""
    return console.is_terminal and not console.is_dumb_terminal
