# SPDX-License-Identifier: MIT
"""The experiments, by name."""

from __future__ import annotations

from collections.abc import Mapping

from sim.experiment.bear import BEAR
from sim.experiment.device import DEVICE
from sim.experiment.experiment import Experiment
from sim.experiment.moves import MOVES
from sim.experiment.rmap import RMAP
from sim.experiment.swapoff import SWAPOFF
from sim.experiment.tiers import TIERS

EXPERIMENTS: Mapping[str, Experiment] = {
    experiment.name: experiment for experiment in (RMAP, SWAPOFF, BEAR, MOVES, TIERS, DEVICE)
}
