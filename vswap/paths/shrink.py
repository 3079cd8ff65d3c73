# SPDX-License-Identifier: MIT
"""How much reclaim looks at: ever larger parts of the lists of groups, until enough is free (do_try_to_free_pages;
docs/vswap/reclaim.md, "How much of a group")."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from vswap.mm.folio import Folio
from vswap.mm.memcg import Memcg
from vswap.mm.scan import UPDATES_OF_A_LOOK, UPDATES_OF_A_WRITE, UPDATES_PER_FLUSH, ScanControl, cost
from vswap.paths import large
from vswap.paths.zswap_shrinker import ZswapShrinker
from vswap.state.machine import Machine

DEF_PRIORITY = 12
"""The first round looks at so small a part of each list: a 2^12-th. Each further one looks at twice as much."""


class Reclaimed(NamedTuple):
    """What a round has come to, pages: looked at, written, freed, and to be free when writes under way have ended."""

    freed: int
    submitted: int
    looked_at: int
    written: int


class ShrinkFolioList(Protocol):
    """A round: each of these folios is off the lists when its turn comes, and is reclaimed or put back."""

    async def __call__(self, folios: Iterable[Folio], *, target: Memcg | None = None, by: str = ...) -> Reclaimed: ...


class Shrink:
    """Looks at the lists of groups, some of each in turn."""

    def __init__(self, machine: Machine, slab: ZswapShrinker | None, shrink_folio_list: ShrinkFolioList) -> None:
        """`slab`: what else gives memory back for each group that is looked at, if there is such a thing."""
        self._machine = machine
        self._slab = slab
        self._shrink_folio_list = shrink_folio_list
        self._turn = -1

    async def until(self, control: ScanControl, by: str, *, fresh: bool = True) -> int:
        """Reclaim what `control` wants, or until all was looked at; how many frames are free. It goes by `fresh`
        statistics of the lists, or by those that the reclaim before went by. `by`: who reclaims, for pgdemote_*."""
        machine = self._machine
        if fresh:
            machine.memory.flush(control.group)
        control.freed = self._split_deferred(machine.memory.memcgs.subtree(control.group))
        await self._shrink_groups(control, by)
        if not control.progress and machine.config.profile != "6.1":
            await self._shrink_groups(control, by)  # memcg_full_walk
        if not control.progress and control.skipped_deactivate:
            control.force_deactivate = True
            await self._shrink_groups(control, by)
        control.end()
        return control.freed

    async def _shrink_groups(self, control: ScanControl, by: str) -> None:
        """All priorities, until there is enough."""
        machine, root = self._machine, self._machine.memory.memcgs.root
        groups = machine.memory.memcgs.subtree(control.group)
        for priority in range(DEF_PRIORITY, -1, -1):
            if machine.config.profile == "6.1":
                machine.memory.flush(control.group, UPDATES_PER_FLUSH)
            for group in self._in_turn(groups):
                if control.progress >= control.wanted:
                    return
                if self._slab is not None:
                    pool = await self._slab.shrink(group, priority)
                    if control.group is root:  # flush_reclaim_state: else it may be others' memory
                        control.freed += pool
                demotes = machine.tiers.demotes and control.group is root
                control.may_swap = demotes or machine.layer.can_swap(group)
                if control.may_swap or machine.layer.has_swap():
                    await self._shrink_lruvec(group, control, priority, by)

    async def _shrink_lruvec(self, group: Memcg, control: ScanControl, priority: int, by: str) -> None:
        """One group at one priority, a batch after the other, and what it has cost."""
        machine = self._machine
        before_6_2 = machine.config.profile == "6.1"
        for batch in machine.memory.lruvec(group).batches(control, priority):
            self._turn = group.id
            outcome = await self._shrink_folio_list(self._isolate(group, batch), target=control.group, by=by)
            in_vain = outcome.looked_at - outcome.freed
            spent = cost(machine.config.profile, written=outcome.written, in_vain=in_vain)
            if spent or before_6_2:  # there no cost is noted, too: older ones fade by it
                machine.memory.note_cost(group, spent)
            machine.memory.updates += UPDATES_OF_A_LOOK * outcome.looked_at + UPDATES_OF_A_WRITE * outcome.written
            control.freed += outcome.freed
            control.submitted += outcome.submitted

    def _isolate(self, group: Memcg, count: int) -> Iterator[Folio]:
        """Take up to so many folios of a group off its lists, each when the one before has been looked at."""
        lruvec = self._machine.memory.lruvec(group)
        for _ in range(count):
            folio = lruvec.isolate()
            self._machine.counters.pgrefill += lruvec.refilled
            lruvec.refilled = 0
            if folio is None:
                return
            yield folio

    def _in_turn(self, groups: list[Memcg]) -> list[Memcg]:
        """From the one after the last one looked at on, so that each is the first one now and then."""
        return sorted(groups, key=lambda group: (group.id <= self._turn, group.id))

    def _split_deferred(self, groups: list[Memcg]) -> int:
        """Split the large folios of these groups that are partly unused; frames freed."""
        memory = self._machine.memory
        before = memory.used
        for folio in list(memory.deferred):
            if folio.memcg in groups and not (folio.pins or folio.writeback) and folio.lock.try_acquire():
                large.split(self._machine, folio)
                folio.lock.release()
        return before - memory.used
