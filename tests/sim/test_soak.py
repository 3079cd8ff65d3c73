# SPDX-License-Identifier: MIT
"""Nothing that is kept grows by the fault."""

from __future__ import annotations

import gc

from sim.bench.soak import soak

FAULTS = 30_000


def live_objects() -> int:
    gc.collect()
    return len(gc.get_objects())


def test_the_number_of_live_objects_does_not_grow_with_the_number_of_faults() -> None:
    result = soak(FAULTS, 4, seed=1, look=live_objects)
    assert result.faults >= FAULTS
    # Timers that were cancelled wait for their time, so that the number is never quite the same.
    assert result.growth < FAULTS // 10, result.memory
