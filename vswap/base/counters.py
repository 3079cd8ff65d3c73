# SPDX-License-Identifier: MIT
"""Counters under the kernel's own names (vmstat, zswap's debugfs), and the CRAM ones beside them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from vswap.base.backing import BackingType


@dataclass
class Writebacks:
    """Pages moved from one tier to a later one behind the back of their PTEs, by each pair of kinds that can occur: the
    sum is that of `Counters.moves`. To zero only from a memory node, as zero comes first in swap. `other`: a backend
    that is not ours."""

    cram_to_zero: int = 0
    cram_to_cram: int = 0
    cram_to_zswap: int = 0
    cram_to_swapfile: int = 0
    cram_to_zram: int = 0
    cram_to_other: int = 0
    zswap_to_cram: int = 0
    zswap_to_swapfile: int = 0
    zswap_to_zram: int = 0
    zswap_to_other: int = 0

    def count(self, source: BackingType, target: BackingType) -> None:
        """A page has moved. Raises AttributeError for a pair that is not counted."""
        pair = f"{source.name}_to_{target.name}".lower()
        setattr(self, pair, getattr(self, pair) + 1)


@dataclass
class Counters:
    """Everything is a count of pages or events since start."""

    # CRAM
    stores: int = 0  # pages stored into the device
    loads: int = 0  # pages loaded from the device
    line_loads: int = 0  # single lines loaded from the device
    inplace_stores: int = 0  # of the stores: those of tasks, through writable PTEs
    soft_faults: int = 0  # softleaf -> present read-only into the device, no copy
    promotions: int = 0  # copied to DRAM because of a write
    made_writable: int = 0  # made writable in place, within the budget
    zombies_reaped: int = 0  # device pages found without a mapper and given up
    trimmed: int = 0
    trim_retries: int = 0  # rounds in which the provider was asked again
    nodes_lost: int = 0  # devices that were removed, reset or given up
    pages_lost: int = 0  # of them: pages that somebody still named
    promoted_hot: int = 0  # pages copied to DRAM because the device, or a trace, says that they are hot
    hot_nominated: int = 0
    hot_stale: int = 0  # nominations of pages that are gone, moved or used again
    hot_dropped: int = 0  # nominations for which there was no room in a ring, or no budget
    oom_kill: int = 0  # tasks killed because a withdrawn node could not be emptied otherwise
    ballooned_out: int = 0  # pages moved out of a node for its balloon
    trim_fallbacks: int = 0  # pages zeroed by a store because their trim failed
    cram_rejects: int = 0  # stores refused because the node was closed or full
    cram_full: int = 0  # stores that the device had no sectors for, those in place as well
    cram_poisoned: int = 0  # accesses answered with poison
    node_closed: int = 0
    node_reopened: int = 0
    cram_swapped_in: int = 0  # pages that left a node for memory, since they cannot change devices (direct slots)
    writebacks: Writebacks = field(default_factory=Writebacks)
    blocks_passed: int = 0  # pages moved between tiers as the LZ4 blocks that they were
    writeback_unmaps: int = 0  # read-only mappers of CRAM pages found and unmapped by a writeback
    writeback_failed: int = 0
    # vmstat
    pgdemote_kswapd: int = 0  # pages that reclaim has moved to a node (cram_mode = "node"): kswapd,
    pgdemote_direct: int = 0  # a task that had to wait for memory,
    pgdemote_proactive: int = 0  # or somebody who asked for it (madvise)
    migration_waits: int = 0  # faults that have waited for the end of a migration
    pgfault: int = 0
    pgmajfault: int = 0
    pgsteal_kswapd: int = 0
    pgsteal_direct: int = 0
    pgscan: int = 0
    pgactivate: int = 0  # pages found used for the second time, or that no tier took
    pgrefill: int = 0  # active pages that were looked at: made inactive, or used since the last aging
    workingset_refault_anon: int = 0  # pages that came back while their shadow was there
    workingset_activate_anon: int = 0  # of these, those activated at once: evicted too early
    workingset_restore_anon: int = 0  # of these, those that had been active before
    pglazyfree: int = 0  # pages marked by MADV_FREE
    pglazyfreed: int = 0  # of these, those that reclaim dropped without a swap-out
    numa_pte_updates: int = 0  # PTEs whose next access takes a hint fault
    numa_hint_faults: int = 0
    thp_collapse_alloc: int = 0  # large folios that were made of pages side by side
    ksm_merged: int = 0  # pages given up for an equal one
    cow: int = 0
    rmap_vmas: int = 0  # VMAs visited on the way from folios to their PTEs
    rmap_ptes: int = 0  # PTEs looked at there
    swap_cache_hits: int = 0
    swap_ra: int = 0  # pages that were read ahead
    swap_ra_hit: int = 0  # of these, those that a fault has found in the swap cache
    pswpin: int = 0
    pswpout: int = 0
    zswpin: int = 0
    zswpout: int = 0
    zswpwb: int = 0
    swpin_zero: int = 0
    swpout_zero: int = 0
    swap_clean: int = 0  # reclaimed without writing: the copy on the tier was still good
    swapout_failed: int = 0  # no tier took the page: redirtied and kept
    extend_retries: int = 0  # forks that had to wait for an extend table of a count
    sigbus: int = 0
    # zswap's debugfs names
    pool_limit_hit: int = 0
    reject_compress_poor: int = 0
    reject_alloc_fail: int = 0
    reject_reclaim_fail: int = 0
    written_back_pages: int = 0
    # swapfile
    discarded: int = 0
    io_errors: int = 0

    # by the names that the configuration's order has for the tiers
    stored: dict[str, int] = field(default_factory=dict)  # tier -> pages stored on it, written back or swapped out
    loaded: dict[str, int] = field(default_factory=dict)  # tier -> pages read from it for a folio
    moves: dict[str, int] = field(default_factory=dict)  # "cram_to_zswap" -> pages written back from one to the other

    mthp: dict[str, int] = field(default_factory=dict)  # sysfs: "hugepages-16kB/swpout" -> count

    def count_demoted(self, by: str) -> None:
        """A page was demoted: `by` "kswapd", "direct" or "proactive"."""
        name = f"pgdemote_{by}"
        setattr(self, name, getattr(self, name) + 1)

    def count_mthp(self, order: int, event: str) -> None:
        """An event of a large folio, by its size and the kernel's name for it."""
        name = f"hugepages-{4 << order}kB/{event}"
        self.mthp[name] = self.mthp.get(name, 0) + 1

    def count_stored(self, tier: str, pages: int = 1) -> None:
        """Pages have been stored on the tier of this name."""
        self.stored[tier] = self.stored.get(tier, 0) + pages

    def count_loaded(self, tier: str, pages: int = 1) -> None:
        """Pages have been read from the tier of this name."""
        self.loaded[tier] = self.loaded.get(tier, 0) + pages

    def count_move(self, source: str, target: str) -> None:
        """A page has been written back from the tier of one name to that of another."""
        pair = f"{source}_to_{target}"
        self.moves[pair] = self.moves.get(pair, 0) + 1

    def snapshot(self) -> dict[str, Any]:
        """A plain copy, ready for JSON: name -> count, `writebacks` -> {pair: count}. What is counted by the tiers' own
        names is no part of it."""
        values = asdict(self)
        del values["stored"], values["loaded"], values["moves"]
        values.update(values.pop("mthp"))
        return values
