"""The register map as Python values, read from cram.rdl with systemrdl-compiler."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from systemrdl.compiler import RDLCompiler
from systemrdl.node import AddrmapNode, FieldNode, MemNode, RegNode
from systemrdl.rdltypes.builtin_enums import AccessType, OnWriteType

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
    """Bits of a register. `reset` is None where the hardware decides; `access` is ro, rw, wo, w1c or w1s."""

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
    """A 32-bit register at a byte offset. `parameter`: its value follows from the device's parameters."""

    name: str
    offset: int
    description: str
    fields: tuple[Field, ...]
    parameter: bool

    @property
    def reset(self) -> int | None:
        """Value after reset; None when the hardware decides."""
        if any(field.reset is None for field in self.fields):
            return None
        return sum((field.reset or 0) << field.lsb for field in self.fields)

    @property
    def constant(self) -> int | None:
        """The value that never changes and has to be named; None if there is none."""
        return None if self.parameter else self.reset or None

    @property
    def access(self) -> str:
        """Access of all fields; they agree in this map."""
        return "/".join(sorted({field.access for field in self.fields}))

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
class Encoding:
    """An enumeration: what the values of a field mean."""

    name: str
    width: int
    members: tuple[tuple[str, int, str], ...]

    @property
    def prefix(self) -> str:
        """EventCode -> EVENT_CODE."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", self.name).upper()


@dataclass(frozen=True)
class RegisterMap:
    """Everything in cram.rdl. `parameters` are those of cram_device with their defaults."""

    registers: tuple[Register, ...]
    memories: tuple[Memory, ...]
    encodings: tuple[Encoding, ...]
    parameters: dict[str, int]


def read(source: Path = SOURCE) -> RegisterMap:
    """Compile the map. Raises systemrdl's RDLCompileError, which has printed what is wrong and where."""
    compiler = RDLCompiler()
    compiler.compile_file(str(source))
    root = compiler.elaborate()
    top = root.top
    assert isinstance(top, AddrmapNode)
    registers, memories, encodings = [], [], {}
    for node in top.children():
        description = node.get_property("desc") or ""
        if isinstance(node, RegNode):
            fields = tuple(map(_field, node.fields()))
            registers.append(
                Register(
                    node.inst_name, node.absolute_address, description, fields, bool(node.get_property("parameter"))
                )
            )
            for field in node.fields():
                if (encode := field.get_property("encode")) is not None:
                    members = tuple((member.name, member.value, member.rdl_desc or "") for member in encode)
                    encodings[encode.type_name] = Encoding(encode.type_name, field.width, members)
        elif isinstance(node, MemNode):
            memories.append(Memory(node.inst_name, node.absolute_address, node.size, description))
    parameters = {parameter.name.upper(): int(parameter.get_value()) for parameter in top.inst.parameters}
    return RegisterMap(tuple(registers), tuple(memories), tuple(encodings.values()), parameters)


def _field(node: FieldNode) -> Field:
    reset = node.get_property("reset")
    assert reset is None or isinstance(reset, int)
    access = ACCESS[node.get_property("sw"), node.get_property("onwrite")]
    encode = node.get_property("encode")
    return Field(
        name=node.inst_name.upper(),
        lsb=node.lsb,
        width=node.width,
        access=access,
        reset=reset,
        description=node.get_property("desc") or "",
        encoding=encode.type_name if encode is not None else None,
    )
