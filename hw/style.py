# SPDX-License-Identifier: MIT
"""The dialect of the RTL: what every Verilog file of the project looks like, checked by `python -m hw.lint`.

It is Verilog-2005 with lowRISC's names, one module a file, in one form:

    // adder: the sum of two bytes.
    //
    // Handshake: none; `valid_i` takes the bytes.
    // Latency:   one cycle from `valid_i` to `sum_o`.

    `default_nettype none

    module adder (
        input  wire       clk_i,
    ...
    endmodule

    `default_nettype wire

A checker of `hw/formal` has claims instead of a handshake, and its inputs are free variables, without suffix. What
depends on the meaning of the text (nothing used before it is declared, no implicit net) is slang's to find.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hw.sources import ROOT, RTL

FOLDERS = (RTL, ROOT / "hw" / "bench", ROOT / "hw" / "formal")
BUSES = ("s_axi_", "s_axil_", "m_axi_", "m_axil_")
"""Ports of these have AXI's names, without suffix."""

RESETS = ("rst_ni", "media_rst_ni")
"""The device's reset, and that of the media and what faces it."""

_SPDX = "// SPDX-License-Identifier: "
_OPEN, _CLOSE = "`default_nettype none", "`default_nettype wire"
_PORT = re.compile(r"(?P<direction>input |output|inout ) (wire|reg ) (\[.*\])? *(?P<name>\w+),?")
_SUFFIX = {"input": "_i", "output": "_o", "inout": "_io"}
_ALWAYS = re.compile(r"always (@\((pos|neg)edge \w+\)|@\*)( |$)")
_KEYWORDS = (
    "assign|module|function|localparam|parameter|wire|reg|initial|always|input|output|inout|else|end|case|if|for"
)
_INSTANCE = re.compile(rf" *(?!(?:{_KEYWORDS})\b)[a-z]\w* (#\(|\w+ \()")
_CONNECTION = re.compile(r" +\.\w+\(.*\),?| *\)( \w+ \(|;)")

_Rules = Iterator[tuple[int, str, str]]  # line, rule, remedy


@dataclass(frozen=True)
class Finding:
    """A place that is not in the dialect; its text is `file:line: rule: remedy`."""

    file: str
    line: int
    rule: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.rule}: {self.remedy}"


def sources(others: Iterable[Path] = ()) -> list[Path]:
    """Every Verilog file of `hw`, and of these folders."""
    return [path for folder in (*FOLDERS, *others) for path in sorted(folder.glob("*.v"))]


def check(path: Path) -> list[Finding]:
    """What in a file is not in the dialect, in order of lines."""
    name = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name
    lines = path.read_text().splitlines()
    code = [re.sub(r"\s*//.*", "", line) for line in lines]
    formal = path.parent.name == "formal"
    rules = [
        *_header(path.stem, lines, formal),
        *_nettype(code),
        *_module(path.stem, code),
        *_ports(code, formal),
        *_instances(code),
        *_blocks(code, path.stem.endswith("_tb")),
        *_directives(code),
    ]
    return sorted((Finding(name, *rule) for rule in rules), key=lambda finding: finding.line)


def _header(stem: str, lines: list[str], formal: bool) -> _Rules:
    start = 1 if lines and lines[0].startswith(_SPDX) else 0
    head = []
    for line in lines[start:]:
        if not line.startswith("//"):
            break
        head.append(line)
    if not head or not head[0].startswith(f"// {stem}: "):
        yield start + 1, "header", f"begin with `// {stem}: ` and what the module is"
    for word in () if formal else ("Handshake", "Latency"):
        if not any(re.match(rf"// {word}: +\S", line) for line in head):
            yield start + 1, "header", f"say `// {word}: ` in the comment at the head, even if there is none"


def _nettype(code: list[str]) -> _Rules:
    filled = [number for number, line in enumerate(code) if line]
    if not filled or code[filled[0]] != _OPEN:
        yield filled[0] + 1 if filled else 1, "nettype", f"put {_OPEN} between the header and the module"
    if not filled or code[filled[-1]] != _CLOSE:
        yield len(code), "nettype", f"end the file with {_CLOSE}: the next file may rely on it"


def _module(stem: str, code: list[str]) -> _Rules:
    found = [(number, match[1]) for number, line in enumerate(code, 1) if (match := re.match(r"module (\w+)", line))]
    if [name for _, name in found] != [stem.removeprefix("free_")]:
        yield found[-1][0] if found else 1, "module", f"have one module in the file, and name it after it: {stem}"


def _ports(code: list[str], formal: bool) -> _Rules:
    start = next((number for number, line in enumerate(code) if line.startswith("module ")), len(code))
    end = next((number for number, line in enumerate(code) if number >= start and line.endswith(");")), start)
    column = 0
    for number, line in enumerate(code[start:end], start + 1):
        text = line.strip()
        if not text or text.startswith(("module ", "parameter ", "`include ", ")")):
            continue
        port = _PORT.fullmatch(text)
        if port is None:
            yield number, "port", "write one a line: direction, kind, range, name, as `input  wire [7:0] data_i,`"
            continue
        name, direction = port["name"], port["direction"].strip()
        column = column or port.start("name")
        if port.start("name") != column:
            yield number, "port", "align the names of all ports"
        if "clk" in name.split("_") and name not in ("clk_i", "clk_o"):
            yield number, "name", f"call the clock clk_i, not {name}"
        elif {"rst", "reset"} & set(name.split("_")) and name not in RESETS:
            yield number, "name", f"call the reset rst_ni (low, synchronous), not {name}"
        elif name not in RESETS and not formal and not name.startswith(BUSES) and not name.endswith(_SUFFIX[direction]):
            yield number, "name", f"end {name} with {_SUFFIX[direction]}"


def _instances(code: list[str]) -> _Rules:
    at = 0
    while at < len(code):
        start, at = at, at + 1
        if not _INSTANCE.match(code[start]):
            continue
        while at < len(code) and not code[at - 1].endswith(");"):
            at += 1
        if at == start + 1 and not code[start].endswith(" ();"):
            yield start + 1, "instance", "connect by name, one connection a line: `.data_i(data),`"
        for number, line in enumerate(code[start + 1 : at], start + 2):
            if line and (not _CONNECTION.fullmatch(line) or re.search(r"\),\s*\.", line)):
                yield number, "instance", "connect by name, one connection a line, without a blank: `.data_i(data),`"
        for number, line in enumerate(code[start:at], start + 1):
            name = re.match(r" *(\w+|\)) (\w+) \(", line)
            if name and not re.match(r"u_|dut$", name[2]):
                yield number, "instance", f"call it u_{name[2]}"


def _blocks(code: list[str], testbench: bool) -> _Rules:
    for number, line in enumerate(code, 1):
        for found in re.finditer(r"\balways\b.*", line):
            clock = testbench and found[0] == "always begin"
            if not clock and not _ALWAYS.match(found[0]):
                yield number, "always", "write `always @(posedge clk_i)` (the reset is synchronous) or `always @*`"
        for label in re.findall(r"\bbegin *: *(\w+)", line):
            if not label.startswith("gen_"):
                yield number, "generate", f"name the block gen_{label}"


def _directives(code: list[str]) -> _Rules:
    for number, line in enumerate(code, 1):
        text = line.strip()
        if not text.startswith("`") or text in (_OPEN, _CLOSE, "`else", "`endif"):
            continue
        if not re.fullmatch(r'`include "\w+\.vh"|`ifn?def FORMAL', text):
            yield number, "directive", "a localparam serves; only `include of a header and `ifdef FORMAL are left"
