# SPDX-License-Identifier: MIT
"""Tests that are coroutines run on a machine of their own, in order of arrival and shuffled."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from hw.virtual_time import VirtualClock
from tests.vswap.tb import DEVICE, TB


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test on its fixture `tb`."""
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(test).parameters}
    tb = pyfuncitem.funcargs["tb"]
    assert isinstance(tb, TB)
    tb.run(lambda: test(**arguments))
    return True


@pytest.fixture(params=[None, 1, 2], ids=["in-order", "shuffled-1", "shuffled-2"])
def seed(request: pytest.FixtureRequest) -> int | None:
    """How the clock orders ready tasks."""
    value: int | None = request.param
    return value


@pytest.fixture
def way(request: pytest.FixtureRequest) -> str:
    """What answers as the device: the model, or the RTL where a test asks for it."""
    return str(getattr(request, "param", "model"))


@pytest.fixture
def tb(request: pytest.FixtureRequest, tmp_path: Path, seed: int | None, way: str) -> TB:
    """A machine as the test's @machine says."""
    options = getattr(request.function, "machine", {"device": DEVICE, "start": True, "config": {}})
    clock = VirtualClock(seed)
    return TB(tmp_path, options["device"], start=options["start"], config=options["config"], clock=clock, link=way)
