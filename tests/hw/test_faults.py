# SPDX-License-Identifier: MIT
"""The campaign of faults in short: no promise is broken, and a device that breaks one is noticed (docs/faults.md)."""

from __future__ import annotations

from collections import Counter

import pytest

from hw.ecc import LINE_BITS, line_check
from hw.simulate import default_seed
from sim.data import ORDERS_TRACE
from sim.trace.file import Trace
from tests.campaigns.faults.__main__ import summary
from tests.campaigns.faults.injector import Injector
from tests.campaigns.faults.kinds import KINDS
from tests.campaigns.faults.life import EPISODES, Life, Outcome, Verdict
from tests.campaigns.faults.shadow import Shadow
from tests.marks import VERIFY

LINE, OTHER = b"a" * 64, b"b" * 64
CODE_WORD = line_check(0, 0, (1).to_bytes(64, "little")) << LINE_BITS | 1
"""Flips that leave a word of the code: data and check agree."""


@pytest.fixture(scope="module")
def trace() -> Trace:
    return Trace.load(ORDERS_TRACE)


def held(verdicts: list[Verdict]) -> None:
    broken = [verdict for verdict in verdicts if not verdict.held]
    assert not broken, f"again: python -m tests.campaigns.faults --life {broken[0].seed}: {broken}"


def test_a_life_of_twenty_faults_breaks_no_promise(trace: Trace) -> None:
    verdicts = Life(trace, default_seed()).run()
    held(verdicts)
    assert 1 < len(verdicts) <= EPISODES


@VERIFY
@pytest.mark.parametrize("kind", KINDS)
def test_faults_of_each_kind_break_no_promise(trace: Trace, kind: str) -> None:
    held(Life(trace, 1, [kind]).run())


def test_a_life_is_the_same_each_time(trace: Trace) -> None:
    assert Life(trace, 7).run(5) == Life(trace, 7).run(5)


def test_wrong_bytes_are_noticed(trace: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device whose memory changes a bit together with its check: nothing else can find that."""

    def flip(self: Injector, memory: str, index: int, bits: int) -> None:
        for line in range(self.link.memories()["cache"].depth):
            word = self.link.memories()["cache"]
            word.write(line, word.read(line) ^ CODE_WORD)

    monkeypatch.setattr(Injector, "flip", flip)
    verdicts = Life(trace, 3, ["cache_1"]).run(10)
    assert any(verdict.wrong or verdict.lost for verdict in verdicts)


def test_a_shadow_knows_what_a_refused_write_may_have_left() -> None:
    shadow = Shadow()
    shadow.wrote(3, 0, LINE, True)
    shadow.wrote(3, 0, OTHER, False)
    assert shadow.wrong(3, 0, b"c" * 64) == [0]
    assert shadow.wrong(3, 0, LINE) == []
    assert shadow.wrong(3, 0, OTHER) == [0], "once it has been read, it is known"
    shadow.forget(3)
    assert shadow.wrong(3, 0, LINE) == [0]
    assert shadow.wrong(3, 0, bytes(64)) == []


def test_the_figures_count_each_fault_once() -> None:
    verdicts = [
        Verdict("late", 1, 0, outcome=Outcome.NONE),
        Verdict("late", 1, 1, outcome=Outcome.REFUSED),
        Verdict("bad_read", 1, 2, wrong="bytes"),
        Verdict("bad_read", 2, 0, outcome=Outcome.POISONED, lost=["page 1", "page 2"]),
    ]
    figures = summary(verdicts)
    assert (figures["faults"], figures["wrong"], figures["hangs"], figures["lost_with_copy"]) == (4, 1, 0, 2)
    outcomes = Counter({"none": 1, "refused": 1})
    assert {key: figures["by_kind"]["late"][key] for key in outcomes} == outcomes
