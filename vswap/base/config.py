"""The dials of one machine's swap system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from vswap.base.costs import Costs


@dataclass(frozen=True)
class VswapConfig:
    """How a swap system is built.

    Attributes:
        memory_pages: DRAM frames. Tasks' pages, swap-cache folios and the zswap pool all come out of them.
        order: tiers tried at swap-out, first to last, out of "cram", "zswap", "swapfile", "zram" and the names of
            backends that the system is given; the zero test comes first. More tiers of a kind have a number behind its
            name ("cram1", "swapfile1").
        distances: of CRAM nodes, by name: the nearest is tried first, in the places that they have in `order`. Without
            one, a node is farther than those before it.
        priorities: of swap devices, by name, as swapon has them: the highest first, those of one priority in turns.
            Without one, a device has less than those before it.
        cram_to_cram: pages are written back from a CRAM node to those behind it.
        writable_budget: CRAM pages that may be writable at once; 0 is the safe default.
        slot_limit: virtual slots; None for no limit.
        mthp_orders: sizes of large folios that a fault may allocate, 2^order pages, out of 2 to 7; none: pages only.
        layer: "virtual" slots, or "direct" ones: what PTEs hold is a place on a device, as without virtual swap.
        swapfile_pages: size of the swapfile, pages (its header page comes on top).
        swapfile_fsync: flush the swapfile to stable storage when it is closed.
        zram_pages: size of the zram device, pages.
        zram_limit_pages: DRAM that it may take, pages; None for no limit.
        zswap_max_pool_percent: share of the memory that the compressed pool may take.
        zswap_accept_threshold_percent: once full, the pool accepts again at or below this share of its limit.
        zswap_keep_incompressible: pages that do not shrink are kept as they are, where the group may write them back.
        cram_low_percent, cram_recovered_percent: the device's watermarks, in percent of its media sectors.
        cram_writeback_batch: CRAM pages written back before the device is looked at again.
        cram_ratio_interval: ns between two looks at the ratio that a device achieves, by which its node's balloon is
            set; 0: none.
        hot_threshold, hot_period: which pages a device nominates for promotion (CramDevice.track_hot_pages); 0: none.
        hot_budget, hot_interval: at most so many pages of a node are promoted every so many ns.
        trim_batch: freed device pages collected before one trim command.
        reap_interval: ns between two scans for zombies (and flushes of a partial trim batch).
    """

    memory_pages: int
    order: tuple[str, ...] = ("cram", "zswap", "swapfile")
    distances: Mapping[str, int] = field(default_factory=dict)
    priorities: Mapping[str, int] = field(default_factory=dict)
    cram_to_cram: bool = False
    writable_budget: int = 0
    slot_limit: int | None = None
    mthp_orders: tuple[int, ...] = ()
    layer: Literal["virtual", "direct"] = "virtual"
    swapfile_pages: int = 16_384
    swapfile_fsync: bool = False
    zram_pages: int = 16_384
    zram_limit_pages: int | None = None
    zswap_max_pool_percent: int = 20
    zswap_accept_threshold_percent: int = 90
    zswap_keep_incompressible: bool = False
    cram_low_percent: int = 10
    cram_recovered_percent: int = 20
    cram_writeback_batch: int = 16
    cram_ratio_interval: int = 0
    hot_threshold: int = 0
    hot_period: int = 0
    hot_budget: int = 32
    hot_interval: int = 100_000
    trim_batch: int = 64
    reap_interval: int = 1_000_000
    costs: Costs = field(default_factory=Costs)
