# SPDX-License-Identifier: MIT
"""writeback: requests to a swap device, which end late, in any order, or with an error."""

from __future__ import annotations

from vswap.contract.bench import Bench, Factory
from vswap.contract.checks.tools import Subject, expect, fails, subject
from vswap.contract.pages import compressible_page, noise_page
from vswap.contract.registry import NotApplicable, check
from vswap.tiers.base import Full, IoError, QueuedTier


def _queue(under_test: Subject) -> QueuedTier:
    tier = under_test.tier
    if not isinstance(tier, QueuedTier):
        raise NotApplicable("it is written to page by page")
    return tier


def _reserve(under_test: Subject, pages: list[bytes]) -> int:
    """Places for these pages, which are what they have to hold once they are written."""
    first = _queue(under_test).reserve(under_test.next_slot, len(pages))
    for number, page in enumerate(pages):
        expect(first + number not in under_test.pages, f"place {first + number} was given out while it is in use")
        under_test.pages[first + number], under_test.owners[first + number] = page, under_test.next_slot + number
    under_test.next_slot += len(pages)
    return first


@check(
    "writeback.places", "A place is in use from its reservation on, written or not, and is given back like any other."
)
async def places(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    used = _queue(under_test).usage().pages
    firsts = [_reserve(under_test, [compressible_page(number)] * count) for number, count in enumerate((1, 4, 1, 2))]
    under_test.check_books()
    for first in firsts:
        under_test.free(first)
    await under_test.empty()
    expect(under_test.tier.usage().pages == used, "places that were never written to are lost")


@check("writeback.late", "What a request has written can be read when it has ended, and not only later.", seeds=3)
async def late(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    tier = _queue(under_test)
    for count in (1, 2, 8):
        pages = [noise_page(bench.rng.randrange(1000)) for _ in range(count)]
        first = _reserve(under_test, pages)
        await tier.write(first, pages)
        for number, page in enumerate(pages):
            expect(await tier.load(first + number) == page, f"page {number} of a request of {count} is not there")
        await tier.write(first, pages[::-1])
        for number, page in enumerate(pages[::-1]):
            under_test.pages[first + number] = page
        await under_test.verify()


@check(
    "writeback.out-of-order",
    "Requests that are under way at once, and stores beside them, end in any order and hold what each was given.",
    seeds=4,
)
async def out_of_order(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    tier = _queue(under_test)
    for _ in range(4):
        running = []
        for _ in range(6):
            pages = [noise_page(bench.rng.randrange(10_000)) for _ in range(bench.rng.choice((1, 1, 2, 4)))]
            try:
                first = _reserve(under_test, pages)
            except Full:
                continue
            running.append(bench.clock.spawn(tier.write(first, pages)))
            await bench.clock.sleep(bench.rng.randrange(20_000))
            await under_test.must_store()
        bench.rng.shuffle(running)
        for request in running:
            await request
        under_test.check_books()
        await under_test.verify()
        for handle in bench.rng.sample(sorted(under_test.pages), len(under_test.pages) // 2):
            under_test.free(handle)
        await tier.flush()


@check(
    "writeback.error",
    "A request that fails at its end says so; its places stay in use, can be written again, and concern no other.",
    seeds=2,
)
async def error(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    tier = _queue(under_test)
    if under_test.backend.break_writes is None:
        raise NotApplicable("no break_writes")
    await under_test.must_store()
    pages = [compressible_page(number) for number in range(4)]
    firsts = [_reserve(under_test, pages), _reserve(under_test, pages[:1])]
    under_test.backend.break_writes(True)
    for first, count in zip(firsts, (4, 1), strict=True):
        expect(await fails(tier.write(first, pages[:count]), IoError), "a request that failed is taken for done")
    under_test.backend.break_writes(False)
    under_test.check_books()
    other = _reserve(under_test, pages[2:3])
    await tier.write(other, pages[2:3])
    for first, count in zip(firsts, (4, 1), strict=True):
        await tier.write(first, pages[:count])
    await under_test.verify()
    await under_test.empty()
    under_test.check_books()
