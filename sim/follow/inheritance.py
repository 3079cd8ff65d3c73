"""Inheritance: what of an address space its forked children do not get (madvise(2), DONTFORK and WIPEONFORK)."""

from __future__ import annotations

from collections.abc import Iterable


class Inheritance:
    """Ranges of pages, set to be inherited or not; all are to begin with."""

    def __init__(self) -> None:
        self._withheld: list[tuple[int, int]] = []  # (first, end), disjoint

    def set(self, page: int, count: int, inherit: bool) -> None:
        """From now on children get what this range holds, or do not."""
        end = page + count
        cut = [piece for first, last in self._withheld for piece in ((first, min(last, page)), (max(first, end), last))]
        self._withheld = [(first, last) for first, last in cut if first < last]
        if not inherit:
            self._withheld.append((page, end))

    def withheld(self, pages: Iterable[int]) -> list[int]:
        """Those of the pages that a child does not get."""
        if not self._withheld:
            return []
        return [page for page in pages if any(first <= page < last for first, last in self._withheld)]

    def copy(self) -> Inheritance:
        """A child's own; the kernel keeps the marks."""
        other = Inheritance()
        other._withheld = list(self._withheld)
        return other
