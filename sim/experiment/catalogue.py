# SPDX-License-Identifier: MIT
"""The experiments, by name."""

from __future__ import annotations

from collections.abc import Mapping

from sim.experiment.experiment import Experiment
from sim.experiment.rmap import RMAP

EXPERIMENTS: Mapping[str, Experiment] = {experiment.name: experiment for experiment in (RMAP,)}
