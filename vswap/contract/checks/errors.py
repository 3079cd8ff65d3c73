"""errors: trouble is said, concerns one page, and ends."""

from __future__ import annotations

from driver import DeviceLost
from vswap.contract.bench import Bench, Factory
from vswap.contract.checks.tools import expect, fails, subject
from vswap.contract.pages import program_pages
from vswap.contract.suite import NotApplicable, check
from vswap.tiers.base import Full, Gone, IoError, Poisoned


@check(
    "errors.damaged-page", "A page that the medium has lost is an error, never other bytes; its neighbours are whole."
)
async def damaged_page(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    if under_test.backend.damage is None:
        raise NotApplicable("no damage")
    page = program_pages()[5]
    handles = [await under_test.must_store(page) for _ in range(3)]
    under_test.backend.damage(handles[1])
    for _ in range(2):
        expect(
            await fails(under_test.tier.load(handles[1]), IoError, Poisoned),
            "a page that was lost came back as if well",
        )
    under_test.check_books()
    under_test.free(handles[1])
    await under_test.tier.flush()
    await under_test.verify()
    for _ in range(12):
        await under_test.must_store(page)
    await under_test.verify()


@check("errors.failed-write", "A write that fails is an error and keeps nothing; the place is not lost.")
async def failed_write(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    if under_test.backend.break_writes is None:
        raise NotApplicable("no break_writes")
    page = await under_test.taken()
    await under_test.must_store(page)
    under_test.backend.break_writes(True)
    capacity = under_test.tier.usage().capacity or 100
    for _ in range(capacity + 1):
        expect(await fails(under_test.tier.store(page, 5), IoError), "a write that failed is reported as done")
        under_test.check_books()
    await under_test.verify()
    under_test.backend.break_writes(False)
    await under_test.must_store(page)
    await under_test.verify()


@check("errors.device-lost", "The loss of the whole device is told as such, not as one page's trouble, and not hidden.")
async def device_lost(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    page = await under_test.taken()
    handle = await under_test.must_store(page)
    if not bench.device.used:
        raise NotApplicable("it does not use the device")
    bench.device.gone = True
    expect(await fails(under_test.tier.load(handle), DeviceLost, Gone), "a load from a device that is gone")
    expect(await fails(under_test.tier.store(page, 9), DeviceLost, Gone), "a store to a device that is gone")
    under_test.free(handle)
    await under_test.tier.flush()
    expect(not under_test.tier.usage().pages, "a page of a device that is gone cannot be freed")


@check("errors.failed-trim", "A trim that fails is made good: the page holds no old data when it is used again.")
async def failed_trim(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    page = await under_test.taken()
    if not bench.device.used:
        raise NotApplicable("it does not use the device")
    for _ in range(4):  # more pages than the device has: none may be lost to a failed trim
        for _ in range(20):
            await under_test.must_store(page)
        await under_test.verify()
        bench.device.refuse_trims = True
        await under_test.empty()
        bench.device.refuse_trims = False
        under_test.check_books()


@check(
    "errors.exhaustion", "A medium that runs out costs no page: the store is refused, residents stay whole.", seeds=2
)
async def exhaustion(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    await under_test.taken()
    if not bench.device.used:
        raise NotApplicable("it does not use the device")
    for number in range(40):
        page = bench.rng.randbytes(4096)
        try:
            handle = await under_test.tier.store(page, number + 1)
        except Full:
            continue
        under_test.pages[handle], under_test.owners[handle] = page, number + 1
    await under_test.verify()
    under_test.check_books()
    await under_test.empty()
