# SPDX-License-Identifier: MIT
"""Migration entries: what maps a folio that is on its way to another node (docs/vswap/node-mode.md; mm/migrate.c).

The folio stays locked from `unmap` to `restore`: a fault that finds such an entry waits for the lock. Nothing here
waits.
"""

from __future__ import annotations

from vswap.mm.folio import AnyFolio, CramFolio, Folio
from vswap.state import rmap
from vswap.state.machine import Machine


def unmap(machine: Machine, folio: AnyFolio) -> int:
    """Make a migration entry of every PTE that maps a locked folio (try_to_migrate); how many there were.

    The caller then waits for the TLB shootdown, and for a CRAM folio's accesses to drain.
    """
    found = rmap.walk(machine, folio)
    for table, vpn, _ in found:
        table.migrate(vpn)
    if isinstance(folio, CramFolio):
        machine.residents.make_read_only(folio)
    return len(found)


def restore(old: AnyFolio, new: AnyFolio) -> None:
    """Let what names the locked folio `old` map `new`, its copy, or `old` itself where it stays
    (remove_migration_ptes). PTEs are writable again where they were, but none into a device is."""
    new.anon_vma, new.offset, new.merged = old.anon_vma, old.offset, old.merged
    for table, vpn in list(old.mappers):
        entry = table.get(vpn)
        assert entry is not None
        old.mappers.discard((table, vpn))
        writable = entry.writable and isinstance(new, Folio)
        pte = table.map(vpn, new, writable=writable, exclusive=entry.exclusive, index=entry.index)
        pte.accessed, pte.dirty = entry.accessed, entry.dirty
    if isinstance(new, Folio):
        new.private = False
