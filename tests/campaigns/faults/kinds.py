# SPDX-License-Identifier: MIT
"""Kinds of faults: what is done to the device or its media, and which pages that may cost.

A fault takes the only copy of a page where no other is left: of a page that lies in the sector that cannot be read, or
whose changed line is hit in the cache. Whatever else is lost had another copy.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from hw.links.verilated import MediaFault
from tests.campaigns.faults.injector import Injector

Kind = Callable[[Injector, set[int]], Awaitable["Fault"]]


@dataclass(frozen=True)
class Fault:
    """One fault, as it was put in.

    Attributes:
        what: in words, with its place.
        only_copies: pages whose only copy it may have taken.
        pages_at_most: how many of them.
        lasts: until the device has been asked for every page.
        sectors_at_most: how many sectors it may take out of use, at once or when its place is met much later.
    """

    what: str
    only_copies: frozenset[int] = field(default=frozenset())
    pages_at_most: int = 1
    lasts: bool = False
    sectors_at_most: int = 0


def _only(page: int | None) -> frozenset[int]:
    return frozenset() if page is None else frozenset({page})


def flip_media(bits: int) -> Kind:
    """Flip so many bits of one 64-byte beat of the media or its check. One bit costs nothing."""

    async def inject(injector: Injector, touched: set[int]) -> Fault:
        beat = injector.used_beat()
        injector.flip("media", beat, bits)
        owner = injector.owner(injector.sector_of(beat)) if bits > 1 else None
        return Fault(f"{bits} bits of beat {beat} of the media", _only(owner))

    return inject


def flip_table(bits: int) -> Kind:
    """Flip bits of one entry of the page table."""

    async def inject(injector: Injector, touched: set[int]) -> Fault:
        page = injector.any_page()
        injector.flip("page_table", page, bits)
        return Fault(f"{bits} bits of the table entry of page {page}", frozenset({page} if bits > 1 else ()))

    return inject


def flip_link(bits: int) -> Kind:
    """Flip bits of the link of one sector."""

    async def inject(injector: Injector, touched: set[int]) -> Fault:
        sector = injector.used_sector()
        owner = injector.owner(sector) if bits > 1 else None
        injector.flip("links", sector, bits)
        return Fault(
            f"{bits} bits of the link of sector {sector}",
            _only(owner),
            sectors_at_most=injector.raw_sectors if bits > 1 else 0,  # those of its chain behind it
        )

    return inject


def flip_free_link(bits: int) -> Kind:
    """Flip bits of the link of a sector of the free list: it costs no page."""

    async def inject(injector: Injector, touched: set[int]) -> Fault:
        sector = injector.listed_sector()
        injector.flip("links", sector, bits)
        return Fault(f"{bits} bits of the link of free sector {sector}", sectors_at_most=int(bits > 1))

    return inject


def flip_cache(bits: int) -> Kind:
    """Flip bits of one line of the page cache. A line that was not changed is still on the media."""

    async def inject(injector: Injector, touched: set[int]) -> Fault:
        line = injector.any_cache_line()
        injector.flip("cache", line, bits)
        return Fault(
            f"{bits} bits of line {line % 64} of cache entry {line // 64}", frozenset(touched if bits > 1 else ())
        )

    return inject


async def bad_read(injector: Injector, touched: set[int]) -> Fault:
    """From now on a sector cannot be read: it costs the page that lies in it when that is first seen."""
    sector = injector.used_sector()
    injector.bad_reads(sector)
    return Fault(f"sector {sector} cannot be read", frozenset(range(injector.pages)), lasts=True)


async def bad_write(injector: Injector, touched: set[int]) -> Fault:
    """From now on a sector cannot be written: its page is written elsewhere."""
    sector = injector.free_sector()
    injector.bad_writes(sector)
    return Fault(f"sector {sector} cannot be written", lasts=True)


async def late(injector: Injector, touched: set[int]) -> Fault:
    """Answers of the media come late, within the time limit or after it."""
    cycles = await injector.slow()
    return Fault(f"answers come {cycles} cycles late")


async def missing_read(injector: Injector, touched: set[int]) -> Fault:
    """For a while reads are never answered."""
    await injector.mute(MediaFault.MUTE_READ)
    return Fault("reads are never answered")


async def missing_write(injector: Injector, touched: set[int]) -> Fault:
    """For a while writes are never answered."""
    await injector.mute(MediaFault.MUTE_WRITE)
    return Fault("writes are never answered")


async def outage(injector: Injector, touched: set[int]) -> Fault:
    """As long as there is work the media takes nothing, answers nothing."""
    injector.silence()
    return Fault("the media is deaf and dumb")


async def device_reset(injector: Injector, touched: set[int]) -> Fault:
    """The device is reset, its media is not, and answers what it was asked before."""
    await injector.link.reset_device()
    return Fault("reset of the device alone")


async def media_reset(injector: Injector, touched: set[int]) -> Fault:
    """The media is reset, the device is not: what was under way is never answered."""
    await injector.link.reset_media()
    return Fault("reset of the media alone")


KINDS: dict[str, Kind] = {
    f"{name}_{bits}": make(bits)
    for name, make in (
        *(("media", flip_media), ("table", flip_table), ("link", flip_link)),
        *(("free_link", flip_free_link), ("cache", flip_cache)),
    )
    for bits in (1, 2, 3)
} | {
    "bad_read": bad_read,
    "bad_write": bad_write,
    "late": late,
    "missing_read": missing_read,
    "missing_write": missing_write,
    "outage": outage,
    "device_reset": device_reset,
    "media_reset": media_reset,
}  # fmt: skip
"""By name; media_2 flips two bits of a beat of the media."""

SILENT = frozenset({missing_read, missing_write, outage})
"""Those after which the media still owes answers that never come: it is reset in the end, as its operator would."""
UNHURT = frozenset({late, media_reset}) | SILENT
"""Those after which no sector is bad: none may be retired, and none stay out of use."""
FORGETS = frozenset({device_reset})
"""Those after which the device has forgotten every page."""
