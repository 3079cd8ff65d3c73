# SPDX-License-Identifier: MIT
"""zswap's dynamic shrinker: reclaim takes cold entries as well (zswap_shrinker_count; docs/vswap/writeback.md).

Since Linux 6.8, and off unless it is switched on (`shrinker_enabled`).
"""

from __future__ import annotations

from collections import Counter

from hw.link import PAGE_BYTES
from vswap.mm.memcg import Memcg
from vswap.paths.zswap_writeback import ZswapWriteback
from vswap.state.machine import Machine

SEEKS = 2
BATCH = 128
"""DEFAULT_SEEKS, SHRINK_BATCH."""


class ZswapShrinker:
    """Follows reclaim: `shrink` is called for each group that reclaim looks at."""

    def __init__(self, machine: Machine, writeback: ZswapWriteback) -> None:
        self._machine = machine
        self._writeback = writeback
        self._deferred: Counter[Memcg] = Counter()  # entries that were too few to look at
        self._swapins: Counter[Memcg] = Counter()  # pages read from swap devices by the last look
        self._protected: Counter[Memcg] = Counter()  # entries that these reads still protect

    def count(self, memcg: Memcg) -> int:
        """Entries of a group that may be looked at. Each page that came back from a swap device since the last look
        protects one. The rest counts by the whole pages that the group's compressed ones fill, and those below it: the
        better they compress, the fewer, and none where they do not fill a page."""
        zswap = self._machine.tiers.zswap
        if zswap is None or not memcg.may_write_back():
            return 0
        self._protected[memcg] += memcg.stat["pswpin"] - self._swapins[memcg]
        self._swapins[memcg] = memcg.stat["pswpin"]
        freeable = len(zswap.lru(memcg))
        protected = min(freeable, self._protected[memcg])
        self._protected[memcg] -= protected
        stored = sum(len(zswap.lru(group)) for group in self._machine.memory.memcgs.subtree(memcg) if group.online)
        return (freeable - protected) * (memcg.zswap_bytes // PAGE_BYTES) // stored if stored else 0

    async def shrink(self, memcg: Memcg, priority: int) -> int:
        """Look at entries of a group that is reclaimed at this priority (do_shrink_slab); frames that the pool gave
        back. As many as a batch, or all that there are, are looked at; fewer are left for later, as are all where none
        of those looked at could be written."""
        zswap, freeable = self._machine.tiers.zswap, self.count(memcg)
        if zswap is None or not freeable:
            return 0
        before = zswap.pool_pages
        deferred, delta = self._deferred[memcg], (freeable >> priority) * 4 // SEEKS
        wanted = min((deferred >> priority) + delta, 2 * freeable)
        scanned = 0
        while wanted >= min(BATCH, freeable):
            batch = min(BATCH, wanted)
            if not await self._scan(memcg, batch):
                break
            wanted -= batch
            scanned += batch
        self._deferred[memcg] = min(max(deferred + delta - scanned, 0), 2 * freeable)
        return max(0, before - zswap.pool_pages)

    async def _scan(self, memcg: Memcg, batch: int) -> int:
        """Look at so many entries of a group; how many were written to a swap device (zswap_shrinker_scan)."""
        wrote = 0
        for _ in range(batch):
            outcome = await self._writeback.shrink_memcg(memcg)
            if outcome is None:
                break
            wrote += outcome
        return wrote
