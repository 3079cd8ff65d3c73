# SPDX-License-Identifier: MIT
"""Fuzzed LZ4 streams: the corpus that `make fuzz` has found, judged by the RTL as by liblz4, and a short campaign."""

from __future__ import annotations

from pathlib import Path

import lz4.block
import pytest

from hw.verilated.engines import Decompressed, Engines
from sim.bench.fuzz import BATCH, Campaign, FuzzError, batch, feature, judge, read_corpus, real_blocks, write_corpus
from tests.pages import program_pages

CORPUS = read_corpus(Path(__file__).parent / "data" / "lz4_streams.txt")


@pytest.fixture(scope="module")
def engines() -> Engines:
    return Engines()


def test_each_stream_of_the_corpus_is_judged_as_liblz4_does_and_as_documented(engines: Engines) -> None:
    causes = set()
    for name, stream in CORPUS.items():
        assert feature(stream) == name
        page = judge(engines, stream)
        assert (page is not None) == name.startswith("accepted"), stream.hex()
        causes.add(name.split(";")[0])
    assert len(causes) >= 11


def test_a_short_campaign_finds_no_disagreement_and_many_features(engines: Engines) -> None:
    campaign = Campaign(engines, real_blocks(engines, program_pages()[:20]), seed=7)
    for number in range(3):
        campaign.run(number)
    assert campaign.streams.total() == 3 * BATCH
    assert 0.1 < campaign.accepted.total() / campaign.streams.total() < 0.5
    assert len(campaign.corpus) > 100


def test_the_same_seed_gives_the_same_streams() -> None:
    blocks = [lz4.block.compress(page, store_size=False) for page in program_pages()[:3]]
    assert list(batch(5, 1, blocks)) == list(batch(5, 1, blocks))
    assert list(batch(5, 1, blocks)) != list(batch(6, 1, blocks))


class Lenient(Engines):
    """A decompressor that accepts one kind of block too many: it answers as if an offset of 0 were 1."""

    def decompress(self, block: bytes) -> Decompressed:
        answer = super().decompress(block)
        return Decompressed(bytes(4096), False, answer.cycles, ()) if feature(block).startswith("offset 0") else answer


def test_a_decompressor_that_accepts_too_much_is_found() -> None:
    engines = Lenient(8)
    campaign = Campaign(engines, real_blocks(engines, program_pages()[:5]), seed=1)
    with pytest.raises(FuzzError, match="liblz4 rejects, the RTL accepts"):
        for number in range(5):
            campaign.run(number)


def test_a_corpus_is_read_as_it_was_written(tmp_path: Path) -> None:
    some = dict(list(CORPUS.items())[:20])
    assert write_corpus(some, tmp_path / "corpus.txt") == len(some)
    assert read_corpus(tmp_path / "corpus.txt") == some
