# SPDX-License-Identifier: MIT
"""What swapped pages cost beside their data, in a kernel with such slots (docs/vswap/slots.md, "What a page costs")."""

from __future__ import annotations

from vswap.base.backing import ON_DEVICE
from vswap.slots.direct import DirectSlots, XswapSlots
from vswap.slots.layouts import LAYOUTS
from vswap.state.machine import Machine

POINTER_BYTES = 8
XARRAY_BYTES = 576 // 64
"""Of an entry in a full xarray: a node of 576 bytes has 64."""
ZSWAP_ENTRY_BYTES = 56
"""struct zswap_entry of Linux 6.12: swpentry 8, length 4, referenced 1 and a gap of 3, pool 8, handle 8, objcg 8,
lru 16."""


def metadata(machine: Machine) -> dict[str, int]:
    """Bytes now: of the slots; of what finds a cached folio; of zswap's entries, and what finds them; of the reverse
    map, a word for each place that is used. Direct slots need no reverse map: a place is a slot. Slots of a virtual
    swapfile need one for those of its pages that are on a device."""
    direct, xswap = isinstance(machine.slots, DirectSlots), isinstance(machine.slots, XswapSlots)
    in_slot = (xswap or not direct) and LAYOUTS[machine.config.slot_layout].finds_folio
    entries = machine.tiers.zswap.usage().pages if machine.tiers.zswap is not None else 0
    if isinstance(machine.slots, XswapSlots):
        places = machine.slots.redirected
    else:
        places = 0 if direct else sum(tier.usage().pages for tier in machine.tiers.swap if tier.type in ON_DEVICE)
    return {
        "slot_bytes": machine.slots.bytes,
        "swap_cache_bytes": 0 if in_slot else XARRAY_BYTES * len(machine.cache),
        "zswap_entry_bytes": entries * (ZSWAP_ENTRY_BYTES + (XARRAY_BYTES if direct else 0)),
        "reverse_map_bytes": places * POINTER_BYTES,
    }
