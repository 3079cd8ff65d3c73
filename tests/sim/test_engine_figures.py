# SPDX-License-Identifier: MIT
"""An engine's figures: gigabytes a second at the estimated clock, and for its area."""

from __future__ import annotations

from sim.bench.engines import engines

RATES = {"width": 8, "compress_bytes_per_cycle": 6.0, "decompress_liblz4_bytes_per_cycle": 10.0}


def test_speed_is_bytes_a_cycle_at_the_estimated_clock_and_also_by_area() -> None:
    area = {"module": "lz4_compressor", "width": 8, "luts": 20_000, "flip_flops": 7, "block_rams": 3}
    clock = {"estimate_mhz": 200.0, "fmax_mhz": 100.0}
    decompressor, compressor = engines([RATES], [area | clock])
    assert (compressor.engine, compressor.width, compressor.bytes_per_cycle) == ("lz4_compressor", 8, 6.0)
    assert (compressor.luts, compressor.ffs, compressor.brams) == (20_000, 7, 3)
    assert (compressor.estimate_mhz, compressor.routed_mhz) == (200.0, 100.0)
    assert compressor.gb_per_s == 1.2  # 6 bytes at 200 million a second
    assert compressor.gb_per_s_per_klut == 0.06
    assert (decompressor.engine, decompressor.width, decompressor.bytes_per_cycle) == ("lz4_decompressor", None, 10.0)


def test_what_was_not_synthesized_is_not_known() -> None:
    for engine in engines([RATES], []):
        assert (engine.luts, engine.estimate_mhz, engine.gb_per_s, engine.gb_per_s_per_klut) == (None,) * 4
