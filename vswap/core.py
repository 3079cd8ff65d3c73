"""What the fault, reclaim and writeback paths share: the state, and the few steps that keep it consistent.

A method that is not `async` runs as one step: no other task can run inside it.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping

from hw.clock import Clock
from vswap.cache import SwapCache
from vswap.config import VswapConfig
from vswap.counters import Counters
from vswap.direct import AnySlots, DirectSlots
from vswap.errors import ContractViolation, SlotsExhausted
from vswap.folio import AnyFolio, CramFolio, Folio
from vswap.memcg import Memcg
from vswap.memory import Memory
from vswap.pagetable import PageTable, Pte, PteState
from vswap.slots import Backing, BackingType, SlotTable
from vswap.tiers.base import PHYSICAL, Tier, TierError
from vswap.tiers.cram import CramTier
from vswap.tiers.swapfile import SwapfileTier
from vswap.tiers.zswap import ZswapTier
from vswap.workingset import refault

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
        order: tiers tried at swap-out, zero first.
        cram, zswap, swapfile: the same tiers by name, None where not configured.
        devices: those of them that are swap devices.
        direct: the slots, where they are not virtual.
        offline: tiers that are being, or have been, switched off.
        storing: stores under way, by tier.
        memcgs: the memory control groups.
        charging: swap charges of stores under way, by group.
        shrink_memcg: writes one zswap entry of a group back, None when there is none to try; set by Writeback.
        tables: every page table; set by the system.
        cram_folios: every live CRAM folio, coldest first.
        writable_pages: CRAM pages that are writable now.
        reap_wanted: raised when there may be something to reap or trim.
        stopping: background work ends at its next look.
        failure: what ended a background task; every access raises it from then on.
    """

    def __init__(
        self, clock: Clock, config: VswapConfig, counters: Counters, memory: Memory, tiers: Iterable[Tier]
    ) -> None:
        self.clock = clock
        self.config = config
        self.costs = config.costs
        self.counters = counters
        self.memory = memory
        self.order: tuple[Tier, ...] = tuple(tiers)
        self.direct = self._direct_slots() if config.layer == "direct" else None
        self.slots: AnySlots = self.direct or SlotTable(config.slot_limit)
        self.cache = SwapCache(self.slots)
        self.memcgs = memory.memcgs
        self.charging: Counter[Memcg] = Counter()
        self.shrink_memcg: Callable[[Memcg], Awaitable[bool | None]] | None = None
        self.offline: set[Tier] = set()
        self.storing: Counter[BackingType] = Counter()
        self.tables: Callable[[], Iterable[PageTable]] = lambda: ()
        self.tiers: Mapping[BackingType, Tier] = {tier.type: tier for tier in self.order}
        self.cram = next((tier for tier in self.order if isinstance(tier, CramTier)), None)
        self.zswap = next((tier for tier in self.order if isinstance(tier, ZswapTier)), None)
        self.swapfile = next((tier for tier in self.order if isinstance(tier, SwapfileTier)), None)
        if self.zswap is not None:
            self.zswap.root, self.zswap.owner = self.memcgs.root, self.memcg_of
        self.devices = tuple(tier for tier in self.order if tier.type in PHYSICAL)
        self.cram_folios: OrderedDict[CramFolio, None] = OrderedDict()
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
        data = await self.tiers[backing.type].load(backing.handle)
        if backing.type is BackingType.ZERO and memcg is not None:
            memcg.count("swpin_zero")
        return data

    async def write_out(self, data: bytes, slot: int, order: Iterable[Tier]) -> Backing | None:
        """Store a page on the first tier that takes it and that its group may use; None when there is none.

        A swap device is charged before the store; the charge stays until the slot loses that backing.
        """
        memcg = self.memcg_of(slot)
        for tier in order:
            if not await self._admitted(memcg, tier):
                continue
            if tier in self.offline or (self.direct is not None and not _fits(tier.type, self.direct.home(slot))):
                continue
            charged = self._charges_at_store(tier.type)
            if charged and not memcg.try_charge_swap(1):
                continue
            self.storing[tier.type] += 1
            self.charging[memcg] += charged
            stored = False
            try:
                handle = await tier.store(data, slot)
                stored = True
            except TierError:
                continue
            finally:
                self.storing[tier.type] -= 1
                self.charging[memcg] -= charged
                if charged and not stored:
                    memcg.uncharge_swap(1)
            if tier.type in _STORED:
                memcg.count(_STORED[tier.type])
            return Backing(tier.type, handle)
        return None

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
        if backing.type in (BackingType.NONE, BackingType.FOLIO):
            return
        self.tiers[backing.type].free(backing.handle)
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
        kinds = {BackingType.CRAM, *PHYSICAL}
        tiers = {tier.type: tier for tier in self.order if tier.type in kinds}

        def takes(kind: BackingType) -> bool:
            tier = tiers[kind]
            return tier not in self.offline and not (isinstance(tier, CramTier) and tier.closed)

        return DirectSlots({kind: tier.usage().capacity or 1 << 31 for kind, tier in tiers.items()}, takes)

    def rehome(self, folio: Folio) -> bool:
        """Give a locked, unmapped folio in the swap cache a slot on a later device; False when none has room."""
        assert self.direct is not None
        old = folio.slot
        kinds = [tier.type for tier in self.order]
        later = kinds[kinds.index(self.direct.home(old)) + 1 :]
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

    def allocate_slot(self, memcg: Memcg, only: Iterable[BackingType] | None = None) -> int:
        """A new slot for a page of the group; `only` on these devices, for direct slots. Raises SlotsExhausted."""
        if self.direct is None:
            return self.slots.allocate(memcg.id)
        slot = self.direct.allocate(memcg.id, only=only)
        if self.direct.home(slot) in PHYSICAL and not memcg.try_charge_swap(1):
            self.direct.unpin(slot)
            raise SlotsExhausted(f"group {memcg.name} is at its memory.swap.max")
        return slot

    def _slot_freed(self, slot: int, memcg: Memcg, backing: Backing | None) -> None:
        """The last reference to a slot may be gone: then this is what backed it, else None."""
        if backing is None:
            return
        self._release(backing, memcg)
        if self.direct is not None and self.direct.home(slot) in PHYSICAL:
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
        return not folio.mappers and (not folio.slot or self.slots.swap_count(folio.slot) == 0)

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
        slot = folio.slot
        memcg = self.memcg_of(slot)
        self._slot_freed(slot, memcg, self.cache.delete(folio))

    # Mapping

    def map(self, table: PageTable, vpn: int, folio: AnyFolio, *, writable: bool, exclusive: bool) -> None:
        """Make a PTE point to the folio."""
        table.set(vpn, Pte.present(folio, writable=writable, exclusive=exclusive))
        folio.mappers.add((table, vpn))
        if isinstance(folio, Folio):
            folio.private = False
        elif writable:
            folio.writable = True
            self.writable_pages += 1

    def unmap(self, folio: AnyFolio) -> int:
        """Make a softleaf of every PTE that points to a locked folio in the swap cache; how many there were.

        The caller then waits for the TLB shootdown, and for a CRAM folio's accesses to drain.
        """
        count = len(folio.mappers)
        for table, vpn in folio.mappers:
            pte = table.get(vpn)
            assert pte is not None and pte.folio is folio
            if isinstance(folio, Folio):
                self.slots.duplicate(folio.slot)  # a PTE into CRAM names its slot already
                folio.dirty |= pte.dirty
            table.set(vpn, Pte.softleaf(folio.slot, exclusive=pte.exclusive))
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
            pte.dram.mappers.discard((table, vpn))
            self.try_free(pte.dram)
        else:
            folio = pte.cram
            folio.mappers.discard((table, vpn))
            self.make_read_only(folio)
            if folio.slot:
                self.put_slot(folio.slot)
            else:
                self.reap_wanted.set()

    # CRAM folios

    def add_cram_folio(self, page: int, slot: int) -> CramFolio:
        """The folio of a device page that was just stored for `slot`."""
        folio = CramFolio(self.clock, page, slot, self.memcg_of(slot))
        self.cram_folios[folio] = None
        return folio

    def adopt_slot(self, folio: CramFolio) -> None:
        """Give a locked CRAM folio without a slot one, named by its mappers. Raises SlotsExhausted."""
        assert self.cram is not None and not folio.slot
        slot = self.allocate_slot(folio.memcg, only=PHYSICAL)
        self.cache.add(slot, folio)
        self.slots.set_backing(slot, Backing(BackingType.CRAM, folio.page))
        self.cram.reown(folio.page, slot)
        for _ in folio.mappers:
            self.slots.duplicate(slot)

    def reap_slot(self, folio: CramFolio) -> None:
        """Drop the slot of a locked CRAM folio that one PTE names; the device page is the folio's own from now on."""
        assert self.cram is not None
        self.slots.set_backing(folio.slot, Backing(BackingType.NONE))
        self.slots.put(folio.slot)
        self.leave_cache(folio)
        self.cram.reown(folio.page, 0)

    async def release_cram(self, folio: CramFolio) -> None:
        """Give up the device page of a locked, unreferenced CRAM folio, once the accesses under way have ended."""
        assert self.cram is not None
        await folio.drain()
        if folio.slot:
            self.leave_cache(folio)
        else:
            self.cram.free(folio.page)
            self.reap_wanted.set()
        self.bury(folio)

    def bury(self, folio: CramFolio) -> None:
        """The device page is no longer this folio's. Raises ContractViolation while an access is under way."""
        if folio.busy:
            raise ContractViolation(f"CRAM page {folio.page} was given up under an access")
        folio.dead = True
        del self.cram_folios[folio]


def _fits(kind: BackingType, home: BackingType) -> bool:
    """A direct slot of device `home` may have its data there, in zswap in front of a swap device, or nowhere (zero)."""
    return kind in (home, BackingType.ZERO) or (kind is BackingType.ZSWAP and home in PHYSICAL)
