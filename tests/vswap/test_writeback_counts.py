# SPDX-License-Identifier: MIT
"""`writebacks` counts the pages that moved by the kinds of tiers: every pair that can occur, whatever the machine."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from driver import CramDevice
from hw.links.model import ModelLink
from hw.virtual_time import VirtualClock
from tests.pages import SAME_PAGE, ZERO_PAGE, compressible_page, noise_page
from tests.vswap.node.tools import demoted, node_machine
from tests.vswap.tb import DEVICE, PLAIN, TB
from vswap import AddressSpace, VswapConfig, VswapSystem
from vswap.base.backing import BackingType
from vswap.base.counters import Writebacks
from vswap.contract.broken.raw import RawStore
from vswap.tiers.tierset import NODE

PAGES = (ZERO_PAGE, SAME_PAGE, compressible_page(1), compressible_page(2), noise_page(1), noise_page(2))
KINDS = {"cram": "cram", "cram1": "cram", "zswap": "zswap", "swapfile": "swapfile", "zram": "zram", "mine": "other",
         "zero": "zero"}  # fmt: skip


@st.composite
def machines(draw: st.DrawFn) -> dict[str, Any]:
    """Tiers in any order, in both modes, with each kind of slots."""
    order = draw(st.permutations(["cram", "cram1", "zswap", "swapfile", "zram", "mine"]))
    kept = draw(st.integers(1, len(order)))
    nodes = draw(st.sampled_from([["cram"], ["cram", "cram1"]]))
    return {
        "order": tuple(dict.fromkeys([*order[:kept], *nodes])),
        "cram_mode": draw(st.sampled_from(["swap", "node"])),
        "cram_to_cram": draw(st.booleans()),
        "layer": draw(st.sampled_from(["virtual", "direct"])),
        "profile": draw(st.sampled_from(["6.12", "current"])),
    }


async def written_back(system: VswapSystem) -> None:
    """Tasks' pages go out, and from tier to tier until none moves any more."""
    space: AddressSpace = system.create_space("task")
    for vpn, page in enumerate(PAGES * 2):
        await space.write(vpn, page)
    await space.pageout(0, 2 * len(PAGES))
    await system.machine.inflight.drain()
    zeros = await system.fork(space, "child")  # pages of a node that are zeros by now have been something else before
    for vpn in range(4):
        await zeros.write(vpn, ZERO_PAGE)
    await zeros.pageout(0, 4)
    for _ in range(4):
        for _ in range(2):  # the second look: nobody has used them since
            await system.writeback.write_back_cram(64)
        for _ in range(16):
            await system.writeback.zswap.write_back()
        await system.machine.inflight.drain()


def by_kind(moves: dict[str, int]) -> Counter[str]:
    """What was moved, by the kinds of tiers instead of their names."""
    found = Counter[str]()
    for pair, pages in moves.items():
        source, target = pair.replace(NODE, "").split("_to_")
        found[f"{KINDS[source]}_to_{KINDS[target]}"] += pages
    return found


@settings(max_examples=60, deadline=None)
@given(config=machines())
@example({"order": ("cram", "cram1", "swapfile"), "cram_to_cram": True})
@example({"order": ("zswap", "cram", "mine")})
def test_what_moves_is_counted_by_kind_as_it_is_by_name(config: dict[str, Any]) -> None:
    clock = VirtualClock()

    async def main() -> None:
        devices = {name: await CramDevice.probe(ModelLink(clock, DEVICE)) for name in ("cram", "cram1")}
        with tempfile.TemporaryDirectory() as folder:
            system = VswapSystem(
                clock, VswapConfig(memory_pages=128, swapfile_pages=256, **PLAIN | config), device=devices,
                swapfile=Path(folder) / "swapfile", backends={"mine": lambda *_: RawStore(clock, 64)},
            )  # fmt: skip
            try:
                await written_back(system)
                system.invariants(quiescent=True)
                moves = by_kind(system.counters.moves)
                assert {pair: pages for pair, pages in asdict(system.counters.writebacks).items() if pages} == moves
            finally:
                await system.shutdown()

    clock.run(main())


@node_machine()
async def test_a_page_of_zeros_that_a_node_swaps_out_is_counted(tb: TB) -> None:
    space = await demoted(tb, 2)
    for vpn in range(2):
        await space.write(vpn, ZERO_PAGE)
        await space.pageout(vpn)
    assert await tb.system.writeback.write_back_cram(2) == 2
    assert tb.system.counters.writebacks == Writebacks(cram_to_zero=2)
    assert tb.system.counters.moves == {f"cram{NODE}_to_zero": 2}


def test_each_pair_that_can_occur_has_a_count() -> None:
    """Out of a node and out of zswap, to all kinds of tiers; zswap is behind the pages of zeros, and there is one."""
    pairs = {f"{source}_to_{target}" for source in ("cram", "zswap") for target in KINDS.values()}
    assert asdict(Writebacks()).keys() == pairs - {"zswap_to_zero", "zswap_to_zswap"}


def test_a_pair_that_nobody_counts_is_an_error() -> None:
    with pytest.raises(AttributeError, match="swapfile_to_zswap"):
        Writebacks().count(BackingType.SWAPFILE, BackingType.ZSWAP)
