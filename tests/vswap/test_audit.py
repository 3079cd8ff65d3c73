# SPDX-License-Identifier: MIT
"""The audit at rest: each sector of the device is free, a page's, or retired; any other one is lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from driver import Counters
from hw.links.model_store import SectorAllocator
from tests.pages import compressible_page, noise_page
from tests.vswap.tb import TB, machine
from vswap import AddressSpace, InvariantViolation, SigBus
from vswap.tiers.cram_pages import sectors_in_use

UNWRITABLE = {0, 1, 20, 33}


async def on_the_device(tb: TB) -> AddressSpace:
    """A task with pages of one sector and raw ones on the device, all of them closed."""
    space = tb.space()
    for vpn in range(6):
        await space.write(vpn, (compressible_page if vpn % 2 else noise_page)(vpn))
        assert await tb.pageout(space, vpn)
    await tb.device.flush()
    await tb.settle()
    return space


async def retired(tb: TB) -> int:
    return (await tb.device.counters()).sectors_retired


@machine(order=("cram", "swapfile"))
async def test_sectors_that_could_not_be_written_are_not_lost(tb: TB) -> None:
    tb.link.fail_sectors(UNWRITABLE)
    space = await on_the_device(tb)
    assert await retired(tb) == len(UNWRITABLE)
    await tb.system.audit()
    await space.exit()
    await tb.settle()
    await tb.system.audit()
    assert await sectors_in_use(tb.device) == 0, "the rest came back"
    assert await tb.device.free_sectors() == tb.device.geometry.media_sectors - len(UNWRITABLE)


@machine(order=("cram", "swapfile"))
async def test_the_sector_of_a_page_that_could_not_be_read_is_not_lost(tb: TB) -> None:
    space = await on_the_device(tb)
    for page in range(200, 204):  # others, so that the page cache has none of the task's
        await tb.device.store(page, noise_page(page))
    await tb.device.trim(range(200, 204))
    tb.link.flip(tb.cram_folio(space, 1).page, beat=0, bits=2)
    with pytest.raises(SigBus):
        await space.read(1)
    await tb.settle()
    assert await retired(tb) == 1
    await tb.system.audit()


def forgets_one(release: Callable[[SectorAllocator, Sequence[int]], None]) -> Callable[..., None]:
    """A device that loses the first sector of a chain that comes back."""

    def lossy(self: SectorAllocator, chain: Sequence[int]) -> None:
        release(self, chain[1:])

    return lossy


@pytest.mark.parametrize("failing", [set(), UNWRITABLE], ids=["sound media", "with retired sectors"])
async def test_a_sector_that_the_device_loses_is_found(
    tb: TB, monkeypatch: pytest.MonkeyPatch, failing: set[int]
) -> None:
    tb.link.fail_sectors(failing)
    space = await on_the_device(tb)
    await tb.system.audit()
    tb.leaks_expected = True
    with monkeypatch.context() as patch:
        patch.setattr(SectorAllocator, "release", forgets_one(SectorAllocator.release))
        await space.unmap(1)
        await tb.settle()
        await tb.system.writeback.reap_and_trim()
    with pytest.raises(InvariantViolation, match=r"51 sectors in use, the pages we own take 50"):
        await tb.system.audit()


async def test_a_retired_sector_that_is_free_again_is_found(tb: TB, monkeypatch: pytest.MonkeyPatch) -> None:
    await on_the_device(tb)
    await tb.system.audit()
    tb.leaks_expected = True
    counters = tb.device.counters

    async def one_more() -> Counters:
        return replace(await counters(), sectors_retired=1)

    monkeypatch.setattr(tb.device, "counters", one_more)
    with pytest.raises(InvariantViolation, match=r"50 sectors in use, the pages we own take 51"):
        await tb.system.audit()
