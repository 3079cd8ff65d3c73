# SPDX-License-Identifier: MIT
"""accounting: the figures are right, on both sides."""

from __future__ import annotations

from hw.link import PAGE_BYTES
from vswap.base.backing import PHYSICAL, BackingType
from vswap.contract.bench import Bench, Factory
from vswap.contract.checks.tools import Subject, expect, kinds, subject
from vswap.contract.pages import SAME_PAGE
from vswap.contract.registry import NotApplicable, check
from vswap.tiers.cram_pages import sectors_in_use

_STORES = {BackingType.ZERO: "swpout_zero", BackingType.ZSWAP: "zswpout", BackingType.CRAM: "stores"}


def _stores(under_test: Subject) -> int:
    kind = under_test.tier.type
    name = "pswpout" if kind in PHYSICAL else _STORES[kind]
    return int(getattr(under_test.bench.counters, name))


@check(
    "accounting.stores", "The kernel's counter of pages taken counts each once, and no page that was refused.", seeds=2
)
async def stores(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    if under_test.tier.type is BackingType.OTHER:
        raise NotApplicable("no kernel counter for this type")
    for page in kinds(bench.rng.randrange(100)).values():
        before = _stores(under_test)
        handle = await under_test.store(page)
        expect(_stores(under_test) - before == (handle is not None), "a store is miscounted")
    before = _stores(under_test)
    await under_test.verify()
    expect(_stores(under_test) == before, "a load was counted as a store")


@check("accounting.same-filled", "A same-filled page takes nothing from a compressed pool.")
async def same_filled(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    if not hasattr(under_test.tier, "pool_pages"):
        raise NotApplicable("no pool")
    for _ in range(20):
        await under_test.store(SAME_PAGE)
    expect(under_test.tier.pool_pages == 0, "same-filled pages take frames")
    await under_test.verify()


@check("accounting.media", "When all pages are freed and the late work is done, the device's own books show it empty.")
async def media(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    await under_test.fill(30)
    if not bench.device.used:
        raise NotApplicable("it does not use the device")
    for handle in list(under_test.pages)[::2]:
        under_test.free(handle)
    await under_test.empty()
    await bench.device.settle()
    in_use = await sectors_in_use(bench.device)
    expect(not in_use, f"{in_use} sectors are in use, nothing is held")


@check("accounting.resident", "What the device holds is what the backend says it holds: each page used is one stored.")
async def resident(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    await under_test.taken()
    if not bench.device.used:
        raise NotApplicable("it does not use the device")
    for _ in range(10):
        await under_test.must_store()
    for handle in list(under_test.pages)[:5]:
        under_test.free(handle)
    await under_test.tier.flush()
    await bench.device.settle()
    held = (await bench.device.capacity()).resident_pages
    expect(held == under_test.tier.usage().pages, f"the device holds {held} pages, not {len(under_test.pages)}")


@check("accounting.header", "A file that the backend keeps begins as it did: the swap header is never overwritten.")
async def header(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    files = {path: path.read_bytes()[:PAGE_BYTES] for path in bench.folder.rglob("*") if path.is_file()}
    if not files:
        raise NotApplicable("it keeps no file")
    await under_test.fill(200)
    await under_test.empty()
    await under_test.fill(200)
    for path, start in files.items():
        expect(path.read_bytes()[:PAGE_BYTES] == start, f"the first page of {path.name} has changed")


@check("accounting.close", "Closing and flushing twice is harmless.")
async def close(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    await under_test.must_store()
    await under_test.tier.flush()
    await under_test.tier.flush()
    await under_test.empty()
    under_test.tier.close()
    under_test.tier.close()
