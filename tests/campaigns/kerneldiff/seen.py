# SPDX-License-Identifier: MIT
"""What is seen after a step, of the kernel and of the model alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Seen:
    """After one step.

    Attributes:
        result: of the operation: errno by name or "ok"; minor and major faults; CRC-32 of all that was read.
        pages: (task, page) -> its state:
            `P` present, with `x` mapped once, `c` in the swap cache, `L` of a large folio, `f` lazyfree, or
            `Pz`, the kernel's page of zeros; `S` swapped, with a number (the same for those that name the same slot),
            and `c` when the swap cache has it. A page in neither state is not listed.
        counters: since the script began, or of now, by file and name.
    """

    result: dict[str, str | int]
    pages: dict[tuple[int, int], str]
    counters: dict[str, int] = field(default_factory=dict)


def number_slots(pages: Iterable[tuple[tuple[int, int], str, object]]) -> dict[tuple[int, int], str]:
    """States of pages; a slot, where there is one, becomes its number in order of appearance: `S`, slot -> `S3`."""
    numbers: dict[object, int] = {}
    states = {}
    for page, state, slot in sorted(pages, key=lambda entry: entry[0]):
        if slot is not None:
            states[page] = f"S{numbers.setdefault(slot, len(numbers))}{state[1:]}"
        else:
            states[page] = state
    return states
