# SPDX-License-Identifier: MIT
"""Contents: pages of a corpus, drawn for accesses that have none."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from random import Random

from sim.corpus import files
from sim.corpus.corpus import CorpusError


class Contents:
    """Draws pages of a corpus, each as often as it was there.

    Args:
        folder: the corpus.
        kinds: only these programs' pages; all by default.
        random: what draws.

    Raises:
        CorpusError: it is no corpus, or has no such program.
    """

    def __init__(self, folder: Path, kinds: Sequence[str], random: Random) -> None:
        entries = files.load(folder).entries
        known = [entry.kind for entry in entries]
        if unknown := [kind for kind in kinds if kind not in known]:
            raise CorpusError(f"{folder}: has no pages of {unknown[0]}, expected one of {', '.join(known)}")
        self.kinds = list(kinds) or known
        self._random = random
        self._pages: list[bytes] = []
        counts: list[int] = []
        for entry in entries:
            if entry.kind in self.kinds:
                for page, count in files.counts(folder, entry).items():
                    self._pages.append(page)
                    counts.append(count)
        self._weights = list(accumulate(counts))

    def draw(self) -> bytes:
        """A page."""
        return self._random.choices(self._pages, cum_weights=self._weights)[0]
