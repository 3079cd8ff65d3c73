# SPDX-License-Identifier: MIT
"""The register map as Python values, read from cram.rdl with systemrdl-compiler."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from systemrdl.compiler import RDLCompiler
from systemrdl.node import AddrmapNode, FieldNode, RegNode
from systemrdl.rdltypes.builtin_enums import AccessType, OnWriteType

from hw.regs.codes import Codes, MapError

SOURCE = Path(__file__).with_name("cram.rdl")
ACCESS = {
    (AccessType.r, None): "ro",
    (AccessType.rw, None): "rw",
    (AccessType.w, None): "wo",
    (AccessType.rw, OnWriteType.woclr): "w1c",
    (AccessType.rw, OnWriteType.woset): "w1s",
}


@dataclass(frozen=True)
class Field:
    """Bits of a register.

    Attributes:
        name: RDL's property `name`, in capitals; by default the name of the instance.
        access: ro, rw, wo, w1c or w1s.
        reset: value after reset; None where the hardware decides.
    """

    name: str
    lsb: int
    width: int
    access: str
    reset: int | None
    description: str
    encoding: str | None

    @property
    def mask(self) -> int:
        """The field's bits in the register."""
        return ((1 << self.width) - 1) << self.lsb


@dataclass(frozen=True)
class Register:
    """A 32-bit register at a byte offset.

    Attributes:
        parameter: its value follows from the device's parameters.
        counts: of a counter, what it counts: PULSES, CLOSES, LOW or HIGH (cram.rdl); else None.
        load: it counts what the device does under load.
    """

    name: str
    offset: int
    description: str
    fields: tuple[Field, ...]
    parameter: bool = False
    counts: str | None = None
    load: bool = False

    @property
    def reset(self) -> int | None:
        """Value after reset; None when the hardware decides."""
        if any(field.reset is None for field in self.fields):
            return None
        return sum((field.reset or 0) << field.lsb for field in self.fields)

    @property
    def constant(self) -> int | None:
        """The value that never changes and has to be named; None if there is none."""
        return None if self.parameter or self.writable else self.reset or None

    @property
    def initial(self) -> int | None:
        """What a register that the host writes is at first, where that is not 0; else None."""
        return self.reset or None if self.writable else None

    @property
    def access(self) -> str:
        """Access of all fields; they agree in this map."""
        return "/".join(sorted({field.access for field in self.fields}))

    @property
    def writable(self) -> bool:
        """Whether a write does something."""
        return any(field.access != "ro" for field in self.fields)

    @property
    def counter(self) -> str:
        """Name of the count that a counter shows, or shows half of."""
        return self.name.removesuffix("_LOW").removesuffix("_HIGH").lower()

    def mask(self, *access: str) -> int:
        """The bits of the fields with one of these kinds of access."""
        return sum(field.mask for field in self.fields if field.access in access)


@dataclass(frozen=True)
class Memory:
    """A range of 32-bit words."""

    name: str
    offset: int
    size: int
    description: str


@dataclass(frozen=True)
class Member:
    """A value of an enumeration, its title if it has one, and for a command the payloads and the names of its effects.

    Payloads are (variant, input, output).
    """

    name: str
    value: int
    title: str
    description: str
    payloads: tuple[tuple[str, str, str], ...]
    effects: tuple[str, ...] = ()


@dataclass(frozen=True)
class Encoding:
    """An enumeration: what the values of a field mean. `sets`: named sets of its members."""

    name: str
    width: int
    members: tuple[Member, ...]
    sets: tuple[tuple[str, tuple[Member, ...]], ...]

    @property
    def prefix(self) -> str:
        """EventCode -> EVENT_CODE."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", self.name).upper()

    def mask(self, members: tuple[Member, ...]) -> int:
        """Bit n tells whether the value n is among `members`."""
        return sum(1 << member.value for member in members)

    def python_mask(self, name: str) -> str:
        """One of `sets` as Python's constant."""
        return f"{self.mask(dict(self.sets)[name]):#b}"


@dataclass(frozen=True)
class RegisterMap:
    """Everything in cram.rdl. `parameters` are those of cram_device with their defaults."""

    registers: tuple[Register, ...]
    memories: tuple[Memory, ...]
    encodings: tuple[Encoding, ...]
    parameters: dict[str, int]

    @property
    def by_name(self) -> dict[str, Register]:
        """The registers by their names."""
        return {register.name: register for register in self.registers}

    @property
    def counters(self) -> tuple[Register, ...]:
        """The registers that count, in the order of their offsets, one behind the other."""
        return tuple(register for register in self.registers if register.counts)

    @property
    def pulses(self) -> tuple[Register, ...]:
        """The counters that count the pulses of a signal; the RTL numbers them in this order."""
        return tuple(register for register in self.counters if register.counts == "PULSES")

    @property
    def loads(self) -> tuple[Register, ...]:
        """The registers that count what load does, one behind the other; the RTL numbers them in this order."""
        return tuple(register for register in self.registers if register.load)


def read(source: Path = SOURCE) -> RegisterMap:
    """Compile the map. Raises systemrdl's RDLCompileError, which has printed what is wrong and where, and MapError."""
    compiler = RDLCompiler()
    compiler.compile_file(str(source))
    top = compiler.elaborate().top
    assert isinstance(top, AddrmapNode)
    registers, memories, encodings = [], [], {}
    for node in top.children():
        assert isinstance(node, RegNode)
        description = node.get_property("desc") or ""
        if node.is_array:
            memories.append(Memory(node.inst_name, node.raw_absolute_address, node.total_size, description))
            continue
        counts = node.get_property("counts")
        registers.append(
            Register(
                node.inst_name,
                node.absolute_address,
                description,
                tuple(map(_field, node.fields())),
                bool(node.get_property("parameter")),
                counts.name if counts is not None else None,
                bool(node.get_property("load")),
            )
        )
        for field in node.fields():
            if (encode := field.get_property("encode")) is not None:
                found = _encoding(field, encode)
                if found.sets or found.name not in encodings:
                    encodings[found.name] = found
    parameters = {parameter.name.upper(): int(parameter.get_value()) for parameter in top.inst.parameters}
    return RegisterMap(tuple(registers), tuple(memories), tuple(encodings.values()), parameters)


def check(registers: RegisterMap, codes: Codes) -> None:
    """Registers and codes fit each other. Raises MapError."""
    for group in (registers.counters, registers.loads):
        offsets = [register.offset for register in group]
        if offsets != list(range(offsets[0], offsets[0] + 4 * len(offsets), 4)):
            raise MapError("the counters have to lie one behind the other: they are read in one transfer")
    counters = {register.name for register in registers.pulses if register.name.startswith("CLOSED_")}
    states = {f"CLOSED_{state.name}" for state in codes.states.codes if "resident" in state.properties}
    if missing := states - counters:
        raise MapError(f"cram.rdl has no counter {min(missing)}, which counts pages closed into that state")
    if left := counters - states:
        raise MapError(f"codes.toml has no resident state for the counter {min(left)}")


def _field(node: FieldNode) -> Field:
    reset = node.get_property("reset")
    assert reset is None or isinstance(reset, int)
    access = ACCESS[node.get_property("sw"), node.get_property("onwrite")]
    encode = node.get_property("encode")
    return Field(
        name=str(node.get_property("name")).upper(),
        lsb=node.lsb,
        width=node.width,
        access=access,
        reset=reset,
        description=node.get_property("desc") or "",
        encoding=encode.type_name if encode is not None else None,
    )


def _encoding(field: FieldNode, encode: Any) -> Encoding:
    members = {member.name: _member(member) for member in encode}
    sets = []
    for name in field.list_properties():
        value = field.get_property(name)
        if isinstance(value, list) and value and all(isinstance(item, encode) for item in value):
            sets.append((name, tuple(members[item.name] for item in value)))
    return Encoding(encode.type_name, field.width, tuple(members.values()), tuple(sets))


def _member(member: Any) -> Member:
    """`Input:` and `Output:` lines of the description are the payloads; `Input (of what): ` tells variants apart.

    A line `Effects:` names the effects.
    """
    lines = [line.strip() for line in (member.rdl_desc or "").splitlines()]
    payloads: list[tuple[str, str, str]] = []
    effects: tuple[str, ...] = ()
    told = []
    for line in lines:
        if found := re.fullmatch(r"Input(?: \((.*?)\))?: (.*)", line):
            payloads.append((found[1] or "", found[2], ""))
        elif line.startswith("Output: ") and payloads:
            payloads[-1] = (*payloads[-1][:2], line.removeprefix("Output: "))
        elif line.startswith("Effects: "):
            effects = tuple(line.removeprefix("Effects: ").split(", "))
        else:
            told.append(line)
    return Member(member.name, member.value, member.rdl_name or "", " ".join(told), tuple(payloads), effects)
