# SPDX-License-Identifier: MIT
"""capacity: limits hold, refusing harms nobody, the gate is a gate, writeback takes the oldest."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from vswap.contract.bench import Bench, Factory
from vswap.contract.checks.tools import Subject, expect, fails, subject
from vswap.contract.pages import SAME_PAGE, compressible_page, noise_page
from vswap.contract.registry import NotApplicable, check
from vswap.tiers.base import Full, Gated, Pooled, Rejected, Shrinkable


@runtime_checkable
class Ballooned(Protocol):
    """A backend on a device that may come to back less than it shows."""

    balloon_target: int

    def resize_balloon(self, target: int) -> None:
        """Keep so many pages out of use."""

    async def track_hot_pages(self, threshold: int, period: int) -> None:
        """Let the device nominate pages that are read `threshold` times."""

    async def nominations(self) -> list[int]:
        """The slots of pages that were nominated, and are still what they were."""


@check(
    "capacity.bounded",
    "usage() never says more pages than its capacity, with many stores at once either, and a refused store changes "
    "nothing.",
    seeds=3,
)
async def bounded(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    capacity = under_test.tier.usage().capacity
    full = await under_test.fill(300)
    expect(capacity is None or len(under_test.pages) <= capacity, "more pages than the capacity")
    under_test.check_books()
    if full:
        for number in range(8):
            await under_test.store(compressible_page(number))
            await under_test.store(noise_page(number))
    under_test.check_books()
    await under_test.verify()
    bench.watch(lambda: _within_capacity(under_test))
    for count in (1, 2, 6, 12):
        for handle in bench.rng.sample(list(under_test.pages), min(count, len(under_test.pages))):
            under_test.free(handle)
        await under_test.tier.flush()
        stores = [bench.clock.spawn(under_test.store(compressible_page(number))) for number in range(count + 8)]
        for running in stores:
            await running
        under_test.check_books()
    bench.watch(None)
    await under_test.verify()


def _within_capacity(under_test: Subject) -> None:
    room = under_test.tier.usage()
    if room.capacity is not None:
        expect(room.pages <= room.capacity, f"{room.pages} pages are held, the capacity is {room.capacity}")


@check("capacity.not-sticky", "After frees there is room again: full is not for ever.")
async def not_sticky(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    page = await under_test.taken()
    if not await under_test.fill(300):
        return
    await under_test.empty()
    expect(await under_test.store(page) is not None, "an empty backend refuses a page that it took before")


@check("capacity.frames", "Frames of DRAM are given back with the last page: nothing stays charged.", seeds=2)
async def frames(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    await under_test.tier.flush()
    used = bench.memory.used
    for _ in range(3):
        await under_test.fill(100)
        for handle in bench.rng.sample(list(under_test.pages), len(under_test.pages)):
            under_test.free(handle)
        await under_test.tier.flush()
        expect(bench.memory.used == used, f"{bench.memory.used - used} frames are still charged when nothing is held")


@check("capacity.no-frames", "A backend that finds no frame refuses the page; it keeps nothing and breaks nothing.")
async def no_frames(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    page = await under_test.taken()
    kept = await under_test.must_store(page)
    hogs = [folio for _ in range(bench.memory.limit) if (folio := bench.memory.allocate_reserve()) is not None]
    for number in range(6):
        await under_test.store(compressible_page(number))
    under_test.check_books()
    await under_test.verify()
    for hog in hogs:
        bench.memory.release(hog)
    expect(await under_test.store(page) is not None and kept in under_test.pages, "refused with frames to be had")


@check(
    "capacity.gate", "While admission is closed nothing new is taken; what is there stays readable and can be freed."
)
async def gate(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    tier = under_test.tier
    if not isinstance(tier, Gated):
        raise NotApplicable("no set_no_alloc")
    page = await under_test.taken()
    handles = [await under_test.must_store(page) for _ in range(3)]
    tier.set_no_alloc(True)
    for _ in range(3):
        expect(await fails(tier.store(page, 1), Full), "a page was admitted while the gate is closed")
        await under_test.verify()
        await under_test.tier.flush()
    under_test.free(handles[0])
    await under_test.tier.flush()
    expect(await fails(tier.store(page, 1), Full), "the gate opened by itself after a free")
    under_test.check_books()
    tier.set_no_alloc(False)
    begun = [bench.clock.spawn(under_test.store(page)) for _ in range(3)]
    await bench.clock.sleep(1)
    tier.set_no_alloc(True)
    for store in begun:  # begun before: kept or refused
        await store
    expect(await fails(tier.store(page, 1), Full), "a store that was under way has opened the gate")
    under_test.check_books()
    await under_test.verify()
    tier.set_no_alloc(False)
    await under_test.must_store(page)


@check("capacity.pool-limit", "The pool takes no more frames than its limit, at any moment.", seeds=2)
async def pool_limit(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    tier = under_test.tier
    if not isinstance(tier, Pooled):
        raise NotApplicable("no limit_pages")

    async def writer(number: int) -> None:
        for step in range(30):
            page = noise_page(100 * number + step)[: 500 + 100 * (step % 20)].ljust(4096, b"\0")
            handle = await under_test.store(page)
            expect(tier.pool_pages <= tier.limit_pages, f"{tier.pool_pages} frames, the limit is {tier.limit_pages}")
            if handle is not None and step % 5 == 0:
                under_test.free(handle)

    tasks = [bench.clock.spawn(writer(number)) for number in range(4)]
    for task in tasks:
        await task
    under_test.check_books()


@check("capacity.accept-threshold", "Once full, a pool refuses until it has come down to its accept threshold.")
async def accept_threshold(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    tier = under_test.tier
    if not isinstance(tier, Shrinkable):
        raise NotApplicable("no accept_pages")
    for number in range(400):
        if await under_test.store(noise_page(number)[:2000].ljust(4096, b"\0")) is None:
            break
    expect(tier.over_threshold(), "the pool is full and its shrinker is not asked to work")
    while tier.pool_pages > tier.accept_pages:
        expect(await fails(tier.store(compressible_page(1), 1), Full), "a full pool accepts above its threshold")
        under_test.free(next(iter(under_test.pages)))
    expect(not tier.over_threshold(), "the shrinker is asked to work below the accept threshold")
    await under_test.must_store(compressible_page(1))


@check("capacity.lru", "The oldest entry is written back first, after one second chance; a freed one never.")
async def lru(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    tier = under_test.tier
    if not isinstance(tier, Shrinkable):
        raise NotApplicable("no oldest")
    handles = [await under_test.must_store(compressible_page(number)) for number in range(6)]
    same = await under_test.store(SAME_PAGE)
    expect(tier.oldest() == (handles[0], under_test.owners[handles[0]]), "the first victim is not the oldest entry")
    tier.rotate(handles[0])
    under_test.free(handles[1])
    young = await under_test.must_store(compressible_page(99))
    order = []
    while (victim := tier.oldest()) is not None:
        order.append(victim[0])
        under_test.free(victim[0])
    expect(order == [*handles[2:], handles[0], young], "the entries are not written back oldest first")
    expect(same is None or same in under_test.pages, "a same-filled page was to be written back: that frees no memory")


@check(
    "capacity.incompressible", "A page that does not shrink is refused or kept whole; the pool does not pay for more."
)
async def incompressible(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    tier = under_test.tier
    if not isinstance(tier, Shrinkable):
        raise NotApplicable("not a pool in front of a device")
    for number in range(10):
        expect(await fails(tier.store(noise_page(number), number), Rejected), "a page that does not shrink was kept")
    expect(tier.pool_pages == 0, "pages that were refused take frames")
    expect(bench.counters.reject_compress_poor == 10, "reject_compress_poor does not count them")


@check("capacity.balloon", "What the provider cannot back is kept out of use; what is freed goes there first.")
async def balloon(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    tier = under_test.tier
    if not isinstance(tier, Ballooned):
        raise NotApplicable("no resize_balloon")
    page = await under_test.taken()
    pages = bench.device.geometry.perceived_pages
    handles = [await under_test.must_store(compressible_page(number)) for number in range(20)]
    tier.resize_balloon(pages - 10)
    await under_test.verify()
    for handle in handles[:10]:
        expect(await fails(tier.store(page, 99), Full), "a page was admitted beyond what the provider backs")
        under_test.free(handle)
        await tier.flush()
    expect(await fails(tier.store(page, 99), Full), "a page was admitted beyond what the provider backs")
    under_test.free(handles[10])
    await tier.flush()
    await under_test.must_store(page)
    tier.resize_balloon(0)
    for _ in range(5):
        await under_test.must_store(page)
    under_test.check_books()
    await under_test.verify()


@check("capacity.stale-nomination", "A nominated page that was freed and used again is not taken for the hot one.")
async def stale_nomination(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    tier = under_test.tier
    if not isinstance(tier, Ballooned):
        raise NotApplicable("no nominations")
    await tier.track_hot_pages(3, 0)
    hot = await under_test.must_store(compressible_page(1))
    for _ in range(3):
        await tier.load(hot)
    expect(await tier.nominations() == [under_test.owners[hot]], "a page that is read often is not nominated")
    await tier.track_hot_pages(6, 0)
    for _ in range(3):
        await tier.load(hot)
    under_test.free(hot)
    await tier.flush()
    seen = False
    for number in range(bench.device.geometry.perceived_pages):
        handle = await under_test.store(compressible_page(number))
        seen |= handle == hot
    expect(seen, "the device page is never used again")
    expect(await tier.nominations() == [], "a page is nominated for what was there before")
