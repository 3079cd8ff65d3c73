# SPDX-License-Identifier: MIT
"""Suggest: which DRAM limits make sense for a trace, by what it would ask for at each."""

from __future__ import annotations

from dataclasses import dataclass

from sim.trace.file import Trace
from sim.trace.reuse import Reuse, reuse

EIGHTHS = range(1, 9)
LEAST = 16
"""Pages; a machine has no less DRAM."""
BUSY = 0.2
"""Of the accesses may need a page that has left before the machine does little else."""


@dataclass(frozen=True)
class Suggestion:
    """What a trace asks for at some limits.

    Attributes:
        at: the limits, in eighths of the trace's pages.
        accesses: reads and writes in the trace.
        limit_pages: the smallest of them at which the program still gets on; the largest where none is.
    """

    at: list[Reuse]
    accesses: int
    limit_pages: int

    def share(self, asked: Reuse) -> float:
        """Of the accesses, those that need a page that has left."""
        return (asked.soft_faults + asked.promotions) / max(1, self.accesses)


def suggest(trace: Trace) -> Suggestion:
    """Try the limits, by reclaim of what was used least recently."""
    limits = sorted({max(LEAST, trace.header.pages * eighth // 8) for eighth in EIGHTHS})
    found = Suggestion([reuse(trace, limit) for limit in limits], len(trace.events), limits[-1])
    fit = [asked.limit for asked in found.at if found.share(asked) <= BUSY]
    return Suggestion(found.at, found.accesses, min(fit, default=limits[-1]))
