"""swapoff: empty a tier while tasks run, by any of three searches (docs/vswap/swapoff.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from vswap.base.errors import AlreadyCached, OutOfMemory, SlotGone, SlotsExhausted, VswapError
from vswap.mm.folio import CramFolio, Folio
from vswap.mm.pagetable import PageTable, PteState
from vswap.paths import large
from vswap.paths.evacuate import copy_to_dram
from vswap.slots.table import Backing, BackingType
from vswap.state.core import Core
from vswap.tiers.base import Tier, TierError

_PATIENCE = 32  # rounds without a page moved before it is given up


class SwapoffFailed(VswapError):  # noqa: N818 - the name of the condition
    """The tier could not be emptied: it is in use again, and nothing is lost. `__cause__` says why, where one page was
    the reason (EIO, ENOMEM); else it stayed busy (EBUSY)."""


class Method(Enum):
    """How the pages of a tier are found."""

    PAGE_TABLES = "page tables"
    """Every PTE of every space is looked at: what kernels do without virtual slots."""
    SLOTS = "slots"
    """Every virtual slot is looked at."""
    REVERSE_MAP = "reverse map"
    """The tier's own map says which slots it has."""


@dataclass(frozen=True)
class SwapoffFigures:
    """What it took: entries looked at, pages moved, rounds over everything, simulated ns."""

    visited: int
    moved: int
    rounds: int
    ns: int


class Swapoff:
    """One swapoff."""

    def __init__(self, core: Core, tables: Callable[[], Iterable[PageTable]], tier: Tier, method: Method) -> None:
        self._core = core
        self._tables = tables
        self._tier = tier
        self._method = method
        self._visited = 0
        self._moved = 0

    async def run(self) -> SwapoffFigures:
        """Stop allocations, empty the tier, wait for stores under way. The tier stays off.

        Raises:
            SwapoffFailed: a page could not be read, there is no memory for it, or pages keep being busy. The tier is on
                again; what has moved stays where it is.
            ValueError: these pages cannot be found by this method.
        """
        core, tier = self._core, self._tier
        if tier in core.offline or tier.type is BackingType.ZERO:
            raise ValueError(f"{tier.type.name} cannot be switched off")
        if core.direct is not None and self._method is not Method.PAGE_TABLES:
            raise ValueError("without virtual slots only the page tables name the pages of a device")
        started = core.clock.now
        core.offline.add(tier)
        rounds = idle = 0
        try:
            while not self._is_empty():
                before = self._moved
                await self._round()
                rounds += 1
                idle = 0 if self._moved > before else idle + 1
                if idle:
                    await core.pause(core.costs.retry * idle)
                if idle > _PATIENCE:
                    raise SwapoffFailed(f"{tier.type.name} stays busy: {tier.usage().pages} pages do not move")
        except (TierError, OutOfMemory, SlotsExhausted) as error:
            core.offline.discard(tier)
            raise SwapoffFailed(f"{tier.type.name}: {error}") from error
        except BaseException:
            core.offline.discard(tier)
            raise
        await tier.flush()
        return SwapoffFigures(self._visited, self._moved, rounds, core.clock.now - started)

    def _is_empty(self) -> bool:
        core, tier = self._core, self._tier
        if core.storing[tier] or tier.usage().pages:
            return False
        return core.direct is None or not any(True for _ in core.direct.on_device(core.tiers.key(tier)))

    # Searches

    async def _round(self) -> None:
        if self._method is Method.PAGE_TABLES:
            await self._scan_page_tables()
            for slot, folio in list(self._core.cache.items()):  # copies of pages that are mapped, which no PTE names
                if isinstance(folio, Folio) and self._core.cache.holds(slot, folio) and self._concerns(slot):
                    await self._look(1)
                    await self._keep_cached(slot, folio)
        elif self._method is Method.SLOTS:
            for slots in self._core.slots.backed_by(*self._core.tiers.key(self._tier)):
                await self._look(512)
                for slot in slots:
                    await self._unuse(slot)
        else:
            for handle, slot in self._tier.handles().items():
                await self._look(1)
                if slot:
                    await self._unuse(slot)
                elif handle in self._tier.handles():
                    await self._evacuate_page(handle)
        for folio in list(self._core.cram_folios):  # device pages without a slot, and those that nobody names
            if folio.tier is self._tier and (not folio.slot or self._core.unreferenced(folio)):
                await self._evacuate(folio)
        if self._core.direct is not None:
            await self._drop_cached()

    async def _scan_page_tables(self) -> None:
        core = self._core
        for table in list(self._tables()):
            for vpn, pte in list(table.items()):
                await self._look(1)
                if pte.state is PteState.SOFTLEAF and core.slots.alive(pte.slot) and self._concerns(pte.slot):
                    await self._unuse(pte.slot)
                    if table.get(vpn) is pte:
                        await self._map(table, vpn)
                elif pte.state is PteState.CRAM and pte.cram.tier is self._tier:
                    await self._evacuate(pte.cram)

    async def _look(self, entries: int) -> None:
        """The price of looking at so many entries."""
        core = self._core
        per_entry = core.costs.fork_pte if self._method is Method.PAGE_TABLES else core.costs.scan_entry
        self._visited += entries
        await core.pause(entries * per_entry)

    def _concerns(self, slot: int) -> bool:
        core, key = self._core, self._core.tiers.key(self._tier)
        return (core.direct is not None and core.direct.home(slot) == key) or core.slots.backing(slot).tier == key

    # One page

    async def _unuse(self, slot: int) -> None:
        """Bring the page of one slot into the swap cache and drop the tier's copy. Raises TierError, OutOfMemory."""
        core = self._core
        if not core.slots.alive(slot) or not self._concerns(slot):
            return
        cached = core.cache.lookup(slot)
        if isinstance(cached, CramFolio):
            await self._evacuate(cached)
        elif cached is not None:
            await self._keep_cached(slot, cached)
        elif core.slots.backing(slot).type is not BackingType.FOLIO:
            await self._read_in(slot)

    async def _keep_cached(self, slot: int, folio: Folio) -> None:
        """The swap cache has the page: that becomes the only copy."""
        core = self._core
        await folio.lock.acquire()
        try:
            if core.cache.holds(slot, folio) and core.slots.backing(slot).tier == core.tiers.key(self._tier):
                folio.dirty = True
                core.change_backing(slot, Backing(BackingType.FOLIO))
                self._moved += 1
        finally:
            core.unlock(folio)

    async def _read_in(self, slot: int) -> None:
        core = self._core
        folio = await core.memory.allocate(core.memcg_of(slot).online_ancestor())
        folio.lock.try_acquire()  # private, so free
        try:
            core.cache.pin(slot, folio)
        except (AlreadyCached, SlotGone):  # somebody was faster, or it is gone: the next round looks again
            core.memory.release(folio)
            folio.lock.release()
            return
        try:
            if not self._concerns(slot) or core.memcg_of(slot).online_ancestor() is not folio.memcg:
                core.drop(folio)
                folio.lock.release()
                return
            folio.data = await core.load(core.slots.backing(slot), folio.memcg)
        except BaseException:
            core.drop(folio)
            folio.lock.release()
            raise
        folio.dirty = True
        core.change_backing(slot, Backing(BackingType.FOLIO))
        self._moved += 1
        core.memory.add(folio)
        core.unlock(folio)

    async def _map(self, table: PageTable, vpn: int) -> None:
        """Map the page in the swap cache, as a fault would; with the last PTE that named it the slot is given up."""
        core = self._core
        pte = table.get(vpn)
        folio = core.cache.lookup(pte.slot) if pte is not None and pte.slot else None
        if pte is None or not isinstance(folio, Folio):
            return
        await folio.lock.acquire()
        try:
            if table.get(vpn) is pte and core.cache.holds(pte.slot, folio):
                index = pte.slot - folio.slot
                core.map(table, vpn, folio, writable=False, exclusive=pte.exclusive, index=index)
                core.slots.put(pte.slot)
                if not core.named(folio):
                    core.uncache(folio)
                    folio.dirty = True
                self._moved += 1
        finally:
            core.unlock(folio)

    async def _drop_cached(self) -> None:
        """Without virtual slots: folios that are mapped give up the slots of the device that they still have."""
        core = self._core
        assert core.direct is not None
        for slot in list(core.direct.on_device(core.tiers.key(self._tier))):
            folio = core.cache.lookup(slot)
            if not isinstance(folio, Folio):
                continue
            await folio.lock.acquire()
            try:
                if not core.cache.holds(slot, folio) or not folio.mappers:
                    continue
                if folio.order and core.named(folio):
                    large.split(core, folio)
                    self._moved += 1
                elif not core.named(folio):
                    core.uncache(folio)
                    folio.dirty = True
                    self._moved += 1
            finally:
                core.unlock(folio)

    async def _evacuate_page(self, page: int) -> None:
        for folio in list(self._core.cram_folios):
            if folio.tier is self._tier and folio.page == page:
                await self._evacuate(folio)

    async def _evacuate(self, folio: CramFolio) -> None:
        """Copy a device page to DRAM and give it up; its mappers become softleafs. Raises TierError, OutOfMemory."""
        core = self._core
        new = await core.memory.allocate(folio.memcg.online_ancestor())
        await folio.lock.acquire()
        moved = False
        try:
            if folio.dead:
                return
            if core.unreferenced(folio):
                await core.release_cram(folio)
                self._moved += 1
                return
            await copy_to_dram(core, folio, new)
            moved = True
            self._moved += 1
        finally:
            core.unlock(folio)
            if moved:
                core.unlock(new)
            else:
                core.memory.release(new)
