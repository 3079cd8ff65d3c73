# SPDX-License-Identifier: MIT
"""errors: trouble is said, concerns one page, and ends."""

from __future__ import annotations

import zlib
from typing import Protocol, runtime_checkable

import lz4.block

from driver import CramDevice, DeviceLost, PageFenced
from vswap.contract.bench import Bench, Factory, TroubledDevice
from vswap.contract.checks.tools import expect, fails, subject
from vswap.contract.pages import compressible_page, program_pages
from vswap.contract.registry import NotApplicable, check
from vswap.tiers.base import Full, Gone, IoError, Poisoned
from vswap.tiers.cram_pages import sectors_in_use
from vswap.tiers.lz4block import Block, BlockTier


@runtime_checkable
class Node(Protocol):
    """A backend on a device that can be removed and given again."""

    async def attach(self, device: CramDevice) -> None:
        """Serve this empty device from now on."""


@runtime_checkable
class Fencing(Protocol):
    """A backend on a device that may refuse stores to its pages."""

    fences: bool


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


@check("errors.fence", "A device that fences its pages refuses a store past the layer, and the page is whole.")
async def fence(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    if not (isinstance(under_test.tier, Fencing) and under_test.tier.fences):
        raise NotApplicable("no fences")
    stored, other = program_pages()[5:7]
    handle = await under_test.must_store(stored)
    expect(await fails(bench.device.store(handle, other), PageFenced), "a page that has no fence was stored to")
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


@check("errors.device-lost", "The loss of the whole device is reported as such, not as one page's error.")
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


@check("errors.damaged-block", "A block that is not the page of its CRC is an error, at once or when read.")
async def damaged_block(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    tier = under_test.tier
    if not isinstance(tier, BlockTier):
        raise NotApplicable("no store_block")
    page, other = compressible_page(1), compressible_page(2)
    block = Block(lz4.block.compress(other, store_size=False), zlib.crc32(page))
    try:
        handle = await tier.store_block(block, 1)
    except IoError:
        under_test.check_books()
        return
    expect(await fails(tier.load(handle), IoError, Poisoned), "a block was believed against its CRC")


@check("errors.busy-trim", "A trim that the device wants tried again is, or is made good: no media is lost.")
async def busy_trim(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    page = await under_test.taken()
    if not bench.device.used:
        raise NotApplicable("it does not use the device")
    for times in (1, 3, 100):
        for _ in range(10):
            await under_test.must_store(page)
        bench.device.busy_trims = times
        await under_test.empty()
        bench.device.busy_trims = 0
        await bench.device.settle()
        expect(not await sectors_in_use(bench.device), f"after {times} busy answers media is still in use")
        under_test.check_books()


@check("errors.removal", "After a removal every page can be freed, and the next device starts empty.")
async def removal(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    tier = under_test.tier
    if not isinstance(tier, Node):
        raise NotApplicable("no attach")
    for number in range(6):
        await under_test.must_store(compressible_page(number))
    await tier.flush()
    link = bench.device.link
    await link.reset()
    for handle in under_test.pages:
        expect(await fails(tier.load(handle), Gone), "a page of a device that was reset is said to be there")
    await under_test.empty()
    expect(await fails(tier.store(compressible_page(1), 1), Gone), "a device that is gone takes a page")
    under_test.check_books()
    device = await TroubledDevice.probe(link)
    assert isinstance(device, TroubledDevice)
    device.lost = set()
    await tier.attach(device)
    await under_test.fill(100)
    under_test.check_books()
    await under_test.verify()
    await under_test.empty()
    await device.settle()
    expect(not await sectors_in_use(device), "media is in use with nothing held")
