# SPDX-License-Identifier: MIT
"""The compressor of docs/compressor.md once more, in Python: which block a page must give, byte for byte.

As far as LZ4 is concerned a compressor may choose any matches; which ones this one has to find is said here, so that a
lost match is an error and not a little less of ratio. Nothing here depends on cycles: windows pass the RTL in order,
and whatever one stage decides of them depends on the windows before alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from hw.link import PAGE_BYTES as PAGE
from hw.lz4_block import sequence

LANES = 8  # bytes of a window
BACK, FORWARD = 8, 16  # bytes around the start of a window in which an offset is compared
PORTS = 3  # offsets compared for a window
BANK_MASK = 15  # of the table, by hash
LAST_START = PAGE - 12  # LZ4 block format, end of block: no match starts later,
LAST_END = PAGE - 5  # and the last five bytes are literals
SHORTEST = 4


@dataclass(frozen=True)
class Match:
    """Bytes from `start` to before `end` are also `offset` before. `open`: the byte at `end` was not compared."""

    start: int
    end: int
    offset: int
    open: bool = False


def hash_of(word: bytes) -> int:
    """12 bits of four bytes: each of them turned into place, some twice."""

    def turned(byte: int, by: int) -> int:
        return (byte << by | byte >> 12 - by) & 0xFFF

    a, b, c, d = word
    return a ^ turned(a, 5) ^ turned(b, 3) ^ turned(c, 7) ^ turned(d, 10) ^ turned(d, 2)


def tag_of(word: bytes) -> int:
    """The two lowest bits of each of four bytes."""
    return sum((byte & 3) << 2 * at for at, byte in enumerate(word))


class Table:
    """Where four bytes were seen last, by their hash."""

    def __init__(self, page: bytes) -> None:
        words = [page[at : at + 4] for at in range(PAGE - 3)]
        self.hashes = [hash_of(word) for word in words]
        self.tags = [tag_of(word) for word in words]
        self.entries: dict[int, tuple[int, int]] = {}  # position and tag

    def look_up(self, base: int) -> list[tuple[int, int]]:
        """The offsets that it has for the lanes of a window, each with its first lane; enters the window.

        In each bank the first lane reads and writes; the others get what it read.
        """
        lanes = range(base, base + LANES)
        winners: dict[int, int] = {}
        for at in lanes:
            winners.setdefault(self.hashes[at] & BANK_MASK, at)
        read = {bank: self.entries.get(self.hashes[at]) for bank, at in winners.items()}
        for at in winners.values():
            self.entries[self.hashes[at]] = at, self.tags[at]
        first_lanes: dict[int, int] = {}
        for at in lanes:
            entry = read[self.hashes[at] & BANK_MASK]
            if entry and entry[1] == self.tags[at] and at <= LAST_START:
                first_lanes.setdefault(at - entry[0], at - base)
        return [(lane, offset) for offset, lane in first_lanes.items()]


def around(page: bytes, base: int, lane: int, offset: int) -> Match:
    """The bytes around a lane of a window that are also `offset` before; not beyond what is compared."""

    def equal(at: int) -> bool:
        return offset <= at < LAST_END and page[at] == page[at - offset]

    start = end = base + lane
    while start > base - BACK and equal(start - 1):
        start -= 1
    while end < base + FORWARD and equal(end):
        end += 1
    return Match(start, end, offset, end == base + FORWARD)


def windows(page: bytes) -> Iterator[tuple[int, list[Match]]]:
    """The start of each window that a match may start in, and what its ports have compared."""
    table = Table(page)
    for base in range(0, LAST_START + 1, LANES):
        yield base, [around(page, base, *found) for found in table.look_up(base)[:PORTS]]


def parse(page: bytes) -> Iterator[Match]:
    """The match chosen in each window, the longest behind those before; what goes on with the last one is joined."""
    last: Match | None = None
    for base, found in windows(page):
        end = last.end if last else 0
        covered = max(end, base)
        if covered > LAST_START:
            continue

        def length(match: Match, covered: int = covered, base: int = base) -> int:
            """Back before the window it counts only if nothing is covered there."""
            return match.end - (max(match.start, covered) if covered > base else match.start)

        best = max(found, key=length, default=None)  # the first of the longest
        if best is None or length(best) < SHORTEST:
            continue
        if last and best.offset == last.offset and best.start <= end:
            last = replace(best, start=last.start)
            continue
        if last:
            yield last
        last = replace(best, start=max(best.start, end))
    if last:
        yield last


def grow(page: bytes, match: Match) -> Match:
    """An open match up to where it ends."""
    end = match.end
    while match.open and end < LAST_END and page[end] == page[end - match.offset]:
        end += 1
    return replace(match, end=end)


def cut(page: bytes) -> Iterator[Match]:
    """The matches of the block: of those that others have not grown over, what is left, up to where it grows."""
    end = 0
    for match in parse(page):
        if match.end - end >= SHORTEST and end <= LAST_START:
            grown = grow(page, replace(match, start=max(match.start, end)))
            yield grown
            end = grown.end


def compress(page: bytes) -> bytes:
    """The block that the compressor gives for a page of 4096 bytes."""
    block, anchor = b"", 0
    for match in cut(page):
        block += sequence(page[anchor : match.start], match.end - match.start, match.offset)
        anchor = match.end
    return block + sequence(page[anchor:])
