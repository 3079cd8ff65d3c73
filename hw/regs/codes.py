# SPDX-License-Identifier: MIT
"""The codes that no register shows, as Python values, read from codes.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("codes.toml")
STATES = "states"
PROPERTIES = ("resident", "on_media", "keeps_word")
"""What is said of every page state."""


class MapError(Exception):
    """The sources of the register map contradict themselves or each other; one line."""


@dataclass(frozen=True)
class Code:
    """One number with a name. `properties`: those of a page state that hold."""

    name: str
    number: int
    meaning: str
    properties: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Group:
    """Codes of one kind, `bits` wide: `enum` in Python, constants that begin with `prefix` in Verilog."""

    enum: str
    prefix: str
    bits: int
    meaning: str
    codes: tuple[Code, ...]

    def mask(self, part: str | None = None) -> str:
        """A Verilog constant whose bit n tells whether code n exists, or has the property `part`."""
        numbers = {code.number for code in self.codes if part is None or part in code.properties}
        return f"{1 << self.bits}'b" + "".join(str(int(bit in numbers)) for bit in reversed(range(1 << self.bits)))

    def python_mask(self, part: str) -> str:
        """The same as Python's constant."""
        return "0b" + self.mask(part).partition("b")[2].lstrip("0")


@dataclass(frozen=True)
class EntryField:
    """Bits of a page table entry. `of`: the pages that have it: all, those of a property, or those of a state."""

    name: str
    lsb: int
    bits: int
    of: str
    meaning: str

    @property
    def range(self) -> str:
        """As bits of a register are written: 80, 79:77."""
        return f"{self.lsb + self.bits - 1}:{self.lsb}" if self.bits > 1 else str(self.lsb)


@dataclass(frozen=True)
class Codes:
    """Everything in codes.toml; `states` is one of the groups, and `entry_bits` the width of a page table entry."""

    groups: tuple[Group, ...]
    states: Group
    entry_bits: int
    entry: tuple[EntryField, ...]


def read(source: Path = SOURCE) -> Codes:
    """Read the codes. Raises MapError."""
    tables = tomllib.loads(source.read_text())
    try:
        entry = tables.pop("entry")
        fields = tuple(EntryField(name, **keys) for name, keys in entry["fields"].items())
        groups = {name: _group(keys, PROPERTIES if name == STATES else ()) for name, keys in tables.items()}
        codes = Codes(tuple(groups.values()), groups[STATES], entry["bits"], fields)
    except (KeyError, TypeError) as error:
        raise MapError(f"{source.name}: {error}") from None
    _check(codes)
    return codes


def _group(table: dict[str, Any], properties: tuple[str, ...]) -> Group:
    head = {key: table.pop(key) for key in ("enum", "prefix", "bits", "meaning")}
    codes = []
    for name, keys in table.items():
        held = frozenset(key for key in properties if keys.pop(key))
        codes.append(Code(name, properties=held, **keys))
    return Group(codes=tuple(codes), **head)


def _check(codes: Codes) -> None:
    for group in codes.groups:
        numbers = [code.number for code in group.codes]
        if len(set(numbers)) < len(numbers) or not all(0 <= number < 1 << group.bits for number in numbers):
            raise MapError(f"{group.enum}: numbers have to differ and to fit {group.bits} bits: {numbers}")
    for state in codes.states.codes:
        if state.properties - {"resident"} and "resident" not in state.properties:
            raise MapError(f"page state {state.name} keeps something but is not resident")
    kinds = {"all", *PROPERTIES, *(state.name for state in codes.states.codes)}
    for field in codes.entry:
        if field.of not in kinds:
            raise MapError(f"entry field {field.name} is of {field.of}, expected one of {', '.join(sorted(kinds))}")
        if field.lsb + field.bits > codes.entry_bits:
            raise MapError(f"entry field {field.name} reaches beyond the entry's {codes.entry_bits} bits")
    for state in codes.states.codes:
        taken: dict[int, str] = {}
        for field in codes.entry:
            if field.of in {"all", state.name, *state.properties}:
                for bit in range(field.lsb, field.lsb + field.bits):
                    if bit in taken:
                        raise MapError(f"of a {state.name} page, bit {bit} is both {taken[bit]} and {field.name}")
                    taken[bit] = field.name
    if {field.name: field.bits for field in codes.entry}.get("STATE") != codes.states.bits:
        raise MapError(f"the entry's field STATE has to have the {codes.states.bits} bits of a page state")
