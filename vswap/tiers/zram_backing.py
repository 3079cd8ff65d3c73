# SPDX-License-Identifier: MIT
"""The backing device of zram: where pages go that it writes out of DRAM (docs/vswap/tiers.md, "zram")."""

from __future__ import annotations

import os
import tempfile
from collections import deque

from hw.clock import Clock
from hw.link import PAGE_BYTES
from vswap.base.costs import Costs
from vswap.base.counters import Counters
from vswap.tiers.base import Full, IoError


class BackingDevice:
    """`pages` blocks of 4 KiB in a real file that nobody else sees; block 0 is not used.

    Attributes:
        reads, writes: pages that were read and written since the start.
    """

    def __init__(self, clock: Clock, costs: Costs, counters: Counters, pages: int) -> None:
        self._clock = clock
        self._costs = costs
        self._counters = counters
        self._file = tempfile.TemporaryFile(prefix="vcram-zram-")  # noqa: SIM115 - closed by `close`
        self._free = deque(range(1, pages))
        self._blocks = max(0, pages - 1)
        self.reads = 0
        self.writes = 0

    @property
    def used(self) -> int:
        """Blocks in use."""
        return self._blocks - len(self._free)

    async def write(self, page: bytes) -> int:
        """Keep a page; its block. Raises Full, IoError."""
        if not self._free:
            raise Full("zram's backing device has no free block")
        block = self._free.popleft()
        try:
            await self._clock.sleep(self._costs.swapfile_write)
            os.pwrite(self._file.fileno(), page, block * PAGE_BYTES)
        except OSError as error:
            self.free(block)
            self._counters.io_errors += 1
            raise IoError(f"zram's backing device: {error}") from error
        except BaseException:
            self.free(block)
            raise
        self.writes += 1
        return block

    async def read(self, block: int) -> bytes:
        """The page of a block. Raises IoError."""
        await self._clock.sleep(self._costs.swapfile_read)
        self.reads += 1
        try:
            page = os.pread(self._file.fileno(), PAGE_BYTES, block * PAGE_BYTES)
        except OSError as error:
            self._counters.io_errors += 1
            raise IoError(f"zram's backing device: {error}") from error
        if len(page) != PAGE_BYTES:
            self._counters.io_errors += 1
            raise IoError(f"zram's backing device: block {block} has {len(page)} bytes")
        return page

    def free(self, block: int) -> None:
        """Nobody needs the block any more."""
        self._free.append(block)

    def close(self) -> None:
        """The file goes. Idempotent."""
        self._file.close()

    def stat(self) -> dict[str, int]:
        """zram's bd_stat, in pages."""
        return {"bd_count": self.used, "bd_reads": self.reads, "bd_writes": self.writes}
