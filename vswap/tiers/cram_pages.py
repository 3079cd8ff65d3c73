# SPDX-License-Identifier: MIT
"""The pages of one CRAM device, from free to in use and back (docs/vswap/tiers.md, "CRAM tier").

free --take--> in use --release--> awaiting trim --trim--> free <--> balloon
"""

from __future__ import annotations

from collections import deque

from driver import CramDevice, CramError, DeviceLost, PageState, Provider, TrimAnswer
from hw.clock import Clock
from hw.link import ZERO_PAGE
from vswap.base.counters import Counters
from vswap.slots.reverse import ReverseMap

TRIM_ROUNDS = 8
_TRIM_PAUSE = 1_000  # ns before pages whose trim is to be tried again are


async def sectors_in_use(device: CramDevice) -> int:
    """Sectors of the media that are neither free nor retired (docs/device/pressure.md, "Bad sectors"): those that pages
    have, and those that nobody has any more."""
    capacity = await device.capacity()
    return capacity.total_sectors - capacity.free_sectors - (await device.counters()).sectors_retired


class DevicePages:
    """The books of one device, begun when it is empty; a tier that gets another device begins new ones.

    Attributes:
        device: the driver's device; `provider` is what it owes a provider of memory.
        owners: the pages in use, with the slot of each.
        free: pages to be handed out next.
        awaiting_trim: pages that were given up, in use again only after their trim.
        fenced: pages that the device refuses stores to.
        zeroed: pages that are free, but resident as zeros because their trim failed.
        balloon: pages kept out of use, `balloon_target` of them as far as there are free ones.
        freed_lately: pages given up since the nominations were taken last.
        lost: the device is gone.
    """

    def __init__(self, clock: Clock, counters: Counters, device: CramDevice) -> None:
        pages = device.geometry.perceived_pages
        self.device = device
        self.provider = Provider(device)
        self.owners = ReverseMap(pages)
        self.free: deque[int] = deque(range(pages))
        self.awaiting_trim: list[int] = []
        self.zeroed: set[int] = set()
        self.fenced: set[int] = set()
        self.balloon: list[int] = []
        self.balloon_target = 0
        self.freed_lately: set[int] = set()
        self.lost: DeviceLost | None = None
        self._clock = clock
        self._counters = counters

    def take(self) -> int:
        """A free page, for a store. Raises IndexError without one."""
        page = self.free.popleft()
        self.zeroed.discard(page)
        return page

    def release(self, page: int) -> None:
        """Give a page in use up. Raises KeyError for another."""
        del self.owners[page]
        self.freed_lately.add(page)
        if self.lost is None:
            self.awaiting_trim.append(page)

    def lose(self, error: DeviceLost) -> None:
        """The device is gone: there is nothing to hand out, and nothing to trim."""
        self.lost = error
        self.free.clear()
        self.awaiting_trim.clear()
        self.balloon.clear()

    # Balloon

    @property
    def balloon_lacks(self) -> int:
        """Pages that the balloon still has to take."""
        return max(0, self.balloon_target - len(self.balloon)) if self.lost is None else 0

    def fill_balloon(self) -> None:
        """Bring the balloon as near to its target as free pages allow."""
        while len(self.balloon) < self.balloon_target and self.free:
            self.balloon.append(self.free.pop())
        while len(self.balloon) > self.balloon_target:
            self.free.append(self.balloon.pop())

    # Trims

    async def trim_awaiting(self) -> None:
        """Trim what awaits it now; what joins it meanwhile is left. Raises DeviceLost."""
        batch, self.awaiting_trim = self.awaiting_trim, []
        try:
            await self.trim(batch)
        except BaseException:
            if self.lost is None:
                self.awaiting_trim += batch
            raise
        self.fenced.difference_update(batch)  # a trim clears them
        self.free.extend(batch)
        self.fill_balloon()

    async def trim(self, pages: list[int]) -> None:
        """Trim pages: those that the provider asks for are tried again, a few times; what is left is zeroed by a store,
        which takes no sectors either."""
        left, busy = pages, list[int]()
        for attempt in range(TRIM_ROUNDS):
            if attempt:
                self._counters.trim_retries += 1
                await self._clock.sleep(_TRIM_PAUSE)
            answers = dict(zip(left, await self.provider.trim(left), strict=True))
            self._counters.trimmed += sum(answer is TrimAnswer.DONE for answer in answers.values())
            busy += [page for page, answer in answers.items() if answer is TrimAnswer.BUSY]
            left = [page for page, answer in answers.items() if answer is TrimAnswer.AGAIN]
            if not left:
                break
        for page in busy + left:
            await self._zero(page)

    async def _zero(self, page: int) -> None:
        self._counters.trim_fallbacks += 1
        try:
            if page in self.fenced:
                await self.device.unfence([page])
            await self.device.store(page, ZERO_PAGE)
            self.zeroed.add(page)
        except DeviceLost:
            raise
        except CramError:
            pass  # poison takes no sectors; a later store on the page fails and it comes by here again

    # Books

    async def audit(self) -> list[str]:
        """Compare these books with the device's, at quiescence and with nothing to trim: a sentence for each
        difference."""
        capacity = await self.device.capacity()
        findings: list[str] = []
        lost = sectors = 0
        for page in self.owners:
            info = await self.device.page_state(page)
            lost += not info.state.resident
            sectors += -(-info.length // capacity.sector_bytes)
            if info.state == PageState.FREE:
                findings.append(f"device page {page} is in use here and free on the device")
            if info.fenced != (page in self.fenced and info.state != PageState.POISON):  # poison has no fence
                findings.append(f"device page {page} is {'' if info.fenced else 'not '}fenced on the device")
        expected = len(self.owners) + len(self.zeroed) - lost
        if capacity.resident_pages != expected:
            findings.append(f"the device holds {capacity.resident_pages} pages, we know of {expected}")
        in_use = await sectors_in_use(self.device)
        if in_use != sectors:
            findings.append(f"{in_use} sectors in use, the pages we own take {sectors}")
        return findings
