# SPDX-License-Identifier: MIT
"""Tally: what a replay has seen."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sim.run.metrics import FaultRecord

_NAMED = 10  # findings that are described; all are counted
_SLOWEST = 10  # faults that are kept one by one


@dataclass
class Tally:
    """What a replay has seen.

    Attributes:
        done: events replayed.
        finished: all were replayed, and all pages read back at the end.
        reads_verified: READ events whose bytes were compared.
        pages_verified: pages read back and compared when their space ended, or at the end of the trace.
        mismatches: comparisons that failed.
        lost_accesses: accesses that ended in SIGBUS: the stack said that it has not got the page, or cannot take the
            store.
        lost: (space, page) of the pages that could not be read for that.
        findings: the first of all that in words.
        faults, accesses: kind -> how often each duration in ns was seen, of accesses with and without a fault. So a run
            of any length needs memory for distinct durations only.
        mismatch_ns: when the access began and ended that first found a mismatch.
        slowest: the faults that took longest, the longest first.
    """

    done: int = 0
    finished: bool = False
    reads_verified: int = 0
    pages_verified: int = 0
    mismatches: int = 0
    lost_accesses: int = 0
    lost: set[tuple[int, int]] = field(default_factory=set)
    findings: list[str] = field(default_factory=list)
    faults: dict[str, Counter[int]] = field(default_factory=dict)
    accesses: dict[str, Counter[int]] = field(default_factory=dict)
    mismatch_ns: tuple[int, int] | None = None
    slowest: list[FaultRecord] = field(default_factory=list)

    def find(self, finding: str) -> None:
        """Keep what was found, in words, if it is one of the first."""
        if len(self.findings) < _NAMED:
            self.findings.append(finding)

    def slow(self, duration: int) -> bool:
        """Whether a fault that took so long, ns, is one of the slowest so far."""
        return len(self.slowest) < _SLOWEST or duration > self.slowest[-1].duration_ns

    def keep(self, fault: FaultRecord) -> None:
        """Count a fault among the slowest."""
        self.slowest = sorted([*self.slowest, fault], key=lambda one: -one.duration_ns)[:_SLOWEST]
