# SPDX-License-Identifier: MIT
"""concurrency: tasks meet inside the backend."""

from __future__ import annotations

from vswap.base.backing import BackingType
from vswap.contract.bench import Bench, Factory
from vswap.contract.checks.tools import Subject, cancelled, expect, fails, subject
from vswap.contract.pages import any_page, program_pages
from vswap.contract.registry import NotApplicable, check
from vswap.tiers.base import IoError, Poisoned


@check(
    "concurrency.random", "Stores, loads, frees and late work of many tasks at once leave every page whole.", seeds=8
)
async def random(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)

    async def task(number: int) -> None:
        mine: list[int] = []
        for _ in range(25):
            choice = bench.rng.random()
            if choice < 0.5 or not mine:
                handle = await under_test.store(any_page(bench.rng))
                if handle is not None:
                    mine.append(handle)
            elif choice < 0.75:
                handle = bench.rng.choice(mine)
                expect(
                    await under_test.tier.load(handle) == under_test.pages[handle], f"handle {handle} holds other bytes"
                )
            elif choice < 0.95:
                under_test.free(mine.pop(bench.rng.randrange(len(mine))))
            else:
                await under_test.tier.flush()
            _check_bounds(under_test)
            if number == 0:
                await bench.clock.sleep(bench.rng.randrange(3000))

    tasks = [bench.clock.spawn(task(number), f"task {number}") for number in range(5)]
    for running in tasks:
        await running
    under_test.check_books()
    await under_test.verify()
    await under_test.empty()
    under_test.check_books()


def _check_bounds(under_test: Subject) -> None:
    held = under_test.tier.handles()
    expect(under_test.owners.items() <= held.items(), "a page that is held is missing in handles()")
    expect(under_test.tier.usage().pages == len(held), "usage() and handles() disagree")


@check("concurrency.loads", "Loads at once do not share a buffer.", seeds=3)
async def loads(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    pages = bench.rng.sample(program_pages(), 8)
    for page in pages:
        await under_test.store(page)
    if not under_test.pages:
        await under_test.must_store()
    tasks = [(page, bench.clock.spawn(under_test.tier.load(handle)))
             for _ in range(3) for handle, page in under_test.pages.items()]  # fmt: skip
    for page, running in tasks:
        expect(await running == page, "a load that was not alone came back with other bytes")


@check(
    "concurrency.same-slot", "Two stores for one slot at once are two pages: neither is lost, nor its room.", seeds=3
)
async def same_slot(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    page = await under_test.taken()
    await under_test.tier.flush()
    used = bench.memory.used
    for _ in range(6):
        running = [bench.clock.spawn(under_test.tier.store(page, 41)) for _ in range(2)]
        handles = {await task for task in running}
        if handles == {41}:  # a handle that is the slot
            return
        expect(len(handles) == 2, "two stores got one handle")
        for handle in handles:
            expect(await under_test.tier.load(handle) == page, "a store for the slot of another lost its page")
            under_test.tier.free(handle)
        await under_test.tier.flush()
    under_test.check_books()
    expect(bench.memory.used == used, "frames leaked")


@check(
    "concurrency.late-work",
    "Late work (trims, discards) under way while pages are stored touches no live page.",
    seeds=6,
)
async def late_work(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    await under_test.fill(12)
    for _ in range(8):
        for handle in bench.rng.sample(list(under_test.pages), min(6, len(under_test.pages))):
            under_test.free(handle)
        running = bench.clock.spawn(under_test.tier.flush(), "late work")
        for _ in range(6):
            await under_test.store(bench.rng.choice(program_pages()))
            await bench.clock.sleep(bench.rng.randrange(400))
        await running
        await under_test.verify()
    under_test.check_books()


_MOMENTS_NS = (0, 1, 20, 100, 500, 2_000, 5_000, 20_000)
"""How long to wait for the others to be somewhere in the middle: accesses take 100 ns to 100 us."""


@check(
    "concurrency.reown",
    "A page that gets another owner while it is loaded, and others are stored, is that one's, and whole.",
    seeds=4,
)
async def reown(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    tier = under_test.tier
    if tier.type is BackingType.ZERO:
        raise NotApplicable("its handles are the slots")
    page = await under_test.taken()
    for _ in range(6):
        await under_test.must_store(page)
    for number, moment in enumerate(_MOMENTS_NS, 1):
        held = list(under_test.pages)
        loads = [(handle, bench.clock.spawn(tier.load(handle))) for handle in held]
        others = [bench.clock.spawn(under_test.store(page)) for _ in range(2)]
        late = bench.clock.spawn(tier.flush())
        await bench.clock.sleep(moment)
        for slot, handle in enumerate(held, 1_000 * number):
            tier.reown(handle, slot)
            under_test.owners[handle] = slot
        for handle, load in loads:
            expect(await load == under_test.pages[handle], "a page was loaded with other bytes, as its owner changed")
        stored = [await other for other in others]
        await late
        under_test.check_books()
        for place in stored:
            if place is not None:
                under_test.free(place)
    await under_test.verify()


@check(
    "concurrency.free",
    "Room that is freed while late work is under way, by several at once, comes back, once.",
    seeds=4,
)
async def free(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    page = await under_test.taken()
    held = await _fill_with(under_test, page, 200)
    for moment in (*_MOMENTS_NS[:2], *_MOMENTS_NS[-5:]):
        for share in (3, 2):
            under_test.free_some(share)
            late = [bench.clock.spawn(under_test.tier.flush()) for _ in range(2)] if share == 3 else []
            await bench.clock.sleep(moment)
        for running in late:
            await running
        await under_test.tier.flush()
        under_test.check_books()
        back = await _fill_with(under_test, page, held)
        expect(back == held, f"there was room for {held} pages, now there is for {back}")
    await under_test.verify()


async def _fill_with(under_test: Subject, page: bytes, limit: int) -> int:
    """Store a page again and again until there is no room; how many pages are held then, `limit` at most."""
    while len(under_test.pages) < limit and await under_test.store(page) is not None:
        pass
    return len(under_test.pages)


@check(
    "concurrency.cancel",
    "A task that is killed inside a store takes nothing along of the stores beside it, and leaves nothing.",
    seeds=4,
)
async def cancel(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    page = await under_test.taken()
    for moment in _MOMENTS_NS:
        killed = bench.clock.spawn(under_test.tier.store(page, 1 << 20), "killed store")
        beside = [bench.clock.spawn(under_test.store(page)) for _ in range(4)]
        await bench.clock.sleep(moment)
        if killed.done():
            under_test.tier.free(await killed)
        else:
            killed.cancel()
            await cancelled(killed)
        beside += [bench.clock.spawn(under_test.store(page)) for _ in range(4)]
        for running in beside:
            await running
        await under_test.tier.flush()
        under_test.check_books()
        await under_test.verify()
        under_test.free_some(2)
    await under_test.tier.flush()
    await under_test.take_all_room()


@check(
    "concurrency.failed-write",
    "Writes that fail beside others that do not are told apart: each page is kept or refused, and no place is lost.",
    seeds=4,
)
async def failed_write(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    break_writes = under_test.backend.break_writes
    if break_writes is None:
        raise NotApplicable("no break_writes")
    page = await under_test.taken()
    for _ in range(6):
        stores = []
        for number in range(9):
            if number % 3 == 0:
                break_writes(number == 3)
            stores.append(bench.clock.spawn(fails(under_test.store(page), IoError)))
            await bench.clock.sleep(bench.rng.choice(_MOMENTS_NS))
        for running in stores:
            await running
        under_test.check_books()
        await under_test.verify()
        under_test.free_some(2)
    await under_test.tier.flush()
    await under_test.take_all_room()


@check(
    "concurrency.damaged-page", "The error of a page that is lost is that of its load, not of one beside it.", seeds=3
)
async def damaged_page(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    if under_test.backend.damage is None:
        raise NotApplicable("no damage")
    page = program_pages()[5]
    handles = [await under_test.must_store(page) for _ in range(6)]
    lost = handles[2]
    under_test.backend.damage(lost)
    for _ in range(6):
        bench.rng.shuffle(handles)
        loads = []
        for handle in handles:
            loads.append((handle, bench.clock.spawn(fails(_whole(under_test, handle), IoError, Poisoned))))
            await bench.clock.sleep(bench.rng.choice(_MOMENTS_NS[:5]))
        for handle, load in loads:
            wrong = "came back as if well" if handle == lost else "could not be read, as one beside it was lost"
            expect(await load == (handle == lost), f"a page {wrong}")


async def _whole(under_test: Subject, handle: int) -> None:
    expect(await under_test.tier.load(handle) == under_test.pages[handle], f"handle {handle} holds other bytes")


@check(
    "concurrency.rewrite", "The free of the older copy of a slot leaves the newer one alone that is under way.", seeds=3
)
async def rewrite(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    if under_test.tier.type is BackingType.ZERO:
        raise NotApplicable("its handles are the slots")
    older_page = await under_test.taken()
    newer_page = older_page[2048:] + older_page[:2048]
    for moment in _MOMENTS_NS:
        older = await under_test.store(older_page, slot=900)
        newer = bench.clock.spawn(under_test.store(newer_page, slot=900))
        await bench.clock.sleep(moment)
        assert older is not None
        under_test.free(older)
        expect(await newer is not None, "the newer copy was refused, with room left")
        await under_test.tier.flush()
        under_test.check_books()
        await under_test.verify()
        await under_test.empty()
