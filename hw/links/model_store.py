# SPDX-License-Identifier: MIT
"""Stored pages of the model device: sectors, page table, and the content of the media (docs/device/pages.md).

The media is kept page by page instead of sector by sector: what a page occupies is a list of sector numbers, what it
holds is one bytes object. Faults of the media are made by `damage` and `fail_sectors`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from zlib import crc32

import lz4.block

from hw.codes import EventCode, PageState
from hw.link import LINE_BYTES, PAGE_BYTES, ZERO_PAGE
from hw.lz4_block import has_zero_offset
from hw.parameters import DeviceParameters

_SAME, _LZ4, _RAW = PageState.SAME, PageState.LZ4, PageState.RAW  # looked up once, they are on every page's way


_compress: Callable[..., bytes] = lz4.block.compress
_decompress: Callable[[bytes, int], bytes] = lz4.block.decompress


class PageLost(Exception):  # noqa: N818 - the name of the condition
    """The content of a page cannot be read; `code` is the event to log."""

    def __init__(self, code: EventCode) -> None:
        super().__init__(code.name)
        self.code = code


class NotStored(Exception):  # noqa: N818 - the name of the condition
    """A page could not be stored, and is as it was; `code` is the event to log."""

    def __init__(self, code: EventCode) -> None:
        super().__init__(code.name)
        self.code = code


class SectorAllocator:
    """Sectors of the media: those given back, last freed first, then those never used, ascending."""

    def __init__(self, sectors: int) -> None:
        self.free = sectors  # sectors not in use
        self._sectors = sectors
        self._fresh = 0  # sectors from here on were never used
        self._freed: list[int] = []

    def allocate(self, count: int) -> list[int]:
        """Take `count` sectors; the caller has made sure that so many are free."""
        freed = self._freed
        chain = freed[: -count - 1 : -1]
        del freed[-count:]
        missing = count - len(chain)
        if missing:
            chain.extend(range(self._fresh, self._fresh + missing))
            self._fresh += missing
        assert self._fresh <= self._sectors, "a reservation was not kept"
        self.free -= count
        return chain

    def release(self, chain: Sequence[int]) -> None:
        """Give sectors back, in the order of the chain."""
        self._freed.extend(chain)
        self.free += len(chain)


class StoredPage:
    """One entry of the page table, and what its sectors hold. Most are lz4: the rest of the fields is rarely set."""

    word = b""
    damaged = False
    flips: Mapping[int, int] = {}  # beat of the stored bytes -> bits that the media has flipped in it
    cause = EventCode.MEDIA_ERROR  # of poison

    def __init__(
        self, state: PageState, length: int = 0, chain: Sequence[int] = (), content: bytes = b"", crc: int | None = None
    ) -> None:
        self.state = state
        self.length = length
        self.chain = chain
        self.content = content
        self.known_crc = crc  # None: nobody has asked yet, and the content is as it was stored

    @property
    def crc(self) -> int:
        """Of the uncompressed page; 0 for a page that takes no sector.

        It is computed when it is asked for: it must be right for as long as nobody damages the content.
        """
        if self.known_crc is None:
            content = _decompressed(self.content, False) if self.state is _LZ4 else self.content
            self.known_crc = crc32(content) if content else 0
        return self.known_crc


def _same(word: bytes) -> StoredPage:
    page = StoredPage(_SAME)
    page.word = word
    return page


FREE = StoredPage(PageState.FREE)
ZERO = StoredPage(PageState.ZERO)


class PageStore:
    """Page table, sectors and media of one device.

    A sector that the media could not write or read is retired when its chain is given up: it is not used again.

    Args:
        on_retired: called with the page whose sector it was, and the sector.
        on_corrected: called for each flipped bit that was corrected.

    Attributes:
        sectors: the allocator.
        resident: pages in a resident state.
        fenced: pages that the host may not write.
    """

    def __init__(
        self, parameters: DeviceParameters, on_retired: Callable[[int, int], None], on_corrected: Callable[[], None]
    ) -> None:
        self.sectors = SectorAllocator(parameters.media_sectors)
        self._on_retired = on_retired
        self._on_corrected = on_corrected
        self.resident = 0
        self.fenced: set[int] = set()
        self._sector_bytes = parameters.sector_bytes
        self._block_limit = PAGE_BYTES - parameters.sector_bytes  # a longer block would take as many sectors as raw
        self._table: dict[int, StoredPage] = {}  # without free pages
        self._failing: set[int] = set()

    def entry(self, page: int) -> StoredPage:
        """The page table entry of a page."""
        return self._table.get(page, FREE)

    def put(self, page: int, content: bytes, cause: EventCode | None = None) -> StoredPage:
        """Store 4096 bytes as zero, same, lz4 or raw, and only then give the old sectors back.

        Where the media takes no write, the page is stored elsewhere. If the old copy cannot be read, `cause` says why,
        and the sectors that are to blame are retired. Raises NotStored if too few sectors are free for it; the old
        entry stands then.
        """
        return self._replace(page, self._written(page, content), cause)

    def put_block(self, page: int, block: bytes, crc: int, needed: int) -> None:
        """Store an LZ4 block as it is, while at least `needed` sectors are free.

        Raises NotStored, as `put`, or PageLost: the block is not one of such a page.
        """
        if crc32(_decompressed(block, True)) != crc:
            raise PageLost(EventCode.CRC_MISMATCH)
        self._replace(page, self._on_media(page, _LZ4, block, crc, needed))

    def _replace(self, page: int, stored: StoredPage, cause: EventCode | None = None) -> StoredPage:
        """Give a page a new entry, and the sectors of the old one back."""
        old = self._table.get(page)
        self._table[page] = stored
        if old is None:
            self.resident += 1
        else:
            self._give_up(page, old, cause)
        return stored

    def _written(self, page: int, content: bytes) -> StoredPage:
        if content[:8] == content[8:16] and content[8:] == content[:-8]:
            word = content[:8]
            return _same(word) if any(word) else ZERO
        block = _compress(content, store_size=False)
        state = _LZ4
        if len(block) > self._block_limit:
            state, block = _RAW, content
        return self._on_media(page, state, block, None)

    def _on_media(self, page: int, state: PageState, block: bytes, crc: int | None, needed: int = 0) -> StoredPage:
        length = len(block)
        count = -(-length // self._sector_bytes)
        while self.sectors.free >= max(count, needed):
            chain = self.sectors.allocate(count)
            if not self._failing or self._failing.isdisjoint(chain):
                return StoredPage(state, length, chain, block, crc)
            self._retire(page, chain, self._failing)
        raise NotStored(EventCode.EXHAUSTED)

    def _retire(self, page: int, chain: Sequence[int], bad: set[int]) -> None:
        """Give the sectors of a chain back, but for those that are bad."""
        for sector in chain:
            if sector in bad:
                self._on_retired(page, sector)
        self.sectors.release([sector for sector in chain if sector not in bad])

    def get(self, page: int) -> bytes:
        """The 4096 bytes of a page, zeros if it is free. Raises PageLost if media or content are damaged."""
        stored = self._table.get(page, FREE)
        state = stored.state
        if state is _SAME:
            return stored.word * (PAGE_BYTES // 8)
        if not stored.chain:
            return ZERO_PAGE
        if self._failing and not self._failing.isdisjoint(stored.chain):
            raise PageLost(EventCode.MEDIA_ERROR)
        if stored.flips:
            self._correct(stored)
        content = stored.content
        if not stored.damaged:
            return _decompress(content, PAGE_BYTES) if state is _LZ4 else content
        if state is _LZ4:
            content = _decompressed(content, True)
        if crc32(content) != stored.crc:
            raise PageLost(EventCode.CRC_MISMATCH)
        return content

    def _correct(self, stored: StoredPage) -> None:
        """What the checks of the beats find, in the order of the beats. Raises PageLost at the first that is lost."""
        for _, bits in sorted(stored.flips.items()):
            if bits > 1:
                raise PageLost(EventCode.UNCORRECTABLE)
            self._on_corrected()

    def free(self, page: int) -> None:
        """Trim: drop a page from whatever state."""
        self._drop(page)

    def poison(self, page: int, cause: EventCode) -> None:
        """Drop a page's content and remember that it is lost."""
        self._drop(page, cause)
        self._table[page] = lost = StoredPage(PageState.POISON)
        lost.cause = cause

    def _drop(self, page: int, cause: EventCode | None = None) -> None:
        self.fenced.discard(page)
        old = self._table.pop(page, None)
        if old is not None and old.state is not PageState.POISON:
            self.resident -= 1
            self._give_up(page, old, cause)

    def _give_up(self, page: int, old: StoredPage, cause: EventCode | None) -> None:
        """Give the sectors of a page back, but for those that are bad, if that is why."""
        if cause is EventCode.MEDIA_ERROR:
            self._retire(page, old.chain, self._failing)
        elif cause is EventCode.UNCORRECTABLE:
            lost = min(beat for beat, bits in old.flips.items() if bits > 1)
            self._retire(page, old.chain, {old.chain[lost * LINE_BYTES // self._sector_bytes]})
        elif old.chain:
            self.sectors.release(old.chain)

    # Faults

    def damage(self, page: int, offset: int, mask: int) -> None:
        """Flip the bits `mask` of byte `offset` of an lz4 or raw page before their check was made; else KeyError.

        So an engine goes wrong, or a memory before the check: what is left to find it is the page's CRC.
        """
        stored = self._table[page]
        if not stored.chain:
            raise KeyError(page)
        stored.known_crc = stored.crc  # of what the page ought to be, while that can be worked out
        content = bytearray(stored.content)
        content[offset] ^= mask
        stored.content = bytes(content)
        stored.damaged = True

    def flip(self, page: int, beat: int, bits: int) -> None:
        """Flip so many bits of a 64-byte beat of what the media holds for an lz4 or raw page; else KeyError."""
        stored = self._table[page]
        if not 0 <= beat * LINE_BYTES < stored.length:
            raise KeyError(page)
        stored.flips = {**stored.flips, beat: bits}

    def fail_sectors(self, sectors: set[int]) -> None:
        """From now on the media answers accesses to these sectors with an error."""
        self._failing = set(sectors)


def _decompressed(block: bytes, doubtful: bool) -> bytes:
    """The page of a block; `doubtful`: it may be anything. Raises PageLost if it is malformed."""
    try:
        content = bytes(lz4.block.decompress(block, uncompressed_size=PAGE_BYTES))
    except lz4.block.LZ4BlockError:
        raise PageLost(EventCode.MALFORMED_BLOCK) from None
    if len(content) != PAGE_BYTES or (doubtful and has_zero_offset(block)):
        raise PageLost(EventCode.MALFORMED_BLOCK)
    return content
