# SPDX-License-Identifier: MIT
"""Functional coverage of the device: page state x event x fullness, seen through the driver over any link.

`Monitor` performs events on a page and counts each under the state of page and media that it has *measured* before;
`Stage` brings both into the state that is wanted. What the axes' words mean is in docs/coverage.md.
"""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import lz4.block

from driver import CramDevice, PageInfo, PageState
from tests.campaigns.coverage.cross import Cross, Illegal
from tests.equivalence.rigs import attempt, block_content, comparable
from tests.pages import FORMS, compressible_page, noise_page

FORMED = {state.name.lower(): form(1) for state, form in FORMS.items()}
STATES = ("free", "open", *FORMED, "poison", "fenced")
EVENTS = (
    "load hit", "load miss", "line hit", "line miss", "store", "trim", "export", "import",
    "fence", "unfence", "inject", "clear", "flush", "evict",
)  # fmt: skip
MARKS = {"high": 175, "medium": 150, "low": 130, "critical": 100}  # available sectors, of 256
FULLNESS = ("plenty", *MARKS, "exhausted")
ILLEGAL = (
    Illegal("a dirty page is in the page cache", {"state": ("open",), "event": ("load miss", "line miss")}),
    Illegal(
        "a page that becomes poison loses its entry, and no access gives it one",
        {"state": ("poison",), "event": ("load hit", "line hit", "evict")},
    ),
    Illegal(
        "a device at rest has a clean entry, and that is the next victim", {"state": ("open",), "event": ("evict",)}
    ),
)

TARGET = 0  # the page that things happen to
FILLERS = range(8, 24)
UNUSED = range(32, 64)  # read to take entries of the cache
CONTENT = compressible_page(1)
LINE = bytes(range(64))


def page_cross() -> Cross:
    """An empty count of every page state x event x fullness."""
    return Cross({"state": STATES, "event": EVENTS, "fullness": FULLNESS}, ILLEGAL)


class Monitor:
    """Performs events and counts them under what was measured just before.

    Args:
        device: the driver of a device with 256 sectors of 256 bytes and 4 cache pages.
        cross: what is counted in.
    """

    def __init__(self, device: CramDevice, cross: Cross) -> None:
        self.device = device
        self.cross = cross

    async def page(self) -> tuple[str, bool]:
        """State of the target page, and whether it is in the cache."""
        info = await self.device.page_state(TARGET)
        state = "open" if info.dirty else "fenced" if info.fenced else info.state.name.lower()
        return state, info.cached

    async def fullness(self) -> str:
        """How full the media is."""
        capacity, pressure = await self.device.capacity(), await self.device.pressure()
        room = capacity.free_sectors - capacity.reserved_sectors
        if pressure.critical:
            return "critical"
        if room < 16:
            return "exhausted"
        return "low" if pressure.low else "medium" if pressure.medium else "high" if pressure.high else "plenty"

    async def happen(self, event: str) -> Any:
        """One event to the target page; returns what it came to, comparable between links."""
        (state, cached), fullness = await self.page(), await self.fullness()
        kind = event.partition(" ")[0]
        if kind in ("load", "line"):
            event = f"{kind} {'hit' if cached else 'miss'}"
        result = await attempt(_PERFORM[kind], self.device)
        await self.device.settle()
        after = await self.device.page_state(TARGET)
        if event == "evict":
            assert cached and not after.cached, "the page was not evicted"
        self.cross.sample(state, event, fullness)
        content = await attempt(lambda device: device.load(TARGET), self.device)
        capacity = await self.device.capacity()
        return _plain(result), comparable(after), after.fenced, content, capacity, await self.device.events()


class Stage:
    """Brings the target page and the media into a state."""

    def __init__(self, device: CramDevice) -> None:
        self.device = device

    async def set(self, state: str, event: str, fullness: str) -> None:
        """Make everything ready for `event`."""
        device = self.device
        await device.set_pressure_marks(0, 0, 0)
        await device.set_watermarks(0, 0)
        await device.flush()  # nothing is promised to the pages of the last event
        await device.trim([TARGET])
        for filler in FILLERS:  # room to make the target in; the media is filled up again behind it
            if await device.free_sectors() >= 120:
                break
            await device.trim([filler])
        await self._make(state)
        await self._fill(fullness, 16 if state == "open" else 0)
        await self._cache(state, event)
        if fullness != "exhausted":
            await device.set_pressure_marks(MARKS["high"], MARKS["medium"], MARKS["critical"])
            await device.set_watermarks(MARKS["low"], MARKS["low"])

    async def _make(self, state: str) -> None:
        content = FORMED.get(state, CONTENT)
        if state != "free":
            await self.device.store(TARGET, content)
            await self.device.settle()
        if state == "poison":
            await self.device.cxl.inject_poison(TARGET)
        if state == "fenced":
            await self.device.fence([TARGET])

    async def _fill(self, fullness: str, reserved: int) -> None:
        """Fill the media down to the lower end of `fullness`, and to as many sectors more as are to be reserved."""
        floors = {"plenty": 176, "high": 155, "medium": 132, "low": 105, "critical": 64, "exhausted": 0}
        device, floor = self.device, floors[fullness] + reserved
        for filler in FILLERS:
            info = await device.page_state(filler)
            free = await device.free_sectors()
            if info.state == PageState.RAW and free < floor:
                await device.trim([filler])
            elif info.state == PageState.FREE and free - 16 >= floor:
                await device.store(filler, noise_page(filler))
                await device.settle()

    async def _cache(self, state: str, event: str) -> None:
        """Put the target into the cache, or out of it."""
        device = self.device
        if state == "open":
            await device.store_line(TARGET, 5, LINE)
        elif state != "poison":
            if event in ("load hit", "line hit", "evict"):
                await device.load(TARGET)
            else:
                await _take_entries(device)


async def _take_entries(device: CramDevice) -> None:
    """Read pages until no other one that is clean has an entry."""
    for page in UNUSED[: device.geometry.cache_pages]:
        await device.load_line(page, 0)


async def _import(device: CramDevice) -> None:
    content = compressible_page(2)
    await device.import_block(TARGET, lz4.block.compress(content, store_size=False), zlib.crc32(content))


_PERFORM: dict[str, Callable[[CramDevice], Awaitable[Any]]] = {
    "load": lambda device: device.load(TARGET),
    "line": lambda device: device.store_line(TARGET, 7, LINE),
    "store": lambda device: device.store(TARGET, compressible_page(3)),
    "trim": lambda device: device.trim([TARGET]),
    "export": lambda device: device.export(TARGET),
    "import": _import,
    "fence": lambda device: device.fence([TARGET]),
    "unfence": lambda device: device.unfence([TARGET]),
    "inject": lambda device: device.cxl.inject_poison(TARGET),
    "clear": lambda device: device.cxl.clear_poison(TARGET),
    "flush": lambda device: device.flush(),
    "evict": _take_entries,
}


def _plain(result: Any) -> Any:
    """Without the compressed bytes, which are another compressor's on the model."""
    if isinstance(result, PageInfo):
        return comparable(result)
    if isinstance(result, bytes) and len(result) < 4096:
        return block_content(result)
    return result


if __name__ == "__main__":
    print(page_cross().table())
