# SPDX-License-Identifier: MIT
"""A small swap backend of your own: pages at their places in one file. The contract suite takes it:

vcram contract examples/tier/file_tier.py:file_tier
"""

from __future__ import annotations

from pathlib import Path

from hw.clock import Clock
from vswap.base.backing import BackingType
from vswap.contract import Backend, Bench
from vswap.tiers.base import Full, IoError, Usage

PAGE_BYTES = 4096
READ_NS, WRITE_NS = 80_000, 90_000


class FileTier:
    """`pages` places in a file. A handle is the number of a place, counted from 1."""

    type = BackingType.OTHER  # loads leave the copy in its place, and the slots that live here are charged

    def __init__(self, clock: Clock, path: Path, pages: int) -> None:
        self._clock = clock
        self._pages = pages
        self._free = list(range(pages, 0, -1))
        self._owners: dict[int, int] = {}
        self._damaged: set[int] = set()
        self._broken = False
        self._file = path.open("w+b", buffering=0)
        self._file.truncate((pages + 1) * PAGE_BYTES)  # place 0 is the header's and stays as it is

    async def store(self, data: bytes, slot: int) -> int:
        """Keep a page: take a place, write it, and only then say whose it is."""
        if not self._free:
            raise Full("every place is taken")
        place = self._free.pop()
        try:
            await self._clock.sleep(WRITE_NS)  # the task may be killed here
            if self._broken:
                raise IoError("the file cannot be written")
            self._file.seek(place * PAGE_BYTES)
            self._file.write(data)
        except BaseException:
            self._free.append(place)  # nothing was kept
            raise
        self._damaged.discard(place)
        self._owners[place] = slot
        return place

    async def load(self, handle: int) -> bytes:
        """The page of a place."""
        await self._clock.sleep(READ_NS)
        if handle in self._damaged:
            raise IoError(f"place {handle} cannot be read")
        self._file.seek(handle * PAGE_BYTES)
        return self._file.read(PAGE_BYTES)

    def free(self, handle: int) -> None:
        """Give the place back at once; KeyError if it is not in use."""
        del self._owners[handle]
        self._free.append(handle)

    def reown(self, handle: int, slot: int) -> None:
        """The page belongs to another slot; KeyError if the place is not in use."""
        if handle not in self._owners:
            raise KeyError(handle)
        self._owners[handle] = slot

    def handles(self) -> dict[int, int]:
        """Places in use, with their slots."""
        return dict(self._owners)

    def usage(self) -> Usage:
        """Places in use, of all."""
        return Usage(len(self._owners), self._pages)

    async def flush(self) -> None:
        """Nothing is left for later."""

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    # Trouble that the suite asks for

    def damage(self, handle: int) -> None:
        """The medium loses this page."""
        self._damaged.add(handle)

    def break_writes(self, broken: bool) -> None:
        """Writes fail from now on, or work again."""
        self._broken = broken


def file_tier(bench: Bench) -> Backend:
    """The factory: time from the bench's clock, the file in its folder, the size that it asks for."""
    tier = FileTier(bench.clock, bench.folder / "pages", bench.store_pages)
    return Backend(tier, damage=tier.damage, break_writes=tier.break_writes)
