# SPDX-License-Identifier: MIT
"""Processor time of each test, its own process and all that it has started: `build/test-times.json`.

Wall clock tells how loaded a machine was; processor time tells what a test costs, compiling included.
"""

from __future__ import annotations

import json
import resource
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

KEY = "cpu_s"


def used_s() -> float:
    """Seconds of processor time of this process and of those it has waited for."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


class CpuTimes:
    """A plugin of pytest. Works under pytest-xdist: a worker measures, its reports carry the figure to the controller.

    Args:
        output: the file to write; not written by a worker.
        slowest: how many of the tests that took longest to print.
    """

    def __init__(self, output: Path, slowest: int) -> None:
        self.output = output
        self.slowest = slowest
        self._before = 0.0
        self._taken: dict[str, float] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        self._before = used_s()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
        report = yield
        if call.when == "teardown":
            report.user_properties.append((KEY, round(used_s() - self._before, 2)))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            self._taken[report.nodeid] = float(dict(report.user_properties)[KEY])  # type: ignore[arg-type]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._taken and not hasattr(session.config, "workerinput"):
            self.output.parent.mkdir(exist_ok=True)
            self.output.write_text(json.dumps({"seconds": round(self.total_s), "tests": self.ranking()}, indent=1))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._taken:
            return
        terminalreporter.write_line(f"processor time of the tests: {self.total_s:.0f} s ({self.output})")
        for name, seconds in list(self.ranking().items())[: self.slowest]:
            terminalreporter.write_line(f"{seconds:8.1f} s  {name}")

    @property
    def total_s(self) -> float:
        """Of all tests, seconds."""
        return sum(self._taken.values())

    def ranking(self) -> dict[str, float]:
        """Seconds of each test, the slowest first."""
        return dict(sorted(self._taken.items(), key=lambda entry: -entry[1]))
