# SPDX-License-Identifier: MIT
"""This package's tiers as backends of the suite; each function is a factory."""

from __future__ import annotations

import os
from pathlib import Path

from vswap.contract.bench import Backend, Bench
from vswap.tiers.cram import CramTier
from vswap.tiers.swapfile import SwapfileTier
from vswap.tiers.zero import ZeroTier
from vswap.tiers.zram import ZramTier
from vswap.tiers.zswap import ZswapTier


def zero(bench: Bench) -> Backend:
    """Pages of zeros."""
    return Backend(ZeroTier(bench.clock, bench.costs, bench.counters))


def zswap(bench: Bench, kind: type[ZswapTier] = ZswapTier) -> Backend:
    """The compressed pool; damage flips bits of a block."""
    tier = kind(
        bench.clock,
        bench.costs,
        bench.counters,
        bench.memory,
        memory_pages=min(100, bench.memory.limit),
        max_pool_percent=20,
        accept_threshold_percent=90,
        memcgs=bench.memory.memcgs,
        memcg_of=bench.memcg_of,
    )
    return Backend(tier, damage=tier.damage)


def zram(bench: Bench, kind: type[ZramTier] = ZramTier) -> Backend:
    """The compressed block device; damage flips bits of a block."""
    tier = kind(
        bench.clock,
        bench.costs,
        bench.counters,
        bench.memory,
        pages=bench.store_pages,
        limit_pages=min(32, bench.memory.limit // 5),
    )
    return Backend(tier, damage=tier.damage)


def swapfile(bench: Bench, kind: type[SwapfileTier] = SwapfileTier) -> Backend:
    """A swapfile; damage cuts the file off before the slot, broken writes are those to a file opened for reading."""
    path = bench.folder / "backend"
    tier = kind(bench.clock, bench.costs, bench.counters, path, pages=bench.store_pages)
    return Backend(tier, damage=tier.damage, break_writes=lambda broken: _reopen(tier, path, broken))


def cram(bench: Bench, kind: type[CramTier] = CramTier) -> Backend:
    """The device; damage is its loss of a page."""
    tier = kind(bench.clock, bench.counters, bench.device, trim_batch=8)
    return Backend(tier, damage=bench.device.lost.add)


def cram_fenced(bench: Bench, kind: type[CramTier] = CramTier) -> Backend:
    """The device, with the pages that nobody may write to fenced on it."""
    tier = kind(bench.clock, bench.counters, bench.device, trim_batch=8, fence=True)
    return Backend(tier, damage=bench.device.lost.add)


def _reopen(tier: SwapfileTier, path: Path, broken: bool) -> None:
    """Put a file that cannot be written in the place of the open one, or one that can."""
    flags = os.O_RDONLY if broken else os.O_RDWR
    file = os.open(path, flags | os.O_CLOEXEC)
    os.dup2(file, tier.file_number)
    os.close(file)


OURS = {"zero": zero, "zswap": zswap, "zram": zram, "swapfile": swapfile, "cram": cram, "cram-fenced": cram_fenced}
