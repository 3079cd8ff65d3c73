# SPDX-License-Identifier: MIT
"""The engines inside a device, and the links that tell when they are busy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from hw.link import Link

ENGINES = ("compressor", "decompressor", "media", "mailbox")
"""From the first line of a page to its decision or its last compressed beat; while the lines of a compressed page
stream out; while the media owes something; from a command's doorbell to its answer."""

EngineListener = Callable[[str, int, int], None]
"""Told of an engine that was busy: its name, from and to when, simulated ns. Times of one engine ascend."""


class EngineLink(Link, Protocol):
    """A link that can tell."""

    def watch_engines(self, told: EngineListener | None, every: int = 1) -> None:
        """From now on tell of each time that an engine was busy, at its end, and count.

        Args:
            told: hears of it; None: nobody does, which costs less.
            every: cycles from one look to the next. With more than 1 it costs less; a time may be that much off then,
                and a short one may be missed.

        Raises:
            LinkError: it cannot.
        """

    def engines_busy(self) -> dict[str, int]:
        """For how many ns each engine was busy since it is watched; empty if it is not."""
