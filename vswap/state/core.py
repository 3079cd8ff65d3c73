"""What the fault, reclaim and writeback paths share: the state, and the few steps that keep it consistent.

A method that is not `async` runs as one step: no other task can run inside it.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial

from hw.clock import Clock
from vswap.base.config import VswapConfig
from vswap.base.counters import Counters
from vswap.base.errors import ContractViolation, SlotsExhausted
from vswap.mm.cache import SwapCache
from vswap.mm.folio import AnyFolio, CramFolio, Folio
from vswap.mm.frames import Memory
from vswap.mm.memcg import Memcg
from vswap.mm.pagetable import PageTable, Pte, PteState
from vswap.mm.workingset import refault
from vswap.slots.direct import AnySlots, DirectSlots
from vswap.slots.table import Backing, BackingType, SlotTable, TierKey
from vswap.tiers.base import PHYSICAL, Gone, Tier, TierError
from vswap.tiers.cram import CramTier
from vswap.tiers.lz4block import Block, BlockTier
from vswap.tiers.tierset import TierSet

_STORED = {
    BackingType.ZERO: "swpout_zero",
    BackingType.ZSWAP: "zswpout",
    BackingType.SWAPFILE: "pswpout",
    BackingType.ZRAM: "pswpout",
}  # what a store counts, as the tiers do


class Core:
    """The state of one swap system.

    Attributes:
        tiers: every configured tier, and zero.
        order, zswap, swapfile, devices, offline, storing: see TierSet.
        crams, cram: the CRAM nodes, nearest first; the nearest, None where there is none.
        direct: the slots, where they are not virtual.
        memcgs: the memory control groups.
        charging: swap charges of stores under way, by group.
        shrink_memcg: writes one zswap entry of a group back, None when there is none to try; set by Writeback.
        tables: every page table; set by the system.
        residents: every live CRAM folio of each node, coldest first.
        writable_pages: CRAM pages that are writable now.
        reap_wanted: raised when there may be something to reap or trim.
        stopping: background work ends at its next look.
        failure: what ended a background task; every access raises it from then on.
    """

    def __init__(self, clock: Clock, config: VswapConfig, counters: Counters, memory: Memory, tiers: TierSet) -> None:
        self.clock = clock
        self.config = config
        self.costs = config.costs
        self.counters = counters
        self.memory = memory
        self.tiers = tiers
        self.order = tiers.order
        self.offline, self.storing = tiers.offline, tiers.storing
        self.crams, self.zswap, self.swapfile, self.devices = tiers.crams, tiers.zswap, tiers.swapfile, tiers.devices
        self.cram = next(iter(self.crams), None)
        self.direct = self._direct_slots() if config.layer == "direct" else None
        self.slots: AnySlots = self.direct or SlotTable(config.slot_limit)
        self.cache = SwapCache(self.slots)
        self.memcgs = memory.memcgs
        self.charging: Counter[Memcg] = Counter()
        self.shrink_memcg: Callable[[Memcg], Awaitable[bool | None]] | None = None
        if self.zswap is not None:
            self.zswap.root, self.zswap.owner = self.memcgs.root, self.memcg_of
        self.tables: Callable[[], Iterable[PageTable]] = lambda: ()
        self.residents: dict[CramTier, OrderedDict[CramFolio, None]] = {tier: OrderedDict() for tier in self.crams}
        self.writable_pages = 0
        self.reap_wanted = clock.event()
        self.stopping = False
        self.failure: Exception | None = None

    async def pause(self, ns: int) -> None:
        """Software work of `ns` nanoseconds; others may run meanwhile."""
        await self.clock.sleep(ns)

    def check(self) -> None:
        """Raise what ended a background task, if one ended."""
        if self.failure is not None:
            raise self.failure

    # Tiers

    async def load(self, backing: Backing, memcg: Memcg | None) -> bytes:
        """The page behind a backing on a tier, for a folio of this group. The caller holds the pin. Raises
        TierError."""
        if backing.type is BackingType.LOST:
            raise Gone("the device that had the page is gone")
        data = await self.tiers[backing.tier].load(backing.handle)
        if backing.type is BackingType.ZERO and memcg is not None:
            memcg.count("swpin_zero")
        return data

    async def write_out(self, page: bytes | Block, slot: int, order: Sequence[Tier]) -> Backing | None:
        """Store a page on the first tier that takes it and that its group may use; None when there is none. A block is
        passed on as it is to a tier that takes blocks, and decompressed for the others.

        A swap device is charged before the store; the charge stays until the slot loses that backing.

        Raises:
            IoError: the block is damaged.
        """
        for tier in self.tiers.candidates(order):
            passed = isinstance(page, Block) and isinstance(tier, BlockTier)
            if isinstance(page, Block) and isinstance(tier, BlockTier):
                handle = await self.store_on(tier, slot, partial(tier.store_block, page, slot))
            else:
                if isinstance(page, Block):
                    await self.pause(self.costs.zswap_decompress)
                    page = page.page(f"block of slot {slot}")
                handle = await self.store_on(tier, slot, partial(tier.store, page, slot))
            if handle is not None:
                self.counters.blocks_passed += passed
                return self.tiers.place(tier, handle)
        return None

    async def read_out(self, tier: Tier, handle: int, order: Sequence[Tier]) -> bytes | Block:
        """A page that is to be moved to one of the tiers of `order`: as a block, where it is one and a tier takes
        blocks. Raises TierError."""
        if isinstance(tier, BlockTier) and any(isinstance(later, BlockTier) for later in order):
            block = await tier.export_block(handle)
            if block is not None:
                return block
        return await tier.load(handle)

    async def store_on(self, tier: Tier, slot: int, store: Callable[[], Awaitable[int]], pages: int = 1) -> int | None:
        """Let `store` put the pages of `slot` and those after it on a tier; its handle, None where the tier refuses or
        the group may not use it."""
        memcg = self.memcg_of(slot)
        if not await self._admitted(memcg, tier):
            return None
        if tier in self.offline:  # since
            return None
        if self.direct is not None and not _fits(self.tiers.key(tier), self.direct.home(slot)):
            return None
        charge = pages if self._charges_at_store(tier.type) else 0
        if charge and not memcg.try_charge_swap(charge):
            return None
        self.storing[tier] += 1
        self.charging[memcg] += charge
        stored = False
        try:
            handle = await store()
            stored = True
        except TierError:
            return None
        finally:
            self.storing[tier] -= 1
            self.charging[memcg] -= charge
            if not stored:
                memcg.uncharge_swap(charge)
        if tier.type in _STORED:
            memcg.count(_STORED[tier.type], pages)
        return handle

    async def _admitted(self, memcg: Memcg, tier: Tier) -> bool:
        """zswap.writeback = 0 keeps a group off the swap devices, as long as there is zswap. At zswap.max its oldest
        entry has to go first."""
        if tier.type in PHYSICAL:
            return self.zswap is None or self.zswap in self.offline or memcg.may_write_back()
        if tier is not self.zswap or memcg.may_zswap():
            return True
        return self.shrink_memcg is not None and bool(await self.shrink_memcg(memcg))

    def _charges_at_store(self, kind: BackingType) -> bool:
        """Virtual slots are charged with their physical backing, direct ones when they are taken."""
        return self.direct is None and kind in PHYSICAL

    def _release(self, backing: Backing, memcg: Memcg) -> None:
        """Free what backed a slot of this group that is gone, or that has another backing now."""
        if backing.type in (BackingType.NONE, BackingType.FOLIO, BackingType.LOST):
            return
        self.tiers[backing.tier].free(backing.handle)
        if self._charges_at_store(backing.type):
            memcg.uncharge_swap(1)
        if backing.type is BackingType.CRAM:
            self.reap_wanted.set()  # for its trim

    def change_backing(self, slot: int, backing: Backing) -> None:
        """Give a pinned slot another backing and free the old one."""
        self._release(self.slots.set_backing(slot, backing), self.memcg_of(slot))

    def swap_full(self, memcg: Memcg | None = None) -> bool:
        """More than half of the swap devices, or of what the group may have there, is in use: do not keep slots of
        pages that are back in memory (vm_swap_full, mem_cgroup_swap_full)."""
        if memcg is not None and memcg.swap_full():
            return True
        pages = capacity = 0
        for device in self.devices:
            usage = device.usage()
            pages += usage.pages
            capacity += usage.capacity or 0
        return not capacity or 2 * pages > capacity

    # Direct slots

    def _direct_slots(self) -> DirectSlots:
        tiers = {self.tiers.key(tier): tier for tier in self.order if tier.type in {BackingType.CRAM, *PHYSICAL}}

        def takes(key: TierKey) -> bool:
            tier = tiers[key]
            return tier not in self.offline and not (isinstance(tier, CramTier) and tier.closed)

        return DirectSlots({key: tier.usage().capacity or 1 << 31 for key, tier in tiers.items()}, takes)

    def device_keys(self) -> list[TierKey]:
        """The swap devices."""
        return [self.tiers.key(tier) for tier in self.devices]

    def rehome(self, folio: Folio) -> bool:
        """Give a locked, unmapped folio in the swap cache a slot on a later device; False when none has room."""
        assert self.direct is not None
        old = folio.slot
        later = [self.tiers.key(tier) for tier in self.tiers.after(self.tiers[self.direct.home(old)])]
        try:
            new = self.allocate_slot(self.memcg_of(old), only=later)
        except SlotsExhausted:
            return False
        self.move_references(old, new)
        self.uncache(folio)
        self.cache.add(new, folio)
        self.slots.set_backing(new, Backing(BackingType.FOLIO))
        return True

    def move_references(self, old: int, new: int) -> None:
        """Make every softleaf that names `old` name `new`: without virtual slots, a search of all page tables."""
        self.slots.set_shadow(new, self.slots.shadow(old))
        for table in self.tables():
            for vpn, pte in table.items():
                if pte.slot == old:
                    self.slots.duplicate(new)
                    self.slots.put(old)
                    table.set(vpn, Pte.softleaf(new, exclusive=pte.exclusive))

    def scan_cost(self) -> int:
        """What a look at every PTE takes, ns."""
        return self.costs.fork_pte * sum(len(table) for table in self.tables())

    def refaulted(self, folio: Folio, slot: int) -> None:
        """A folio has been brought back for a slot: take the shadow out of it, and see whether it left too early."""
        refault(folio, self.slots.shadow(slot), self.memcg_of(slot), self.memcgs, self.counters)
        self.slots.set_shadow(slot, 0)

    # Slots and their groups

    def memcg_of(self, slot: int) -> Memcg:
        """The group that the slot belongs to, removed or not. Raises SlotGone."""
        return self.memcgs[self.slots.memcg(slot)]

    def allocate_slot(self, memcg: Memcg, only: Iterable[TierKey] | None = None, order: int = 0) -> int:
        """A new slot for a page of the group, or the first of 2^order; `only` on these devices, for direct slots.
        Raises SlotsExhausted."""
        if self.direct is None:
            return self.slots.allocate(memcg.id, order)
        slot = self.direct.allocate(memcg.id, order, only=only)
        if self.direct.home(slot).type in PHYSICAL and not memcg.try_charge_swap(1 << order):
            for each in range(slot, slot + (1 << order)):
                self.direct.unpin(each)
            raise SlotsExhausted(f"group {memcg.name} is at its memory.swap.max")
        return slot

    def _slot_freed(self, slot: int, memcg: Memcg, backing: Backing | None) -> None:
        """The last reference to a slot may be gone: then this is what backed it, else None."""
        if backing is None:
            return
        self._release(backing, memcg)
        if self.direct is not None and self.direct.home(slot).type in PHYSICAL:
            memcg.uncharge_swap(1)

    # References

    def put_slot(self, slot: int) -> None:
        """A PTE that named the slot is gone. A CRAM page that nobody names any more is a zombie, left to the reaper."""
        memcg = self.memcg_of(slot)
        self._slot_freed(slot, memcg, self.slots.put(slot))
        folio = self.cache.lookup(slot)
        if isinstance(folio, Folio):
            self.try_free(folio)
        elif folio is not None and self.unreferenced(folio):
            self.reap_wanted.set()

    def unreferenced(self, folio: AnyFolio) -> bool:
        """No PTE maps the folio or names its slot."""
        return not folio.mappers and not self.named(folio)

    def named(self, folio: AnyFolio) -> bool:
        """A softleaf names a slot under which the swap cache holds the folio."""
        if not folio.slot:
            return False
        if isinstance(folio, Folio) and folio.order:
            return any(self.slots.swap_count(slot) for slot in folio.slots)
        return self.slots.swap_count(folio.slot) > 0

    def references(self, folio: CramFolio) -> int:
        """PTEs that map a CRAM folio or name its slot."""
        return self.slots.swap_count(folio.slot) if folio.slot else len(folio.mappers)

    def unlock(self, folio: AnyFolio) -> None:
        """Release the folio lock, and the folio with it when nobody refers to it any more."""
        folio.lock.release()
        if isinstance(folio, Folio):
            self.try_free(folio)

    def try_free(self, folio: Folio) -> None:
        """Free an unreferenced folio. If its lock is taken, the holder does it at unlock."""
        if folio.dead or folio.private or not self.unreferenced(folio) or not folio.lock.try_acquire():
            return
        self.drop(folio)
        folio.lock.release()

    def drop(self, folio: Folio) -> None:
        """Take a locked folio out of the swap cache, if it is there, and give its frame back."""
        if folio.slot:
            self.uncache(folio)
        self.memory.release(folio)

    def uncache(self, folio: Folio) -> None:
        """Take a locked folio out of the swap cache; the slot goes too when no PTE names it."""
        self.leave_cache(folio)

    def leave_cache(self, folio: AnyFolio) -> None:
        """Take any locked folio out of the swap cache."""
        memcg = self.memcg_of(folio.slot)
        for slot, backing in self.cache.delete(folio):
            self._slot_freed(slot, memcg, backing)

    # Mapping

    def map(
        self, table: PageTable, vpn: int, folio: AnyFolio, *, writable: bool, exclusive: bool, index: int = 0
    ) -> None:
        """Make a PTE point to a page of the folio."""
        table.set(vpn, Pte.present(folio, writable=writable, exclusive=exclusive, index=index))
        folio.mappers.add((table, vpn))
        if isinstance(folio, Folio):
            folio.private = False
        elif writable:
            folio.writable = True
            self.writable_pages += 1

    def map_cached(self, table: PageTable, vpn: int, pte: Pte, folio: Folio) -> None:
        """Replace a softleaf by the locked swap-cache folio, read-only. Its slot is kept only for others that name
        it, or while a tier's copy is good and cheap to keep."""
        self.map(table, vpn, folio, writable=False, exclusive=pte.exclusive, index=pte.slot - folio.slot)
        self.slots.put(pte.slot)  # pinned, so it stays
        if not self.named(folio) and (folio.dirty or self.swap_full(folio.memcg)):
            self.uncache(folio)
            folio.dirty = True

    def unmap(self, folio: AnyFolio) -> int:
        """Make a softleaf of every PTE that points to a locked folio in the swap cache; how many there were.

        The caller then waits for the TLB shootdown, and for a CRAM folio's accesses to drain.
        """
        count = len(folio.mappers)
        for table, vpn in folio.mappers:
            pte = table.get(vpn)
            assert pte is not None and pte.folio is folio
            slot = folio.slot + pte.index
            if isinstance(folio, Folio):
                self.slots.duplicate(slot)  # a PTE into CRAM names its slot already
                folio.dirty |= pte.dirty
            table.set(vpn, Pte.softleaf(slot, exclusive=pte.exclusive))
        folio.mappers.clear()
        if isinstance(folio, CramFolio):
            self.make_read_only(folio)
        return count

    def make_read_only(self, folio: CramFolio) -> None:
        """Count a CRAM folio out of the writable ones; its PTE is the caller's to change."""
        if folio.writable:
            folio.writable = False
            self.writable_pages -= 1

    def forget_mapper(self, table: PageTable, vpn: int, pte: Pte) -> None:
        """A PTE has been replaced or cleared: drop the reference it held."""
        if pte.state is PteState.SOFTLEAF:
            self.put_slot(pte.slot)
        elif pte.state is PteState.DRAM:
            page = pte.dram
            page.mappers.discard((table, vpn))
            self.try_free(page)
            unused = page.order and not page.dead and not page.slot and not page.mapped(pte.index)
            if unused and self.memory.defer_split(page):
                self.counters.count_mthp(page.order, "split_deferred")
        else:
            folio = pte.cram
            folio.mappers.discard((table, vpn))
            self.make_read_only(folio)
            if folio.slot:
                self.put_slot(folio.slot)
            else:
                self.reap_wanted.set()

    # CRAM folios

    @property
    def cram_folios(self) -> list[CramFolio]:
        """Every live CRAM folio."""
        return [folio for folios in self.residents.values() for folio in folios]

    def add_cram_folio(self, backing: Backing, slot: int) -> CramFolio:
        """The folio of a device page that was just stored for `slot`."""
        tier = self.tiers[backing.tier]
        assert isinstance(tier, CramTier)
        folio = CramFolio(self.clock, tier, backing.handle, slot, self.memcg_of(slot))
        self.residents[tier][folio] = None
        return folio

    def adopt_slot(self, folio: CramFolio) -> None:
        """Give a locked CRAM folio without a slot one, named by its mappers. Raises SlotsExhausted."""
        assert not folio.slot
        slot = self.allocate_slot(folio.memcg, only=self.device_keys())
        self.cache.add(slot, folio)
        self.slots.set_backing(slot, self.tiers.place(folio.tier, folio.page))
        folio.tier.reown(folio.page, slot)
        for _ in folio.mappers:
            self.slots.duplicate(slot)

    def reap_slot(self, folio: CramFolio) -> None:
        """Drop the slot of a locked CRAM folio that one PTE names; the device page is the folio's own from now on."""
        self.slots.set_backing(folio.slot, Backing(BackingType.NONE))
        self.slots.put(folio.slot)
        self.leave_cache(folio)
        folio.tier.reown(folio.page, 0)

    async def release_cram(self, folio: CramFolio) -> None:
        """Give up the device page of a locked, unreferenced CRAM folio, once the accesses under way have ended."""
        await folio.drain()
        if folio.slot:
            self.leave_cache(folio)
        else:
            folio.tier.free(folio.page)
            self.reap_wanted.set()
        self.bury(folio)

    def bury(self, folio: CramFolio) -> None:
        """The device page is no longer this folio's. Raises ContractViolation while an access is under way."""
        if folio.busy:
            raise ContractViolation(f"CRAM page {folio.page} was given up under an access")
        folio.dead = True
        del self.residents[folio.tier][folio]


def _fits(tier: TierKey, home: TierKey) -> bool:
    """A direct slot of device `home` may have its data there, in zswap in front of a swap device, or nowhere (zero)."""
    if tier.type is BackingType.ZSWAP:
        return home.type in PHYSICAL
    return tier == home or tier.type is BackingType.ZERO
