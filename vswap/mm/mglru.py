# SPDX-License-Identifier: MIT
"""The multi-generational LRU: folios by the time of their last use, in generations (docs/vswap/reclaim.md).

oldest: reclaimed next                  youngest: used since the last aging
[ min_seq ] [ min_seq + 1 ] ... [ max_seq ]
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from itertools import chain

from vswap.mm.folio import Folio
from vswap.mm.lru import Verdict, take_references
from vswap.mm.scan import ScanControl

MIN_NR_GENS = 2
"""The youngest generations, which are never reclaimed: the working set."""
MIN_LRU_BATCH = 64
"""Folios that are taken off the oldest generation in one go."""


class MultiGenLru:
    """Generations of one group's folios. Aging looks at the accessed bits of all of them at once, as the kernel does by
    a walk of the page tables.

    Attributes:
        min_seq, max_seq: numbers of the oldest and the youngest generation.
        refilled: see Lruvec.
    """

    __slots__ = ("_after_batch", "_generation", "_generations", "max_seq", "min_seq", "refilled")

    def __init__(self) -> None:
        self.min_seq = 0
        self.max_seq = MIN_NR_GENS - 1
        self.refilled = 0
        self._generations: dict[int, OrderedDict[Folio, None]] = {seq: OrderedDict() for seq in range(MIN_NR_GENS)}
        self._generation: dict[Folio, int] = {}
        self._after_batch = 0

    @property
    def eviction_clock(self) -> int | None:
        """See Lruvec: the oldest generation. One that the batch under way takes whole is none any more."""
        self._drop_empty()
        return max(self.min_seq, self._after_batch)

    def flush(self) -> None:
        """See Lruvec: aging counts folios, and goes by no statistics."""

    @property
    def pages_seen(self) -> int | None:
        """See Lruvec."""
        return None

    def batches(self, control: ScanControl, priority: int) -> Iterator[int]:
        """See Lruvec: MIN_LRU_BATCH at least, as long as there is anything to look at at this priority. Where only the
        youngest generations are left, they age before."""
        left = len(self._generation) >> priority if control.may_swap else 0
        if left and self._only_young:
            self.age()
        self._drop_empty()
        whole = len(self._generations[self.min_seq]) <= MIN_LRU_BATCH
        self._after_batch = self._oldest(self.min_seq + 1) if whole and not self._only_young else self.min_seq
        for _ in range(0, left, MIN_LRU_BATCH):
            yield MIN_LRU_BATCH
            if control.progress >= control.wanted:
                return

    @property
    def active_pages(self) -> int:
        """See Lruvec."""
        young = range(self.max_seq - MIN_NR_GENS + 1, self.max_seq + 1)
        return sum(len(folio.pages) for seq in young for folio in self._generations[seq])

    @property
    def inactive_pages(self) -> int:
        """See Lruvec."""
        return sum(len(folio.pages) for folio in self) - self.active_pages

    def add(self, folio: Folio) -> None:
        """See Lruvec: to the youngest generation, as every page that a fault has brought or that was used."""
        self.remove(folio)
        folio.active = False  # said by its generation from now on
        self._put(folio, self.max_seq)

    def add_oldest(self, folio: Folio) -> None:
        """See Lruvec."""
        self.remove(folio)
        folio.active = folio.referenced = False
        self._put(folio, self.min_seq)
        self._generations[self.min_seq].move_to_end(folio, last=False)

    def deactivate(self, folio: Folio) -> None:
        """See Lruvec: to the second oldest generation, as it has to be written; if a tier may have it, to the
        oldest."""
        self.remove(folio)
        folio.active = folio.referenced = False
        self._put(folio, self.min_seq + (not folio.slot))

    def remove(self, folio: Folio) -> None:
        """See Lruvec."""
        seq = self._generation.pop(folio, None)
        if seq is not None:
            del self._generations[seq][folio]

    def isolate(self) -> Folio | None:
        """See Lruvec: the first folio of the oldest generation; none where only the youngest ones are left."""
        self._drop_empty()
        oldest = self._generations[self.min_seq]
        if self._only_young or not oldest:
            return None
        folio = next(iter(oldest))
        self.remove(folio)
        return folio

    @property
    def _only_young(self) -> bool:
        return self.max_seq - self.min_seq < MIN_NR_GENS

    def _drop_empty(self) -> None:
        """Oldest generations without folios are no more (try_to_inc_min_seq)."""
        oldest = self._oldest(self.min_seq)
        for seq in range(self.min_seq, oldest):
            del self._generations[seq]
        self.min_seq = oldest

    def _oldest(self, seq: int) -> int:
        """The first generation from `seq` on that has folios, or is one of the youngest."""
        while self.max_seq - seq >= MIN_NR_GENS and not self._generations[seq]:
            seq += 1
        return seq

    def age(self) -> None:
        """A new generation begins (inc_max_seq): what was used since the last time goes into it."""
        self.max_seq += 1
        self._generations[self.max_seq] = OrderedDict()
        for folio in list(self):
            if take_references(folio):
                self.remove(folio)
                self._put(folio, self.max_seq)
                folio.workingset = True
                self.refilled += len(folio.pages)

    def check_references(self, folio: Folio) -> Verdict:
        """See Lruvec: used since the last aging, it goes to the youngest generation. Only a second time counts as an
        activation."""
        references, before = take_references(folio), folio.referenced
        folio.referenced = bool(references)
        if not references:
            return Verdict.RECLAIM
        folio.workingset = True
        return Verdict.ACTIVATE if before or references > 1 else Verdict.KEEP

    def _put(self, folio: Folio, seq: int) -> None:
        self._generations[seq][folio] = None
        self._generation[folio] = seq

    def __contains__(self, folio: Folio) -> bool:
        return folio in self._generation

    def __iter__(self) -> Iterator[Folio]:
        return chain.from_iterable(self._generations[seq] for seq in sorted(self._generations))

    def __len__(self) -> int:
        return len(self._generation)
