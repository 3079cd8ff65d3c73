# SPDX-License-Identifier: MIT
"""The measured tables of the documents, from the records in docs/figures.

    python -m sim.bench.figures             write the documents' tables again
    python -m sim.bench.figures --record    first take what the last make hwbench, fpga, mutation, effects, faults,
                                            python -m sim.bench.modes or sim.bench.guest wrote

A table follows a line `<!-- made by python -m sim.bench.figures: NAME -->` and ends at an empty line.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from hw.fpga import clock_text, engine_area
from hw.parameters import DEFAULTS
from hw.places import build_folder
from hw.sources import ROOT, digest

RECORDS = ROOT / "docs" / "figures"
DOCUMENTS = (
    "hwbench.md", "compressor.md", "decompressor.md", "mutants.md", "kerneldiff.md", "faults.md", "vswap/node-mode.md",
    "cxl.md",
)  # fmt: skip
NAMES = ("hwbench", "loaded", "fpga", "mutation", "effects", "faults", "modes", "guest")
SURVIVED = "survived"
_MADE_WITH = {"loaded": "hwbench"}  # whose target makes another record too
_PARTS = {"hwbench": "widths", "loaded": "loaded"}  # of build/hwbench.json
_MARK = re.compile(r"(<!-- made by `python -m sim\.bench\.figures`: ([a-z-]+) -->\n)(.*?)(?=\n\n|\Z)", re.DOTALL)

Records = Mapping[str, Sequence[Mapping[str, Any]]]
"""The rows of each record: "hwbench" and "loaded" (sim/bench/hwbench.py), "fpga" (hw/fpga.py), "mutation", "effects"
and "faults" (tests/campaigns), "modes" (sim/bench/modes.py), "guest" (sim/bench/guest.py)."""


class FiguresError(Exception):
    """A record or a document is not as it should be; one line."""


def by_module(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, Counter[str]]]:
    """How many of the rows of build/mutation.json have which result: of each module, and of "all" at the end."""
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        counts.setdefault(row["module"], Counter())[row["result"]] += 1
    return [*sorted(counts.items()), ("all", sum(counts.values(), Counter()))]


def records(folder: Path = RECORDS) -> Records:
    """Read the records. Raises FiguresError."""
    found = {}
    for name in NAMES:
        file = folder / f"{name}.json"
        try:
            found[name] = json.loads(file.read_text())
        except (OSError, ValueError) as error:
            make = _MADE_WITH.get(name, name)
            raise FiguresError(f"{file}: {error}: `make {make}`, then python -m sim.bench.figures --record") from None
    return found


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
            f"{row['read_miss_p99_cycles']:.0f}", _number(area[row["width"]].luts),
            clock_text(area[row["width"]].fmax_mhz, area[row["width"]].estimate_mhz),
        ]
        for row in kept["hwbench"] if row["kind"] == "all"
    ]  # fmt: skip
    return _table(heads, rows)


def misses(kept: Records) -> str:
    """Reads of a random line at the widest engines: a line a kind of pages."""
    widest = max(row["width"] for row in kept["hwbench"])
    heads = ["pages of", *(f"{tenth} %" for tenth in range(10, 100, 10)), "99 %"]
    rows = [
        [row["kind"], *row["read_miss_deciles"], row["read_miss_p99_cycles"]]
        for row in kept["hwbench"] if row["width"] == widest
    ]  # fmt: skip
    return _table(heads, rows)


def loaded(kept: Records) -> str:
    """The device under load: a line a workload and width."""
    heads = ["width", "workload", "read p50", "p99", "bytes a cycle", "media bytes for a host byte"]
    rows = [
        [
            row["width"], row["workload"], _number(row["p50"]), _number(row["p99"]), f"{row['bytes_per_cycle']:.2f}",
            f"{row['media_bytes_per_host_byte']:.1f}",
        ]
        for row in kept["loaded"]
    ]  # fmt: skip
    return _table(heads, rows)


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
    return _table([*heads, f"ratio at {chosen[-1]}"], rows)


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
    return _table(["pages of", "liblz4's blocks: bytes/cycle", f"the compressor's, width {width}"], rows)


def fpga(kept: Records) -> str:
    """Area and clock of each module."""
    heads = ["module", "width", "LUTs", "flip-flops", "block RAMs", "MHz", "estimate", ""]
    keys = ["luts", "flip_flops", "block_rams", "fmax_mhz", "estimate_mhz"]
    rows = [
        [row["module"], row["width"] or "", *(_number(row.get(key)) for key in keys), row["note"]]
        for row in kept["fpga"]
    ]
    return _table(heads, rows)


def mutants(kept: Records) -> str:
    """How many mutants of each module were killed."""
    results = ("killed", "equivalent", "survived")
    rows = [
        [module, count.total(), *(count[result] for result in results)] for module, count in by_module(kept["mutation"])
    ]
    return _table(["module", "mutants", *results], rows)


def mutants_state(kept: Records) -> str:
    """Of which RTL the mutants are."""
    return f"They are mutants of the RTL {_state(kept['mutation'])}"


def faults(kept: Records) -> str:
    """What came of the faults of each kind."""
    keys = [key for key in kept["faults"][0] if key not in ("kind", "commit", "rtl")]
    rows = [[row["kind"], *(_number(row[key]) for key in keys)] for row in kept["faults"]]
    total = ["all", *(_number(sum(row[key] for row in kept["faults"])) for key in keys)]
    return _table(["kind", *(key.replace("_", " ") for key in keys)], [*rows, total])


def faults_state(kept: Records) -> str:
    """Of which RTL the faults are."""
    return f"They are faults of the RTL {_state(kept['faults'])}"


def survivors(kept: Records) -> str:
    """The mutants that no bench noticed."""
    rows = [
        [row["key"], row["module"], f"`{row['mutation']}`"] for row in kept["mutation"] if row["result"] == SURVIVED
    ]
    return _table(["key", "module", "mutation"], rows)


def effects_faults(kept: Records) -> str:
    """How many faults of each kind the main job has, in each state of the swap model."""
    kinds = sorted({kind for row in kept["effects"] for kind in row["faults"]})
    rows = [
        [
            row["rule"], _number(sum(fault["count"] for fault in row["faults"].values())),
            _number(row["kernel"]["pgmajfault"]),
            *(_number(row["faults"][kind]["count"] if kind in row["faults"] else None) for kind in kinds),
        ]
        for row in kept["effects"]
    ]  # fmt: skip
    return _table(["rule", "faults", "major", *(kind.replace("_", " ") for kind in kinds)], rows)


def effects_times(kept: Records) -> str:
    """What they take: p50 and p99, simulated ns."""
    kinds = sorted({kind for row in kept["effects"] for kind in row["faults"]})

    def cell(faults: Mapping[str, Mapping[str, int]], kind: str) -> str:
        fault = faults.get(kind)
        return f"{fault['p50_ns']:,} / {fault['p99_ns']:,}" if fault and fault["count"] else "-"

    rows = [[row["rule"], *(cell(row["faults"], kind) for kind in kinds)] for row in kept["effects"]]
    return _table(["rule", *(kind.replace("_", " ") for kind in kinds)], rows)


def effects_tiers(kept: Records) -> str:
    """Where its pages go, and how long it takes."""
    moves = sorted({move for row in kept["effects"] for move, count in row["writebacks"].items() if count})
    heads = ["rule", "CRAM stores", "loads", "zswap stores", "swapfile stores", "reads"]
    keys = ["stores", "loads", "zswpout", "pswpout", "pswpin"]
    rows = [
        [
            row["rule"], *(_number(row["kernel"].get(key)) for key in keys),
            *(_number(row["writebacks"].get(move)) for move in moves), f"{row['simulated_ns'] / 1e6:,.0f}",
            f"`{row['commit']}`", row["what"],
        ]
        for row in kept["effects"]
    ]  # fmt: skip
    return _table([*heads, *(move.replace("_", " ") for move in moves), "simulated ms", "commit", "what"], rows)


MODE_FIGURES: Mapping[str, Callable[[Mapping[str, Any]], float]] = {
    "pages compared": lambda row: row["compared"],
    "mismatches": lambda row: row["mismatches"],
    "simulated ms": lambda row: row["simulated_ns"] / 1e6,
    "page faults": lambda row: row["kernel"]["pgfault"],
    "soft faults": lambda row: row["kernel"]["soft_faults"],
    "promotions by a write": lambda row: row["kernel"]["promotions"],
    "reads of the device without a fault": lambda row: row["device_reads"],
    "pages demoted": lambda row: row["kernel"]["pgdemote_kswapd"] + row["kernel"]["pgdemote_direct"],
    "page stores on the device": lambda row: row["stores"],
    "refused by the node": lambda row: row["kernel"]["cram_rejects"],
    "zswap stores": lambda row: row["kernel"]["zswpout"],
    "zswap loads": lambda row: row["kernel"]["zswpin"],
    "swapfile writes": lambda row: row["kernel"]["pswpout"],
    "swapfile reads": lambda row: row["kernel"]["pswpin"],
    "PTEs looked at by rmap": lambda row: row["kernel"]["rmap_ptes"],
    "bytes for slots at the end": lambda row: row["slot_bytes"],
}
"""What the table of both modes says of a run (sim/bench/modes.py)."""


def modes(kept: Records) -> str:
    """The main job with the device as swap and as a node, on the model."""
    return _modes([row for row in kept["modes"] if row["sim"] == "model"])


def modes_rtl(kept: Records) -> str:
    """The same on the verilated RTL."""
    return _modes([row for row in kept["modes"] if row["sim"] == "verilated"])


def _modes(ways: Sequence[Mapping[str, Any]]) -> str:
    """A line a figure, a column a way to run it."""
    heads = ["", *(f"{row['mode']}, {row['layer']} slots" for row in ways)]
    return _table(heads, [[name, *(_number(figure(row)) for row in ways)] for name, figure in MODE_FIGURES.items()])


GUEST_FIGURES: Mapping[str, Callable[[Mapping[str, Any]], float | None]] = {
    "bad": lambda row: row["bad"],
    "pages demoted": lambda row: row["demoted"],
    "promoted": lambda row: row["promoted"],
    "most at once on the node": lambda row: row["guest"].get("reclaim.most_there"),
    "times reclaimed": lambda row: row["guest"].get("reclaim.rounds"),
    "to zswap": lambda row: row["guest"]["vmstat.zswpout"],
    "from zswap to the disk": lambda row: row["guest"]["vmstat.zswpwb"],
    "to the disk, those included": lambda row: row["guest"]["vmstat.pswpout"],
    "back from zswap": lambda row: row["guest"]["vmstat.zswpin"],
    "back from the disk": lambda row: row["guest"]["vmstat.pswpin"],
    "lines written to the device": lambda row: row["device"]["lines_written"],
    "lines read from it": lambda row: row["device"]["lines_read"],
    "its cycles": lambda row: row["cycles"],
}
"""What the table of programs in a guest says of a run (sim/bench/guest.py)."""


def programs(kept: Records) -> str:
    """Programs in a guest whose group is reclaimed to the node: a column each."""
    ways = [way for way in kept["guest"] if way["run"] != "media"]
    rows = [[name, *(_number(figure(way["figures"])) for way in ways)] for name, figure in GUEST_FIGURES.items()]
    ratios = ["ratio", *(f"{way['figures']['ratio']:.2f}" for way in ways)]
    return _table(["", *(f"`{way['command']}`, {way['run']}" for way in ways)], [*rows, ratios])


MEDIA_DRILL = {
    "pages": "pages demoted",
    "checked": "pages read",
    "bad": "of them wrong",
    "unwritable": "sectors that could not be written",
    "flipped": "pages with a flipped bit",
    "corrected": "flips that reads found and corrected",
    "damaged": "pages with two in a beat",
    "unreadable": "pages with a sector that could not be read",
    "late": "pages that were answered too late",
    "lost": "pages whose reading was a SIGBUS",
    "wrong_signals": "with another address, or no action required",
    "unlisted": "lost, and not in the list of poison",
    "unlogged": "lost, and in no event",
    "wrong_records": "records of pages that were not lost",
    "retired": "sectors retired",
}
"""What the drill of a media that fails has counted (sim/cxl/guest/media.c), and what it is."""


def media_drill(kept: Records) -> str:
    """What became of pages while the media failed under them."""
    told = next(way["figures"]["guest"] for way in kept["guest"] if way["run"] == "media")
    return _table(["", ""], [[what, _number(told[f"media.{name}"])] for name, what in MEDIA_DRILL.items()])


def replayed(kept: Records) -> str:
    """A guest's run and its replay on the model, side by side."""
    rows = [
        [name, *(f"{value:,.2f}" if isinstance(value, float) else _number(value) for value in pair)]
        for way in kept["guest"] for name, pair in way.get("replayed", {}).items()
    ]  # fmt: skip
    return _table(["", "the guest", "the model"], rows)


TABLES: Mapping[str, Callable[[Records], str]] = {
    "widths": widths, "misses": misses, "loaded": loaded,
    "compressor": compressor, "decompressor": decompressor, "fpga": fpga,
    "mutants": mutants, "mutants-state": mutants_state, "survivors": survivors, "faults": faults,
    "faults-state": faults_state, "effects-faults": effects_faults, "effects-times": effects_times,
    "effects-tiers": effects_tiers, "modes": modes, "modes-rtl": modes_rtl, "programs": programs, "replayed": replayed,
    "media-drill": media_drill,
}  # fmt: skip


def updated(text: str, kept: Records) -> str:
    """A document with its tables made again. Raises FiguresError for a name that is none."""

    def make(match: re.Match[str]) -> str:
        if match[2] not in TABLES:
            raise FiguresError(f"no table {match[2]!r}: one of {', '.join(TABLES)}")
        return match[1] + TABLES[match[2]](kept)

    return _MARK.sub(make, text)


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


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """In Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def record(results: Path, to: Path = RECORDS) -> None:
    """Take the records from the folder `results`, where they are there.

    Raises:
        FiguresError: a campaign of mutants has not judged its whole sample.
    """
    for name in NAMES:
        source = results / f"{_MADE_WITH.get(name, name)}.json"
        if not source.exists():
            continue
        rows = json.loads(source.read_text())
        if name in _PARTS:
            rows = rows[_PARTS[name]]
            if not rows:  # not measured: what is recorded stays
                continue
        if name == "mutation":
            if len(rows["mutants"]) != rows["sample"]:
                raise FiguresError(
                    f"{source}: {len(rows['mutants'])} of {rows['sample']} mutants: not a whole campaign"
                )
            rows = [{"commit": rows["commit"], "rtl": rows["rtl"]} | _short(row) for row in rows["mutants"]]
        if name == "faults":
            state = {"commit": rows["commit"], "rtl": rows["rtl"]}
            rows = [{"kind": kind} | state | row for kind, row in rows["by_kind"].items()]
        to.mkdir(exist_ok=True)
        text = ",\n".join(map(json.dumps, rows))
        (to / f"{name}.json").write_text(f"[\n{text}\n]\n")


def _short(row: Mapping[str, Any]) -> dict[str, Any]:
    """Of a mutant only what the tables say: which one it is matters of a survivor alone."""
    keys = ("module", "result", "key", "mutation") if row["result"] == SURVIVED else ("module", "result")
    return {key: row[key] for key in keys}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--record",
    "first",
    is_flag=True,
    help="Take build/{hwbench,fpga,mutation,effects,faults,modes,guest}.json as the records first.",
)
def main(first: bool) -> None:
    """Write the measured tables of the documents again, from docs/figures."""
    try:
        if first:
            record(build_folder())
        kept = records()
        for name in DOCUMENTS:
            file = ROOT / "docs" / name
            file.write_text(updated(file.read_text(), kept))
    except (FiguresError, OSError) as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
