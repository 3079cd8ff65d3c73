# SPDX-License-Identifier: MIT
"""docs/vswap/node-mode.md names a test for each rule, and the test exists and runs."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from hw.sources import ROOT
from sim.scenario.scenario import ScenarioError, find
from sim.scenario.settings import load, parse

HERE = Path(__file__).parent
DOCUMENT = ROOT / "docs" / "vswap" / "node-mode.md"
_TEST = re.compile(r"`(test_\w+\.py)::(test_\w+)`")
_ROW = re.compile(r"^\| (?!rule|subject|---)(.+?) \| (.*`test_.*`.*) \|$", re.MULTILINE)


def functions(file: Path) -> dict[str, ast.AsyncFunctionDef | ast.FunctionDef]:
    """The tests of a file by name."""
    kinds = (ast.AsyncFunctionDef, ast.FunctionDef)
    return {each.name: each for each in ast.parse(file.read_text()).body if isinstance(each, kinds)}


def rows() -> dict[str, list[tuple[str, str]]]:
    """What the document's tables say: rule or subject -> (file, test) of each that holds it."""
    return {rule: _TEST.findall(tests) for rule, tests in _ROW.findall(DOCUMENT.read_text())}


def test_each_rule_has_a_test_that_exists() -> None:
    found = rows()
    assert len(found) >= 30
    for rule, tests in found.items():
        assert tests, rule
        for file, name in tests:
            assert name in functions(HERE / file), f"{rule}: {file} has no {name}"


def test_each_subject_of_the_selftests_is_checked_on_the_rtl_as_well() -> None:
    """But for the page cache, of which there is none."""
    subjects = {"capacity", "trim and free", "pressure", "writeback", "memcg", "page cache"}
    found = rows()
    assert subjects <= found.keys()
    for subject in subjects - {"page cache"}:
        for file, name in found[subject]:
            decorators = [ast.unparse(each) for each in functions(HERE / file)[name].decorator_list]
            assert any("rtl=True" in each for each in decorators), f"{subject}: {name}"


def test_a_scenario_that_wants_file_pages_on_the_node_is_refused_in_one_line() -> None:
    with pytest.raises(ScenarioError, match=r"\[cram\] file is true, expected false: there is no page cache"):
        load(find("main"), [parse("cram.mode=node"), parse("cram.file=true")])
    assert load(find("main"), [parse("cram.mode=node")]).vswap_config().cram_mode == "node"
    with pytest.raises(ScenarioError, match=r"mode is .*expected 'swap' or 'node'"):
        load(find("main"), [parse("cram.mode=disk")])


def test_the_default_is_swap() -> None:
    assert load(find("main"), []).cram.mode == "swap"
