# SPDX-License-Identifier: MIT
"""The suite as a pytest plug-in: a test for each check of the backend that `--contract` names.

pytest -p vswap.contract.plugin --contract PACKAGE:FACTORY
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vswap.contract.checks import CHECKS
from vswap.contract.factory import SuiteError, load_factory, try_factory
from vswap.contract.limit import LIMIT_S
from vswap.contract.registry import Check
from vswap.contract.suite import ENVIRONMENT, LINKS, run_contract


def pytest_addoption(parser: pytest.Parser) -> None:
    """The plug-in's options."""
    group = parser.getgroup("contract", "the contract of a swap backend")
    group.addoption("--contract", metavar="PACKAGE:FACTORY", help="run this backend through the contract")
    group.addoption("--contract-link", default="model", choices=sorted(LINKS), help="what runs the device")
    group.addoption("--contract-seed", default=0, type=int, help="the first seed of every check")
    group.addoption(
        "--contract-limit",
        default=LIMIT_S,
        type=float,
        metavar="S",
        help="seconds for one run of a check (%(default)g)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Collect the checks alone, and not what lies in this folder as well; what is named on the command line is."""
    if config.getoption("--contract") and config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args = []


def pytest_collection(session: pytest.Session) -> None:
    """Tell before anything runs that the factory is of no use, or what the environment lacks."""
    option = session.config.getoption
    name = option("--contract")
    if name:
        try:
            try_factory(name, load_factory(name), LINKS[option("--contract-link")], option("--contract-limit"))
        except (SuiteError, *ENVIRONMENT) as error:
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

    def setup(self) -> None:
        """Run the check with all its seeds: what is the environment's fault is an error, and no failure."""
        option = self.config.getoption
        factory = load_factory(option("--contract"))
        link, seed = LINKS[option("--contract-link")], option("--contract-seed")
        only, limit_s = [self._clause.identifier], option("--contract-limit")
        (self._outcome,) = run_contract(factory, seed=seed, only=only, link=link, limit_s=limit_s).outcomes
        if self._outcome.verdict == "error":
            pytest.fail(self._outcome.reason, False)

    def runtest(self) -> None:
        """Tell what it came to."""
        outcome = self._outcome
        if outcome.verdict == "not applicable":
            pytest.skip(outcome.reason)
        if outcome.verdict == "fail":
            pytest.fail(f"{self._clause.relies}\nseed {outcome.seed}: {outcome.reason}\n{outcome.details}", False)

    def reportinfo(self) -> tuple[Path, None, str]:
        """How pytest names it."""
        return Path(__file__), None, f"contract {self.name}"
