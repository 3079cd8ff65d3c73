"""Scenario: one machine and its workload, stated in a TOML file (docs/run.md, "Scenarios").

Every key has a check; what does not pass it is one line that names the file, the key and what was expected.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from hw.parameters import DeviceParameters
from vswap import Costs, MemcgLimits, VswapConfig

SHIPPED = Path(__file__).resolve().parent.parent / "scenarios"
DEFAULT = "main"


class ScenarioError(Exception):
    """A scenario cannot be used; one line that names the file, the key and what was expected."""


class Section(BaseModel):
    """A table of the file: no unknown keys, no conversions."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class WorkloadSection(Section):
    """What runs."""

    trace: str = Field(
        min_length=1, description="trace file to replay; a relative path starts at the scenario's folder"
    )
    seed: int = Field(
        1, ge=0, le=2**31 - 1, description="orders tasks that are ready at once, fills undefined registers"
    )
    rounds: int = Field(1, ge=1, description="times the program runs, one after the other, each in spaces of its own")
    think_ns: NonNegativeInt = Field(0, description="ns that the program computes between two events of the trace")
    verify_exits: bool = Field(True, description="read and compare every page of a space before it exits")


class MemorySection(Section):
    """DRAM."""

    limit_pages: int = Field(ge=16, description="DRAM pages; everything beyond is swapped")
    mthp_orders: list[Annotated[int, Field(ge=2, le=7)]] = Field(
        [], description="large folios of 2^order pages that a fault may allocate"
    )


class CramSection(Section):
    """The compressed-RAM device and how it is used."""

    perceived_pages: int = Field(4096, description="pages the device shows; a power of two")
    media_bytes: int = Field(4 << 20, description="bytes its media holds; a multiple of sector_bytes")
    sector_bytes: int = Field(256, description="unit of allocation on the media")
    cache_pages: int = Field(8, description="decompressed pages kept on chip")
    bytes_per_cycle: int = Field(8, description="width of both LZ4 engines")
    media_latency: int = Field(40, ge=1, le=10_000, description="clock cycles from a media request to its first beat")
    low_percent: int = Field(
        10, ge=0, le=100, description="the LOW interrupt: free media sectors fell below this share"
    )
    recovered_percent: int = Field(
        20, ge=0, le=100, description="the RECOVERED interrupt: free sectors reached it again"
    )
    writable_budget: NonNegativeInt = Field(0, description="device pages that may be writable in place at once")
    writeback_batch: int = Field(16, ge=1, description="pages written back before the device is looked at again")
    trim_batch: int = Field(64, ge=1, description="freed device pages collected for one trim command")
    hot_threshold: int = Field(0, ge=0, le=255, description="reads that make a page hot; 0: none is promoted for that")
    hot_period: NonNegativeInt = Field(0, description="reads after which all heat is halved; 0: never")
    hot_budget: int = Field(32, ge=1, description="hot pages promoted at most in an interval")
    hot_interval_ns: int = Field(100_000, ge=1, description="ns of such an interval")
    ratio_interval_ns: NonNegativeInt = Field(
        0, description="ns between two looks at the achieved ratio, which sets the node's balloon; 0: none"
    )
    reap_interval_ns: int = Field(1_000_000, ge=1, description="ns between two scans for pages that nobody uses")

    @model_validator(mode="after")
    def _possible(self) -> CramSection:
        self.parameters()
        if self.low_percent > self.recovered_percent:
            raise ValueError(f"low_percent is {self.low_percent}, expected at most recovered_percent "
                             f"({self.recovered_percent})")  # fmt: skip
        return self

    def parameters(self) -> DeviceParameters:
        """What the device is built with. Raises ValueError."""
        return DeviceParameters(
            perceived_pages=self.perceived_pages,
            media_bytes=self.media_bytes,
            sector_bytes=self.sector_bytes,
            cache_pages=self.cache_pages,
            bytes_per_cycle=self.bytes_per_cycle,
        )


class ZswapSection(Section):
    """The compressed pool in DRAM."""

    max_pool_percent: int = Field(20, ge=0, le=100, description="share of the DRAM pages that the pool may take")
    accept_threshold_percent: int = Field(
        90, ge=0, le=100, description="once full, it accepts again at this share of it"
    )
    keep_incompressible: bool = Field(
        False, description="keep pages that do not shrink, where they may be written back"
    )


class SwapfileSection(Section):
    """The swapfile."""

    path: str | None = Field(
        None, min_length=1, description="file to use and keep, relative as trace is; none: one of the run's own"
    )
    pages: int = Field(16_384, ge=1, le=1 << 24, description="its slots of 4 KiB")
    fsync: bool = Field(False, description="flush it to stable storage when the run ends")


class TiersSection(Section):
    """Where pages go that leave DRAM."""

    order: list[str] = Field(
        ["cram", "zswap", "swapfile"],
        min_length=1,
        description="tiers tried at swap-out, first to last; more of a kind have a number: cram1, swapfile1, zram1",
    )
    distance: dict[str, NonNegativeInt] = Field({}, description="of cram nodes, by name: the nearest comes first")
    priority: dict[str, int] = Field(
        {}, description="of swapfile and zram, by name, as swapon's: the highest first, equal ones in turns"
    )
    cram_to_cram: bool = Field(False, description="a cram node is written back to those behind it, too")
    layer: Literal["virtual", "direct"] = Field(
        "virtual", description="what PTEs hold: virtual slots, or places on a device as without virtual swap"
    )

    @field_validator("order")
    @classmethod
    def _once(cls, order: list[str]) -> list[str]:
        if len(set(order)) != len(order):
            raise ValueError(f"order is {order}, expected every tier once")
        for name in order:
            if not re.fullmatch(r"zswap|(cram|swapfile|zram)[1-9]?", name):
                raise ValueError(f"order names {name}, expected cram, zswap, swapfile or zram, all but zswap with a "
                                 "number from 1 to 9 where there are more")  # fmt: skip
        return order

    @model_validator(mode="after")
    def _ranked(self) -> TiersSection:
        for key, ranks, kinds in (("distance", self.distance, "cram"), ("priority", self.priority, "swapfile|zram")):
            for name in ranks:
                if name not in self.order or not re.match(kinds, name):
                    raise ValueError(f"{key} names {name}, expected one of order that is {kinds.replace('|', ' or ')}")
        return self

    @property
    def nodes(self) -> list[str]:
        """The cram nodes by name, "cram" in any case: the device of the run's figures."""
        return ["cram", *(name for name in self.order if name.startswith("cram") and name != "cram")]


class ZramSection(Section):
    """The compressed block device."""

    pages: int = Field(16_384, ge=1, le=1 << 24, description="its size, blocks of 4 KiB")
    limit_pages: int | None = Field(None, ge=1, description="DRAM pages that it may take; none: no limit")


class MemcgSection(Section):
    """A memory control group, [memcg.NAME]: docs/vswap.md."""

    spaces: list[NonNegativeInt] = Field([], description="spaces of the trace whose tasks live in it; children follow")
    memory_max: NonNegativeInt | None = Field(None, description="DRAM pages; none: no limit")
    swap_max: NonNegativeInt | None = Field(None, description="pages on swap devices; none: no limit")
    zswap_max: NonNegativeInt | None = Field(None, description="compressed pages in zswap; none: no limit")
    zswap_writeback: bool = Field(True, description="its pages may go to swap devices")

    def limits(self) -> MemcgLimits:
        """As the swap system takes them."""
        return MemcgLimits(self.memory_max, self.swap_max, self.zswap_max, self.zswap_writeback)


class Scenario(Section):
    """A whole scenario. `load` reads one from a file."""

    title: str = Field("", description="what it is about, a line")
    workload: WorkloadSection
    memory: MemorySection
    cram: CramSection = CramSection()
    zswap: ZswapSection = ZswapSection()
    swapfile: SwapfileSection = SwapfileSection()
    zram: ZramSection = ZramSection()
    tiers: TiersSection = TiersSection()
    memcg: dict[str, MemcgSection] = Field({}, description="memory control groups by name: [memcg.NAME]")
    costs: dict[str, NonNegativeInt] = Field({}, description="ns of each software step (docs/vswap.md)")

    @field_validator("costs")
    @classmethod
    def _known_costs(cls, costs: dict[str, int]) -> dict[str, int]:
        known = [field.name for field in fields(Costs)]
        for name in costs:
            if name not in known:
                raise ValueError(_unknown(name, known))
        return costs

    @field_validator("memcg")
    @classmethod
    def _one_group_a_space(cls, groups: dict[str, MemcgSection]) -> dict[str, MemcgSection]:
        home: dict[int, str] = {}
        for name, group in groups.items():
            for space in group.spaces:
                if home.setdefault(space, name) != name:
                    raise ValueError(f"space {space} is in {home[space]} and in {name}, expected one group")
        return groups

    @classmethod
    def load(cls, path: Path) -> Scenario:
        """Read and check a file; paths in it become absolute. Raises ScenarioError."""
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ScenarioError(f"{path}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ScenarioError(f"{path}: not TOML: {error}") from error
        try:
            scenario = cls.model_validate(values)
        except ValidationError as error:
            raise ScenarioError(f"{path}: {_explain(error.errors()[0])}") from error
        workload, swapfile = scenario.workload, scenario.swapfile
        workload = workload.model_copy(update={"trace": _beside(path, workload.trace)})
        if swapfile.path is not None:
            swapfile = swapfile.model_copy(update={"path": _beside(path, swapfile.path)})
        return scenario.model_copy(update={"workload": workload, "swapfile": swapfile})

    def with_workload(self, **changes: int) -> Scenario:
        """The same with other values of [workload]; they must be legal."""
        return self.model_copy(update={"workload": self.workload.model_copy(update=changes)})

    def with_limit(self, pages: int) -> Scenario:
        """The same with another DRAM limit, at least 16 pages."""
        return self.model_copy(update={"memory": self.memory.model_copy(update={"limit_pages": pages})})

    def vswap_config(self) -> VswapConfig:
        """The swap system's dials."""
        return VswapConfig(
            memory_pages=self.memory.limit_pages,
            order=tuple(self.tiers.order),
            layer=self.tiers.layer,
            distances=self.tiers.distance,
            priorities=self.tiers.priority,
            cram_to_cram=self.tiers.cram_to_cram,
            zram_pages=self.zram.pages,
            zram_limit_pages=self.zram.limit_pages,
            hot_threshold=self.cram.hot_threshold,
            hot_period=self.cram.hot_period,
            hot_budget=self.cram.hot_budget,
            hot_interval=self.cram.hot_interval_ns,
            cram_ratio_interval=self.cram.ratio_interval_ns,
            mthp_orders=tuple(self.memory.mthp_orders),
            writable_budget=self.cram.writable_budget,
            swapfile_pages=self.swapfile.pages,
            swapfile_fsync=self.swapfile.fsync,
            zswap_max_pool_percent=self.zswap.max_pool_percent,
            zswap_accept_threshold_percent=self.zswap.accept_threshold_percent,
            zswap_keep_incompressible=self.zswap.keep_incompressible,
            cram_low_percent=self.cram.low_percent,
            cram_recovered_percent=self.cram.recovered_percent,
            cram_writeback_batch=self.cram.writeback_batch,
            trim_batch=self.cram.trim_batch,
            reap_interval=self.cram.reap_interval_ns,
            costs=Costs(**self.costs),
        )

    def rtl_parameters(self) -> dict[str, int]:
        """Parameters of the bench around the RTL (hw/bench/cram_tb.v)."""
        return self.cram.parameters().verilog() | {"MEDIA_LATENCY": self.cram.media_latency}


def shipped() -> dict[str, Path]:
    """The scenarios that come with the program, by name."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.toml"))}


def find(name: str) -> Path:
    """The file of a scenario: a path, or the name of a shipped one. Raises ScenarioError."""
    known = shipped()
    if name in known:
        return known[name]
    if name.endswith(".toml") or "/" in name or Path(name).is_file():
        return Path(name)
    raise ScenarioError(f"{name}: no such scenario; name a .toml file or one of {', '.join(known)}")


def keys() -> list[tuple[str, str, str, str]]:
    """Every key a scenario may have: (section, key, default or "required", meaning)."""
    rows: list[tuple[str, str, str, str]] = []
    for section, table in Scenario.model_fields.items():
        if isinstance(table.annotation, type) and issubclass(table.annotation, Section):
            for key, field in table.annotation.model_fields.items():
                default = "required" if field.is_required() else _plain(field.default)
                rows.append((section, key, default, field.description or ""))
        elif section == "memcg":
            for key, field in MemcgSection.model_fields.items():
                rows.append(("memcg.NAME", key, _plain(field.default), field.description or ""))
        elif section == "costs":
            rows += [("costs", cost.name, str(cost.default), _meaning(cost.metadata)) for cost in fields(Costs)]
        else:
            rows.append(("", section, _plain(table.default), table.description or ""))
    return rows


def _meaning(cost: Mapping[str, str]) -> str:
    return f"ns: {cost['meaning']} ({cost['source']})"


def _beside(scenario: Path, name: str) -> str:
    """A path that a scenario names, absolute; relative ones start at the scenario's folder."""
    return str((scenario.parent / name).resolve())


def _explain(error: ErrorDetails) -> str:
    """A pydantic error as "[section] key is value, expected what"."""
    where = [part for part in error["loc"] if isinstance(part, str)]
    if where[0] == "memcg" and len(where) > 1:
        where = [f"memcg.{where[1]}", *where[2:]]
    section, key = ([*where, "", ""])[:2]
    inside = f"[{section}] " if key or section in _tables() else ""
    name = key or section
    context: Mapping[str, Any] = error.get("ctx", {})
    if error["type"] == "extra_forbidden":
        if not key:
            return _unknown(section, Scenario.model_fields, "section or key ")
        table = MemcgSection if section.startswith("memcg.") else Scenario.model_fields[section].annotation
        assert isinstance(table, type) and issubclass(table, Section)
        return inside + _unknown(key, table.model_fields)
    if error["type"] == "missing":
        return f"section [{section}] is missing" if not key else f"{inside}the key {key} is missing"
    if error["type"] == "value_error":  # our own checks name the key themselves
        return f"{inside}{context['error']}"
    return f"{inside}{name} is {_plain(error['input'])}, expected {_expected(error['type'], context, error['msg'])}"


def _expected(kind: str, context: Mapping[str, Any], message: str) -> str:
    match kind:
        case "int_type":
            return "an integer"
        case "string_type":
            return "a string"
        case "bool_type":
            return "true or false"
        case "list_type":
            return "a list"
        case "model_type" | "dict_type":
            return "a section"
        case "greater_than_equal":
            return f"at least {context['ge']}"
        case "less_than_equal":
            return f"at most {context['le']}"
        case "literal_error":
            return f"{context['expected']}"
        case "string_too_short" | "too_short":
            return "not empty"
        case _:
            return f"something else ({message})"


def _unknown(name: str, known: Mapping[str, object] | list[str], what: str = "key ") -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    hint = f"did you mean {close[0]}?" if close else f"expected one of {', '.join(known)}"
    return f"unknown {what}{name}; {hint}"


def _tables() -> set[str]:
    return set(Scenario.model_fields) - {"title"}


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list):
        return f"[{', '.join(map(_plain, value))}]"
    if isinstance(value, dict):
        return "a section"
    return "none" if value is None else str(value)
