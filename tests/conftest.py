# SPDX-License-Identifier: MIT
"""Settings for all tests."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from hw.places import PlaceError, build_folder
from hw.simulate import default_seed
from tests.cpu_time import CpuTimes

IN_SIMULATOR = "COCOTB_TEST_MODULES" in os.environ
"""This is pytest inside a simulator (tests/driver/inside.py): it has the settings of the one outside."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("vcram")
    group.addoption("--rtl-seed", type=int, metavar="N", help="seed of all simulations of RTL (default: 1)")
    group.addoption(
        "--slowest", type=int, default=0, metavar="N", help="print the N tests that took most processor time"
    )


def pytest_configure(config: pytest.Config) -> None:
    # A simulator's speed is not what a property states, so no deadline. The same examples on every machine: what fails
    # after a change is the change's doing. A seed searches on.
    same = config.getoption("--hypothesis-seed") is None
    settings.register_profile("vcram", deadline=None, print_blob=True, derandomize=same)
    settings.load_profile("vcram")
    seed = config.getoption("--rtl-seed")
    if seed is None:
        try:
            default_seed()
        except ValueError as error:
            raise pytest.UsageError(f"VCRAM_SEED: {error}") from None
    else:
        os.environ["VCRAM_SEED"] = str(seed)  # read by hw.simulate.default_seed
    if not IN_SIMULATOR:
        try:
            place = build_folder()
        except PlaceError as error:
            raise pytest.UsageError(str(error)) from None
        times = CpuTimes(place / "test-times.json", config.getoption("--slowest"))
        config.pluginmanager.register(times, "vcram-cpu-times")


def pytest_report_header() -> str:
    return f"rtl seed: {default_seed()} (--rtl-seed)"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if not IN_SIMULATOR:
        os.environ["VCRAM_RUN"] = item.name  # the folder of a simulation is named after it
