# SPDX-License-Identifier: MIT
"""How many pages a fault reads ahead: the readahead state of a VMA (docs/vswap/faults.md, "Readahead"; swap_ra_info and
__swapin_nr_pages of mm/swap_state.c)."""

from __future__ import annotations

from dataclasses import dataclass, replace

MOST_ORDER = 5
"""Of a window (SWAP_RA_ORDER_CEILING)."""
MOST_HITS = 63
PMD_PAGES = 512
_NOWHERE = -2


@dataclass(frozen=True)
class ReadaheadState:
    """What a VMA remembers (swap_readahead_info).

    Attributes:
        last: page of the last fault that was looked up in the swap cache, or that read ahead.
        window: pages of the last window.
        hits: pages found since that had been read ahead; a new VMA is trusted with some.
    """

    last: int = _NOWHERE
    window: int = 0
    hits: int = 4

    def found(self, vpn: int, *, ahead: bool) -> ReadaheadState:
        """After a fault has found its page in the swap cache; `ahead`: it had been read ahead."""
        return replace(self, last=vpn, hits=min(self.hits + ahead, MOST_HITS))

    def next_window(self, vpn: int, page_cluster: int) -> tuple[ReadaheadState, range]:
        """The pages around a fault that are worth reading, its own among them, before they are cut to the VMA; and the
        state after it. A page alone with a `page_cluster` of 0, which changes nothing."""
        most = 1 << min(page_cluster, MOST_ORDER)
        if most == 1:
            return self, range(vpn, vpn + 1)
        window = self._pages(vpn, most)
        if vpn == self.last + 1:  # going up
            first = vpn
        elif vpn == self.last - 1:  # going down
            first = vpn - window + 1
        else:
            first = vpn - (window - 1) // 2
        begin, end = vpn // PMD_PAGES * PMD_PAGES, (vpn // PMD_PAGES + 1) * PMD_PAGES  # of one page-table page
        return ReadaheadState(vpn, window, 0), range(max(first, begin), min(first + window, end))

    def _pages(self, vpn: int, most: int) -> int:
        """The hits and two more, rounded up to a power of two. Without a hit a single page, but for a neighbour of the
        last one; yet at least half of the last window."""
        unproven = 2 if abs(vpn - self.last) == 1 else 1
        pages = 1 << (self.hits + 1).bit_length() if self.hits else unproven
        return max(min(pages, most), self.window // 2)
