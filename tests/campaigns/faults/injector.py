# SPDX-License-Identifier: MIT
"""Injector: a device whose memories and media can be made to fail, and what lies where in it."""

from __future__ import annotations

from random import Random

from hw.codes import PageState
from hw.link import LINE_BYTES, PAGE_BYTES
from hw.links.verilated import MediaFault, VerilatedLink
from hw.parameters import DeviceParameters
from hw.regs.codes import read
from hw.virtual_time import VirtualClock

_LONGEST_DELAY = 6_000  # cycles: beyond the time limit
_SHORTEST_WHILE, _LONGEST_WHILE = 20, 2_000  # ns that a fault of the media lasts
_ENTRY = {field.name: field for field in read().entry}
_LIKELY = 0.8  # a flip goes where something lies, so often


class Injector:
    """Faults of one device, drawn from `random`.

    Attributes:
        link: the way to the device.
        pages: how many it has.

    Args:
        timeout_ns: a transfer that takes longer is a hang.
    """

    def __init__(
        self, clock: VirtualClock, parameters: DeviceParameters, seed: int, timeout_ns: int, random: Random
    ) -> None:
        self.link = VerilatedLink(clock, parameters, seed, timeout_ns, memories=True)
        self.pages = parameters.perceived_pages
        self._memories = self.link.memories()
        self._random = random
        self._clock = clock
        self._sectors = parameters.media_sectors
        self._sector_bits = (parameters.media_sectors - 1).bit_length()
        self._sector_bytes = parameters.sector_bytes
        self._named_beats: set[int] = set()
        self.raw_sectors = PAGE_BYTES // parameters.sector_bytes

    # What lies where

    def owner(self, sector: int) -> int | None:
        """The page whose chain a sector is in."""
        return next((page for page in range(self.pages) if sector in self._chain(page)), None)

    def used_sector(self) -> int:
        """A sector, most often one in which something lies."""
        used = [sector for page in range(self.pages) for sector in self._chain(page)]
        return self._random.choice(used) if used and self._likely() else self._random.randrange(self._sectors)

    def free_sector(self) -> int:
        """A sector in which nothing lies, most often one that is used soon."""
        used = {sector for page in range(self.pages) for sector in self._chain(page)}
        free = [sector for sector in range(self._sectors) if sector not in used]
        near = free[:64] if self._likely() else free
        return self._random.choice(near or [0])

    def listed_sector(self) -> int:
        """A sector of the free list; if that is empty, the one that is used last.

        The device has a bit for it above each link.
        """
        links = self._memories["links"]
        listed = [sector for sector in range(self._sectors) if links.read(sector) >> self._sector_bits & 1]
        return self._random.choice(listed or [self._sectors - 1])

    def used_beat(self) -> int:
        """A beat of the media that was not named before: its index.

        A corrected beat is not written back: flips of two faults would add up, and one of them be blamed for both.
        """
        beats = self._sector_bytes // LINE_BYTES
        while (beat := self.used_sector() * beats + self._random.randrange(beats)) in self._named_beats:
            pass
        self._named_beats.add(beat)
        return beat

    def sector_of(self, beat: int) -> int:
        """The sector of a beat."""
        return beat * LINE_BYTES // self._sector_bytes

    def any_page(self) -> int:
        """A page, most often one that is not free."""
        stored = [page for page in range(self.pages) if self._state(page) is not PageState.FREE]
        return self._random.choice(stored) if stored and self._likely() else self._random.randrange(self.pages)

    def any_cache_line(self) -> int:
        """A line of the page cache: its index in the memory."""
        return self._random.randrange(self._memories["cache"].depth)

    def _state(self, page: int) -> PageState:
        return PageState(self._entry(page, "STATE"))

    def _entry(self, page: int, name: str) -> int:
        """A field of a page's table entry."""
        field = _ENTRY[name]
        return self._memories["page_table"].read(page) >> field.lsb & (1 << field.bits) - 1

    def _chain(self, page: int) -> list[int]:
        """The sectors of a stored page, by its entry and the links."""
        if self._state(page) not in (PageState.LZ4, PageState.RAW):
            return []
        mask = (1 << self._sector_bits) - 1
        chain = [self._entry(page, "SECTOR")]
        while len(chain) < -(-self._entry(page, "LENGTH") // self._sector_bytes):
            chain.append(self._memories["links"].read(chain[-1]) & mask)
        return chain

    # Faults

    def flip(self, memory: str, index: int, bits: int) -> None:
        """Flip so many bits of a word."""
        word = self._memories[memory]
        word.flip(index, *self._random.sample(range(word.bits), bits))

    def bad_reads(self, sector: int) -> None:
        """From now on the media answers reads of a sector with an error."""
        self.link.set_media_fault(MediaFault.BAD_READ, sector * self._sector_bytes)

    def bad_writes(self, sector: int) -> None:
        """From now on the media answers writes of a sector with an error, and does not write."""
        self.link.set_media_fault(MediaFault.BAD_WRITE, sector * self._sector_bytes)

    async def slow(self) -> int:
        """For a while every answer of the media comes so many cycles later."""
        delay = self._random.randrange(1, _LONGEST_DELAY)
        self.link.set_media_fault(MediaFault(0), delay=delay)
        self._mend_later()
        return delay

    async def mute(self, kind: MediaFault) -> None:
        """For a while the media never answers what it is asked."""
        self.link.set_media_fault(kind)
        self._mend_later()

    def silence(self) -> None:
        """The media takes nothing and answers nothing, until it is mended."""
        self.link.set_media_fault(MediaFault.DEAF | MediaFault.MUTE_READ | MediaFault.MUTE_WRITE)

    def unstored(self) -> int:
        """Sectors in which no page is stored."""
        return self._sectors - sum(len(self._chain(page)) for page in range(self.pages))

    def mend(self) -> None:
        """The media answers as it should."""
        self.link.set_media_fault(MediaFault(0))

    def _mend_later(self) -> None:
        async def wait() -> None:
            await self._clock.sleep(self._random.randrange(_SHORTEST_WHILE, _LONGEST_WHILE))
            self.mend()

        self._clock.spawn(wait(), "mend the media")

    def _likely(self) -> bool:
        return self._random.random() < _LIKELY
