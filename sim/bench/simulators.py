"""What runs in a simulator's process (Verilator): the cocotb link and the conventional testbench."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from hw.build import build, simulate
from hw.links.cocotb import BENCH_SOURCES
from hw.parameters import DeviceParameters
from hw.verilated.bench import Speed


def simulated(what: Literal["link", "conventional"], pages: list[bytes], parameters: DeviceParameters) -> Speed:
    """Store, load and compare all pages once. Raises AssertionError if one came back different."""
    values = {name.upper(): value for name, value in asdict(parameters).items()}
    if what == "link":
        built = build("cram_tb", "verilator", values, sources=BENCH_SOURCES)
    else:
        built = build("cram_device", "verilator", values)
    with tempfile.TemporaryDirectory() as folder:
        source, figures = Path(folder) / "pages", Path(folder) / "figures.json"
        source.write_bytes(b"".join(pages))
        environment = {
            "VCRAM_PAGES": str(source),
            "VCRAM_FIGURES": str(figures),
            "VCRAM_MEDIA_BYTES": str(parameters.media_bytes),
        }
        simulate(built, "sim.bench.inside", testcase=what, environment=environment, results=Path(folder) / "run")
        cycles, count, seconds = json.loads(figures.read_text())
    return Speed(cycles, count, seconds)
