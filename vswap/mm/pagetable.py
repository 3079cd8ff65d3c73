# SPDX-License-Identifier: MIT
"""PTEs and the table of them (docs/vswap/faults.md, "PTE states")."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, ValuesView
from enum import Enum

from vswap.mm.folio import AnyFolio, CramFolio, Folio
from vswap.mm.memcg import Memcg
from vswap.mm.mmap_lock import MmapLock
from vswap.mm.vma import Vmas


class PteState(Enum):
    """What a PTE says. A page without a PTE in the table is in state none."""

    SOFTLEAF = "softleaf"
    """Not present; names a virtual slot."""
    CRAM = "cram"
    """Present, pointing into the device; read-only unless made writable within the budget. A slot stays named."""
    ZERO = "zero"
    """Present, read-only: the page of zeros that all share. It belongs to no folio."""
    DRAM = "dram"
    """Present, pointing to a DRAM folio."""
    MIGRATION = "migration"
    """Not present; names a locked folio that is on its way to another node. A fault waits for the end of that."""


class Pte:
    """One page table entry. A change of what it says is a new Pte: whoever slept compares by identity (pte_same).
    Only `accessed` and `dirty` change in place, as the hardware's bits do.

    Attributes:
        slot: the virtual slot of a softleaf, else 0 (a present PTE into CRAM names its folio's slot).
        folio: what a present PTE points to, or a migration entry names.
        index: which page of the folio.
        hinted: the next access takes a fault, to say which node uses the page (PROT_NONE of NUMA balancing).
        writable: stores need no fault; of a migration entry: they needed none before.
        exclusive: this PTE is the only reference to its page. Kept through swap-out, cleared by fork.
    """

    __slots__ = ("accessed", "dirty", "exclusive", "folio", "hinted", "index", "slot", "state", "writable")

    def __init__(
        self,
        state: PteState,
        *,
        slot: int = 0,
        folio: AnyFolio | None = None,
        index: int = 0,
        writable: bool = False,
        exclusive: bool,
    ) -> None:
        self.state = state
        self.slot = slot
        self.folio = folio
        self.index = index
        self.writable = writable
        self.exclusive = exclusive
        self.accessed = self.is_present  # mapped because of an access
        self.dirty = False
        self.hinted = False

    @classmethod
    def softleaf(cls, slot: int, *, exclusive: bool) -> Pte:
        """A PTE that is not present and names `slot`."""
        return cls(PteState.SOFTLEAF, slot=slot, exclusive=exclusive)

    @classmethod
    def present(cls, folio: AnyFolio, *, writable: bool, exclusive: bool, index: int = 0) -> Pte:
        """A PTE that points to a page of `folio`."""
        state = PteState.DRAM if isinstance(folio, Folio) else PteState.CRAM
        return cls(state, folio=folio, index=index, writable=writable, exclusive=exclusive)

    @classmethod
    def migration(cls, pte: Pte, *, shared: bool = False) -> Pte:
        """The migration entry of a PTE that is present; or of such an entry, once fork has `shared` its page."""
        entry = cls(
            PteState.MIGRATION,
            folio=pte.folio,
            index=pte.index,
            writable=pte.writable and not shared,
            exclusive=pte.exclusive and not shared,
        )
        entry.accessed, entry.dirty = pte.accessed, pte.dirty
        return entry

    @classmethod
    def page_of_zeros(cls) -> Pte:
        """A PTE that points to the shared page of zeros."""
        return cls(PteState.ZERO, exclusive=False)

    @property
    def dram(self) -> Folio:
        """The DRAM folio of a PTE in state DRAM."""
        assert isinstance(self.folio, Folio)
        return self.folio

    @property
    def cram(self) -> CramFolio:
        """The CRAM folio of a PTE in state CRAM."""
        assert isinstance(self.folio, CramFolio)
        return self.folio

    @property
    def is_present(self) -> bool:
        """The hardware finds a page by it."""
        return self.state is not PteState.SOFTLEAF and self.state is not PteState.MIGRATION

    def allows(self, write: bool) -> bool:
        """True when the access needs no fault."""
        return self.is_present and not self.hinted and (self.writable or not write)


class PageTable:
    """vpn -> Pte of one address space.

    Attributes:
        dead: the space has exited; nothing may be mapped any more.
        memcg: the group that its new pages are charged to.
        cpu: the processor that its tasks run on.
        mmap_lock: held by whoever reads or changes the mappings; its space makes it.
        write_protected: pages whose writes userfaultfd answers; they stay so through a swap-out.
        vmas: its mappings, at first one that is all of it.
        tracks_writes: a page becomes writable for a write only, so that each first one is seen (as under userfaultfd's
            write-protection and soft-dirty tracking).
    """

    tracks_writes = False
    mmap_lock: MmapLock

    def __init__(self, name: str, memcg: Memcg) -> None:
        self.name = name
        self.memcg = memcg
        self.cpu = 0
        self.dead = False
        self.vmas = Vmas(self)
        self.write_protected: set[int] = set()
        self._ptes: dict[int, Pte] = {}

    def get(self, vpn: int) -> Pte | None:
        """The PTE, None in state none."""
        return self._ptes.get(vpn)

    def may_write(self, vpn: int) -> bool:
        """A PTE of the page may be writable."""
        vma = self.vmas.find(vpn)
        return vma is not None and vma.protection.write and vpn not in self.write_protected

    def set(self, vpn: int, pte: Pte) -> None:
        """Replace the PTE."""
        self._ptes[vpn] = pte

    def map_zeros(self, vpn: int) -> None:
        """Make the PTE point to the shared page of zeros."""
        self.set(vpn, Pte.page_of_zeros())

    def map(self, vpn: int, folio: AnyFolio, *, writable: bool, exclusive: bool, index: int = 0) -> Pte:
        """Make the PTE point to a page of the folio, and the folio know of it. A folio that is mapped for the first
        time, or for nobody else, is from then on found by this mapping's anon_vma; one that others may need, by the
        root of the family. A PTE that is to be writable is so where the mapping and userfaultfd let it."""
        vma, anon_vma = self.vmas.prepared(vpn)
        if folio.anon_vma is None:
            folio.anon_vma = anon_vma if exclusive else anon_vma.root
            folio.offset = vma.offset_of(vpn) - index
        elif exclusive and not (isinstance(folio, Folio) and folio.order):
            folio.anon_vma, folio.offset = anon_vma, vma.offset_of(vpn)  # folio_move_anon_rmap
        elif folio.anon_vma not in vma.chain or folio.offset != vma.offset_of(vpn) - index:
            before = self.get(vpn)
            if before is not None and before.state is PteState.SOFTLEAF:
                folio.merged = True  # it was merged before it was swapped out; Linux copies it here
        writable = writable and self.may_write(vpn)
        pte = Pte.present(folio, writable=writable, exclusive=exclusive, index=index)
        self.set(vpn, pte)
        folio.mappers.add((self, vpn))
        return pte

    def unmap(self, vpn: int, slot: int) -> None:
        """Make a softleaf of a present PTE; the folio's mappers are the caller's to change."""
        self.set(vpn, Pte.softleaf(slot, exclusive=self._ptes[vpn].exclusive))

    def migrate(self, vpn: int) -> None:
        """Make a migration entry of a present PTE; the folio's mappers stay."""
        self.set(vpn, Pte.migration(self._ptes[vpn]))

    def migrate_copy(self, vpn: int, pte: Pte) -> None:
        """Share the migration entry of another table, copy-on-write."""
        assert pte.folio is not None
        self.vmas.prepared(vpn)
        pte.folio.mappers.add((self, vpn))
        entry = Pte.migration(pte, shared=True)
        entry.accessed = False  # the child's are old
        self.set(vpn, entry)

    def clear(self, vpn: int) -> Pte | None:
        """Back to state none; what was there."""
        self.write_protected.discard(vpn)
        return self._ptes.pop(vpn, None)

    def within(self, vpn: int, count: int) -> list[int]:
        """The pages of `vpn` .. `vpn + count - 1` that are not none; as fast as the smaller of range and table."""
        if count < len(self._ptes):
            return [page for page in range(vpn, vpn + count) if page in self._ptes]
        return [page for page in self._ptes if vpn <= page < vpn + count]

    def rename(self, old: int, new: int) -> None:
        """Move an entry to another page, which has none: the entry itself does not change."""
        pte = self._ptes.pop(old)
        self.write_protected.discard(old)
        if pte.folio is not None:
            pte.folio.mappers.discard((self, old))
            pte.folio.mappers.add((self, new))
        self._ptes[new] = pte

    def items(self) -> ItemsView[int, Pte]:
        """Every (vpn, Pte) that is not none."""
        return self._ptes.items()

    def values(self) -> ValuesView[Pte]:
        """Every Pte that is not none."""
        return self._ptes.values()

    def __iter__(self) -> Iterator[int]:
        """Every page that is not none."""
        return iter(self._ptes)

    def __len__(self) -> int:
        return len(self._ptes)
