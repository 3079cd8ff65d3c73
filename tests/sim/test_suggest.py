# SPDX-License-Identifier: MIT
"""Limits that are suggested for a trace: the smallest at which the program still gets on."""

from __future__ import annotations

import pytest

from sim.data.programs import FOLDER, PROGRAMS
from sim.trace.file import Trace
from sim.trace.suggest import BUSY, suggest


@pytest.mark.parametrize("name", ["sort", "sqlite"])
def test_at_the_suggested_limit_few_accesses_need_a_page_that_left_and_below_it_more(name: str) -> None:
    assert name in PROGRAMS
    found = suggest(Trace.load(FOLDER / f"{name}.trace"))
    shares = {asked.limit: found.share(asked) for asked in found.at}
    assert shares[found.limit_pages] <= BUSY
    assert all(share > BUSY for limit, share in shares.items() if limit < found.limit_pages)


def test_with_all_pages_in_memory_nothing_leaves() -> None:
    trace = Trace.load(FOLDER / "sort.trace")
    last = suggest(trace).at[-1]
    assert last.limit == trace.header.pages and last.stores == 0
