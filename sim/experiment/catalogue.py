# SPDX-License-Identifier: MIT
"""The experiments, by name."""

from __future__ import annotations

from collections.abc import Mapping

from sim.experiment.experiment import Experiment
from sim.experiment.moves import MOVES
from sim.experiment.rmap import RMAP
from sim.experiment.swapoff import SWAPOFF

EXPERIMENTS: Mapping[str, Experiment] = {experiment.name: experiment for experiment in (RMAP, SWAPOFF, MOVES)}
