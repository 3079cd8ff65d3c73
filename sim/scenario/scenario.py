# SPDX-License-Identifier: MIT
"""Scenario: one machine and its workload, stated in a TOML file (docs/run.md, "Scenarios").

Every key has a check; what does not pass it is one line that names the file, the key and what was expected.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from sim.base.files import read_text
from sim.scenario.sections import (
    NODE,
    CramSection,
    MemcgSection,
    MemorySection,
    Nanoseconds,
    Section,
    SwapfileSection,
    TiersSection,
    WorkloadSection,
    ZramSection,
    ZswapSection,
)
from vswap import Costs, VswapConfig

SHIPPED = Path(__file__).resolve().parent.parent / "scenarios"
DEFAULT = "main"
PROFILE = next(field for field in fields(VswapConfig) if field.name == "profile")


class ScenarioError(Exception):
    """A scenario cannot be used; one line that names the file, the key and what was expected.

    Attributes:
        what: the line without the file.
        where: the section, and the key if one alone is at fault.
    """

    def __init__(self, message: str, what: str = "", where: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.what = what or message
        self.where = where


class Scenario(Section):
    """A whole scenario. `load` reads one from a file."""

    title: str = Field("", description="what it is about, a line")
    profile: Literal["6.1", "6.12", "current"] = Field("current", description=PROFILE.metadata["meaning"])
    workload: WorkloadSection
    memory: MemorySection
    cram: CramSection = CramSection()
    zswap: ZswapSection = ZswapSection()
    swapfile: SwapfileSection = SwapfileSection()
    zram: ZramSection = ZramSection()
    tiers: TiersSection = TiersSection()
    memcg: dict[str, MemcgSection] = Field({}, description="memory control groups by name: [memcg.NAME]")
    costs: dict[str, Nanoseconds] = Field({}, description="ns of each software step and of the link (docs/vswap.md)")

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

    @model_validator(mode="after")
    def _nodes_there(self) -> Scenario:
        """What says how nodes are used needs some: a tier of one's own may be one."""
        order = self.tiers.order
        nodes = [name for name in order if re.fullmatch(NODE, name)]
        if self.cram.mode == "node" and not nodes:
            raise ValueError(f'[cram] mode is "node", expected "swap" as [tiers] order names no cram: {_plain(order)}')
        if self.tiers.cram_to_cram and len(nodes) < 2:
            raise ValueError("[tiers] cram_to_cram is true, expected false as [tiers] order does not name two cram "
                             f"nodes: {_plain(order)}")  # fmt: skip
        return self

    @classmethod
    def load(cls, path: Path) -> Scenario:
        """Read and check a file; paths in it become absolute. Raises ScenarioError."""
        return cls.check(read_values(path), path)

    @classmethod
    def check(cls, values: Mapping[str, Any], path: Path) -> Scenario:
        """What a file at `path` with these values states; paths in it become absolute. Raises ScenarioError."""
        try:
            scenario = cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            what, where = _explain(first), tuple(part for part in first["loc"] if isinstance(part, str))
            raise ScenarioError(f"{path}: {what}", what, where) from error
        workload, swapfile = scenario.workload, scenario.swapfile
        beside = [_beside(path, trace) for trace in workload.beside]
        workload = workload.model_copy(update={"trace": _beside(path, workload.trace), "beside": beside})
        if swapfile.path is not None:
            swapfile = swapfile.model_copy(update={"path": _beside(path, swapfile.path)})
        tiers = scenario.tiers.model_copy(update={"folder": _beside(path, scenario.tiers.folder)})
        return scenario.model_copy(update={"workload": workload, "swapfile": swapfile, "tiers": tiers})

    def settings(self) -> dict[str, Any]:
        """See Section; every cost, those that the file leaves out as well."""
        values = super().settings()
        return values | {f"costs.{name}": ns for name, ns in asdict(self.vswap_config().costs).items()}

    def with_workload(self, **changes: int) -> Scenario:
        """The same with other values of [workload]; they must be legal."""
        return self.model_copy(update={"workload": self.workload.model_copy(update=changes)})

    def with_limit(self, pages: int) -> Scenario:
        """The same with another DRAM limit, at least 16 pages."""
        return self.model_copy(update={"memory": self.memory.model_copy(update={"limit_pages": pages})})

    def vswap_config(self) -> VswapConfig:
        """The swap system's dials."""
        sections = (self.memory, self.cram, self.zswap, self.swapfile, self.zram, self.tiers)
        dials = dict(dial for section in sections for dial in section.values(VswapConfig))
        return VswapConfig(**dials, profile=self.profile, costs=Costs(**self.costs))

    def rtl_parameters(self) -> dict[str, int]:
        """Parameters of the bench around the RTL (hw/bench/cram_tb.v)."""
        return self.cram.parameters().verilog() | {"MEDIA_LATENCY": self.cram.media_latency}


def read_values(path: Path) -> dict[str, Any]:
    """The tables of a scenario's file, not checked yet. Raises ScenarioError."""
    try:
        return tomllib.loads(read_text(path))
    except OSError as error:
        raise ScenarioError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: not TOML: {error}") from error


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


def choices() -> dict[tuple[str, str], list[str]]:
    """The values of each key that takes one of a few words, by (section, key)."""
    sections = {name: table.annotation for name, table in Scenario.model_fields.items()}
    places = {("", name): annotation for name, annotation in sections.items()}
    for name, annotation in sections.items():
        if isinstance(annotation, type) and issubclass(annotation, Section):
            places |= {(name, key): field.annotation for key, field in annotation.model_fields.items()}
    return {place: list(map(_plain, get_args(kind))) for place, kind in places.items() if get_origin(kind) is Literal}


def _meaning(cost: Mapping[str, str]) -> str:
    return f"ns: {cost['meaning']} ({cost['source']})"


def _beside(scenario: Path, name: str) -> str:
    """A path that a scenario names, absolute; relative ones start at the scenario's folder."""
    return str((scenario.parent / name).resolve())


def _explain(error: ErrorDetails) -> str:
    """A pydantic error as "[section] key is value, expected what"."""
    where = [part for part in error["loc"] if isinstance(part, str)]
    if not where:  # of several sections, which our own checks name
        return str(error.get("ctx", {}).get("error", error["msg"]))
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
    return set(Scenario.model_fields) - {"title", "profile"}


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
