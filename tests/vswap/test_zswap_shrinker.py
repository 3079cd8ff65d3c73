# SPDX-License-Identifier: MIT
"""zswap's dynamic shrinker: cold entries leave while the pool has room."""

from __future__ import annotations

from tests.pages import compressible_page
from tests.vswap.tb import TB, machine
from vswap.mm.memcg import Memcg, MemcgLimits
from vswap.paths.zswap_shrinker import ZswapShrinker

LINUX = ("zswap", "swapfile")


async def pressure(tb: TB, memcg: Memcg | None = None) -> None:
    """Many more pages than there is memory for, each written once."""
    space = tb.system.create_space("task", memcg)
    for vpn in range(400):
        await space.write(vpn, compressible_page(vpn))


@machine(order=LINUX, zswap_max_pool_percent=90)
async def test_without_it_nothing_is_written_back_before_the_pool_is_full(tb: TB) -> None:
    await pressure(tb)
    assert tb.system.counters.zswpout > 80
    assert (tb.system.counters.pool_limit_hit, tb.system.counters.zswpwb) == (0, 0)


@machine(order=LINUX, zswap_max_pool_percent=90, zswap_shrinker=True)
async def test_reclaim_writes_cold_entries_back_although_the_pool_has_room(tb: TB) -> None:
    await pressure(tb)
    assert tb.system.counters.pool_limit_hit == 0
    assert tb.system.counters.zswpwb == tb.system.counters.writebacks.zswap_to_swapfile > 0


@machine(order=LINUX, zswap_max_pool_percent=90, zswap_shrinker=True)
async def test_a_group_that_may_not_write_back_keeps_its_entries(tb: TB) -> None:
    await pressure(tb, tb.system.create_memcg("kept", MemcgLimits(zswap_writeback=False)))
    assert tb.system.counters.zswpout > 80 and tb.system.counters.zswpwb == 0


@machine(order=LINUX, zswap_max_pool_percent=90, start=False)
async def test_entries_count_by_the_memory_that_they_would_free(tb: TB) -> None:
    space = tb.space()
    for vpn in range(20):
        await space.write(vpn, compressible_page(vpn))
        await space.pageout(vpn)
    zswap = tb.machine.tiers.zswap
    assert zswap is not None
    count = ZswapShrinker(tb.machine, tb.system.writeback).count(zswap.root)
    assert count == 20 * zswap.pool_pages // 20 < 20


@machine(order=LINUX, zswap_max_pool_percent=90, start=False)
async def test_a_page_that_comes_back_from_the_disk_protects_an_entry_for_one_look(tb: TB) -> None:
    space = tb.space()
    for vpn in range(24):
        await space.write(vpn, compressible_page(vpn))
        await space.pageout(vpn)
    zswap = tb.machine.tiers.zswap
    assert zswap is not None
    for _ in range(4):
        assert await tb.system.writeback.write_back_zswap()
    shrinker = ZswapShrinker(tb.machine, tb.system.writeback)
    before = shrinker.count(zswap.root)
    for vpn in range(4):
        await space.read(vpn)
    assert shrinker.count(zswap.root) == 16 * zswap.pool_pages // 20 < before
    assert shrinker.count(zswap.root) == before
