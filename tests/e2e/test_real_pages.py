# SPDX-License-Identifier: MIT
"""Pages of real programs, none of them from the recorded trace, go through the RTL and come back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hw.build import build
from hw.links.cocotb import BENCH_SOURCES
from hw.simulate import simulate
from hw.tools import Simulator
from sim.corpus.corpus import gather
from sim.data import ORDERS_TRACE
from sim.trace.file import Trace
from tests.marks import VERIFY

PAGES: dict[Simulator, int] = {"verilator": 10_000, "icarus": 60}  # Icarus takes a tenth of a second a page
MODEL_DIFFERS = 0.05  # at most: the model, whose blocks are liblz4's, against the RTL, in bytes over all pages
LEAST_RATIO = 0.90  # of what liblz4's default makes of the same pages


def run_pages(simulator: Simulator, folder: Path) -> dict[str, Any]:
    """Send pages of every kind of program through the device; its figures."""
    recorded = {content.tobytes() for content in Trace.load(ORDERS_TRACE).contents}
    corpus = [page for page in gather(PAGES["verilator"] + 500) if page.data not in recorded]
    step = len(corpus) // PAGES[simulator]
    chosen = corpus[:: max(1, step)][: PAGES[simulator]]
    assert len(chosen) == PAGES[simulator]
    source, figures = folder / "pages.npz", folder / "figures.json"
    contents = np.frombuffer(b"".join(page.data for page in chosen), np.uint8).reshape(-1, 4096)
    np.savez(source, pages=contents, kinds=np.array([page.kind for page in chosen]))
    simulate(
        build("cram_tb", simulator, sources=BENCH_SOURCES),
        "tests.e2e.bench_real_pages",
        environment={"VCRAM_PAGES": str(source), "VCRAM_FIGURES": str(figures)},
        timeout_s=900,
    )
    result: dict[str, Any] = json.loads(figures.read_text())
    return result


@VERIFY
@pytest.mark.parametrize("simulator", PAGES)
def test_real_pages_come_back_as_lz4_blocks_no_worse_than_nine_tenths_of_liblz4s(
    simulator: Simulator, tmp_path: Path
) -> None:
    result = run_pages(simulator, tmp_path)
    print(simulator, json.dumps(result, indent=2))  # `pytest -s` shows the figures
    assert result["stores"] >= PAGES[simulator] and result["loads"] >= PAGES[simulator]
    assert result["states"]["LZ4"] > PAGES[simulator] / 2
    for kind, figure in result["kinds"].items():
        ratio = figure["reference_bytes"] / figure["bytes"]
        print(f"{simulator} {kind}: {figure['pages']} pages, {ratio:.3f} of liblz4's compression ratio")
        assert ratio >= LEAST_RATIO, f"{kind}: {ratio:.3f} of liblz4's ratio"
    taken = sum(figure["bytes"] for figure in result["kinds"].values())
    models = sum(figure["reference_bytes"] for figure in result["kinds"].values())
    print(f"{simulator}: the model takes {models / taken:.3f} of the RTL's bytes")
    assert abs(models / taken - 1) <= MODEL_DIFFERS
