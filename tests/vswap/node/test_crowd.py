# SPDX-License-Identifier: MIT
"""Many tasks at once on a machine with a memory node: every access is compared, the invariants hold at every step."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.marks import first_in_test
from tests.vswap.test_races import run
from vswap.contract.workload import Shape

ORDERS = (
    ("cram", "zswap", "swapfile"),
    ("cram", "swapfile"),
    ("zswap", "cram", "swapfile"),
    ("cram", "cram1", "zswap", "swapfile", "swapfile1"),
    ("cram", "zram"),
)
LAYERS = ("virtual", "direct", "xswap")


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32),
    order=st.sampled_from(ORDERS),
    layer=st.sampled_from(LAYERS),
    budget=st.sampled_from([0, 0, 2]),
    errors=st.booleans(),
)
@example(seed=3, order=ORDERS[0], layer="virtual", budget=0, errors=True)
@example(
    seed=2583820913, order=ORDERS[1], layer="xswap", budget=2, errors=False
)  # what a device had written was dropped by the MADV_FREE of a child
def test_the_state_is_consistent_at_every_single_step(
    seed: int, order: tuple[str, ...], layer: str, budget: int, errors: bool
) -> None:
    shape = Shape(spaces=2, tasks=3, pages=8, operations=15, errors=errors, lazyfree=True, fences=True)
    large = (2,) if seed % 2 else ()
    run(seed, shape, every=1, cram_mode="node", order=order, layer=layer, writable_budget=budget, mthp_orders=large)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("seed", first_in_test(range(6), 2))
def test_every_page_holds_what_was_last_written_to_it(seed: int, layer: str) -> None:
    shape = Shape(spaces=3, tasks=3, pages=40, operations=120)
    counters = run(
        seed, shape, every=100, order=ORDERS[seed % len(ORDERS)], layer=layer, cram_mode="node"
    ).system.counters
    assert counters.pgdemote_kswapd + counters.pgdemote_direct + counters.pgdemote_proactive > 20
    assert counters.promotions > 5 and not counters.soft_faults


def test_the_workloads_get_to_every_path_of_a_node() -> None:
    shape = Shape(spaces=3, tasks=2, pages=60, operations=200)
    runs = [run(seed, shape, every=500, cram_mode="node", memory_pages=32).system.counters for seed in range(3)]
    for name in ("pgdemote_kswapd", "pgdemote_direct", "pgdemote_proactive", "promotions", "migration_waits",
                 "node_closed", "writeback_unmaps", "cram_rejects"):  # fmt: skip
        assert any(getattr(counters, name) for counters in runs), name
    assert any("cram (node)_to_zswap" in counters.moves for counters in runs), "the node was swapped out from"
