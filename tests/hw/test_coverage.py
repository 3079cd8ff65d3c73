# SPDX-License-Identifier: MIT
"""Coverage of the RTL: what was reached is counted, a hole is noticed, and the list of holes is one of real places.

`make coverage` measures all modules.
"""

from __future__ import annotations

from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from hw.build import build
from hw.simulate import simulate
from hw.sources import ROOT, RTL
from tests.campaigns.coverage.cross import Cross, Illegal
from tests.campaigns.coverage.holes import Hole, HoleError, load, sort, table
from tests.campaigns.coverage.points import Point, read, source
from tests.campaigns.coverage.report import report
from tests.equivalence.page_events import page_cross
from tests.marks import VERIFY

HOLES = load()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Counter[Point]]:
    """What all tests of the FIFO reach, and what one of them does."""
    rtl = build("fifo", "verilator", {"WIDTH": 8, "DEPTH": 2}, coverage=True)
    found = {}
    for name, case in (("all", None), ("one", "a_reset_empties_it")):
        folder = tmp_path_factory.mktemp(name)
        settings = {"WIDTH": "8", "DEPTH": "2"}
        simulate(rtl, "tests.hw.bench_fifo", testcase=case, environment=settings, timeout_s=120, results=folder)
        found[name] = read([folder / "coverage.dat"])
    return found


@VERIFY
def test_the_tests_of_a_module_reach_all_of_it(runs: dict[str, Counter[Point]]) -> None:
    outcome = report(runs["all"], [])
    assert outcome.complaints == []
    assert {kind: share.raw for kind, share in outcome.total.items()} == {"line": 100, "toggle": 100}


@VERIFY
def test_a_hole_is_noticed(runs: dict[str, Counter[Point]]) -> None:
    outcome = report(runs["one"], [])
    assert outcome.total["toggle"].raw < 100
    assert outcome.holes.unlisted
    assert any(complaint.startswith("unlisted hole: hw/rtl/fifo.v:") for complaint in outcome.complaints)


@VERIFY
def test_runs_are_merged(runs: dict[str, Counter[Point]]) -> None:
    assert report(runs["one"] + runs["all"], []).complaints == []


POINTS = Counter({Point("m", "toggle", 3, 5, f"x_q[{bit}]:{edge}"): bit % 2 for bit in range(4)
                  for edge in ("0->1", "1->0")})  # fmt: skip


def test_a_listed_hole_is_no_complaint_and_counts_apart() -> None:
    outcome = report(POINTS, [Hole("even ones rest", ("m",), ("x_*",))])
    assert outcome.complaints == []
    assert (outcome.total["toggle"].raw, outcome.total["toggle"].explained) == (50, 100)


def test_a_hole_speaks_of_its_bits_and_edges_only() -> None:
    unreached = [point for point, count in POINTS.items() if not count]
    assert len(sort(unreached, [Hole("r", ("m",), ("x_q",), bits=(0, 1))]).unlisted) == 2
    assert len(sort(unreached, [Hole("r", ("m",), ("x_q",), edges="0->1")]).unlisted) == 2
    assert len(sort(unreached, [Hole("r", ("n",), ("x_q",))]).unlisted) == 4


def test_a_hole_that_is_none_any_more_is_a_complaint() -> None:
    outcome = report(POINTS, [Hole("all", ("m",), ("x_q",)), Hole("gone", ("m",), ("y_q",))])
    assert outcome.complaints == ["stale hole, remove it from tests/campaigns/coverage/holes.toml: m: y_q (gone)"]


def test_too_little_is_a_complaint() -> None:
    assert "toggle coverage is 50.00 %, below 95 %" in report(POINTS, []).complaints


def test_a_wrong_list_is_explained(tmp_path: Path) -> None:
    file = tmp_path / "holes.toml"
    for text, words in (
        ('[[hole]]\nreason = "r"\nmodules = ["m"]\n', "it needs a reason, modules, and signals or lines"),
        ('[[hole]]\nreason = "r"\nmodule = "m"\n', "unknown key module"),
        ("[[hole", "holes.toml"),
    ):
        file.write_text(text)
        with pytest.raises(HoleError, match=words):
            load(file)


def test_what_is_listed_is_in_the_source() -> None:
    """The whole check, that it is unreached, takes `make coverage`."""
    for hole in HOLES:
        for module, what in hole.patterns():
            files = [path.stem for path in RTL.glob("*.v") if fnmatchcase(path.stem, module)]
            words = what.replace("*", " ").split() if what in hole.signals else [what]
            assert any(all(word in "\n".join(source(name)) for word in words) for name in files), (module, what)


def test_the_document_lists_the_holes_and_the_cross() -> None:
    cross = (ROOT / "docs" / "coverage.md").read_text()
    document = (ROOT / "docs" / "holes.md").read_text()
    assert page_cross().table() in cross, "print it again: python -m tests.equivalence.page_events"
    assert document.endswith(f"-->\n{table(HOLES)}\n"), "make it again: python -m tests.campaigns.coverage --holes"


AXES = {"light": ("red", "green"), "car": ("stands", "drives")}


def test_a_cross_tells_what_was_not_seen() -> None:
    cross = Cross(AXES, [Illegal("it is the law", {"light": ("red",), "car": ("drives",)})])
    cross.sample("red", "stands")
    assert cross.missing == [("green", "stands"), ("green", "drives")]
    with pytest.raises(ValueError, match="red x drives was thought to be impossible: it is the law"):
        cross.sample("red", "drives")
    with pytest.raises(ValueError, match="is no combination of light, car"):
        cross.sample("blue", "drives")


def test_a_cross_knows_its_values() -> None:
    with pytest.raises(ValueError, match="a typo: car has no flies"):
        Cross(AXES, [Illegal("a typo", {"car": ("flies",)})])
