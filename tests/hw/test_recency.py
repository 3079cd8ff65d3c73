# SPDX-License-Identifier: MIT
"""Which entry was used least recently, under both simulators."""

from __future__ import annotations

import pytest

from hw.build import build
from hw.simulate import simulate
from hw.tools import SIMULATORS, Simulator
from tests.marks import first_in_test


@pytest.mark.parametrize(("entries", "users", "questions"), first_in_test([(8, 3, 2), (2, 1, 1), (5, 2, 3)]))
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_recency(simulator: Simulator, entries: int, users: int, questions: int) -> None:
    """The rule is in bench_recency.py."""
    parameters = {"ENTRIES": entries, "USERS": users, "QUESTIONS": questions}
    rtl = build("recency", simulator, parameters)
    environment = {name: str(value) for name, value in parameters.items()}
    simulate(rtl, "tests.hw.bench_recency", environment=environment, timeout_s=120)
