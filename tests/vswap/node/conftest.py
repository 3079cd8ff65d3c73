# SPDX-License-Identifier: MIT
"""These tests, too, are coroutines on a machine of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hw.virtual_time import VirtualClock
from tests.vswap.conftest import pytest_pyfunc_call, seed, way
from tests.vswap.tb import DEVICE, TB

__all__ = ["pytest_pyfunc_call", "seed", "way"]


@pytest.fixture
def tb(request: pytest.FixtureRequest, tmp_path: Path, seed: int | None, way: str) -> TB:
    """A machine as the test's @node_machine says, with the kind of slots of its parameter `layer`, if it has one."""
    options = request.function.machine
    layers: dict[str, Any] = {key: value for key, value in request.node.callspec.params.items() if key == "layer"}
    config = {**options["config"], **layers}
    return TB(tmp_path, options.get("device", DEVICE), start=options["start"], config=config, clock=VirtualClock(seed),
              link=way)  # fmt: skip
