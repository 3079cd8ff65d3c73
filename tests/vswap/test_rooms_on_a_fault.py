# SPDX-License-Identifier: MIT
"""The rooms that a page fault goes through: the path seldom calls into another one, and hardly ever returns to one that
it has left (docs/vswap/faults.md)."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path
from types import FrameType

import pytest

import vswap
from tests.pages import compressible_page
from tests.vswap.tb import TB, machine
from vswap import AddressSpace

HOME = Path(vswap.__file__).parent
PAGE = compressible_page(1)


class Rooms:
    """A profiler: the rooms that frames of `paths` call into, in order."""

    def __init__(self) -> None:
        self.entered: list[str] = []
        self._stack: list[tuple[FrameType, str]] = []

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call" and (file := Path(frame.f_code.co_filename)).is_relative_to(HOME):
            if file.name == "mmap_lock.py":
                return  # held around the whole fault, whatever it does
            room = file.relative_to(HOME).parts[0]
            if self._stack and self._stack[-1][1] == "paths" != room:
                self.entered.append(room)
            self._stack.append((frame, room))
        elif event == "return" and self._stack and self._stack[-1][0] is frame:
            self._stack.pop()


async def no_time(_: int) -> None:
    """A sleep that is over at once, so that a fault runs in one step."""


def fault(tb: TB, space: AddressSpace, *, write: bool, calls: int, returns: int) -> None:
    """Let page 0 allow an access. The path makes at most so many calls into other rooms, and returns to one that it has
    left at most so often."""
    rooms, handling = Rooms(), space.fault(0, write=write)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tb.clock, "sleep", no_time)
        sys.setprofile(rooms)
        try:
            with pytest.raises(StopIteration):
                handling.send(None)
        finally:
            sys.setprofile(None)
    way = [room for room, _ in groupby(rooms.entered)]
    assert way, "nothing was seen"
    assert len(rooms.entered) <= calls, rooms.entered
    assert len(way) - len(set(way)) <= returns, way


async def mapped_from_tier(tb: TB) -> AddressSpace:
    """A space whose page was swapped out and is mapped again, read-only."""
    space = await tb.swapped_out(PAGE)
    assert await space.read(0) == PAGE
    return space


@machine(order=("swapfile",), start=False)
async def test_a_page_that_the_swap_cache_has_is_found_and_mapped_without_a_return(tb: TB) -> None:
    parent = tb.space()
    await parent.write(0, PAGE)
    child = await tb.system.fork(parent, "child")
    await tb.reclaim(parent, 0)
    assert await parent.read(0) == PAGE
    fault(tb, child, write=False, calls=6, returns=0)


@machine(order=("cram",), start=False)
async def test_a_soft_fault_goes_through_each_room_once(tb: TB) -> None:
    fault(tb, await tb.swapped_out(PAGE), write=False, calls=6, returns=0)


@pytest.mark.parametrize("data", [PAGE, bytes(4096)], ids=["page", "zero"])
@machine(order=("swapfile",), start=False)
async def test_a_swap_in_returns_for_its_frame_and_for_what_was_loaded(tb: TB, data: bytes) -> None:
    fault(tb, await tb.swapped_out(data), write=False, calls=10, returns=3)


@machine(order=("zswap", "swapfile"), start=False)
async def test_so_does_one_from_zswap(tb: TB) -> None:
    fault(tb, await tb.swapped_out(PAGE), write=False, calls=10, returns=3)


@machine(order=("swapfile",), start=False, page_cluster=3)
async def test_readahead_asks_for_its_window_and_for_what_lies_on_disk(tb: TB) -> None:
    fault(tb, await tb.swapped_out(PAGE), write=False, calls=21, returns=4)


@machine(order=("swapfile",), start=False)
async def test_a_first_touch_returns_for_its_frame(tb: TB) -> None:
    fault(tb, tb.space(), write=True, calls=7, returns=4)


@machine(order=("swapfile",), start=False)
async def test_a_page_that_is_ours_alone_is_reused_at_once(tb: TB) -> None:
    fault(tb, await mapped_from_tier(tb), write=True, calls=7, returns=2)


@machine(order=("swapfile",), start=False)
async def test_a_copy_looks_twice_since_its_frame_is_taken_without_the_lock(tb: TB) -> None:
    parent = tb.space()
    await parent.write(0, PAGE)
    fault(tb, await tb.system.fork(parent, "child"), write=True, calls=17, returns=6)


@machine(order=("cram",), start=False)
async def test_so_does_a_promotion(tb: TB) -> None:
    fault(tb, await mapped_from_tier(tb), write=True, calls=24, returns=7)


@machine(order=("cram",), start=False, writable_budget=1)
async def test_a_device_page_is_made_writable_in_place(tb: TB) -> None:
    fault(tb, await mapped_from_tier(tb), write=True, calls=10, returns=2)
