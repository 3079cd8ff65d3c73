# SPDX-License-Identifier: MIT
"""Programs in the guest of `vcram cxl`, and a recorded run of it replayed on the model: docs/cxl.md.

    python -m sim.bench.guest [sqlite|redis|python|cold|"all tiers"|media ...]

Each runs once, or only those that are named, with --icount: so the figures do not depend on the machine. They go to
build/guest.json, from where `python -m sim.bench.figures --record` makes the document's tables; what is not run again
keeps its own.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hw.parameters import DeviceParameters
from hw.places import build_folder
from sim.base.interrupts import interruptible
from sim.cxl import Figures, Machine, find_problems, run_guest
from sim.imported import guest
from sim.imported.command import trace_import
from sim.run.execute import run_in_process
from sim.run.metrics import Result
from sim.scenario.scenario import DEFAULT, find
from sim.scenario.settings import load, parse
from sim.trace.file import Trace
from vswap.base.results import write_json

FILE = "guest.json"


@dataclass(frozen=True)
class Way:
    """A run in the guest.

    Attributes:
        command: what runs there.
        media_bytes: of the device.
        swap_bytes: of a disk behind it, with zswap in front; 0: none.
        hot: heat at which the module promotes a page; 0: never.
        faults: the command has the media fail.
        recorded: it is replayed on the model.
    """

    command: tuple[str, ...]
    media_bytes: int = 64 << 20
    swap_bytes: int = 0
    hot: int = 0
    faults: bool = False
    recorded: bool = False


WAYS = {
    "sqlite": Way(("sqlite", "500", "2")),
    "redis": Way(("redis", "200", "2")),
    "python": Way(("python",)),
    "cold": Way(("cold", "512", "2", "1", "64"), hot=80, recorded=True),
    "all tiers": Way(("cold", "1536", "1", "1", "0"), 1 << 20, 64 << 20),
    "media": Way(("media", "1"), faults=True),
}


def run(name: str) -> dict[str, Any]:
    """One of them: its row. Raises what `run_guest` does, and RuntimeError if something was not right."""
    way = WAYS[name]
    parameters = DeviceParameters(perceived_pages=Machine().parameters.perceived_pages, media_bytes=way.media_bytes)
    machine = Machine(
        parameters, icount=True, swap_bytes=way.swap_bytes, hot=way.hot, faults=way.faults, provider=not way.faults
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "guest.txt"
        if way.recorded:
            machine = replace(machine, record=text)
        started = time.monotonic()
        outcome = run_guest(machine, way.command)
        figures = Figures.of(
            outcome.kernel, outcome.qemu, outcome.told, outcome.counted, time.monotonic() - started
        )  # fmt: skip
        problems = find_problems(figures)
        if problems or figures.status:
            raise RuntimeError(f"{name}: {', '.join(problems) or f'it ended with {figures.status}'}")
        row = {"run": name, "command": " ".join(way.command), "figures": figures.model_dump(exclude={"wall_s"})}
        return row | ({"replayed": replay(text, way.media_bytes, figures)} if way.recorded else {})


def replay(text: Path, media_bytes: int, figures: Figures) -> dict[str, list[float]]:
    """What the guest and the model have counted of the same run: each figure in both."""
    trace = text.with_suffix(".trace")
    trace_import.main(["--guest", str(text), "-o", str(trace)], standalone_mode=False)
    settings = {
        "workload.trace": str(trace), "workload.rounds": "1", "cram.mode": "node", "memory.limit_pages": "65536",
        "cram.media_bytes": str(media_bytes),
    }  # fmt: skip
    scenario = load(find(DEFAULT), [parse(f"{key}={value}") for key, value in settings.items()])
    result = run_in_process(scenario, "model", Trace.load(trace), text.with_suffix(".swap"), DEFAULT, lambda _: None)
    if not result.ok:
        raise RuntimeError(f"the replay failed: {', '.join(result.problems)}")
    counts = guest.Counts()
    with text.open() as lines:
        for _ in guest.read(lines, str(text), counts):
            pass
    return beside(figures, counts, result)


def beside(figures: Figures, counts: guest.Counts, result: Result) -> dict[str, list[float]]:
    """Each figure of the guest, and of the model."""
    kernel = result.kernel
    return {
        "pages demoted": [counts.demoted, sum(kernel[f"pgdemote_{by}"] for by in ("kswapd", "direct", "proactive"))],
        "pages promoted": [counts.promoted, kernel["promoted_hot"]],
        "copied to DRAM by a write": [0, kernel["promotions"]],
        "page faults": [counts.faults, kernel["pgfault"]],
        "lines written to the device": [figures.device["lines_written"], result.device.counters["lines_written"]],
        "lines read from it": [figures.device["lines_read"], result.device.counters["lines_read"]],
        "ratio": [figures.ratio, max((point.ratio or 0 for point in result.timeline), default=0)],
    }


def main() -> None:
    """See the module."""
    file = build_folder() / FILE
    rows = {row["run"]: row for row in json.loads(file.read_text())} if file.exists() else {}
    with interruptible():
        for name in sys.argv[1:] or WAYS:
            rows[name] = run(name)
            write_json(file, [rows[each] for each in WAYS if each in rows])


if __name__ == "__main__":
    main()
