# SPDX-License-Identifier: MIT
"""What runs in a simulator's process (Verilator): the cocotb link and the conventional testbench."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from hw.build import build
from hw.links.cocotb import BENCH_SOURCES
from hw.parameters import DeviceParameters
from hw.simulate import simulate
from hw.speed import Speed


def simulated(
    what: Literal["link", "conventional"], pages: list[bytes], parameters: DeviceParameters, media_latency: int
) -> Speed:
    """Store, load and compare all pages once. Raises AssertionError if one came back different.

    `media_latency`, in cycles, is the link's; the conventional testbench has the media of cocotbext-axi.
    """
    if what == "link":
        built = build(
            "cram_tb", "verilator", parameters.verilog() | {"MEDIA_LATENCY": media_latency}, sources=BENCH_SOURCES
        )
    else:
        built = build("cram_device", "verilator", parameters.verilog())
    with tempfile.TemporaryDirectory() as folder:
        source, figures = Path(folder) / "pages", Path(folder) / "figures.json"
        source.write_bytes(b"".join(pages))
        environment = {
            "VCRAM_PAGES": str(source),
            "VCRAM_FIGURES": str(figures),
            "VCRAM_DEVICE": json.dumps(asdict(parameters)),
        }
        simulate(built, "sim.bench.inside", testcase=what, environment=environment, results=Path(folder) / "run")
        return Speed(**json.loads(figures.read_text()))
