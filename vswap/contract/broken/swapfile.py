# SPDX-License-Identifier: MIT
"""Broken swapfiles."""

from __future__ import annotations

import os
from collections.abc import Sequence

from hw.link import PAGE_BYTES
from vswap.contract import backends
from vswap.contract.broken.registry import tier
from vswap.tiers.base import Full, IoError, Usage
from vswap.tiers.swapfile import SwapfileTier


@tier(backends.swapfile)
class SwapfileOverTheHeader(SwapfileTier):
    """Slots are counted from 0, so that the first one is the header."""

    def write_place(self, place: int, data: bytes) -> None:
        super().write_place(place - 1, data)

    def read_place(self, place: int) -> bytes:
        return super().read_place(place - 1)


@tier(backends.swapfile)
class SwapfileDiscardOfANeighbour(SwapfileTier):
    """The discard of a run is one slot too long."""

    def punch(self, place: int, count: int) -> None:
        os.pwrite(self.file_number, bytes(PAGE_BYTES), (place + count) * PAGE_BYTES)
        super().punch(place, count)


@tier(backends.swapfile)
class SwapfileReadErrorAsZeros(SwapfileTier):
    """A slot that cannot be read comes back as zeros."""

    def read_place(self, place: int) -> bytes:
        try:
            return super().read_place(place)
        except OSError:
            return bytes(PAGE_BYTES)


@tier(backends.swapfile)
class SwapfileWriteErrorIgnored(SwapfileTier):
    """A write that failed is reported as done."""

    def write_place(self, place: int, data: bytes) -> None:
        try:
            super().write_place(place, data)
        except OSError:
            pass


@tier(backends.swapfile)
class SwapfileSlotTwice(SwapfileTier):
    """Finding a free slot and marking it are not one step, so that two stores at once get the same one."""

    async def store(self, data: bytes, slot: int) -> int:
        place = self.find_free()
        if place < 0:
            raise Full("the swapfile has no free slot")
        await self._clock.sleep(self._costs.swapfile_write)
        self.write_place(place, data)
        self.used[place] = 1
        self.owners[place] = slot
        self._counters.pswpout += 1
        return place


@tier(backends.swapfile)
class SwapfileUsageOfStart(SwapfileTier):
    """Pages in use are those ever stored."""

    _ever = 0

    async def store(self, data: bytes, slot: int) -> int:
        handle = await super().store(data, slot)
        self._ever += 1
        return handle

    def usage(self) -> Usage:
        return Usage(self._ever, super().usage().capacity)


@tier(backends.swapfile)
class SwapfileReverseMapStale(SwapfileTier):
    """The reverse map keeps the first owner."""

    def reown(self, handle: int, slot: int) -> None:
        if handle not in self.owners:
            raise KeyError(handle)


@tier(backends.swapfile)
class SwapfileRunTakesOnePlace(SwapfileTier):
    """A run of places is found and only its first one is marked as used: the next store overwrites the others."""

    def take_run(self, count: int) -> int:
        first = super().take_run(count)
        self.used[first + 1 : first + count] = bytes(count - 1)
        self.next = first + 1
        return first


@tier(backends.swapfile)
class SwapfileEndsBeforeTheWrite(SwapfileTier):
    """A request is said to have ended when it was given to the device, which writes it later."""

    async def write(self, handle: int, pages: Sequence[bytes]) -> None:
        self._clock.spawn(super().write(handle, list(pages)))


@tier(backends.swapfile)
class SwapfileOneBufferForAllRequests(SwapfileTier):
    """Requests under way share a buffer: an earlier one writes what a later one was given."""

    _buffer: Sequence[bytes] = ()

    async def write(self, handle: int, pages: Sequence[bytes]) -> None:
        self._buffer = pages
        await self._clock.sleep(self._costs.swapfile_write)
        await super().write(handle, [*self._buffer[: len(pages)], *pages[len(self._buffer) :]])


@tier(backends.swapfile)
class SwapfilePlaceTakenAtTheEnd(SwapfileTier):
    """A place is marked as used when its request has ended, so that another reservation gets it meanwhile."""

    def reserve(self, slot: int, count: int = 1) -> int:
        first = super().reserve(slot, count)
        self.used[first : first + count] = bytes(count)
        self.next = first
        return first

    async def write(self, handle: int, pages: Sequence[bytes]) -> None:
        await super().write(handle, pages)
        self.used[handle : handle + len(pages)] = b"\1" * len(pages)


@tier(backends.swapfile)
class SwapfileErrorGivesThePlaceUp(SwapfileTier):
    """After an error the places are free again, while their slots still name them."""

    async def write(self, handle: int, pages: Sequence[bytes]) -> None:
        try:
            await super().write(handle, pages)
        except IoError:
            for place in range(handle, handle + len(pages)):
                if place in self.owners:
                    self.free(place)
            raise


@tier(backends.swapfile)
class SwapfileErrorOfARequestForgotten(SwapfileTier):
    """Only the error of a request of one page is told: that of a longer one gets lost."""

    async def write(self, handle: int, pages: Sequence[bytes]) -> None:
        try:
            await super().write(handle, pages)
        except IoError:
            if len(pages) == 1:
                raise


@tier(backends.swapfile)
class SwapfileRequestWithoutItsLastPage(SwapfileTier):
    """A request of several pages ends one page too early."""

    async def write(self, handle: int, pages: Sequence[bytes]) -> None:
        await super().write(handle, pages[:-1] if len(pages) > 1 else pages)
