# SPDX-License-Identifier: MIT
"""Accounting of a zsmalloc-like allocator: how many DRAM pages a set of compressed objects takes.

The rules are zsmalloc's (kernel documentation, mm/zsmalloc): sizes are rounded up to classes 16 bytes apart; a class
packs its objects into zspages, chains of 1 to 8 pages, of the length that wastes least; classes that pack alike are
merged. No compaction: a zspage is freed when its last object goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Protocol

from hw.link import PAGE_BYTES

CLASS_STEP = 16
SMALLEST_CLASS = 32
LONGEST_CHAIN = 8


class Frames(Protocol):
    """Where the pool's pages come from."""

    def take(self, count: int) -> bool:
        """Take `count` frames at once, or none."""

    def give(self, count: int) -> None:
        """Give `count` frames back."""


@dataclass(frozen=True)
class SizeClass:
    """Objects of up to `bytes` bytes, `objects` of them in a zspage of `pages` pages."""

    bytes: int
    pages: int
    objects: int


def _chain(size: int) -> tuple[int, int]:
    """(pages, objects) of the zspage that wastes least for objects of `size` bytes."""
    pages = min(range(1, LONGEST_CHAIN + 1), key=lambda n: (n * PAGE_BYTES % size / n, n))
    return pages, pages * PAGE_BYTES // size


@cache
def size_classes() -> tuple[SizeClass, ...]:
    """For each multiple of 16 bytes, index `bytes / 16 - 1`, the class that takes it. Merging goes downwards from the
    largest: a size that packs as the next larger class does joins it."""
    classes: list[SizeClass] = []
    current: SizeClass | None = None
    for size in range(PAGE_BYTES, 0, -CLASS_STEP):
        pages, objects = _chain(max(size, SMALLEST_CLASS))
        if current is None or (pages, objects) != (current.pages, current.objects):
            current = SizeClass(max(size, SMALLEST_CLASS), pages, objects)
        classes.append(current)
    return tuple(reversed(classes))


@dataclass(eq=False)
class _Zspage:
    used: int = 0


@dataclass
class Allocation:
    """One object in the pool."""

    size_class: SizeClass
    zspage: _Zspage


class ZsPool:
    """The pool: hands out room by size and takes whole frames from `frames`."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._partial: dict[SizeClass, list[_Zspage]] = {}
        self.pages = 0

    def pages_needed(self, size: int) -> int:
        """Frames that `allocate(size)` would take now: 0 when a zspage has room."""
        size_class = self.size_class(size)
        return 0 if self._partial.get(size_class) else size_class.pages

    def allocate(self, size: int) -> Allocation | None:
        """Room for `size` bytes (1 .. 4096); None when the frames for it cannot be had."""
        size_class = self.size_class(size)
        partial = self._partial.setdefault(size_class, [])
        if not partial:
            if not self._frames.take(size_class.pages):
                return None
            self.pages += size_class.pages
            partial.append(_Zspage())
        zspage = max(partial, key=lambda z: z.used)  # the fullest first, so that others can empty
        zspage.used += 1
        if zspage.used == size_class.objects:
            partial.remove(zspage)
        return Allocation(size_class, zspage)

    def free(self, allocation: Allocation) -> None:
        """Give the room back, and the zspage's frames with its last object."""
        size_class, zspage = allocation.size_class, allocation.zspage
        partial = self._partial[size_class]
        if zspage.used == size_class.objects:
            partial.append(zspage)
        zspage.used -= 1
        if not zspage.used:
            partial.remove(zspage)
            self.pages -= size_class.pages
            self._frames.give(size_class.pages)

    @staticmethod
    def size_class(size: int) -> SizeClass:
        """The class that takes `size` bytes (1 .. 4096)."""
        if not 0 < size <= PAGE_BYTES:
            raise ValueError(f"an object has 1 to {PAGE_BYTES} bytes, not {size}")
        return size_classes()[(size + CLASS_STEP - 1) // CLASS_STEP - 1]
