# SPDX-License-Identifier: MIT
"""The main job with the device as swap and as a memory node, over each kind of slots: docs/vswap/node-mode.md.

    python -m sim.bench.modes [model|verilated|swap|node|virtual|direct|xswap ...]

Each way runs once, or only those that are named: `model xswap` are both modes over xswap's slots on the model. The
figures go to build/modes.json, from where `python -m sim.bench.figures --record` makes the document's table; ways that
are not run again keep theirs.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from hw.links.in_process import InProcess
from hw.places import build_folder
from sim.run.execute import run_in_process
from sim.run.metrics import Result
from sim.scenario.scenario import DEFAULT, find
from sim.scenario.settings import load, parse
from sim.trace.file import Trace
from vswap.base.results import write_json
from vswap.slots.layer import LAYERS

FILE = "modes.json"
MODES = ("swap", "node")
_COUNTERS = ("pgfault", "pgmajfault", "promotions", "soft_faults", "swap_cache_hits", "cram_rejects", "node_closed",
             "pgsteal_kswapd", "pgsteal_direct", "pgdemote_kswapd", "pgdemote_direct", "zswpout", "zswpin", "pswpout",
             "pswpin", "rmap_ptes")  # fmt: skip


@dataclass(frozen=True)
class Way:
    """One way to run the job: what the device is, what PTEs hold, and what answers as the device."""

    sim: InProcess
    mode: str
    layer: str

    @property
    def settings(self) -> dict[str, str]:
        """The scenario's keys, as settings."""
        return {"cram.mode": self.mode, "tiers.layer": self.layer}

    def named(self, words: Sequence[str]) -> bool:
        """The words name it: of each kind of words one, or none at all."""
        kinds = ((self.sim, get_args(InProcess)), (self.mode, MODES), (self.layer, tuple(LAYERS)))
        return all(own in words or not set(words) & set(kind) for own, kind in kinds)


WAYS = [Way(sim, mode, layer) for sim in get_args(InProcess) for layer in LAYERS
        for mode in MODES]  # fmt: skip


def run(way: Way) -> dict[str, Any]:
    """The main job once: its row."""
    scenario = load(find(DEFAULT), [parse(f"{key}={value}") for key, value in way.settings.items()])
    trace = Trace.load(Path(scenario.workload.trace))
    with tempfile.TemporaryDirectory() as folder:
        result = run_in_process(scenario, way.sim, trace, Path(folder) / "swapfile", DEFAULT, lambda _: None)
    return row(way, result)


def row(way: Way, result: Result) -> dict[str, Any]:
    """What the table needs of a result."""
    compared = result.reads_verified + result.pages_verified
    return {
        "sim": way.sim, "mode": way.mode, "layer": way.layer, "ok": result.ok, "mismatches": result.mismatches,
        "lost_pages": result.lost_pages, "compared": compared, "simulated_ns": result.simulated_ns,
        "stores": result.stores, "loads": result.loads,
        "device_reads": result.accesses["cram"].count if "cram" in result.accesses else 0,
        "kernel": {name: result.kernel[name] for name in _COUNTERS},
        "slot_bytes": result.tiers["slot_bytes"],
    }  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Run the ways; the exit status."""
    file = build_folder() / FILE
    rows: list[dict[str, Any]] = json.loads(file.read_text()) if file.exists() else []
    for way in WAYS:
        if not way.named(arguments):
            continue
        new = run(way)
        rows = [old for old in rows if (old["sim"], old["mode"], old["layer"]) != (way.sim, way.mode, way.layer)]
        rows.append(new)
        rows.sort(key=lambda row: WAYS.index(Way(row["sim"], row["mode"], row["layer"])))
        write_json(file, rows)
        print(f"{way.mode} mode, {way.layer} slots, {way.sim}: {new['mismatches']} mismatches", flush=True)
    return 0 if all(each["ok"] for each in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
