# SPDX-License-Identifier: MIT
"""The answers are what the recorded tables say, and the reduced grids say the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from click.testing import CliRunner

from sim.cli import cli
from sim.experiment.answers import Answer, all_answers, documents
from sim.experiment.bootstrap import interval
from sim.experiment.catalogue import EXPERIMENTS
from sim.experiment.experiment import Experiment, Rows, where
from sim.experiment.record import DOCS, RecordError, differences, recorded
from tests.marks import VERIFY, to_verify
from vswap.slots.layer import LAYERS

NAMES = list(EXPERIMENTS)
ON_RTL = ("moves", "device")
"""Experiments that compile the RTL."""


def doubled(experiment: Experiment) -> Rows:
    """The recorded table with every figure twice as large."""
    varied = {key for point in experiment.grid(True) for key in point}
    return [
        {key: value if key in varied or not isinstance(value, int | float) else 2 * value for key, value in row.items()}
        for row in recorded(experiment)
    ]


@pytest.mark.parametrize("name", ["answers.md", "answers/letter.md", "answers/plots.html"])
def test_the_documents_are_those_of_the_recorded_tables(name: str) -> None:
    """`python -m sim.experiment.answers` brings them up to date."""
    assert documents(all_answers())[name] == (DOCS / name).read_text()


def test_the_letter_is_a_page_at_most() -> None:
    assert len((DOCS / "answers/letter.md").read_text().split()) <= 750


def test_a_figure_that_changes_shows_in_every_document() -> None:
    """The check above can fail."""
    changed: list[Answer] = [(experiment, doubled(experiment)) for experiment in EXPERIMENTS.values()]
    for name, text in documents(changed).items():
        assert text != (DOCS / name).read_text()


@pytest.mark.parametrize("name", NAMES)
def test_a_verdict_has_three_sentences_and_says_what_may_not_be_concluded(name: str) -> None:
    verdict = EXPERIMENTS[name].conclude(recorded(EXPERIMENTS[name]))
    assert len(verdict.sentences) == 3 and all(sentence.endswith(".") for sentence in verdict.sentences)
    assert verdict.limits and verdict.findings and verdict.summaries


@pytest.mark.parametrize("name", NAMES)
def test_the_reduced_grid_is_a_part_of_what_the_full_one_varies(name: str) -> None:
    experiment = EXPERIMENTS[name]
    full, reduced = experiment.grid(True), experiment.grid(False)
    assert len(reduced) < len(full)
    for key in {key for point in reduced for key in point}:
        assert {point[key] for point in reduced if key in point} <= {point[key] for point in full if key in point}


@pytest.mark.parametrize("name", NAMES)
def test_the_recorded_table_is_of_the_full_grid_of_today(name: str) -> None:
    experiment = EXPERIMENTS[name]
    table, points = recorded(experiment), experiment.grid(True)
    assert [{key: row[key] for key in point} for row, point in zip(table, points, strict=True)] == points


@pytest.mark.parametrize("name", [to_verify(name) if name in ON_RTL else name for name in NAMES])
def test_a_point_that_is_measured_again_has_the_recorded_figures(name: str) -> None:
    experiment = EXPERIMENTS[name]
    point = experiment.grid(False)[0]
    row = where(recorded(experiment), **point)[0]
    assert experiment.measure(point) == pytest.approx(
        {key: row[key] for key in row if key not in point and row[key] is not None}
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_points_of_the_reduced_grid_lead_to_the_same_findings_as_all(name: str) -> None:
    experiment = EXPERIMENTS[name]
    table = recorded(experiment)
    few = [row for point in experiment.grid(False) for row in where(table, **point)]
    assert len(few) == len(experiment.grid(False))
    assert differences(experiment.conclude(few), experiment.conclude(table)) == []


@VERIFY
@pytest.mark.parametrize("name", NAMES)
def test_the_reduced_grid_comes_to_the_recorded_verdict(name: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["experiment", name, "--jobs", "1", "-o", str(tmp_path)])
    assert result.exit_code == 0 and "findings: as recorded" in result.output, result.output
    assert (tmp_path / f"{name}-reduced.csv").exists() and (tmp_path / f"{name}-reduced.html").exists()


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize(
    ("name", "column", "wanted"),
    [
        ("moves", "way", {*LAYERS, "node"}),
        ("swapoff", "layout", {"direct", "xswap", "swap-table"}),
        ("tiers", "stack", {"cram", "node", "zswap", "zram", "swapfile"}),
        ("bear", "setting", {"memory node", "ten times slower media", "ten times slower swapfile"}),
        ("device", "sector_bytes", {128, 1024}),
    ],
)
def test_what_an_experiment_compares_is_in_both_grids(
    name: str, column: str, wanted: set[str | int], full: bool
) -> None:
    """Every kind of slots, node mode, and the dials of the device."""
    assert wanted <= {point[column] for point in EXPERIMENTS[name].grid(full)}


@pytest.mark.parametrize(("name", "column"), [("bear", "program"), ("tiers", "trace")])
def test_an_interval_is_over_ten_programs_or_more(name: str, column: str) -> None:
    for full in (True, False):
        assert len({point[column] for point in EXPERIMENTS[name].grid(full)}) >= 10


def test_programs_that_differ_give_an_interval_and_values_that_agree_give_none() -> None:
    assert interval({"a": [1, 1], "b": [1, 1]}) == (1, 1)
    low, high = interval({str(number): [number, number] for number in range(11)})
    assert 0 < low < 5 < high < 10


def test_a_few_values_of_one_program_do_not_move_the_interval() -> None:
    programs = {str(number): [1.0, 1.0] for number in range(10)}
    assert interval({**programs, "another": [99.0, 99.0]}) == (1, 1)


def test_what_a_memory_node_costs_is_a_finding_of_its_table() -> None:
    experiment = EXPERIMENTS["moves"]
    table = recorded(experiment)
    about = "from a memory node to the swapfile"
    assert experiment.conclude(table).findings[about] == "takes longer"
    fast = [{**row, "ns": 1} if row["way"] == "node" else row for row in table]
    assert experiment.conclude(fast).findings[about] == "depends on the processes"
    assert experiment.conclude(fast).findings["a memory node, the kind of slots"] == "changes something"


def test_a_finding_that_differs_is_told() -> None:
    experiment = EXPERIMENTS["rmap"]
    verdict = experiment.conclude(recorded(experiment))
    name = next(iter(verdict.findings))
    other = dataclasses.replace(verdict, findings={**verdict.findings, name: "otherwise"})
    assert differences(verdict, verdict) == []
    assert differences(other, verdict) == [f"{name}: otherwise, recorded: {verdict.findings[name]}"]


def test_a_verdict_follows_its_table() -> None:
    """A walk that visits as many VMAs as there are PTEs in a scan is not the better one."""
    experiment: Experiment = EXPERIMENTS["rmap"]
    table = recorded(experiment)
    found = experiment.conclude([{**row, "vmas": 1_000_000} for row in table]).findings
    assert found["a scan of page tables"] != experiment.conclude(table).findings["a scan of page tables"]


def test_a_table_that_is_missing_is_told_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="vcram experiment rmap --full --record"):
        recorded(EXPERIMENTS["rmap"], tmp_path)


@pytest.mark.parametrize(
    ("arguments", "said"), [(["nothing"], "no experiment nothing"), (["rmap", "--record"], "add --full")]
)
def test_what_cannot_be_done_is_said(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(cli, ["experiment", *arguments])
    assert result.exit_code == 2 and said in result.output


def test_without_a_name_the_questions_are_listed() -> None:
    result = CliRunner().invoke(cli, ["experiment"])
    assert result.exit_code == 0 and all(experiment.question in result.output for experiment in EXPERIMENTS.values())
