# SPDX-License-Identifier: MIT
"""Fixtures of the driver's contract tests.

A test is a coroutine: it runs on the clock of its link. Every test holds for every link: the model and the verilated
RTL here, and the RTL in a simulator when test_over_rtl.py runs these same tests inside it. What only the model can do,
such as damaging its media, is a fixture of its own.
"""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import pytest

from driver import CramDevice
from hw.link import Link
from hw.links.model import ModelLink
from hw.links.verilated import VerilatedLink
from hw.parameters import DeviceParameters
from hw.simulate import default_seed
from hw.virtual_time import VirtualClock
from tests.driver.inside import Simulation, SimulatorClock

SMALL = {"perceived_pages": 256, "media_bytes": 64 << 10, "cache_pages": 4}
PARAMETERS = DeviceParameters(**json.loads(os.environ.get("DEVICE", json.dumps(SMALL))))
"""A small device, with 256 sectors of 256 bytes, so that 16 raw pages fill it; inside a simulator, the one there."""


@dataclass(frozen=True)
class Way:
    """A way to run a test: over which link, and with which seed of the clock (None: tasks in order)."""

    link: str
    seed: int | None = None


WAYS = {
    "in-order": Way("model"),
    "shuffled": Way("model", 1),
    "verilated": Way("verilated"),
    "verilated-shuffled": Way("verilated", 1),
}


class SettledDevice(CramDevice):
    """A device whose stores end when the page is closed, as they do on the model, so that live figures do not lag."""

    async def store(self, page: int, data: bytes) -> None:
        await super().store(page, data)
        await self.settle()

    async def store_line(self, page: int, line: int, data: bytes) -> None:
        await super().store_line(page, line, data)
        await self.settle()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine on its fixture `clock`."""
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(test).parameters}
    clock = pyfuncitem.funcargs["clock"]
    assert isinstance(clock, VirtualClock | SimulatorClock)
    clock.run(test(**arguments))
    return True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Inside a simulator: only tests of the device that is built there, and none that need the model."""
    if Simulation.dut is None:
        return

    def fits(item: pytest.Item) -> bool:
        fixtures = getattr(item, "fixturenames", ())
        return _fits_rtl(fixtures) and "parameters" not in _parametrised(item)

    config.hook.pytest_deselected(items=[item for item in items if not fits(item)])
    items[:] = [item for item in items if fits(item)]


def _fits_rtl(fixtures: Collection[str]) -> bool:
    """Whether a test with these fixtures is one of a device, and not of the model alone."""
    return ("device" in fixtures or "link" in fixtures) and not {"damage", "model"} & set(fixtures)


def _parametrised(item: pytest.Item) -> set[str]:
    return set(item.callspec.params) if hasattr(item, "callspec") else set()


@pytest.fixture
def parameters() -> DeviceParameters:
    """What the device is built with; tests override it by parametrisation."""
    return PARAMETERS


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Virtual time, with tasks in order and shuffled; or the simulator's time.

    Every set of parameters is a minute of compiling: the verilated link runs the tests of the usual device only.
    """
    if "clock" not in metafunc.fixturenames:
        return
    if Simulation.dut is not None:
        ways = {"simulator": Way("cocotb")}
    else:
        parametrised = [str(mark.args[0]) for mark in metafunc.definition.iter_markers("parametrize")]
        rtl = _fits_rtl(metafunc.fixturenames) and not any("parameters" in names for names in parametrised)
        ways = {name: way for name, way in WAYS.items() if way.link == "model" or rtl}
    metafunc.parametrize("way", ways.values(), ids=ways.keys())


@pytest.fixture
def clock(way: Way) -> VirtualClock | SimulatorClock:
    """The clock that the test and its device live on."""
    return SimulatorClock() if way.link == "cocotb" else VirtualClock(way.seed)


@pytest.fixture
def link(way: Way, clock: VirtualClock | SimulatorClock, parameters: DeviceParameters) -> Link:
    """The link under test, to a device just out of reset."""
    if isinstance(clock, SimulatorClock):
        return Simulation.link(clock)
    return VerilatedLink(clock, parameters, default_seed()) if way.link == "verilated" else ModelLink(clock, parameters)


@pytest.fixture
def model(link: Link) -> ModelLink:
    """The link, where it is the model with its ways to do damage."""
    assert isinstance(link, ModelLink)
    return link


@pytest.fixture
def device(clock: VirtualClock | SimulatorClock, link: Link) -> Iterator[CramDevice]:
    """A device, probed."""
    yield clock.run_until((CramDevice if isinstance(link, ModelLink) else SettledDevice).probe(link))
    clock.shut_down()


@pytest.fixture
def damage(model: ModelLink) -> Callable[[int, int], None]:
    """Flip all bits of one byte of what lies on the media for a page: `damage(page, offset)`."""
    return model.damage
