# SPDX-License-Identifier: MIT
"""Many tasks at once: every page holds what was last written to it, and the state never contradicts itself."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hw.parameters import DeviceParameters
from hw.virtual_time import VirtualClock
from tests.vswap.tb import DEVICE, TB
from vswap.contract.workload import Shape, Workload

ORDERS = (
    ("cram", "zswap", "swapfile"),
    ("cram", "swapfile"),
    ("zswap", "cram", "swapfile"),
    ("zswap", "swapfile"),
    ("swapfile",),
    ("cram", "cram1", "zswap", "swapfile", "swapfile1"),
)
ROOMY = DeviceParameters(perceived_pages=256, media_bytes=1 << 20)
"""Takes every page of a workload raw."""
SMALL_MEMORY: dict[str, Any] = {
    "memory_pages": 24, "swapfile_pages": 1000, "reap_interval": 100_000, "page_cluster": 3,
}  # fmt: skip


def run(seed: int, shape: Shape, *, every: int, device: DeviceParameters = DEVICE, **config: Any) -> TB:
    """Run one workload with the invariants checked at every `every`th step; the machine, for its counters."""
    steps = 0

    async def workload() -> None:
        load = Workload(tb.system, tb.clock, tb.device, seed, shape)
        await load.run()
        assert load.verified or load.exited

    def on_step() -> None:
        nonlocal steps
        steps += 1
        if steps % every == 0 and hasattr(tb, "system"):
            tb.system.invariants()

    with TemporaryDirectory() as folder:
        clock = VirtualClock(seed)
        clock.on_step = on_step
        tb = TB(Path(folder), device, start=True, config={**SMALL_MEMORY, **config}, clock=clock)
        tb.run(workload)
    return tb


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32),
    order=st.sampled_from(ORDERS),
    budget=st.sampled_from([0, 0, 2, 1000]),
    errors=st.booleans(),
)
def test_the_state_is_consistent_at_every_single_step(
    seed: int, order: tuple[str, ...], budget: int, errors: bool
) -> None:
    shape = Shape(spaces=2, tasks=3, pages=12, operations=15, errors=errors, lazyfree=True)
    run(seed, shape, every=1, order=order, writable_budget=budget, memory_pages=16 + 8 * (seed % 2), mthp_orders=(2, 3))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32),
    order=st.sampled_from(ORDERS),
    budget=st.sampled_from([0, 0, 2, 1000]),
    errors=st.booleans(),
)
@example(
    seed=2**32, order=("zswap", "cram", "swapfile"), budget=0, errors=False
)  # reclaim took a shared page again and again just before a write had copied it
@example(seed=71, order=("cram", "swapfile"), budget=0, errors=True)  # killed halfway through a large store
def test_every_page_holds_what_was_last_written_to_it(
    seed: int, order: tuple[str, ...], budget: int, errors: bool
) -> None:
    shape = Shape(spaces=3, tasks=3, pages=40, operations=120, errors=errors)
    run(seed, shape, every=200, order=order, writable_budget=budget, mthp_orders=(2, 3, 4) if seed % 2 else ())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), budget=st.sampled_from([0, 1, 1000]), errors=st.booleans())
@example(
    seed=678, budget=1, errors=True
)  # a load from before a promotion saw what the other space then stored in place
@example(seed=652832598, budget=1000, errors=True)  # both spaces exit before a page is read
@example(
    seed=1730475283, budget=1000, errors=False
)  # a child saw a store of before its fork land: writeback had unmapped the page, and fork did not wait for it
def test_a_crowd_on_a_few_pages_sees_them_right(seed: int, budget: int, errors: bool) -> None:
    shape = Shape(spaces=2, tasks=4, pages=4, operations=100, errors=errors, lazyfree=seed % 2 == 1)
    run(seed, shape, every=20, writable_budget=budget, mthp_orders=(2,) if seed % 4 > 1 else ())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("budget", [0, 1000])
def test_a_roomy_device_can_be_the_only_tier(seed: int, budget: int) -> None:
    counters = run(seed, Shape(), every=20, device=ROOMY, order=("cram",), writable_budget=budget).system.counters
    assert counters.stores and not counters.node_closed and not counters.sigbus


def test_the_workloads_use_every_tier_and_every_path() -> None:
    """The property tests above would mean little if they never got there. Which seed gets where depends on the pages of
    the program that runs the tests, so several are added up."""
    shape = Shape(spaces=3, tasks=2, pages=60, operations=300)
    config: dict[str, Any] = {"memory_pages": 32, "writable_budget": 2, "zswap_max_pool_percent": 15}
    runs = [run(seed, shape, every=500, **config).system.counters for seed in range(6)]
    for moved in ("cram_to_zswap", "cram_to_swapfile", "zswap_to_swapfile"):
        assert any(getattr(counters.writebacks, moved) for counters in runs), moved
    unused = set.intersection(*({name for name, n in counters.snapshot().items() if n == 0} for counters in runs))
    assert unused <= {"trim_fallbacks", "cram_poisoned", "cram_full", "swapout_failed", "sigbus", "io_errors",
                      "writeback_failed", "reject_alloc_fail", "reject_reclaim_fail",
                      "pglazyfree", "pglazyfreed",
                      "extend_retries", "cram_swapped_in",  # of other slots: test_layouts.py, test_direct.py
                      "trim_retries", "nodes_lost", "pages_lost", "ballooned_out",  # a provider's doing: test_nodes.py
                      "oom_kill", "workingset_restore_anon",  # test_withdraw.py, test_workingset.py
                      "ksm_merged", "numa_hint_faults", "numa_pte_updates", "thp_collapse_alloc",  # test_fences.py
                      "promoted_hot", "hot_nominated", "hot_stale", "hot_dropped",
                      "pgdemote_kswapd", "pgdemote_direct", "pgdemote_proactive", "migration_waits"}  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_seed_gives_the_same_run(seed: int) -> None:
    shape = Shape(operations=30, real=False)
    first, second = (run(seed, shape, every=1000) for _ in range(2))
    assert first.clock.now == second.clock.now
    assert first.system.counters == second.system.counters
