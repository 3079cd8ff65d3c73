"""Frames: the limit, the reserve, the LRU lists."""

from __future__ import annotations

import pytest

from hw.virtual_time import VirtualClock
from vswap.base.errors import ContractViolation, OutOfMemory
from vswap.mm.folio import Folio
from vswap.mm.frames import Memory
from vswap.mm.memcg import Memcg


def memory(limit: int = 64) -> tuple[VirtualClock, Memory]:
    clock = VirtualClock()
    return clock, Memory(clock, limit, retry_ns=10)


def take(clock: VirtualClock, pool: Memory, count: int) -> list[Folio]:
    return [clock.run_until(pool.allocate()) for _ in range(count)]


def test_tasks_cannot_take_the_reserve_but_reclaim_can() -> None:
    clock, pool = memory()
    take(clock, pool, 64 - pool.minimum)
    with pytest.raises(OutOfMemory):
        clock.run_until(pool.allocate())
    for _ in range(pool.minimum):
        assert pool.allocate_reserve() is not None
    assert pool.allocate_reserve() is None
    assert (pool.used, pool.free) == (64, 0)


def test_the_zswap_pool_leaves_half_of_the_reserve() -> None:
    _, pool = memory()
    assert not pool.take(64 - pool.minimum // 2 + 1)
    assert pool.take(64 - pool.minimum // 2)
    pool.give(10)
    assert (pool.used, pool.pool_frames) == (pool.pool_frames, 54 - pool.minimum // 2)


def test_kswapd_is_woken_below_the_low_watermark() -> None:
    clock, pool = memory()
    take(clock, pool, 64 - pool.low)
    assert not pool.wake_kswapd.is_set()
    take(clock, pool, 1)
    assert pool.wake_kswapd.is_set()


def test_an_allocation_that_finds_only_the_reserve_reclaims_first() -> None:
    clock, pool = memory()
    folios = take(clock, pool, 64 - pool.minimum)

    async def reclaim(_: Memcg) -> int:
        pool.release(folios.pop())
        return 1

    pool.on_pressure(reclaim)
    assert clock.run_until(pool.allocate()) is not None


def test_an_allocation_that_nobody_can_serve_ends_instead_of_spinning() -> None:
    clock, pool = memory()
    take(clock, pool, 64 - pool.minimum)

    async def reclaim(_: Memcg) -> int:
        return 0

    pool.on_pressure(reclaim)
    with pytest.raises(OutOfMemory, match="of 64 in use"):
        clock.run_until(pool.allocate())
    assert clock.now > 0  # it waited between its attempts


def test_a_frame_is_given_back_once() -> None:
    clock, pool = memory()
    folio = take(clock, pool, 1)[0]
    pool.release(folio)
    with pytest.raises(ContractViolation):
        pool.release(folio)


def test_the_oldest_inactive_folio_goes_first() -> None:
    clock, pool = memory()
    folios = take(clock, pool, 3)
    for folio in folios:
        pool.add(folio)
    assert [pool.memcgs.root.lru.isolate() for _ in range(4)] == [*folios, None]


def test_active_folios_are_kept_until_they_outnumber_the_inactive_ones_twice() -> None:
    clock, pool = memory()
    folios = take(clock, pool, 6)
    for folio in folios[:4]:
        folio.active = True
    for folio in folios:
        pool.add(folio)
    lru = pool.memcgs.root.lru
    assert [lru.isolate() for _ in range(3)] == [
        folios[4],
        folios[5],
        folios[0],
    ]  # the oldest active one moved over
    assert len(pool) == 3


def test_a_memory_too_small_for_its_watermarks_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 16"):
        memory(8)
