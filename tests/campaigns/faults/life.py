# SPDX-License-Identifier: MIT
"""Life: one device from its power-on, and one fault after the other, each judged by itself.

An episode is a stretch of the workload with one fault at a random cycle of it; then the device is asked for every page.
What the episode says of its fault:

    wrong            a read was answered OKAY with bytes that nobody wrote there
    hangs            an access, a command or the end of all work did not come
    lost_with_copy   a page was lost, or stayed refused, that this fault had not taken the only copy of
    outcome          corrected, refused, poisoned or none: the worst that the host saw
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Any

from driver import CramDevice, CramError, PageState
from hw.link import LinkError
from hw.parameters import DeviceParameters
from hw.registers import Register
from hw.virtual_time import Deadlock, VirtualClock
from sim.trace.file import Trace
from tests.campaigns.faults.injector import Injector
from tests.campaigns.faults.kinds import FORGETS, KINDS, SILENT, UNHURT, Fault, Kind
from tests.campaigns.faults.workload import Workload, WrongBytesError

PARAMETERS = DeviceParameters(perceived_pages=64, media_bytes=256 << 10, cache_pages=4)
PAGES = 28  # of the device that the workload uses: all raw, they need 112 KiB
EPISODES = 20  # of a life
TIME_LIMIT = 2_000  # cycles: MEDIA_TIME_LIMIT
PATIENCE_NS = 1_000_000  # nothing takes so long but a hang
_ACCESSES = 12  # of each task in an episode
_EPISODE_NS = 12_000  # within which the fault comes
_TRIES = 3  # for a page that is refused and not poison
_LATER_NS = 4 * TIME_LIMIT  # between them: what the media still owes has come
_WORN = 200  # free sectors below which a device is given up: the pages that are stored may grow to raw ones


class Outcome(StrEnum):
    """What the host saw of a fault, the mildest first."""

    NONE = "none"
    CORRECTED = "corrected"
    REFUSED = "refused"
    POISONED = "poisoned"


@dataclass
class Verdict:
    """What came of one fault.

    Attributes:
        kind, fault: its kind; what was done, in words.
        seed, episode: which life, and which episode of it.
        outcome: the worst that the host saw; None where the device hung or lied.
        wrong, hang, lost: in words, where it went wrong; `lost`: pages with another copy.
    """

    kind: str
    seed: int
    episode: int
    fault: str = "it came too late"
    outcome: Outcome | None = None
    wrong: str = ""
    hang: str = ""
    lost: list[str] = field(default_factory=list)

    @property
    def held(self) -> bool:
        """The device kept its promises."""
        return not (self.wrong or self.hang or self.lost)


class Life:
    """A device and its faults; the same for the same seed and kinds.

    Args:
        seed: of everything that is drawn.
        kinds: names of KINDS to draw from; all by default.
    """

    def __init__(self, trace: Trace, seed: int, kinds: list[str] | None = None) -> None:
        self._random = random = Random(f"faults {seed}")
        self._seed = seed
        self._kinds = kinds or list(KINDS)
        self._clock = VirtualClock(seed)
        self._injector = Injector(self._clock, PARAMETERS, seed, PATIENCE_NS, random)
        self._workload = Workload(trace, PAGES, random)
        self._sectors_owed = 0  # that links flipped by now may still take out of use

    def run(self, episodes: int = EPISODES) -> list[Verdict]:
        """So many faults, or fewer if the device wears out, hangs or lies."""
        try:
            return self._episodes(episodes)
        finally:
            self._clock.run_until(self._injector.link.close())

    def _episodes(self, episodes: int) -> list[Verdict]:
        verdicts: list[Verdict] = []
        self._clock.run_until(self._start())
        for number in range(episodes):
            verdict = Verdict(self._random.choice(self._kinds), self._seed, number)
            verdicts.append(verdict)
            try:
                self._clock.run_until(self._episode(verdict))
                worn = self._clock.run_until(self._worn())
            except WrongBytesError as error:
                verdict.wrong = str(error)
            except (Deadlock, LinkError, CramError) as error:
                verdict.hang = f"{type(error).__name__}: {error}"
            if not verdict.held or worn:
                break
        return verdicts

    async def _start(self) -> None:
        self._device = await CramDevice.probe(self._injector.link)
        await self._injector.link.write_registers(Register.MEDIA_TIME_LIMIT, [TIME_LIMIT])

    async def _worn(self) -> bool:
        return await self._device.free_sectors() < _WORN

    async def _episode(self, verdict: Verdict) -> None:
        workload, link, device = self._workload, self._injector.link, self._device
        workload.begin()
        before = await device.counters()
        out_of_use = await self._out_of_use()
        tasks: list[Coroutine[Any, Any, None]] = [
            workload.write(link, _ACCESSES), workload.read(link, _ACCESSES), workload.command(device, _ACCESSES // 4),
        ]  # fmt: skip
        fault = await self._with_fault(KINDS[verdict.kind], tasks, verdict)
        self._sectors_owed += fault.sectors_at_most
        if KINDS[verdict.kind] in FORGETS:
            await self._restart()
            self._sectors_owed = 0
            verdict.outcome = Outcome.REFUSED
            return
        if not fault.lasts:
            self._injector.mend()
        lost = await self._ask_for_all(verdict)
        self._injector.mend()
        if KINDS[verdict.kind] in SILENT:
            await self._injector.link.reset_media()
            await device.settle()  # sectors come back that the media might still have written
        for page in lost:
            if page not in fault.only_copies or fault.pages_at_most < len(lost):
                verdict.lost.append(f"page {page}: {await self._why(page)}")
        more = await self._out_of_use() - out_of_use
        if KINDS[verdict.kind] in UNHURT and more > self._sectors_owed:
            verdict.lost.append(f"{more} sectors are out of use, {self._sectors_owed} by bad links of earlier faults")
        self._sectors_owed = max(0, self._sectors_owed - more)
        corrected = (await device.counters()).bits_corrected != before.bits_corrected
        verdict.outcome = (
            Outcome.POISONED if lost else Outcome.REFUSED if workload.refused else
            Outcome.CORRECTED if corrected else Outcome.NONE
        )  # fmt: skip
        await device.trim(lost)
        for page in lost:
            workload.shadow.forget(page)

    async def _with_fault(self, kind: Kind, work: list[Coroutine[Any, Any, None]], verdict: Verdict) -> Fault:
        """Run the tasks to their end, with the fault at a random cycle meanwhile."""
        tasks = [self._clock.spawn(task, f"workload {number}") for number, task in enumerate(work)]
        await self._clock.sleep(self._random.randrange(_EPISODE_NS))
        if kind in FORGETS:  # the host's tasks end with the device's memory of them
            for task in tasks:
                task.cancel()
        fault: Fault = await kind(self._injector, set(self._workload.touched))
        verdict.fault = fault.what
        for task in tasks:
            with suppress(*(CancelledError, LinkError, CramError) if kind in FORGETS else ()):
                await task
        return fault

    async def _restart(self) -> None:
        """After a reset of the device: it has forgotten everything, and so does the host."""
        self._workload.shadow.clear()
        await self._start()
        for page in range(PAGES):
            if not await self._workload.check(self._injector.link, page):
                raise WrongBytesError(f"page {page} is refused after a reset")

    async def _ask_for_all(self, verdict: Verdict) -> list[int]:
        """Read every page; those that are lost. What is refused without being poison is asked for again."""
        workload, link, device = self._workload, self._injector.link, self._device
        lost: list[int] = []
        for page in [*range(PAGES)] * 2:  # the first time some of them may still be cached
            for _ in range(_TRIES):
                if page in lost or await workload.check(link, page):
                    break
                if (await device.page_state(page)).state is PageState.POISON:
                    lost.append(page)
                    break
                await self._make_room(page)
                await self._clock.sleep(_LATER_NS)
            else:
                verdict.lost.append(f"page {page} is not poison, and refused again and again")
        await self._make_room(0)
        await device.flush()
        await device.settle()
        return lost

    async def _out_of_use(self) -> int:
        """Sectors that are neither free nor in a stored page, while nothing is under way."""
        return self._injector.unstored() - await self._device.free_sectors()

    async def _make_room(self, page: int) -> None:
        """A device that has run out of sectors is given some, as its host would: pages but for this one are trimmed."""
        for other in [other for other in self._workload.shadow if other != page]:
            if (await self._device.capacity()).available_sectors >= PARAMETERS.raw_sectors:
                break
            await self._device.trim([other])
            self._workload.shadow.forget(other)

    async def _why(self, page: int) -> str:
        """The last events of a page that is lost."""
        events = [event.code.name for event in await self._device.events() if event.page == page]
        return f"poison, events {', '.join(events) or 'none'}"
