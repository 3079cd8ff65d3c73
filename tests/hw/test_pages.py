# SPDX-License-Identifier: MIT
"""The made pages of the tests take the forms that they are named for, and no other would do for them."""

from __future__ import annotations

import lz4.block
import pytest

from hw.codes import PageState
from hw.link import PAGE_BYTES, ZERO_PAGE
from hw.pages import SAME_PAGE, compressible_page, noise_page
from tests.pages import form

SEEDS = range(200)


@pytest.mark.parametrize(
    ("page", "state"),
    [(ZERO_PAGE, PageState.ZERO), (SAME_PAGE, PageState.SAME), (noise_page(1), PageState.RAW)],
    ids=["zero", "same", "noise"],
)
def test_a_device_keeps_a_page_as_it_is_named(page: bytes, state: PageState) -> None:
    assert form(page) is state


def test_a_compressible_page_has_no_period() -> None:
    for page in map(compressible_page, SEEDS):
        assert not any(page[period:] == page[:-period] for period in range(1, PAGE_BYTES // 2 + 1))


def test_a_compressible_page_takes_one_sector_of_any_size() -> None:
    assert max(len(lz4.block.compress(compressible_page(seed), store_size=False)) for seed in SEEDS) <= 64


def test_pages_of_different_seeds_differ() -> None:
    for make in (compressible_page, noise_page):
        assert len({make(seed) for seed in SEEDS}) == len(SEEDS)
