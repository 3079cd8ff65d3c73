# SPDX-License-Identifier: MIT
"""Mappings of an address space (VMAs), and the anon_vma tree that leads from a folio to them (docs/vswap/rmap.md).

A folio knows an anon_vma and the offset of its first page (`Vma.offset`). Whoever looks for its PTEs visits every VMA
that hangs from the anon_vma and has that offset, since a fork may have copied a PTE into each of them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vswap.mm.readahead import ReadaheadState

END = 1 << 52
"""Pages of an address space."""


class AnonVma:
    """What a folio points to: the VMAs that may map it. Each VMA with pages has one; a child's hangs below its parent's
    at fork.

    Attributes:
        root: the first one of the family, to which every VMA of it is linked.
        vmas: the VMAs linked to it, the oldest first (the interval tree).
        children: anon_vmas right below, itself included in a root's (num_children).
        active: VMAs that have it as their own (num_active_vmas).
    """

    __slots__ = ("active", "children", "parent", "root", "vmas")

    def __init__(self, parent: AnonVma | None = None) -> None:
        self.parent = parent or self
        self.root: AnonVma = parent.root if parent is not None else self
        self.vmas: dict[Vma, None] = {}
        self.children = 0
        self.active = 1
        self.parent.children += 1


@dataclass(frozen=True)
class Protection:
    """What a mapping allows. `write`: PROT_WRITE."""

    write: bool = True


class Vma:
    """Pages `first` .. `end - 1`.

    Attributes:
        owner: the page table; what it is, is for those to know who know folios.
        offset: of the first page (pgoff): its number where it was mapped; mremap leaves it as it is.
        anon_vma: that of its own pages; None before the first.
        chain: the anon_vmas that it is linked to: its own, and those of the spaces that it was forked from.
        readahead: where its faults are, and what reading ahead was good for; a copy of it begins with the same.
    """

    __slots__ = ("anon_vma", "chain", "end", "first", "offset", "owner", "protection", "readahead")

    def __init__(self, owner: Any, first: int, end: int, offset: int, protection: Protection) -> None:
        self.owner = owner
        self.first = first
        self.end = end
        self.offset = offset
        self.protection = protection
        self.anon_vma: AnonVma | None = None
        self.chain: list[AnonVma] = []
        self.readahead = ReadaheadState()

    def offset_of(self, vpn: int) -> int:
        """The offset of a page (linear_page_index)."""
        return self.offset + vpn - self.first

    def page_at(self, offset: int) -> int | None:
        """The page with an offset, None where it has none."""
        vpn = self.first + offset - self.offset
        return vpn if self.first <= vpn < self.end else None

    def _link(self, anon_vma: AnonVma) -> None:
        anon_vma.vmas[self] = None
        self.chain.append(anon_vma)

    def clone(self, source: Vma) -> None:
        """Be linked to all that `source` is linked to (anon_vma_clone). An anon_vma that nobody has as its own any more
        becomes this one's: so a chain of forks and exits does not grow it without end."""
        for anon_vma in source.chain:
            self._link(anon_vma)
            spare = anon_vma.active == 0 and anon_vma.children < 2
            if self.anon_vma is None and source.anon_vma is not None and spare:
                self.anon_vma = anon_vma
        if self.anon_vma is not None:
            self.anon_vma.active += 1

    def share(self, source: Vma) -> None:
        """Have the same pages' anon_vma as `source`: a part of it, or where it has moved to."""
        self.anon_vma = source.anon_vma
        self.clone(source)

    def fork(self, parent: Vma) -> None:
        """Be the child's copy of `parent`, which has pages: linked above, with an anon_vma below (anon_vma_fork)."""
        assert parent.anon_vma is not None
        self.clone(parent)
        if self.anon_vma is None:
            self.anon_vma = AnonVma(parent.anon_vma)
            self._link(self.anon_vma)

    def prepare(self, neighbour: AnonVma | None) -> None:
        """Have an anon_vma for the first page: that of a neighbour, or a new one (anon_vma_prepare)."""
        self.anon_vma = neighbour or AnonVma()
        self.anon_vma.active += neighbour is not None
        self._link(self.anon_vma)

    def unlink(self) -> None:
        """It is gone (unlink_anon_vmas)."""
        if self.anon_vma is not None:
            self.anon_vma.active -= 1
        for anon_vma in self.chain:
            del anon_vma.vmas[self]
            if not anon_vma.vmas:
                anon_vma.parent.children -= 1
        self.chain.clear()
        self.anon_vma = None


class Vmas:
    """The VMAs of one address space, in order; `owner` is its page table. It begins with one that is all of it.

    No page is looked at here: who changes a mapping takes care of its PTEs.
    """

    def __init__(self, owner: Any) -> None:
        self._owner = owner
        self._vmas = [Vma(owner, 0, END, 0, Protection())]

    def __iter__(self) -> Iterator[Vma]:
        return iter(list(self._vmas))

    def find(self, vpn: int) -> Vma | None:
        """The VMA of a page, None where nothing is mapped."""
        vmas = self._vmas
        if len(vmas) == 1 and vmas[0].first <= vpn < vmas[0].end:
            return vmas[0]
        number = bisect_right(vmas, vpn, key=_first) - 1
        return vmas[number] if number >= 0 and vpn < vmas[number].end else None

    def in_one(self, vpns: range) -> bool:
        """All these pages are in one VMA: a large folio is never mapped across two (thp_vma_suitable_order)."""
        vma = self.find(vpns.start)
        return vma is not None and vpns.stop <= vma.end

    def has_pages(self, vpn: int) -> bool:
        """The VMA of a page has, or had, pages of its own: it has an anon_vma."""
        vma = self.find(vpn)
        return vma is not None and vma.anon_vma is not None

    def prepared(self, vpn: int) -> tuple[Vma, AnonVma]:
        """The VMA of a page that is to be mapped, with an anon_vma."""
        vma = self.find(vpn)
        assert vma is not None, f"page {vpn} is not mapped"
        if vma.anon_vma is None:
            number = self._vmas.index(vma)
            near = [each for each in self._vmas[max(0, number - 1) : number + 2] if each is not vma]
            shared = (
                each.anon_vma for each in near if len(each.chain) == 1 and _goes_on(*sorted((vma, each), key=_first))
            )
            vma.prepare(next(shared, None))
        assert vma.anon_vma is not None
        return vma, vma.anon_vma

    def within(self, first: int, end: int) -> list[Vma]:
        """Those that have a page of `first` .. `end - 1`."""
        return [vma for vma in self._vmas if vma.first < end and first < vma.end]

    def map(self, first: int, end: int) -> None:
        """Map pages anew; nothing is there."""
        self._insert(Vma(self._owner, first, end, first, Protection()))

    def unmap(self, first: int, end: int) -> None:
        """Nothing is mapped there any more."""
        self._split_at(first)
        self._split_at(end)
        for vma in self.within(first, end):
            self._vmas.remove(vma)
            vma.unlink()

    def protect(self, first: int, end: int, *, write: bool) -> None:
        """Change what the mapped pages of a range allow; VMAs are split where it begins and ends, and merged where
        neighbours are alike."""
        self._split_at(first)
        self._split_at(end)
        for vma in self.within(first, end):
            vma.protection = Protection(write)
        for vma in self.within(first - 1, end + 1):
            if vma in self._vmas:
                self._merge(vma)

    def move(self, first: int, end: int, target: int) -> None:
        """Pages are at `target` on now, with the offsets that they had (copy_vma); one that never had a page takes the
        new place's. Where they were, a new mapping begins (MREMAP_DONTUNMAP)."""
        self._split_at(first)
        self._split_at(end)
        moved = self.within(first, end)
        self.unmap_whole(target, target + end - first)
        copies = []
        for vma in moved:
            start = target + vma.first - first
            offset = vma.offset if vma.anon_vma is not None else start
            copies.append(Vma(self._owner, start, start + vma.end - vma.first, offset, vma.protection))
            copies[-1].share(vma)
            copies[-1].readahead = vma.readahead
        self.unmap(first, end)
        for copy in copies:
            self._insert(copy)
        for vma in moved:
            self.map(vma.first, vma.end)

    def unmap_whole(self, first: int, end: int) -> None:
        """As `unmap`, where something may be mapped."""
        if self.within(first, end):
            self.unmap(first, end)

    def fork(self, child: Vmas) -> None:
        """Give `child`, which is new, a copy of every VMA (dup_mmap)."""
        child._vmas = []
        for vma in self._vmas:
            copy = Vma(child._owner, vma.first, vma.end, vma.offset, vma.protection)
            copy.readahead = vma.readahead
            if vma.anon_vma is not None:
                copy.fork(vma)
            child._vmas.append(copy)

    def clear(self) -> None:
        """The space has exited."""
        for vma in self._vmas:
            vma.unlink()
        self._vmas = []

    def _split_at(self, vpn: int) -> None:
        vma = self.find(vpn)
        if vma is None or vma.first == vpn:
            return
        right = Vma(self._owner, vpn, vma.end, vma.offset_of(vpn), vma.protection)
        right.share(vma)
        right.readahead = vma.readahead
        vma.end = vpn
        self._vmas.insert(self._vmas.index(vma) + 1, right)

    def _insert(self, vma: Vma) -> None:
        self._vmas.insert(bisect_right(self._vmas, vma.first, key=_first), vma)
        self._merge(vma)

    def _merge(self, vma: Vma) -> None:
        """Join a VMA with the neighbours that it goes on from (vma_merge)."""
        number = self._vmas.index(vma)
        after = self._vmas[number + 1] if number + 1 < len(self._vmas) else None
        if after is not None and _joins(vma, after):
            vma.readahead = after.readahead  # it is the one that was there that grows
            self._join(vma, after)
        if number and _joins(self._vmas[number - 1], vma):
            self._join(self._vmas[number - 1], vma)

    def _join(self, left: Vma, right: Vma) -> None:
        left.end = right.end
        if left.anon_vma is None:
            left.share(right)
        self._vmas.remove(right)
        right.unlink()


def _joins(left: Vma, right: Vma) -> bool:
    """The two are one in all but name: next to each other, alike, and of one anon_vma that no fork has shared."""
    same = left.anon_vma is right.anon_vma or (
        (left.anon_vma is None or right.anon_vma is None) and len(left.chain) <= 1 and len(right.chain) <= 1
    )
    return _goes_on(left, right) and left.protection == right.protection and same


def _goes_on(left: Vma, right: Vma) -> bool:
    """Next to each other, in pages and in offsets."""
    return left.end == right.first and left.offset_of(left.end) == right.offset


def _first(vma: Vma) -> int:
    return vma.first
