# SPDX-License-Identifier: MIT
"""The zero tier: a page of zeros is remembered, not stored."""

from __future__ import annotations

from hw.clock import Clock
from hw.link import ZERO_PAGE
from vswap.base.backing import BackingType
from vswap.base.costs import Costs
from vswap.base.counters import Counters
from vswap.tiers.base import Rejected, Usage


class ZeroTier:
    """Takes pages of zeros only. The handle is the slot itself."""

    type = BackingType.ZERO

    def __init__(self, clock: Clock, costs: Costs, counters: Counters) -> None:
        self._clock = clock
        self._costs = costs
        self._counters = counters
        self._owners: dict[int, int] = {}

    async def store(self, data: bytes, slot: int) -> int:
        """See Tier. Raises Rejected when a byte is not zero."""
        await self._clock.sleep(self._costs.zero_test)
        if data != ZERO_PAGE:
            raise Rejected("not a page of zeros")
        self._owners[slot] = slot
        self._counters.swpout_zero += 1
        return slot

    async def load(self, handle: int) -> bytes:
        """See Tier."""
        await self._clock.sleep(self._costs.page_zero)
        self._counters.swpin_zero += 1
        return ZERO_PAGE

    def free(self, handle: int) -> None:
        """See Tier."""
        del self._owners[handle]

    def reown(self, handle: int, slot: int) -> None:
        """See Tier. A zero page has no identity beyond its slot."""
        raise KeyError(handle)

    def handles(self) -> dict[int, int]:
        """See Tier."""
        return dict(self._owners)

    def usage(self) -> Usage:
        """See Tier."""
        return Usage(len(self._owners), None)

    async def flush(self) -> None:
        """See Tier; nothing is batched."""

    def close(self) -> None:
        """See Tier; nothing is held."""
