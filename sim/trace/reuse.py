# SPDX-License-Identifier: MIT
"""Reuse: how much swapping a trace asks for at a memory limit, told without any device.

A model of reclaim that is as plain as can be: least recently used pages leave DRAM, a read of one that left maps it
read-only where it is, a write brings it back. It tells whether a trace is worth replaying, not how a machine does.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from sim.trace.file import Kind, Trace

Page = tuple[int, int]


@dataclass
class Reuse:
    """What a trace asks for at a limit, in pages.

    Attributes:
        limit: DRAM pages.
        stores: pages that left DRAM, zero pages not among them.
        zero_stores: zero pages that left DRAM.
        soft_faults: reads of a page that had left and was mapped nowhere.
        promotions: writes to a page that had left.
        promotions_after_soft_fault: those of them that hit a page mapped read-only.
    """

    limit: int
    stores: int = 0
    zero_stores: int = 0
    soft_faults: int = 0
    promotions: int = 0
    promotions_after_soft_fault: int = 0


def reuse(trace: Trace, limit: int) -> Reuse:
    """Replay a trace's accesses against `limit` pages of DRAM under least-recently-used reclaim."""
    zero = {i for i in range(len(trace.contents)) if not trace.contents[i].any()}
    result = Reuse(limit)
    dram: OrderedDict[Page, int] = OrderedDict()  # page -> content, least recently used first
    away: dict[Page, bool] = {}  # page that left -> mapped read-only
    held: dict[Page, int] = {}
    for event in trace:
        page = (event.space, event.page)
        match event.kind:
            case Kind.READ:
                if page in dram:
                    dram.move_to_end(page)
                else:
                    result.soft_faults += not away[page]
                    away[page] = True
            case Kind.WRITE:
                if page in away:
                    result.promotions += 1
                    result.promotions_after_soft_fault += away.pop(page)
                dram[page] = held[page] = event.content
                dram.move_to_end(page)
            case Kind.UNMAP:
                _forget(page, dram, away, held)
            case Kind.PROMOTE if page in away:
                del away[page]
                dram[page] = held[page]
            case Kind.PAGEOUT if page in dram:
                _store(page, dram.pop(page), away, zero, result)
            case Kind.FORK:
                # The child's pages start away: what a parent has in DRAM is shared, and counts once, as the parent's.
                for space, number in [p for p in held if p[0] == event.space]:
                    child = (event.page, number)
                    held[child] = held[space, number]
                    away[child] = False
            case Kind.EXIT:
                for gone in [p for p in held if p[0] == event.space]:
                    _forget(gone, dram, away, held)
        while len(dram) > limit:
            _store(*dram.popitem(last=False), away, zero, result)
    return result


def _store(page: Page, content: int, away: dict[Page, bool], zero: set[int], result: Reuse) -> None:
    away[page] = False
    if content in zero:
        result.zero_stores += 1
    else:
        result.stores += 1


def _forget(page: Page, dram: OrderedDict[Page, int], away: dict[Page, bool], held: dict[Page, int]) -> None:
    held.pop(page, None)
    dram.pop(page, None)
    away.pop(page, None)
