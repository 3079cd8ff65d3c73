# SPDX-License-Identifier: MIT
"""Pages to store in tests: those of a real program, and made ones for the corners."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import zip_longest

import lz4.block

from hw import pages as made
from hw.codes import PageState
from hw.link import ZERO_PAGE
from hw.links.model_store import PageStore
from hw.pages import SAME_PAGE, SAME_WORD, noise_page
from hw.parameters import DEFAULTS
from sim.corpus.figures import is_same
from sim.corpus.files import load, pages
from sim.data import CORPUS

__all__ = ["FORMS", "SAME_PAGE", "SAME_WORD", "ZERO_PAGE", "compressible_page", "form", "noise_page", "program_pages"]


@cache
def program_pages() -> tuple[bytes, ...]:
    """Pages of real programs, those that every device keeps as LZ4, the kinds of program in turn (sim/data/corpus)."""
    kinds = [pages(CORPUS, entry) for entry in load(CORPUS).entries]
    in_turn = (page for row in zip_longest(*kinds) for page in row if page is not None)
    return tuple(page for page in in_turn if not is_same(page) and len(lz4.block.compress(page)) < 3000)


def form(page: bytes) -> PageState:
    """What a device with nothing else in it makes of a page."""
    return PageStore(DEFAULTS, lambda _page, _sector: None, lambda: None).put(0, page).state


@cache
def compressible_page(seed: int) -> bytes:
    """A page that a device keeps as LZ4, in one sector."""
    page = made.compressible_page(seed)
    assert form(page) is PageState.LZ4, f"seed {seed}"
    return page


FORMS: dict[PageState, Callable[[int], bytes]] = {
    PageState.ZERO: lambda _: ZERO_PAGE,
    PageState.SAME: lambda _: SAME_PAGE,
    PageState.LZ4: compressible_page,
    PageState.RAW: noise_page,
}
"""For each resident state pages that are closed into it, told apart by a seed where they can be."""
