# SPDX-License-Identifier: MIT
"""Sections: the tables of a scenario's file and their keys.

What a key sets in a layer below is declared there, once: its default, its meaning and its limits come from the fields
of `VswapConfig`, `DeviceParameters` and `MemcgLimits`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, field_validator, model_validator

from hw.parameters import MEDIA_LATENCY, DeviceParameters
from vswap import MemcgLimits, VswapConfig
from vswap.base.config import MOST_PAGES
from vswap.base.costs import MOST_NS
from vswap.mm.watermarks import Watermarks
from vswap.slots.cluster import HIGHEST_ORDER

OWN = r"[^:]+:[A-Za-z_]\w*|[^:]+\.so"
"""The name of a tier of one's own: its factory, or the shared object that it is."""
NODE = rf"cram[1-9]?|{OWN}"
"""The name of a tier that may be a CRAM node."""
TIER = rf"zswap|(cram|swapfile|zram)[1-9]?|{OWN}"
"""The name of a tier."""

Nanoseconds = Annotated[int, Field(ge=0, le=MOST_NS)]
Pages = Annotated[int, Field(ge=0, le=MOST_PAGES)]
Space = Annotated[int, Field(ge=0, le=2**31 - 1)]


def _declared(owner: type, name: str, **more: Any) -> Any:
    """A key that sets the field `name` of a dataclass of a layer below."""
    found = next(field for field in fields(owner) if field.name == name)
    if found.default is not MISSING:
        more["default"] = list(found.default) if isinstance(found.default, tuple) else found.default
    elif found.default_factory is not MISSING:
        more["default"] = found.default_factory()
    more.setdefault("description", found.metadata.get("meaning"))
    schema = {"sets": name, **found.metadata.get("schema", {})}
    return Field(json_schema_extra=schema, **found.metadata.get("limits", {}), **more)


def _dial(name: str) -> Any:
    return _declared(VswapConfig, name)


def _parameter(name: str) -> Any:
    return _declared(DeviceParameters, name)


class Section(BaseModel):
    """A table of the file: no unknown keys, no conversions."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    def values(self, owner: type) -> Iterator[tuple[str, Any]]:
        """(field, value) of each key that sets a field of `owner`, a dataclass of a layer below."""
        known = {field.name for field in fields(owner)}
        for key, about in type(self).model_fields.items():
            extra = about.json_schema_extra
            if isinstance(extra, Mapping) and (name := str(extra.get("sets"))) in known:
                value = getattr(self, key)
                yield name, tuple(value) if isinstance(value, list) else value

    def settings(self) -> dict[str, Any]:
        """Every key's value by its full name ("cram.cache_pages"). Of a path the last part: they are the same on any
        computer."""
        values: dict[str, Any] = {}
        for key, about in type(self).model_fields.items():
            value, extra = getattr(self, key), about.json_schema_extra
            if isinstance(extra, Mapping) and extra.get("path") and value is not None:
                value = [Path(each).name for each in value] if isinstance(value, list) else Path(value).name
            _flatten(values, key, value)
        return values


def _flatten(values: dict[str, Any], key: str, value: Any) -> None:
    below = value.settings() if isinstance(value, Section) else value
    if not isinstance(below, Mapping):
        values[key] = below
        return
    for name, each in below.items():
        _flatten(values, f"{key}.{name}", each)


class WorkloadSection(Section):
    """What runs."""

    trace: str = Field(
        min_length=1,
        description="trace file to replay; a relative path starts at the scenario's folder",
        json_schema_extra={"path": True},
    )
    seed: int = Field(
        0,
        ge=0,
        le=2**31 - 1,
        description="shuffles tasks that are ready at once (0: in turn, as simulators do), fills undefined registers",
    )
    beside: list[str] = Field(
        [], description="more traces, replayed at the same time by tasks of their own", json_schema_extra={"path": True}
    )
    tasks: Literal["trace", "space"] = Field(
        "trace", description="a task is each trace, its events in order, or each space (process) of each trace"
    )
    rounds: int = Field(
        1, ge=1, le=10**9, description="times the program runs, one after the other, each in spaces of its own"
    )
    think: Literal["fixed", "recorded"] = Field(
        "fixed", description="time between two events of a task: think_ns, or what the trace has of the recording"
    )
    think_ns: Nanoseconds = Field(0, description="ns that a task computes between two events, with think = fixed")
    collapse_at_percent: int | None = Field(
        None, ge=0, le=100,
        description="from this share of its events on a program writes random bytes; none: never",
    )  # fmt: skip
    verify_exits: bool = Field(True, description="read and compare every page of a space before it exits")
    line_reads: bool = Field(False, description="a read takes one line of 64 bytes of its page, not all of it")

    @property
    def schedule(self) -> int | None:
        """The seed of the clock (VirtualClock); None: tasks run in turn, so that every link gives the same run."""
        return self.seed or None


class MemorySection(Section):
    """DRAM."""

    limit_pages: int = _dial("memory_pages")
    lru: Literal["classic", "mglru"] = _dial("lru")
    min_free_kbytes: int | None = _dial("min_free_kbytes")
    watermark_scale_factor: int = _dial("watermark_scale_factor")
    page_cluster: int = _dial("page_cluster")
    mthp_orders: list[Annotated[int, Field(ge=2, le=HIGHEST_ORDER)]] = _dial("mthp_orders")

    @model_validator(mode="after")
    def _possible(self) -> MemorySection:
        if self.min_free_kbytes is not None:
            Watermarks.linux(self.limit_pages, self.min_free_kbytes, self.watermark_scale_factor)
        return self


class CramSection(Section):
    """The compressed-RAM device and how it is used."""

    perceived_pages: int = _parameter("perceived_pages")
    media_bytes: int = _parameter("media_bytes")
    sector_bytes: int = _parameter("sector_bytes")
    cache_pages: int = _parameter("cache_pages")
    bytes_per_cycle: int = _parameter("bytes_per_cycle")
    fill_engines: int = _parameter("fill_engines")
    promoted_pages: int = _parameter("promoted_pages")
    media_latency: int = Field(
        MEDIA_LATENCY, ge=1, le=10_000, description="clock cycles from a media request to its first beat"
    )
    mode: Literal["swap", "node"] = _dial("cram_mode")
    file: bool = Field(
        False,
        description="clean file pages go to the node, too; refused: there is no page cache (docs/vswap/node-mode.md)",
        json_schema_extra={"const": False},
    )
    low_percent: int = _dial("cram_low_percent")
    recovered_percent: int = _dial("cram_recovered_percent")
    critical_percent: int = _dial("cram_critical_percent")
    fence: bool = _dial("cram_fence")
    writable_budget: int = _dial("writable_budget")
    writeback_batch: int = _dial("cram_writeback_batch")
    trim_batch: int = _dial("trim_batch")
    balloon_step_pages: int = _dial("balloon_step_pages")
    hot_threshold: int = _dial("hot_threshold")
    hot_period: int = _dial("hot_period")
    hot_budget: int = _dial("hot_budget")
    hot_interval_ns: int = _dial("hot_interval")
    ratio_interval_ns: int = _dial("cram_ratio_interval")
    reap_interval_ns: int = _dial("reap_interval")

    @model_validator(mode="after")
    def _possible(self) -> CramSection:
        self.parameters()
        if self.file:
            raise ValueError("file is true, expected false: there is no page cache whose pages could be demoted")
        if self.low_percent > self.recovered_percent:
            raise ValueError(f"low_percent is {self.low_percent}, expected at most recovered_percent "
                             f"({self.recovered_percent})")  # fmt: skip
        return self

    def parameters(self) -> DeviceParameters:
        """What the device is built with. Raises ValueError."""
        return DeviceParameters(**dict(self.values(DeviceParameters)))


class ZswapSection(Section):
    """The compressed pool in DRAM."""

    compressor: Literal["lz4", "zstd", "lzo"] = _dial("zswap_compressor")
    max_pool_percent: int = _dial("zswap_max_pool_percent")
    accept_threshold_percent: int = _dial("zswap_accept_threshold_percent")
    shrinker: bool = _dial("zswap_shrinker")
    keep_incompressible: bool | None = _dial("zswap_keep_incompressible")


class SwapfileSection(Section):
    """The swapfile."""

    path: str | None = Field(
        None,
        min_length=1,
        description="file to use and keep, relative as trace is; none: one of the run's own",
        json_schema_extra={"path": True},
    )
    pages: int = _dial("swapfile_pages")
    fsync: bool = _dial("swapfile_fsync")


class ZramSection(Section):
    """The compressed block device."""

    pages: int = _dial("zram_pages")
    compressor: Literal["lz4", "zstd", "lzo"] = _dial("zram_compressor")
    recompressor: Literal["none", "lz4", "zstd", "lzo"] = _dial("zram_recompressor")
    backing_pages: int = _dial("zram_backing_pages")
    idle_interval_ns: int = _dial("zram_idle_interval")
    limit_pages: int | None = _dial("zram_limit_pages")


class TiersSection(Section):
    """Where pages go that leave DRAM."""

    order: list[Annotated[str, WithJsonSchema({"type": "string", "pattern": f"^({TIER})$"})]] = _dial("order")
    distance: dict[str, Annotated[int, Field(ge=0, le=255)]] = _dial("distances")
    priority: dict[str, Annotated[int, Field(ge=-1, le=32_767)]] = _dial("priorities")
    own_pages: int = Field(16_384, ge=1, le=MOST_PAGES, description="size of each tier of your own that has one")
    folder: str = Field(
        ".",
        min_length=1,
        description="where the modules of your own tiers lie, beside the current folder; relative as trace is",
        json_schema_extra={"path": True},
    )
    cram_to_cram: bool = _dial("cram_to_cram")
    layer: Literal["virtual", "direct", "xswap"] = _dial("layer")
    xswap_pages: int = _dial("xswap_pages")
    slot_layout: Literal["compact", "descriptors", "swap-table"] = _dial("slot_layout")
    cpus: int = _dial("cpus")

    @field_validator("order")
    @classmethod
    def _once(cls, order: list[str]) -> list[str]:
        if len(set(order)) != len(order):
            raise ValueError(f"order is {order}, expected every tier once")
        for name in order:
            if not re.fullmatch(TIER, name):
                raise ValueError(f"order names {name}, expected cram, zswap, swapfile or zram, all but zswap with a "
                                 "number from 1 to 9 where there are more, or PACKAGE:FACTORY, FILE.py:FACTORY or "
                                 "FILE.so of your own")  # fmt: skip
        return order

    @model_validator(mode="after")
    def _ranked(self) -> TiersSection:
        for key, ranks, kind, what in (
            ("distance", self.distance, "cram[1-9]?", "cram"),
            ("priority", self.priority, rf"(swapfile|zram)[1-9]?|{OWN}", "swapfile, zram or of your own"),
        ):
            for name in ranks:
                if name not in self.order or not re.fullmatch(kind, name):
                    raise ValueError(f"{key} names {name}, expected one of order that is {what}")
        return self

    @property
    def own(self) -> list[str]:
        """The tiers of one's own: each name is that of its factory."""
        return [name for name in self.order if re.fullmatch(OWN, name)]

    @property
    def nodes(self) -> list[str]:
        """The cram nodes by name, "cram" in any case: the device of the run's figures."""
        named = [name for name in self.order if re.fullmatch("cram[1-9]?", name)]
        return ["cram", *(name for name in named if name != "cram")]

    @property
    def swapfiles(self) -> list[str]:
        """The swapfiles by name."""
        return [name for name in self.order if name.startswith("swapfile") and ":" not in name]


class MemcgSection(Section):
    """A memory control group, [memcg.NAME]: docs/vswap.md."""

    spaces: list[Space] = Field([], description="spaces of the trace whose tasks live in it; children follow")
    memory_max: Pages | None = _declared(
        MemcgLimits, "memory_max", description="pages in DRAM and on devices; none: no limit"
    )
    swap_max: Pages | None = _declared(MemcgLimits, "swap_max", description="pages on swap devices; none: no limit")
    zswap_max: Pages | None = _declared(
        MemcgLimits, "zswap_max", description="compressed pages in zswap; none: no limit"
    )
    zswap_writeback: bool = _declared(MemcgLimits, "zswap_writeback", description="its pages may go to swap devices")

    def limits(self) -> MemcgLimits:
        """As the swap system takes them."""
        return MemcgLimits(**dict(self.values(MemcgLimits)))
