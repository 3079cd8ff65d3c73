# SPDX-License-Identifier: MIT
"""The tables of measured figures in the documents are those of docs/figures."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from hw.parameters import ENGINE_WIDTHS
from hw.sources import digest
from sim.bench.figures import CURVES, DOCUMENTS, NAMES, RECORDS, TABLES, FiguresError, record, records, updated
from sim.bench.load_page import load_page

DOCS = RECORDS.parent


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_tables_are_up_to_date(name: str) -> None:
    """`python -m sim.bench.figures` brings them up to date."""
    text = (DOCS / name).read_text()
    assert updated(text, records()) == text


def test_the_page_of_curves_is_up_to_date() -> None:
    assert CURVES.read_text() == load_page(records()["loaded"])


def test_every_table_is_in_a_document() -> None:
    text = "".join((DOCS / name).read_text() for name in DOCUMENTS)
    assert {name for name in TABLES if f"<!-- made by `python -m sim.bench.figures`: {name} -->" in text} == set(TABLES)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_figure_that_changes_shows(name: str) -> None:
    """The check above can fail."""
    changed = copy.deepcopy({key: [dict(row) for row in rows] for key, rows in records().items()})
    for row in changed["hwbench"]:
        for key in ("decompress_bytes_per_cycle", "compress_bytes_per_cycle"):
            row[key] += 1
    changed["mutation"][0]["result"] = "equivalent"
    changed["effects"][0]["simulated_ns"] += 10**6
    changed["faults"][0]["wrong"] += 1
    changed["modes"][0]["mismatches"] += 1
    changed["guest"][0]["figures"]["cycles"] += 1
    text = (DOCS / name).read_text()
    assert updated(text, changed) != text


def test_every_width_is_recorded_over_at_least_four_kinds_of_pages() -> None:
    rows = records()["hwbench"]
    kinds = {(row["width"], row["kind"]) for row in rows}
    assert {width for width, _ in kinds} >= set(ENGINE_WIDTHS)
    assert all(len({kind for each, kind in kinds if each == width}) > 4 for width in ENGINE_WIDTHS)


def test_the_mutants_are_those_of_the_rtl_that_their_record_names() -> None:
    rows = [{"commit": "abc", "rtl": digest()}]
    assert TABLES["mutants-state"]({"mutation": rows}).endswith("`abc`, which is the same today.")
    rows[0]["rtl"] = "another"
    assert TABLES["mutants-state"]({"mutation": rows}).endswith("these are not its figures.")


def test_comments_and_white_space_make_no_other_rtl(tmp_path: Path) -> None:
    source = tmp_path / "x.v"
    found = []
    for text in ("wire a = b;  // why\n", "/* new */ wire a =\n  b;\n", "wire a = c;\n"):
        source.write_text(text)
        found.append(digest(tmp_path))
    assert found[0] == found[1] != found[2]


def test_a_campaign_of_mutants_is_recorded_when_it_has_judged_them_all(tmp_path: Path) -> None:
    judged = [{"module": "fifo", "result": "killed"}] * 2
    state = {"seed": 1, "commit": "abc", "rtl": "def", "sample": 3, "mutants": judged}
    results, records_folder = tmp_path / "mutation.json", tmp_path / "records"
    results.write_text(json.dumps(state))
    with pytest.raises(FiguresError, match=r"mutation\.json: 2 of 3 mutants"):
        record(tmp_path, records_folder)
    results.write_text(json.dumps(state | {"sample": 2}))
    record(tmp_path, records_folder)
    kept = json.loads((records_folder / "mutation.json").read_text())
    assert kept == [{"commit": "abc", "rtl": "def", "module": "fifo", "result": "killed"}] * 2


def test_a_campaign_of_faults_is_recorded_kind_by_kind_with_its_rtl(tmp_path: Path) -> None:
    kinds = {"late": {"faults": 2, "wrong": 1}, "outage": {"faults": 1, "wrong": 0}}
    (tmp_path / "faults.json").write_text(json.dumps({"commit": "abc", "rtl": "def", "by_kind": kinds}))
    record(tmp_path, tmp_path)
    rows = json.loads((tmp_path / "faults.json").read_text())
    assert rows[0] == {"kind": "late", "commit": "abc", "rtl": "def", "faults": 2, "wrong": 1}
    lines = TABLES["faults"]({"faults": rows}).splitlines()
    assert [line.split("|")[1:4] for line in lines[2:]] == [
        [" late ", " 2 ", " 1 "], [" outage ", " 1 ", " 0 "], [" all ", " 3 ", " 1 "],
    ]  # fmt: skip


def test_the_engines_bench_makes_several_records_and_what_was_not_measured_stays(tmp_path: Path) -> None:
    results = tmp_path / "hwbench.json"
    first = {"widths": [{"width": 8}], "loaded": [{"workload": "w"}], "engines": [{"luts": 1}], "asic": [{"width": 8}]}
    results.write_text(json.dumps(first))
    record(tmp_path, tmp_path / "records")
    results.write_text(json.dumps({"widths": [{"width": 16}], "loaded": [], "engines": [{"luts": 2}], "asic": []}))
    record(tmp_path, tmp_path / "records")
    kept = {
        name: json.loads((tmp_path / "records" / f"{name}.json").read_text())
        for name in ("hwbench", "loaded", "engines", "asic")
    }
    assert kept == {
        "hwbench": [{"width": 16}], "loaded": [{"workload": "w"}], "engines": [{"luts": 2}], "asic": [{"width": 8}]
    }  # fmt: skip


def test_a_record_that_is_missing_or_broken_is_named(tmp_path: Path) -> None:
    with pytest.raises(FiguresError, match=r"hwbench\.json: .*make hwbench"):
        records(tmp_path)
    (tmp_path / "hwbench.json").write_text(json.dumps([]))
    for name in ("loaded", "engines", "asic", "mutation"):
        (tmp_path / f"{name}.json").write_text(json.dumps([]))
    (tmp_path / "effects.json").write_text(json.dumps([]))
    (tmp_path / "faults.json").write_text(json.dumps([]))
    (tmp_path / "fpga.json").write_text("{")
    with pytest.raises(FiguresError, match=r"fpga\.json"):
        records(tmp_path)


def test_a_table_that_is_none_is_an_error() -> None:
    with pytest.raises(FiguresError, match="no table 'nothing'"):
        updated("<!-- made by `python -m sim.bench.figures`: nothing -->\nx\n", {name: [] for name in NAMES})
