# SPDX-License-Identifier: MIT
"""zero, zswap and swapfile behind the tier interface."""

from __future__ import annotations

import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.link import PAGE_BYTES
from hw.virtual_time import VirtualClock
from tests.pages import SAME_PAGE, ZERO_PAGE, compressible_page, noise_page, program_pages
from tests.vswap.test_zsmalloc import CountedFrames
from vswap.base.costs import Costs
from vswap.base.counters import Counters
from vswap.mm.memcg import MemcgLimits
from vswap.tiers.base import Full, IoError, Rejected
from vswap.tiers.swapfile import SIGNATURE, SwapfileError, SwapfileTier
from vswap.tiers.zero import ZeroTier
from vswap.tiers.zswap import ZswapTier

T = TypeVar("T")


class Box:
    """Tiers with a clock of their own; `now(...)` runs one call to its end."""

    def __init__(self, folder: Path | None = None) -> None:
        self.clock = VirtualClock()
        self.counters = Counters()
        self.costs = Costs()
        self.frames = CountedFrames(10_000)
        self.folder = folder

    def now(self, call: Coroutine[Any, Any, T]) -> T:
        return self.clock.run_until(call)

    def zswap(self, memory_pages: int = 1000) -> ZswapTier:
        return ZswapTier(
            self.clock,
            self.costs,
            self.counters,
            self.frames,
            memory_pages=memory_pages,
            max_pool_percent=20,
            accept_threshold_percent=90,
        )

    def swapfile(self, pages: int = 8, name: str = "swapfile", fsync: bool = False) -> SwapfileTier:
        assert self.folder is not None
        return SwapfileTier(self.clock, self.costs, self.counters, self.folder / name, pages=pages, fsync=fsync)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


# zero


def test_zero_takes_zeros_only(box: Box) -> None:
    tier = ZeroTier(box.clock, box.costs, box.counters)
    handle = box.now(tier.store(ZERO_PAGE, 5))
    assert box.now(tier.load(handle)) == ZERO_PAGE and tier.handles() == {handle: 5}
    with pytest.raises(Rejected):
        box.now(tier.store(ZERO_PAGE[:-1] + b"\1", 6))
    tier.free(handle)
    assert tier.handles() == {}
    assert (box.counters.swpout_zero, box.counters.swpin_zero) == (1, 1)


# zswap


def test_zswap_gives_real_pages_back(box: Box) -> None:
    tier = box.zswap(memory_pages=10_000)
    kept = {}
    for slot, page in enumerate(program_pages() * 4):  # enough to fill more than one page of every size class
        try:
            kept[box.now(tier.store(page, slot))] = page
        except Rejected:
            continue
    assert len(kept) > 200
    assert all(box.now(tier.load(handle)) == page for handle, page in kept.items())
    assert 0 < tier.pool_pages < len(kept)


@settings(max_examples=50)
@given(st.binary(max_size=PAGE_BYTES), st.integers(1, 64))
def test_zswap_gives_any_page_back_or_rejects_it(content: bytes, repeat: int) -> None:
    box = Box()
    tier = box.zswap()
    page = (content * repeat)[:PAGE_BYTES].ljust(PAGE_BYTES, b"\7")
    try:
        handle = box.now(tier.store(page, 1))
    except Rejected:
        assert box.counters.reject_compress_poor == 1
        return
    assert box.now(tier.load(handle)) == page
    tier.free(handle)
    assert tier.pool_pages == 0 and box.frames.left == box.frames.limit


def test_a_page_that_does_not_shrink_is_rejected_and_takes_nothing(box: Box) -> None:
    tier = box.zswap()
    with pytest.raises(Rejected):
        box.now(tier.store(noise_page(1), 1))
    assert (box.counters.reject_compress_poor, tier.pool_pages, tier.handles()) == (1, 0, {})


def test_a_page_that_does_not_shrink_is_kept_as_it_is_where_it_may_be_written_back(box: Box) -> None:
    tier = box.zswap()
    tier.keep_incompressible = True
    handle = box.now(tier.store(noise_page(1), 1))
    assert (tier.pool_pages, tier.stored_incompressible_pages, tier.root.zswap_bytes) == (1, 1, PAGE_BYTES)
    assert box.now(tier.export_block(handle)) is None, "it is no LZ4 block"
    assert box.now(tier.load(handle)) == noise_page(1)
    tier.damage(handle)
    with pytest.raises(IoError):
        box.now(tier.load(handle))
    tier.free(handle)
    assert (tier.pool_pages, tier.stored_incompressible_pages, tier.root.zswap_bytes) == (0, 0, 0)
    tier.root.limits = MemcgLimits(zswap_writeback=False)
    with pytest.raises(Rejected):
        box.now(tier.store(noise_page(1), 1))
    assert box.counters.reject_compress_poor == 1


def test_same_filled_pages_stay_out_of_the_pool(box: Box) -> None:
    tier = box.zswap()
    handle = box.now(tier.store(SAME_PAGE, 1))
    assert (tier.pool_pages, tier.same_filled_pages, tier.usage().pages) == (0, 1, 1)
    assert box.now(tier.load(handle)) == SAME_PAGE
    assert tier.oldest() is None  # writing it back would save no memory


def fill(box: Box, tier: ZswapTier) -> list[int]:
    """Store until the pool is at its limit; the handles."""
    handles: list[int] = []
    with pytest.raises(Full):
        while True:
            slot = len(handles)
            handles.append(box.now(tier.store(noise_page(slot)[:2000] + ZERO_PAGE[:2096], slot)))
    return handles


def test_a_full_pool_accepts_again_only_below_the_threshold(box: Box) -> None:
    tier = box.zswap(memory_pages=100)
    handles = fill(box, tier)
    assert 0 < tier.pool_pages <= tier.limit_pages == 20 and box.counters.pool_limit_hit == 1
    assert tier.over_threshold()
    page = compressible_page(1)
    while tier.pool_pages > tier.accept_pages:
        with pytest.raises(Full):
            box.now(tier.store(page, 999))
        tier.free(handles.pop())
    assert not tier.over_threshold()
    box.now(tier.store(page, 999))


def test_same_filled_pages_are_taken_even_when_the_pool_is_full(box: Box) -> None:
    tier = box.zswap(memory_pages=100)
    fill(box, tier)
    assert box.now(tier.store(SAME_PAGE, 1))


def test_without_a_frame_for_the_pool_a_store_is_refused_and_counted(box: Box) -> None:
    box.frames.left = 0
    with pytest.raises(Full):
        box.now(box.zswap().store(compressible_page(1), 1))
    assert box.counters.reject_alloc_fail == 1


def test_the_oldest_entry_is_written_back_first_after_its_second_chance(box: Box) -> None:
    tier = box.zswap()
    first, second = (box.now(tier.store(compressible_page(i), i)) for i in (1, 2))
    assert tier.oldest() == (first, 1)  # both were passed once, in order
    third = box.now(tier.store(compressible_page(3), 3))
    tier.free(first)
    assert tier.oldest() == (second, 2)
    tier.rotate(second)
    tier.free(second)
    assert tier.oldest() == (third, 3)


def test_a_damaged_block_is_an_io_error(box: Box) -> None:
    tier = box.zswap()
    handle = box.now(tier.store(compressible_page(1), 1))
    tier.entries[handle].block = b"\xff" * 20
    with pytest.raises(IoError):
        box.now(tier.load(handle))


# swapfile


def test_the_swapfile_holds_the_pages_on_the_disk(box: Box) -> None:
    tier = box.swapfile(pages=32)
    pages = {box.now(tier.store(page, slot)): page for slot, page in enumerate(program_pages()[:32], 1)}
    content = (box.folder / "swapfile").read_bytes() if box.folder else b""
    for place, page in pages.items():
        assert content[place * PAGE_BYTES :][:PAGE_BYTES] == page == box.now(tier.load(place))
    assert 0 not in pages and content[:PAGE_BYTES].endswith(SIGNATURE)
    tier.close()


def test_a_full_swapfile_takes_nothing_until_a_slot_is_freed(box: Box) -> None:
    tier = box.swapfile(pages=4)
    places = [box.now(tier.store(noise_page(i), i)) for i in range(4)]
    with pytest.raises(Full):
        box.now(tier.store(noise_page(9), 9))
    tier.free(places[2])
    assert box.now(tier.store(noise_page(9), 9)) == places[2]
    tier.close()


def test_freed_slots_become_holes(box: Box) -> None:
    tier = box.swapfile(pages=64)
    places = [box.now(tier.store(noise_page(i), i)) for i in range(64)]
    before = os.fstat(tier.file_number).st_blocks
    for place in places:
        tier.free(place)
    box.now(tier.flush())
    if box.counters.discarded:  # else the file system under the test has no holes
        assert (box.counters.discarded, os.fstat(tier.file_number).st_blocks < before) == (64, True)
    else:
        assert not tier.can_discard
    tier.close()


def test_a_failed_write_keeps_nothing_and_a_failed_read_can_be_tried_again(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    tier = box.swapfile(pages=1)
    with monkeypatch.context() as broken:
        broken.setattr(tier, "write_place", raise_os_error)
        with pytest.raises(IoError):
            box.now(tier.store(noise_page(1), 1))
    place = box.now(tier.store(noise_page(1), 1))  # the only slot: it was given back
    with monkeypatch.context() as broken:
        broken.setattr(tier, "read_place", raise_os_error)
        with pytest.raises(IoError):
            box.now(tier.load(place))
    assert box.now(tier.load(place)) == noise_page(1)
    assert box.counters.io_errors == 2
    tier.close()


def test_a_truncated_swapfile_is_an_io_error(box: Box) -> None:
    tier = box.swapfile()
    place = box.now(tier.store(noise_page(1), 1))
    os.ftruncate(tier.file_number, place * PAGE_BYTES + 100)
    with pytest.raises(IoError):
        box.now(tier.load(place))
    tier.close()


def test_a_file_that_is_not_a_swapfile_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "thesis"
    precious.write_bytes(b"chapter one" * 1000)
    with pytest.raises(SwapfileError, match="is not a swapfile"):
        Box(tmp_path).swapfile(name="thesis")
    assert precious.read_bytes() == b"chapter one" * 1000
    with pytest.raises(SwapfileError, match="name a file"):
        Box(tmp_path / "missing").swapfile()


def test_a_swapfile_can_be_used_again_and_closed_twice(tmp_path: Path) -> None:
    for fsync in (False, True):
        tier = Box(tmp_path).swapfile(fsync=fsync)
        tier.close()
        tier.close()


def raise_os_error(*_: object) -> bytes:
    raise OSError(5, "Input/output error")
