# SPDX-License-Identifier: MIT
"""A page's way out, from a folio in the swap cache that nobody maps to a tier (pageout; mm/page_io.c)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from hw.clock import Task
from hw.link import ZERO_PAGE
from vswap.base.backing import IN_FOLIO, Backing, BackingType
from vswap.mm import workingset
from vswap.mm.folio import Folio
from vswap.mm.memcg import Memcg
from vswap.paths import large
from vswap.state import rmap
from vswap.state.machine import Machine
from vswap.tiers.base import QueuedTier, Tier, TierError
from vswap.tiers.cram import CramTier
from vswap.tiers.placement import MakeRoom

IN_MEMORY = frozenset({BackingType.ZERO, BackingType.ZSWAP})
"""Tiers that keep a page before the call returns: the folio lock is held, and nothing is under writeback."""


@dataclass(frozen=True)
class Leaving:
    """A folio on its way out, the tiers that may still take it, and the group that is being reclaimed.

    Attributes:
        moved: where an earlier tier has the page: called in the step in which a later one has its place, and the copy
            there is gone. That tier has it until then, so a synchronous device that refuses it does no harm.
    """

    folio: Folio
    order: Sequence[Tier]
    target: Memcg
    moved: Callable[[Backing], None] | None = None


@dataclass
class Request:
    """A write of pages that lie next to one another on a swap device."""

    tier: QueuedTier
    first: Backing
    folios: list[Folio] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)  # as they were unmapped: somebody may write to them by now

    @property
    def pages(self) -> int:
        return len(self.contents)


class Pageout:
    """The writes of one round of reclaim (a plug, and what follows from it).

    zero and zswap keep a page at once. For a device the folio is marked as under writeback, and unlocked. The writes
    begin together, when all folios of the round have been looked at (`submit`). Whoever reclaims waits only for the
    writes to synchronous devices, which are the CRAM device and zram (`finish`).

    Attributes:
        submitted: pages whose writes nobody waits for.
        written: pages that a tier has taken, these among them.
    """

    def __init__(self, machine: Machine, make_room: MakeRoom) -> None:
        self.machine = machine
        self.submitted = 0
        self.written = 0
        self._make_room = make_room
        self._requests: list[Request] = []
        self._stores: list[tuple[Leaving, Tier | None, Sequence[bytes]]] = []
        self._refused: list[Leaving] = []
        self._tasks: list[Task[None]] = []

    async def write(self, leaving: Leaving) -> list[Folio]:
        """Give a locked folio to the first tier that takes it. It is gone then, or under writeback, or dirty and active
        because none does; or split, since none takes it whole: the folios of its pages."""
        machine, folio = self.machine, leaving.folio
        if not folio.dirty:
            self._go(leaving)
            return []
        for slot in folio.slots:
            machine.layer.change_backing(slot, IN_FOLIO)  # what a tier has is stale
        tried: list[Tier] = []
        for tier in machine.tiers.candidates(leaving.order):
            tried.append(tier)
            if isinstance(tier, CramTier) and folio.order:
                if tier.closed:
                    continue
                break  # the device takes single pages
            later = tuple(other for other in leaving.order if other not in tried)
            if await self.offer(replace(leaving, order=later), tier):
                self.written += len(folio.pages)
                return []
        if folio.order and not folio.pins:
            machine.counters.count_mthp(folio.order, "swpout_fallback")
            return large.split(machine, folio)
        machine.counters.swapout_failed += 1
        folio.active = True
        return []

    async def offer(self, leaving: Leaving, tier: Tier) -> bool:
        """Offer a locked folio to one tier. True: it is gone, or under writeback to there; the order is that of the
        tiers after this one."""
        machine, folio = self.machine, leaving.folio
        if tier in machine.tiers.offline:  # since
            return False
        if tier.type is BackingType.ZERO and any(page != ZERO_PAGE for page in folio.pages):
            await machine.clock.sleep(machine.costs.zero_test)
            return False
        if tier.type is BackingType.ZSWAP and folio.order and machine.config.profile != "current":
            return False  # zswap_store took single pages until 6.13
        if tier.type in IN_MEMORY:
            if not await large.store_all(machine, folio, folio.pages, tier, self._make_room):
                return False
            if folio.order and tier.type is BackingType.ZSWAP:
                machine.counters.count_mthp(folio.order, "zswpout")
            folio.dirty = False
            self._go(leaving)
            return True
        if isinstance(tier, QueuedTier):
            first = machine.placement.reserve(tier, folio.slot, len(folio.pages))
            if first is None:
                return False
            self._queue(leaving, tier, first)
        else:
            if not machine.layer.may_hold(machine.tiers.key(tier), folio.slot):
                return False
            machine.inflight.start(folio, stable=tier.type is BackingType.ZRAM)
            self._stores.append((leaving, tier, list(folio.pages)))
        return True

    def submit(self) -> None:
        """Let all writes begin."""
        clock = self.machine.clock
        if self._stores:
            self._tasks.append(clock.spawn(self._store_in_turn(self._stores), "writeback"))
        for request in self._requests:
            clock.spawn(self._write(request), "writeback")
        self._stores = []
        self._requests = []

    async def finish(self) -> list[Leaving]:
        """Wait for the writes to synchronous devices; the folios that these did not take, dirty again."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            await task
        refused, self._refused = self._refused, []
        return refused

    # Inside

    def _queue(self, leaving: Leaving, tier: QueuedTier, first: Backing) -> None:
        """Put a folio into the last request if its places follow, else into one of its own."""
        machine, folio = self.machine, leaving.folio
        for number, slot in enumerate(folio.slots):
            machine.layer.change_backing(slot, machine.tiers.place(tier, first.handle + number))
        if leaving.moved is not None:
            leaving.moved(first)
        machine.inflight.start(folio, stable=tier.stable_writes)
        machine.tiers.storing[tier] += 1
        self.submitted += len(folio.pages)
        if folio.order:
            machine.counters.count_mthp(folio.order, "swpout")
        last = self._requests[-1] if self._requests else None
        if last is None or last.tier is not tier or first.handle != last.first.handle + last.pages:
            last = Request(tier, first)
            self._requests.append(last)
        last.folios.append(folio)
        last.contents += folio.pages

    async def _write(self, request: Request) -> None:
        """A request to a swap device, and the end of it (end_swap_bio_write)."""
        machine = self.machine
        failed = True
        try:
            await request.tier.write(request.first.handle, request.contents)
            failed = False
        except TierError:
            machine.counters.swapout_failed += request.pages
        except Exception as error:
            machine.failure = machine.failure or error
        finally:
            for folio in request.folios:
                machine.tiers.storing[request.tier] -= 1
                machine.inflight.end(folio, failed=failed)
                if not failed:
                    machine.memory.rotate(folio)
                rmap.try_to_free(machine, folio)

    async def _store_in_turn(self, stores: Sequence[tuple[Leaving, Tier | None, Sequence[bytes]]]) -> None:
        """The writes to synchronous devices, one after the other: it is a processor that copies the pages. All at once
        they would stand in the device's queue before every load of a task."""
        for leaving, tier, contents in stores:
            if tier is not None:
                await self._store(leaving, tier, contents)
            else:
                self._evict_unused(leaving)
                rmap.try_to_free(self.machine, leaving.folio)

    def _go(self, leaving: Leaving) -> None:
        """A locked folio that a tier has goes: at once, or after those whose writes a processor has to do first. So all
        go in the order in which reclaim met them, which refaults go by."""
        if self._stores:
            self._stores.append((leaving, None, ()))
        else:
            evict(self.machine, leaving.folio, leaving.target)

    def _evict_unused(self, leaving: Leaving) -> None:
        """A folio that a tier has goes, unless somebody uses it by now, or it is being written again."""
        folio = leaving.folio
        if waits(folio) and not folio.dirty and folio.lock.try_acquire():
            evict(self.machine, folio, leaving.target)
            folio.lock.release()

    async def _store(self, leaving: Leaving, tier: Tier, contents: Sequence[bytes]) -> None:
        """A write to a synchronous device, and the end of it: the folio goes, unless somebody uses it by now."""
        machine, folio = self.machine, leaving.folio
        stored = False
        try:
            if isinstance(tier, CramTier):
                stored = await self._store_on_device(leaving, tier, contents[0])
            else:
                stored = await large.store_all(machine, folio, contents, tier, self._make_room)
                if stored and folio.order:
                    machine.counters.count_mthp(folio.order, "swpout")
                if stored and leaving.moved is not None:
                    leaving.moved(machine.slots.backing(folio.slot))
        except Exception as error:
            machine.failure = machine.failure or error
        finally:
            if folio.writeback:
                machine.inflight.end(folio, failed=not stored and leaving.moved is None)
        if not stored and not folio.mappers:
            self._refused.append(leaving)
        if stored and leaving.moved is not None:
            machine.memory.rotate(folio)
        elif stored:
            self._evict_unused(leaving)
        rmap.try_to_free(machine, folio)

    async def _store_on_device(self, leaving: Leaving, cram: CramTier, data: bytes) -> bool:
        """The device page takes the folio's place in the swap cache when it is written. False: the node has no room, or
        somebody uses the page by now, which ends in DRAM then."""
        machine, folio = self.machine, leaving.folio
        slot = folio.slot
        store = partial(cram.store, data, slot)
        handle = await machine.placement.store_on(cram, slot, store, self._make_room)
        if handle is None:
            return False
        backing = machine.tiers.place(cram, handle)
        if not unused(folio) or not folio.lock.try_acquire():
            machine.tiers.free(backing)
            machine.reap_wanted.set()
            return False
        machine.inflight.end(folio, failed=False)
        machine.slots.set_shadow(slot, workingset.evict(folio, leaving.target, machine.memory))
        machine.layer.change_backing(slot, backing)
        if leaving.moved is not None:
            leaving.moved(backing)
        resident = machine.residents.add(backing, slot)
        machine.cache.replace(folio, resident)
        if rmap.unreferenced(machine, resident):
            machine.reap_wanted.set()
        rmap.drop(machine, folio)
        folio.lock.release()
        return True


def waits(folio: Folio) -> bool:
    """A locked folio in the swap cache waits to be written: nobody maps it."""
    return bool(folio.slot) and not (folio.dead or folio.mappers or folio.writeback)


def unused(folio: Folio) -> bool:
    """Nobody maps a folio in the swap cache, nor has anyone changed it since its write began."""
    return not (folio.dead or folio.mappers or folio.dirty)


def evict(machine: Machine, folio: Folio, target: Memcg) -> None:
    """Give the frames of a locked folio back that a tier has; its shadow stays in its slots. `target` is the group that
    is being reclaimed."""
    shadow = workingset.evict(folio, target, machine.memory)
    for slot in folio.slots:
        machine.slots.set_shadow(slot, shadow)
    rmap.drop(machine, folio)
