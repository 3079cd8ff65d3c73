# SPDX-License-Identifier: MIT
"""The dials of one machine's swap system."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field
from typing import Any, Literal

from vswap.base.costs import MOST_NS, Costs

MOST_PAGES = 1 << 32
"""16 TiB: more than any machine has, and a number that every counter and file can hold."""


def _dial(meaning: str, default: Any = MISSING, *, made_by: Callable[[], Any] | Any = MISSING, **limits: int) -> Any:
    """A dial: what it does, in its unit, what it is set to, and its limits (ge: at least, le: at most, min_length)."""
    return field(default=default, default_factory=made_by, metadata={"meaning": meaning, "limits": limits})


@dataclass(frozen=True)
class VswapConfig:
    """How a swap system is built. `field.metadata` of each dial holds its meaning and its limits; a scenario's keys are
    made from them (sim/scenario/sections.py), and `vcram scenarios --keys` prints them.

    What cannot be said in a line: DRAM pages hold tasks' pages, swap-cache folios and the zswap pool. `order` may also
    name backends that the system is given; the zero test comes before all. The nearest CRAM nodes are tried first in
    the places that nodes have in `order`, and so are swap devices of the highest priority in theirs; without a distance
    or priority of its own a tier comes behind those before it. Watermarks are in percent of the media sectors.
    """

    memory_pages: int = _dial("DRAM pages; everything beyond is swapped", ge=16, le=MOST_PAGES)
    profile: Literal["6.1", "6.12", "current"] = _dial(
        "the kernel whose rules hold where kernels differ (docs/vswap.md)", "current"
    )
    min_free_kbytes: int | None = _dial(
        "the reserve of DRAM, as vm.min_free_kbytes; 0: Linux' choice; none: small watermarks of the model",
        None,
        ge=0,
        le=4 * MOST_PAGES,
    )
    watermark_scale_factor: int = _dial(
        "with min_free_kbytes: 10,000ths of DRAM between the watermarks, if more than a quarter of the reserve", 10,
        ge=1, le=3_000,
    )  # fmt: skip
    lru: Literal["classic", "mglru"] = _dial(
        "which pages are reclaimed first: two lists, or generations (docs/vswap/reclaim.md)", "classic"
    )
    order: tuple[str, ...] = _dial(
        "tiers tried at swap-out, first to last; more of a kind have a number: cram1, swapfile1, zram1; "
        "PACKAGE:FACTORY, FILE.py:FACTORY or FILE.so is one of your own",
        ("cram", "zswap", "swapfile"), min_length=1,
    )  # fmt: skip
    distances: Mapping[str, int] = _dial("of cram nodes, by name: the nearest comes first", made_by=dict)
    priorities: Mapping[str, int] = _dial(
        "of swapfile and zram, by name, as swapon's: the highest first, equal ones in turns", made_by=dict
    )
    cram_to_cram: bool = _dial("a cram node is written back to those behind it, too", False)
    writable_budget: int = _dial("device pages that may be writable in place at once", 0, ge=0, le=MOST_PAGES)
    page_cluster: int = _dial(
        "a fault on a swapfile reads at most 2^page_cluster pages, as vm.page-cluster: neighbours ahead; 0: none", 3,
        ge=0, le=31,
    )  # fmt: skip
    slot_layout: Literal["compact", "descriptors", "swap-table"] = _dial(
        "how virtual slots lie in memory: 14 bytes, 24 as in the vswap series, or a swap table (docs/vswap/slots.md)",
        "compact",
    )
    cpus: int = _dial("processors, each with clusters of slots of its own; spaces run on them in turn", 1, ge=1, le=64)
    slot_limit: int | None = _dial("virtual slots; none: no limit", None, ge=1, le=MOST_PAGES)
    mthp_orders: tuple[int, ...] = _dial("large folios of 2^order pages that a fault may allocate", ())
    layer: Literal["virtual", "direct", "xswap"] = _dial(
        "what PTEs hold: virtual slots; direct: places on devices, as without virtual swap; xswap: slots of a virtual "
        "swapfile while it has room, then places", "virtual",
    )  # fmt: skip
    xswap_pages: int = _dial("slots of the virtual swapfile of xswap", 16_384, ge=1, le=1 << 24)
    swapfile_pages: int = _dial("its slots of 4 KiB", 16_384, ge=1, le=1 << 24)
    swapfile_fsync: bool = _dial("flush it to stable storage when the run ends", False)
    zram_pages: int = _dial("its size, blocks of 4 KiB", 16_384, ge=1, le=1 << 24)
    zram_recompressor: Literal["none", "lz4", "zstd", "lzo"] = _dial(
        "recomp_algorithm: compresses idle pages again", "none"
    )
    zram_backing_pages: int = _dial(
        "size of its backing device (backing_dev), blocks of 4 KiB; 0: none", 0, ge=0, le=1 << 24
    )
    zram_idle_interval: int = _dial(
        "ns after which a page that was not used is compressed again, or written back; 0: never", 0, ge=0, le=MOST_NS
    )
    zram_limit_pages: int | None = _dial("DRAM pages that it may take; none: no limit", None, ge=1, le=MOST_PAGES)
    zram_compressor: Literal["lz4", "zstd", "lzo"] = _dial("comp_algorithm", "lz4")
    zswap_compressor: Literal["lz4", "zstd", "lzo"] = _dial("what compresses its pages", "lz4")
    zswap_max_pool_percent: int = _dial("share of the DRAM pages that the pool may take", 20, ge=0, le=100)
    zswap_accept_threshold_percent: int = _dial("once full, it accepts again at this share of it", 90, ge=0, le=100)
    zswap_shrinker: bool = _dial(
        "reclaim writes cold entries back before the pool is full (shrinker_enabled, since 6.8)", False
    )
    zswap_keep_incompressible: bool | None = _dial(
        "keep pages that do not shrink, where they may be written back; none: as the profile does (current)", None
    )
    cram_mode: Literal["swap", "node"] = _dial(
        "cram is swap that is read where it is, or a node that reclaim demotes to (docs/vswap/node-mode.md)", "swap"
    )
    cram_low_percent: int = _dial("the LOW interrupt: free media sectors fell below this share", 10, ge=0, le=100)
    cram_recovered_percent: int = _dial("the RECOVERED interrupt: free sectors reached it again", 20, ge=0, le=100)
    cram_critical_percent: int = _dial(
        "the device takes no new page while fewer media sectors than this share are free; 0: it always does",
        0, ge=0, le=100,
    )  # fmt: skip
    cram_fence: bool = _dial("the device refuses stores to its pages, but for those that are writable in place", False)
    cram_writeback_batch: int = _dial(
        "pages written back before the device is looked at again", 16, ge=1, le=MOST_PAGES
    )
    cram_ratio_interval: int = _dial(
        "ns between two looks at the achieved ratio, which sets the node's balloon; 0: none", 0, ge=0, le=MOST_NS
    )
    balloon_step_pages: int = _dial(
        "pages that leave a node for its balloon before its target is looked at again; 2,048 are 8 MiB",
        2_048,
        ge=1,
        le=MOST_PAGES,
    )
    hot_threshold: int = _dial("reads that make a page hot; 0: none is promoted for that", 0, ge=0, le=255)
    hot_period: int = _dial("reads after which all heat is halved; 0: never", 0, ge=0, le=(1 << 32) - 1)
    hot_budget: int = _dial("hot pages promoted at most in an interval", 32, ge=1, le=MOST_PAGES)
    hot_interval: int = _dial("ns of such an interval", 100_000, ge=1, le=MOST_NS)
    trim_batch: int = _dial("freed device pages collected for one trim command", 64, ge=1, le=MOST_PAGES)
    reap_interval: int = _dial("ns between two scans for pages that nobody uses", 1_000_000, ge=1, le=MOST_NS)
    costs: Costs = field(default_factory=Costs)

    @property
    def keeps_incompressible(self) -> bool:
        """`zswap_keep_incompressible`, or what the profile's kernel does: Linux keeps them since 6.18."""
        kept = self.zswap_keep_incompressible
        return self.profile == "current" if kept is None else kept
