"""Fixtures of the driver's contract tests.

A test is a coroutine: it runs on the clock of its link. Every test holds for every link; `link` is where further ones
are added. What only one link can do, such as damaging its media, is a fixture of its own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator

import pytest

from driver import CramDevice
from hw.links.model import ModelLink
from hw.parameters import DeviceParameters
from hw.virtual_time import VirtualClock

PARAMETERS = DeviceParameters(perceived_pages=256, media_bytes=64 << 10, cache_pages=4)
"""A small device: 256 sectors of 256 bytes, so that 16 raw pages fill it."""


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine on its fixture `clock`."""
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(test).parameters}
    clock = pyfuncitem.funcargs["clock"]
    assert isinstance(clock, VirtualClock)
    clock.run(test(**arguments))
    return True


@pytest.fixture
def parameters() -> DeviceParameters:
    """What the device is built with; tests override it by parametrisation."""
    return PARAMETERS


@pytest.fixture(params=[None, 1], ids=["in-order", "shuffled"])
def clock(request: pytest.FixtureRequest) -> VirtualClock:
    """Virtual time, with tasks in order and shuffled."""
    return VirtualClock(request.param)


@pytest.fixture
def link(clock: VirtualClock, parameters: DeviceParameters) -> ModelLink:
    """The link under test, to a device just out of reset."""
    return ModelLink(clock, parameters)


@pytest.fixture
def device(clock: VirtualClock, link: ModelLink) -> Iterator[CramDevice]:
    """A device, probed."""
    yield clock.run_until(CramDevice.probe(link))
    clock.shut_down()


@pytest.fixture
def damage(link: ModelLink) -> Callable[[int, int], None]:
    """Flip all bits of one byte of what lies on the media for a page: `damage(page, offset)`."""
    return link.damage
