# SPDX-License-Identifier: MIT
"""Stores, loads and exports the pages of a file through the RTL. Started by test_real_pages.py."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import cocotb
import lz4.block
import numpy as np
from cocotb.handle import HierarchyObject

from driver import CramDevice, PageState
from hw.link import PAGE_BYTES
from hw.links.cocotb import CocotbLink

BATCH = 800  # pages on the device at a time: 800 raw ones fill less than 4 MiB


@cocotb.test()
async def every_page_comes_back_and_every_block_is_lz4(dut: HierarchyObject) -> None:
    """What was stored is loaded; each LZ4 block decodes with liblz4 to the page; lengths per kind are written down."""
    pages = np.load(os.environ["VCRAM_PAGES"])
    contents = [content.tobytes() for content in pages["pages"]]
    kinds = [str(kind) for kind in pages["kinds"]]
    device = await CramDevice.probe(await CocotbLink.open(dut))
    figures = {kind: {"pages": 0, "bytes": 0, "reference_bytes": 0} for kind in sorted(set(kinds))}
    states = dict.fromkeys(PageState, 0)

    for start in range(0, len(contents), BATCH):
        batch = contents[start : start + BATCH]
        for page, content in enumerate(batch):
            await device.store(page, content)
        for page, content in enumerate(batch):
            assert await device.load(page) == content, f"page {start + page} came back different"
        for page, content in enumerate(batch):
            info = await device.page_state(page)
            states[info.state] += 1
            if info.state is PageState.LZ4:
                block = await device.export(page)
                assert block is not None and len(block) == info.length
                assert lz4.block.decompress(block, uncompressed_size=PAGE_BYTES) == content
            if info.state.on_media:
                figure = figures[kinds[start + page]]
                figure["pages"] += 1
                figure["bytes"] += info.length
                figure["reference_bytes"] += min(PAGE_BYTES, len(lz4.block.compress(content, store_size=False)))
        await device.trim(range(len(batch)))

    counters = await device.counters()
    capacity = await device.capacity()
    assert capacity.free_sectors == capacity.total_sectors
    write_figures(
        {
            "stores": counters.pages_closed,
            "loads": counters.lines_read // 64,
            "cycles": counters.cycles,
            "states": {state.name: count for state, count in states.items()},
            "kinds": figures,
        }
    )


def write_figures(figures: dict[str, Any]) -> None:
    """Hand the figures to the test that started the simulator."""
    Path(os.environ["VCRAM_FIGURES"]).write_text(json.dumps(figures))
