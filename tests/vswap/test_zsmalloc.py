# SPDX-License-Identifier: MIT
"""The pool's accounting: size classes, zspages, frames taken and given back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hw.link import PAGE_BYTES
from vswap.tiers.zsmalloc import LONGEST_CHAIN, ZsPool, size_classes


class CountedFrames:
    """Frames with a limit."""

    def __init__(self, limit: int) -> None:
        self.left = self.limit = limit

    def take(self, count: int) -> bool:
        """See Frames."""
        if count > self.left:
            return False
        self.left -= count
        return True

    def give(self, count: int) -> None:
        """See Frames."""
        self.left += count


def test_every_size_has_a_class_that_holds_it_and_fits_its_zspage() -> None:
    for i, size_class in enumerate(size_classes()):
        assert size_class.bytes >= 16 * (i + 1)
        assert 1 <= size_class.pages <= LONGEST_CHAIN
        assert size_class.objects * size_class.bytes <= size_class.pages * PAGE_BYTES


def test_classes_that_pack_alike_are_merged() -> None:
    kinds = {(size_class.pages, size_class.objects) for size_class in size_classes()}
    assert len(set(size_classes())) == len(kinds) < len(size_classes())


def test_objects_of_a_quarter_page_share_pages() -> None:
    frames = CountedFrames(100)
    pool = ZsPool(frames)
    allocations = [pool.allocate(1024) for _ in range(8)]
    assert pool.pages == 2
    for allocation in allocations:
        assert allocation is not None
        pool.free(allocation)
    assert (pool.pages, frames.left) == (0, 100)


def test_a_whole_page_is_taken_for_an_object_that_does_not_share() -> None:
    pool = ZsPool(CountedFrames(10))
    pool.allocate(4000)
    pool.allocate(4000)
    assert pool.pages == 2


def test_without_frames_there_is_no_room() -> None:
    pool = ZsPool(CountedFrames(0))
    assert pool.allocate(100) is None and pool.pages == 0


def test_a_zspage_with_room_needs_no_frame() -> None:
    pool = ZsPool(CountedFrames(1))
    assert pool.pages_needed(2048) == 1
    assert pool.allocate(2048) is not None
    assert pool.pages_needed(2048) == 0
    assert pool.allocate(2048) is not None
    assert pool.allocate(2048) is None


@given(st.lists(st.tuples(st.integers(1, PAGE_BYTES), st.booleans()), max_size=200))
def test_the_pool_takes_what_its_zspages_hold_and_gives_all_back(steps: list[tuple[int, bool]]) -> None:
    frames = CountedFrames(1000)
    pool = ZsPool(frames)
    held = []
    for size, free_one in steps:
        allocation = pool.allocate(size)
        assert allocation is not None
        held.append((size, allocation))
        if free_one:
            pool.free(held.pop(size % len(held))[1])
        assert pool.pages == frames.limit - frames.left
        assert pool.pages * PAGE_BYTES >= sum(size for size, _ in held)
    for _, allocation in held:
        pool.free(allocation)
    assert (pool.pages, frames.left) == (0, frames.limit)
