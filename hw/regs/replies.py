# SPDX-License-Identifier: MIT
"""Replies of the mailbox that never change, as Python values, read from replies.toml; and the Command Effects Log."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from hw.regs.codes import Codes, MapError
from hw.regs.model import RegisterMap

SOURCE = Path(__file__).with_name("replies.toml")
LOG = "GET_LOG"
"""The command whose reply is the Command Effects Log, or a part of it."""
_LOG_BYTES = "log_bytes"
_DECIDED = ("capacity", "poison_records", _LOG_BYTES)


@dataclass(frozen=True)
class Field:
    """Some bytes of a reply, little endian. `of`: the quantity that decides them; None: they are `value`."""

    name: str
    bytes: int
    value: int
    of: str | None
    uuid: UUID | None
    shown: str
    meaning: str

    @property
    def verilog(self) -> str:
        """The field as an expression of its width."""
        return self.of.upper() if self.of else f"{8 * self.bytes}'h{self.value:X}"


@dataclass(frozen=True)
class Reply:
    """The reply to a command: its fields in order; `start` is its first byte among all replies, one after the other."""

    opcode: str
    start: int
    fields: tuple[Field, ...]

    @property
    def bytes(self) -> int:
        """Its length."""
        return sum(field.bytes for field in self.fields)

    @property
    def places(self) -> list[tuple[int, Field]]:
        """The fields with their offsets."""
        return [(sum(field.bytes for field in self.fields[:n]), field) for n, field in enumerate(self.fields)]


@dataclass(frozen=True)
class Replies:
    """Every reply that never changes, the Command Effects Log last."""

    replies: tuple[Reply, ...]

    @property
    def log(self) -> Reply:
        """The Command Effects Log."""
        return self.replies[-1]

    @property
    def uuids(self) -> list[Field]:
        """The fields that are UUIDs."""
        return [field for reply in self.replies for field in reply.fields if field.uuid]

    @property
    def verilog_fields(self) -> list[tuple[str, str]]:
        """All bytes as a concatenation of Verilog, the last first: (expression, what it is)."""
        return [(field.verilog, f"{reply.opcode}: {field.name}") for reply in self.replies for field in reply.fields][
            ::-1
        ]


def read(registers: RegisterMap, codes: Codes, source: Path = SOURCE) -> Replies:
    """Read the replies, and make the Command Effects Log of the commands in cram.rdl. Raises MapError."""
    opcodes = next(encoding for encoding in registers.encodings if encoding.name == "Opcode").members
    bits = {code.name: 1 << code.number for group in codes.groups if group.prefix == "EFFECT" for code in group.codes}
    entries = []
    for command in opcodes:
        if unknown := set(command.effects) - bits.keys():
            raise MapError(f"cram.rdl: {command.name} has the effect {min(unknown)}, which is not in codes.toml")
        effects = sum(bits[name] for name in command.effects)
        entries.append(Field(command.name, 4, command.value | effects << 16, None, None, "", ""))
    tables = tomllib.loads(source.read_text())
    if unknown := tables.keys() - ({command.name for command in opcodes} - {LOG}):
        raise MapError(f"{source.name}: there is no command {min(unknown)}, or its reply is made elsewhere")
    replies: list[Reply] = []
    for opcode, fields in tables.items():
        made = tuple(_field(f"{opcode}.{name}", keys, 4 * len(entries)) for name, keys in fields.items())
        replies.append(Reply(opcode, sum(reply.bytes for reply in replies), made))
    return Replies((*replies, Reply(LOG, sum(reply.bytes for reply in replies), tuple(entries))))


def _field(place: str, keys: dict[str, Any], log_bytes: int) -> Field:
    kind: str
    given: Any
    try:
        size = keys.pop("bytes")
        meaning = keys.pop("meaning", "")
        kind, given = keys.popitem() if keys else ("value", 0)
        of = uuid = None
        shown = str(given)
        if kind == "text":
            value = int.from_bytes(given.encode("ascii"), "little")
        elif kind == "uuid":
            uuid = UUID(given)
            value = int.from_bytes(uuid.bytes, "little")
        elif kind == "of" and given == _LOG_BYTES:
            value, shown = log_bytes, str(log_bytes)
        elif kind == "of" and given in _DECIDED:
            value, of = 0, given
        elif kind == "value":
            value = int(given)
        else:
            raise MapError(f"replies.toml: {place}: {kind} = {given!r}")
    except (KeyError, TypeError, ValueError) as error:
        raise MapError(f"replies.toml: {place}: {error}") from None
    if keys:
        raise MapError(f"replies.toml: {place} has both {kind} and {min(keys)}")
    if value >> 8 * size:
        raise MapError(f"replies.toml: {place}: {shown} does not fit {size} bytes")
    return Field(place.partition(".")[2], size, value, of, uuid, shown, meaning)
