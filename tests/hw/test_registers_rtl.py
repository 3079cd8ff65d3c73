# SPDX-License-Identifier: MIT
"""The RTL's text agrees with hw/regs/cram.rdl: address decode, parameters, ports. Read with Pyverilog."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyverilog.vparser import ast
from pyverilog.vparser.parser import VerilogParser
from pyverilog.vparser.preprocessor import VerilogPreprocessor

from hw.regs import model
from hw.sources import RTL, closure

MAP = model.read()
UNSEEN = {"GATE_CLOCKS": 1, "NS_PER_CYCLE": 1}
"""Parameters that software cannot tell, with their default."""
ENGINES = {"FILL_ENGINES": 4, "PROMOTED_PAGES": 0}
"""The same of the device alone."""
INSIDE = {"COUNTERS": len(MAP.pulses), "LOADS": len(MAP.loads)}
"""The same of the register block alone."""


class Reader:
    """Syntax trees of modules of hw/rtl, headers included. Building the parser takes seconds: one is enough."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.parser = VerilogParser(outputdir=str(folder), debug=False)

    def __call__(self, name: str) -> Any:
        text = self.folder / f"{name}.v"
        VerilogPreprocessor([str(RTL / f"{name}.v")], str(text), [str(RTL)]).preprocess()
        return next(node for node in nodes(self.parser.parse(text.read_text()), ast.ModuleDef) if node.name == name)


@pytest.fixture(scope="session")
def module(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Name of a module -> its syntax tree."""
    return Reader(tmp_path_factory.mktemp("pyverilog"))


def nodes(tree: Any, kind: type) -> Iterator[Any]:
    """All nodes of one kind below `tree`."""
    if isinstance(tree, kind):
        yield tree
    for child in tree.children():
        yield from nodes(child, kind)


def number(text: str) -> int:
    """A Verilog constant: 16'h0030, 8, 4194304."""
    _, quote, digits = text.replace("_", "").partition("'")
    if not quote:
        return int(text)
    return int(digits[1:], {"h": 16, "d": 10, "b": 2}[digits[0].lower()])


def constants(tree: Any) -> dict[str, int]:
    """The localparams whose value is a literal."""
    return {
        node.name: number(node.value.var.value)
        for node in nodes(tree, ast.Localparam)
        if isinstance(node.value.var, ast.IntConst)
    }


def decode(tree: Any, subject: str) -> list[set[int]]:
    """For every case statement on `subject`: the addresses it names."""
    values = constants(tree)
    return [
        {values[label.name] for case in statement.caselist for label in case.cond or ()}
        for statement in nodes(tree, ast.CaseStatement)
        if str(statement.comp) == subject
    ]


def offsets(*access: str) -> set[int]:
    """Offsets of the registers that have fields with one of these kinds of access."""
    return {register.offset for register in MAP.registers if register.mask(*access)}


def test_exactly_the_registers_of_the_map_are_mapped(module: Reader) -> None:
    assert decode(module("cram_registers"), "address") == [{register.offset for register in MAP.registers}]


def test_exactly_the_readable_registers_are_read(module: Reader) -> None:
    """A register may be missing only where it always reads 0, as an unlisted one does."""
    (read,) = decode(module("cram_registers"), "read_address")
    always_zero = {register.offset for register in MAP.registers if register.access == "wo"}
    assert read == {register.offset for register in MAP.registers} - always_zero


def test_exactly_the_writable_registers_are_written(module: Reader) -> None:
    assert decode(module("cram_registers"), "write_address") == [offsets("rw", "wo", "w1c", "w1s")]


def test_each_offset_is_decoded_under_its_own_name(module: Reader) -> None:
    values = constants(module("cram_registers"))
    for register in MAP.registers:
        assert values[f"ADDRESS_{register.name}"] == register.offset
    for memory in MAP.memories:
        assert values[f"ADDRESS_{memory.name}"] == memory.offset
        assert values[f"SIZE_{memory.name}"] == memory.size


def test_the_decode_check_sees_a_missing_register(module: Reader) -> None:
    """The checks above can fail: without one case item, its address is not in the decode."""
    tree = module("cram_registers")
    (before,) = decode(tree, "write_address")
    statement = next(node for node in nodes(tree, ast.CaseStatement) if str(node.comp) == "write_address")
    statement.caselist = statement.caselist[1:]
    (after,) = decode(tree, "write_address")
    assert len(after) == len(before) - 1


def counted(tree: Any, kind: type = ast.Assign, name: str = "count") -> list[str]:
    """The bits of `count` that are assigned, by their names; a bit that is not counts nothing, or anything."""
    left = (node.left.var for node in nodes(tree, kind))
    return sorted(str(bit.ptr) for bit in left if isinstance(bit, ast.Pointer) and str(bit.var) == name)


def test_every_counter_of_the_map_has_its_signal(module: Reader) -> None:
    """One line of cram_device each; linters do not see a bit without one."""
    assert counted(module("cram_device")) == sorted(f"COUNT_{register.name}" for register in MAP.pulses)


def test_every_counter_of_load_has_its_signal(module: Reader) -> None:
    """One line of device_load each, but for the bins of the histogram, which are the last and come together."""
    names = [register.name for register in MAP.loads]
    bins = names.index("READS_WITHIN_8")
    found = counted(module("device_load"), ast.BlockingSubstitution, "load_o")
    assert found == sorted(f"LOAD_{name}" for name in names[:bins])
    binned = {node.name: number(node.value.var.value) for node in nodes(module("device_load"), ast.Localparam)}
    assert binned["BINS"] == len(names) - bins


def test_parameters_of_the_device_are_those_of_the_map(module: Reader) -> None:
    parameters = {node.name: number(node.value.var.value) for node in nodes(module("cram_device"), ast.Parameter)
                  if not isinstance(node, ast.Localparam)}  # fmt: skip
    assert parameters == MAP.parameters | UNSEEN | ENGINES


def test_parameters_of_the_register_block_follow_from_them(module: Reader) -> None:
    parameters = {node.name: number(node.value.var.value) for node in nodes(module("cram_registers"), ast.Parameter)
                  if not isinstance(node, ast.Localparam)}  # fmt: skip
    expected = dict(MAP.parameters)
    expected["MEDIA_SECTORS"] = expected.pop("MEDIA_BYTES") // expected["SECTOR_BYTES"]
    assert parameters == expected | UNSEEN | INSIDE


def ports(tree: Any) -> dict[str, tuple[str, int]]:
    """Direction and width of every port whose width is a literal or absent."""
    found: dict[str, tuple[str, int]] = {}
    for node in nodes(tree, ast.Ioport):
        first = node.first
        if first.width is not None and not isinstance(first.width.msb, ast.IntConst):
            continue
        width = 1 if first.width is None else number(str(first.width.msb)) - number(str(first.width.lsb)) + 1
        found[first.name] = (type(first).__name__.lower(), width)
    return found


AXIL = {
    "awvalid": ("input", 1), "awready": ("output", 1), "awaddr": ("input", 16), "awprot": ("input", 3),
    "wvalid": ("input", 1), "wready": ("output", 1), "wdata": ("input", 32), "wstrb": ("input", 4),
    "bvalid": ("output", 1), "bready": ("input", 1), "bresp": ("output", 2),
    "arvalid": ("input", 1), "arready": ("output", 1), "araddr": ("input", 16), "arprot": ("input", 3),
    "rvalid": ("output", 1), "rready": ("input", 1), "rdata": ("output", 32), "rresp": ("output", 2),
}  # fmt: skip


@pytest.mark.parametrize("name", ["cram_registers", "cram_device"])
def test_the_register_port_is_axi4_lite_of_32_bit_and_16_bit_addresses(module: Reader, name: str) -> None:
    found = ports(module(name))
    bus = {port.removeprefix("s_axil_"): kind for port, kind in found.items() if port.startswith("s_axil_")}
    assert bus == AXIL
    assert found["interrupt_o"] == ("output", 16)


def test_pyverilog_reads_every_module_of_the_device(module: Reader) -> None:
    for path in closure("cram_device"):
        assert module(path.stem).name == path.stem
