# SPDX-License-Identifier: MIT
"""zswap's dynamic shrinker: reclaim takes cold entries as well (zswap_shrinker_count; docs/vswap/writeback.md).

Since Linux 6.8, and off unless it is switched on (`shrinker_enabled`).
"""

from __future__ import annotations

from collections import Counter

from vswap.mm.memcg import Memcg
from vswap.paths.writeback import Writeback
from vswap.state.machine import Machine

SEEKS = 2
BATCH = 128
"""DEFAULT_SEEKS, SHRINK_BATCH."""


class ZswapShrinker:
    """Follows reclaim: `shrink` is called for each group that reclaim looks at."""

    def __init__(self, machine: Machine, writeback: Writeback) -> None:
        self._machine = machine
        self._writeback = writeback
        self._deferred: Counter[Memcg] = Counter()  # entries that were too few to look at
        self._swapins: Counter[Memcg] = Counter()  # pages read from swap devices by the last look
        self._protected: Counter[Memcg] = Counter()  # entries that these reads still protect

    def count(self, memcg: Memcg) -> int:
        """Entries of a group that may be looked at. Each page that came back from a swap device since the last look
        protects one. The rest counts by what it would free: the better entries compress, the fewer."""
        zswap = self._machine.tiers.zswap
        if zswap is None or not memcg.may_write_back():
            return 0
        self._protected[memcg] += memcg.stat["pswpin"] - self._swapins[memcg]
        self._swapins[memcg] = memcg.stat["pswpin"]
        freeable = len(zswap.lru(memcg))
        protected = min(freeable, self._protected[memcg])
        self._protected[memcg] -= protected
        stored = zswap.usage().pages
        return (freeable - protected) * zswap.pool_pages // stored if stored else 0

    async def shrink(self, memcg: Memcg, priority: int) -> int:
        """Look at entries of a group that is reclaimed at this priority (do_shrink_slab); frames that the pool gave
        back. As many as a batch, or all that there are, are looked at; fewer are left for later."""
        zswap, freeable = self._machine.tiers.zswap, self.count(memcg)
        if zswap is None or not freeable:
            return 0
        before = zswap.pool_pages
        deferred, delta = self._deferred[memcg], (freeable >> priority) * 4 // SEEKS
        wanted = min((deferred >> priority) + delta, 2 * freeable)
        looked_at = 0
        while wanted >= min(BATCH, freeable):
            for _ in range(min(BATCH, wanted)):
                if await self._writeback.shrink_memcg(memcg) is None:
                    break
                looked_at += 1
            wanted -= min(BATCH, wanted)
        self._deferred[memcg] = min(max(deferred + delta - looked_at, 0), 2 * freeable)
        return max(0, before - zswap.pool_pages)
