# SPDX-License-Identifier: MIT
"""Frames: the limit, the reserve, the LRU lists."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hw.virtual_time import VirtualClock
from vswap import VswapConfig, VswapSystem
from vswap.base.errors import ContractViolation, OutOfMemory
from vswap.mm.folio import Folio
from vswap.mm.frames import Memory
from vswap.mm.memcg import Memcg
from vswap.mm.scan import ScanControl


def memory(limit: int = 64) -> Memory:
    return Memory(VirtualClock(), limit)


def take(pool: Memory, count: int) -> list[Folio]:
    folios = [pool.get_folio(pool.memcgs.root) for _ in range(count)]
    assert all(isinstance(folio, Folio) for folio in folios)
    return [folio for folio in folios if isinstance(folio, Folio)]


def system(reclaimed: Callable[[], int]) -> tuple[VirtualClock, VswapSystem]:
    """A swap system of 64 frames whose direct reclaim frees what `reclaimed` says."""
    clock = VirtualClock()
    machine = VswapSystem(clock, VswapConfig(memory_pages=64, order=()))

    async def direct(_: Memcg) -> int:
        return reclaimed()

    machine.reclaim.direct = direct  # type: ignore[method-assign, assignment]
    return clock, machine


def test_tasks_cannot_take_the_reserve_but_reclaim_can() -> None:
    pool = memory()
    take(pool, 64 - pool.minimum)
    assert pool.get_folio(pool.memcgs.root) is pool.memcgs.root, "the root is short of memory"
    for _ in range(pool.minimum):
        assert pool.allocate_reserve() is not None
    assert pool.allocate_reserve() is None
    assert (pool.used, pool.free) == (64, 0)


def test_the_zswap_pool_leaves_half_of_the_reserve() -> None:
    pool = memory()
    assert not pool.take(64 - pool.minimum // 2 + 1)
    assert pool.take(64 - pool.minimum // 2)
    pool.give(10)
    assert (pool.used, pool.pool_frames) == (pool.pool_frames, 54 - pool.minimum // 2)


def test_kswapd_is_woken_below_the_low_watermark() -> None:
    pool = memory()
    take(pool, 64 - pool.low)
    assert not pool.wake_kswapd.is_set()
    take(pool, 1)
    assert pool.wake_kswapd.is_set()


def test_an_allocation_that_finds_only_the_reserve_reclaims_first() -> None:
    folios: list[Folio] = []

    def reclaim() -> int:
        machine.machine.memory.release(folios.pop())
        return 1

    clock, machine = system(reclaim)
    folios += take(machine.machine.memory, 64 - machine.machine.memory.minimum)
    before = len(folios)
    assert clock.run_until(machine.reclaim.allocate(None)) is not None
    assert len(folios) == before - 1


def test_an_allocation_that_nobody_can_serve_ends_instead_of_spinning() -> None:
    clock, machine = system(lambda: 0)
    take(machine.machine.memory, 64 - machine.machine.memory.minimum)
    with pytest.raises(OutOfMemory, match="of 64 in use"):
        clock.run_until(machine.reclaim.allocate(None))
    assert clock.now > 0  # it waited between its attempts


def test_a_frame_is_given_back_once() -> None:
    pool = memory()
    folio = take(pool, 1)[0]
    pool.release(folio)
    with pytest.raises(ContractViolation):
        pool.release(folio)


def test_the_oldest_inactive_folio_goes_first() -> None:
    pool = memory()
    folios = take(pool, 3)
    for folio in folios:
        pool.add(folio)
    assert [pool.lruvec(pool.memcgs.root).isolate() for _ in range(4)] == [*folios, None]


def test_the_active_list_is_shortened_after_the_inactive_folios_were_looked_at() -> None:
    pool = memory()
    folios = take(pool, 6)
    for folio in folios[:4]:
        folio.active = True
    for folio in folios:
        pool.add(folio)
    lru = pool.lruvec(pool.memcgs.root)
    pool.flush(pool.memcgs.root)
    looks = iter(lru.batches(ScanControl(pool.memcgs.root, wanted=6), 1))
    assert next(looks) == 1 and lru.isolate() is folios[4]
    assert next(looks, None) is None, "half of each list was due, and then 32"
    assert [lru.isolate() for _ in range(3)] == [folios[5], folios[0], folios[1]], "the active ones last"
    assert len(pool) == 2


def test_a_memory_too_small_for_its_watermarks_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 16"):
        memory(8)
