"""The virtual swap layer: slots, swap cache, address spaces, reclaim, and the tiers behind it. Rules: docs/vswap.md."""

from vswap.config import VswapConfig
from vswap.costs import Costs
from vswap.counters import Counters
from vswap.errors import InvariantViolation, OutOfMemory, SegmentationFault, SigBus, VswapError
from vswap.memcg import Memcg, MemcgLimits
from vswap.spaces import AddressSpace
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
