# SPDX-License-Identifier: MIT
"""`vcram corpus stat --classify`: what a new form of pages would catch, counted before anyone writes RTL."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from hw.link import PAGE_BYTES, ZERO_PAGE
from hw.sources import ROOT
from sim.cli import cli
from sim.corpus.classify import Caught, caught, load_form
from sim.corpus.corpus import CorpusError
from tests.pages import noise_page

SPARSE = """
def classify(page):
    words = sum(page[i : i + 8] != bytes(8) for i in range(0, 4096, 8))
    return 64 + 8 * words if words <= 16 else None
"""
FEW_WORDS = bytes(range(1, 65)) + bytes(PAGE_BYTES - 64)


def form(folder: Path, text: str) -> Path:
    path = folder / "form.py"
    path.write_text(text)
    return path


def test_pages_are_counted_by_what_they_are_today_and_what_the_form_makes_of_them(tmp_path: Path) -> None:
    noise = noise_page(1)
    found = caught(load_form(form(tmp_path, SPARSE)), Counter({ZERO_PAGE: 3, FEW_WORDS: 2, noise: 1}))
    assert found == Caught(pages=6, caught=5, same=3, lz4=2, raw=0, smaller=0, sectors_now=18, sectors_then=18)
    found = caught(lambda page: 200 if page == noise else None, Counter({noise: 2}))
    assert found == Caught(pages=2, caught=2, same=0, lz4=0, raw=2, smaller=2, sectors_now=32, sectors_then=2)


def test_a_form_that_takes_more_room_saves_nothing_and_costs_nothing() -> None:
    found = caught(len, Counter({FEW_WORDS: 1}))
    assert (found.caught, found.smaller, found.sectors_then) == (1, 0, found.sectors_now)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1", "has no function classify(page)"),
        ("def classify(page): return 1 / 0", "classify raised ZeroDivisionError"),
        ("def classify(page): return 5000", "classify gave 5000, expected None or bytes from 0 to 4096"),
        ("def classify(page): return 'small'", "classify gave 'small'"),
        ("def classify(page)", "cannot be run: SyntaxError"),
        ("raise SystemExit(0)", "cannot be run: SystemExit"),
    ],
)
def test_a_form_of_no_use_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(CorpusError) as error:
        caught(load_form(form(tmp_path, text)), Counter({ZERO_PAGE: 1}))
    assert said in str(error.value)


def test_the_command_says_what_the_shipped_corpus_would_gain(tmp_path: Path) -> None:
    corpus = str(ROOT / "sim" / "data" / "corpus")
    result = CliRunner().invoke(cli, ["corpus", "stat", corpus, "--classify", str(form(tmp_path, SPARSE))])
    assert result.exit_code == 0
    assert "caught" in result.output and "sectors" in result.output
    result = CliRunner().invoke(cli, ["corpus", "stat", corpus, "--classify", str(tmp_path / "nosuch.py")])
    assert result.exit_code == 1 and result.output == f"vcram: {tmp_path}/nosuch.py: No such file or directory\n"
