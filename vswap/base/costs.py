# SPDX-License-Identifier: MIT
"""What the host's software steps, and its ways to memory, cost in simulated time.

Device work is not here: it takes the cycles that the device takes, at its port. A scenario states its own table where
it measured one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MOST_NS = 10**15
"""The longest time that a setting may have: eleven days, as good as never."""

_SERIES = "the breakdown of a swap-in published with the virtual swap series (LZO page)"
_MEASURED = "an independent measurement of a current kernel (Zen 4, VM)"
_LZ4 = "the benchmark table of LZ4 1.9.0's README (Core i7-9700K, Silesia corpus)"
_FLASH = "assumed: NVMe flash disk, queue depth one; measure yours"


def _cost(ns: int, meaning: str, source: str) -> int:
    """A default with what it stands for and where it comes from."""
    return field(default=ns, metadata={"meaning": meaning, "source": source})


@dataclass(frozen=True)
class Costs:
    """Cost of each step, ns. `field.metadata` of each holds its meaning and the source of its default;
    `vcram scenarios --keys` prints them."""

    fault: int = _cost(
        650, "a minor fault without its page: exception entry and exit, the walk to the PTE, and mapping",
        f"{_MEASURED}: 800 ns for a new anonymous page, less page_zero",
    )  # fmt: skip
    major_fault: int = _cost(
        1_270, "what a fault that brings a page in from a tier takes on top", f"{_SERIES}: 1,920 ns in all, less fault"
    )
    swap_machinery: int = _cost(1_040, "swap-cache lookup, pin and bookkeeping of one swap-in or swap-out", _SERIES)
    zswap_compress: int = _cost(
        5_250, "one page into the pool of zswap or zram, with LZ4", f"4 KiB at 780 MB/s, {_LZ4}"
    )
    zswap_decompress: int = _cost(
        1_400, "one page out of the pool, which no cache has; 320 ns if one had (LZO, the series)", _MEASURED
    )
    lzo_compress: int = _cost(6_110, "the same with LZO", f"4 KiB at 670 MB/s, {_LZ4}")
    lzo_decompress: int = _cost(4_760, "the same with LZO", f"4 KiB at 860 MB/s, {_LZ4}")
    zstd_compress: int = _cost(7_950, "the same with zstd", f"4 KiB at 515 MB/s (level 1), {_LZ4}")
    zstd_decompress: int = _cost(2_970, "the same with zstd", f"4 KiB at 1,380 MB/s, {_LZ4}")
    swapfile_read: int = _cost(80_000, "one page from the swapfile", _FLASH)
    swapfile_write: int = _cost(25_000, "a write of one page to the swapfile, from request to end", _FLASH)
    swapfile_transfer: int = _cost(
        1_365, "of a request to the swapfile: a page on the bus, which requests under way share",
        "assumed: 4 KiB at 3 GB/s, as NVMe flash disks write",
    )  # fmt: skip
    page_copy: int = _cost(300, "copying a page", f"4 KiB at memcpy's 13,700 MB/s, {_LZ4}")
    page_zero: int = _cost(150, "zeroing a page", "assumed: half a copy, as it only writes")
    zero_test: int = _cost(150, "looking whether a page is zero", "assumed: half a copy, as it only reads")
    tlb_shootdown: int = _cost(
        2_000, "interrupting the other processors and their acknowledgement",
        "assumed for a few cores; grows with their number (LATR, ASPLOS 2018)",
    )  # fmt: skip
    dram_access: int = _cost(100, "one access of a task to a page in DRAM", "assumed: a load that misses every cache")
    cxl_link: int = _cost(
        130, "a CXL.mem read's way to the device's port and back, beside what the device takes; once for each transfer",
        "dram_access, and 70 to 90 ns that CXL adds as published (Pond, ASPLOS 2023), less 50 assumed for the DRAM; "
        "whole reads were measured at 140 to 410 ns (Melody, ASPLOS 2025)",
    )  # fmt: skip
    fork_pte: int = _cost(20, "copying one PTE at fork, or clearing one at exit and unmap", "assumed")
    rmap_vma: int = _cost(50, "visiting one VMA on the way from a folio to its PTEs", "assumed: half a missed load")
    rmap_pte: int = _cost(20, "looking at one PTE on that way, and changing it", "assumed: as at fork")
    scan_entry: int = _cost(2, "looking at one slot descriptor, or one entry of a reverse map", "assumed: sequential")
    retry: int = _cost(5_000, "back-off before trying again where there was no memory or no room", "assumed")
