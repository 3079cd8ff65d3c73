# SPDX-License-Identifier: MIT
"""History: which values a read may return when reads, writes and trims overlap.

Each location keeps its operations as intervals of time. A read that ran from `start` to `end` may return the value of
an operation that began before `end`, unless another one, which certainly happened, began after that had ended and
itself ended before `start`.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass


@dataclass
class Operation:
    """Puts `value` into a location at one moment between `start` and `end` (None: still under way)."""

    value: object
    start: float
    end: float | None = None
    certain: bool = True  # else it may have happened or not


class History:
    """All locations hold `initial` at first."""

    def __init__(self, initial: object) -> None:
        self._initial = initial
        self._operations: dict[Hashable, list[Operation]] = {}

    def begin(self, location: Hashable, value: object, now: float) -> Operation:
        """An operation starts."""
        operations = self._operations.setdefault(location, [Operation(self._initial, -1.0, -1.0)])
        operation = Operation(value, now)
        operations.append(operation)
        return operation

    def end(self, location: Hashable, operation: Operation, now: float) -> None:
        """An operation has been answered."""
        operation.end = now

    def allowed(self, location: Hashable, start: float, end: float) -> list[object]:
        """Values that a read from `start` to `end` may return."""
        operations = self._operations.get(location, [Operation(self._initial, -1.0, -1.0)])
        return [
            operation.value
            for operation in operations
            if operation.start <= end and not any(_overwrites(later, operation, start) for later in operations)
        ]


def _overwrites(later: Operation, operation: Operation, start: float) -> bool:
    return (
        operation.end is not None
        and later.end is not None
        and later is not operation
        and later.certain
        and operation.end < later.start
        and later.end < start
    )
