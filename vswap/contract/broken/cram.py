# SPDX-License-Identifier: MIT
"""Broken drivers of a compressed-RAM device."""

from __future__ import annotations

from driver import CramDevice, CramError
from hw.link import PAGE_BYTES
from vswap.contract import backends
from vswap.contract.broken.registry import tier
from vswap.tiers.base import Full, Gone, Poisoned
from vswap.tiers.cram import CramTier
from vswap.tiers.cram_pages import DevicePages


@tier(backends.cram)
class CramAdmissionAfterClose(CramTier):
    """The gate is looked at only when the device is full."""

    async def store(self, data: bytes, slot: int) -> int:
        closed, self.no_alloc = self.no_alloc, False
        try:
            return await super().store(data, slot)
        finally:
            self.no_alloc = closed


@tier(backends.cram)
class CramGateAsAStoreFoundIt(CramTier):
    """A store that ends puts the gate back as it was when it began: a gate that was closed meanwhile is open again."""

    async def store(self, data: bytes, slot: int) -> int:
        found = self.no_alloc
        try:
            return await super().store(data, slot)
        finally:
            self.no_alloc = found


@tier(backends.cram)
class CramPageReusedBeforeItsTrim(CramTier):
    """A freed page is handed out again while its trim is still to come, and the trim then hits the new page."""

    def free(self, handle: int) -> None:
        super().free(handle)
        self.inventory.free.appendleft(handle)


@tier(backends.cram)
class CramNeverTrimmed(CramTier):
    """Freed pages are used again without a trim; the media they took stays in use."""

    def free(self, handle: int) -> None:
        del self.inventory.owners[handle]
        self.inventory.free.append(handle)


class _OnePageTooMany(DevicePages):
    async def trim(self, pages: list[int]) -> None:
        await super().trim([*pages, *(page + 1 for page in pages if page + 1 in self.owners)])


@tier(backends.cram)
class CramTrimOfALivePage(CramTier):
    """The range of a trim is one page too long."""

    books = _OnePageTooMany


@tier(backends.cram)
class CramPoisonDropped(CramTier):
    """A poisoned page reads as zeros."""

    async def load(self, handle: int) -> bytes:
        try:
            return await self.inventory.device.load(handle)
        except CramError:
            return bytes(PAGE_BYTES)


@tier(backends.cram)
class CramLossHidden(CramTier):
    """A device that is gone is taken for a bad page."""

    async def store(self, data: bytes, slot: int) -> int:
        try:
            return await super().store(data, slot)
        except (CramError, Gone) as error:
            raise Full("no room") from error


@tier(backends.cram)
class CramFailedTrimForgotten(CramTier):
    """Pages whose trim failed are used no more."""

    async def flush(self) -> None:
        inventory = self.inventory
        while inventory.awaiting_trim:
            batch, inventory.awaiting_trim = inventory.awaiting_trim, []
            try:
                await inventory.device.trim(batch)
            except CramError:
                continue
            inventory.free.extend(batch)


@tier(backends.cram)
class CramRefusalTakenForALoss(CramTier):
    """A store that the device had no sectors for is reported as a lost page."""

    async def store(self, data: bytes, slot: int) -> int:
        refused = self._counters.cram_full
        try:
            return await super().store(data, slot)
        except Full as error:
            if self._counters.cram_full > refused:
                raise Poisoned("the page is lost") from error
            raise


class _NeverAgain(DevicePages):
    async def trim(self, pages: list[int]) -> None:
        await self.provider.trim(pages)


@tier(backends.cram)
class CramTrimOfABusyDeviceTakenForDone(CramTier):
    """A trim that is to be tried again is not: the page is used again with its old data and media."""

    books = _NeverAgain


class _HalfABalloon(DevicePages):
    def fill_balloon(self) -> None:
        wanted, self.balloon_target = self.balloon_target, min(self.balloon_target, len(self.free) // 2)
        super().fill_balloon()
        self.balloon_target = wanted


@tier(backends.cram)
class CramBalloonGivenOut(CramTier):
    """Pages that were freed while the balloon still lacks some are used again, beyond what the provider can back."""

    books = _HalfABalloon


@tier(backends.cram)
class CramStaleNominationBelieved(CramTier):
    """A page is promoted because of what was on its device page before."""

    def free(self, handle: int) -> None:
        super().free(handle)
        self.inventory.freed_lately.clear()


@tier(backends.cram)
class CramPagesOfTheDeviceBefore(CramTier):
    """Pages that were freed after their device was removed are trimmed on, and taken for free ones of, the next."""

    def free(self, handle: int) -> None:
        super().free(handle)
        if self.gone is not None:
            self._left = [*getattr(self, "_left", []), handle]

    async def attach(self, device: CramDevice) -> None:
        await super().attach(device)
        self.inventory.free.extendleft(getattr(self, "_left", []))
