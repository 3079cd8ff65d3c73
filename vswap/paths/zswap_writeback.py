# SPDX-License-Identifier: MIT
"""Writeback of zswap's entries to a later tier, behind the back of their softleafs (zswap_writeback_entry;
docs/vswap/writeback.md)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

from vswap.base.backing import PHYSICAL, Backing, BackingType
from vswap.base.errors import AlreadyCached, OutOfMemory, SlotGone
from vswap.mm.folio import Folio
from vswap.mm.frames import MAX_RECLAIM_RETRIES
from vswap.mm.memcg import Memcg
from vswap.paths.pageout import Leaving, Pageout, unused, waits
from vswap.state import rmap, swapin
from vswap.state.machine import Machine
from vswap.tiers.base import Tier, TierError
from vswap.tiers.cram import CramTier
from vswap.tiers.lz4block import block_tier


class ZswapWriteback:
    """zswap -> a CRAM node behind it, a swap device.

    The page of an entry comes into a folio in the swap cache, which is written as any page on its way out (`Pageout`):
    under writeback, unlocked, and found there by a fault. It stays there until reclaim comes. Only to a tier that takes
    its LZ4 block the page goes as that, in memory, under the folio lock.

    Attributes:
        later: the tiers that zswap may write back to.
        allocate: a folio charged to a group, by reclaim if need be; raises OutOfMemory. For the shrinker, which is a
            task of its own: whoever reclaims takes one of the reserve, and charges it past the group's limit.
    """

    allocate: Callable[[Memcg], Awaitable[Folio]]

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._turn = -1  # the group whose entries were looked at last
        self.later: tuple[Tier, ...] = ()
        if machine.tiers.zswap is not None and machine.config.profile != "6.1":  # zsmalloc has writeback since 6.2
            behind = machine.layer.behind_zswap
            self.later = tuple(tier for tier in machine.tiers.after(machine.tiers.zswap) if tier.type in behind)

    async def shrink(self) -> None:
        """The shrinker: look at one entry of each group in turn until a pool that was full is down to the accept
        threshold, or 16 entries were passed over (shrink_worker)."""
        machine = self.machine
        assert machine.tiers.zswap is not None
        failures = attempts = 0
        while machine.tiers.zswap.over_threshold() and failures < MAX_RECLAIM_RETRIES and not machine.stopping:
            memcg = machine.memory.memcgs.next_online(self._turn)
            self._turn = memcg.id if memcg is not None else -1
            if memcg is None:  # the end of a round
                failures += not attempts
                attempts = 0
                continue
            wrote = await self.shrink_memcg(memcg, may_reclaim=True)
            attempts += wrote is not None
            failures += wrote is False

    async def shrink_memcg(self, memcg: Memcg, *, may_reclaim: bool = False) -> bool | None:
        """Look at the oldest entry of a group, and write it to a later tier: False when it stays, because it was
        referenced or for another reason; None when the group has none, or may not write back."""
        zswap = self.machine.tiers.zswap
        if zswap is None or not self.later or not memcg.may_write_back() or not zswap.lru(memcg):
            return None
        if zswap.give_second_chance(memcg):
            return False
        wrote = await self.write_back(memcg, may_reclaim=may_reclaim)
        self.machine.counters.reject_reclaim_fail += not wrote
        return wrote

    async def write_back(self, memcg: Memcg | None = None, *, may_reclaim: bool = False) -> bool:
        """Move the oldest entry of a group (by default of the root) to a later tier; False when it stays. Nobody waits
        for a swapfile. `may_reclaim`: not on behalf of somebody who reclaims already."""
        machine = self.machine
        zswap = machine.tiers.zswap
        victim = zswap.oldest(memcg or machine.memory.memcgs.root) if zswap is not None else None
        if zswap is None or victim is None:
            return False
        handle, slot = victim
        zswap.rotate(handle)  # others look at others
        owner = machine.layer.memcg_of(slot)
        folio = await self._folio(owner if owner.online else machine.memory.memcgs.root, may_reclaim)
        if folio is None:
            return False
        try:
            swapin.pin(machine, slot, folio)
        except (AlreadyCached, SlotGone):  # a fault is bringing it in, or it is going away: leave it
            machine.memory.release(folio)
            return False
        folio.dirty = False  # zswap has the page
        later = tuple(tier for tier in self.later if not (folio.forced and tier.type is BackingType.CRAM))
        await self._write(handle, Leaving(folio, later, owner, partial(self._moved, owner)))
        return handle not in zswap.entries

    def still_has(self, handle: int, slot: int) -> bool:
        """The check after the folio was taken: the entry is still the slot's. It may have been freed before, and the
        slot be another page's by now."""
        zswap = self.machine.tiers.zswap
        return zswap is not None and self.machine.slots.backing(slot) == self.machine.tiers.place(zswap, handle)

    # Inside

    async def _folio(self, memcg: Memcg, may_reclaim: bool) -> Folio | None:
        """A private folio, charged to a group."""
        if may_reclaim:
            try:
                return await self.allocate(memcg)
            except OutOfMemory:
                return None
        folio = self.machine.memory.allocate_reserve()
        if folio is not None:
            folio.memcg = memcg
            folio.forced = memcg.try_charge(1) is not None
            if folio.forced:
                memcg.charge(1)
        return folio

    async def _write(self, handle: int, leaving: Leaving) -> None:
        """Write the page of an entry. Its folio, which pins the slot, is locked, and is unlocked then. Waits for
        synchronous devices: what one of them refuses goes to the next tier."""
        pageout = Pageout(self.machine, self.shrink_memcg)
        taken = await self._attempt(handle, leaving, pageout, loaded=False)
        while taken:
            pageout.submit()
            again = [refused for refused in await pageout.finish() if refused.folio.lock.try_acquire()]
            taken = any([await self._attempt(handle, refused, pageout, loaded=True) for refused in again])
        zswap = self.machine.tiers.zswap
        self.machine.counters.writeback_failed += zswap is not None and handle in zswap.entries

    async def _attempt(self, handle: int, leaving: Leaving, pageout: Pageout, *, loaded: bool) -> bool:
        """Offer the page of a locked folio to the tiers, and unlock it. It goes, unless it is under writeback."""
        machine, folio = self.machine, leaving.folio
        try:
            ours = waits(folio) and self.still_has(handle, folio.slot)
            return ours and await self._pass_on(handle, leaving, pageout, loaded=loaded)
        except TierError:
            return False
        finally:
            if unused(folio) and not folio.writeback:
                rmap.drop(machine, folio)
            rmap.unlock(machine, folio)

    async def _pass_on(self, handle: int, leaving: Leaving, pageout: Pageout, *, loaded: bool) -> bool:
        """True: a tier has the block of the entry, or the folio is under writeback to one. Raises TierError."""
        machine, folio, slot = self.machine, leaving.folio, leaving.folio.slot
        zswap = machine.tiers.zswap
        assert zswap is not None
        tried: list[Tier] = []
        for tier in machine.tiers.candidates(leaving.order):
            tried.append(tier)
            if tier.type in PHYSICAL and not machine.layer.memcg_of(slot).may_write_back():
                continue
            blocks = block_tier(tier) if block_tier(zswap) else None
            block = await zswap.export_block(handle) if blocks is not None else None
            if block is not None:
                backing = await machine.placement.write_out(block, slot, (tier,))
                if backing is not None:
                    self._move_block(leaving, backing)
                    return True
                continue
            if isinstance(tier, CramTier) and tier.closed:
                continue
            if not loaded:
                loaded = True
                rmap.refaulted(machine, folio, slot)
                machine.memory.add(folio)
                folio.data = await zswap.load(handle)
            later = tuple(other for other in leaving.order if other not in tried)
            if await pageout.offer(replace(leaving, order=later), tier):
                return True
        return False

    def _move_block(self, leaving: Leaving, backing: Backing) -> None:
        """A tier has the block of a locked folio's page."""
        machine, folio, slot = self.machine, leaving.folio, leaving.folio.slot
        machine.layer.change_backing(slot, backing)
        self._moved(leaving.target, backing)
        if backing.type is BackingType.CRAM:
            resident = machine.residents.add(backing, slot)
            machine.cache.replace(folio, resident)
            if rmap.unreferenced(machine, resident):
                machine.reap_wanted.set()

    def _moved(self, owner: Memcg, backing: Backing) -> None:
        """An entry of a group is gone, and its page has that backing."""
        machine = self.machine
        assert machine.tiers.zswap is not None
        source = machine.tiers.key(machine.tiers.zswap)
        machine.counters.writebacks.count(BackingType.ZSWAP, backing.type)
        machine.counters.count_move(machine.tiers.name(source), machine.tiers.name(backing.tier))
        machine.counters.zswpwb += 1
        owner.count("zswpwb")
        machine.counters.written_back_pages += 1
