# SPDX-License-Identifier: MIT
"""The suite as a pytest plug-in: a test for each check of the backend that `--contract` names.

pytest -p vswap.contract.plugin --contract PACKAGE:FACTORY
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vswap.contract.bench import SuiteError, load_factory
from vswap.contract.checks import CHECKS
from vswap.contract.registry import Check
from vswap.contract.suite import LINKS, run_contract


def pytest_addoption(parser: pytest.Parser) -> None:
    """The plug-in's options."""
    group = parser.getgroup("contract", "the contract of a swap backend")
    group.addoption("--contract", metavar="PACKAGE:FACTORY", help="run this backend through the contract")
    group.addoption("--contract-link", default="model", choices=sorted(LINKS), help="what runs the device")
    group.addoption("--contract-seed", default=0, type=int, help="the first seed of every check")


def pytest_collection(session: pytest.Session) -> None:
    """Name an unknown factory before anything runs."""
    name = session.config.getoption("--contract")
    if name:
        try:
            load_factory(name)
        except SuiteError as error:
            raise pytest.UsageError(str(error)) from error


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> None:
    """Nothing more is collected from files."""


def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the checks to what was collected."""
    name = config.getoption("--contract")
    if name:
        collector = ContractCollector.from_parent(session, name=name)
        items.extend(collector.collect())


class ContractCollector(pytest.Collector):
    """The checks of one backend."""

    def collect(self) -> Iterator[pytest.Item]:
        """A test a check."""
        for clause in CHECKS.values():
            yield ContractItem.from_parent(self, name=clause.identifier, clause=clause)


class ContractItem(pytest.Item):
    """One check."""

    def __init__(self, name: str, parent: pytest.Collector, clause: Check) -> None:
        super().__init__(name, parent)
        self._clause = clause

    def runtest(self) -> None:
        """Run the check with all its seeds."""
        option = self.config.getoption
        factory = load_factory(option("--contract"))
        link, seed = LINKS[option("--contract-link")], option("--contract-seed")
        (outcome,) = run_contract(factory, seed=seed, only=[self._clause.identifier], link=link).outcomes
        if outcome.verdict == "not applicable":
            pytest.skip(outcome.reason)
        if outcome.verdict == "fail":
            pytest.fail(f"{self._clause.relies}\nseed {outcome.seed}: {outcome.reason}\n{outcome.details}", False)

    def reportinfo(self) -> tuple[Path, None, str]:
        """How pytest names it."""
        return Path(__file__), None, f"contract {self.name}"
