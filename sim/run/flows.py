# SPDX-License-Identifier: MIT
"""Flows: how many pages went from DRAM to the tiers, between them, and back, by the swap system's own counters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from vswap.tiers.tierset import NODE

DRAM = "DRAM"
CRAM = "cram"
"""Whence pages are promoted, or `CRAM` and `NODE`; where there are several nodes, those of all count as the first
one's."""


def flows(
    stored: Mapping[str, int], moves: Mapping[str, int], loaded: Mapping[str, int], promoted: int
) -> dict[tuple[str, str], int]:
    """(from, to) -> pages moved, without those that are 0. What a tier stored and no other tier gave came from DRAM.

    Args:
        stored: pages stored on each tier, whoever brought them.
        moves: pages written back, by pair ("cram_to_zswap").
        loaded: pages read from each tier into DRAM.
        promoted: pages copied from the CRAM node to DRAM.
    """
    ways: Counter[tuple[str, str]] = Counter()
    given: Counter[str] = Counter()
    for pair, pages in moves.items():
        source, _, target = pair.partition("_to_")
        ways[source, target] += pages
        given[target] += pages
    for tier, pages in stored.items():
        ways[DRAM, tier] += pages - given[tier]
    for tier, pages in loaded.items():
        ways[tier, DRAM] += pages
    ways[CRAM + NODE if any(tier.endswith(NODE) for tier in stored) else CRAM, DRAM] += promoted
    return {way: pages for way, pages in ways.items() if pages}
