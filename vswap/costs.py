"""What the host's software steps cost in simulated time.

Device work is not here: it takes the cycles that the device takes. A scenario states its own table where it measured
one.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Costs:
    """Cost of each software step, ns.

    Sources. The swap-in figures (`fault`, `swap_machinery`, `zswap_decompress`) are the breakdown published with the
    virtual swap series: 1.92 us fault, 1.04 us swap machinery, 0.32 us decompression of an LZO page. The others are
    assumptions of the usual order of magnitude on a server of this decade, to be replaced by measurements: LZ4
    compresses a page about five times slower than it decompresses one; a 4 KiB copy at about 30 GB/s; a shootdown is
    one inter-processor interrupt and its acknowledgement; swapfile times are those of an NVMe flash disk at queue depth
    one.
    """

    fault: int = 1_920
    """Exception entry and exit, and the walk to the PTE."""
    swap_machinery: int = 1_040
    """Swap-cache lookup, pin, slot bookkeeping of one swap-in or swap-out."""
    zswap_compress: int = 1_600
    zswap_decompress: int = 320
    swapfile_read: int = 80_000
    swapfile_write: int = 25_000
    page_copy: int = 130
    page_zero: int = 70
    zero_test: int = 60
    tlb_shootdown: int = 2_000
    dram_access: int = 100
    """One access of a task to a page in DRAM."""
    fork_pte: int = 20
    """Copying one PTE at fork, or clearing one at exit and unmap."""
    retry: int = 5_000
    """Back-off of whoever found no memory or no room before trying again."""
