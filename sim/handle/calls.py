# SPDX-License-Identifier: MIT
"""Calls: what goes between a handle and the simulator that serves it, each with one end of a socket pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CHANNEL = "VCRAM_CHANNEL"
"""The environment variable that holds the number of the simulator's end."""
READY = "ready"
"""What the simulator says first."""


@dataclass(frozen=True)
class Call:
    """A method of the driver's device, or "cycles"."""

    method: str
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Failure:
    """An exception, taken apart: those with arguments of their own do not survive pickling."""

    kind: type[Exception]
    text: str
    attributes: dict[str, Any]

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """Take it apart."""
        return cls(type(error), str(error), error.__dict__)

    def exception(self) -> Exception:
        """Put it together again."""
        error = self.kind.__new__(self.kind, self.text)
        error.__dict__.update(self.attributes)
        return error
