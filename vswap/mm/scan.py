# SPDX-License-Identifier: MIT
"""What a reclaim wants, and how much of its anonymous pages reclaim of a group looks at, at a priority
(docs/vswap/reclaim.md, "How much of a group"; struct scan_control, get_scan_count and lru_note_cost).

Linux weighs anonymous pages against file pages by what looking at each has cost of late. There are no file pages here,
but their share of the look is lost all the same: only where the machine as a whole is short, and has hardly any, are
anonymous pages looked at alone."""

from __future__ import annotations

from dataclasses import dataclass

from vswap.mm.memcg import Memcg

SWAPPINESS = 60
"""vm.swappiness: the weight of anonymous pages; that of file pages is 200 less this."""
UPDATES_PER_FLUSH = 128
"""Changes of a group's statistics that are counted before they are brought up to date (stats_flush_threshold, of
kernels before 6.8; later ones leave it to a timer of 2 s during reclaim: mem_cgroup_flush_stats_ratelimited)."""
UPDATES_OF_A_LOOK = 3
"""Changes by a page that is looked at: off its list, scanned, and on a list again."""
UPDATES_OF_A_WRITE = 9
"""Further ones by a page that leaves: swap, its mapping, twice the swap cache, its write, and that it is gone."""
ACTIVATIONS = "workingset_activate_anon"
WRITE_COST = 32
"""A page written costs as much as so many that were looked at in vain (SWAP_CLUSTER_MAX)."""


@dataclass
class ScanControl:
    """A reclaim under way.

    Attributes:
        group: which is reclaimed, with those below it; the root: the whole machine.
        wanted: pages to free.
        freed: pages that are free by now.
        submitted: pages that will be free when the writes under way have ended.
        may_swap: what is looked at can leave; else lists only age.
        force_deactivate: the active list is shortened even if it is not too long for the inactive one.
        skipped_deactivate: an active list was not shortened, as it was not too long.
    """

    group: Memcg
    wanted: int = 0
    freed: int = 0
    submitted: int = 0
    may_swap: bool = True
    force_deactivate: bool = False
    skipped_deactivate: bool = False

    @property
    def progress(self) -> int:
        """Pages that this reclaim has come to."""
        return self.freed + self.submitted

    @property
    def deactivates(self) -> bool:
        """The active list is shortened whatever its length: it was asked for, or pages had to be activated as they came
        back since the last reclaim, so that not all of the active ones are needed (prepare_scan_control)."""
        return self.force_deactivate or self.group.activations_seen != self.group.stat[ACTIVATIONS]

    def due(self, folios: int, priority: int) -> int:
        """Of so many folios on a list, how many are to be looked at."""
        if not self.may_swap:
            return 0
        part = folios >> priority
        return share(self.group, part) if priority and self.group.parent else part

    def end(self) -> None:
        """Remember what was activated by now (snapshot_refaults)."""
        self.group.activations_seen = self.group.stat[ACTIVATIONS]


def share(target: Memcg, pages: int) -> int:
    """Of so many anonymous pages, how many reclaim of `target` looks at."""
    cost = target.anon_cost
    anon, file = cost + cost, cost  # file pages have cost nothing
    anon_weight = SWAPPINESS * (anon + file + 1) // (anon + 1)
    file_weight = (200 - SWAPPINESS) * (anon + file + 1) // (file + 1)
    return pages * anon_weight // (anon_weight + file_weight)


def cost(profile: str, *, written: int, in_vain: int = 0) -> int:
    """What it costs to have written, or to read again what was needed after all, so many pages, and to have looked at
    others in vain (lru_note_cost). Kernels before 6.2 counted the former alone."""
    return written if profile == "6.1" else written * WRITE_COST + in_vain


def note_cost(group: Memcg, cost: int, pages: int) -> None:
    """Reclaim of a group has cost something. All of it is halved as soon as it is more than a quarter of the group's
    `pages`."""
    group.anon_cost += cost
    if group.anon_cost > pages // 4:
        group.anon_cost //= 2
