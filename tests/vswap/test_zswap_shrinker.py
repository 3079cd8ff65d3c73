# SPDX-License-Identifier: MIT
"""zswap's dynamic shrinker: cold entries leave while the pool has room."""

from __future__ import annotations

from hw.link import PAGE_BYTES
from tests.pages import compressible_page
from tests.vswap.tb import TB, machine
from vswap import AddressSpace
from vswap.contract.pages import noise_page
from vswap.mm.memcg import Memcg, MemcgLimits
from vswap.paths.zswap_shrinker import ZswapShrinker

LINUX = ("zswap", "swapfile")


async def pressure(tb: TB, memcg: Memcg | None = None) -> None:
    """Many more pages than there is memory for, each written once."""
    space = tb.system.create_space("task", memcg)
    for vpn in range(400):
        await space.write(vpn, compressible_page(vpn))


async def paged_out(tb: TB, pages: int) -> AddressSpace:
    """A space whose pages are all in zswap, where each takes about a third of a page."""
    space = tb.space()
    for vpn in range(pages):
        await space.write(vpn, noise_page(vpn)[: PAGE_BYTES // 3] + bytes(PAGE_BYTES - PAGE_BYTES // 3))
        await space.pageout(vpn)
    return space


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
    await paged_out(tb, 20)
    zswap = tb.machine.tiers.zswap
    assert zswap is not None
    count = ZswapShrinker(tb.machine, tb.system.writeback.zswap).count(zswap.root)
    assert count == 20 * (zswap.root.zswap_bytes // PAGE_BYTES) // 20
    assert 0 < count < zswap.pool_pages < 20


@machine(order=LINUX, zswap_max_pool_percent=90, start=False)
async def test_a_page_that_comes_back_from_the_disk_protects_an_entry_for_one_look(tb: TB) -> None:
    space = await paged_out(tb, 24)
    zswap = tb.machine.tiers.zswap
    assert zswap is not None
    for _ in range(4):
        assert await tb.system.writeback.zswap.write_back()
    await tb.machine.inflight.drain()
    assert await tb.system.reclaim.shrink(4) == 4
    pages = zswap.root.zswap_bytes // PAGE_BYTES
    shrinker = ZswapShrinker(tb.machine, tb.system.writeback.zswap)
    before = shrinker.count(zswap.root)
    for vpn in range(4):
        await space.read(vpn)
    assert shrinker.count(zswap.root) == 16 * pages // 20 < before
    assert shrinker.count(zswap.root) == before


@machine(order=LINUX, zswap_max_pool_percent=90, start=False)
async def test_entries_that_do_not_fill_a_page_are_left_alone(tb: TB) -> None:
    await paged_out(tb, 2)
    zswap = tb.machine.tiers.zswap
    assert zswap is not None and 0 < zswap.root.zswap_bytes < PAGE_BYTES
    shrinker = ZswapShrinker(tb.machine, tb.system.writeback.zswap)
    assert shrinker.count(zswap.root) == 0 == await shrinker.shrink(zswap.root, 0)
    assert zswap.usage().pages == 2


@machine(order=LINUX, zswap_max_pool_percent=90, start=False)
async def test_a_look_that_writes_nothing_counts_as_none(tb: TB) -> None:
    """All entries get a second chance first. What was looked at for nothing is looked at again with the next round."""
    await paged_out(tb, 20)
    zswap = tb.machine.tiers.zswap
    assert zswap is not None
    shrinker = ZswapShrinker(tb.machine, tb.system.writeback.zswap)
    assert shrinker.count(zswap.root) == 6
    await shrinker.shrink(zswap.root, 0)
    assert tb.system.counters.zswpwb == 0  # 12 entries had their second chance
    await shrinker.shrink(zswap.root, 1)
    assert tb.system.counters.zswpwb == 4  # the other 8, and the first 4 of the 12: by itself this round is one of 6


@machine(order=LINUX, zswap_max_pool_percent=90, start=False)
async def test_looks_end_where_the_entries_do_not_fill_a_page(tb: TB) -> None:
    await paged_out(tb, 20)
    zswap = tb.machine.tiers.zswap
    assert zswap is not None
    shrinker = ZswapShrinker(tb.machine, tb.system.writeback.zswap)
    while shrinker.count(zswap.root):
        await shrinker.shrink(zswap.root, 0)
    assert tb.system.counters.zswpwb == 20 - zswap.usage().pages > 0
    assert 0 < zswap.root.zswap_bytes < PAGE_BYTES
