# SPDX-License-Identifier: MIT
"""Errors: a page that cannot be read fails its own access and nothing else; a device that is gone fails everything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from driver import DeviceTimeout, MailboxError
from tests.pages import ZERO_PAGE, compressible_page, noise_page
from tests.vswap.tb import TB, machine
from vswap import SigBus
from vswap.base.backing import BackingType
from vswap.tiers.base import IoError
from vswap.tiers.swapfile import SwapfileTier

GOOD, BAD = noise_page(1), noise_page(2)


async def damaged(tb: TB) -> None:
    """Two pages on the device, the second one's media damaged, neither in the device's page cache."""
    for vpn, name in enumerate(("good", "bad")):
        await tb.swapped_out((GOOD, BAD)[vpn], name)
    for page in range(200, 210):
        await tb.device.store(page, ZERO_PAGE)
    await tb.device.trim(range(200, 210))
    tb.link.damage(tb.cram_folio(tb.system.spaces[1], 0).page, 100)


@pytest.mark.parametrize("write", [False, True], ids=["read", "write"])
async def test_poison_is_sigbus_for_that_access_alone(tb: TB, write: bool) -> None:
    await damaged(tb)
    good, bad = tb.system.spaces
    for _ in range(2):
        with pytest.raises(SigBus) as caught:
            await (bad.write(0, GOOD) if write else bad.read(0))
        assert (caught.value.space, caught.value.vpn) == ("bad", 0)
    assert await good.read(0) == GOOD
    assert (tb.system.counters.sigbus, tb.system.counters.cram_poisoned) == (2, 2)
    tb.system.invariants(quiescent=True)


async def test_a_poisoned_page_can_be_unmapped_and_its_device_page_is_used_again(tb: TB) -> None:
    await damaged(tb)
    good, bad = tb.system.spaces
    with pytest.raises(SigBus):
        await bad.read(0)
    await bad.unmap(0)
    assert await bad.read(0) == ZERO_PAGE
    await tb.settle()
    for vpn in range(1, 10):
        await bad.write(vpn, compressible_page(vpn))
        await bad.pageout(vpn)
        assert await bad.read(vpn) == compressible_page(vpn)
    assert await good.read(0) == GOOD


async def test_writeback_leaves_a_poisoned_page_and_goes_on_with_the_others(tb: TB) -> None:
    await damaged(tb)
    good, bad = tb.system.spaces
    assert await tb.system.writeback.write_back_cram(2) == 1
    assert tb.backing(good, 0).type is BackingType.SWAPFILE
    assert tb.backing(bad, 0).type is BackingType.CRAM and tb.cram_folio(bad, 0).poisoned
    with pytest.raises(SigBus):
        await bad.read(0)


@machine(order=("swapfile",))
async def test_a_failed_swapfile_read_is_sigbus_and_the_page_is_still_there_afterwards(tb: TB) -> None:
    space, other = await tb.swapped_out(GOOD), await tb.swapped_out(BAD, "other")
    place = tb.backing(space, 0).handle
    (swapfile,) = tb.machine.tiers.devices
    assert isinstance(swapfile, SwapfileTier)
    read = swapfile.read_place

    def fail(wanted: int) -> bytes:
        if wanted == place:
            raise OSError(5, "Input/output error")
        return read(wanted)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(swapfile, "read_place", fail)
        for access in (space.read(0), space.write(0, BAD)):
            with pytest.raises(SigBus):
                await access
        assert await other.read(0) == BAD
        tb.system.invariants(quiescent=True)
    assert await space.read(0) == GOOD


@machine(order=("zswap",))
async def test_a_damaged_zswap_entry_is_sigbus(tb: TB) -> None:
    space = await tb.swapped_out(compressible_page(1))
    assert tb.machine.tiers.zswap is not None
    tb.machine.tiers.zswap.entries[tb.backing(space, 0).handle].block = b"\xff\xff"
    with pytest.raises(SigBus):
        await space.read(0)
    tb.system.invariants(quiescent=True)


async def test_a_page_whose_trim_fails_is_zeroed_and_used_again(tb: TB) -> None:
    space = await tb.swapped_out(GOOD)
    with pytest.MonkeyPatch.context() as patch:

        async def refuse(pages: object) -> None:
            raise MailboxError(2, 0x4402)

        trim: Callable[[object], Awaitable[None]] = refuse
        patch.setattr(tb.device, "trim", trim)
        await space.exit()
        await tb.settle()
        assert tb.system.counters.trim_fallbacks == 1
        assert await tb.device.free_sectors() == tb.device.geometry.media_sectors
    for vpn in range(20):
        other = await tb.swapped_out(compressible_page(vpn), f"other{vpn}")
        assert await other.read(0) == compressible_page(vpn)


async def test_what_ends_a_background_task_ends_every_access_and_the_shutdown(tb: TB) -> None:
    tb.leaks_expected = True
    space = await tb.swapped_out(GOOD)

    async def broken() -> None:
        raise RuntimeError("broken on purpose")

    tb.system.spawn("broken", broken, broken)
    await tb.clock.sleep(1)
    with pytest.raises(RuntimeError, match="on purpose"):
        await space.read(0)
    with pytest.raises(RuntimeError, match="on purpose"):
        await tb.system.shutdown()


async def test_a_removed_device_costs_its_own_pages_and_nothing_else(tb: TB) -> None:
    space = await tb.swapped_out(GOOD)
    await space.write(1, BAD)
    await tb.link.close()
    await tb.clock.sleep(1_000_000)
    with pytest.raises(SigBus):
        await space.read(0)
    assert await space.read(1) == BAD
    tb.device_gone = True


@pytest.mark.parametrize("write", [False, True], ids=["read", "write"])
@machine(rtl=True)
async def test_a_device_that_does_not_answer_in_time_is_sigbus_for_that_access_and_the_page_is_still_there(
    tb: TB, write: bool
) -> None:
    space, other = await tb.swapped_out(GOOD), await tb.swapped_out(BAD, "other")
    page, load = tb.cram_folio(space, 0).page, tb.device.load

    async def late(wanted: int) -> bytes:
        if wanted == page:
            raise DeviceTimeout("on purpose")
        return await load(wanted)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tb.device, "load", late)
        with pytest.raises(SigBus):
            await (space.write(0, BAD) if write else space.read(0))
        assert await other.read(0) == BAD
        assert not await tb.system.writeback.write_back_folio(tb.cram_folio(space, 0))
    tb.system.invariants(quiescent=True)
    assert await space.read(0) == GOOD


@pytest.mark.parametrize("name", ["cram", "zswap", "zram", "swapfile"])
@pytest.mark.parametrize("failing", ["store", "load"])
@machine(order=("cram", "zswap", "zram", "swapfile"))
async def test_an_error_of_any_tier_costs_one_access_and_no_page(tb: TB, name: str, failing: str) -> None:
    """A store that fails goes to the next tier or leaves the page in memory, a load that fails is SIGBUS, once."""
    names = ("cram", "zswap", "zram", "swapfile")
    tb.machine.tiers.offline |= {tb.system.tier(other) for other in names if other != name}

    async def fail(*_: object) -> bytes:
        raise IoError("on purpose")

    data = compressible_page(3)
    if failing == "store":
        space = tb.space()
        await space.write(0, data)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tb.system.tier(name), "write" if name == "swapfile" else "store", fail)
            assert not await tb.pageout(space, 0)
            assert await space.read(0) == data
        assert tb.system.counters.swapout_failed == 1
    else:
        space = await tb.swapped_out(data)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tb.system.tier(name), "load", fail)
            with pytest.raises(SigBus):
                await space.read(0)
            tb.system.invariants(quiescent=True)
    assert await space.read(0) == data


@machine(order=("cram", "swapfile"), cram_fence=True)
async def test_a_fence_goes_with_the_page_that_turns_to_poison(tb: TB) -> None:
    await damaged(tb)
    with pytest.raises(SigBus):
        await tb.system.spaces[1].read(0)
    await tb.settle()
    await tb.system.audit()
