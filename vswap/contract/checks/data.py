# SPDX-License-Identifier: MIT
"""data: what was stored comes back, and nothing else."""

from __future__ import annotations

import zlib

import lz4.block

from vswap.contract.bench import Bench, Factory
from vswap.contract.checks.tools import expect, kinds, subject
from vswap.contract.pages import ZERO_PAGE, compressible_page, noise_page, program_pages
from vswap.contract.registry import NotApplicable, check
from vswap.tiers.base import Full, QueuedTier
from vswap.tiers.lz4block import Block, BlockTier


@check("data.round-trip", "A page comes back byte for byte, whatever is in it, or it was refused.", seeds=2)
async def round_trip(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    for kind, page in kinds(bench.rng.randrange(1000)).items():
        handle = await under_test.store(page)
        if handle is not None:
            expect(await under_test.tier.load(handle) == page, f"a page of kind {kind} came back changed")
    await under_test.verify()


@check("data.takes-pages", "There is a kind of page that an empty backend takes: one that takes none is no backend.")
async def takes_pages(factory: Factory, bench: Bench) -> None:
    await subject(factory, bench).must_store()


@check("data.load-keeps", "A load does not consume: a swap-in that fails later must find the page again.")
async def load_keeps(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    await under_test.must_store()
    for _ in range(3):
        await under_test.verify()
    under_test.check_books()


@check("data.rewrite", "A newer copy of a slot is independent of the older one, and of its free.", seeds=2)
async def rewrite(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    page = await under_test.taken()
    other = page if page == ZERO_PAGE else page[2048:] + page[:2048]
    first = await under_test.store(page, slot=900)
    if page == ZERO_PAGE and first == 900:
        return  # a handle that is the slot: the caller frees the older copy first
    second = await under_test.store(other, slot=900)
    await under_test.verify()
    for older in (first, second):
        if older is not None:
            under_test.free(older)
            await under_test.tier.flush()
            await under_test.verify()


@check("data.stale-copy", "After a store that was refused, no older copy is handed out in its place.", seeds=2)
async def stale_copy(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    old = await under_test.taken()
    handle = await under_test.store(old, slot=900)
    assert handle is not None
    under_test.free(handle)
    refused = noise_page(bench.rng.getrandbits(32))
    for page in (refused, old):
        again = await under_test.store(page, slot=900)
        if again is not None:
            expect(await under_test.tier.load(again) == page, "an older copy of the slot came back")
            under_test.free(again)


@check(
    "data.neighbours", "Freeing some pages leaves the others as they are, through every batch of late work.", seeds=3
)
async def neighbours(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    await under_test.fill(24)
    for _ in range(4):
        under_test.free_some(3)
        await under_test.tier.flush()
        await under_test.verify()
        await under_test.fill(6)
        await under_test.verify()
    under_test.check_books()


@check("data.reuse", "A place that is used again holds the new page alone, never a rest of the old one.", seeds=3)
async def reuse(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    for round_number in range(6):
        for page in kinds(round_number).values():
            await under_test.store(page)
        await under_test.verify()
        for handle in list(under_test.pages)[:: 1 + round_number % 2]:
            under_test.free(handle)
    await under_test.verify()


@check(
    "data.run",
    "Pages of a large folio that are written at once have places in a row, come back one by one, and are freed one by "
    "one; a run that does not fit takes nothing.",
)
async def run(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    tier = under_test.tier
    if not isinstance(tier, QueuedTier):
        raise NotApplicable("it takes single pages")
    for count in (4, 8, 16, 128):
        pages = [program_pages()[bench.rng.randrange(50)] for _ in range(count)]
        held = tier.usage().pages
        try:
            first = tier.reserve(under_test.next_slot, count)
        except Full:
            expect(tier.usage().pages == held, "a refused run left pages behind")
            continue
        await tier.write(first, pages)
        for number, page in enumerate(pages):
            under_test.pages[first + number], under_test.owners[first + number] = page, under_test.next_slot + number
        under_test.next_slot += count
        under_test.check_books()
        await under_test.verify()
        for handle in (first + 1, first + count - 1):
            under_test.free(handle)
        await tier.flush()
        await under_test.must_store()
        await under_test.verify()


@check("data.blocks", "A block that is passed in comes back as its page; one passed out is that page.", seeds=2)
async def blocks(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    tier = under_test.tier
    if not isinstance(tier, BlockTier):
        raise NotApplicable("no store_block")
    for number in range(4):
        page = bench.rng.choice(program_pages()) if number % 2 else compressible_page(number)
        block = Block(lz4.block.compress(page, store_size=False), zlib.crc32(page))
        handle = await tier.store_block(block, number + 1)
        under_test.pages[handle], under_test.owners[handle] = page, number + 1
        stored = await under_test.must_store(page)
        for of in (handle, stored):
            passed_out = await tier.export_block(of)
            expect(passed_out is not None and passed_out.page("it") == page, "the block passed out is another page's")
    expect(await tier.export_block(await under_test.must_store(ZERO_PAGE)) is None, "a page of zeros is no block")
    under_test.check_books()
    await under_test.verify()
