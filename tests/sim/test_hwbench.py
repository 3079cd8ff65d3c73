# SPDX-License-Identifier: MIT
"""The engines' bench measures what it says, and the engines reach what docs/hwbench.md promises."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from hw.parameters import ENGINE_WIDTHS
from sim.bench.hardware_pages import bench_kinds, bench_pages, choose
from sim.bench.hwbench import ALL, Row, measure, stages
from sim.corpus import files
from sim.corpus.corpus import CorpusError
from sim.corpus.figures import is_same
from sim.data import CORPUS
from tests.marks import to_verify

PAGES_OF_A_KIND = 12
REQUIRED = {
    *("width", "pages", "compress_bytes_per_cycle", "decompress_bytes_per_cycle", "ratio_to_liblz4"),
    *("read_miss_median_cycles", "read_miss_p99_cycles", "luts", "fmax_mhz"),
}


@pytest.fixture(scope="module")
def pages() -> dict[str, list[bytes]]:
    return bench_pages(PAGES_OF_A_KIND)


@pytest.fixture(scope="module")
def recorded() -> dict[str, list[bytes]]:
    """Pages of the sample that is shipped: what is measured of them is the same everywhere and every time."""
    kinds = {entry.kind: list(files.pages(CORPUS, entry)) for entry in files.load(CORPUS).entries}
    return {kind: choose(kind, pages, PAGES_OF_A_KIND) for kind, pages in kinds.items()}


@pytest.fixture(scope="module", params=[to_verify(width) for width in ENGINE_WIDTHS])
def rows(request: pytest.FixtureRequest, recorded: dict[str, list[bytes]]) -> list[Row]:
    ticks: list[str] = []
    answer = measure(request.param, recorded, ticks.append, reads=2)
    assert len(ticks) == stages(recorded, reads=2)
    return answer


def test_pages_are_real_different_and_of_at_least_four_kinds(pages: dict[str, list[bytes]]) -> None:
    assert len(pages) >= 4 and [*pages] == bench_kinds()
    for members in pages.values():
        assert len(set(members)) == PAGES_OF_A_KIND
        assert not any(is_same(page) for page in members)


def test_a_kind_that_is_not_here_is_named() -> None:
    with pytest.raises(CorpusError, match="'cobol'"):
        bench_pages(1, ["cobol"])


def test_a_row_for_all_pages_comes_first_then_one_of_each_kind(
    rows: list[Row], recorded: dict[str, list[bytes]]
) -> None:
    assert [row.kind for row in rows] == [ALL, *recorded]
    assert asdict(rows[0]).keys() >= REQUIRED
    assert rows[0].pages == sum(row.pages for row in rows[1:]) == PAGES_OF_A_KIND * len(recorded)


def test_engines_are_as_fast_as_their_width_promises(rows: list[Row]) -> None:
    assert rows[0].compress_bytes_per_cycle >= 6
    assert rows[0].decompress_bytes_per_cycle >= 7


def test_blocks_are_about_as_small_as_those_of_liblz4(rows: list[Row]) -> None:
    """A dozen pages of a kind: the limits of the whole bench, 1.0 and 0.97, with a margin for the choice."""
    assert rows[0].ratio_to_liblz4 >= 0.98
    assert all(row.ratio_to_liblz4 >= 0.94 for row in rows)


def test_the_first_line_of_a_page_is_there_long_before_the_last(rows: list[Row]) -> None:
    for row in rows:
        assert 4 * row.first_line_median_cycles < row.read_miss_median_cycles < row.load_cycles
        assert row.read_miss_median_cycles <= row.read_miss_p99_cycles
        assert row.read_miss_deciles == sorted(row.read_miss_deciles)
