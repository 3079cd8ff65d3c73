# SPDX-License-Identifier: MIT
"""Task: one point of an experiment, as a worker runs it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from sim.experiment.catalogue import EXPERIMENTS
from sim.sweep.row import Row, failed


@dataclass(frozen=True)
class ExperimentTask:
    """A point: of which experiment, and its values."""

    experiment: str
    values: dict[str, Any]


def run_point(task: ExperimentTask) -> Row:
    """Measure it, in whatever process this is. An error is a row like any other."""
    started = time.monotonic()
    try:
        row: Row = {"status": "passed", "reason": "", **EXPERIMENTS[task.experiment].measure(task.values)}
    except Exception as error:
        row = failed(f"{type(error).__name__}: {' '.join(str(error).split())}")
    return row | {"seconds": round(time.monotonic() - started, 3)}
