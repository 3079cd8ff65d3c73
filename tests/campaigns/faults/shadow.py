# SPDX-License-Identifier: MIT
"""Shadow: what a host may read from a device, line by line, by what the device has answered so far.

A write that was answered OKAY is what a line holds. Of a write that was refused nobody knows which of its lines were
taken, so such a line may hold the old bytes or the new ones, until a read has told.
"""

from __future__ import annotations

from collections.abc import Iterator

from hw.link import LINE_BYTES, LINES_PER_PAGE, ZERO_PAGE


class Shadow:
    """All pages of a device that has just been reset: they read as zeros."""

    def __init__(self) -> None:
        self._known: dict[int, bytearray] = {}
        self._maybe: dict[int, dict[int, set[bytes]]] = {}  # page -> line -> all it may hold

    def __iter__(self) -> Iterator[int]:
        """The pages that were written and not forgotten since."""
        return iter(sorted(self._known))

    def __contains__(self, page: int) -> bool:
        return page in self._known

    def wrote(self, page: int, first: int, data: bytes, answered: bool) -> None:
        """Whole lines from `first` on were written; `answered`: with OKAY."""
        known = self._known.setdefault(page, bytearray(ZERO_PAGE))
        maybe = self._maybe.setdefault(page, {})
        for line, content in _lines(first, data):
            place = slice(line * LINE_BYTES, (line + 1) * LINE_BYTES)
            if answered:
                known[place] = content
                maybe.pop(line, None)
            else:
                maybe.setdefault(line, {bytes(known[place])}).add(content)

    def wrong(self, page: int, first: int, data: bytes) -> list[int]:
        """Lines of a read answered with OKAY that hold what they cannot hold. What they held is known from now on."""
        known = self._known.get(page, ZERO_PAGE)
        maybe = self._maybe.get(page, {})
        wrong = []
        for line, content in _lines(first, data):
            place = slice(line * LINE_BYTES, (line + 1) * LINE_BYTES)
            if content in maybe.get(line, ()):
                del maybe[line]
                self._known[page][place] = content
            elif content != known[place] or line in maybe:
                wrong.append(line)
        return wrong

    def forget(self, page: int) -> None:
        """The page was trimmed: it reads as zeros."""
        self._known.pop(page, None)
        self._maybe.pop(page, None)

    def clear(self) -> None:
        """The device was reset."""
        self._known.clear()
        self._maybe.clear()


def _lines(first: int, data: bytes) -> Iterator[tuple[int, bytes]]:
    count = len(data) // LINE_BYTES
    assert first + count <= LINES_PER_PAGE
    for number in range(count):
        yield first + number, data[number * LINE_BYTES : (number + 1) * LINE_BYTES]
