# SPDX-License-Identifier: MIT
"""Backends broken on purpose, each as one was broken once: zswap, zram, a swapfile, a driver. The suite must reject
every one of them (docs/contract-suite.md, "Broken backends").

A breakage of one tier is a factory. A breakage of the layer around the tiers is a patch: a function that is given a
Patcher, on top of one of our own tiers.
"""

from vswap.contract.broken import cram, fences, layer, raw, swapfile, zram, zswap
from vswap.contract.broken.registry import BROKEN, Broken, Patcher

__all__ = ["BROKEN", "Broken", "Patcher", "cram", "fences", "layer", "raw", "swapfile", "zram", "zswap"]
