# SPDX-License-Identifier: MIT
"""The contract suite accepts our tiers, rejects every broken one, and can be run on a backend that is not ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from sim.cli import cli
from tests.marks import VERIFY
from vswap.contract import CHECKS, Backend, Bench, run_check, run_contract
from vswap.contract.__main__ import caught_by
from vswap.contract.backends import OURS, zswap
from vswap.contract.broken import BROKEN, Broken
from vswap.contract.registry import CHAPTERS
from vswap.contract.suite import LINKS
from vswap.tiers.base import Full
from vswap.tiers.zswap import ZswapTier

pytest_plugins = ["pytester"]


@pytest.mark.parametrize("name", OURS)
def test_our_tiers_pass_on_the_model(name: str) -> None:
    report = run_contract(OURS[name], seed=1)
    assert report.failed == [] and len(report.passed) > 25


@VERIFY  # libraries that nobody else needs
@pytest.mark.parametrize("name", ["zswap", "cram"])
def test_our_tiers_pass_on_the_rtl(name: str) -> None:
    """All of them and all seeds: `make contract`."""
    checks = [identifier for identifier in CHECKS if not identifier.startswith("machine.")] + ["machine.crowd"]
    report = run_contract(OURS[name], link=LINKS["verilated"], seeds=1, only=checks)
    assert report.failed == [] and report.passed


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
def test_a_broken_backend_is_rejected(broken: Broken) -> None:
    assert caught_by(broken) in CHECKS


def test_there_are_enough_of_them_and_each_says_what_is_wrong() -> None:
    assert len({broken.name for broken in BROKEN}) == len(BROKEN) >= 25
    assert all(len(broken.story) > 30 for broken in BROKEN)


def test_every_check_says_what_the_kernel_relies_on() -> None:
    for clause in CHECKS.values():
        assert clause.identifier.partition(".")[0] in CHAPTERS
        assert clause.relies.endswith(".") and len(clause.relies) > 20


@pytest.mark.parametrize("seed", [0, 7])
def test_a_failure_is_the_same_with_the_same_seed(seed: int) -> None:
    broken = next(broken for broken in BROKEN if broken.name == "SwapfileSlotTwice")
    first, again = (run_check(CHECKS["concurrency.random"], broken.factory, seed) for _ in range(2))
    assert first.verdict == "fail" and (first.reason, first.seed) == (again.reason, again.seed)


def test_a_check_that_does_not_apply_is_not_counted_as_passed() -> None:
    report = run_contract(OURS["zero"], only=["capacity.gate"])
    assert (report.passed, report.failed, report.outcomes[0].verdict) == ([], [], "not applicable")


# As a program, and in pytest


class Refusing(ZswapTier):
    """Takes nothing."""

    async def store(self, data: bytes, slot: int) -> int:
        raise Full("never")


def refusing(bench: Bench) -> Backend:
    """A factory of a third party."""
    return zswap(bench, Refusing)


def test_the_command_runs_a_backend_and_names_what_it_broke(tmp_path: Path) -> None:
    target = tmp_path / "outcomes.json"
    command = ["contract", "tests.vswap.test_contract:refusing", "--check", "data.takes-pages", "--json", str(target)]
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 1
    assert "data.takes-pages" in result.output and CHECKS["data.takes-pages"].relies in result.output
    assert json.loads(target.read_text())[0]["verdict"] == "fail"


def test_the_command_accepts_a_good_backend() -> None:
    result = CliRunner().invoke(cli, ["contract", "vswap.contract.backends:zram", "--check", "data.round-trip"])
    assert (result.exit_code, "1 passed, 0 failed" in result.output) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "expected PACKAGE:FACTORY"),
        (["no.such.module:x"], "No module named"),
        (["vswap.contract.backends:nobody"], "has no function nobody"),
        (["vswap.contract.backends:zram", "--check", "data.x"], "no such check"),
    ],
)
def test_bad_input_is_named(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(cli, ["contract", *arguments])
    assert result.exit_code == 2 and message in result.output


def test_pytest_runs_the_checks_as_tests(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))  # this tree, wherever another one is installed
    plugin = ("-p", "vswap.contract.plugin", "-p", "no:cacheprovider", "-p", "no:randomly")
    result = pytester.runpytest_subprocess(*plugin, "--contract", "vswap.contract.backends:zero", "-k", "data or gate")
    result.assert_outcomes(passed=7, skipped=3, deselected=len(CHECKS) - 10)
