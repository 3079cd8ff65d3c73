# SPDX-License-Identifier: MIT
"""concurrency: tasks meet inside the backend."""

from __future__ import annotations

from vswap.contract.bench import Bench, Factory
from vswap.contract.checks.tools import Subject, expect, subject
from vswap.contract.pages import any_page, program_pages
from vswap.contract.registry import check


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
