# SPDX-License-Identifier: MIT
"""The mutation campaign with one small module: its mutants are made, its bench runs on each, the count is right."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from hw.sources import ROOT, RTL
from tests.campaigns.mutation.__main__ import equivalents, row, table
from tests.campaigns.mutation.netlist import Mutant, MutationError, Netlist
from tests.campaigns.mutation.run import KILLERS, Campaign, Killer
from tests.marks import VERIFY

MUTANTS = 6
FIFO = Killer("fifo", "fifo")


@pytest.fixture(scope="module")
def netlist() -> Netlist:
    return Netlist({"WIDTH": 24, "DEPTH": 4}, "fifo")


@pytest.fixture(scope="module")
def mutants(netlist: Netlist) -> Sequence[Mutant]:
    return netlist.sample(MUTANTS, seed=1, only="fifo")


def test_the_bench_of_the_queue_passes_without_a_mutant_and_fails_with_each(
    netlist: Netlist, mutants: Sequence[Mutant], tmp_path: Path
) -> None:
    campaign = Campaign(netlist, mutants, [FIFO], tmp_path / "answers")
    assert campaign.limit_s(FIFO) > 10  # it has passed: the limit follows from its time
    verdicts = [campaign.judge(mutant) for mutant in mutants]
    assert len(verdicts) == MUTANTS
    assert [(verdict.killer, bool(verdict.said)) for verdict in verdicts] == [("fifo", True)] * MUTANTS


@VERIFY
def test_what_a_bench_has_said_is_kept(netlist: Netlist, mutants: Sequence[Mutant], tmp_path: Path) -> None:
    first = Campaign(netlist, mutants, [FIFO], tmp_path / "answers").judge(mutants[0])
    kept = (tmp_path / "answers").read_text()
    assert Campaign(netlist, mutants, [FIFO], tmp_path / "answers").judge(mutants[0]).said == first.said
    assert (tmp_path / "answers").read_text() == kept


@VERIFY
def test_answers_of_an_earlier_run_hold_as_long_as_the_bench_does(
    netlist: Netlist, mutants: Sequence[Mutant], tmp_path: Path
) -> None:
    first, known = Campaign(netlist, mutants[:2], [FIFO], tmp_path / "answers"), tmp_path / "known"
    first.judge(mutants[0])
    assert first.keep(known) == 1
    again = Campaign(netlist, mutants[:2], [FIFO], tmp_path / "none", known)
    assert (again.open(mutants[0]), again.open(mutants[1])) == ([], [FIFO])
    assert again.judge(mutants[0]).killer == "fifo"
    assert not (tmp_path / "none").exists(), "nothing was run"
    known.write_text(known.read_text().replace(FIFO.digest, "0" * len(FIFO.digest)))  # the bench was another one then
    assert Campaign(netlist, mutants[:2], [FIFO], tmp_path / "none", known).open(mutants[0]) == [FIFO]


def test_a_mutant_that_no_bench_sees_survives(netlist: Netlist, mutants: Sequence[Mutant]) -> None:
    verdict = Campaign(netlist, mutants, []).judge(mutants[0])
    assert verdict.killer is None
    assert row(verdict, {})["result"] == "survived"
    assert row(verdict, {mutants[0].key: "seen by nobody"})["result"] == "equivalent"


@VERIFY
def test_a_sample_repeats_and_reaches_every_module() -> None:
    netlist = Netlist({}, "page_scan")
    first, again = netlist.sample(20, seed=3), netlist.sample(20, seed=3)
    assert [mutant.key for mutant in first] == [mutant.key for mutant in again]
    assert {mutant.module.source for mutant in first} == {"page_scan", "crc32"}
    assert [mutant.key for mutant in netlist.sample(20, seed=4)] != [mutant.key for mutant in first]


def test_a_module_that_is_not_there_is_named(netlist: Netlist) -> None:
    with pytest.raises(MutationError, match="no module 'nothing'"):
        netlist.sample(1, 1, "nothing")


def test_the_table_counts_by_module() -> None:
    rows = [
        {"module": name, "result": result} for name, result in [("a", "killed"), ("a", "survived"), ("b", "killed")]
    ]
    assert [line.split() for line in table(rows).splitlines()[1:]] == [
        ["a", "2", "1", "0", "1"], ["b", "1", "1", "0", "0"], ["all", "3", "2", "0", "1"],
    ]  # fmt: skip


def test_every_equivalent_mutant_has_a_reason(tmp_path: Path) -> None:
    assert all(len(reason.split()) > 3 for reason in equivalents().values())
    (tmp_path / "no_reason.toml").write_text('[[equivalent]]\nkey = "0"\n')
    with pytest.raises(MutationError, match=r"no_reason\.toml.*`key` and `reason`"):
        equivalents(tmp_path / "no_reason.toml")


ALONE = [killer for killer in KILLERS if "." not in killer.bench and (RTL / f"{killer.top}.v").exists()]


@pytest.mark.parametrize("killer", ALONE, ids=lambda killer: killer.bench)
def test_a_bench_that_judges_mutants_keeps_to_the_ports_of_its_module(killer: Killer) -> None:
    """A netlist has no other names."""
    head = (RTL / f"{killer.top}.v").read_text().partition(");\n")[0]
    bench = (ROOT / "tests/hw" / f"bench_{killer.bench}.py").read_text()
    names = set(re.findall(r"\bdut\.([a-z]\w+)", bench))
    assert {name for name in names if not re.search(rf"\b{name}\b", head)} == set()
