# SPDX-License-Identifier: MIT
"""The compressor of docs/compressor.md once more, in Python: which block a page must give, byte for byte.

As far as LZ4 is concerned a compressor may choose any matches; which ones this one has to find is said here, so that a
lost match is an error and not a little less of ratio. The model steps in cycles in which the RTL moves: what is entered
in the table depends on how far windows have got when a match covers them, not on the gaps of the streams.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hw.link import PAGE_BYTES as PAGE
from hw.lz4_block import sequence

LAST_START = PAGE - 12  # LZ4 block format, end of block: no match starts later,
LAST_END = PAGE - 5  # and the last five bytes are literals
COMPARE = 16  # bytes of an entry of the table
REACH = 7  # lanes behind the first candidate among which the longest is taken
BACK, FORWARD = 8, 40  # bytes that a match grows, backwards once and forwards in a cycle
HASH_BITS = 12


@dataclass(frozen=True)
class Window:
    """`lengths[i]` bytes, 0 or 4 .. 16, at `base + i` are also at `candidates[i]`."""

    base: int
    lengths: list[int]
    candidates: list[int]


def common(one: bytes, other: bytes) -> int:
    """How many bytes are equal before the first that differs."""
    differ = int.from_bytes(one, "little") ^ int.from_bytes(other, "little")
    return ((differ & -differ).bit_length() - 1) // 8 if differ else len(one)


class Finder:
    """Windows of `lanes` bytes through three registers, and the table of hashes."""

    def __init__(self, page: bytes, lanes: int) -> None:
        self.lanes = lanes
        around = page + page[: COMPARE - 1]  # behind the page comes its start
        self.known = [around[at : at + COMPARE] for at in range(PAGE)]  # what an entry of the table holds of it
        words = (int.from_bytes(known[:4], "little") for known in self.known)
        self.hashes = [(word * 2654435761 & 0xFFFFFFFF) >> 32 - HASH_BITS for word in words]
        self.table: dict[int, int] = {}
        self.next = 0  # to fetch
        self.hashed: int | None = None  # base of the window there
        self.compared: Window | None = None
        self.window: Window | None = None

    def base(self, resume: int) -> int:
        """Of the window to fetch, when matches reach up to `resume`."""
        return max(self.next, resume - resume % self.lanes)

    def done(self, resume: int) -> bool:
        """No window is left or on its way."""
        return self.base(resume) > LAST_START and self.hashed is None and not self.compared and not self.window

    def look_up(self, base: int) -> Window:
        """What the table has for a window; enters its lanes. In each bank the first lane reads, the last one writes."""
        lanes = range(base, base + self.lanes)
        bank = 4 * self.lanes - 1  # mask
        readers: dict[int, int] = {}
        writers: dict[int, int] = {}
        for at in lanes:
            readers.setdefault(self.hashes[at] & bank, self.hashes[at])
            writers[self.hashes[at] & bank] = at
        found = [self.table.get(readers[self.hashes[at] & bank]) for at in lanes]
        for at in writers.values():
            self.table[self.hashes[at]] = at
        pairs = zip(lanes, found, strict=True)
        equal = [0 if other is None else common(self.known[at], self.known[other]) for at, other in pairs]
        return Window(base, [length if length >= 4 else 0 for length in equal], [other or 0 for other in found])

    def step(self, resume: int) -> None:
        """A cycle in which the window is taken or there is none."""
        self.window = self.compared
        self.compared = None if self.hashed is None else self.look_up(self.hashed)
        base = self.base(resume)
        self.hashed = base if base <= LAST_START else None
        if self.hashed is not None:
            self.next = base + self.lanes


@dataclass(frozen=True)
class Match:
    """A match under way. `open`: it may be longer; `fresh`: it has not grown backwards yet."""

    start: int
    end: int
    offset: int
    open: bool
    fresh: bool = True


def choose(window: Window, resume: int) -> tuple[Match | None, bool]:
    """The longest candidate within reach of the first one at or behind `resume`; whether others are left behind it."""
    lanes = [
        (window.base + lane, length, window.candidates[lane])
        for lane, length in enumerate(window.lengths)
        if length and resume <= window.base + lane <= LAST_START
    ]
    if not lanes:
        return None, False
    within = [lane for lane in lanes if lane[0] < lanes[0][0] + REACH]
    start, length, candidate = max(within, key=lambda lane: lane[1])  # the first of the longest
    end = start + length
    chosen = Match(start, min(end, LAST_END), start - candidate, length == COMPARE and end < LAST_END)
    return chosen, any(at >= end for at, _, _ in lanes)


def grow(page: bytes, match: Match, anchor: int) -> tuple[int, int, bool]:
    """Start and end of a match after a cycle, and whether it grows no more. It does not reach back over `anchor`."""
    start, end = match.start, match.end
    if match.fresh:
        back = min(BACK, start - anchor, start - match.offset)
        before, same = page[start - back : start], page[start - back - match.offset : start - match.offset]
        start -= common(before[::-1], same[::-1])
    if not match.open:
        return start, end, True
    more = min(FORWARD, PAGE - end)
    equal = common(page[end : end + more], page[end - match.offset : end - match.offset + more])
    return start, min(end + equal, LAST_END), equal < FORWARD or end + equal >= LAST_END


def parse(page: bytes, lanes: int) -> Iterator[bytes]:
    """The sequences of the block of a page."""
    finder = Finder(page, lanes)
    match: Match | None = None
    resume = anchor = 0  # up to where matches reach, and those that have been handed out
    while match or not finder.done(resume):
        start, end, leaves = grow(page, match, anchor) if match else (0, 0, False)
        growing = match is not None and match.open
        window = finder.window
        waits = window is not None and window.base + lanes > resume  # not covered by matches
        chosen: Match | None = None
        if window and waits and not growing:
            chosen, again = choose(window, resume)
            taken = match is None or leaves
            waits = chosen is not None and (again or not taken)
            chosen = chosen if taken else None
        if not waits:
            finder.step(resume)

        if match and leaves:
            yield sequence(page[anchor:start], end - start, match.offset)
            match, resume, anchor = None, end, end
        elif match:
            match = Match(start, end, match.offset, open=True, fresh=False)
            resume = end
        if chosen:
            match, resume = chosen, chosen.end
    yield sequence(page[anchor:])


def compress(page: bytes, lanes: int) -> bytes:
    """The block that a compressor of `lanes` bytes a cycle gives for a page of 4096 bytes."""
    return b"".join(parse(page, lanes))
