# SPDX-License-Identifier: MIT
"""Settings: values of a scenario's keys from a command line, SECTION.KEY=VALUE, in the place of the file's.

A value is written as in TOML. What the key's type makes plain may be left out: the quotes of a string, the brackets of
a list. `2M` stands for bytes, or for as many pages where the key counts pages. `none` stands for what a key without a
value means. A path starts at the current folder, not at the scenario's.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from hw.link import PAGE_BYTES
from sim.scenario.scenario import Scenario, ScenarioError, keys, read_values
from sim.scenario.sections import Section
from vswap import Costs

_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_PAGES = re.compile(r"pages|(memory|swap|zswap)_max")
"""Keys that count pages."""


@dataclass(frozen=True)
class Setting:
    """One key's value.

    Attributes:
        text: as it was given.
        key: the key's full name, as in "cram.media_bytes".
        value: as the file would have it.
    """

    text: str
    key: str
    value: Any

    @property
    def parts(self) -> tuple[str, ...]:
        """The tables that lead to the key, and the key."""
        return tuple(self.key.split("."))

    def put(self, values: dict[str, Any]) -> None:
        """Set it in the tables of a file."""
        *tables, key = self.parts
        for table in tables:
            below = values.setdefault(table, {})
            if not isinstance(below, dict):
                raise ScenarioError(f"{self.text}: {table} is a value in the file, expected a section")
            values = below
        values[key] = self.value


def parse(text: str) -> Setting:
    """A setting from SECTION.KEY=VALUE. Raises ScenarioError: it is none, or there is no such key."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ScenarioError(f"{text}: expected SECTION.KEY=VALUE, for example cram.cache_pages=16")
    return setting(key.strip(), value.strip())


def setting(key: str, value: str) -> Setting:
    """A setting of a key by its full name. Raises ScenarioError."""
    kind = kind_of(key)
    found = _value(value, kind, key.rpartition(".")[2])
    if _is_path(key):
        found = _absolute(found)
    return Setting(f"{key}={value}", key, found)


def load(path: Path, settings: Sequence[Setting] = ()) -> Scenario:
    """The scenario of a file with these settings in the place of what it says. Raises ScenarioError; where the settings
    are at fault it names them instead of the file."""
    values = read_values(path)
    settings = list({each.key: each for each in settings}.values())  # the last word on a key is the only one
    for each in settings:
        each.put(values)
    try:
        return Scenario.check(values, path)
    except ScenarioError as error:
        blamed = [each for each in settings if each.parts == error.where] or [
            each for each in settings if each.parts[:1] == error.where[:1]
        ]
        if not blamed or _already(path, error):
            raise
        raise ScenarioError(f"{' '.join(each.text for each in blamed)}: {error.what}") from error


def _already(path: Path, error: ScenarioError) -> bool:
    """The file has this fault without any settings."""
    try:
        Scenario.load(path)
    except ScenarioError as without:
        return without.what == error.what
    return False


def kind_of(key: str) -> Any:
    """The type of a key by its full name. Raises ScenarioError that names near misses."""
    kind: Any = Scenario
    for part in key.split("."):
        kind = _below(kind, part)
        if kind is None:
            raise ScenarioError(f"unknown key {key}; {_near(key)}")
    if isinstance(kind, type) and issubclass(kind, Section):
        raise ScenarioError(f"{key} is a section, expected a key of it: {', '.join(kind.model_fields)}")
    return kind


def _below(kind: Any, part: str) -> Any:
    """The type of what is called `part` in a table of this type; None: there is none."""
    if isinstance(kind, type) and issubclass(kind, Section):
        field = kind.model_fields.get(part)
        if part == "costs" and kind is Scenario:
            return Costs
        return field.annotation if field else None
    if kind is Costs:
        return int if part in {field.name for field in fields(Costs)} else None
    return get_args(kind)[1] if get_origin(kind) is dict and part else None


def _near(key: str) -> str:
    """What may have been meant by a key that is unknown."""
    known = [f"{section}.{name}" if section else name for section, name, _, _ in keys()]
    last = key.rpartition(".")[2]
    same = [name for name in known if name.rpartition(".")[2] == last]
    ends = difflib.get_close_matches(last, [name.rpartition(".")[2] for name in known], n=2, cutoff=0.75)
    close = [
        *same,
        *difflib.get_close_matches(key, known, n=2, cutoff=0.75),
        *(name for name in known if name.rpartition(".")[2] in ends),
    ]
    if not close:
        return "`vcram scenarios --keys` lists every key"
    return f"did you mean {_either(list(dict.fromkeys(close))[:3])}?"


def _either(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _absolute(value: Any) -> Any:
    """A path, or each of a list."""
    if isinstance(value, list):
        return [_absolute(each) for each in value]
    return str(Path(value).absolute()) if isinstance(value, str) and value else value


def _is_path(key: str) -> bool:
    section, _, name = key.partition(".")
    table = Scenario.model_fields[section].annotation
    if not (isinstance(table, type) and issubclass(table, Section)):
        return False
    extra = table.model_fields[name].json_schema_extra if name in table.model_fields else None
    return isinstance(extra, dict) and bool(extra.get("path"))


def _value(text: str, kind: Any, name: str) -> Any:
    """The value that a text stands for where a key of this type and name is. What cannot be made out stays a text,
    which the scenario's own checks refuse with what they expected."""
    plain = list(_plain(kind))
    if text == "none" and NoneType in plain:
        return None
    if list in plain and not text.startswith("["):
        element = next(get_args(each)[0] for each in _members(kind) if get_origin(each) is list)
        return [_value(part.strip(), element, name) for part in text.split(",")] if text else []
    if int in plain and (sized := re.fullmatch(r"(\d+)([KMG])", text)):
        return _sized(text, int(sized[1]) * _UNITS[sized[2]], name)
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    if str in plain and type(value) not in plain:
        return text  # profile=6.12, swapfile.path=5
    return value


def _sized(text: str, size: int, name: str) -> int | str:
    """Bytes, or whole pages where the key counts these."""
    if name.endswith("bytes"):
        return size
    return size // PAGE_BYTES if _PAGES.search(name) and size % PAGE_BYTES == 0 else text


def _members(kind: Any) -> Iterable[Any]:
    """The types that a type is one of."""
    if get_origin(kind) is Annotated:
        yield from _members(get_args(kind)[0])
    elif get_origin(kind) in (Union, UnionType):
        for member in get_args(kind):
            yield from _members(member)
    else:
        yield kind


def _plain(kind: Any) -> Iterable[type]:
    """The same as plain classes: list for list[str], str for a choice of texts."""
    for member in _members(kind):
        if get_origin(member) is Literal:
            yield from map(type, get_args(member))
        else:
            yield get_origin(member) or member
