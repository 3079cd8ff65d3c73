# SPDX-License-Identifier: MIT
"""The engines in gigabytes a second and by area, and what is known of other open cores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hw.fpga import COMPRESSOR, DECOMPRESSOR


@dataclass(frozen=True)
class Engine:
    """An engine on an ECP5 (docs/hwbench.md, "Engines"); what is not known is None.

    Attributes:
        engine: its module.
        width: of the compressor, bytes a cycle; None for the decompressor.
        bytes_per_cycle: page bytes over cycles, of all kinds of pages together; the decompressor's of liblz4's blocks.
        luts, ffs, brams: look-up tables, flip-flops and block RAMs.
        estimate_mhz, routed_mhz: its clock, as the mapper estimates it and as it is routed.
        gb_per_s: 10^9 bytes a second at the estimate.
        gb_per_s_per_klut: for each 1,000 look-up tables.
    """

    engine: str
    width: int | None
    bytes_per_cycle: float
    luts: int | None = None
    ffs: int | None = None
    brams: int | None = None
    estimate_mhz: float | None = None
    routed_mhz: float | None = None
    gb_per_s: float | None = None
    gb_per_s_per_klut: float | None = None


def engines(measured: Sequence[Mapping[str, Any]], synthesized: Sequence[Mapping[str, Any]]) -> list[Engine]:
    """The decompressor, and the compressor of each width.

    Args:
        measured: the rows of all kinds together, with the keys of `sim.bench.hwbench.Row`.
        synthesized: with those of `hw.fpga.Row`; may lack an engine.
    """
    area = {(row["module"], row["width"]): row for row in synthesized}
    rates = [(DECOMPRESSOR, None, row["decompress_liblz4_bytes_per_cycle"]) for row in measured[:1]]
    rates += [(COMPRESSOR, row["width"], row["compress_bytes_per_cycle"]) for row in measured]
    return [_engine(module, width, rate, area.get((module, width), {})) for module, width, rate in rates]


def _engine(module: str, width: int | None, rate: float, area: Mapping[str, Any]) -> Engine:
    luts, estimate = area.get("luts"), area.get("estimate_mhz")
    speed = None if estimate is None else rate * estimate / 1000
    return Engine(
        engine=module,
        width=width,
        bytes_per_cycle=rate,
        luts=luts,
        ffs=area.get("flip_flops"),
        brams=area.get("block_rams"),
        estimate_mhz=estimate,
        routed_mhz=area.get("fmax_mhz"),
        gb_per_s=None if speed is None else round(speed, 3),
        gb_per_s_per_klut=None if speed is None or not luts else round(1000 * speed / luts, 4),
    )


@dataclass(frozen=True)
class Published:
    """Figures of another open core, with where they come from. Those of its area, clock and speed were found with Yosys
    and abc9 for an ECP5, as ours are, but not in this run."""

    core: str
    does: str
    bytes_per_cycle: str
    source: str
    luts: str = "-"
    mhz: str = "-"
    gb_per_s: str = "-"
    gb_per_s_per_klut: str = "-"


PUBLISHED = (
    Published("gzip compressor (Verilog)", "compress", "0.84 text, 0.73 ELF",
              "WangXuan95/FPGA-Gzip-compressor, takes a byte a cycle; 4,904 and 5,644 cycles for 4 KiB",
              "24,900", "201", "0.20", "0.008"),
    Published("HDL-deflate (MyHDL)", "compress", "0.36", "tomtor/HDL-deflate"),
    Published("Vitis LZ4 (HLS), an engine", "both", "1", "Vitis Libraries, data compression, kernel design"),
    Published("LZ4 decoders (RTL)", "decompress", "0.68 .. 1.0", "FarisHijazi/LZ4-Decompressor-Verilog and others",
              "453", "200", "0.14", "0.31"),
    Published("vhsnunzip Snappy (VHDL)", "decompress", "5.5",
              "abs-tudelft/vhsnunzip, single core; its own: 1.5 GB/s in 1,600 LUTs at 281 MHz, another family",
              "4,500 .. 11,800", "130", "0.83", "0.07 .. 0.18"),
    Published("Deflate for memory (Chisel)", "decompress", "8 at most",
              "HEAP-Lab-VT/ASIC-DEFLATE-for-memory, decompressorCharsOut"),
)  # fmt: skip
