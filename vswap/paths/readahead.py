# SPDX-License-Identifier: MIT
"""Readahead: neighbours of a page that a fault reads from a disk come into the swap cache with it
(docs/vswap/faults.md, "Readahead"; swap_vma_readahead)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from vswap.base.backing import NOWHERE, PHYSICAL, Backing
from vswap.mm.folio import Folio
from vswap.mm.pagetable import PageTable, PteState
from vswap.state import rmap, swapin
from vswap.state.machine import Machine
from vswap.tiers.base import QueuedTier, TierError


@dataclass(eq=False)
class _Page:
    """A page that is to come for a locked folio, which pins its slot; `ahead` of its fault, or for the one that reads.
    `came`: the page, or why it cannot be read."""

    slot: int
    folio: Folio
    backing: Backing
    ahead: bool
    came: bytes | TierError | None = None


def found(machine: Machine, table: PageTable, vpn: int, folio: Folio) -> None:
    """A fault has found its page in the swap cache: that may be what readahead was for (swap_cache_get_folio)."""
    if not machine.config.page_cluster:
        return
    vma = table.vmas.find(vpn)
    if folio.order or vma is None:
        return
    ahead, folio.readahead = folio.readahead, False
    vma.readahead = vma.readahead.found(vpn, ahead=ahead)
    machine.counters.swap_ra_hit += ahead


async def load(machine: Machine, table: PageTable, vpn: int, folio: Folio, backing: Backing) -> bytes:
    """The page of a fault, for the folio that pins its slot. From a disk its neighbours come as well: those whose
    places are next to its own with the same request, others by requests that nobody waits for. Raises TierError."""
    if not (machine.config.page_cluster and swapin.on_disk(machine, folio.slot)):
        return await machine.placement.load(backing, folio.memcg)
    own = _Page(folio.slot, folio, backing, ahead=False)
    in_memory, own_request = list[list[_Page]](), [own]
    for request in _requests(machine, [own, *_neighbours(machine, table, vpn)]):
        if own in request:
            own_request = request
        elif request[0].backing.type in PHYSICAL:
            machine.inflight.start_read()
            machine.clock.spawn(_read_beside(machine, request), "readahead")
        else:
            in_memory.append(request)
    await _read(machine, deque([*in_memory, own_request]))
    if not isinstance(own.came, bytes):
        assert own.came is not None
        raise own.came
    return own.came


def _neighbours(machine: Machine, table: PageTable, vpn: int) -> Iterator[_Page]:
    """Pin the pages around a fault that are worth reading, each with a folio of its own. They take frames that are
    free: nothing is reclaimed for them."""
    vma = table.vmas.find(vpn)
    if vma is None:
        return
    vma.readahead, window = vma.readahead.next_window(vpn, machine.config.page_cluster)
    for page in range(max(window.start, vma.first), min(window.stop, vma.end)):
        pte = table.get(page)
        if pte is None or pte.state is not PteState.SOFTLEAF or machine.cache.lookup(pte.slot) is not None:
            continue
        if not swapin.on_disk(machine, pte.slot) or machine.slots.backing(pte.slot).type in NOWHERE:
            continue
        folio = machine.memory.try_allocate(swapin.charged_to(machine, pte.slot, table), 0)
        if folio is None:
            return
        folio.readahead = True
        machine.counters.swap_ra += 1
        yield _Page(pte.slot, folio, swapin.pin(machine, pte.slot, folio), ahead=True)


def _requests(machine: Machine, pages: list[_Page]) -> list[list[_Page]]:
    """The pages by requests: those next to one another on a device that takes requests share one (the plug)."""
    requests: list[list[_Page]] = []
    for page in sorted(pages, key=lambda page: (page.backing.tier, page.backing.handle)):
        tier, handle = page.backing.tier, page.backing.handle
        last = requests[-1][-1].backing if requests else None
        follows = last is not None and (last.tier, last.handle + 1) == (tier, handle)
        if follows and tier.type in PHYSICAL and isinstance(machine.tiers[tier], QueuedTier):
            requests[-1].append(page)
        else:
            requests.append([page])
    return requests


async def _read_beside(machine: Machine, request: list[_Page]) -> None:
    """A request that no fault waits for."""
    try:
        await _read(machine, deque([request]))
    except Exception as error:
        machine.failure = machine.failure or error
    finally:
        machine.inflight.end_read()


async def _read(machine: Machine, requests: deque[list[_Page]]) -> None:
    """Do requests, one after the other. Pages that come ahead are in the swap cache then, as are those that a fault
    brings; where one cannot be read, or whoever reads was killed, its slot is as it was."""
    try:
        while requests:
            await _fill(machine, requests[0])
            for page in requests.popleft():
                _end(machine, page)
    finally:
        for request in requests:
            for page in request:
                _end(machine, page)


async def _fill(machine: Machine, request: list[_Page]) -> None:
    first = request[0]
    if len(request) > 1:
        tier = machine.tiers[first.backing.tier]
        assert isinstance(tier, QueuedTier)
        for page, came in zip(
            request, await machine.placement.load_run(tier, first.backing, len(request)), strict=True
        ):
            page.came = came
        return
    try:
        first.came = await machine.placement.load(first.backing, first.folio.memcg)
    except TierError as error:
        first.came = error


def _end(machine: Machine, page: _Page) -> None:
    """Unlock a page that was read ahead; a fault maps its own."""
    if not page.ahead:
        return
    if isinstance(page.came, bytes):
        swapin.arrive(machine, page.slot, page.folio, page.backing, page.came)
        rmap.unlock(machine, page.folio)
    else:
        swapin.abort(machine, page.folio)
