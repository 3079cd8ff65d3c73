# SPDX-License-Identifier: MIT
"""The virtual swap layer: slots, swap cache, address spaces, reclaim, and the tiers behind it. Rules: docs/vswap.md."""

from vswap.base.config import VswapConfig
from vswap.base.costs import Costs
from vswap.base.counters import Counters
from vswap.base.errors import InvariantViolation, OutOfMemory, SegmentationFault, SigBus, VswapError
from vswap.mm.memcg import Memcg, MemcgLimits
from vswap.paths.spaces import AddressSpace
from vswap.system import VswapSystem

__all__ = [
    "AddressSpace",
    "Costs",
    "Counters",
    "InvariantViolation",
    "Memcg",
    "MemcgLimits",
    "OutOfMemory",
    "SegmentationFault",
    "SigBus",
    "VswapConfig",
    "VswapError",
    "VswapSystem",
]
