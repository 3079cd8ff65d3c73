# SPDX-License-Identifier: MIT
"""The tables of the hardware's figures: engines, device, area, mutants and faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from hw.fpga import clock_text, engine_area
from hw.parameters import DEFAULTS
from hw.sources import digest
from sim.bench.engines import PUBLISHED
from sim.bench.markdown import Records, markdown, number

SURVIVED = "survived"


def by_module(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, Counter[str]]]:
    """How many of the rows of build/mutation.json have which result: of each module, and of "all" at the end."""
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        counts.setdefault(row["module"], Counter())[row["result"]] += 1
    return [*sorted(counts.items()), ("all", sum(counts.values(), Counter()))]


def widths(kept: Records) -> str:
    """All kinds together: a line a width."""
    heads = [
        "width",
        "bytes/cycle in",
        "out",
        "ratio to liblz4",
        "store",
        "load",
        "first line",
        "random line: median",
        "p99",
        "LUTs",
        "MHz",
    ]
    area = {row["width"]: engine_area(kept["fpga"], row["width"]) for row in kept["hwbench"]}
    rows = [
        [
            row["width"], f"{row['compress_bytes_per_cycle']:.2f}", f"{row['decompress_bytes_per_cycle']:.2f}",
            f"{row['ratio_to_liblz4']:.3f}", f"{row['store_cycles']:.0f}", f"{row['load_cycles']:.0f}",
            f"{row['first_line_median_cycles']:.0f}", f"{row['read_miss_median_cycles']:.0f}",
            f"{row['read_miss_p99_cycles']:.0f}", number(area[row["width"]].luts),
            clock_text(area[row["width"]].fmax_mhz, area[row["width"]].estimate_mhz),
        ]
        for row in kept["hwbench"] if row["kind"] == "all"
    ]  # fmt: skip
    return markdown(heads, rows)


def misses(kept: Records) -> str:
    """Reads of a random line at the widest engines: a line a kind of pages."""
    widest = max(row["width"] for row in kept["hwbench"])
    heads = ["pages of", *(f"{tenth} %" for tenth in range(10, 100, 10)), "99 %"]
    rows = [
        [row["kind"], *row["read_miss_deciles"], row["read_miss_p99_cycles"]]
        for row in kept["hwbench"] if row["width"] == widest
    ]  # fmt: skip
    return markdown(heads, rows)


def loaded(kept: Records) -> str:
    """The device under load: a line a workload and width."""
    heads = ["width", "workload", "read p50", "p99", "bytes a cycle", "media bytes for a host byte"]
    rows = [
        [
            row["width"], row["workload"], number(row["p50"]), number(row["p99"]), f"{row['bytes_per_cycle']:.2f}",
            f"{row['media_bytes_per_host_byte']:.1f}",
        ]
        for row in kept["loaded"]
    ]  # fmt: skip
    return markdown(heads, rows)


def compressor(kept: Records) -> str:
    """Ratio and rate of the compressor by kind of pages and width."""
    rows, heads = [], ["pages of"]
    chosen = _widths(kept)
    for width in chosen:
        heads += [f"{width}: of liblz4", "bytes/cycle"]
    for kind, by_width in _kinds(kept):
        cells: list[object] = [kind]
        for width in chosen:
            row = by_width[width]
            cells += [f"{row['ratio_to_liblz4']:.3f}", f"{row['compress_bytes_per_cycle']:.2f}"]
        rows.append([*cells, f"{by_width[chosen[-1]]['ratio']:.2f}"])
    return markdown([*heads, f"ratio at {chosen[-1]}"], rows)


def decompressor(kept: Records) -> str:
    """Rate of the decompressor by kind of pages: over liblz4's blocks, and over ours of the default width."""
    width = DEFAULTS.bytes_per_cycle
    rows = [
        [
            kind,
            f"{by_width[width]['decompress_liblz4_bytes_per_cycle']:.2f}",
            f"{by_width[width]['decompress_bytes_per_cycle']:.2f}",
        ]
        for kind, by_width in _kinds(kept)
    ]
    return markdown(["pages of", "liblz4's blocks: bytes/cycle", f"the compressor's, width {width}"], rows)


def fpga(kept: Records) -> str:
    """Area and clock of each module."""
    heads = ["module", "width", "LUTs", "flip-flops", "block RAMs", "MHz", "estimate", "largest block", ""]
    keys = ["luts", "flip_flops", "block_rams", "fmax_mhz", "estimate_mhz"]
    rows = [
        [row["module"], row["width"] or "", *(number(row.get(key)) for key in keys), row["largest"], row["note"]]
        for row in kept["fpga"]
    ]
    return markdown(heads, rows)


def engines(kept: Records) -> str:
    """What each engine does a second and for its area, and the other open cores."""
    heads = ["core", "width or use", "bytes/cycle", "LUTs", "estimated MHz", "routed", "GB/s", "GB/s for 1,000 LUTs"]
    ours = [
        [
            row["engine"], row["width"] or "", f"{row['bytes_per_cycle']:.2f}",
            *(number(row[key]) for key in ("luts", "estimate_mhz", "routed_mhz")),
            *(_or_dash(row[key], form) for key, form in _SPEEDS),
        ]
        for row in kept["engines"]
    ]  # fmt: skip
    others = [
        [core.core, core.does, core.bytes_per_cycle, core.luts, core.mhz, "-", core.gb_per_s, core.gb_per_s_per_klut]
        for core in PUBLISHED
    ]
    return markdown(heads, [*ours, *others])


_SPEEDS = (("gb_per_s", ".2f"), ("gb_per_s_per_klut", ".3f"))


def asic(kept: Records) -> str:
    """Gate equivalents and critical path of each engine in a standard-cell library."""
    heads = ["engine", "width", "gate equivalents", "flip-flops", "memory bits", "critical path, ns", "library", ""]
    keys = ["gate_equivalents", "flip_flops", "memory_bits"]
    rows = [
        [
            row["module"], row["width"] or "", *(number(row[key]) for key in keys),
            _or_dash(row["critical_path_ns"], ".2f"), row["library"], row["note"],
        ]
        for row in kept["asic"]
    ]  # fmt: skip
    return markdown(heads, rows)


def mutants(kept: Records) -> str:
    """How many mutants of each module were killed."""
    results = ("killed", "equivalent", "survived")
    rows = [
        [module, count.total(), *(count[result] for result in results)] for module, count in by_module(kept["mutation"])
    ]
    return markdown(["module", "mutants", *results], rows)


def mutants_state(kept: Records) -> str:
    """Of which RTL the mutants are."""
    return f"They are mutants of the RTL {_state(kept['mutation'])}"


def faults(kept: Records) -> str:
    """What came of the faults of each kind."""
    keys = [key for key in kept["faults"][0] if key not in ("kind", "commit", "rtl")]
    rows = [[row["kind"], *(number(row[key]) for key in keys)] for row in kept["faults"]]
    total = ["all", *(number(sum(row[key] for row in kept["faults"])) for key in keys)]
    return markdown(["kind", *(key.replace("_", " ") for key in keys)], [*rows, total])


def faults_state(kept: Records) -> str:
    """Of which RTL the faults are."""
    return f"They are faults of the RTL {_state(kept['faults'])}"


def survivors(kept: Records) -> str:
    """The mutants that no bench noticed."""
    rows = [
        [row["key"], row["module"], f"`{row['mutation']}`"] for row in kept["mutation"] if row["result"] == SURVIVED
    ]
    return markdown(["key", "module", "mutation"], rows)


TABLES: Mapping[str, Callable[[Records], str]] = {
    "widths": widths, "misses": misses, "loaded": loaded, "compressor": compressor, "decompressor": decompressor,
    "engines": engines, "fpga": fpga, "asic": asic, "mutants": mutants, "mutants-state": mutants_state,
    "survivors": survivors, "faults": faults, "faults-state": faults_state,
}  # fmt: skip


def _state(rows: Sequence[Mapping[str, Any]]) -> str:
    """Of which commit a record is, and whether the RTL is still the same."""
    now = "is the same today" if rows[0]["rtl"] == digest() else "has changed since: these are not its figures"
    return f"of commit `{rows[0]['commit']}`, which {now}."


def _widths(kept: Records) -> list[int]:
    return sorted({row["width"] for row in kept["hwbench"]})


def _kinds(kept: Records) -> Iterable[tuple[str, dict[int, Mapping[str, Any]]]]:
    """The rows of each kind of pages by width."""
    found: dict[str, dict[int, Mapping[str, Any]]] = {}
    for row in kept["hwbench"]:
        found.setdefault(row["kind"], {})[row["width"]] = row
    return found.items()


def _or_dash(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
