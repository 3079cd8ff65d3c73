# SPDX-License-Identifier: MIT
"""A swap system's parts, made and handed to one another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from driver import CramDevice
from hw.clock import Clock
from vswap.base.config import VswapConfig
from vswap.base.counters import Counters
from vswap.mm.cache import SwapCache
from vswap.mm.frames import Memory
from vswap.mm.inflight import InFlight
from vswap.mm.lru import ClassicLru, Lruvec
from vswap.mm.memcg import Memcg
from vswap.mm.mglru import MultiGenLru
from vswap.mm.watermarks import Watermarks
from vswap.slots.cluster import HIGHEST_ORDER
from vswap.slots.direct import AnySlots
from vswap.slots.layer import LAYERS
from vswap.slots.layouts import layout
from vswap.state.machine import Machine
from vswap.state.residents import Residents
from vswap.tiers.base import Tier
from vswap.tiers.compressors import COMPRESSORS
from vswap.tiers.cram import CramTier
from vswap.tiers.placement import Placement
from vswap.tiers.swapfile import SwapfileTier
from vswap.tiers.tierset import TierSet
from vswap.tiers.zero import ZeroTier
from vswap.tiers.zram import ZramTier
from vswap.tiers.zswap import ZswapTier

POLICIES: Mapping[str, Callable[[], Lruvec]] = {"classic": ClassicLru, "mglru": MultiGenLru}

MemcgOf = Callable[[int], Memcg]
"""The group of a slot."""
Maker = Callable[[Memory, Counters, MemcgOf], Tier]
"""Makes a tier of a system: out of its memory, counting in its counters."""


@dataclass(frozen=True)
class Media:
    """What the tiers of a machine are made of.

    Attributes:
        devices: of the CRAM nodes, by name.
        paths: of the swapfiles, by name.
        backends: makers of the tiers of other names, or in the place of those of the same name.
    """

    devices: Mapping[str, CramDevice]
    paths: Mapping[str, Path]
    backends: Mapping[str, Maker]


def build(clock: Clock, config: VswapConfig, counters: Counters, media: Media) -> Machine:
    """The machine of a configuration.

    Raises:
        ValueError: the configuration names an unknown tier, or one whose device or path is missing.
        SwapfileError: a path cannot serve as a swapfile.
    """
    marks = None
    if config.min_free_kbytes is not None:
        marks = Watermarks.linux(config.memory_pages, config.min_free_kbytes, config.watermark_scale_factor)
    memory = Memory(clock, config.memory_pages, POLICIES[config.lru], marks)
    if not set(config.mthp_orders) <= set(range(2, HIGHEST_ORDER + 1)):
        raise ValueError(f"mthp_orders {config.mthp_orders}, expected orders from 2 to {HIGHEST_ORDER}")
    if len(set(config.order)) != len(config.order):
        raise ValueError(f"order {config.order}: a tier is named twice")
    layer_kind = LAYERS[config.layer]
    virtual_slots = config.xswap_pages if config.layer == "xswap" else config.slot_limit
    slots: AnySlots = layer_kind.make_slots(
        virtual_slots, config.cpus, layout(config.slot_layout, lambda: memory.free > memory.minimum)
    )

    def memcg_of(slot: int) -> Memcg:
        return memory.memcgs[slots.memcg(slot)]

    names = config.order if config.profile == "6.1" else ("zero", *config.order)  # the zero test came with 6.12
    tiers = TierSet(
        {name: _tier(name, clock, config, counters, media, memory, memcg_of) for name in names},
        distances=config.distances,
        priorities=config.priorities,
        demotes=config.cram_mode == "node",
    )
    memory.memcgs.root.device_pages = {tiers.node(cram): 0 for cram in sorted(tiers.crams, key=tiers.node)}
    reap_wanted = clock.event()
    layer = layer_kind(slots, memcg_of, tiers, reap_wanted)
    cache = SwapCache(layer)
    placement = Placement(clock, config.costs, counters, tiers, layer)
    residents = Residents(clock, tiers, layer, cache, reap_wanted, config.writable_budget)
    return Machine(
        clock=clock,
        config=config,
        costs=config.costs,
        counters=counters,
        memory=memory,
        slots=slots,
        layer=layer,
        cache=cache,
        inflight=InFlight(clock),
        tiers=tiers,
        placement=placement,
        residents=residents,
        reap_wanted=reap_wanted,
    )


def _tier(
    name: str,
    clock: Clock,
    config: VswapConfig,
    counters: Counters,
    media: Media,
    memory: Memory,
    memcg_of: MemcgOf,
) -> Tier:
    if name in media.backends:
        return media.backends[name](memory, counters, memcg_of)
    match name.rstrip("0123456789"):
        case "zero":
            return ZeroTier(clock, config.costs, counters)
        case "cram":
            if name not in media.devices:
                raise ValueError(f'order names "{name}", but there is no device')
            return CramTier(clock, counters, media.devices[name], trim_batch=config.trim_batch, fence=config.cram_fence)
        case "zswap" if name == "zswap":
            return ZswapTier(
                clock,
                config.costs,
                counters,
                memory,
                memory_pages=config.memory_pages,
                max_pool_percent=config.zswap_max_pool_percent,
                accept_threshold_percent=config.zswap_accept_threshold_percent,
                keep_incompressible=config.keeps_incompressible,
                same_filled=config.profile == "6.1",
                compressor=COMPRESSORS[config.zswap_compressor],
                memcgs=memory.memcgs,
                memcg_of=memcg_of,
            )
        case "swapfile":
            if name not in media.paths:
                raise ValueError(f'order names "{name}", but there is no path')
            pages, fsync = config.swapfile_pages, config.swapfile_fsync
            return SwapfileTier(clock, config.costs, counters, media.paths[name], pages=pages, fsync=fsync)
        case "zram":
            pages, limit = config.zram_pages, config.zram_limit_pages
            return ZramTier(
                clock,
                config.costs,
                counters,
                memory,
                pages=pages,
                limit_pages=limit,
                compressor=COMPRESSORS[config.zram_compressor],
                recompressor=None if config.zram_recompressor == "none" else COMPRESSORS[config.zram_recompressor],
                backing_pages=config.zram_backing_pages,
            )
    known = sorted({"cram", "swapfile", "zram", "zswap", *media.backends})
    raise ValueError(f'order names "{name}", expected {", ".join(known)}, or one of these with a number')
