# SPDX-License-Identifier: MIT
"""Figures: what a paged run has counted, as values (docs/pager.md, "The figures")."""

from __future__ import annotations

from sim.base.value import Value
from sim.pager.window import Window
from vswap.system import VswapSystem


class Figures(Value):
    """Counts of pages and events since the program was started, and pages in use now.

    Attributes:
        faults: page faults of the program that the pager answered.
        evictions: pages that left DRAM.
        soft_faults: device pages mapped read-only into the program.
        promotions: pages copied from the device to DRAM because of a write.
        swap_ins: pages brought back from zswap or the swapfile.
        copies: copies on write, after a fork.
        window_closed: soft-faulted pages taken out again to make room for others.
        stores, loads: pages written to and read from the device.
        zswap_stores, swapfile_stores: pages that went to the other tiers.
        lost: pages that could not be read back (SIGBUS).
        dram, device, zswap, swapfile: pages in use now.
    """

    faults: int
    evictions: int
    soft_faults: int
    promotions: int
    swap_ins: int
    copies: int
    window_closed: int
    stores: int
    loads: int
    zswap_stores: int
    swapfile_stores: int
    lost: int
    dram: int
    device: int
    zswap: int
    swapfile: int

    @classmethod
    def of(cls, system: VswapSystem, window: Window) -> Figures:
        """The figures at this moment."""
        counters, gauges = system.counters, system.gauges()
        return cls(
            faults=counters.pgfault,
            evictions=counters.pgsteal_kswapd + counters.pgsteal_direct,
            soft_faults=counters.soft_faults,
            promotions=counters.promotions,
            swap_ins=counters.zswpin + counters.pswpin,
            copies=counters.cow,
            window_closed=window.closed,
            stores=counters.stores,
            loads=counters.loads,
            zswap_stores=counters.zswpout,
            swapfile_stores=counters.pswpout,
            lost=counters.sigbus,
            dram=gauges["memory_used"],
            device=gauges.get("cram_pages", 0),
            zswap=gauges.get("stored_pages", 0),
            swapfile=gauges.get("swapfile_pages", 0),
        )
