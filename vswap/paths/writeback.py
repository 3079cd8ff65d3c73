"""Moving pages to a later tier behind the back of their softleafs, and reaping zombies (docs/vswap/writeback.md)."""

from __future__ import annotations

from collections.abc import Sequence

from vswap.base.errors import AlreadyCached, SlotGone, SlotsExhausted
from vswap.mm.folio import CramFolio, Folio
from vswap.mm.memcg import Memcg
from vswap.slots.table import Backing, BackingType
from vswap.state.core import Core
from vswap.tiers.base import PHYSICAL, Full, Poisoned, Tier, TierError
from vswap.tiers.cram import CramTier

_PATIENCE = 16  # pages that would not move before a round gives up


class Writeback:
    """CRAM -> a farther CRAM node, zswap, a swap device; zswap -> a CRAM node behind it, a swap device."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._turn = -1  # the group whose zswap entries were looked at last
        core.shrink_memcg = self.shrink_memcg
        self._after: dict[Tier, tuple[Tier, ...]] = {}
        for cram in core.crams:
            between = core.config.cram_to_cram
            self._after[cram] = tuple(
                tier for tier in core.tiers.after(cram) if between or tier.type is not BackingType.CRAM
            )
        self._after_zswap: tuple[Tier, ...] = ()
        if core.zswap is not None:
            behind = {BackingType.CRAM, *PHYSICAL} if core.direct is None else PHYSICAL
            self._after_zswap = tuple(tier for tier in core.tiers.after(core.zswap) if tier.type in behind)

    # CRAM

    async def relieve(self, cram: CramTier) -> None:
        """The node is under pressure: reap, trim, and write its coldest pages back until it is open again (or, if it
        was open all the time, one batch)."""
        core = self._core
        failures = 0
        while True:
            await self.reap()
            moved = await self.write_back_cram(core.config.cram_writeback_batch, cram)
            await cram.flush()
            if not cram.under_pressure or core.stopping:
                return
            failures = 0 if moved else failures + 1
            await core.pause(min(core.costs.retry << min(failures, 20), core.config.reap_interval))

    async def write_back_cram(self, count: int, cram: CramTier | None = None) -> int:
        """Write back up to `count` of the coldest CRAM pages, of one node or of each; how many left their device. A
        page read since the last scan gets a second chance."""
        if cram is None:
            return sum([await self.write_back_cram(count, node) for node in self._core.crams])
        residents = self._core.residents[cram]
        if not self._after[cram]:
            return 0
        moved = failed = 0
        for _ in range(2 * len(residents)):
            if moved >= count or failed >= _PATIENCE or not residents:
                break
            folio = next(iter(residents))
            residents.move_to_end(folio)
            if self._used_lately(folio):
                continue
            if await self.write_back_folio(folio):
                moved += 1
            else:
                failed += 1
        return moved

    async def write_back_folio(self, folio: CramFolio) -> bool:
        """Move one CRAM page to a later tier; False when it stays. Read-only mappers are found through the reverse map
        and unmapped first; softleaf mappers are not touched."""
        core = self._core
        if folio.dead or folio.poisoned or not folio.lock.try_acquire():
            return False
        bounce = core.memory.allocate_reserve()
        try:
            return bounce is not None and await self._move(folio, bounce)
        finally:
            if bounce is not None:
                core.memory.release(bounce)
            core.unlock(folio)

    async def _move(self, folio: CramFolio, bounce: Folio) -> bool:
        core = self._core
        if core.unreferenced(folio):
            await core.release_cram(folio)
            core.counters.zombies_reaped += 1
            return True
        if not folio.slot:
            try:
                core.adopt_slot(folio)
            except SlotsExhausted:
                return False
        slot = folio.slot
        unmapped = core.unmap(folio)
        core.counters.writeback_unmaps += unmapped
        if unmapped:
            await core.pause(core.costs.tlb_shootdown)
        await folio.drain()
        later = self._after[folio.tier]
        try:
            if core.direct is not None and core.direct.home(slot).type is BackingType.CRAM:
                data = await folio.tier.load(folio.page)
                backing = await self._write_to_another_slot(data, slot, later, bounce)
            else:
                backing = await core.write_out(await core.read_out(folio.tier, folio.page, later), slot, later)
                if backing is not None:
                    core.change_backing(slot, backing)  # the device page is given up only now: the write succeeded
        except TierError as error:
            folio.poisoned |= isinstance(error, Poisoned)
            core.counters.writeback_failed += 1
            return False
        if backing is None:
            core.counters.writeback_failed += 1
            return False
        if backing.type is BackingType.CRAM and core.direct is None:
            core.cache.replace(folio, core.add_cram_folio(backing, slot))
        else:
            core.leave_cache(folio)
        core.bury(folio)
        core.counters.writebacks.count(BackingType.CRAM, backing.type)
        return True

    async def _write_to_another_slot(
        self, data: bytes, old: int, later: Sequence[Tier], bounce: Folio
    ) -> Backing | None:
        """Without virtual slots: store the page under a slot of another device and make all PTEs name that one. The
        folio `bounce` stands for it in the swap cache meanwhile."""
        core = self._core
        assert core.direct is not None
        try:
            new = core.allocate_slot(core.memcg_of(old), only=[core.tiers.key(tier) for tier in later])
        except SlotsExhausted:
            return None
        bounce.lock.try_acquire()  # private, so free
        core.cache.add(new, bounce)
        core.slots.set_backing(new, Backing(BackingType.FOLIO))
        bounce.data = data
        backing = None
        try:
            backing = await core.write_out(data, new, later)
            if backing is not None:
                core.slots.set_backing(new, backing)
                await core.pause(core.scan_cost())
                core.move_references(old, new)
        finally:
            if backing is not None and backing.type is BackingType.CRAM:
                core.cache.replace(bounce, core.add_cram_folio(backing, new))
            else:
                core.uncache(bounce)
            bounce.lock.release()
        return backing

    @staticmethod
    def _used_lately(folio: CramFolio) -> bool:
        used = False
        for table, vpn in folio.mappers:
            pte = table.get(vpn)
            assert pte is not None
            used |= pte.accessed
            pte.accessed = False
        return used

    async def reap(self) -> int:
        """Give up the device pages that nobody maps or names; how many there were."""
        core = self._core
        reaped = 0
        for folio in list(core.cram_folios):
            if folio.dead or not core.unreferenced(folio) or not folio.lock.try_acquire():
                continue
            try:
                await core.release_cram(folio)
                reaped += 1
            finally:
                core.unlock(folio)
        core.counters.zombies_reaped += reaped
        return reaped

    async def reap_and_trim(self) -> None:
        """The reaper's round."""
        core = self._core
        core.reap_wanted.clear()
        await self.reap()
        for cram in core.crams:
            await cram.flush()

    # zswap

    @property
    def can_shrink_zswap(self) -> bool:
        """There is a swap device behind zswap."""
        return bool(self._after_zswap)

    async def shrink_zswap(self) -> None:
        """The pool was full: write old entries of all groups in turn to a swap device until it is at the accept
        threshold (shrink_worker)."""
        core = self._core
        assert core.zswap is not None
        failures = attempts = 0
        while core.zswap.over_threshold() and failures < _PATIENCE and not core.stopping:
            memcg = core.memcgs.next_online(self._turn)
            self._turn = memcg.id if memcg is not None else -1
            if memcg is None:  # the end of a round
                failures += not attempts
                attempts = 0
                continue
            wrote = await self.shrink_memcg(memcg)
            attempts += wrote is not None
            if wrote is False:
                failures += 1
                core.counters.reject_reclaim_fail += 1
                await core.pause(core.costs.retry)

    async def shrink_memcg(self, memcg: Memcg) -> bool | None:
        """Write the oldest zswap entry of a group to a swap device: False when it stays, None when the group has none,
        or may not write back."""
        core = self._core
        if core.zswap is None or not self._after_zswap or not memcg.may_write_back():
            return None
        if core.zswap.oldest(memcg) is None:
            return None
        return await self.write_back_zswap(memcg)

    async def write_back_zswap(self, memcg: Memcg | None = None) -> bool:
        """Move the oldest zswap entry of a group (by default of the root) to a swap device; False when it stays."""
        core = self._core
        assert core.zswap is not None
        victim = core.zswap.oldest(memcg or core.memcgs.root)
        folio = core.memory.allocate_reserve() if victim else None
        if victim is None or folio is None:
            return False
        handle, slot = victim
        folio.lock.try_acquire()  # private, so free
        try:
            core.cache.pin(slot, folio)
        except (AlreadyCached, SlotGone):  # a fault is bringing it in, or it is going away: leave it
            core.zswap.rotate(handle)
            core.memory.release(folio)
            folio.lock.release()
            return False
        try:
            if core.slots.backing(slot) != Backing(BackingType.ZSWAP, handle):
                return False
            page = await core.read_out(core.zswap, handle, self._after_zswap)
            backing = await core.write_out(page, slot, self._after_zswap)
            if backing is None:
                raise Full("no later tier has room")
            core.change_backing(slot, backing)  # frees the compressed copy, only now
            if backing.type is BackingType.CRAM:
                resident = core.add_cram_folio(backing, slot)
                core.cache.replace(folio, resident)
                if core.unreferenced(resident):
                    core.reap_wanted.set()
            core.counters.writebacks.count(BackingType.ZSWAP, backing.type)
            core.counters.zswpwb += 1
            core.memcg_of(slot).count("zswpwb")
            core.counters.written_back_pages += 1
            return True
        except TierError:
            core.zswap.rotate(handle)
            core.counters.writeback_failed += 1
            return False
        finally:
            core.drop(folio)
            folio.lock.release()
