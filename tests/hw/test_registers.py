# SPDX-License-Identifier: MIT
"""The register block does what hw/regs/cram.rdl and docs/device.md say, under both simulators."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from systemrdl.compiler import RDLCompiler
from systemrdl.node import RegNode

from hw.build import Build, build
from hw.codes import PageState
from hw.lint import lint
from hw.regs import codes, export, generate, model, replies, tables
from hw.simulate import simulate
from hw.tools import SIMULATORS, Simulator, verilator
from tests.pages import FORMS

PARAMETERS = {"PERCEIVED_PAGES": 64, "SECTOR_BYTES": 128, "CACHE_PAGES": 4, "BYTES_PER_CYCLE": 16}
MEDIA_BYTES = 64 << 10
SECTORS = MEDIA_BYTES // PARAMETERS["SECTOR_BYTES"]
VALUES = PARAMETERS | {"MEDIA_BYTES": MEDIA_BYTES, "MEDIA_SECTORS": SECTORS}
SETTINGS = {name: str(value) for name, value in VALUES.items()}


def register_block(simulator: Simulator) -> Build:
    """It with these parameters, all of its signals visible; the mailbox's tests use it, too."""
    return build("cram_registers", simulator, PARAMETERS | {"MEDIA_SECTORS": SECTORS}, public=True)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_registers(simulator: Simulator) -> None:
    """The rules are in bench_registers.py, those of counters that overflow in bench_registers_overflow.py."""
    for bench in ("bench_registers", "bench_registers_overflow"):
        simulate(register_block(simulator), f"tests.hw.{bench}", environment=SETTINGS, timeout_s=600)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_lint_is_clean(simulator: Simulator) -> None:
    assert lint(simulator, "cram_registers") == []


def test_generated_files_are_up_to_date() -> None:
    """A stale header, module or table of a document fails here; `make regs` brings them up to date."""
    registers, numbers = model.read(), codes.read()
    assert generate.stale(generate.generate(registers, numbers, replies.read(registers, numbers))) == []


def test_a_changed_source_makes_every_generated_file_stale() -> None:
    """The check above can fail: one counter more and other numbers for the states show in every file."""
    registers, numbers = model.read(), codes.read()
    counter = replace(registers.pulses[-1], name="PAGES_X", offset=registers.counters[-1].offset + 4)
    more = replace(registers, registers=(*registers.registers, counter))
    states = replace(numbers.states, codes=tuple(replace(c, number=c.number ^ 1) for c in numbers.states.codes))
    groups = tuple(states if group is numbers.states else group for group in numbers.groups)
    constants = replies.read(registers, numbers)
    fewer = replace(constants, replies=constants.replies[1:])
    found = generate.stale(generate.generate(more, replace(numbers, states=states, groups=groups), fewer))
    assert found[: len(generate.TARGETS)] == list(generate.TARGETS.values())
    assert found[len(generate.TARGETS) :], "the tables in docs/"


def test_the_specification_lists_every_register_state_and_code() -> None:
    """The pages of docs/ that hold the generated tables, all together, have a row for each."""
    registers, numbers = model.read(), codes.read()
    made = tables.tables(registers, numbers, replies.read(registers, numbers))
    text = "\n".join(path.read_text() for path in tables.fill(generate.DOCS.rglob("*.md"), made))
    cells = {cell.strip().strip("`") for line in text.splitlines() if line.startswith("|") for cell in line.split("|")}
    for name in [*(r.name for r in registers.registers), *(m.name for m in registers.memories)]:
        assert name in cells, name
    for state in numbers.states.codes:
        assert state.name.lower() in cells, state.name
    for encoding in registers.encodings:
        for member in encoding.members:
            if member.name != "NONE":
                assert any((member.title or member.name) in cell for cell in cells), member.name


@pytest.mark.parametrize(
    ("documents", "complaint"),
    [
        ({"a.md": "<!-- made by `make regs`: states -->\n| x |\n"}, "there is no table states"),
        ({"a.md": "no table\n"}, "stands in 0 documents"),
        (dict.fromkeys(("a.md", "b.md"), "<!-- made by `make regs`: one -->\n| x |\n"), "stands in 2 documents"),
    ],
)
def test_a_table_stands_in_exactly_one_document(tmp_path: Path, documents: dict[str, str], complaint: str) -> None:
    for name, text in documents.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(codes.MapError, match=complaint):
        tables.fill(sorted(tmp_path.iterdir()), {"one": "| 1 |"})


def test_a_table_ends_at_an_empty_line_wherever_it_stands(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("before\n<!-- made by `make regs`: one -->\n| old |\n| old |\n\nbehind\n")
    (text,) = tables.fill(tmp_path.iterdir(), {"one": "| new |"}).values()
    assert text == "before\n<!-- made by `make regs`: one -->\n| new |\n\nbehind\n"


def test_a_state_without_its_counter_is_named_and_a_counter_without_its_state() -> None:
    registers, numbers = model.read(), codes.read()
    lacking = replace(registers, registers=tuple(r for r in registers.registers if r.name != "CLOSED_RAW"))
    with pytest.raises(codes.MapError, match="one behind the other"):
        model.check(lacking, numbers)
    renamed = tuple(replace(r, name="CLOSED_X") if r.name == "CLOSED_RAW" else r for r in registers.registers)
    with pytest.raises(codes.MapError, match="no counter CLOSED_RAW"):
        model.check(replace(registers, registers=renamed), numbers)
    fewer = replace(numbers.states, codes=tuple(c for c in numbers.states.codes if c.name != "RAW"))
    with pytest.raises(codes.MapError, match="no resident state for the counter CLOSED_RAW"):
        model.check(registers, replace(numbers, states=fewer))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("number = 2", "number = 1", "PageState: numbers have to differ"),
        ("number = 5", "number = 8", "PageState: numbers .* fit 3 bits"),
        ("on_media = true\n", "", "on_media"),
        ("CAUSE = { lsb = 0", "CAUSE = { lsb = 70", "of a POISON page, bit 77 is both STATE and CAUSE"),
        ("bits = 81", "bits = 80", "FENCED reaches beyond"),
        ("resident = true\non_media = true", "resident = false\non_media = true", "LZ4 keeps something"),
        ('of = "POISON"', 'of = "POISONED"', "CAUSE is of POISONED"),
    ],
)
def test_codes_that_contradict_themselves_are_told(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    """Each property of a state has to be said: none is silently false."""
    text = codes.SOURCE.read_text()
    assert old in text
    (tmp_path / "codes.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(codes.MapError, match=complaint):
        codes.read(tmp_path / "codes.toml")


def test_every_resident_state_has_pages_to_test_with() -> None:
    """The benches and the driver's tests go through FORMS: what is not there is not tested."""
    assert set(FORMS) == {state for state in PageState if state.resident}, "tests/pages.py, FORMS"


def test_registers_do_not_overlap_and_are_aligned() -> None:
    registers = model.read()
    taken: set[int] = set()
    for register in registers.registers:
        assert register.offset % 4 == 0
        assert register.offset not in taken, register.name
        taken.add(register.offset)
    for memory in registers.memories:
        assert not taken & set(range(memory.offset, memory.offset + memory.size, 4)), memory.name


def exporter(folder: Path, says: str) -> Path:
    """A stand-in for peakrdl that writes what it is asked for and says something."""
    program = folder / "peakrdl"
    program.write_text(f'#!/bin/sh\nfor last; do :; done\necho made > "$last"\necho "{says}"\n')
    program.chmod(0o755)
    return program


def test_the_exporters_are_given_the_map_unchanged_and_may_warn_of_nothing(tmp_path: Path) -> None:
    written = export.export(tmp_path / "out", exporter(tmp_path, "all is well"))
    assert [path.name for path in written] == list(export.EXPORTS)
    with pytest.raises(codes.MapError, match=r"peakrdl html: cram\.rdl:270: warning: not supported"):
        export.export(tmp_path / "out", exporter(tmp_path, "cram.rdl:270: warning: not supported"))
    with pytest.raises(codes.MapError, match="peakrdl is missing: pip install"):
        export.export(tmp_path / "out", tmp_path / "nowhere" / "peakrdl")


def words(names: Iterable[str]) -> list[str]:
    """Those of `names` that cannot be the name of a signal, as SystemVerilog reserves them."""
    tool = verilator()
    argv = [str(tool.program), "--lint-only", "-Wno-fatal", "-Wno-lint"]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            (Path(folder) / "t.sv").write_text(f"module t; logic {name}; endmodule\n")
            answer = subprocess.run([*argv, "t.sv"], cwd=folder, env=os.environ | tool.environment, capture_output=True)
            found += [name] if answer.returncode else []
    return found


def test_no_field_is_a_word_of_systemverilog() -> None:
    """The UVM model has a signal of each field's name."""
    map_ = RDLCompiler()
    map_.compile_file(str(model.SOURCE))
    registers = [node for node in map_.elaborate().top.children() if isinstance(node, RegNode)]
    names = {field.inst_name for register in registers for field in register.fields()}
    assert {"event_log", "doorbell"} <= names
    assert words(sorted(names)) == []


def test_a_word_of_systemverilog_is_seen() -> None:
    assert words(["event", "medium", "ready"]) == ["event", "medium"]
