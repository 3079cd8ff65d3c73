# SPDX-License-Identifier: MIT
"""The corpus is made of real programs' pages, the same ones each time it is asked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hw.link import PAGE_BYTES
from sim.corpus.corpus import CorpusError, CorpusPage, gather, programs, read_pages, summary
from sim.corpus.figures import is_same
from sim.data import ORDERS_TRACE
from sim.trace.file import Trace
from tests.marks import VERIFY


@pytest.fixture(scope="module")
def pages() -> list[CorpusPage]:
    return gather(10_000)


@VERIFY
def test_ten_thousand_different_pages_of_several_kinds_of_program(pages: list[CorpusPage]) -> None:
    assert len(pages) == len({page.data for page in pages}) == 10_000
    assert {len(page.data) for page in pages} == {PAGE_BYTES}
    assert {page.kind for page in pages} == {program.kind for program in programs()}
    assert len(programs()) >= 4


@VERIFY
def test_they_are_not_the_pages_of_the_recorded_trace(pages: list[CorpusPage]) -> None:
    recorded = Trace.load(ORDERS_TRACE).contents
    shared = {bytes(row) for row in recorded} & {page.data for page in pages}
    assert len(shared) < len(pages) // 50  # two Pythons have some tables in common


@VERIFY
def test_the_same_pages_come_again(pages: list[CorpusPage]) -> None:
    assert gather(10_000) == pages


@VERIFY
def test_pages_of_all_compressibilities_are_there(pages: list[CorpusPage]) -> None:
    *kinds, total = summary(pages).values()
    assert total.pages == sum(kind.pages for kind in kinds) == 10_000
    assert total.incompressible > 0.02
    assert 1.5 < total.ratio < 6
    assert max(kind.ratio for kind in kinds) > 1.3 * min(kind.ratio for kind in kinds)


def test_pages_are_read_as_the_program_holds_them() -> None:
    script = "import hashlib; kept = hashlib.sha256(b'mark').digest() * 4096; print('ready', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdout and program.stdout.readline() == b"ready\n"
        found = list(read_pages(program.pid))
        program.communicate(b"\n")
    mark = __import__("hashlib").sha256(b"mark").digest()
    assert sum(data.count(mark) >= 127 for data in found) >= 31


def test_a_kind_can_be_asked_for_alone() -> None:
    assert {page.kind for page in gather(500, ["python-objects"])} == {"python-objects"}


def test_more_pages_than_there_are_and_unknown_kinds_are_refused() -> None:
    with pytest.raises(CorpusError, match="no program for corpus kind 'fortran'"):
        gather(10, ["fortran"])
    with pytest.raises(CorpusError, match="100000000 pages wanted, but python-objects have only"):
        gather(100_000_000, ["python-objects"])


def test_a_damaged_cache_is_gathered_anew(tmp_path: Path) -> None:
    before = gather(100, ["shell"], cache=tmp_path)
    (stored,) = tmp_path.iterdir()
    stored.write_bytes(stored.read_bytes()[:5000])
    assert len(gather(100, ["shell"], cache=tmp_path)) == len(before) == 100


def test_the_summary_counts_zero_and_same_filled_pages() -> None:
    assert is_same(bytes(4096)) and is_same(b"12345678" * 512) and not is_same(b"1234567" + bytes(4089))
    noise = b"".join(page.data for page in gather(1, ["python-numbers"]))
    table = [CorpusPage("x", data) for data in (bytes(4096), b"12345678" * 512, noise, b"ab\x00" * 1365 + b"!")]
    found = summary(table)
    assert list(found) == ["x", "all"] and found["x"] == found["all"]
    assert (found["x"].pages, found["x"].zero, found["x"].same) == (4, 0.25, 0.25)
