# SPDX-License-Identifier: MIT
"""What the files of a memory control group show now (docs/vswap/memcg.md, "Counts")."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from vswap.mm.folio import AnyFolio, Folio
from vswap.mm.memcg import Memcg
from vswap.state.machine import Machine


def numa_stat(machine: Machine, memcg: Memcg) -> dict[str, dict[str, int]]:
    """memory.numa_stat of a group and those below it: pages by kind and node ("N0" is DRAM, "N1" and on are the CRAM
    nodes). It is no table of charges: a page may be neither, or both.

    - anon: pages that a PTE maps (NR_ANON_MAPPED). One that is on its way between nodes is mapped by nobody.
    - swapcached: pages of the swap cache (NR_SWAPCACHE).
    """
    anon, cached = Counter[int](), Counter[int]()
    groups = set(machine.memory.memcgs.subtree(memcg))
    folios: Iterable[AnyFolio] = (*machine.memory.folios, *machine.residents.folios)
    for folio in folios:
        if folio.memcg not in groups:
            continue
        node, pages = (0, len(folio.pages)) if isinstance(folio, Folio) else (machine.tiers.node(folio.tier), 1)
        ptes = [table.get(vpn) for table, vpn in folio.mappers]
        anon[node] += len({pte.index for pte in ptes if pte is not None and pte.is_present})
        cached[node] += pages if folio.slot else 0
    nodes = (0, *memcg.device_pages)
    return {kind: {f"N{node}": of[node] for node in nodes} for kind, of in (("anon", anon), ("swapcached", cached))}


def figures(machine: Machine, memcg: Memcg) -> dict[str, int]:
    """What is charged to a group now and where its pages are, pages, and what has happened."""
    now = {"memory.current": memcg.memory, "memory.swap.current": memcg.swap, "zswap_bytes": memcg.zswap_bytes}
    for kind, nodes in numa_stat(machine, memcg).items():
        now |= {f"numa_stat.{kind}.{node}": pages for node, pages in nodes.items()}
    return now | dict(sorted(memcg.stat.items())) | {f"events.{name}": n for name, n in sorted(memcg.events.items())}
