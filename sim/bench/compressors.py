# SPDX-License-Identifier: MIT
"""Measure the compressors of zswap and zram on this host: size and time over pages of real programs.

    python -m sim.bench.compressors [--json FILE] [--pages N]

Times are the best of several rounds over all pages, a page; they contain the call from Python, of which `call` is the
cost: a function of C that does next to nothing. Sizes are of pages that are neither zero nor same-filled; what does not
shrink counts as a page.
"""

from __future__ import annotations

import argparse
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from hw.link import PAGE_BYTES
from sim.bench.pages import recorded_pages
from vswap.base.results import is_stdout, write_json
from vswap.tiers.compressors import COMPRESSORS, Compressor
from vswap.tiers.zsmalloc import ZsPool

_ROUNDS = 5


@dataclass(frozen=True)
class Figures:
    """Of one compressor.

    Attributes:
        pages: how many were compressed.
        ratio: bytes of pages by bytes of their blocks.
        pool_ratio: pages by the pages that their blocks take in a pool of zsmalloc's.
        incompressible: pages that do not shrink.
        compress_ns, decompress_ns: a page.
    """

    compressor: str
    pages: int
    ratio: float
    pool_ratio: float
    incompressible: int
    compress_ns: float
    decompress_ns: float


class _Frames:
    """As many as are asked for."""

    def take(self, count: int) -> bool:
        return count > 0

    def give(self, count: int) -> None:
        pass


def measure(compressor: Compressor, pages: Sequence[bytes]) -> Figures:
    """Compress all pages, and decompress what shrank."""
    blocks = [compressor.compress(page) for page in pages]
    shrunk = [block for block in blocks if len(block) < PAGE_BYTES]
    sizes = [min(len(block), PAGE_BYTES) for block in blocks]
    pool = ZsPool(_Frames())
    for size in sizes:
        pool.allocate(size)
    return Figures(
        compressor.name,
        len(pages),
        PAGE_BYTES * len(pages) / sum(sizes),
        len(pages) / pool.pages,
        len(pages) - len(shrunk),
        _best(compressor.compress, pages),
        _best(compressor.decompress, shrunk),
    )


def call_ns(pages: Sequence[bytes]) -> float:
    """ns of a call of C on a page that looks at its first byte alone."""
    return _best(lambda page: zlib.crc32(page[:1]), pages)


def _best(work: Callable[[bytes], object], inputs: Sequence[bytes]) -> float:
    best = float("inf")
    for _ in range(_ROUNDS):
        start = time.perf_counter_ns()
        for each in inputs:
            work(each)
        best = min(best, (time.perf_counter_ns() - start) / len(inputs))
    return best


def main(arguments: list[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measure the compressors of zswap and zram.")
    parser.add_argument("--pages", type=int, default=2000, help="(2000)")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write the figures as JSON; - for standard output"
    )
    options = parser.parse_args(arguments)
    pages = recorded_pages(options.pages)
    shown = sys.stderr if is_stdout(options.json) else sys.stdout
    titles = f"{'':>6} {'pages':>6} {'ratio':>6} {'in pool':>8} {'raw':>6} {'compress':>9} {'decompress':>11} ns"
    print(titles, file=shown)
    results = []
    for compressor in COMPRESSORS.values():
        got = measure(compressor, pages)
        results.append(asdict(got))
        print(f"{got.compressor:>6} {got.pages:>6,} {got.ratio:>6.2f} {got.pool_ratio:>8.2f} {got.incompressible:>6,} "
              f"{got.compress_ns:>9,.0f} {got.decompress_ns:>11,.0f}", flush=True, file=shown)  # fmt: skip
    call = call_ns(pages)
    print(f"{'call':>6} {'':>30} {call:>9,.0f}", file=shown)
    if options.json is not None:
        write_json(options.json, {"compressors": results, "call_ns": call})


if __name__ == "__main__":
    main(sys.argv[1:])
