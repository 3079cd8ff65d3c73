"""The register block does what hw/regs/cram.rdl and docs/device.md say, under both simulators."""

from __future__ import annotations

import pytest

from hw.build import build
from hw.lint import lint
from hw.regs import generate, model
from hw.simulate import simulate
from hw.tools import SIMULATORS, Simulator

PARAMETERS = {"PERCEIVED_PAGES": 64, "SECTOR_BYTES": 128, "CACHE_PAGES": 4, "BYTES_PER_CYCLE": 16}
MEDIA_BYTES = 64 << 10


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_registers(simulator: Simulator) -> None:
    """The rules are in bench_registers.py, those of counters that overflow in bench_registers_overflow.py."""
    sectors = MEDIA_BYTES // PARAMETERS["SECTOR_BYTES"]
    rtl = build("cram_registers", simulator, PARAMETERS | {"MEDIA_SECTORS": sectors}, public=True)
    settings = {name: str(value) for name, value in (PARAMETERS | {"MEDIA_BYTES": MEDIA_BYTES}).items()}
    for bench in ("bench_registers", "bench_registers_overflow"):
        simulate(rtl, f"tests.hw.{bench}", environment=settings, timeout_s=600)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_lint_is_clean(simulator: Simulator) -> None:
    assert lint(simulator, "cram_registers") == []


def test_generated_files_are_up_to_date() -> None:
    """A stale header, driver module or document fails here; `make regs` brings them up to date."""
    assert generate.stale(generate.generate(model.read())) == []


def test_a_changed_map_makes_every_generated_file_stale() -> None:
    """The check above can fail: a map with another offset differs in the header, the driver and the document."""
    registers = model.read()
    moved = model.RegisterMap(
        (model.Register("ID", 0x00C0, "", registers.registers[0].fields, False), *registers.registers[1:]),
        registers.memories, registers.encodings, registers.parameters,
    )  # fmt: skip
    assert generate.stale(generate.generate(moved)) == list(generate.TARGETS.values())


def test_registers_do_not_overlap_and_are_aligned() -> None:
    registers = model.read()
    taken: set[int] = set()
    for register in registers.registers:
        assert register.offset % 4 == 0
        assert register.offset not in taken, register.name
        taken.add(register.offset)
    for memory in registers.memories:
        assert not taken & set(range(memory.offset, memory.offset + memory.size, 4)), memory.name
